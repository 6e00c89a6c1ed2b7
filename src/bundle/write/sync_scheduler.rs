//! Syncs written lines and payloads to the disk ([`Durability::Fsync`](crate::bundle::Durability)): in the call that wrote
//! them, or periodically in one thread for all bundles.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fmt, io, thread};

use super::log::Log;
use super::log_file::LogFile;
use super::loss::Lost;
use super::writer_options::WriterOptions;
use crate::bundle::store::{Location, PayloadStore};
use crate::event::Seq;

/// Maximum number of payloads per bundle whose sync is retried. It bounds the memory used if the disk keeps failing.
const MAX_RETRIED_PAYLOADS: usize = 1 << 16;

/// The lines and payloads of one bundle that have been written, but not synced to the disk.
#[derive(Debug)]
pub(super) struct PendingSync {
    path: PathBuf,
    log: Arc<Log<LogFile>>,
    store: Arc<dyn PayloadStore>,
    payloads: Mutex<Vec<Location>>,
    /// `true` if the bundle is scheduled for the next pass of the sync thread.
    is_scheduled: AtomicBool,
    /// `true` if the last pass failed, and that was reported.
    is_failing: AtomicBool,
}

impl PendingSync {
    pub(super) fn new(path: &Path, log: &Arc<Log<LogFile>>, store: &Arc<dyn PayloadStore>) -> Self {
        Self {
            path: path.to_owned(),
            log: Arc::clone(log),
            store: Arc::clone(store),
            payloads: Mutex::default(),
            is_scheduled: AtomicBool::new(false),
            is_failing: AtomicBool::new(false),
        }
    }

    /// Adds a stored payload to those that are to be synced. Must be called before the event that references the
    /// payload is written.
    pub(super) fn add(&self, payload: Location) {
        locked(&self.payloads).push(payload);
    }

    /// Syncs the log to the disk, up to and including the given line. The payloads that these lines reference must be
    /// synced already.
    pub(super) fn sync_log(&self, line: Seq) -> Result<(), SyncError> {
        self.log.sync(line).map_err(|error| self.sync_error(&error))
    }

    /// Syncs one payload to the disk. If that fails, the sync is retried when the bundle ends.
    pub(super) fn sync_payload(&self, payload: Location) -> Result<(), SyncError> {
        self.sync_payloads(vec![payload]).map_err(|error| self.sync_error(&error))
    }

    /// Syncs payloads to the disk. Payloads that could not be synced are kept for a retry, unless a retry cannot
    /// succeed.
    fn sync_payloads(&self, mut payloads: Vec<Location>) -> io::Result<()> {
        let result = if payloads.is_empty() { Ok(()) } else { self.store.sync(&mut payloads) };
        if let Err(error) = &result
            && is_final(error)
        {
            payloads.clear();
        }
        let mut pending = locked(&self.payloads);
        payloads.truncate(MAX_RETRIED_PAYLOADS.saturating_sub(pending.len()));
        pending.append(&mut payloads);
        result
    }

    /// Syncs all payloads and lines written before the call: first the payloads, then the lines that reference them.
    pub(super) fn sync(&self) -> Result<(), SyncError> {
        // Read before the payloads are taken: the payloads of a line are added before the line is written.
        let last = self.log.last_seq();
        let payloads = std::mem::take(&mut *locked(&self.payloads));
        let stored = self.sync_payloads(payloads);
        let logged = self.log.sync(last);
        let error = [stored, logged].into_iter().filter_map(Result::err).min_by_key(is_final);
        error.map_or(Ok(()), |error| Err(self.sync_error(&error)))
    }

    fn sync_error(&self, error: &io::Error) -> SyncError {
        SyncError { reason: format!("{}: {error}", self.path.display()), is_final: is_final(error) }
    }
}

