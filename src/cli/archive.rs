//! Archives: a bundle as a single compressed file, for sharing. An archive is a tar of the bundle's files, compressed
//! with zstd.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use otel_trace::bundle::{Directory, Manifest, Reader};
use otel_trace::graph::{self, Graph, Snapshots};
use tar::EntryType;
use tempfile::NamedTempFile;

use super::extracted::{ExtractedFiles, wait_if_ending};

use super::bundles::Bundle;

/// Magic number of a zstd frame, with which an archive begins.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Magic number of a skippable zstd frame, which decoders ignore.
const SKIPPABLE_FRAME: [u8; 4] = [0x50, 0x2a, 0x4d, 0x18];

/// Maximum total size of the extracted files of an archive, in bytes, unless [`MAX_RATIO`] allows more.
const MAX_EXTRACTED: u64 = if cfg!(test) { 1 << 20 } else { 1 << 30 };

/// Maximum number of extracted bytes per byte of the archive.
const MAX_RATIO: u64 = 200;

/// Size that is charged for each extracted file in addition to its content, in bytes.
const FILE_OVERHEAD: u64 = 4096;

/// Name of the pack in its bundle.
const PACK: &str = "payloads.pack";

/// A bundle that is open for reading, from a directory or from an archive.
pub(super) struct OpenBundle {
    reader: Reader,
    archive: Option<Archive>,
}

/// An extracted archive.
struct Archive {
    path: PathBuf,
    _extracted: ExtractedFiles,
}

impl OpenBundle {
    /// Opens a bundle. Extracts an archive to a temporary directory.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        if !is_archive(path) {
            return Ok(Self { reader: Reader::open(path)?, archive: None });
        }
        let context = || format!("{}: cannot be read as an archive of a bundle", path.display());
        let extracted = ExtractedFiles::create().with_context(context)?;
        // Named like the archive, so that messages with its path identify the archive.
        let bundle = extracted.path().join(path.file_stem().unwrap_or_default());
        fs::create_dir(&bundle).with_context(context)?;
        extract(path, &bundle).with_context(context)?;
        let reader = Reader::open(&bundle).with_context(context)?;
        Ok(Self { reader, archive: Some(Archive { path: path.to_owned(), _extracted: extracted }) })
    }

    /// Opens a bundle that an argument names, or that was found in a root directory, in which no link is followed.
    pub(super) fn open_named(bundle: &Bundle) -> anyhow::Result<Self> {
        match bundle.root {
            Some(_) => Ok(Self { reader: Reader::open_in_root(&bundle.path)?, archive: None }),
            None => Self::open(&bundle.path),
        }
    }

    pub(super) fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Writes the graph into the bundle, or beside an archive, which is not changed. Returns the path of its file.
    pub(super) fn write_state(&self, graph: &Graph, form: Snapshots) -> anyhow::Result<PathBuf> {
        match &self.archive {
            Some(archive) => {
                let path = archive.path.with_extension("state.json");
                graph::write_state_file(graph, &path, form)?;
                Ok(path)
            }
            None => {
                self.reader.write_state(|file| graph.write_state(file, form))?;
                Ok(self.reader.path().join("state.json"))
            }
        }
    }
}

/// Returns `true` if the path is a zstd file. Opens regular files only, because opening a FIFO could block.
fn is_archive(path: &Path) -> bool {
    let mut head = [0; ZSTD.len()];
    path.is_file() && File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok() && head == ZSTD
}

/// Extracts an archive. Fails at the first entry that is not a file of a bundle.
fn extract(archive: &Path, to: &Path) -> anyhow::Result<()> {
    let file = File::open(archive)?;
    let mut room = MAX_EXTRACTED.max(file.metadata()?.len().saturating_mul(MAX_RATIO));
    let to = Directory::open(to)?;
    to.create_directory(Manifest::PAYLOADS)?;
    let mut files = tar::Archive::new(zstd::Decoder::new(file)?);
    // Raw entries: extension entries with long names and sizes are not interpreted, because bundles do not need them.
    for entry in files.entries()?.raw(true) {
        wait_if_ending();
        let entry = entry?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if !matches!(entry.header().entry_type(), EntryType::Regular) || !is_of_a_bundle(&name) {
            bail!("it contains {name:?}, which is not a file of a bundle");
        }
        let size = entry.header().entry_size()?;
        room = match size.checked_add(FILE_OVERHEAD).and_then(|size| room.checked_sub(size)) {
            Some(room) => room,
            None => bail!("it expands to far more than its size allows; if you trust it, extract it with zstd and tar"),
        };
        check_space(&to, size)?;
        let mut file = to.create_file(&name).with_context(|| format!("cannot write its {name:?}"))?;
        let written = io::copy(&mut entry.take(size), &mut file)?;
        if written != size {
            bail!("it is cut short in {name:?}");
        }
    }
    Ok(())
}

/// Fails if the directory for extracted files has not the space for a file of this size.
fn check_space(to: &Directory, size: u64) -> anyhow::Result<()> {
    match to.free_bytes().filter(|free| *free < size) {
        None => Ok(()),
        Some(free) => bail!(
            "a file in it has {size} bytes, and the directory for temporary files has {free} left; free some space, or set \
             TMPDIR to a directory on another file system"
        ),
    }
}

