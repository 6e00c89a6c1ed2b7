//! Removal of old bundles from a root directory whose retention is bounded.

mod lock;
mod root;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use std::{fs, io};

use super::in_use::{ABANDONED_AFTER, Claims, elapsed_since};
use crate::bundle::{Bounds, Tally};
use crate::worker::{Discarded, Job, QueueBounds, Worker};
use lock::PruneLock;
use root::{BundleEntry, RootListing, TemporaryDirectory};

/// Removes old bundles in a separate thread, so that recording never waits for it. Shared by all writers of a program.
#[derive(Debug)]
pub(crate) struct Pruner(Worker<PruneJob>);

/// One queued job is enough: it sees all bundles that exist when it runs.
const QUEUE: QueueBounds = QueueBounds { jobs: 1, bytes: usize::MAX };

/// Removes old bundles beside a new one.
struct PruneJob {
    created: PathBuf,
    bounds: Bounds,
    tally: Arc<Tally>,
}

impl Job for PruneJob {
    fn size(&self) -> usize {
        0
    }

    fn is_essential(&self) -> bool {
        false
    }

    fn run(&mut self) {
        // Bundles that cannot be inspected or removed now are tried again with the next bundle.
        self.tally.count_removed_bundles(prune(&self.created, self.bounds, SystemTime::now()).unwrap_or_default());
    }

    /// Nothing is lost: the next bundle tries again.
    fn discard(self, _: Discarded) {}
}

impl Default for Pruner {
    fn default() -> Self {
        Self(Worker::new("otel-trace prune"))
    }
}

impl Pruner {
    /// Removes old bundles after a new one was created. Does nothing if the root directory has no bounds.
    pub(super) fn wake(&self, bundle: &Path, bounds: Bounds, tally: &Arc<Tally>) {
        if bounds.is_bounded() {
            let job = PruneJob { created: bundle.to_owned(), bounds, tally: Arc::clone(tally) };
            // Without a thread, and after the end of the recorder, the bundles stay until another recorder prunes.
            let _ = self.0.push(job, QUEUE);
        }
    }

    /// Waits until old bundles are removed, at most for the time `within`. Later bundles remove none.
    pub(crate) fn finish(&self, within: Duration) {
        self.0.finish(within);
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
