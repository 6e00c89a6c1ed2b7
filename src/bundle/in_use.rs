//! Which bundles are being written to, for other processes to see.
//!
//! A recorder has one file under its root, `.otel-trace-<uuid>.lock`, which it holds locked while it lives: the death of
//! its process, however it comes, lets go of the lock. The names of its bundles stand in the file, each in a slot, from
//! before it has its name until nothing writes to it. What still stands there when the lock has fallen was left: nobody
//! writes to it, though nobody ended it. One file for all of them: a file held open for each bundle would
//! be too many for a server of many conversations.

use std::collections::HashSet;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::file;
use super::prepared::bundle_of_temporary;

/// A bundle that nobody ended, of a program that does not say what it writes to, may be removed when no line was written
/// to it for so long.
pub(super) const SILENCE: Duration = Duration::from_secs(24 * 3600);

/// The length of a slot: no name of a file is longer.
const SLOT: usize = 256;

const PREFIX: &str = ".otel-trace-";
const SUFFIX: &str = ".lock";

/// The bundles that a recorder writes to. All writers of a program should share it.
#[derive(Debug, Default)]
pub(crate) struct InUse(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    file: Option<(PathBuf, File)>,
    /// Whether each slot is taken.
    slots: Vec<bool>,
    is_over: bool,
}

/// A bundle that is in use, until this is dropped. Nobody removes it.
#[derive(Debug)]
pub(super) struct Claim {
    in_use: Arc<InUse>,
    slot: usize,
}

impl InUse {
    /// Removes the files of processes that are gone and left nothing.
    pub(crate) fn forget_the_dead(root: &Path) {
        // It costs nothing but the sight of them.
        let _ = Claims::of(root);
    }

    /// Says that the bundle of this name is in use, before it is there. None where that can't be said: who records goes
    /// on all the same.
    pub(super) fn claim(self: &Arc<Self>, root: &Path, name: &str) -> Option<Claim> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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

    /// No more bundles begin. The file goes with the last of those that are left.
    pub(crate) fn finish(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_over = true;
        state.remove_if_over();
    }
}

impl State {
    fn write(&mut self, slot: usize, name: &str) -> io::Result<()> {
        let Some((_, file)) = &mut self.file else { return Ok(()) };
        let mut text = [b' '; SLOT];
        text.get_mut(..name.len()).ok_or(io::ErrorKind::InvalidFilename)?.copy_from_slice(name.as_bytes());
        text[SLOT - 1] = b'\n';
        file.seek(SeekFrom::Start((slot * SLOT) as u64))?;
        file.write_all(&text)
    }

    fn remove_if_over(&mut self) {
        if self.is_over
            && !self.slots.contains(&true)
            && let Some((path, _)) = self.file.take()
        {
            // Who finds it unlocked removes it.
            let _ = fs::remove_file(path);
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut state = self.in_use.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What is said of a bundle that nobody writes to costs nothing but its removal.
        let _ = state.write(self.slot, "");
        state.slots[self.slot] = false;
        state.remove_if_over();
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.finish();
    }
}

fn locked_file(root: &Path) -> io::Result<(PathBuf, File)> {
    let path = root.join(format!("{PREFIX}{}{SUFFIX}", uuid::Uuid::new_v4()));
    let file = file::create_for_places(&path)?;
    // Who looks whether it is locked holds it for that long.
    match file.lock() {
        Ok(()) => Ok((path, file)),
        Err(error) => {
            let _ = fs::remove_file(&path);
            Err(error)
        }
    }
}

/// How long ago that was.
pub(super) fn silent_for(now: SystemTime, then: SystemTime) -> Duration {
    now.duration_since(then).unwrap_or_default()
}

/// What the files of all recorders under a root say of its bundles, by their names.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// Some process writes to them. A bundle that was there before these were read and is not among them is in use no
    /// more, if its program says what it writes to.
    pub(super) in_use: HashSet<String>,
    /// The process that wrote to them is gone, and had not ended them.
    pub(super) left: HashSet<String>,
}

