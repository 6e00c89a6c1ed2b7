//! Reading bundles, whoever made them and in whatever state they are.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::value::RawValue;

use super::file::{self, PlainDirectories, Refusal};
use super::store::Stores;
use super::{BundleError, ErrorKind, Lines, Manifest, PayloadError, StoredBody};
use crate::event::{ParentProcess, PayloadRef, SCHEMA_VERSION};

/// The largest manifest that is read, in bytes. Real ones have some 300.
const MAX_MANIFEST_BYTES: u64 = 1 << 20;

/// How much of a log is looked at at once, in bytes.
#[cfg(feature = "otlp")]
const SEARCHED_AT_ONCE: usize = 1 << 18;

/// How many bundles of a root an error names.
const NAMED_BUNDLES: usize = 3;

/// A bundle on disk. Untrusted: whatever it says, nothing outside its directory is opened.
///
/// A reader may be used by any number of threads at once.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    manifest: Manifest,
    bad_parent: Option<String>,
    stores: Stores,
}

impl Reader {
    /// Opens the bundle in this directory.
    ///
    /// # Errors
    /// [`ErrorKind::NotABundle`] where the path, its manifest or its log is missing or can't be read as such,
    /// [`ErrorKind::Version`] where the manifest is of another version of the format.
    pub fn open(bundle: &Path) -> Result<Self, BundleError> {
        let (manifest, bad_parent) = read_manifest(bundle)?;
        open(bundle, Manifest::LOG)?;
        Ok(Self { path: bundle.to_owned(), manifest, bad_parent, stores: Stores::of(bundle) })
    }

    /// The bundle's directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Who the bundle is.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What is wrong with the manifest's parent, where it has one that can't be read.
    pub(crate) fn bad_parent(&self) -> Option<&str> {
        self.bad_parent.as_deref()
    }

    /// The lines of the log, from the first.
    ///
    /// # Errors
    /// [`BundleError`] where the log can't be opened.
    pub fn lines(&self) -> Result<Lines, BundleError> {
        Ok(Lines::new(open(&self.path, Manifest::LOG)?, self.path.join(Manifest::LOG)))
    }

    /// Whether the log has this text anywhere, letter case of ASCII aside. Reads it and parses nothing.
    #[cfg(feature = "otlp")]
    pub(crate) fn log_mentions(&self, text: &str) -> Result<bool, BundleError> {
        let path = self.path.join(Manifest::LOG);
        let mut log = open(&self.path, Manifest::LOG)?;
        let text = text.to_ascii_lowercase();
        let finder = memchr::memmem::Finder::new(&text);
        let mut bytes = vec![0; SEARCHED_AT_ONCE.max(2 * text.len())];
        let mut kept = 0;
        loop {
            let read =
                log.read(&mut bytes[kept..]).map_err(|error| BundleError::io(&path, "the log can't be read", error))?;
            if read == 0 {
                return Ok(false);
            }
            let filled = kept + read;
            bytes[kept..filled].make_ascii_lowercase();
            if finder.find(&bytes[..filled]).is_some() {
                return Ok(true);
            }
            // The text may begin at the end of this piece.
            kept = filled.min(text.len().saturating_sub(1));
            bytes.copy_within(filled - kept..filled, 0);
        }
    }

    /// A file of the bundle's own.
    pub(super) fn open_file(&self, name: &str) -> Result<File, BundleError> {
        open(&self.path, name)
    }

    /// The body that `reference` names, whole.
    ///
    /// # Errors
    /// [`PayloadError`] where it is not there, or its path is not one that is followed.
    pub fn payload(&self, reference: &PayloadRef) -> Result<Vec<u8>, PayloadError> {
        self.stored(reference).map(|body| body.bytes)
    }

    /// Whether a body would be looked for inside the bundle: a reference may say anything.
    #[cfg(feature = "otlp")]
    pub(crate) fn keeps(&self, reference: &PayloadRef) -> bool {
        super::file::stays_inside(&self.path, &reference.path)
    }

    /// The same, with what its store knows of it.
    pub(crate) fn stored(&self, reference: &PayloadRef) -> Result<StoredBody, PayloadError> {
        self.stores.get(reference)
    }
}

fn read_manifest(bundle: &Path) -> Result<(Manifest, Option<String>), BundleError> {
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
    let mut text = Vec::new();
    let read = open(bundle, Manifest::FILE)?.take(MAX_MANIFEST_BYTES).read_to_end(&mut text);
    read.map_err(|error| BundleError::io(&path, "can't be read", error))?;
    match serde_json::from_slice::<Versioned>(&text) {
        Ok(Versioned { schema_version }) if schema_version != SCHEMA_VERSION => {
            let message = format!("schema_version is {schema_version}; this otel-trace reads version {SCHEMA_VERSION}");
            return Err(BundleError::new(ErrorKind::Version, &path, message));
        }
        Ok(_) | Err(_) => {}
    }
    let not_a_manifest = |error| BundleError::new(ErrorKind::NotABundle, &path, format!("is not a manifest: {error}"));
    let manifest: Manifest = serde_json::from_slice(&text).map_err(not_a_manifest)?;
    let WithParent { parent } = serde_json::from_slice(&text).map_err(not_a_manifest)?;
    let bad_parent = parent.and_then(|text| ParentProcess::of_text(text.get()).err()).map(|error| error.to_string());
    Ok((manifest, bad_parent))
}

fn open(bundle: &Path, name: &str) -> Result<File, BundleError> {
    file::open_inside(bundle, name, &PlainDirectories::default()).map_err(|refusal| match refusal {
        Refusal::Path(reason) => BundleError::new(ErrorKind::NotABundle, &bundle.join(name), reason),
        Refusal::Io(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            BundleError::new(ErrorKind::NotABundle, bundle, what_is_there(bundle, name))
        }
        Refusal::Io(error) => BundleError::io(&bundle.join(name), "can't be opened", error),
    })
}

/// Says what was looked for, and what is there instead.
fn what_is_there(bundle: &Path, missing: &str) -> String {
    let wanted = format!("a bundle is a directory with {} and {}", Manifest::FILE, Manifest::LOG);
    match bundle.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => format!("there is nothing here; {wanted}"),
        Err(error) => format!("can't be looked at ({error}); {wanted}"),
        Ok(found) if !found.is_dir() => format!("is a file, not a bundle; {wanted}"),
        Ok(_) => match bundles_in(bundle).as_slice() {
            [] if bundle.read_dir().is_ok_and(|mut entries| entries.next().is_none()) => {
                format!("is empty: nothing was recorded here; {wanted}, usually named trace-…")
            }
            [] => format!("has no {missing}, and no bundle in it; {wanted}, usually named trace-…"),
            bundles => {
                let named = bundles.iter().take(NAMED_BUNDLES).map(|path| path.display().to_string());
                let named = named.collect::<Vec<_>>().join(", ");
                let count =
                    if bundles.len() == 1 { "a bundle".to_owned() } else { format!("{} bundles", bundles.len()) };
                format!("has no {missing}, but holds {count}; name one of them: {named}")
            }
        },
    }
}

/// Bundles directly under a directory, newest name last.
fn bundles_in(root: &Path) -> Vec<PathBuf> {
    let Ok(entries) = root.read_dir() else { return Vec::new() };
    let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    // A hidden one is being made, or its program was killed while it was.
    let is_hidden = |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let mut bundles: Vec<_> = paths.filter(|path| !is_hidden(path) && path.join(Manifest::FILE).is_file()).collect();
    bundles.sort();
    bundles
}
