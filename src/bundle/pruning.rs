//! Removing bundles from a root that has bounds.

mod lock;
mod root;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use std::{fs, io, thread};

use super::in_use::{Claims, SILENCE, silent_for};
use super::{Bounds, Tally};
use lock::PruneLock;
use root::{Kept, Root, Temporary};

/// Removes bundles in a thread of its own, so that nobody who records waits for it. Shared by the writers of a program.
#[derive(Debug, Default)]
pub(crate) struct Pruning(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    done: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_running: bool,
    /// The last bundle that was made, where that was not looked at yet.
    made: Option<PathBuf>,
}

impl Pruning {
    /// A bundle was made.
    pub(super) fn wake(&self, bundle: &Path, bounds: Bounds, tally: &Arc<Tally>) {
        if !bounds.is_any() {
            return;
        }
        let mut state = self.0.locked();
        state.made = Some(bundle.to_owned());
        if !state.is_running {
            let (shared, tally) = (Arc::clone(&self.0), Arc::clone(tally));
            let named = thread::Builder::new().name("otel-trace prune".to_owned());
            // Without a thread the next bundle tries again.
            state.is_running = named.spawn(move || shared.run(bounds, &tally)).is_ok();
        }
    }

    /// Waits so long for what is being removed.
    pub(crate) fn finish(&self, within: Duration) {
        drop(self.0.done.wait_timeout_while(self.0.locked(), within, |state| state.is_running));
    }
}

impl Shared {
    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, bounds: Bounds, tally: &Tally) {
        while let Some(made) = self.next() {
            // What can't be looked at or removed now is tried again with the next bundle.
            tally.removed_bundles(prune(&made, bounds, SystemTime::now()).unwrap_or_default());
        }
    }

    fn next(&self) -> Option<PathBuf> {
        let mut state = self.locked();
        let made = state.made.take();
        state.is_running = made.is_some();
        if made.is_none() {
            self.done.notify_all();
        }
        made
    }
}

/// Removes bundles beside this one until the rest is within the bounds, and says how many. Nothing where another process
/// is at it.
fn prune(made: &Path, bounds: Bounds, now: SystemTime) -> io::Result<u64> {
    let directory = made.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let Some(_lock) = PruneLock::of(directory)? else { return Ok(0) };
    // In this order: what is in use says so before it is there.
    let root = Root::read(directory, bounds.bytes.is_some())?;
    let pass = Pass { made, bounds, now, claims: Claims::of(directory)? };
    let leftovers = root.leftovers.iter();
    let dead = root.temporaries.iter().filter(|temporary| pass.is_dead(temporary)).map(|dead| &dead.path);
    leftovers.chain(dead).for_each(|path| drop(fs::remove_dir_all(path)));
    Ok(pass.remove(root.bundles))
}

/// One look at a root.
struct Pass<'a> {
    made: &'a Path,
    bounds: Bounds,
    now: SystemTime,
    claims: Claims,
}

/// What may be done to a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Removable,
    /// It counts, and stays.
    InUse,
    /// Nobody knows whether it is in use. It stays, and pushes out no other: there may be ever more of them.
    Unknown,
    /// It was removed by another.
    Gone,
}

impl Pass<'_> {
    fn standing(&self, bundle: &Kept) -> Standing {
        if bundle.path == self.made || self.claims.in_use.contains(bundle.name()) {
            return Standing::InUse;
        }
        let is_removable = silent_for(self.now, bundle.last_write) >= SILENCE
            || self.claims.left.contains(bundle.name())
            || bundle.is_ended();
        match (is_removable, bundle.is_gone()) {
            (_, true) => Standing::Gone,
            (true, false) => Standing::Removable,
            (false, false) => Standing::Unknown,
        }
    }

    /// Whether nobody makes a bundle in it any more.
    fn is_dead(&self, temporary: &Temporary) -> bool {
        let Temporary { bundle, made, path: _ } = temporary;
        let may_be_dead = self.claims.left.contains(bundle) || silent_for(self.now, *made) >= SILENCE;
        may_be_dead && !self.claims.in_use.contains(bundle)
    }

    /// Removes the oldest until the rest is within the bounds, and says how many.
    fn remove(&self, bundles: Vec<Kept>) -> u64 {
        let held = bundles.iter().map(|bundle| bundle.bytes).sum();
        // As a rule: then none of them is opened.
        if !bundles.iter().any(|bundle| self.is_beyond(bundle, bundles.len() as u64, held)) {
            return 0;
        }
        let mut bundles: Vec<_> = bundles.into_iter().map(|bundle| (self.standing(&bundle), bundle)).collect();
        bundles.retain(|(standing, _)| matches!(standing, Standing::Removable | Standing::InUse));
        bundles.sort_by(|(_, a), (_, b)| (a.last_write, &a.path).cmp(&(b.last_write, &b.path)));
        let mut count = bundles.len() as u64;
        let mut bytes = bundles.iter().map(|(_, bundle)| bundle.bytes).sum::<u64>();
        let mut removed = 0;
        for (standing, bundle) in bundles {
            if !self.is_beyond(&bundle, count, bytes) {
                break;
            }
            if standing != Standing::Removable {
                continue;
            }
            let is_removed = bundle.remove().is_ok();
            removed += u64::from(is_removed);
            // Whoever took it.
            if is_removed || bundle.is_gone() {
                count -= 1;
                bytes -= bundle.bytes;
            }
        }
        removed
    }

    fn is_beyond(&self, bundle: &Kept, count: u64, bytes: u64) -> bool {
        let Bounds { age, count: most, bytes: most_bytes } = self.bounds;
        age.is_some_and(|age| silent_for(self.now, bundle.last_write) > age)
            || most.is_some_and(|most| count > most)
            || most_bytes.is_some_and(|most| bytes > most)
    }
}
