//! What a list of runs keeps between two commands: the entry of each run, in the user's cache directory.

use std::collections::HashMap;
use std::fs::{self, File};
use std::hash::Hasher;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::bundle::{Manifest, Reader};
use crate::reduce;

use super::{Entry, PriceList};

/// The entries of the runs below one directory, as of the last command.
///
/// An entry counts while the log of its run is the same: its length, its first and its last bytes. The file is no
/// evidence: whoever can write it could write the list as well.
#[derive(Debug)]
pub struct Cache {
    /// `None` if there is no directory for it: nothing is kept.
    path: Option<PathBuf>,
    known: HashMap<String, Kept>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    size: u64,
    entry: Entry,
}

/// Number of bytes at each end of a log that identify it.
const ENDS: u64 = 4 << 10;

/// Identifies what an entry was made from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key(String);

impl Key {
    /// Returns the key of a bundle as it is now, with the prices that its cost is made of.
    ///
    /// # Errors
    /// Fails if the log cannot be read.
    pub fn new(bundle: &Reader, prices: &PriceList) -> io::Result<Self> {
        let mut log = bundle.open_file(Manifest::LOG).map_err(io::Error::other)?;
        let length = log.metadata()?.len();
        let mut ends = Vec::new();
        Read::by_ref(&mut log).take(ENDS).read_to_end(&mut ends)?;
        log.seek(SeekFrom::Start(length.saturating_sub(ENDS)))?;
        log.take(ENDS).read_to_end(&mut ends)?;
        let mut hasher = SipHasher13::new();
        hasher.write(&ends);
        hasher.write(&prices.hash.to_le_bytes());
        let hash = hasher.finish128().as_u128();
        let trace = bundle.manifest().trace_id.as_str();
        Ok(Self(format!("{trace} {length} {hash:032x} {} {}", reduce::REVISION, env!("CARGO_PKG_VERSION"))))
    }
}

impl Cache {
    /// Opens the cache of a directory of runs. A file that is missing or damaged is an empty cache.
    pub fn open(root: &Path) -> Self {
        let path = directory().map(|directory| directory.join(file_name(root)));
        let read = |path: &PathBuf| serde_json::from_reader(io::BufReader::new(File::open(path).ok()?)).ok();
        let known = path.as_ref().and_then(read).unwrap_or_default();
        Self { path, known }
    }

    /// Returns the size of a bundle and its entry, if they are known.
    pub fn get(&self, Key(key): &Key) -> Option<(u64, Entry)> {
        self.known.get(key).map(|kept| (kept.size, kept.entry.clone()))
    }

    /// Replaces the content by these entries: those of the runs that are there. Keeps nothing if the file cannot be
    /// written: a cache is no reason to fail.
    pub fn replace(&self, entries: impl Iterator<Item = (Key, u64, Entry)>) {
        let entries: HashMap<String, Kept> =
            entries.map(|(Key(key), size, entry)| (key, Kept { size, entry })).collect();
        if let Some(path) = &self.path {
            let _ = write(path, &entries);
        }
    }
}

/// Writes the file in one step, so that no other command reads a part of it.
fn write(path: &Path, entries: &HashMap<String, Kept>) -> io::Result<()> {
    let Some(directory) = path.parent() else { return Ok(()) };
    fs::create_dir_all(directory)?;
    let staged = path.with_extension(format!("{}.tmp", std::process::id()));
    let text = serde_json::to_vec(entries)?;
    let written = create(&staged).and_then(|mut file| file.write_all(&text)).and_then(|()| fs::rename(&staged, path));
    written.inspect_err(|_| drop(fs::remove_file(&staged)))
}

/// Creates a file that only its user can read, because entries have texts of runs.
fn create(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Returns the user's cache directory for this program: `$XDG_CACHE_HOME`, else `~/.cache`.
fn directory() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(caches.join("otel-trace"))
}

/// Returns the name of the cache file of a directory of runs.
fn file_name(root: &Path) -> String {
    let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let mut hasher = SipHasher13::new();
    hasher.write(root.as_os_str().as_encoded_bytes());
    format!("runs-{:032x}.json", hasher.finish128().as_u128())
}
