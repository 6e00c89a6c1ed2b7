//! Claims: how a recorder publishes to other processes which bundles it is writing to.
//!
//! A recorder has one lock file under its root, `.otel-trace-<uuid>.lock`, which it keeps locked while it exists; the
//! operating system releases the lock when the process dies. The file contains the names of the recorder's bundles,
//! each in a slot: from before the bundle gets its name until nothing writes to it any more. A name in a file that is
//! not locked belongs to an abandoned bundle: no process writes to it, and no process has ended it. All bundles share
//! one file, because an open file per bundle would be too many for a server with many conversations.

use std::collections::HashSet;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::bundle::{Directory, EntryKind, OwnProcess, file, parse_staged_name};

/// Time without a new line after which a bundle without an end may be removed, if its program does not publish claims.
pub(super) const ABANDONED_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Length of a slot in a lock file, in bytes. A slot holds the name of one bundle's directory; no file name is longer.
const SLOT: usize = 256;

/// Maximum length of a lock file that is read, in bytes: a quarter of a million bundles that one process writes to at once.
const MAX_LOCK_BYTES: u64 = 64 << 20;

const PREFIX: &str = ".otel-trace-";
const SUFFIX: &str = ".lock";

/// The claims of a recorder on the bundles that it writes to, published in the recorder's lock file. All writers of a
/// program should share them.
#[derive(Debug, Default)]
pub(crate) struct InUse {
    state: Mutex<InUseState>,
    process: OwnProcess,
}

#[derive(Debug, Default)]
struct InUseState {
    file: Option<(PathBuf, File)>,
    /// For each slot, `true` if it holds the name of a claimed bundle.
    slots: Vec<bool>,
    is_finished: bool,
}

/// The claim on a bundle that is in use. No process removes the bundle until the claim is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    in_use: Arc<InUse>,
    slot: usize,
}

impl InUse {
    /// Claims the bundle of this name, before it exists. Returns `None` if the claim cannot be published; recording
    /// goes on without it.
    pub(super) fn claim(self: &Arc<Self>, root: &Path, name: &str) -> Option<Claim> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.file.is_none() {
            state.file = Some(locked_file(root).ok()?);
        }
        let slot = state.slots.iter().position(|is_taken| !is_taken).unwrap_or(state.slots.len());
        state.write(slot, name).ok()?;
        if slot == state.slots.len() {
            state.slots.push(true);
        }
        state.slots[slot] = true;
        Some(Claim { in_use: Arc::clone(self), slot })
    }

    /// Records that no more bundles will be claimed. The lock file is removed with the last claim.
    pub(crate) fn finish(&self) {
        if self.process.is_copy() {
            // The file is the other process's, and it may hold the lock at the moment of the copy.
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_finished = true;
        state.remove_if_finished();
    }
}

impl InUseState {
    fn write(&mut self, slot: usize, name: &str) -> io::Result<()> {
        let Some((_, file)) = &mut self.file else { return Ok(()) };
        let mut text = [b' '; SLOT];
        text.get_mut(..name.len()).ok_or(io::ErrorKind::InvalidFilename)?.copy_from_slice(name.as_bytes());
        text[SLOT - 1] = b'\n';
        file.seek(SeekFrom::Start((slot * SLOT) as u64))?;
        file.write_all(&text)
    }

