//! Files and directories as a bundle wants them: for their owner alone, and never followed out of the bundle.

use std::collections::HashSet;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{PoisonError, RwLock};

/// Makes a directory, and those above it where they are missing, that only its owner may enter.
pub(super) fn create_dirs(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Makes a file that must not exist yet and that only its owner may read.
pub(super) fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes a file that must not exist yet and that only its owner may read, to write at any place in it.
pub(super) fn create_for_places(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // Not to append: a write at a place would go to the end.
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Opens a file that is there already, to write at any place in it.
pub(super) fn open_for_places(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NOFOLLOW | libc::O_NONBLOCK);
    options.open(path)
}

/// Opens a file that is there already, to write at its end.
pub(super) fn open_to_append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NOFOLLOW | libc::O_NONBLOCK);
    options.open(path)
}

/// Why a file of a bundle is not opened.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The path leaves the bundle, or what is there is not a regular file.
    Path(&'static str),
    /// The file system refused.
    Io(io::Error),
}

/// The directories below a bundle that were seen to be plain ones, not links. A bundle that is read is finished.
#[derive(Debug, Default)]
pub(super) struct PlainDirectories(RwLock<HashSet<PathBuf>>);

impl PlainDirectories {
    fn has(&self, path: &Path) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(path)
    }

    fn add(&self, path: &Path) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned());
    }
}

/// Opens `relative` inside `bundle` for reading. A bundle is untrusted: only plain relative paths are taken, no link
/// is followed below `bundle`, and nothing but a regular file is opened, so that no FIFO can hold us.
pub(super) fn open_inside(bundle: &Path, relative: &str, plain: &PlainDirectories) -> Result<File, Refusal> {
    let path = plain_path(bundle, relative, plain)?;
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let file = options.open(&path).map_err(Refusal::Io)?;
    if file.metadata().map_err(Refusal::Io)?.is_file() { Ok(file) } else { Err(Refusal::Path("is not a regular file")) }
}

/// Whether `relative` would be looked for inside `bundle`, be it there or not.
#[cfg(feature = "otlp")]
pub(super) fn stays_inside(bundle: &Path, relative: &str) -> bool {
    !matches!(plain_path(bundle, relative, &PlainDirectories::default()), Err(Refusal::Path(_)))
}

/// `bundle` joined with `relative`, where every step is a plain name and none but the first a link.
fn plain_path(bundle: &Path, relative: &str, plain: &PlainDirectories) -> Result<PathBuf, Refusal> {
    let mut path = bundle.to_owned();
    let mut components = Path::new(relative).components().peekable();
    if components.peek().is_none() {
        return Err(Refusal::Path("is empty"));
    }
    if Path::new(relative).ends_with("state.json") {
        return Err(Refusal::Path("is what a reducer wrote"));
    }
    while let Some(component) = components.next() {
        match component {
            Component::Normal(name) => path.push(name),
            Component::CurDir => continue,
            Component::ParentDir => return Err(Refusal::Path("climbs with `..`")),
            Component::RootDir | Component::Prefix(_) => return Err(Refusal::Path("is absolute")),
        }
        let is_last = components.peek().is_none();
        if !is_last && plain.has(&path) {
            continue;
        }
        let found = path.symlink_metadata().map_err(|error| {
            if error.kind() == io::ErrorKind::InvalidInput {
                Refusal::Path("is no file name")
            } else {
                Refusal::Io(error)
            }
        })?;
        if found.is_symlink() {
            return Err(Refusal::Path("goes through a symbolic link"));
        }
        if is_last && !found.is_file() {
            return Err(Refusal::Path("is not a regular file"));
        }
        if !is_last && found.is_dir() {
            plain.add(&path);
        }
    }
    Ok(path)
}
