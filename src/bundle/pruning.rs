//! Removal of old bundles from a root directory whose retention is bounded.

mod lock;
mod root;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use std::{fs, io, thread};

use super::in_use::{ABANDONED_AFTER, Claims, elapsed_since};
use super::{Bounds, Tally};
use lock::PruneLock;
use root::{BundleEntry, RootListing, TemporaryDirectory};

/// Removes old bundles in a separate thread, so that recording never waits for it. Shared by all writers of a program.
#[derive(Debug, Default)]
pub(crate) struct Pruner(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<PrunerState>,
    done: Condvar,
}

#[derive(Debug, Default)]
struct PrunerState {
    is_running: bool,
    /// The bundle created last, if the thread has not handled it yet.
    created: Option<PathBuf>,
}

impl Pruner {
    /// Reports a new bundle, and starts the pruning thread if it is not running. Does nothing if the root directory has
    /// no bounds.
    pub(super) fn wake(&self, bundle: &Path, bounds: Bounds, tally: &Arc<Tally>) {
        if !bounds.is_bounded() {
            return;
        }
        let mut state = self.0.lock_state();
        state.created = Some(bundle.to_owned());
        if !state.is_running {
            let (shared, tally) = (Arc::clone(&self.0), Arc::clone(tally));
            let named = thread::Builder::new().name("otel-trace prune".to_owned());
            // If no thread can be spawned, the next bundle tries again.
            state.is_running = named.spawn(move || shared.run(bounds, &tally)).is_ok();
        }
    }

    /// Waits until the pruning thread has finished, at most for the time `within`.
    pub(crate) fn finish(&self, within: Duration) {
        drop(self.0.done.wait_timeout_while(self.0.lock_state(), within, |state| state.is_running));
    }
}

impl Shared {
    fn lock_state(&self) -> MutexGuard<'_, PrunerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, bounds: Bounds, tally: &Tally) {
        while let Some(created) = self.next() {
            // Bundles that cannot be inspected or removed now are tried again with the next bundle.
            tally.count_removed_bundles(prune(&created, bounds, SystemTime::now()).unwrap_or_default());
        }
    }

    fn next(&self) -> Option<PathBuf> {
        let mut state = self.lock_state();
        let created = state.created.take();
        state.is_running = created.is_some();
        if created.is_none() {
            self.done.notify_all();
        }
        created
    }
}

/// Removes old bundles from the root directory that contains the bundle `created`, until the remaining ones are within
/// the bounds. Returns the number of removed bundles, which is 0 if another process is pruning the root.
fn prune(created: &Path, bounds: Bounds, now: SystemTime) -> io::Result<u64> {
    let directory = created.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let Some(_lock) = PruneLock::acquire(directory)? else { return Ok(0) };
    // The claims are read after the directory, because a bundle is claimed before it exists.
    let root = RootListing::read(directory, bounds.bytes.is_some())?;
    let pass = PrunePass { created, bounds, now, claims: Claims::read(directory)? };
    let leftovers = root.leftovers.iter();
    let dead = root.temporaries.iter().filter(|temporary| pass.is_dead(temporary)).map(|dead| &dead.path);
    leftovers.chain(dead).for_each(|path| drop(fs::remove_dir_all(path)));
    Ok(pass.remove(root.bundles))
}

/// One pass over the bundles of a root directory.
struct PrunePass<'a> {
    created: &'a Path,
    bounds: Bounds,
    now: SystemTime,
    claims: Claims,
}

/// The result of the check if a bundle may be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RemovalStatus {
    /// The bundle may be removed.
    Removable,
    /// The bundle is being written to. It stays, and counts towards the bounds.
    InUse,
    /// It is not known if the bundle is in use, because its writer publishes no claims. It stays, and does not count
    /// towards the bounds: any number of such bundles may accumulate, and they must not displace the others.
    Unknown,
    /// The bundle was removed by another process.
    Gone,
}

impl PrunePass<'_> {
    fn removal_status(&self, bundle: &BundleEntry) -> RemovalStatus {
        if bundle.path == self.created || self.claims.in_use.contains(bundle.name()) {
            return RemovalStatus::InUse;
        }
        let is_removable = elapsed_since(self.now, bundle.last_write) >= ABANDONED_AFTER
            || self.claims.abandoned.contains(bundle.name())
            || bundle.is_ended();
        match (is_removable, bundle.is_gone()) {
            (_, true) => RemovalStatus::Gone,
            (true, false) => RemovalStatus::Removable,
            (false, false) => RemovalStatus::Unknown,
        }
    }

    /// Returns `true` if the process that is creating a bundle in this temporary directory has died.
    fn is_dead(&self, temporary: &TemporaryDirectory) -> bool {
        let TemporaryDirectory { bundle, modified, path: _ } = temporary;
        let may_be_dead =
            self.claims.abandoned.contains(bundle) || elapsed_since(self.now, *modified) >= ABANDONED_AFTER;
        may_be_dead && !self.claims.in_use.contains(bundle)
    }

    /// Removes the oldest bundles until the remaining ones are within the bounds, and returns the number of removed
    /// bundles.
    fn remove(&self, bundles: Vec<BundleEntry>) -> u64 {
        let held = bundles.iter().map(|bundle| bundle.bytes).sum();
        // The usual case, in which no log is opened.
        if !bundles.iter().any(|bundle| self.is_over_bounds(bundle, bundles.len() as u64, held)) {
            return 0;
        }
        let mut bundles: Vec<_> = bundles.into_iter().map(|bundle| (self.removal_status(&bundle), bundle)).collect();
        bundles.retain(|(status, _)| matches!(status, RemovalStatus::Removable | RemovalStatus::InUse));
        bundles.sort_by(|(_, a), (_, b)| (a.last_write, &a.path).cmp(&(b.last_write, &b.path)));
        let mut count = bundles.len() as u64;
        let mut bytes = bundles.iter().map(|(_, bundle)| bundle.bytes).sum::<u64>();
        let mut removed = 0;
        for (status, bundle) in bundles {
            if !self.is_over_bounds(&bundle, count, bytes) {
                break;
            }
            if status != RemovalStatus::Removable {
                continue;
            }
            let is_removed = bundle.remove().is_ok();
            removed += u64::from(is_removed);
            // Another process may have removed the bundle.
            if is_removed || bundle.is_gone() {
                count -= 1;
                bytes -= bundle.bytes;
            }
        }
        removed
    }

    fn is_over_bounds(&self, bundle: &BundleEntry, count: u64, bytes: u64) -> bool {
        let Bounds { age, count: most, bytes: most_bytes } = self.bounds;
        age.is_some_and(|age| elapsed_since(self.now, bundle.last_write) > age)
            || most.is_some_and(|most| count > most)
            || most_bytes.is_some_and(|most| bytes > most)
    }
}
