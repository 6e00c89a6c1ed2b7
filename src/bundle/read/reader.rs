//! Reads bundles of any recorder and in any state: complete, unfinished or damaged.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::value::RawValue;

use super::line::Lines;
use super::raw_lines::RawLines;
use super::state_file;
use super::unnamed::{NamedPlaces, UnnamedPayload};
use crate::bundle::error::{BundleError, ErrorKind};
use crate::bundle::fs::hole;
use crate::bundle::fs::{BundleDirectory, Directory, OpenError};
use crate::bundle::manifest::Manifest;
use crate::bundle::store::{PayloadError, StoredBody, Stores};
use crate::event::{ParentProcess, PayloadRef, SCHEMA_VERSION};

/// Maximum length of a manifest that is read, in bytes. Real manifests have about 300.
const MAX_MANIFEST_BYTES: u64 = 1 << 20;

/// Length of the buffer with which [`Reader::log_contains`] searches a log, in bytes.
#[cfg(feature = "otlp")]
const SEARCH_BUFFER_BYTES: usize = 1 << 18;

/// Maximum number of bundles that the error for a directory without a manifest lists.
const MAX_NAMED_BUNDLES: usize = 3;

/// A reader for one bundle on disk.
///
/// The bundle is untrusted: no file outside of its directory is opened, even if links are swapped in while it is read,
/// because everything is opened relative to the handle of its directory. A reader can be used by any number of threads at
/// once.
#[derive(Debug)]
pub struct Reader {
    directory: Arc<BundleDirectory>,
    manifest: Manifest,
    manifest_text: Vec<u8>,
    parent_error: Option<String>,
    stores: Stores,
}

impl Reader {
    /// Opens the bundle in this directory and reads its manifest. A link at the path is followed.
    ///
    /// # Errors
    /// Returns [`ErrorKind::NotABundle`] if the directory, its manifest or its log is missing or is not valid,
    /// [`ErrorKind::Version`] if the manifest has an unknown version of the format, and [`ErrorKind::Io`] if a file
    /// cannot be read.
    pub fn open(bundle: &Path) -> Result<Self, BundleError> {
        Self::from_directory(bundle, Directory::open(bundle))
    }

    /// Opens a bundle that was found in the listing of a root directory. A link in the root is not followed: the bundle
    /// behind it is none of this root, and it may be swapped in after the listing.
    ///
    /// # Errors
    /// Returns an error like [`open`](Self::open), and [`ErrorKind::NotABundle`] if the path is that of a link.
    pub fn open_in_root(bundle: &Path) -> Result<Self, BundleError> {
        match Directory::open_unlinked(bundle) {
            Err(_) if bundle.is_symlink() => {
                let message = "is a symbolic link, which is not followed in a root directory; name the bundle itself";
                Err(BundleError::new(ErrorKind::NotABundle, bundle, message))
            }
            opened => Self::from_directory(bundle, opened),
        }
    }

    fn from_directory(bundle: &Path, opened: io::Result<Directory>) -> Result<Self, BundleError> {
        let opened = opened.map_err(|error| open_error(bundle, Manifest::FILE, OpenError::Io(error)))?;
        let directory = Arc::new(BundleDirectory::from_open(bundle, opened));
        let manifest_text = read_manifest(&directory)?;
        let (manifest, parent_error) = parse_manifest(bundle, &manifest_text)?;
        open(&directory, Manifest::LOG)?;
        let stores = Stores::new(&directory);
        Ok(Self { directory, manifest, manifest_text, parent_error, stores })
    }

    /// Returns the directory of the bundle.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Returns the manifest of the bundle, which identifies the recording.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Returns the bytes of the manifest.
    pub(crate) fn manifest_text(&self) -> &[u8] {
        &self.manifest_text
    }

    /// Returns the parse error of the member `parent` in the manifest. Returns `None` if the member is valid or absent.
    pub(crate) fn parent_error(&self) -> Option<&str> {
        self.parent_error.as_deref()
    }

    /// Opens the log and returns its lines as bytes.
    pub(crate) fn raw_lines(&self) -> Result<RawLines, BundleError> {
        Ok(RawLines::new(self.open_file(Manifest::LOG)?))
    }

    /// Opens the file of a payload, whether or not an event names it.
    pub(crate) fn open_payload_file(&self, path: &str) -> Result<File, PayloadError> {
        self.stores.open_file(path)
    }

