//! Standard error as a terminal: lines that scroll, and below them a bar that is drawn anew as time goes by. Knows no
//! steps.

use std::io::{IsTerminal, Write};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};

/// So often the bar is drawn anew while nothing happens.
const TICK: Duration = Duration::from_millis(100);

/// What the bar shows now, for a line of that width.
pub(crate) type Draw = Box<dyn FnMut(usize) -> Option<String> + Send>;

/// Where lines go, and the bar.
pub(crate) struct Screen {
    state: Arc<Mutex<State>>,
    /// Ends the thread that draws the bar anew.
    ticker: Option<Sender<()>>,
}

struct State {
    stderr: AutoStream<std::io::Stderr>,
    draw: Option<Draw>,
    /// Columns of the bar that stands there.
    drawn: usize,
    /// Something stands in the last line that is no bar.
    is_midline: bool,
    /// Columns, if not those of the terminal.
    width: Option<usize>,
}

impl Screen {
    /// Nothing is on it yet.
    pub(crate) fn new(choice: ColorChoice, width: Option<usize>) -> Self {
        let stderr = AutoStream::new(std::io::stderr(), choice);
        let state = State { stderr, draw: None, drawn: 0, is_midline: false, width };
        Self { state: Arc::new(Mutex::new(state)), ticker: None }
    }

    /// Writes above the bar. Whether anybody reads it is not our concern: a closed standard error is no failure of a run.
    pub(crate) fn write(&self, bytes: &[u8]) {
        self.state().write(bytes);
    }

    /// Shows a bar, or none from now on.
    pub(crate) fn bar(&mut self, draw: Option<Draw>) {
        if draw.is_none() {
            self.ticker = None;
        }
        let has_bar = draw.is_some();
        let mut state = self.state();
        state.draw = draw;
        state.write(b"");
        drop(state);
        if has_bar && self.ticker.is_none() {
            self.ticker = tick(&self.state);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Draws the bar anew as time goes by, until the sender is dropped. Without a thread it stands still until something happens.
fn tick(state: &Arc<Mutex<State>>) -> Option<Sender<()>> {
    let (sender, ends) = channel::<()>();
    let state = Arc::clone(state);
    let thread = std::thread::Builder::new().name("zen bar".into()).spawn(move || {
        while ends.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
            state.lock().unwrap_or_else(PoisonError::into_inner).redraw();
        }
    });
    thread.ok().map(|_| sender)
}

impl State {
    fn write(&mut self, bytes: &[u8]) {
        if self.draw.is_none() && self.drawn == 0 {
            self.put(bytes);
            self.is_midline = !bytes.is_empty() && !bytes.ends_with(b"\n");
            return;
        }
        // In one piece, so that nothing flickers.
        let mut all = Vec::with_capacity(bytes.len() + 2 * self.drawn + 64);
        if self.drawn > 0 {
            all.push(b'\r');
            all.resize(all.len() + self.drawn, b' ');
            all.push(b'\r');
            self.drawn = 0;
        }
        all.extend_from_slice(bytes);
        if !bytes.is_empty() {
            self.is_midline = !bytes.ends_with(b"\n");
        }
        all.extend(self.bar());
        self.put(&all);
    }

    fn redraw(&mut self) {
        let before = self.drawn;
        let bar = self.bar();
        if bar.is_empty() && before == 0 {
            return;
        }
        let mut all = vec![b'\r'];
        all.extend(bar);
        // What stands behind a line that got shorter.
        let rest = before.saturating_sub(self.drawn);
        all.resize(all.len() + rest, b' ');
        all.resize(all.len() + rest, 0x08);
        self.put(&all);
    }

    /// The bar as it is now, if it may stand where the cursor is.
    fn bar(&mut self) -> Vec<u8> {
        self.drawn = 0;
        if self.is_midline {
            return Vec::new();
        }
        let width = self.width.unwrap_or_else(columns);
        // The last column is left alone: some terminals go on to the next line behind it.
        let Some(bar) = self.draw.as_mut().and_then(|draw| draw(width.saturating_sub(1))) else { return Vec::new() };
        self.drawn = anstream::adapter::strip_str(&bar).to_string().chars().count();
        bar.into_bytes()
    }

    fn put(&mut self, bytes: &[u8]) {
        let _ = self.stderr.write_all(bytes);
        let _ = self.stderr.flush();
    }
}

/// Of standard error.
fn columns() -> usize {
    terminal_size::terminal_size_of(std::io::stderr()).map_or(80, |(width, _)| width.0.into())
}

/// May there be a bar, as cargo decides it? `CARGO_TERM_PROGRESS_WHEN`, the terminal, `TERM=dumb` and `CI` count.
pub(crate) fn may_have_bar(is_ci: bool) -> bool {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    match variable("CARGO_TERM_PROGRESS_WHEN").as_str() {
        "never" => false,
        "always" => progress_width().is_some() || std::io::stderr().is_terminal(),
        _ => std::io::stderr().is_terminal() && variable("TERM") != "dumb" && !is_ci,
    }
}

/// `CARGO_TERM_PROGRESS_WIDTH`
pub(crate) fn progress_width() -> Option<usize> {
    std::env::var("CARGO_TERM_PROGRESS_WIDTH").ok()?.parse().ok()
}
