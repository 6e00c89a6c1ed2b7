//! Removing bundles from a root that has bounds.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use super::in_use::names_in_use;
use super::{Bounds, Manifest, Tally};

/// A bundle that nobody ended, of a program that does not say what it writes to, may be removed when no line was written
/// to it for so long.
const SILENCE: Duration = Duration::from_secs(24 * 3600);

/// What a bundle's last line is looked for in, in bytes from the end.
const TAIL: u64 = 4096;

/// What the name of a bundle that is being removed ends with. It is hidden, too.
const REMOVED: &str = ".removed";

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

/// A bundle under the root.
struct Kept {
    path: PathBuf,
    last_write: SystemTime,
    bytes: u64,
}

/// Removes bundles beside this one until the rest is within the bounds, and says how many.
fn prune(made: &Path, bounds: Bounds, now: SystemTime) -> io::Result<u64> {
    let root = made.parent().ok_or(io::ErrorKind::InvalidInput)?;
    // In this order: what is in use says so before it is there.
    let mut bundles = bundles_in(root, bounds.bytes.is_some())?;
    let in_use = names_in_use(root)?;
    bundles.sort_by(|a, b| (a.last_write, &a.path).cmp(&(b.last_write, &b.path)));
    let mut count = bundles.len() as u64;
    let mut bytes = bundles.iter().map(|bundle| bundle.bytes).sum::<u64>();
    let mut removed = 0;
    for bundle in bundles {
        let silent_for = now.duration_since(bundle.last_write).unwrap_or_default();
        let is_beyond = bounds.age.is_some_and(|age| silent_for > age)
            || bounds.count.is_some_and(|most| count > most)
            || bounds.bytes.is_some_and(|most| bytes > most);
        if !is_beyond {
            break;
        }
        let name = bundle.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_in_use =
            bundle.path == made || in_use.contains(name) || (silent_for < SILENCE && !is_ended(&bundle.path));
        if !is_in_use && remove(&bundle.path).is_ok() {
            count -= 1;
            bytes -= bundle.bytes;
            removed += 1;
        }
    }
    Ok(removed)
}

/// The bundles under a root. What was left of one that was being removed is removed on the way.
fn bundles_in(root: &Path, with_bytes: bool) -> io::Result<Vec<Kept>> {
    let mut bundles = Vec::new();
    for entry in root.read_dir()? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        // A link is no bundle of this root.
        if !entry.file_type()?.is_dir() {
            continue;
        }
        let is_hidden = name.as_encoded_bytes().starts_with(b".");
        if is_hidden && name.as_encoded_bytes().ends_with(REMOVED.as_bytes()) && is_bundle(&path) {
            let _ = fs::remove_dir_all(&path);
        }
        if is_hidden || !is_bundle(&path) {
            continue;
        }
        // It may be gone by now.
        let Ok(last_write) = fs::symlink_metadata(path.join(Manifest::LOG)).and_then(|log| log.modified()) else {
            continue;
        };
        let bytes = if with_bytes { bytes_below(&path) } else { 0 };
        bundles.push(Kept { path, last_write, bytes });
    }
    Ok(bundles)
}

fn is_bundle(path: &Path) -> bool {
    [Manifest::FILE, Manifest::LOG]
        .iter()
        .all(|name| fs::symlink_metadata(path.join(name)).is_ok_and(|file| file.is_file()))
}

/// How long its files are together; what can't be looked at counts nothing.
fn bytes_below(directory: &Path) -> u64 {
    let entries = directory.read_dir().into_iter().flatten().filter_map(Result::ok);
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_below(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    bytes.sum()
}

/// Whether its log says how the run ended, whatever still came after that.
fn is_ended(bundle: &Path) -> bool {
    let tail = File::open(bundle.join(Manifest::LOG)).and_then(|mut log| {
        let length = log.metadata()?.len();
        log.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut tail = Vec::new();
        log.take(TAIL).read_to_end(&mut tail)?;
        Ok(tail)
    });
    tail.is_ok_and(|tail| String::from_utf8_lossy(&tail).contains(r#""type":"rollout_ended""#))
}

/// Takes its name from it first: nobody reads a half of it.
fn remove(bundle: &Path) -> io::Result<()> {
    let name = bundle.file_name().and_then(|name| name.to_str()).ok_or(io::ErrorKind::InvalidFilename)?;
    // The names of our bundles leave room for this.
    let hidden = bundle.with_file_name(format!(".{name}{REMOVED}"));
    fs::rename(bundle, &hidden)?;
    fs::remove_dir_all(&hidden)
}
