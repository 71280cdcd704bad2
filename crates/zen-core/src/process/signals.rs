//! The signals that ask zen to end: delivered to a channel, and raised again when all is tidy. Knows no policy.

use std::io;
use std::sync::mpsc::Receiver;

/// What asks a process to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signal {
    /// Ctrl-C
    Interrupt,
    /// `kill`
    Terminate,
    /// The terminal is gone.
    Hangup,
    /// It cannot be refused; never received.
    Kill,
}

impl Signal {
    /// The system's number (the same on every Unix).
    pub fn number(self) -> i32 {
        match self {
            Self::Hangup => 1,
            Self::Interrupt => 2,
            Self::Kill => 9,
            Self::Terminate => 15,
        }
    }

    /// `SIGINT` …
    pub fn name(self) -> &'static str {
        match self {
            Self::Hangup => "SIGHUP",
            Self::Interrupt => "SIGINT",
            Self::Kill => "SIGKILL",
            Self::Terminate => "SIGTERM",
        }
    }
}

/// `SIGSEGV` for 11, and so on, as this system counts.
pub(super) fn name(signal: i32) -> Option<&'static str> {
    #[cfg(unix)]
    return signal_hook::low_level::signal_name(signal);
    #[cfg(not(unix))]
    return [Signal::Hangup, Signal::Interrupt, Signal::Kill, Signal::Terminate]
        .into_iter()
        .find(|known| known.number() == signal)
        .map(Signal::name);
}

/// While it lives, SIGINT, SIGTERM and SIGHUP go to its channel instead of ending the process. Afterwards they end
/// the process as ever. One at a time: handlers are the whole process's.
#[derive(Debug)]
pub struct Signals {
    #[cfg(unix)]
    _inner: unix::Inner,
    /// Keeps the channel open where nothing ever comes.
    #[cfg(not(unix))]
    _sender: std::sync::mpsc::Sender<Signal>,
}

impl Signals {
    /// Starts to listen, on a thread of its own. What was ignored when zen was started (`nohup`, a job in the
    /// background of a script) stays ignored.
    ///
    /// # Errors
    /// The system refused a handler or a thread.
    pub fn install() -> io::Result<(Self, Receiver<Signal>)> {
        let (sender, receiver) = std::sync::mpsc::channel();
        #[cfg(unix)]
        let signals = Self { _inner: unix::Inner::install(sender)? };
        #[cfg(not(unix))]
        let signals = Self { _sender: sender };
        Ok((signals, receiver))
    }
}

/// Ends this process by `signal`, as if it had never been caught: whoever started zen is to see that.
///
/// # Errors
/// The system did not restore or raise it.
pub fn reraise(signal: Signal) -> io::Result<()> {
    #[cfg(unix)]
    return signal_hook::low_level::emulate_default_handler(signal.number());
    #[cfg(not(unix))]
    std::process::exit(128 + signal.number());
}

#[cfg(unix)]
mod unix {
    #![expect(clippy::disallowed_methods, reason = "an edge: asks the kernel what this process ignores")]

    use std::io;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::Sender;
    use std::sync::{Arc, OnceLock};
    use std::thread::JoinHandle;

    use signal_hook::flag;
    use signal_hook::iterator::{Handle, Signals};

    use super::Signal;

    /// Does nobody listen any more? Handlers are the whole process's, and so is this.
    static OVER: OnceLock<Arc<AtomicBool>> = OnceLock::new();

    #[derive(Debug)]
    pub(super) struct Inner {
        handle: Handle,
        thread: Option<JoinHandle<()>>,
    }

    impl Inner {
        pub(super) fn install(sender: Sender<Signal>) -> io::Result<Self> {
            let heard = heard();
            // A handler, once set, stays for good: when nobody listens any more it does what the system would do.
            let first = OVER.get().is_none();
            let over = OVER.get_or_init(Arc::default);
            over.store(false, Ordering::SeqCst);
            for signal in heard.iter().filter(|_| first) {
                flag::register_conditional_default(signal.number(), Arc::clone(over))?;
            }
            let mut source = Signals::new(heard.iter().map(|signal| signal.number()))?;
            let handle = source.handle();
            let thread = std::thread::Builder::new().name("zen signals".into()).spawn(move || {
                for number in source.forever() {
                    let signal = heard.iter().find(|signal| signal.number() == number);
                    // Nobody listens any more: then there is nothing left to tidy up either.
                    if signal.is_some_and(|signal| sender.send(*signal).is_err()) {
                        break;
                    }
                }
            })?;
            Ok(Self { handle, thread: Some(thread) })
        }
    }

    impl Drop for Inner {
        fn drop(&mut self) {
            OVER.get_or_init(Arc::default).store(true, Ordering::SeqCst);
            self.handle.close();
            if let Some(thread) = self.thread.take() {
                let _ = thread.join();
            }
        }
    }

    /// The signals that are listened to: none that this process ignores.
    pub(super) fn heard() -> Vec<Signal> {
        let ignored = ignored();
        let signals = [Signal::Interrupt, Signal::Terminate, Signal::Hangup];
        signals.into_iter().filter(|signal| ignored & (1 << (signal.number() - 1)) == 0).collect()
    }

    /// A bit for each signal that this process ignores; elsewhere than on Linux that is not to be had without unsafe
    /// code, and none is.
    fn ignored() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    /// The one test that installs handlers, as they are the whole process's.
    #[test]
    fn f_34_signals_come_through_the_channel() {
        // Under `nohup`, say, not all of them: who raised another would wait for ever.
        let heard = unix::heard();
        drop(Signals::install().unwrap());
        let (signals, receiver) = Signals::install().unwrap();
        for signal in heard {
            signal_hook::low_level::raise(signal.number()).unwrap();
            assert_eq!(receiver.recv().unwrap(), signal);
        }
        drop(signals);
        assert!(receiver.recv().is_err(), "nobody sends any more");
    }

    #[test]
    fn names_are_the_systems() {
        for signal in [Signal::Interrupt, Signal::Terminate, Signal::Hangup, Signal::Kill] {
            assert_eq!(name(signal.number()), Some(signal.name()));
        }
    }
}
