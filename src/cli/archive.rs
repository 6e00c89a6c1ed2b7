//! A bundle in one compressed file, to send to someone: a tar of its files, compressed with zstd.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use otel_trace::bundle::{Manifest, Reader};
use tar::EntryType;
use tempfile::{NamedTempFile, TempDir};

/// What such a file begins with.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// What a frame begins with that readers of zstd skip.
const SKIPPED: [u8; 4] = [0x50, 0x2a, 0x4d, 0x18];

/// An archive may hold so many bytes, …
const MOST: u64 = if cfg!(test) { 1 << 20 } else { 1 << 30 };

/// … or so many for each of its own.
const MOST_PER_BYTE: u64 = 200;

/// What a file costs whatever is in it.
const FILE_COSTS: u64 = 4096;

/// The file of a pack, in its bundle.
const PACK: &str = "payloads.pack";

/// A bundle that can be read, whether it is a directory or an archive.
pub(super) struct Opened {
    reader: Reader,
    archive: Option<Archive>,
}

/// What an archive was extracted to. It goes away with this.
struct Archive {
    path: PathBuf,
    _extracted: TempDir,
}

impl Opened {
    pub(super) fn of(path: &Path) -> anyhow::Result<Self> {
        if !is_archive(path) {
            return Ok(Self { reader: Reader::open(path)?, archive: None });
        }
        let told = || format!("{}: can't be read as an archive of a bundle", path.display());
        let extracted = tempfile::Builder::new().prefix("otel-trace-").tempdir().with_context(told)?;
        // Named like the archive, so that it can be told which bundle something is of.
        let bundle = extracted.path().join(path.file_stem().unwrap_or_default());
        fs::create_dir(&bundle).with_context(told)?;
        extract(path, &bundle).with_context(told)?;
        let reader = Reader::open(&bundle).with_context(told)?;
        Ok(Self { reader, archive: Some(Archive { path: path.to_owned(), _extracted: extracted }) })
    }

    pub(super) fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Where its graph is written: in the bundle; beside an archive, which is left as it is.
    pub(super) fn state_file(&self) -> PathBuf {
        match &self.archive {
            Some(archive) => archive.path.with_extension("state.json"),
            None => self.reader.path().join("state.json"),
        }
    }
}

/// Whether it is a compressed file. Only a look at a regular file: a FIFO could hold us.
fn is_archive(path: &Path) -> bool {
    let mut head = [0; ZSTD.len()];
    path.is_file() && File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok() && head == ZSTD
}

/// Takes out of an archive what a bundle has, and nothing else.
fn extract(archive: &Path, to: &Path) -> anyhow::Result<()> {
    let file = File::open(archive)?;
    let mut room = MOST.max(file.metadata()?.len().saturating_mul(MOST_PER_BYTE));
    fs::create_dir(to.join(Manifest::PAYLOADS))?;
    let mut files = tar::Archive::new(zstd::Decoder::new(file)?);
    // Raw: names and sizes that are said in entries of their own are not looked at, and nothing needs them.
    for entry in files.entries()?.raw(true) {
        let entry = entry?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if !matches!(entry.header().entry_type(), EntryType::Regular) || !is_of_a_bundle(&name) {
            bail!("it holds {name:?}, which is no file of a bundle");
        }
        let size = entry.header().entry_size()?;
        room = match size.checked_add(FILE_COSTS).and_then(|size| room.checked_sub(size)) {
            Some(room) => room,
            None => bail!("it holds far more than a file of its size should; unpack it by hand if you trust it"),
        };
        let mut file = new_file(&to.join(&name)).with_context(|| format!("its {name:?} can't be written"))?;
        let written = io::copy(&mut entry.take(size), &mut file)?;
        if written != size {
            bail!("it is cut short in {name:?}");
        }
    }
    Ok(())
}

/// Whether a bundle has files of this name.
fn is_of_a_bundle(name: &str) -> bool {
    let payload = name.strip_prefix(Manifest::PAYLOADS).and_then(|rest| rest.strip_prefix('/'));
    let is_plain = |name: &str| !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\\', '\0']);
    [Manifest::FILE, Manifest::LOG, PACK].contains(&name) || payload.is_some_and(is_plain)
}

