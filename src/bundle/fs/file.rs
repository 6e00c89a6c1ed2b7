//! Opens and creates the files that are written to, accessible to their owner only.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::path::Path;

/// Creates a directory and its missing parents, accessible to the owner only.
pub(crate) fn create_dirs(path: &Path) -> io::Result<()> {
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
pub(crate) fn create(path: &Path) -> io::Result<File> {
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
pub(crate) fn create_for_write_at(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // Not in append mode, in which a write at an offset would go to the end.
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Opens an existing file for writing at any offset.
pub(crate) fn open_for_write_at(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true);
    follow_no_link(&mut options);
    options.open(path)
}

/// Opens an existing file for appending.
pub(crate) fn open_to_append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true);
    follow_no_link(&mut options);
    options.open(path)
}

/// Makes the call fail at a link, and return at a pipe that nobody reads.
fn follow_no_link(options: &mut OpenOptions) {
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
        std::os::unix::fs::OpenOptionsExt::custom_flags(options, flags.cast_signed());
    }
    #[cfg(not(unix))]
    let _ = options;
}
