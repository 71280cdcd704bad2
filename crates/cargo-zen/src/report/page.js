// Shows what is known of a step, moves and zooms the graph, filters the table. All text goes in as text.
(() => {
  'use strict';
  document.documentElement.classList.add('js');
  const { steps } = JSON.parse(document.getElementById('data').textContent);

  function el(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) element.setAttribute(name, value);
    element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
    return element;
  }

  // A step's facts.
  const dialog = document.getElementById('facts');
  const pairs = (rows) => {
    const known = rows.filter(([, value]) => value !== null && value !== undefined && value !== '');
    return el('dl', {}, known.map(([name, value]) => [el('dt', {}, name), el('dd', {}, value)]));
  };
  const object = (title, values) => {
    const rows = Object.entries(values || {}).map(([name, value]) => [name, String(value)]);
    return rows.length ? [el('h3', {}, title), pairs(rows)] : [];
  };
  const button = (at) => {
    const link = el('button', { type: 'button', class: 'link' }, steps[at].name);
    link.addEventListener('click', () => open(at));
    return link;
  };
  const buttons = (places) => places.flatMap((at, index) => (index ? [', ', button(at)] : [button(at)]));

  function components(step) {
    if (!step.components) return [];
    const one = (component) => {
      const row = ([name, digest, value]) =>
        el('tr', {}, el('th', { scope: 'row' }, name), el('td', {}, el('code', {}, digest)), el('td', {}, value));
      const more = component.more ? [el('p', {}, `… and ${component.more} more`)] : [];
      return el(
        'details', {},
        el('summary', {}, `${component.name} (${component.items.length + component.more}) `, el('code', {}, component.digest)),
        el('div', { class: 'wide' }, el('table', {}, el('tbody', {}, component.items.map(row)))), more);
    };
    return [el('h3', {}, 'What its key is made of'), step.components.map(one)];
  }

  function log(step) {
    if (!step.log) return [];
    const of = step.log_run === null ? 'Output' : `Output, of run ${step.log_run}`;
    const width = Math.max(...step.log.lines.map(([at]) => (at === null ? 0 : (at / 1000).toFixed(2).length)), 0);
    const line = ([at, text]) => [
      el('span', { class: 'at' }, at === null ? '' : `${(at / 1000).toFixed(2).padStart(width)}s  `), text + '\n'];
    const cut = step.log.cut ? [el('p', {}, `The last lines; ${step.log.cut} before them are left out.`)] : [];
    return [el('h3', {}, of), cut, el('pre', { tabindex: '0' }, step.log.lines.flatMap(line))];
  }

  function open(at) {
    const step = steps[at];
    if (!step) return;
    const downstream = steps.flatMap((other, index) => (other.after.includes(at) ? [index] : []));
    const artifact = (it) => {
      const files = it.files === 1 ? '1 file' : `${it.files} files`;
      return el('li', {}, `${it.name}: ${files}, ${it.size} `, el('code', {}, it.digest.slice(0, 12)));
    };
    const close = el('button', { type: 'button', class: 'close' }, 'Close');
    close.addEventListener('click', () => dialog.close());
    dialog.replaceChildren(
      close,
      el('h2', { id: 'facts-title' }, step.id),
      pairs([
        ['outcome', [el('i', { class: `state ${step.outcome}` }), step.outcome]],
        ['why', step.why.join(', ')],
        ['failure', step.failure],
        ['exit code', step.exit === null ? null : String(step.exit)],
        ['time', step.time],
        ['saved', step.saved],
        ['made by', step.made ? `run ${step.made.run}, ${step.made.at}` : null],
        ['after', step.after.length ? buttons(step.after) : null],
        ['before', downstream.length ? buttons(downstream) : null],
        ['key', step.key ? el('code', {}, step.key) : null],
      ]),
      ...object('Parameters', step.params).flat(),
      ...object('Metrics', step.metrics).flat(),
      ...(step.artifacts.length ? [el('h3', {}, 'Artifacts'), el('ul', { class: 'plain' }, step.artifacts.map(artifact))] : []),
      ...log(step).flat(),
      ...components(step).flat());
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    close.focus();
    history.replaceState(null, '', `#step-${at}`);
  }

  dialog.addEventListener('close', () => history.replaceState(null, '', location.pathname + location.search));
  dialog.addEventListener('click', (event) => { if (event.target === dialog) dialog.close(); });
  document.addEventListener('click', (event) => {
    const from = event.target.closest('[data-step]');
    if (from) open(Number(from.dataset.step));
  });

  // The table.
  const filter = document.getElementById('filter');
  const rows = [...document.querySelectorAll('#rows tbody tr')];
  filter.addEventListener('input', () => {
    const words = filter.value.toLowerCase().split(/\s+/);
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
  });

  // The graph: a view box that moves over the drawing.
  const view = document.getElementById('view');
  const svg = view.querySelector('svg');
  const size = { width: svg.width.baseVal.value, height: svg.height.baseVal.value };
  // `untouched`: nobody has moved it yet.
  const box = { x: 0, y: 0, scale: 1, untouched: true };
  svg.removeAttribute('width');
  svg.removeAttribute('height');
  svg.setAttribute('role', 'group');
  view.classList.add('live');
  view.tabIndex = 0;
  view.setAttribute('role', 'region');
  view.setAttribute('aria-label', 'Graph of steps: arrow keys move it, plus and minus zoom');

  // `scale` is pixels of the screen for one of the drawing.
  const fitting = () => Math.min(view.clientWidth / size.width, view.clientHeight / size.height, 1);
  function show() {
    const [width, height] = [view.clientWidth / box.scale, view.clientHeight / box.scale];
    const within = (at, seen, whole) => (seen >= whole ? (whole - seen) / 2 : Math.min(Math.max(at, 0), whole - seen));
    box.x = within(box.x, width, size.width);
    box.y = within(box.y, height, size.height);
    svg.setAttribute('viewBox', `${box.x} ${box.y} ${width} ${height}`);
  }
  function zoom(factor, x = view.clientWidth / 2, y = view.clientHeight / 2) {
    const scale = Math.min(Math.max(box.scale * factor, fitting() / 2), 4);
    box.x += x / box.scale - x / scale;
    box.y += y / box.scale - y / scale;
    box.scale = scale;
    box.untouched = false;
    show();
  }
  function whole(least) {
    const wanted = Math.min(view.clientWidth / size.width, 1);
    view.style.height = `${Math.min(Math.max(size.height * Math.max(wanted, least), 80), innerHeight * 0.75)}px`;
    box.scale = Math.max(fitting(), least);
    box.x = box.y = 0;
    show();
  }
  // At first no smaller than can be read: the beginning of a large graph, not a grey stripe.
  const readable = 0.4;
  const begin = () => whole(view.clientWidth / size.width < readable ? readable : 0);
  begin();
  addEventListener('resize', () => (box.untouched ? begin() : show()));
  const act = { in: () => zoom(1.4), out: () => zoom(1 / 1.4), fit: () => whole(0) };
  for (const tool of document.querySelectorAll('[data-zoom]')) tool.addEventListener('click', act[tool.dataset.zoom]);
  view.addEventListener('wheel', (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const frame = view.getBoundingClientRect();
    zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, event.clientX - frame.left, event.clientY - frame.top);
  }, { passive: false });
  let drag = null;
  view.addEventListener('pointerdown', (event) => { drag = { x: event.clientX, y: event.clientY, moved: false }; });
  addEventListener('pointermove', (event) => {
    if (!drag) return;
    const [x, y] = [event.clientX - drag.x, event.clientY - drag.y];
    if (!drag.moved && Math.hypot(x, y) < 4) return;
    Object.assign(drag, { x: event.clientX, y: event.clientY, moved: true });
    box.x -= x / box.scale;
    box.y -= y / box.scale;
    box.untouched = false;
    show();
  });
  addEventListener('pointerup', () => { setTimeout(() => { drag = null; }); });
  addEventListener('pointercancel', () => { drag = null; });
  view.addEventListener('keydown', (event) => {
    const step = 60 / box.scale;
    const keys = {
      '+': act.in, '=': act.in, '-': act.out, '0': act.fit,
      ArrowLeft: () => { box.x -= step; show(); }, ArrowRight: () => { box.x += step; show(); },
      ArrowUp: () => { box.y -= step; show(); }, ArrowDown: () => { box.y += step; show(); },
    };
    if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
  for (const node of svg.querySelectorAll('g[data-node]')) {
    const at = Number(node.dataset.node);
    node.setAttribute('tabindex', '0');
    node.setAttribute('role', 'button');
    node.setAttribute('aria-label', node.querySelector('title').textContent);
    node.addEventListener('click', () => { if (!drag || !drag.moved) open(at); });
    node.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' && event.key !== ' ') return;
      event.preventDefault();
      open(at);
    });
  }

  const asked = /^#step-(\d+)$/.exec(location.hash);
  if (asked) open(Number(asked[1]));
})();
