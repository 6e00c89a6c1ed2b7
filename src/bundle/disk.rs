//! The file system as the writer of a bundle uses it. What can fail, stall or be lost of a recording goes through
//! here, so that tests can plant it.

use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use super::file;

/// Where bundles are written to.
pub(crate) trait Disk: Send + Sync + fmt::Debug {
    /// Makes a directory and those above it where they are missing.
    fn create_dirs(&self, path: &Path) -> io::Result<()>;
    /// Makes a file that must not exist yet, to write at its end.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file that is there already, likewise.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Makes a file that must not exist yet, to write at places in it.
    fn create_for_places(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file that is there already, likewise.
    fn open_for_places(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Which file has this name.
    fn identity(&self, path: &Path) -> io::Result<Identity>;
    /// Gives a directory another name. Takes the place of an empty directory, never of a full one.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty directory.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    /// Waits until the names in a directory would survive the death of the machine.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
}

/// A file that is open for writing, at its end or at places in it.
pub(crate) trait DiskFile: Send + Sync + fmt::Debug {
    /// One `write(2)`, at the end.
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;
    /// One `pwrite(2)`: so many bytes from the beginning.
    fn write_at(&self, bytes: &[u8], place: u64) -> io::Result<usize>;
    /// Cuts to so many bytes.
    fn set_len(&self, length: u64) -> io::Result<()>;
    /// Waits until the bytes and the length would survive the death of the machine.
    fn sync(&self) -> io::Result<()>;
    /// Which file it is.
    fn identity(&self) -> io::Result<Identity>;
    /// Whether any name leads to it.
    fn is_linked(&self) -> bool;
}

impl dyn DiskFile + '_ {
    /// Writes all of it, in as many writes as it takes.
    pub(super) fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        write_all(bytes, |bytes, _| self.write(bytes))
    }

    /// The same, so many bytes from the beginning.
    pub(super) fn write_all_at(&self, bytes: &[u8], place: u64) -> io::Result<()> {
        write_all(bytes, |bytes, written| self.write_at(bytes, place + written))
    }
}

/// Calls with what is left, and how much is written, until all is.
fn write_all(mut bytes: &[u8], write: impl Fn(&[u8], u64) -> io::Result<usize>) -> io::Result<()> {
    let mut place = 0;
    while !bytes.is_empty() {
        match write(bytes, place) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = bytes.get(written..).unwrap_or_default();
                place += written as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What tells a file from another that took its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Its device and its number there; nothing where the system has none.
    pub(crate) numbers: (u64, u64),
}

impl Identity {
    #[cfg(unix)]
    pub(super) fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self { numbers: (metadata.dev(), metadata.ino()) }
    }

    #[cfg(not(unix))]
    pub(super) fn of(_: &Metadata) -> Self {
        Self { numbers: (0, 0) }
    }
}

/// The file system of the machine.
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

    fn create_for_places(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(file::create_for_places(path)?))
    }

    fn open_for_places(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(file::open_for_places(path)?))
    }

    fn identity(&self, path: &Path) -> io::Result<Identity> {
        Ok(Identity::of(&path.symlink_metadata()?))
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
        // Elsewhere a directory can't be opened as a file, and its names are safe with what they name.
        if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
    }
}

impl DiskFile for File {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut file = self;
        Write::write(&mut file, bytes)
    }

    #[cfg(unix)]
    fn write_at(&self, bytes: &[u8], place: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::write_at(self, bytes, place)
    }

    #[cfg(windows)]
    fn write_at(&self, bytes: &[u8], place: u64) -> io::Result<usize> {
        std::os::windows::fs::FileExt::seek_write(self, bytes, place)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        // Opened for appending: the next write goes to the new end.
        Self::set_len(self, length)
    }

    fn sync(&self) -> io::Result<()> {
        // The length counts as data.
        self.sync_data()
    }

    fn identity(&self) -> io::Result<Identity> {
        Ok(Identity::of(&self.metadata()?))
    }

    fn is_linked(&self) -> bool {
        #[cfg(unix)]
        return self.metadata().is_ok_and(|metadata| std::os::unix::fs::MetadataExt::nlink(&metadata) > 0);
        #[cfg(not(unix))]
        true
    }
}
