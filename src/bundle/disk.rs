//! The file system as the writer of a bundle uses it. Every write that can fail, stall or be lost goes through the
//! traits of this module, so that tests can inject faults.

use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use super::file;

/// A file system that bundles are written to.
pub(crate) trait Disk: Send + Sync + fmt::Debug {
    /// Creates a directory, and its parents if they are missing.
    fn create_dirs(&self, path: &Path) -> io::Result<()>;
    /// Creates a file for appending. Fails if the file exists.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens an existing file for appending.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Creates a file for writes at offsets ([`DiskFile::write_at`]). Fails if the file exists.
    fn create_for_write_at(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens an existing file for writes at offsets ([`DiskFile::write_at`]).
    fn open_for_write_at(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Returns the identity of the file or directory at a path, without following a symbolic link.
    fn identity(&self, path: &Path) -> io::Result<FileIdentity>;
    /// Renames a directory. May replace an empty directory, but no other.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty directory.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    /// Syncs the entries of a directory, so that they survive a crash of the machine.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
}

/// A file that is open for writing, either at its end or at offsets.
pub(crate) trait DiskFile: Send + Sync + fmt::Debug {
    /// Appends bytes with one `write(2)`, and returns how many were written.
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;
    /// Writes bytes at an offset with one `pwrite(2)`, and returns how many were written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;
    /// Truncates or extends the file to `length` bytes.
    fn set_len(&self, length: u64) -> io::Result<()>;
    /// Syncs the contents and the length of the file, so that they survive a crash of the machine.
    fn sync(&self) -> io::Result<()>;
    /// Returns the identity of the file.
    fn identity(&self) -> io::Result<FileIdentity>;
    /// Returns `true` if the file has at least one path, so that it has not been deleted.
    fn is_linked(&self) -> bool;
}

impl dyn DiskFile + '_ {
    /// Appends all bytes, in as many writes as it takes.
    pub(super) fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        write_all(bytes, |bytes, _| self.write(bytes))
    }

    /// Writes all bytes at an offset, in as many writes as it takes.
    pub(super) fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        write_all(bytes, |bytes, written| self.write_at(bytes, offset + written))
    }
}

/// Calls `write` with the remaining bytes and the number of written ones, until all bytes are written.
fn write_all(mut bytes: &[u8], write: impl Fn(&[u8], u64) -> io::Result<usize>) -> io::Result<()> {
    let mut offset = 0;
    while !bytes.is_empty() {
        match write(bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = bytes.get(written..).unwrap_or_default();
                offset += written as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The identity of a file, which distinguishes it from another file that has replaced it at its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileIdentity {
    /// Device and inode number. Both are 0 if the system has none.
    pub(crate) numbers: (u64, u64),
}

impl FileIdentity {
    #[cfg(unix)]
    pub(super) fn from_metadata(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self { numbers: (metadata.dev(), metadata.ino()) }
    }

    #[cfg(not(unix))]
    pub(super) fn from_metadata(_: &Metadata) -> Self {
        Self { numbers: (0, 0) }
    }
}

/// The real file system of the machine. Tests use `MemDisk` instead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RealDisk;

impl Disk for RealDisk {
    fn create_dirs(&self, path: &Path) -> io::Result<()> {
        file::create_dirs(path)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(file::create(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(file::open_to_append(path)?))
    }

    fn create_for_write_at(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(file::create_for_write_at(path)?))
    }

    fn open_for_write_at(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(file::open_for_write_at(path)?))
    }

    fn identity(&self, path: &Path) -> io::Result<FileIdentity> {
        Ok(FileIdentity::from_metadata(&path.symlink_metadata()?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        // Other systems cannot open a directory as a file, and sync the entry of a file with the file.
        if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
    }
}

impl DiskFile for File {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut file = self;
        Write::write(&mut file, bytes)
    }

    #[cfg(unix)]
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::write_at(self, bytes, offset)
    }

    #[cfg(windows)]
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        std::os::windows::fs::FileExt::seek_write(self, bytes, offset)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        // The file is open for appending, so the next write goes to its new end.
        Self::set_len(self, length)
    }

    fn sync(&self) -> io::Result<()> {
        // The length counts as data.
        self.sync_data()
    }

    fn identity(&self) -> io::Result<FileIdentity> {
        Ok(FileIdentity::from_metadata(&self.metadata()?))
    }

    fn is_linked(&self) -> bool {
        #[cfg(unix)]
        return self.metadata().is_ok_and(|metadata| std::os::unix::fs::MetadataExt::nlink(&metadata) > 0);
        #[cfg(not(unix))]
        true
    }
}
