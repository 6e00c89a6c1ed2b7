//! `state.json` and `joined.json` as files.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::{Graph, Joined, Snapshots};

/// Writes `state.json` whole and atomically: what was at `path` stays until all of it is written. Only the owner may
/// read it, because it says what the bodies say.
///
/// # Errors
/// [`StateFileError`] where something else than a regular file is at `path`, or the file can't be written beside it.
/// Nothing stays behind.
pub fn write_state_file(graph: &Graph, path: &Path, snapshots: Snapshots) -> Result<(), StateFileError> {
    write_whole(path, |file| graph.write_state(file, snapshots))
}

/// Writes `joined.json` likewise.
///
/// # Errors
/// As [`write_state_file`].
pub fn write_joined_file(joined: &Joined, path: &Path) -> Result<(), StateFileError> {
    write_whole(path, |file| joined.write(file))
}

fn write_whole(path: &Path, write: impl FnOnce(&File) -> io::Result<()>) -> Result<(), StateFileError> {
    let failed = |message: &str, source: Option<io::Error>| StateFileError {
        path: path.to_owned(),
        message: message.to_owned(),
        source,
    };
    // To take the place of a device or a pipe would be nobody's wish.
    if path.metadata().is_ok_and(|found| !found.is_file()) {
        return Err(failed("what is there is not a regular file; name a file to be written or replaced", None));
    }
    let temporary =
        Temporary::beside(path).map_err(|error| failed("can't be written in this directory", Some(error)))?;
    write(&temporary.file).map_err(|error| failed("can't be written", Some(error)))?;
    temporary.rename(path).map_err(|error| failed("can't be put in place", Some(error)))
}

/// A state file could not be written.
#[derive(Debug)]
pub struct StateFileError {
    path: PathBuf,
    message: String,
    source: Option<io::Error>,
}

impl fmt::Display for StateFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.message)
    }
}

impl std::error::Error for StateFileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}

/// A file under a name of its own, removed again unless it is renamed.
struct Temporary {
    file: File,
    path: PathBuf,
    kept: bool,
}

impl Temporary {
    fn beside(path: &Path) -> io::Result<Self> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}", uuid::Uuid::new_v4().simple()));
        let path = path.with_file_name(hidden);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Ok(Self { file: options.open(&path)?, path, kept: false })
    }

    fn rename(mut self, to: &Path) -> io::Result<()> {
        fs::rename(&self.path, to)?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.kept {
            // Nothing is left to do where even this fails.
            let _ = fs::remove_file(&self.path);
        }
    }
}