    /// Returns the length of a copy of the bundle with each payload as a file of its own, as far as it is known before: what
    /// the log takes on the disk, and the lengths of the payloads.
    pub(crate) fn bytes_as_files(&self) -> u64 {
        let log = self.open_file(Manifest::LOG).map_or(0, |log| hole::bytes_on_disk(&log));
        log.saturating_add(self.stores.bytes_as_files())
    }

    /// Opens the log and returns an iterator over its lines.
    ///
    /// # Errors
    /// Returns a [`BundleError`] if the log cannot be opened.
    pub fn lines(&self) -> Result<Lines, BundleError> {
        Ok(Lines::new(self.open_file(Manifest::LOG)?, self.path().join(Manifest::LOG)))
    }

    /// Returns `true` if the log contains a text, ignoring ASCII case. Searches the bytes without parsing the lines.
    #[cfg(feature = "otlp")]
    pub(crate) fn log_contains(&self, text: &str) -> Result<bool, BundleError> {
        let path = self.path().join(Manifest::LOG);
        let mut log = self.open_file(Manifest::LOG)?;
        let text = text.to_ascii_lowercase();
        let finder = memchr::memmem::Finder::new(&text);
        let mut bytes = vec![0; SEARCH_BUFFER_BYTES.max(2 * text.len())];
        let mut kept = 0;
        loop {
            let read = log
                .read(&mut bytes[kept..])
                .map_err(|error| BundleError::io(&path, "the log cannot be read", error))?;
            if read == 0 {
                return Ok(false);
            }
            let filled = kept + read;
            if bytes[filled - 1] == 0 {
                hole::skip_hole(&log).map_err(|error| BundleError::io(&path, "the log cannot be read", error))?;
            }
            bytes[kept..filled].make_ascii_lowercase();
            if finder.find(&bytes[..filled]).is_some() {
                return Ok(true);
            }
            // The text may begin at the end of this chunk.
            kept = filled.min(text.len().saturating_sub(1));
            bytes.copy_within(filled - kept..filled, 0);
        }
    }

    /// Opens a file of the bundle for reading. `name` is its path relative to the bundle.
    pub(crate) fn open_file(&self, name: &str) -> Result<File, BundleError> {
        open(&self.directory, name)
    }

    /// Returns the names of all files in the directory of payloads, sorted. Returns an empty list if it cannot be listed.
    pub(crate) fn payload_file_names(&self) -> Vec<OsString> {
        let names = self.directory.directory().and_then(|bundle| bundle.names_in(Manifest::PAYLOADS));
        names.unwrap_or_default()
    }

    /// Writes the graph of the bundle to its `state.json`: an existing file is replaced once the new one is complete. On
    /// Unix, only the owner can read the file, because it contains the content of payloads.
    ///
    /// # Errors
    /// Returns [`ErrorKind::Io`] if something other than a file is there, or if the file cannot be written. Then nothing of
    /// it stays.
    pub fn write_state(&self, write: impl FnOnce(&File) -> io::Result<()>) -> Result<(), BundleError> {
        state_file::write(&self.directory, write)
    }

    /// Reads the payload of a payload reference.
    ///
    /// # Errors
    /// Returns a [`PayloadError`] if the payload is missing, damaged or cannot be read, or if the path of the reference
    /// leaves the bundle.
    pub fn payload(&self, reference: &PayloadRef) -> Result<Vec<u8>, PayloadError> {
        self.stored_payload(reference).map(|body| body.bytes)
    }

    /// Returns `true` if the path of a reference stays inside the bundle. References are untrusted and may have any
    /// path.
    #[cfg(feature = "otlp")]
    pub(crate) fn contains_path(&self, reference: &PayloadRef) -> bool {
        !matches!(self.directory.open_file(&reference.path), Err(OpenError::Path(_)))
    }

    /// Returns the payloads in the stores of the bundle that are not at one of these places, in order of their places.
    /// The files are found in the directory of payloads, and the records of the pack from record to record.
    pub(crate) fn unnamed_payloads(&self, named: &NamedPlaces) -> Vec<UnnamedPayload> {
        self.stores.unnamed(named)
    }

    /// Reads the payload of a payload reference, with the kind and format that its store has recorded.
    pub(crate) fn stored_payload(&self, reference: &PayloadRef) -> Result<StoredBody, PayloadError> {
        self.stores.get(reference)
    }
}