    fn remove_if_finished(&mut self) {
        if self.is_finished
            && !self.slots.contains(&true)
            && let Some((path, _)) = self.file.take()
        {
            // If this fails, a process that finds the file unlocked removes it.
            let _ = fs::remove_file(path);
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.in_use.process.is_copy() {
            return;
        }
        let mut state = self.in_use.state.lock().unwrap_or_else(PoisonError::into_inner);
        // If this fails, the bundle stays claimed until the process ends, and is not removed before.
        let _ = state.write(self.slot, "");
        state.slots[self.slot] = false;
        state.remove_if_finished();
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Creates a lock file and locks it.
fn locked_file(root: &Path) -> io::Result<(PathBuf, File)> {
    let path = root.join(format!("{PREFIX}{}{SUFFIX}", uuid::Uuid::new_v4()));
    let file = file::create_for_write_at(&path)?;
    // Blocks while another process tests the lock, which it holds meanwhile.
    match file.lock() {
        Ok(()) => Ok((path, file)),
        Err(error) => {
            let _ = fs::remove_file(&path);
            Err(error)
        }
    }
}

/// Returns the time from `then` to `now`, or zero if `then` is the later of the two.
pub(super) fn elapsed_since(now: SystemTime, then: SystemTime) -> Duration {
    now.duration_since(then).unwrap_or_default()
}

/// The names of the bundles that are claimed by the lock files under a root.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// Bundles that a live process writes to. A bundle that existed before the claims were read and is not among them
    /// is not in use any more, provided that its program publishes claims.
    pub(super) in_use: HashSet<String>,
    /// Bundles whose process died before it wrote their end.
    pub(super) abandoned: HashSet<String>,
}

impl Claims {
    /// Reads all lock files under a root. The lock file of a dead process is removed when the last bundle that it names
    /// is gone, or after a day, when the age of the bundles is sufficient to recognise them.
    ///
    /// # Errors
    /// Returns the error of the file system. Then every bundle may be in use.
    pub(super) fn read(root: &Path) -> io::Result<Self> {
        let (mut claims, mut existing, mut dead) = (Self::default(), HashSet::new(), Vec::new());
        let root = Directory::open(root)?;
        for (name, kind) in root.entries()? {
            let Ok(name) = name.into_string() else { continue };
            let is_lock = name.starts_with(PREFIX) && name.ends_with(SUFFIX);
            if !is_lock || kind != EntryKind::File {
                existing.insert(parse_staged_name(&name).map(str::to_owned).unwrap_or(name));
                continue;
            }
            match LockFile::read(&root, &name)? {
                None => {}
                Some(LockFile { names, is_locked: true, .. }) => claims.in_use.extend(names),
                Some(file) => dead.push((name, file)),
            }
        }
        for (lock, LockFile { names, last_write, .. }) in dead {
            let abandoned: Vec<_> = names.into_iter().filter(|name| existing.contains(name)).collect();
            if abandoned.is_empty() || elapsed_since(SystemTime::now(), last_write) >= ABANDONED_AFTER {
                let _ = root.remove_file(lock.as_ref());
            }
            claims.abandoned.extend(abandoned);
        }
        Ok(claims)
    }
}

/// The content and state of a lock file.
struct LockFile {
    names: Vec<String>,
    is_locked: bool,
    last_write: SystemTime,
}

impl LockFile {
    /// Reads a lock file. Returns `None` if it is empty or gone: a new file is empty until it is locked.
    fn read(root: &Directory, name: &str) -> io::Result<Option<Self>> {
        let file = match root.open_file(name) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let is_locked = match file.try_lock_shared() {
            Ok(()) => false,
            Err(TryLockError::WouldBlock) => true,
            Err(TryLockError::Error(error)) => return Err(error),
        };
        let mut text = String::new();
        (&file).take(MAX_LOCK_BYTES).read_to_string(&mut text)?;
        let last_write = file.metadata()?.modified()?;
        let names = text.lines().map(str::trim_end).filter(|name| !name.is_empty()).map(str::to_owned).collect();
        Ok((!text.is_empty()).then_some(Self { names, is_locked, last_write }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(root: &Path) -> Vec<String> {
        sorted(Claims::read(root).expect("readable").in_use)
    }

    fn abandoned(root: &Path) -> Vec<String> {
        sorted(Claims::read(root).expect("readable").abandoned)
    }

    fn sorted(names: HashSet<String>) -> Vec<String> {
        let mut names: Vec<_> = names.into_iter().collect();
        names.sort();
        names
    }

    fn files(root: &Path) -> usize {
        root.read_dir().expect("readable").count()
    }

    #[test]
    fn lock_file_is_removed_with_the_last_claim() {
        let root = tempfile::tempdir().expect("a directory");
        let in_use = Arc::new(InUse::default());
        let a = in_use.claim(root.path(), "trace-a").expect("claimed");
        let b = in_use.claim(root.path(), "trace-b").expect("claimed");
        assert_eq!(names(root.path()), ["trace-a", "trace-b"]);
        drop(a);
        assert_eq!(names(root.path()), ["trace-b"]);
        let c = in_use.claim(root.path(), "c").expect("claimed");
        assert_eq!(names(root.path()), ["c", "trace-b"]);
        in_use.finish();
        drop(b);
        assert_eq!(names(root.path()), ["c"]);
        drop(c);
        assert_eq!(files(root.path()), 0);
    }

    #[test]
    fn claims_of_a_dead_process_are_abandoned() {
        let root = tempfile::tempdir().expect("a directory");
        let in_use = Arc::new(InUse::default());
        for name in ["trace-a", "trace-b", "trace-c"] {
            std::mem::forget(in_use.claim(root.path(), name));
        }
        // The first has its name, the second is still staged, and the third is gone.
        let (bundle, temporary) = (root.path().join("trace-a"), root.path().join(".trace-b.1f.tmp"));
        [&bundle, &temporary].into_iter().for_each(|path| fs::create_dir(path).expect("made"));
        let (path, file) = in_use.state.lock().expect("unpoisoned").file.take().expect("made");
        assert_eq!((names(root.path()).len(), abandoned(root.path())), (3, Vec::new()));
        drop(file);
        assert_eq!(names(root.path()), [""; 0]);
        assert_eq!(abandoned(root.path()), ["trace-a", "trace-b"]);
        fs::remove_dir(bundle).expect("removed");
        assert_eq!(abandoned(root.path()), ["trace-b"]);
        fs::remove_dir(temporary).expect("removed");
        assert!(path.exists() && abandoned(root.path()).is_empty());
        assert_eq!(files(root.path()), 0);
    }

    #[test]
    fn abandoned_claims_expire_after_a_day() {
        let root = tempfile::tempdir().expect("a directory");
        let in_use = Arc::new(InUse::default());
        std::mem::forget(in_use.claim(root.path(), "trace-a"));
        fs::create_dir(root.path().join("trace-a")).expect("made");
        let (path, file) = in_use.state.lock().expect("unpoisoned").file.take().expect("made");
        file.set_modified(SystemTime::now() - ABANDONED_AFTER).expect("set");
        drop(file);
        assert_eq!(abandoned(root.path()), ["trace-a"]);
        assert!(!path.exists());
    }

    #[test]
    fn claim_fails_without_a_root_directory() {
        let root = tempfile::tempdir().expect("a directory");
        assert!(Arc::new(InUse::default()).claim(&root.path().join("none"), "trace-a").is_none());
    }
}
