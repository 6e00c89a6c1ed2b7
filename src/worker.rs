//! A thread that runs jobs in order, behind a queue that is bounded by number and bytes.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fmt, io, process, thread};

/// Interval in which the idle thread polls the queue once before it sleeps until it is notified. This spares the
/// threads that enqueue most of the notifications.
const IDLE_POLL: Duration = Duration::from_millis(5);

/// A job of a [`Worker`].
pub(crate) trait Job: Send + 'static {
    /// Returns the size that the job counts with, in bytes.
    fn size(&self) -> usize;

    /// Returns `true` if the queue accepts the job up to twice its number of jobs, and of any size.
    fn is_essential(&self) -> bool;

    /// Runs the job in the thread of the worker. A panic is caught, and the job is discarded.
    fn run(&mut self);

    /// Called with a job that was not run to its end.
    fn discard(self, reason: Discarded);
}

/// The reason why a job was not run to its end.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Discarded {
    /// The job panicked.
    Panicked,
    /// The job was still queued when [`Worker::finish`] had waited for this long.
    TimedOut(Duration),
}

/// The bounds of a queue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueueBounds {
    /// Maximum number of queued jobs.
    pub(crate) jobs: usize,
    /// Maximum total size of queued jobs, in bytes. One larger job is accepted in addition to the others.
    pub(crate) bytes: usize,
}

/// An error of [`Worker::push`]: the reason why a job was rejected.
#[derive(Debug)]
pub(crate) enum PushError<J> {
    /// The queue has reached its bounds. Returns the job.
    Full(Box<J>),
    /// The queue has been closed.
    Closed,
    /// The thread cannot be started.
    NoThread(io::Error),
}

/// A bounded queue of jobs and the thread that runs them in order.
pub(crate) struct Worker<J: Job> {
    thread_name: &'static str,
    shared: Arc<Shared<J>>,
}

struct Shared<J> {
    state: Mutex<State<J>>,
    /// Notified when a job is enqueued while the thread sleeps, and when the queue is closed.
    woken: Condvar,
    /// Notified when the queue is empty and no job is running.
    drained: Condvar,
}

struct State<J> {
    jobs: VecDeque<QueuedJob<J>>,
    /// Total size of the queued jobs in bytes, without an oversized job.
    bytes: usize,
    /// `true` if an oversized job (one larger than [`QueueBounds::bytes`]) is queued or running.
    has_oversized: bool,
    is_busy: bool,
    is_asleep: bool,
    is_closed: bool,
    /// Id of the process that started the thread. In a child after `fork` the thread does not exist.
    process: Option<u32>,
}

struct QueuedJob<J> {
    job: J,
    bytes: usize,
    is_oversized: bool,
}

impl<J: Job> Worker<J> {
    /// Creates a worker. Its thread is started with the first job.
    pub(crate) fn new(thread_name: &'static str) -> Self {
        let state = State {
            jobs: VecDeque::new(),
            bytes: 0,
            has_oversized: false,
            is_busy: false,
            is_asleep: false,
            is_closed: false,
            process: None,
        };
        let shared = Shared { state: Mutex::new(state), woken: Condvar::new(), drained: Condvar::new() };
        Self { thread_name, shared: Arc::new(shared) }
    }

    /// Enqueues a job. Never waits for a running job.
    pub(crate) fn push(&self, job: J, bounds: QueueBounds) -> Result<(), PushError<J>> {
        let (bytes, is_essential) = (job.size(), job.is_essential());
        let mut state = self.shared.lock();
        if state.is_closed {
            return Err(PushError::Closed);
        }
        let is_oversized = bytes > bounds.bytes;
        let has_room_for_bytes = match is_oversized {
            true => !state.has_oversized,
            false => state.bytes.saturating_add(bytes) <= bounds.bytes,
        };
        let max_jobs = if is_essential { bounds.jobs.saturating_mul(2) } else { bounds.jobs };
        if state.jobs.len() >= max_jobs || !(has_room_for_bytes || is_essential) {
            return Err(PushError::Full(Box::new(job)));
        }
        if state.process.is_none() {
            let shared = Arc::clone(&self.shared);
            let named = thread::Builder::new().name(self.thread_name.to_owned());
            named.spawn(move || shared.run()).map_err(PushError::NoThread)?;
            state.process = Some(process::id());
        }
        state.bytes += if is_oversized { 0 } else { bytes };
        state.has_oversized |= is_oversized;
        state.jobs.push_back(QueuedJob { job, bytes, is_oversized });
        if state.is_asleep {
            self.shared.woken.notify_one();
        }
        Ok(())
    }

    /// Returns `true` if the queue is at most half full, in number and in bytes.
    pub(crate) fn has_room(&self, bounds: QueueBounds) -> bool {
        let state = self.shared.lock();
        state.jobs.len() <= bounds.jobs / 2 && state.bytes <= bounds.bytes / 2
    }

    /// Closes the queue, and waits up to `within` for the queued jobs. Discards the jobs that are left then.
    pub(crate) fn finish(&self, within: Duration) {
        let mut state = self.shared.lock();
        state.is_closed = true;
        self.shared.woken.notify_all();
        if state.process == Some(process::id()) {
            let is_not_drained = |state: &mut State<J>| state.is_busy || !state.jobs.is_empty();
            let waited = self.shared.drained.wait_timeout_while(state, within, is_not_drained);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        (state.bytes, state.has_oversized) = (0, false);
        let left = std::mem::take(&mut state.jobs);
        drop(state);
        left.into_iter().for_each(|queued| queued.job.discard(Discarded::TimedOut(within)));
    }
}

impl<J: Job> Shared<J> {
    fn run(&self) {
        while let Some(QueuedJob { mut job, is_oversized, .. }) = self.next() {
            // A panic is a bug, in the job or in a callback of the host. It must not keep later jobs from being run.
            if catch_unwind(AssertUnwindSafe(|| job.run())).is_err() {
                job.discard(Discarded::Panicked);
            }
            if is_oversized {
                self.lock().has_oversized = false;
            }
        }
    }

    /// Waits for the next job. Returns `None` if the queue is empty and closed.
    fn next(&self) -> Option<QueuedJob<J>> {
        let mut state = self.lock();
        state.is_busy = false;
        loop {
            if let Some(queued) = state.jobs.pop_front() {
                state.bytes -= if queued.is_oversized { 0 } else { queued.bytes };
                state.is_busy = true;
                return Some(queued);
            }
            self.drained.notify_all();
            if state.is_closed {
                return None;
            }
            let is_idle = |state: &mut State<J>| state.jobs.is_empty() && !state.is_closed;
            state = self.woken.wait_timeout_while(state, IDLE_POLL, is_idle).unwrap_or_else(PoisonError::into_inner).0;
            if is_idle(&mut state) {
                state.is_asleep = true;
                state = self.woken.wait_while(state, is_idle).unwrap_or_else(PoisonError::into_inner);
                state.is_asleep = false;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<J: Job> Drop for Worker<J> {
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.woken.notify_all();
    }
}

impl<J: Job> fmt::Debug for Worker<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("thread_name", &self.thread_name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
