//! Holes of files: ranges that take no space on the disk and are read as zeros. A file of a few bytes can so be as long as
//! any number, and a reader that believes its length works for hours, or fills a disk with a copy.

use std::fs::{File, Metadata};
use std::io;
use std::ops::Range;

/// Length up to which any range is read, in bytes: zeros of this length are read at once.
const MAX_UNCHECKED: u64 = 16 << 20;

/// Maximum length of a longer range per byte of data in it. File systems that store zeros as holes come nowhere near it.
const MAX_RATIO: u64 = 200;

/// Returns `true` if most of a range of a file is holes, so that its length says nothing about its content. May move the position
/// of the file to its start.
pub(crate) fn is_mostly_hole(file: &File, range: Range<u64>) -> bool {
    let length = range.end.saturating_sub(range.start);
    length > MAX_UNCHECKED
        && imp::data_in(file, range, length / MAX_RATIO).is_some_and(|data| data < length / MAX_RATIO)
}

/// Returns the length of a file without its holes, as far as the system tells what it takes on the disk.
pub(crate) fn bytes_on_disk(file: &File) -> u64 {
    file.metadata().map_or(0, |metadata| metadata.len().min(allocated_bytes(&metadata)))
}

/// Returns the number of bytes that a file takes on the disk, or its length if the system does not say.
#[cfg(unix)]
fn allocated_bytes(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(metadata).saturating_mul(512)
}

/// Returns the number of bytes that a file takes on the disk, or its length if the system does not say.
#[cfg(not(unix))]
fn allocated_bytes(metadata: &Metadata) -> u64 {
    metadata.len()
}

/// Moves the position of a file that is in a hole to the hole's end. Returns the number of bytes that were skipped, which is 0
/// in data, and everywhere in a file system that does not tell holes.
pub(crate) fn skip_hole(file: &File) -> io::Result<u64> {
    imp::skip_hole(file)
}

#[cfg(any(target_os = "android", target_os = "freebsd", target_os = "linux", target_vendor = "apple"))]
mod imp {
    use std::fs::File;
    use std::io::{self, Seek};
    use std::ops::Range;

    use rustix::fs::{SeekFrom, seek};
    use rustix::io::Errno;

    /// Returns the number of bytes of data in a range, which is counted up to `enough`. Returns `None` if the file system does
    /// not tell.
    pub(super) fn data_in(file: &File, range: Range<u64>, enough: u64) -> Option<u64> {
        let (mut at, mut data) = (range.start, 0);
        while at < range.end && data < enough {
            let start = match seek(file, SeekFrom::Data(at)) {
                Ok(start) => start.min(range.end),
                Err(Errno::NXIO) => break,
                Err(_) => return None,
            };
            at = seek(file, SeekFrom::Hole(start)).ok()?.min(range.end);
            data += at - start;
        }
        seek(file, SeekFrom::Start(0)).ok()?;
        Some(data)
    }

    pub(super) fn skip_hole(mut file: &File) -> io::Result<u64> {
        let at = file.stream_position()?;
        // Read before, so that what a writer appends meanwhile is not skipped.
        let end = file.metadata()?.len();
        let data = match seek(file, SeekFrom::Data(at)) {
            Ok(data) => data,
            // There is no data up to the end.
            Err(Errno::NXIO) if end > at => seek(file, SeekFrom::Start(end))?,
            Err(_) => return Ok(0),
        };
        Ok(data - at)
    }
}

#[cfg(not(any(target_os = "android", target_os = "freebsd", target_os = "linux", target_vendor = "apple")))]
mod imp {
    use std::fs::File;
    use std::io;
    use std::ops::Range;

    pub(super) fn data_in(_: &File, _: Range<u64>, _: u64) -> Option<u64> {
        None
    }

    pub(super) fn skip_hole(_: &File) -> io::Result<u64> {
        Ok(0)
    }
}
