//! Threads that do one task after another: a thread for each step would cost a short step as much as its command. Knows
//! not what is done.

use std::sync::mpsc::{SendError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Scope;

/// As many threads as there were tasks at once.
pub(super) struct Workers<'t> {
    /// Those that wait for a task; `None`: no more tasks come.
    idle: Arc<Mutex<Option<Vec<Sender<Parcel<'t>>>>>>,
}

type Task<'t> = Box<dyn FnOnce() + Send + 't>;

/// A task, and how to reach the thread that gets it: it waits only as long as somebody else can.
struct Parcel<'t> {
    task: Task<'t>,
    worker: Sender<Parcel<'t>>,
}

impl<'t> Workers<'t> {
    /// None yet.
    pub(super) fn new() -> Self {
        Self { idle: Arc::new(Mutex::new(Some(Vec::new()))) }
    }

    /// Gives a task to a thread that waits, or to a new one.
    pub(super) fn give<'s>(&self, scope: &'s Scope<'s, '_>, task: impl FnOnce() + Send + 't)
    where
        't: 's,
    {
        let mut parcel = Parcel { task: Box::new(task), worker: channel().0 };
        let waiting = || self.idle.lock().unwrap_or_else(PoisonError::into_inner).as_mut().and_then(Vec::pop);
        while let Some(worker) = waiting() {
            parcel.worker = worker.clone();
            match worker.send(parcel) {
                Ok(()) => return,
                Err(SendError(back)) => parcel = back,
            }
        }
        let (worker, parcels) = channel();
        parcel.worker = worker;
        let idle = Arc::clone(&self.idle);
        scope.spawn(move || {
            let mut next = Some(parcel);
            while let Some(Parcel { task, worker }) = next {
                task();
                match idle.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
                    Some(idle) => idle.push(worker),
                    None => return,
                }
                next = parcels.recv().ok();
            }
        });
    }

    /// Lets those that wait end, and the others when their task is done.
    pub(super) fn end(&self) {
        *self.idle.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn tasks_share_threads_and_all_are_done() {
        let seen = Mutex::new(HashSet::new());
        let workers = Workers::new();
        std::thread::scope(|scope| {
            for _ in 0..100 {
                let (done, is_done) = channel::<()>();
                workers.give(scope, || {
                    seen.lock().unwrap().insert(std::thread::current().id());
                    drop(done);
                });
                assert!(is_done.recv().is_err(), "it says nothing and ends");
            }
            workers.end();
        });
        let threads = seen.lock().unwrap().len();
        assert!((1..=100).contains(&threads));
    }

    #[test]
    fn tasks_at_once_have_a_thread_each() {
        let barrier = std::sync::Barrier::new(8);
        let workers = Workers::new();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                workers.give(scope, || {
                    barrier.wait();
                });
            }
            workers.end();
        });
    }
}