impl Claims {
    /// Reads them all. A file of a process that is gone is removed with the last of what it left, or after a day, when
    /// the bundles themselves tell by their age.
    ///
    /// # Errors
    /// What the file system said: then any bundle may be in use.
    pub(super) fn of(root: &Path) -> io::Result<Self> {
        let (mut claims, mut there, mut dead) = (Self::default(), HashSet::new(), Vec::new());
        for entry in root.read_dir()? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let is_lock = name.starts_with(PREFIX) && name.ends_with(SUFFIX);
            if !is_lock || !entry.file_type()?.is_file() {
                there.insert(bundle_of_temporary(&name).map(str::to_owned).unwrap_or(name));
                continue;
            }
            match LockFile::read(&entry.path())? {
                None => {}
                Some(LockFile { names, is_locked: true, .. }) => claims.in_use.extend(names),
                Some(file) => dead.push((entry.path(), file)),
            }
        }
        for (path, LockFile { names, last_write, .. }) in dead {
            let left: Vec<_> = names.into_iter().filter(|name| there.contains(name)).collect();
            if left.is_empty() || silent_for(SystemTime::now(), last_write) >= SILENCE {
                let _ = fs::remove_file(path);
            }
            claims.left.extend(left);
        }
        Ok(claims)
    }
}

/// What the file of a recorder says.
struct LockFile {
    names: Vec<String>,
    is_locked: bool,
    last_write: SystemTime,
}

impl LockFile {
    /// None where there is nothing in it: one that is being made is not locked yet, and names nothing.
    fn read(path: &Path) -> io::Result<Option<Self>> {
        let mut file = match File::open(path) {
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
        file.read_to_string(&mut text)?;
        let last_write = file.metadata()?.modified()?;
        let names = text.lines().map(str::trim_end).filter(|name| !name.is_empty()).map(str::to_owned).collect();
        Ok((!text.is_empty()).then_some(Self { names, is_locked, last_write }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(root: &Path) -> Vec<String> {
        sorted(Claims::of(root).expect("readable").in_use)
    }

    fn left(root: &Path) -> Vec<String> {
        sorted(Claims::of(root).expect("readable").left)
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
    fn a_bundle_is_in_use_until_its_claim_is_dropped_and_the_file_goes_with_the_last() {
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
    fn what_a_process_that_is_gone_had_in_use_it_left_and_its_file_goes_with_the_last_of_that() {
        let root = tempfile::tempdir().expect("a directory");
        let in_use = Arc::new(InUse::default());
        for name in ["trace-a", "trace-b", "trace-c"] {
            std::mem::forget(in_use.claim(root.path(), name));
        }
        // One has its name, one was still being made, and one is gone.
        let (bundle, temporary) = (root.path().join("trace-a"), root.path().join(".trace-b.1f.tmp"));
        [&bundle, &temporary].into_iter().for_each(|path| fs::create_dir(path).expect("made"));
        let (path, file) = in_use.0.lock().expect("unpoisoned").file.take().expect("made");
        assert_eq!((names(root.path()).len(), left(root.path())), (3, Vec::new()));
        drop(file);
        assert_eq!(names(root.path()), [""; 0]);
        assert_eq!(left(root.path()), ["trace-a", "trace-b"]);
        fs::remove_dir(bundle).expect("removed");
        assert_eq!(left(root.path()), ["trace-b"]);
        fs::remove_dir(temporary).expect("removed");
        assert!(path.exists() && left(root.path()).is_empty());
        assert_eq!(files(root.path()), 0);
    }

    #[test]
    fn what_a_process_left_is_remembered_for_a_day() {
        let root = tempfile::tempdir().expect("a directory");
        let in_use = Arc::new(InUse::default());
        std::mem::forget(in_use.claim(root.path(), "trace-a"));
        fs::create_dir(root.path().join("trace-a")).expect("made");
        let (path, file) = in_use.0.lock().expect("unpoisoned").file.take().expect("made");
        file.set_modified(SystemTime::now() - SILENCE).expect("set");
        drop(file);
        assert_eq!(left(root.path()), ["trace-a"]);
        assert!(!path.exists());
    }

    #[test]
    fn where_nothing_can_be_said_nothing_is_claimed() {
        let root = tempfile::tempdir().expect("a directory");
        assert!(Arc::new(InUse::default()).claim(&root.path().join("none"), "trace-a").is_none());
    }
}