fn new_file(path: &Path) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Writes the bundle in this directory to one file, which appears when all of it is there. The same bundle gives the
/// same bytes. What this writes can be read again, however well it was compressed.
pub(super) fn write(bundle: &Path, dest: &Path) -> anyhow::Result<()> {
    let parent = dest.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(parent)?;
    let mut encoder = zstd::Encoder::new(file.as_file_mut(), zstd::DEFAULT_COMPRESSION_LEVEL)?;
    encoder.include_checksum(true)?;
    encoder.long_distance_matching(true)?;
    let mut files = tar::Builder::new(encoder);
    let mut held = 0;
    for name in [Manifest::FILE, Manifest::LOG, PACK] {
        held += add(&mut files, bundle, name)?;
    }
    let entries = bundle.join(Manifest::PAYLOADS).read_dir()?;
    let mut names: Vec<_> = entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>()?;
    names.sort();
    for name in names {
        held += add(&mut files, bundle, &format!("{}/{}", Manifest::PAYLOADS, name.to_string_lossy()))?;
    }
    files.into_inner()?.finish()?.flush()?;
    lengthen(file.as_file_mut(), held)?;
    file.persist_noclobber(dest).map_err(|error| error.error)?;
    Ok(())
}

/// Makes an archive so long that a reader believes it that it holds so much.
fn lengthen(archive: &mut File, held: u64) -> io::Result<()> {
    let length = archive.stream_position()?;
    let least = if held > MOST { held.div_ceil(MOST_PER_BYTE) } else { 0 };
    let Some(missing) = least.checked_sub(length).filter(|missing| *missing > 0) else { return Ok(()) };
    let zeros = u32::try_from(missing).map_err(|_| io::ErrorKind::FileTooLarge)?;
    archive.write_all(&SKIPPED)?;
    archive.write_all(&zeros.to_le_bytes())?;
    archive.set_len(length + (SKIPPED.len() + size_of::<u32>()) as u64 + u64::from(zeros))
}

/// Adds a file, if it is there, with nothing of when and by whom it was made. Gives what it costs who reads it.
fn add(files: &mut tar::Builder<impl Write>, bundle: &Path, name: &str) -> anyhow::Result<u64> {
    let file = match File::open(bundle.join(name)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error).with_context(|| format!("{name:?} can't be read")),
    };
    let mut header = tar::Header::new_gnu();
    let length = file.metadata()?.len();
    header.set_size(length);
    header.set_mode(0o600);
    header.set_path(name).with_context(|| format!("{name:?} is too long a name for an archive"))?;
    header.set_cksum();
    files.append(&header, BufReader::new(file)).with_context(|| format!("{name:?} can't be added"))?;
    Ok(length + FILE_COSTS)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn an_archive_of_nothing_but_repetition_can_be_read_and_one_that_was_not_written_so_can_not() {
        let directory = tempfile::tempdir().unwrap();
        let [bundle, archive, copy] = ["bundle", "bundle.otz", "copy"].map(|name| directory.path().join(name));
        fs::create_dir_all(bundle.join(Manifest::PAYLOADS)).unwrap();
        let body = vec![b' '; 20 * MOST as usize];
        fs::write(bundle.join(Manifest::FILE), "{}").unwrap();
        fs::write(bundle.join("payloads/1.json"), &body).unwrap();
        write(&bundle, &archive).unwrap();
        let length = fs::metadata(&archive).unwrap().len();
        assert!(length >= body.len() as u64 / MOST_PER_BYTE && length < body.len() as u64 / 100, "{length}");
        fs::create_dir(&copy).unwrap();
        extract(&archive, &copy).unwrap();
        assert!(fs::read(copy.join("payloads/1.json")).unwrap() == body);
        // All of it is valid for whoever reads it to its end.
        let mut whole = Vec::new();
        zstd::Decoder::new(File::open(&archive).unwrap()).unwrap().read_to_end(&mut whole).unwrap();
        assert!(whole.len() > body.len());
        File::options().write(true).open(&archive).unwrap().set_len(length / 2).unwrap();
        fs::remove_dir_all(&copy).unwrap();
        fs::create_dir(&copy).unwrap();
        assert!(extract(&archive, &copy).unwrap_err().to_string().contains("far more"));
    }
}
