//! The queue of the writer thread, for recorders that must not wait for the disk
//! ([`Durability::Buffered`](super::Durability)).

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fmt, io, process, thread};

use super::Limits;
use super::queued_writer::Job;

/// Interval in which the idle writer thread polls the queue once before it sleeps until it is notified. This spares
/// recording threads most of the notifications.
const IDLE_POLL: Duration = Duration::from_millis(5);

/// A bounded queue of jobs and the thread that runs them in order. Shared by all writers of a program.
#[derive(Default)]
pub(crate) struct Queue(Arc<QueueShared>);

#[derive(Default)]
struct QueueShared {
    state: Mutex<QueueState>,
    /// Notified when a job is enqueued while the writer thread sleeps, and when the queue is closed.
    woken: Condvar,
    /// Notified when the queue is empty and no job is running.
    drained: Condvar,
}

#[derive(Default)]
struct QueueState {
    jobs: VecDeque<QueuedJob>,
    /// Total size of the queued jobs in bytes. Does not include an oversized job.
    bytes: usize,
    /// `true` if an oversized job (one larger than [`Limits::queue_bytes`]) is queued or running.
    has_oversized: bool,
    is_busy: bool,
    is_asleep: bool,
    is_closed: bool,
    /// Id of the process that started the writer thread. In a child after `fork` the thread does not exist.
    process: Option<u32>,
}

/// A job with its size.
struct QueuedJob {
    job: Job,
    bytes: usize,
    /// `true` if the job alone is larger than [`Limits::queue_bytes`].
    is_oversized: bool,
}

/// An error of [`Queue::push`]: the reason why a job was rejected.
#[derive(Debug)]
pub(super) enum PushError {
    /// The queue has reached its maximum number of jobs or bytes. Contains the rejected job.
    Full(Box<Job>),
    /// The queue has been closed, at the end of the recording.
    Closed,
    /// The writer thread cannot be started.
    NoThread(io::Error),
}

impl Queue {
    /// Enqueues a job of the given size in bytes, and starts the writer thread with the first job. Never waits for a
    /// running job.
    pub(super) fn push(&self, job: Job, bytes: usize, limits: &Limits) -> Result<(), PushError> {
        let mut state = locked(&self.0.state);
        if state.is_closed {
            return Err(PushError::Closed);
        }
        // One oversized job at a time is accepted in addition to the others.
        let is_oversized = bytes > limits.queue_bytes;
        let has_room_for_bytes = match is_oversized {
            true => !state.has_oversized,
            false => state.bytes.saturating_add(bytes) <= limits.queue_bytes,
        };
        // A bundle has only a few essential jobs, and little else of it can be written without them.
        let max_jobs = if job.is_essential() { limits.queue_events.saturating_mul(2) } else { limits.queue_events };
        if state.jobs.len() >= max_jobs || !(has_room_for_bytes || job.is_essential()) {
            return Err(PushError::Full(Box::new(job)));
        }
        if state.process.is_none() {
            let shared = Arc::clone(&self.0);
            let named = thread::Builder::new().name("otel-trace write".to_owned());
            named.spawn(move || shared.run()).map_err(PushError::NoThread)?;
            state.process = Some(process::id());
        }
        state.bytes += if is_oversized { 0 } else { bytes };
        state.has_oversized |= is_oversized;
        state.jobs.push_back(QueuedJob { job, bytes, is_oversized });
        if state.is_asleep {
            self.0.woken.notify_one();
        }
        Ok(())
    }

    /// Returns `true` if the queue is at most half full, in number and in bytes.
    pub(super) fn has_room(&self, limits: &Limits) -> bool {
        let state = locked(&self.0.state);
        state.jobs.len() <= limits.queue_events / 2 && state.bytes <= limits.queue_bytes / 2
    }

    /// Closes the queue, and waits up to `within` for the queued jobs. Jobs that are left then are counted and reported
    /// as lost.
    pub(crate) fn finish(&self, within: Duration) {
        let mut state = locked(&self.0.state);
        state.is_closed = true;
        self.0.woken.notify_all();
        if state.process == Some(process::id()) {
            let is_not_drained = |state: &mut QueueState| state.is_busy || !state.jobs.is_empty();
            let waited = self.0.drained.wait_timeout_while(state, within, is_not_drained);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        (state.bytes, state.has_oversized) = (0, false);
        let left = std::mem::take(&mut state.jobs);
        drop(state);
        let reason = format!("not written within {} ms of the end of the recording", within.as_millis());
        left.into_iter().for_each(|queued| queued.job.report_loss(&reason));
    }
}

impl QueueShared {
    fn run(&self) {
        while let Some(QueuedJob { job, is_oversized, .. }) = self.next() {
            let loss = job.loss();
            // A panic is a bug, here or in the loss callback of the host. It must not keep later jobs from being run.
            if catch_unwind(AssertUnwindSafe(|| job.run())).is_err() {
                loss.report("writing panicked");
            }
            if is_oversized {
                locked(&self.state).has_oversized = false;
            }
        }
    }

    /// Waits for the next job and returns it. Returns `None` if the queue is empty and closed.
    fn next(&self) -> Option<QueuedJob> {
        let mut state = locked(&self.state);
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
            let is_idle = |state: &mut QueueState| state.jobs.is_empty() && !state.is_closed;
            state = self.woken.wait_timeout_while(state, IDLE_POLL, is_idle).unwrap_or_else(PoisonError::into_inner).0;
            if is_idle(&mut state) {
                state.is_asleep = true;
                state = self.woken.wait_while(state, is_idle).unwrap_or_else(PoisonError::into_inner);
                state.is_asleep = false;
            }
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        locked(&self.0.state).is_closed = true;
        self.0.woken.notify_all();
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
