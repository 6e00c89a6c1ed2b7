//! Opens and creates the files of bundles: accessible to their owner only, and never outside of the bundle.

use std::collections::HashSet;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{PoisonError, RwLock};

/// Creates a directory and its missing parents, accessible to the owner only.
pub(super) fn create_dirs(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Creates a new file for appending, accessible to the owner only.
///
/// # Errors
/// Returns an error if the file exists.
pub(super) fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Creates a new file for writing at any offset, accessible to the owner only.
///
/// # Errors
/// Returns an error if the file exists.
pub(super) fn create_for_write_at(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // Not in append mode, in which a write at an offset would go to the end.
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Opens an existing file for writing at any offset.
pub(super) fn open_for_write_at(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NOFOLLOW | libc::O_NONBLOCK);
    options.open(path)
}

/// Opens an existing file for appending.
pub(super) fn open_to_append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NOFOLLOW | libc::O_NONBLOCK);
    options.open(path)
}

/// The error of a file in a bundle that is not opened for reading.
#[derive(Debug)]
pub(super) enum OpenError {
    /// The path leaves the bundle, or is not the path of a regular file. Contains the reason, for an error message.
    Path(&'static str),
    /// The error of the file system.
    Io(io::Error),
}

/// The directories below a bundle that were found not to be symbolic links. They are checked once, because a bundle
/// that is read does not change any more.
#[derive(Debug, Default)]
pub(super) struct VerifiedDirectories(RwLock<HashSet<PathBuf>>);

impl VerifiedDirectories {
    fn has(&self, path: &Path) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(path)
    }

    fn add(&self, path: &Path) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned());
    }
}

/// Opens the file `relative` inside of `bundle` for reading. A bundle is untrusted: only plain relative paths are
/// accepted, no symbolic link below `bundle` is followed, and only regular files are opened, because opening a FIFO
/// could block.
///
/// # Errors
/// Returns an error if the path is not accepted or the file cannot be opened.
pub(super) fn open_inside(bundle: &Path, relative: &str, verified: &VerifiedDirectories) -> Result<File, OpenError> {
    let path = plain_path(bundle, relative, verified)?;
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let file = options.open(&path).map_err(OpenError::Io)?;
    if file.metadata().map_err(OpenError::Io)?.is_file() {
        Ok(file)
    } else {
        Err(OpenError::Path("is not a regular file"))
    }
}

/// Returns `true` if the path `relative` stays inside of `bundle`, even if no such file exists.
#[cfg(feature = "otlp")]
pub(super) fn stays_inside(bundle: &Path, relative: &str) -> bool {
    !matches!(plain_path(bundle, relative, &VerifiedDirectories::default()), Err(OpenError::Path(_)))
}

/// Joins `bundle` and `relative`, after checking that every component of `relative` is a plain name and not a symbolic
/// link.
fn plain_path(bundle: &Path, relative: &str, verified: &VerifiedDirectories) -> Result<PathBuf, OpenError> {
    let mut path = bundle.to_owned();
    let mut components = Path::new(relative).components().peekable();
    if components.peek().is_none() {
        return Err(OpenError::Path("is empty"));
    }
    if Path::new(relative).ends_with("state.json") {
        return Err(OpenError::Path("is the output of a reducer, not evidence"));
    }
    while let Some(component) = components.next() {
        match component {
            Component::Normal(name) => path.push(name),
            Component::CurDir => continue,
            Component::ParentDir => return Err(OpenError::Path("contains `..`")),
            Component::RootDir | Component::Prefix(_) => return Err(OpenError::Path("is absolute")),
        }
        let is_last = components.peek().is_none();
        if !is_last && verified.has(&path) {
            continue;
        }
        let metadata = path.symlink_metadata().map_err(|error| {
            if error.kind() == io::ErrorKind::InvalidInput {
                OpenError::Path("is not a valid file name")
            } else {
                OpenError::Io(error)
            }
        })?;
        if metadata.is_symlink() {
            return Err(OpenError::Path("goes through a symbolic link"));
        }
        if is_last && !metadata.is_file() {
            return Err(OpenError::Path("is not a regular file"));
        }
        if !is_last && metadata.is_dir() {
            verified.add(&path);
        }
    }
    Ok(path)
}
