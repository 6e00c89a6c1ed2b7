//! The newest run, for commands without a BUNDLE.

use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use otel_trace::bundle::Reader;

use super::bundles;

/// The directory of a program's runs, unless `OTEL_TRACE_ROOT` names another one.
const DEFAULT_ROOT: &str = "traces";

/// Returns the directory in which runs are looked for if an argument names none.
pub(super) fn root() -> PathBuf {
    std::env::var_os("OTEL_TRACE_ROOT").filter(|root| !root.is_empty()).unwrap_or_else(|| DEFAULT_ROOT.into()).into()
}

/// Returns the bundle that an argument names: the bundle itself, the newest of a directory of bundles, or the one of
/// [`root`] whose trace id begins like this. Without an argument, returns the newest of [`root`].
pub(super) fn bundle(argument: Option<&Path>) -> anyhow::Result<PathBuf> {
    match argument {
        Some(path) if is_root(path) => newest_in(path),
        Some(path) if path.exists() => Ok(path.to_owned()),
        // What is neither a path nor an id is returned, so that opening it reports the error.
        Some(name) => Ok(with_id(name)?.unwrap_or_else(|| name.to_owned())),
        None => newest_in(&root()),
    }
}

/// Least number of characters of a trace id that name a run.
const LEAST_ID_CHARS: usize = 4;

/// Finds the bundle of [`root`] whose trace id begins like this.
fn with_id(beginning: &Path) -> anyhow::Result<Option<PathBuf>> {
    let Some(beginning) = beginning.to_str().filter(|text| text.len() >= LEAST_ID_CHARS) else { return Ok(None) };
    let root = root();
    let bundles = bundles::find(std::slice::from_ref(&root)).bundles.into_iter().filter(|bundle| bundle.root.is_some());
    let has_id =
        |path: &PathBuf| Reader::open(path).is_ok_and(|it| it.manifest().trace_id.as_str().starts_with(beginning));
    let mut found = bundles.map(|bundle| bundle.path).filter(has_id);
    let first = found.next();
    if let (Some(first), Some(second)) = (&first, found.next()) {
        bail!("{beginning} begins the ids of several runs, such as {} and {}", first.display(), second.display());
    }
    Ok(first)
}

/// Returns `true` if the path is a directory that contains bundles and is none itself.
fn is_root(path: &Path) -> bool {
    bundles::find(&[path.to_owned()]).roots.len() == 1
}

/// Returns the bundle of a directory whose recording started last.
fn newest_in(root: &Path) -> anyhow::Result<PathBuf> {
    let bundles = bundles::find(&[root.to_owned()]);
    let bundles = bundles.bundles.into_iter().filter(|bundle| bundle.root.is_some());
    let newest = bundles.max_by_key(|bundle| (started_at(&bundle.path), bundle.path.clone()));
    newest.map(|bundle| bundle.path).ok_or_else(|| {
        let reason = if root.is_dir() { "contains no run" } else { "is no directory" };
        let advice = "name a bundle, or set OTEL_TRACE_ROOT to the directory in which your program records";
        anyhow!("{} {reason}; {advice}", root.display())
    })
}

/// Returns the start of a recording by its manifest. A bundle without a readable one is older than all others.
fn started_at(bundle: &Path) -> Option<i64> {
    Some(Reader::open(bundle).ok()?.manifest().started_at.0)
}
