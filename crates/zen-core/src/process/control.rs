//! The registry of running commands: who may be signalled, from any thread, without ever hitting a stranger.
//! Knows no policy: when to signal whom is the engine's business.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Signal;
use super::kin::{Deed, Kin, Table};

/// What the caller of [`super::run`] calls its command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u32);

/// Signals running commands. Clones speak of the same commands.
///
/// A command is in the registry from its start until the moment before it is reaped, and both ends happen under the
/// lock under which signals are sent: so a process id is never signalled after the system may have given it away.
#[derive(Debug, Clone, Default)]
pub struct Control(Arc<(Mutex<State>, Condvar)>);

#[derive(Debug, Default)]
struct State {
    stopped: Option<Signal>,
    /// What had been started and was nobody's child any more when the first signal came: servers, which live on.
    servers: BTreeSet<Kin>,
    next: u64,
    running: BTreeMap<u64, Running>,
}

#[derive(Debug)]
struct Running {
    job: JobId,
    group: Group,
    killed: bool,
    /// Descendants outside of the group, seen whenever it was told to end. They are not asked (that is for who started
    /// them: a nested `cargo zen`, `script`), but they do not outlive it.
    others: BTreeSet<Kin>,
}

impl Running {
    fn tell(&mut self, signal: Signal, table: &Table) {
        self.others.extend(self.group.others(table));
        self.group.signal(signal);
        if signal == Signal::Kill {
            self.others.iter().for_each(|other| other.signal(Deed::Kill));
        }
    }
}

impl Control {
    /// Sends `signal` to the groups of all running commands. From now on none is started any more, and what is just
    /// being started gets the signal too.
    pub fn stop(&self, signal: Signal) {
        let mut state = self.lock();
        // Before the signal: a process whose parent it ends would look like a server.
        let table = if state.running.is_empty() { Table::default() } else { Table::read() };
        if state.stopped.replace(signal).is_none() {
            state.servers = strays(&table);
        }
        self.0.1.notify_all();
        for running in state.running.values_mut() {
            running.killed = true;
            running.tell(signal, &table);
        }
    }

    /// Sends `signal` to the group of what runs for `job`, if anything does.
    pub fn kill(&self, job: JobId, signal: Signal) {
        for running in self.lock().running.values_mut().filter(|running| running.job == job) {
            running.killed = true;
            running.tell(signal, &Table::read());
        }
    }

    /// The last signal of [`Control::stop`].
    pub fn stopped(&self) -> Option<Signal> {
        self.lock().stopped
    }

    /// Lets `time` pass, less if a signal comes.
    pub fn pause(&self, time: Duration) {
        let state = self.lock();
        // Whether it was the time or a signal, the caller looks at `stopped`.
        let _ = self.0.1.wait_timeout_while(state, time, |state| state.stopped.is_none());
    }

    /// How many commands run.
    pub fn running(&self) -> usize {
        self.lock().running.len()
    }

    /// Adds a command that was just started.
    pub(super) fn enter(&self, job: JobId, group: Group) -> Slot {
        let mut state = self.lock();
        let killed = state.stopped.is_some();
        if let Some(signal) = state.stopped {
            group.signal(signal);
        }
        let slot = state.next;
        state.next += 1;
        state.running.insert(slot, Running { job, group, killed, others: BTreeSet::new() });
        Slot(slot)
    }

    /// Signals one command for a reason of its own (a timeout), which is not [`super::Exit::killed`].
    #[cfg(unix)]
    pub(super) fn signal(&self, slot: &Slot, signal: Signal) {
        if let Some(running) = self.lock().running.get_mut(&slot.0) {
            running.tell(signal, &Table::read());
        }
    }

    /// Kills what is left of the group of a command that ended, and if it was told to end, what it had started outside of
    /// the group; then reaps it by `reap`. Gives what `reap` gave, and whether the command was killed from outside.
    pub(super) fn leave<T>(&self, slot: Slot, reap: impl FnOnce() -> T) -> (T, bool) {
        let mut state = self.lock();
        let running = state.running.remove(&slot.0);
        if let Some(running) = &running {
            running.group.signal(Signal::Kill);
            // When the last one of a stopped run ends: what nobody had seen in time, because it was just being started.
            let is_last = state.stopped.is_some() && state.running.is_empty();
            if is_last || !running.others.is_empty() {
                kill_all(|table| {
                    let mut found = table.still(&running.others);
                    if is_last {
                        found.extend(strays(table).difference(&state.servers));
                    }
                    found
                });
            }
        }
        (reap(), running.is_some_and(|running| running.killed))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Kills what `find` finds, until that is nothing new.
fn kill_all(find: impl Fn(&Table) -> BTreeSet<Kin>) {
    const ROUNDS: usize = 50;
    let mut killed = BTreeSet::new();
    for _ in 0..ROUNDS {
        let found = find(&Table::read());
        if found.is_subset(&killed) {
            break;
        }
        found.iter().for_each(|kin| kin.signal(Deed::Kill));
        killed.extend(found);
    }
}

/// What commands of this process started and what is nobody's child any more.
fn strays(table: &Table) -> BTreeSet<Kin> {
    let me = i32::try_from(std::process::id()).ok().and_then(|id| table.of(id));
    me.map(|me| table.strays(me)).unwrap_or_default()
}

/// A place in the registry; it is given back once.
#[derive(Debug)]
pub(super) struct Slot(u64);

/// What a signal goes to.
#[cfg(unix)]
#[derive(Debug)]
pub(super) enum Group {
    /// A process group of the command's own.
    Own(rustix::process::Pid),
    /// The command alone: it is in zen's group.
    Zens(rustix::process::Pid),
}

#[cfg(unix)]
impl Group {
    /// What descends from the command and does not hear of its signals.
    fn others(&self, table: &Table) -> BTreeSet<Kin> {
        match self {
            Self::Own(group) => table.outside(group.as_raw_pid()),
            Self::Zens(process) => table.below([process.as_raw_pid()]),
        }
    }

    fn signal(&self, signal: Signal) {
        use rustix::process::{Signal as System, kill_process, kill_process_group};
        let system = match signal {
            Signal::Interrupt => System::INT,
            Signal::Terminate => System::TERM,
            Signal::Hangup => System::HUP,
            Signal::Kill => System::KILL,
        };
        let send = |signal| match self {
            Self::Own(group) => kill_process_group(*group, signal),
            Self::Zens(process) => kill_process(*process, signal),
        };
        // An error says that nobody of the group is left: what was wanted. A stopped process hears only after
        // SIGCONT.
        let _ = send(system);
        if signal != Signal::Kill {
            let _ = send(System::CONT);
        }
    }
}

/// What a signal goes to where there are no process groups: a wish that the waiting thread looks at.
#[cfg(not(unix))]
#[derive(Debug)]
pub(super) struct Group(pub(super) Arc<std::sync::atomic::AtomicBool>);

#[cfg(not(unix))]
impl Group {
    fn others(&self, _: &Table) -> BTreeSet<Kin> {
        BTreeSet::new()
    }

    fn signal(&self, _: Signal) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}