/// Reads the bytes of a manifest. Of a file that is too long, only the beginning is read.
fn read_manifest(bundle: &BundleDirectory) -> Result<Vec<u8>, BundleError> {
    let path = bundle.path().join(Manifest::FILE);
    let mut text = Vec::new();
    let read = open(bundle, Manifest::FILE)?.take(MAX_MANIFEST_BYTES + 1).read_to_end(&mut text);
    read.map_err(|error| BundleError::io(&path, "cannot be read", error))?;
    if text.len() as u64 > MAX_MANIFEST_BYTES {
        let message = format!("is not a valid manifest: it has more than {MAX_MANIFEST_BYTES} bytes");
        return Err(BundleError::new(ErrorKind::NotABundle, &path, message));
    }
    Ok(text)
}

fn parse_manifest(bundle: &Path, text: &[u8]) -> Result<(Manifest, Option<String>), BundleError> {
    #[derive(serde::Deserialize)]
    struct Versioned {
        schema_version: u32,
    }
    #[derive(serde::Deserialize)]
    struct WithParent<'a> {
        #[serde(borrow)]
        parent: Option<&'a RawValue>,
    }

    let path = bundle.join(Manifest::FILE);
    match serde_json::from_slice::<Versioned>(text) {
        Ok(Versioned { schema_version }) if schema_version != SCHEMA_VERSION => {
            let message =
                format!("schema_version is {schema_version}; this otel-trace reads only version {SCHEMA_VERSION}");
            return Err(BundleError::new(ErrorKind::Version, &path, message));
        }
        Ok(_) | Err(_) => {}
    }
    let not_a_manifest =
        |error| BundleError::new(ErrorKind::NotABundle, &path, format!("is not a valid manifest: {error}"));
    let manifest: Manifest = serde_json::from_slice(text).map_err(not_a_manifest)?;
    let WithParent { parent } = serde_json::from_slice(text).map_err(not_a_manifest)?;
    let parent_error = parent.and_then(|text| ParentProcess::parse(text.get()).err()).map(|error| error.to_string());
    Ok((manifest, parent_error))
}

fn open(bundle: &BundleDirectory, name: &str) -> Result<File, BundleError> {
    bundle.open_file(name).map_err(|error| open_error(bundle.path(), name, error))
}

/// Returns the error of a file that a bundle needs.
fn open_error(bundle: &Path, name: &str, error: OpenError) -> BundleError {
    match error {
        OpenError::Path(reason) => BundleError::new(ErrorKind::NotABundle, &bundle.join(name), reason),
        OpenError::Io(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            BundleError::new(ErrorKind::NotABundle, bundle, describe_missing(bundle, name))
        }
        OpenError::Io(error) => BundleError::io(&bundle.join(name), "cannot be opened", error),
    }
}

/// Describes a directory that is not a bundle: its actual contents, and the files that a bundle needs.
fn describe_missing(bundle: &Path, missing: &str) -> String {
    let expected = format!("a bundle is a directory with {} and {}", Manifest::FILE, Manifest::LOG);
    match bundle.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => format!("does not exist; {expected}"),
        Err(error) => format!("cannot be inspected ({error}); {expected}"),
        Ok(found) if !found.is_dir() => format!("is a file, not a bundle; {expected}"),
        Ok(_) => match bundles_in(bundle).as_slice() {
            [] if bundle.read_dir().is_ok_and(|mut entries| entries.next().is_none()) => {
                format!("is empty: nothing was recorded here; {expected}, usually named trace-…")
            }
            [] => format!("has no {missing} and contains no bundle; {expected}, usually named trace-…"),
            bundles => {
                let named = bundles.iter().take(MAX_NAMED_BUNDLES).map(|path| path.display().to_string());
                let named = named.collect::<Vec<_>>().join(", ");
                let count =
                    if bundles.len() == 1 { "a bundle".to_owned() } else { format!("{} bundles", bundles.len()) };
                format!("has no {missing}, but contains {count}; open one of them: {named}")
            }
        },
    }
}

/// Returns the bundles directly under a directory, sorted by name.
fn bundles_in(root: &Path) -> Vec<PathBuf> {
    let Ok(entries) = root.read_dir() else { return Vec::new() };
    let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    // A hidden directory is a staged bundle: it is being created, or its program was killed meanwhile.
    let is_hidden = |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let mut bundles: Vec<_> = paths.filter(|path| !is_hidden(path) && path.join(Manifest::FILE).is_file()).collect();
    bundles.sort();
    bundles
}
