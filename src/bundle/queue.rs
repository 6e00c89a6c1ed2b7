//! What waits to be written where nobody may wait for the disk, and the thread that writes it.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fmt, io, process, thread};

use super::Limits;
use super::queued_writer::Job;

/// How long the thread looks out for more before it has to be woken: who records is spared most of the wake-ups.
const NAP: Duration = Duration::from_millis(5);

/// Jobs in their order, and the one thread that does them. Shared by the writers of a program.
#[derive(Default)]
pub(crate) struct Queue(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// There is a job, or no other will come.
    woken: Condvar,
    /// There is no job, and none is being done.
    drained: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Waiting>,
    /// What the jobs hold, but for the one that is larger than all of them may be.
    bytes: usize,
    /// Whether there is such a one, or it is being done.
    has_large: bool,
    is_busy: bool,
    is_asleep: bool,
    is_over: bool,
    /// The process that has the thread: the child of a fork has none.
    process: Option<u32>,
}

/// A job, and what it holds.
struct Waiting {
    job: Job,
    bytes: usize,
    is_large: bool,
}

/// Why a job was not taken.
#[derive(Debug)]
pub(super) enum NotTaken {
    /// There are as many as are allowed, or they hold as much.
    Full(Box<Job>),
    /// The recording is over.
    Over,
    /// There is no thread to do it.
    NoThread(io::Error),
}

impl Queue {
    /// Takes a job that holds so many bytes. Never waits for one that is being done.
    pub(super) fn push(&self, job: Job, bytes: usize, limits: &Limits) -> Result<(), NotTaken> {
        let mut state = locked(&self.0.state);
        if state.is_over {
            return Err(NotTaken::Over);
        }
        // One that alone is too large is taken beside the others, one at a time.
        let is_large = bytes > limits.queue_bytes;
        let has_room_for_bytes = match is_large {
            true => !state.has_large,
            false => state.bytes.saturating_add(bytes) <= limits.queue_bytes,
        };
        // These come a handful to a bundle, and little else of it can be written without.
        let most = if job.frames_a_bundle() { limits.queue_events.saturating_mul(2) } else { limits.queue_events };
        if state.jobs.len() >= most || !(has_room_for_bytes || job.frames_a_bundle()) {
            return Err(NotTaken::Full(Box::new(job)));
        }
        if state.process.is_none() {
            let shared = Arc::clone(&self.0);
            let named = thread::Builder::new().name("otel-trace write".to_owned());
            named.spawn(move || shared.run()).map_err(NotTaken::NoThread)?;
            state.process = Some(process::id());
        }
        state.bytes += if is_large { 0 } else { bytes };
        state.has_large |= is_large;
        state.jobs.push_back(Waiting { job, bytes, is_large });
        if state.is_asleep {
            self.0.woken.notify_one();
        }
        Ok(())
    }

    /// Whether there is room again: no more is held than half of what may be.
    pub(super) fn has_room(&self, limits: &Limits) -> bool {
        let state = locked(&self.0.state);
        state.jobs.len() <= limits.queue_events / 2 && state.bytes <= limits.queue_bytes / 2
    }

    /// Takes no more, and waits so long for what there is. What is left then is lost.
    pub(crate) fn finish(&self, within: Duration) {
        let mut state = locked(&self.0.state);
        state.is_over = true;
        self.0.woken.notify_all();
        if state.process == Some(process::id()) {
            let is_not_drained = |state: &mut State| state.is_busy || !state.jobs.is_empty();
            let waited = self.0.drained.wait_timeout_while(state, within, is_not_drained);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        (state.bytes, state.has_large) = (0, false);
        let left = std::mem::take(&mut state.jobs);
        drop(state);
        let reason = format!("it was not written within {} ms of the end of the recording", within.as_millis());
        left.into_iter().for_each(|waiting| waiting.job.lose(&reason));
    }
}

impl Shared {
    fn run(&self) {
        while let Some(Waiting { job, is_large, .. }) = self.next() {
            let about = job.about();
            // What panics here is a listener for losses, or ours to mend; the next job is another.
            if catch_unwind(AssertUnwindSafe(|| job.run())).is_err() {
                about.lose("its writing panicked");
            }
            if is_large {
                locked(&self.state).has_large = false;
            }
        }
    }

    fn next(&self) -> Option<Waiting> {
        let mut state = locked(&self.state);
        state.is_busy = false;
        loop {
            if let Some(waiting) = state.jobs.pop_front() {
                state.bytes -= if waiting.is_large { 0 } else { waiting.bytes };
                state.is_busy = true;
                return Some(waiting);
            }
            self.drained.notify_all();
            if state.is_over {
                return None;
            }
            let is_idle = |state: &mut State| state.jobs.is_empty() && !state.is_over;
            state = self.woken.wait_timeout_while(state, NAP, is_idle).unwrap_or_else(PoisonError::into_inner).0;
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
        locked(&self.0.state).is_over = true;
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
