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

/// What a bundle has to force to the disk.
#[derive(Debug)]
pub(super) struct Unsynced {
    path: PathBuf,
    log: Arc<Log<LogFile>>,
    store: Arc<dyn PayloadStore>,
    bodies: Mutex<Vec<Location>>,
    /// Whether it waits for the thread.
    is_waiting: AtomicBool,
}

impl Unsynced {
    pub(super) fn new(path: &Path, log: &Arc<Log<LogFile>>, store: &Arc<dyn PayloadStore>) -> Self {
        Self {
            path: path.to_owned(),
            log: Arc::clone(log),
            store: Arc::clone(store),
            bodies: Mutex::default(),
            is_waiting: AtomicBool::new(false),
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

    /// Forces one body to the disk.
    pub(super) fn sync_body(&self, body: Location) -> Result<(), Refused> {
        self.store.sync(&[body]).map_err(|error| self.refused(&error))
    }

    /// Forces all to the disk that was written before: first the bodies, then the lines that name them.
    pub(super) fn sync(&self) -> Result<(), Refused> {
        // Whatever these lines name was added before they were written.
        let last = self.log.last();
        let bodies = std::mem::take(&mut *locked(&self.bodies));
        let stored = if bodies.is_empty() { Ok(()) } else { self.store.sync(&bodies) };
        let logged = self.sync_log(last);
        stored.map_err(|error| self.refused(&error)).and(logged)
    }

    fn refused(&self, error: &io::Error) -> Refused {
        Refused(format!("{}: {error}", self.path.display()))
    }
}

/// Why something was not forced to the disk.
#[derive(Debug)]
pub(super) struct Refused(String);

impl Refused {
    /// Counts it and tells of it.
    pub(super) fn tell(self, options: &WriterOptions) {
        options.lose(Lost::Unsynced, self.0);
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
            if let Err(why) = bundle.sync() {
                refused.push((why, options));
            }
        }
        drop(pass);
        // Runs what the program wants to do about it, which may end the recording.
        refused.into_iter().for_each(|(why, options)| why.tell(&options));
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
