//! The newest run, for commands without a BUNDLE.

use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use otel_trace::bundle::Reader;

use super::bundles::{self, Bundle};

/// The directory of a program's runs, unless `OTEL_TRACE_ROOT` names another one.
const DEFAULT_ROOT: &str = "traces";

/// What to do where no run is found.
pub(super) const ADVICE: &str = "set OTEL_TRACE_ROOT to the directory in which your program records";

/// Returns the directory in which runs are looked for if an argument names none.
pub(super) fn root() -> PathBuf {
    std::env::var_os("OTEL_TRACE_ROOT").filter(|root| !root.is_empty()).unwrap_or_else(|| DEFAULT_ROOT.into()).into()
}

/// Returns the bundle that an argument names: the bundle itself, the newest of a directory of bundles, or the one of
/// [`root`] whose trace id begins like this. Without an argument, returns the newest of [`root`].
pub(super) fn bundle(argument: Option<&Path>) -> anyhow::Result<Bundle> {
    let Some(path) = argument else {
        let root = root();
        return newest_in(&root).ok_or_else(|| {
            let reason = if root.is_dir() { "contains no run" } else { "is no directory" };
            anyhow!("{} {reason}; name a bundle, or {ADVICE}", root.display())
        });
    };
    match newest_in(path) {
        Some(newest) => Ok(newest),
        None if path.exists() => Ok(named(path)),
        // What is neither a path nor an id is returned, so that opening it reports the error.
        None => Ok(with_id(path)?.unwrap_or_else(|| named(path))),
    }
}

/// Least number of characters of a trace id that name a run.
const LEAST_ID_CHARS: usize = 4;

/// Finds the bundle of [`root`] whose trace id begins like this.
fn with_id(beginning: &Path) -> anyhow::Result<Option<Bundle>> {
    let Some(beginning) = beginning.to_str().filter(|text| text.len() >= LEAST_ID_CHARS) else { return Ok(None) };
    let has_id = |bundle: &Bundle| {
        Reader::open_in_root(&bundle.path).is_ok_and(|it| it.manifest().trace_id.as_str().starts_with(beginning))
    };
    let root = root();
    let mut found = bundles_in(&root).filter(has_id);
    let first = found.next();
    if let (Some(first), Some(second)) = (&first, found.next()) {
        let (first, second) = (first.path.display(), second.path.display());
        bail!("{beginning} begins the ids of several runs, such as {first} and {second}");
    }
    Ok(first)
}

/// Returns the bundle at a path that an argument names.
fn named(path: &Path) -> Bundle {
    Bundle { path: path.to_owned(), root: None }
}

/// Returns the bundles that a directory contains.
fn bundles_in(root: &Path) -> impl Iterator<Item = Bundle> + use<> {
    let found = bundles::find(&[root.to_owned()]).bundles.into_iter();
    found.filter(|bundle| bundle.root.is_some())
}

/// Returns the bundle of a directory whose recording started last. Returns `None` if it contains none, or is one itself.
fn newest_in(root: &Path) -> Option<Bundle> {
    bundles_in(root).max_by_key(|bundle| (started_at(&bundle.path), bundle.path.clone()))
}

/// Returns the start of a recording by its manifest. A bundle without a readable one is older than all others.
fn started_at(bundle: &Path) -> Option<i64> {
    Some(Reader::open_in_root(bundle).ok()?.manifest().started_at.0)
}
