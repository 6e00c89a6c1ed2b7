//! The temporary directories that archives are extracted to: [`ExtractedFiles`].

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use tempfile::TempDir;

#[cfg(unix)]
use super::signals;

/// The temporary directories that exist, which a signal removes. A signal knows nothing but statics.
static DIRECTORIES: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Maximum number of attempts to remove a directory while another thread may still create a file in it.
const MAX_ATTEMPTS: u32 = 100;

/// A temporary directory. It is removed when this is dropped, and when Ctrl-C, SIGTERM or SIGHUP ends the process.
#[derive(Debug)]
pub(super) struct ExtractedFiles(TempDir);

impl ExtractedFiles {
    /// Creates an empty directory.
    ///
    /// # Errors
    /// Returns an error if the directory cannot be created.
    pub(super) fn create() -> io::Result<Self> {
        static IS_WATCHED: Once = Once::new();
        #[cfg(unix)]
        IS_WATCHED.call_once(|| signals::watch(remove_all));
        // The lock is held while the directory is created: a signal waits until it is listed.
        let mut directories = lock();
        let directory = tempfile::Builder::new().prefix("otel-trace-").tempdir()?;
        directories.push(directory.path().to_owned());
        Ok(Self(directory))
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for ExtractedFiles {
    fn drop(&mut self) {
        remove(self.path());
        lock().retain(|directory| directory != self.0.path());
    }
}

/// Removes all directories that exist, and prevents new ones.
fn remove_all() {
    let directories = lock();
    directories.iter().for_each(|directory| remove(directory));
    // A new directory would be left behind: its creation waits for the exit.
    std::mem::forget(directories);
}

fn remove(directory: &Path) {
    for _ in 0..MAX_ATTEMPTS {
        match fs::remove_dir_all(directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {}
            Ok(()) | Err(_) => break,
        }
    }
}

/// Blocks forever if a signal ends the process, so that the process neither writes more nor exits with another status.
pub(super) fn wait_if_ending() {
    #[cfg(unix)]
    signals::wait_if_ending();
}

fn lock() -> MutexGuard<'static, Vec<PathBuf>> {
    DIRECTORIES.lock().unwrap_or_else(PoisonError::into_inner)
}
