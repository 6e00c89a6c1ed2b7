//! The newest run, for commands without a BUNDLE.

use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use otel_trace::bundle::Reader;

use super::bundles::{self, Bundle};

/// The directory of a program's runs, unless `OTEL_TRACE_ROOT` names another one.
const DEFAULT_ROOT: &str = "traces";

/// Returns the directory in which runs are looked for if an argument names none.
pub(super) fn root() -> PathBuf {
    std::env::var_os("OTEL_TRACE_ROOT").filter(|root| !root.is_empty()).unwrap_or_else(|| DEFAULT_ROOT.into()).into()
}

/// Returns the bundle that an argument names: the bundle itself, the newest of a directory of bundles, or the one of
/// [`root`] whose trace id begins like this. Without an argument, returns the newest of [`root`].
pub(super) fn bundle(argument: Option<&Path>) -> anyhow::Result<Bundle> {
    match argument {
        Some(path) if is_root(path) => newest_in(path),
        Some(path) if path.exists() => Ok(named(path)),
        // What is neither a path nor an id is returned, so that opening it reports the error.
        Some(name) => Ok(with_id(name)?.unwrap_or_else(|| named(name))),
        None => newest_in(&root()),
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

/// Returns `true` if the path is a directory that contains bundles and is none itself.
fn is_root(path: &Path) -> bool {
    bundles_in(path).next().is_some()
}

/// Returns the bundles that a directory contains.
fn bundles_in(root: &Path) -> impl Iterator<Item = Bundle> + use<> {
    let found = bundles::find(&[root.to_owned()]).bundles.into_iter();
    found.filter(|bundle| bundle.root.is_some())
}

/// Returns the bundle of a directory whose recording started last.
fn newest_in(root: &Path) -> anyhow::Result<Bundle> {
    let newest = bundles_in(root).max_by_key(|bundle| (started_at(&bundle.path), bundle.path.clone()));
    newest.ok_or_else(|| {
        let reason = if root.is_dir() { "contains no run" } else { "is no directory" };
        let advice = "name a bundle, or set OTEL_TRACE_ROOT to the directory in which your program records";
        anyhow!("{} {reason}; {advice}", root.display())
    })
}

/// Returns the start of a recording by its manifest. A bundle without a readable one is older than all others.
fn started_at(bundle: &Path) -> Option<i64> {
    Some(Reader::open_in_root(bundle).ok()?.manifest().started_at.0)
}
