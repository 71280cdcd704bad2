//! Who descends from whom, as Linux tells it in `/proc`; on other systems nobody is found. Knows no commands, and not
//! who is to be killed when.
#![expect(clippy::disallowed_methods, reason = "an edge: reads /proc")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// The variable by which what a run starts is known to be of that run: the process ids of `cargo zen` and of those that
/// it runs in, outermost first, comma-separated.
pub const ANCESTORS: &str = "ZEN_ANCESTORS";

/// One process and no later one of the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kin {
    pub(super) id: i32,
    /// In ticks since the system was started.
    pub(super) started: u64,
}

#[derive(Debug, Clone, Copy)]
struct Process {
    kin: Kin,
    parent: i32,
    group: i32,
    session: i32,
}

/// All processes that were alive at one time, more or less: they do not stand still while they are listed.
#[derive(Debug, Default)]
pub(super) struct Table(BTreeMap<i32, Process>);

impl Table {
    pub(super) fn read() -> Self {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        Self(ids.filter_map(|id| Some((id, stat(id)?))).collect())
    }

    pub(super) fn of(&self, id: i32) -> Option<Kin> {
        self.0.get(&id).map(|process| process.kin)
    }

    /// All that descend from `roots` by parents that live. A server that let its parent end (as daemons do, to be
    /// nobody's child) is not among them.
    pub(super) fn below(&self, roots: impl IntoIterator<Item = i32>) -> BTreeSet<Kin> {
        let mut children: BTreeMap<i32, Vec<Kin>> = BTreeMap::new();
        for process in self.0.values() {
            children.entry(process.parent).or_default().push(process.kin);
        }
        let mut open: Vec<i32> = roots.into_iter().collect();
        let mut found = BTreeSet::new();
        while let Some(parent) = open.pop() {
            let new = children.get(&parent).into_iter().flatten().filter(|kin| found.insert(**kin));
            open.extend(new.map(|kin| kin.id));
        }
        found
    }

    /// As [`Table::below`], of the leader of a group, without those in its group.
    pub(super) fn outside(&self, leader: i32) -> BTreeSet<Kin> {
        let mut found = self.below([leader]);
        found.retain(|kin| self.0.get(&kin.id).is_some_and(|process| process.group != leader));
        found
    }

    /// Those of `kin` that are still there, and what descends from them.
    pub(super) fn still(&self, kin: &BTreeSet<Kin>) -> BTreeSet<Kin> {
        let mut found: BTreeSet<Kin> = kin.iter().copied().filter(|kin| self.of(kin.id) == Some(*kin)).collect();
        found.extend(self.below(found.iter().map(|kin| kin.id).collect::<Vec<_>>()));
        found
    }

    /// What a run of `zen` started and what no longer descends from it.
    pub(super) fn strays(&self, zen: Kin) -> BTreeSet<Kin> {
        let below = self.below([zen.id]);
        let later = self.later_than(zen).map(|process| process.kin);
        later.filter(|kin| !below.contains(kin) && is_of_run(*kin, zen.id)).collect()
    }

    /// What a run of a `zen` that is dead left: what it started in its own session, which is that of `guard`, with their
    /// groups (but not zen's own, `group`), and what descends from these.
    pub(super) fn left_by(&self, zen: i32, group: i32, guard: Kin) -> BTreeSet<Kin> {
        let Some(me) = self.0.get(&guard.id) else { return BTreeSet::new() };
        let mates = || self.later_than(guard).filter(|process| process.session == me.session);
        let marked: Vec<_> = mates().filter(|process| is_of_run(process.kin, zen)).collect();
        // A command that cleared its environment is still in its step's group.
        let groups: BTreeSet<i32> = marked.iter().map(|process| process.group).filter(|it| *it != group).collect();
        let in_groups = mates().filter(|process| groups.contains(&process.group));
        let mut found: BTreeSet<Kin> = in_groups.chain(marked.iter().copied()).map(|process| process.kin).collect();
        found.extend(self.below(found.iter().map(|kin| kin.id).collect::<Vec<_>>()));
        found.remove(&guard);
        found
    }

    fn later_than(&self, first: Kin) -> impl Iterator<Item = &Process> {
        self.0.values().filter(move |process| process.kin.started >= first.started && process.kin != first)
    }
}

impl Kin {
    /// Signals this process, and never another that got its id meanwhile.
    pub(super) fn signal(self, deed: Deed) {
        #[cfg(target_os = "linux")]
        {
            use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
            let Some(pid) = Pid::from_raw(self.id) else { return };
            let signal = match deed {
                Deed::Stop => Signal::STOP,
                Deed::Kill => Signal::KILL,
            };
            // Whoever has the id now, once the descriptor is open: the signal goes to that one or to nobody.
            if let Ok(fd) = pidfd_open(pid, PidfdFlags::empty())
                && stat(self.id).is_some_and(|process| process.kin == self)
            {
                // It may have ended by itself.
                let _ = pidfd_send_signal(&fd, signal);
            }
        }
        #[cfg(not(target_os = "linux"))]
        let _ = deed;
    }
}

/// What is done to a process.
#[derive(Debug, Clone, Copy)]
pub(super) enum Deed {
    /// It does nothing more: above all, it starts nothing.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only a guard stops anything"))]
    Stop,
    /// It is gone.
    Kill,
}

/// `None`: it is gone, or dead and only not yet waited for.
fn stat(id: i32) -> Option<Process> {
    let text = fs::read(format!("/proc/{id}/stat")).ok()?;
    // The name comes before, in parentheses, and may hold anything.
    let end = text.iter().rposition(|byte| *byte == b')')?;
    let rest = str::from_utf8(text.get(end + 1..)?).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse().ok();
    if matches!(*fields.first()?, "Z" | "X") {
        return None;
    }
    let kin = Kin { id, started: fields.get(19)?.parse().ok()? };
    Some(Process { kin, parent: number(1)?, group: number(2)?, session: number(3)? })
}

/// Has it, or did what started it have, the environment of a run of the process `zen`?
fn is_of_run(kin: Kin, zen: i32) -> bool {
    let environment = fs::read(format!("/proc/{}/environ", kin.id)).unwrap_or_default();
    let prefix = format!("{ANCESTORS}=");
    let values = environment.split(|byte| *byte == 0).filter_map(|entry| entry.strip_prefix(prefix.as_bytes()));
    let zen = zen.to_string();
    values.into_iter().any(|value| value.split(|byte| *byte == b',').any(|id| id == zen.as_bytes()))
}
