//! Atomic writing of `state.json` and `joined.json`.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::{Graph, Joined, Snapshots};

/// Writes `state.json` to `path`, atomically: an existing file is replaced once the new one is complete. On Unix, only
/// the owner can read the file, because it contains the content of payloads.
///
/// # Errors
/// Returns an error if `path` exists and is not a regular file, or if the file cannot be written. Temporary files are
/// removed.
pub fn write_state_file(graph: &Graph, path: &Path, snapshots: Snapshots) -> Result<(), StateFileError> {
    write_atomically(path, |file| graph.write_state(file, snapshots))
}

/// Writes `joined.json` to `path`, atomically and readable only by the owner, like [`write_state_file`].
///
/// # Errors
/// Returns an error if `path` exists and is not a regular file, or if the file cannot be written. Temporary files are
/// removed.
pub fn write_joined_file(joined: &Joined, path: &Path) -> Result<(), StateFileError> {
    write_atomically(path, |file| joined.write(file))
}

/// Writes a file through a temporary one in the directory of `path`, which replaces an existing file at `path` when it
/// is complete.
fn write_atomically(path: &Path, write: impl FnOnce(&File) -> io::Result<()>) -> Result<(), StateFileError> {
    let failed = |message: &str, source: Option<io::Error>| StateFileError {
        path: path.to_owned(),
        message: message.to_owned(),
        source,
    };
    // A rename would replace a device or a pipe by a regular file.
    if path.metadata().is_ok_and(|found| !found.is_file()) {
        return Err(failed("exists and is not a regular file; choose the path of a new or a regular file", None));
    }
    let temporary = TemporaryFile::create_beside(path)
        .map_err(|error| failed("cannot create a file in this directory", Some(error)))?;
    write(&temporary.file).map_err(|error| failed("cannot write the file", Some(error)))?;
    temporary.rename(path).map_err(|error| failed("cannot rename the temporary file to this path", Some(error)))
}

/// The failure to write `state.json` or `joined.json`. The text starts with the path of the file.
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

/// A temporary file that is removed on drop unless it was renamed.
struct TemporaryFile {
    file: File,
    path: PathBuf,
    is_renamed: bool,
}

impl TemporaryFile {
    /// Creates a hidden file with a unique name in the directory of `path`.
    fn create_beside(path: &Path) -> io::Result<Self> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}", uuid::Uuid::new_v4().simple()));
        let path = path.with_file_name(hidden);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Ok(Self { file: options.open(&path)?, path, is_renamed: false })
    }

    fn rename(mut self, to: &Path) -> io::Result<()> {
        fs::rename(&self.path, to)?;
        self.is_renamed = true;
        Ok(())
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if !self.is_renamed {
            // There is no way to recover from an error here.
            let _ = fs::remove_file(&self.path);
        }
    }
}
