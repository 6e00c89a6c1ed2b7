//! What was written and is not yet forced to the disk, and the thread that sees to it all so many milliseconds.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fmt, io, thread};

use super::log::Log;
use super::log_file::LogFile;
use super::{Location, Lost, PayloadStore, WriterOptions};
use crate::event::Seq;

/// The most bodies that are tried again, so that a disk that never takes them does not cost ever more memory.
const MOST_AGAIN: usize = 1 << 16;

/// What a bundle has to force to the disk.
#[derive(Debug)]
pub(super) struct Unsynced {
    path: PathBuf,
    log: Arc<Log<LogFile>>,
    store: Arc<dyn PayloadStore>,
    bodies: Mutex<Vec<Location>>,
    /// Whether it waits for the thread.
    is_waiting: AtomicBool,
    /// Whether the last time was refused, and that was told.
    is_refused: AtomicBool,
}

impl Unsynced {
    pub(super) fn new(path: &Path, log: &Arc<Log<LogFile>>, store: &Arc<dyn PayloadStore>) -> Self {
        Self {
            path: path.to_owned(),
            log: Arc::clone(log),
            store: Arc::clone(store),
            bodies: Mutex::default(),
            is_waiting: AtomicBool::new(false),
            is_refused: AtomicBool::new(false),
        }
    }

    /// A body was stored that no event names yet.
    pub(super) fn add(&self, body: Location) {
        locked(&self.bodies).push(body);
    }

    /// Forces the log to the disk, up to this line. The bodies that it names must be there.
    pub(super) fn sync_log(&self, line: Seq) -> Result<(), Refused> {
        self.log.sync(line).map_err(|error| self.refused(&error))
    }

    /// Forces one body to the disk. One that is refused is tried again when the bundle ends.
    pub(super) fn sync_body(&self, body: Location) -> Result<(), Refused> {
        self.sync_bodies(vec![body]).map_err(|error| self.refused(&error))
    }

    fn sync_bodies(&self, mut bodies: Vec<Location>) -> io::Result<()> {
        let forced = if bodies.is_empty() { Ok(()) } else { self.store.sync(&mut bodies) };
        if let Err(error) = &forced
            && is_final(error)
        {
            bodies.clear();
        }
        let mut waiting = locked(&self.bodies);
        bodies.truncate(MOST_AGAIN.saturating_sub(waiting.len()));
        waiting.append(&mut bodies);
        forced
    }

    /// Forces all to the disk that was written before: first the bodies, then the lines that name them.
    pub(super) fn sync(&self) -> Result<(), Refused> {
        // Whatever these lines name was added before they were written.
        let last = self.log.last();
        let bodies = std::mem::take(&mut *locked(&self.bodies));
        let stored = self.sync_bodies(bodies);
        let logged = self.log.sync(last);
        let refused = [stored, logged].into_iter().filter_map(Result::err).min_by_key(is_final);
        refused.map_or(Ok(()), |error| Err(self.refused(&error)))
    }

    fn refused(&self, error: &io::Error) -> Refused {
        Refused { reason: format!("{}: {error}", self.path.display()), is_final: is_final(error) }
    }
}

/// Whether it would be in vain to try again: what is not there can't be forced to the disk.
fn is_final(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

/// Why something was not forced to the disk.
#[derive(Debug)]
pub(super) struct Refused {
    reason: String,
    is_final: bool,
}

impl Refused {
    /// Counts it and tells of it.
    pub(super) fn tell(self, options: &WriterOptions) {
        options.lose(Lost::Unsynced, self.reason);
    }
}

/// The bundles that have something to force to the disk. Shared by the writers of a program.
#[derive(Default)]
pub(crate) struct Syncs {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// There is something to do, or nothing ever will be.
    woken: Condvar,
    /// Held while it is done.
    pass: Mutex<()>,
}

#[derive(Default)]
struct State {
    waiting: Vec<(Arc<Unsynced>, WriterOptions)>,
    has_thread: bool,
    is_over: bool,
}

impl Syncs {
    /// The bundle is seen to within `every`.
    pub(super) fn wait(&self, bundle: &Arc<Unsynced>, options: &WriterOptions, every: Duration) {
        if bundle.is_waiting.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut state = locked(&self.shared.state);
        // Options that hold this would never let go of it.
        let options = WriterOptions { syncs: Arc::default(), ..options.clone() };
        state.waiting.push((Arc::clone(bundle), options));
        if state.has_thread {
            self.shared.woken.notify_one();
            return;
        }
        let shared = Arc::clone(&self.shared);
        let named = thread::Builder::new().name("otel-trace sync".to_owned());
        match named.spawn(move || shared.run(every)) {
            Ok(_) => state.has_thread = true,
            Err(_) => {
                // At once, then: without a thread of its own, in the one that records.
                drop(state);
                self.flush();
            }
        }
    }

    /// Forces all to the disk that waits.
    pub(crate) fn flush(&self) {
        self.shared.pass();
    }
}

impl Shared {
    fn run(&self, every: Duration) {
        loop {
            let mut state = locked(&self.state);
            while state.waiting.is_empty() {
                if state.is_over {
                    return;
                }
                state = self.woken.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            let over = |state: &mut State| !state.is_over;
            drop(self.woken.wait_timeout_while(state, every, over).unwrap_or_else(PoisonError::into_inner));
            self.pass();
        }
    }

    fn pass(&self) {
        let mut refused = Vec::new();
        let pass = locked(&self.pass);
        let waiting = std::mem::take(&mut locked(&self.state).waiting);
        for (bundle, options) in waiting {
            // What is written from here on waits for the next time.
            bundle.is_waiting.store(false, Ordering::Release);
            match bundle.sync() {
                Ok(()) => bundle.is_refused.store(false, Ordering::Relaxed),
                Err(why) => {
                    if !why.is_final {
                        self.wait_again(&bundle, &options);
                    }
                    // Told once, however often it is tried.
                    if !bundle.is_refused.swap(!why.is_final, Ordering::Relaxed) {
                        refused.push((why, options));
                    }
                }
            }
        }
        drop(pass);
        // Runs what the program wants to do about it, which may end the recording.
        refused.into_iter().for_each(|(why, options)| why.tell(&options));
    }
}

impl Shared {
    fn wait_again(&self, bundle: &Arc<Unsynced>, options: &WriterOptions) {
        let mut state = locked(&self.state);
        if !state.is_over && !bundle.is_waiting.swap(true, Ordering::AcqRel) {
            state.waiting.push((Arc::clone(bundle), options.clone()));
        }
    }
}

impl Drop for Syncs {
    fn drop(&mut self) {
        locked(&self.shared.state).is_over = true;
        self.shared.woken.notify_all();
    }
}

impl fmt::Debug for Syncs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Syncs").finish_non_exhaustive()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