/// Returns `true` if this is the name of a file that a bundle can have.
fn is_of_a_bundle(name: &str) -> bool {
    let payload = name.strip_prefix(Manifest::PAYLOADS).and_then(|rest| rest.strip_prefix('/'));
    let is_plain = |name: &str| !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\\', '\0']);
    [Manifest::FILE, Manifest::LOG, PACK].contains(&name) || payload.is_some_and(is_plain)
}

/// Writes the bundle in this directory to an archive. The file appears when it is complete. The same bundle always
/// gives the same bytes. The archive is accepted by [`OpenBundle::open`] even if it compresses extremely well.
pub(super) fn write(bundle: &Path, dest: &Path) -> anyhow::Result<()> {
    let parent = dest.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(parent)?;
    let mut encoder = zstd::Encoder::new(file.as_file_mut(), zstd::DEFAULT_COMPRESSION_LEVEL)?;
    encoder.include_checksum(true)?;
    encoder.long_distance_matching(true)?;
    let mut files = tar::Builder::new(encoder);
    let mut extracted = 0;
    let bundle = Directory::open(bundle)?;
    for name in [Manifest::FILE, Manifest::LOG, PACK] {
        extracted += add(&mut files, &bundle, name)?;
    }
    for name in bundle.names_in(Manifest::PAYLOADS)? {
        extracted += add(&mut files, &bundle, &format!("{}/{}", Manifest::PAYLOADS, name.to_string_lossy()))?;
    }
    files.into_inner()?.finish()?.flush()?;
    pad_to_ratio(file.as_file_mut(), extracted)?;
    file.persist_noclobber(dest).map_err(|error| error.error)?;
    Ok(())
}

/// Returns the total size of the files that a copy of a bundle includes, in bytes, or the size of an archive.
pub(super) fn size(bundle: &Path) -> io::Result<u64> {
    if !bundle.is_dir() {
        return Ok(bundle.metadata()?.len());
    }
    let length = |path: &Path| path.symlink_metadata().map_or(0, |file| file.len());
    let files = [Manifest::FILE, Manifest::LOG, PACK].map(|name| length(&bundle.join(name)));
    let payloads = bundle.join(Manifest::PAYLOADS).read_dir().into_iter().flatten().filter_map(Result::ok);
    Ok(files.iter().sum::<u64>() + payloads.map(|payload| length(&payload.path())).sum::<u64>())
}

/// Pads an archive with a skippable frame, so that [`MAX_RATIO`] allows it to extract to this many bytes.
fn pad_to_ratio(archive: &mut File, extracted: u64) -> io::Result<()> {
    let length = archive.stream_position()?;
    let least = if extracted > MAX_EXTRACTED { extracted.div_ceil(MAX_RATIO) } else { 0 };
    let Some(missing) = least.checked_sub(length).filter(|missing| *missing > 0) else { return Ok(()) };
    let zeros = u32::try_from(missing).map_err(|_| io::ErrorKind::FileTooLarge)?;
    archive.write_all(&SKIPPABLE_FRAME)?;
    archive.write_all(&zeros.to_le_bytes())?;
    archive.set_len(length + (SKIPPABLE_FRAME.len() + size_of::<u32>()) as u64 + u64::from(zeros))
}

/// Adds a file if it exists, without its owner and times. Returns the size that a reader is charged for it.
fn add(files: &mut tar::Builder<impl Write>, bundle: &Directory, name: &str) -> anyhow::Result<u64> {
    let file = match bundle.open_file(name) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error).with_context(|| format!("cannot read {name:?}")),
    };
    let mut header = tar::Header::new_gnu();
    let length = file.metadata()?.len();
    header.set_size(length);
    header.set_mode(0o600);
    header.set_path(name).with_context(|| format!("the name {name:?} is too long for an archive"))?;
    header.set_cksum();
    files.append(&header, BufReader::new(file)).with_context(|| format!("cannot add {name:?}"))?;
    Ok(length + FILE_OVERHEAD)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn repetitive_archives_are_read_and_bombs_rejected() {
        let directory = tempfile::tempdir().unwrap();
        let [bundle, archive, copy] = ["bundle", "bundle.otz", "copy"].map(|name| directory.path().join(name));
        fs::create_dir_all(bundle.join(Manifest::PAYLOADS)).unwrap();
        let body = vec![b' '; 20 * MAX_EXTRACTED as usize];
        fs::write(bundle.join(Manifest::FILE), "{}").unwrap();
        fs::write(bundle.join("payloads/1.json"), &body).unwrap();
        write(&bundle, &archive).unwrap();
        let length = fs::metadata(&archive).unwrap().len();
        assert!(length >= body.len() as u64 / MAX_RATIO && length < body.len() as u64 / 100, "{length}");
        fs::create_dir(&copy).unwrap();
        extract(&archive, &copy).unwrap();
        assert!(fs::read(copy.join("payloads/1.json")).unwrap() == body);
        // The whole file is valid for a decoder that reads it to its end.
        let mut whole = Vec::new();
        zstd::Decoder::new(File::open(&archive).unwrap()).unwrap().read_to_end(&mut whole).unwrap();
        assert!(whole.len() > body.len());
        File::options().write(true).open(&archive).unwrap().set_len(length / 2).unwrap();
        fs::remove_dir_all(&copy).unwrap();
        fs::create_dir(&copy).unwrap();
        assert!(extract(&archive, &copy).unwrap_err().to_string().contains("far more"));
    }
}
