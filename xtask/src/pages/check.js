// Looks at a page in a frame, as somebody with a small screen, a large one, a keyboard, or a screen reader would use it.
// Leaves what is wrong in `#result`.
const problems = [];
let checked = 0;
const frame = document.getElementById('page');
const holds = (is, text) => { checked += 1; if (!is) problems.push(text); };

function luminance([red, green, blue]) {
  const channel = (value) => (value / 255 <= 0.03928 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * channel(red) + 0.7152 * channel(green) + 0.0722 * channel(blue);
}
const colour = (text) => (text.match(/[\d.]+/g) || []).map(Number);

function behind(element, view) {
  const node = element.closest('g[data-node]');
  if (node) return colour(view.getComputedStyle(node.querySelector('rect')).fill);
  for (let at = element; at; at = at.parentElement) {
    const [red, green, blue, alpha = 1] = colour(view.getComputedStyle(at).backgroundColor);
    if (alpha === 1) return [red, green, blue];
  }
  return colour(view.getComputedStyle(view.document.body).backgroundColor);
}

function contrasts(view, scheme) {
  const body = view.getComputedStyle(view.document.body);
  const isDark = luminance(colour(body.backgroundColor)) < 0.2;
  holds(isDark === (scheme === 'dark'), `the page is ${isDark ? 'dark' : 'light'}, and ${scheme} was asked for`);
  const seen = new Set();
  for (const element of [...view.document.querySelectorAll('body *')].slice(0, 6000)) {
    const text = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!text || ['SCRIPT', 'STYLE', 'TITLE', 'title'].includes(element.tagName) || !element.getClientRects().length) continue;
    const style = view.getComputedStyle(element);
    const [front, back] = [colour(element instanceof view.SVGElement ? style.fill : style.color), behind(element, view)];
    const [a, b] = [luminance(front), luminance(back)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const what = `${element.tagName}.${element.getAttribute('class') || ''} ${front} on ${back}`;
    if (seen.has(what)) continue;
    seen.add(what);
    holds(ratio >= 4.5, `contrast ${ratio.toFixed(2)} of ${what}: ${element.textContent.trim().slice(0, 30)}`);
  }
}

function structure(page, width) {
  const root = page.documentElement;
  holds(root.lang === 'en' && page.title.trim() !== '', 'the page has a language and a title');
  holds(root.scrollWidth <= root.clientWidth, `at ${width} pixels the page is ${root.scrollWidth} wide`);
  holds(page.querySelectorAll('h1').length === 1, 'there is one h1');
  const levels = [...page.querySelectorAll('h1,h2,h3,h4')].filter((it) => !it.closest('dialog')).map((it) => Number(it.tagName[1]));
  levels.reduce((before, level) => { holds(level <= before + 1, `h${level} after h${before}`); return level; }, 0);
  const ids = [...page.querySelectorAll('[id]')].map((element) => element.id);
  holds(new Set(ids).size === ids.length, 'no id is there twice');
  for (const button of page.querySelectorAll('button,[role=button],a[href]')) {
    const name = button.getAttribute('aria-label') || button.textContent.trim();
    holds(name !== '' && name !== null, `${button.outerHTML.slice(0, 80)} has no name`);
  }
  for (const input of page.querySelectorAll('input')) holds(input.labels.length === 1, 'each field has a label');
  for (const svg of page.querySelectorAll('svg')) holds(svg.getAttribute('aria-label'), 'each drawing has a name');
  for (const header of page.querySelectorAll('th')) holds(header.scope, `the header ${header.textContent} has no scope`);
}

function harmless(view) {
  const page = view.document;
  holds(view.pwned === undefined, 'a script of somebody else ran');
  const foreign = page.querySelectorAll('img,iframe,object,embed,link,base,form,video,audio,image,foreignObject,animate,set,use');
  holds(foreign.length === 0, `there is a ${foreign[0] && foreign[0].outerHTML.slice(0, 60)}`);
  for (const element of page.querySelectorAll('*')) {
    for (const { name, value } of element.attributes) {
      if (name.startsWith('on') || /^\s*(javascript|data):/i.test(value)) problems.push(`${element.tagName} has ${name}=${value.slice(0, 40)}`);
    }
  }
}

function report(view) {
  const page = view.document;
  const { steps } = JSON.parse(page.getElementById('data').textContent);
  const scripts = page.querySelectorAll('script');
  holds(scripts.length === 2, `there are ${scripts.length} scripts`);
  const dialog = page.getElementById('facts');
  const opened = (at, how) => {
    holds(dialog.open, `step ${at} opens by ${how}`);
    holds(dialog.querySelector('h2').textContent === steps[at].id, `what opens by ${how} is about step ${at}`);
    holds(page.activeElement === dialog.querySelector('.close'), `the focus goes where step ${at} is told of`);
    const headings = [...dialog.querySelectorAll('h2,h3')].map((it) => it.textContent);
    if (steps[at].log) holds(headings.some((text) => text.startsWith('Output')), `step ${at} shows what it printed`);
    if (steps[at].components) holds(headings.includes('What its key is made of'), `step ${at} shows its key`);
    holds(!dialog.textContent.includes('[object'), `step ${at} is told of in words`);
    contrasts(view, scheme);
    harmless(view);
    dialog.querySelector('.close').click();
    holds(!dialog.open, 'it closes');
  };
  const last = steps.length - 1;
  for (const at of new Set([0, Math.floor(last / 2), last])) {
    const node = page.querySelector(`g[data-node="${at}"]`);
    node.dispatchEvent(new view.MouseEvent('click', { bubbles: true }));
    opened(at, 'a click in the graph');
    node.focus();
    node.dispatchEvent(new view.KeyboardEvent('keydown', { key: 'Enter', bubbles: true }));
    opened(at, 'Enter in the graph');
    page.querySelector(`#rows [data-step="${at}"]`).click();
    opened(at, 'a click in the table');
    const bar = page.querySelector(`.lanes [data-step="${at}"]`);
    if (bar) { bar.click(); opened(at, 'a click in the timeline'); }
  }
  const filter = page.getElementById('filter');
  const rows = [...page.querySelectorAll('#rows tbody tr')];
  holds(rows.length === steps.length, 'each step has a row');
  filter.value = steps[last].name;
  filter.dispatchEvent(new view.Event('input'));
  const left = rows.filter((row) => !row.hidden);
  holds(left.includes(rows[last]) && (last === 0 || left.length <= steps.length), 'the table can be filtered');
  filter.value = 'no step is called that';
  filter.dispatchEvent(new view.Event('input'));
  holds(rows.every((row) => row.hidden), 'nothing is left where nothing fits');
  filter.value = '';
  filter.dispatchEvent(new view.Event('input'));

  const graph = page.getElementById('view');
  const svg = graph.querySelector('svg');
  const box = () => svg.getAttribute('viewBox').split(' ').map(Number);
  const press = (key) => graph.dispatchEvent(new view.KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
  press('0');
  const whole = box();
  for (const node of svg.querySelectorAll('g[data-node] rect')) {
    const { x, y, width, height } = node.getBBox();
    const inside = x >= whole[0] && y >= whole[1] && x + width <= whole[0] + whole[2] && y + height <= whole[1] + whole[3];
    if (!inside) { problems.push('a step is outside of the whole graph'); break; }
  }
  for (let times = 0; times < 12; times += 1) page.querySelector('[data-zoom=in]').click();
  const near = box();
  holds(near[2] < whole[2], 'zooming in shows less');
  press('ArrowRight');
  holds(box()[0] !== near[0] || near[2] >= svg.getBBox().width, 'an arrow key moves it');
  press('-');
  holds(box()[2] > near[2], 'zooming out shows more');
}

async function look(width) {
  frame.style.width = `${width}px`;
  await new Promise((done) => { frame.onload = done; frame.src = address; });
  // Nothing is drawn without a screen, so no frame is ever asked for: time itself is virtual here.
  await new Promise((done) => { setTimeout(done, 100); });
  const view = frame.contentWindow;
  structure(view.document, width);
  harmless(view);
  contrasts(view, scheme);
  if (view.document.getElementById('facts')) {
    report(view);
    structure(view.document, width);
  }
}

(async () => {
  try {
    for (const width of [400, 1600]) await look(width);
  } catch (error) {
    problems.push(`${error} ${error.stack}`);
  }
  document.getElementById('result').textContent = encodeURIComponent(JSON.stringify({ checked, problems }));
})();