/// Returns `true` if a retry cannot succeed, because the file has been deleted.
fn is_final(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

/// An error of syncing a bundle to the disk.
#[derive(Debug)]
pub(super) struct SyncError {
    reason: String,
    /// `true` if a retry cannot succeed.
    is_final: bool,
}

impl SyncError {
    /// Counts and reports the failed sync as [`Lost::Unsynced`].
    pub(super) fn report(self, options: &WriterOptions) {
        options.report_loss(Lost::Unsynced, self.reason);
    }
}

/// A scheduler that syncs bundles periodically in one thread. Shared by all writers of a program.
#[derive(Default)]
pub(crate) struct SyncScheduler {
    shared: Arc<SyncShared>,
}

#[derive(Default)]
struct SyncShared {
    state: Mutex<SyncState>,
    /// Notified when a bundle is scheduled, and when the scheduler is closed.
    woken: Condvar,
    /// Held while scheduled payloads and logs are synced. [`SyncScheduler::flush`] acquires it to wait for a running sync.
    pass_lock: Mutex<()>,
}

#[derive(Default)]
struct SyncState {
    scheduled: Vec<(Arc<PendingSync>, WriterOptions)>,
    has_thread: bool,
    is_closed: bool,
}

impl SyncScheduler {
    /// Schedules a bundle to be synced within the time `every`. The first call starts the sync thread, and sets its
    /// interval.
    pub(super) fn schedule(&self, bundle: &Arc<PendingSync>, options: &WriterOptions, every: Duration) {
        if bundle.is_scheduled.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut state = locked(&self.shared.state);
        // A reference to this scheduler would be a cycle: the scheduler would never be dropped.
        let options = WriterOptions { sync_scheduler: Arc::default(), ..options.clone() };
        state.scheduled.push((Arc::clone(bundle), options));
        if state.has_thread {
            self.shared.woken.notify_one();
            return;
        }
        let shared = Arc::clone(&self.shared);
        let named = thread::Builder::new().name("otel-trace sync".to_owned());
        match named.spawn(move || shared.run(every)) {
            Ok(_) => state.has_thread = true,
            Err(_) => {
                // Without a sync thread, the recording thread syncs immediately.
                drop(state);
                self.flush();
            }
        }
    }

    /// Syncs all scheduled bundles in the current thread.
    pub(crate) fn flush(&self) {
        self.shared.sync_scheduled();
    }
}

impl SyncShared {
    fn run(&self, every: Duration) {
        loop {
            let mut state = locked(&self.state);
            while state.scheduled.is_empty() {
                if state.is_closed {
                    return;
                }
                state = self.woken.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            let is_open = |state: &mut SyncState| !state.is_closed;
            drop(self.woken.wait_timeout_while(state, every, is_open).unwrap_or_else(PoisonError::into_inner));
            self.sync_scheduled();
        }
    }

    fn sync_scheduled(&self) {
        let mut failed = Vec::new();
        let pass_guard = locked(&self.pass_lock);
        let scheduled = std::mem::take(&mut locked(&self.state).scheduled);
        for (bundle, options) in scheduled {
            // Cleared first, so that writes during the sync schedule the bundle again.
            bundle.is_scheduled.store(false, Ordering::Release);
            match bundle.sync() {
                Ok(()) => bundle.is_failing.store(false, Ordering::Relaxed),
                Err(error) => {
                    if !error.is_final {
                        self.reschedule(&bundle, &options);
                    }
                    // Reported once, however often the sync is retried.
                    if !bundle.is_failing.swap(!error.is_final, Ordering::Relaxed) {
                        failed.push((error, options));
                    }
                }
            }
        }
        drop(pass_guard);
        // Without the lock: the loss callback may end the recording, which flushes this scheduler.
        failed.into_iter().for_each(|(error, options)| error.report(&options));
    }
}

impl SyncShared {
    fn reschedule(&self, bundle: &Arc<PendingSync>, options: &WriterOptions) {
        let mut state = locked(&self.state);
        if !state.is_closed && !bundle.is_scheduled.swap(true, Ordering::AcqRel) {
            state.scheduled.push((Arc::clone(bundle), options.clone()));
        }
    }
}

impl Drop for SyncScheduler {
    fn drop(&mut self) {
        locked(&self.shared.state).is_closed = true;
        self.shared.woken.notify_all();
    }
}

impl fmt::Debug for SyncScheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncScheduler").finish_non_exhaustive()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
