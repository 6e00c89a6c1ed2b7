//! `otel-trace pack`

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use otel_trace::Store;
use otel_trace::bundle::{BundleError, ErrorKind};
use otel_trace::rewrite::{Converted, convert};

use super::archive::{self, OpenBundle};
use super::parallel::report_error;
use super::{Status, output};

/// Copy a bundle into one payload file that stores repeated parts once
///
/// A request that repeats the history of its thread is stored as a delta to the previous request. The copy is lossless:
/// all commands read packed bundles, and `otel-trace unpack` restores the original. Damaged lines and unknown fields
/// are copied unchanged. Payloads that cannot be read are reported on stderr, and their references stay as they are.
///
/// Prints the path of the copy to stdout. Prints the number of payloads and the sizes of the bundle before and after to
/// stderr.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit status:
  0  the copy is complete
  1  BUNDLE is not a bundle, or DEST exists or cannot be written; nothing was written
  2  wrong usage
  3  the copy was written, without the payloads and lines that cannot be read

Examples:
  otel-trace pack traces/trace-1 packed/trace-1
  otel-trace pack --zstd traces/trace-1 trace-1.otz && otel-trace check trace-1.otz")]
pub(super) struct Args {
    /// The bundle to copy: a directory, or an archive
    bundle: PathBuf,

    /// The directory to create, or with --zstd the file to create; must not exist
    dest: PathBuf,

    /// Write a single compressed file, an archive, which all commands accept in place of a bundle
    #[arg(long)]
    zstd: bool,
}

pub(super) fn run(args: &Args) -> Status {
    let packed = if args.zstd { to_archive(args) } else { copy(&args.bundle, &args.dest, Store::Pack) };
    report(&args.bundle, &args.dest, packed)
}

/// Packs a bundle into an archive.
fn to_archive(args: &Args) -> anyhow::Result<Copy> {
    if args.dest.symlink_metadata().is_ok() {
        return Err(existing_destination(&args.dest));
    }
    let context = || format!("{}: cannot be written", args.dest.display());
    let absolute = std::path::absolute(&args.dest).with_context(context)?;
    let parent = absolute.parent().unwrap_or(Path::new("/"));
    let directory = tempfile::Builder::new().prefix(".otel-trace-pack-").tempdir_in(parent).with_context(context)?;
    let bundle = directory.path().join("bundle");
    let copied = copy(&args.bundle, &bundle, Store::Pack)?;
    archive::write(&bundle, &absolute).with_context(context)?;
    Ok(copied)
}

/// A copy that was written.
pub(super) struct Copy {
    converted: Converted,
    /// Size of the original, in bytes.
    original_size: u64,
}

/// Copies a bundle to another store. Prints the payloads that cannot be read to stderr.
pub(super) fn copy(bundle: &Path, dest: &Path, store: Store) -> anyhow::Result<Copy> {
    let opened = OpenBundle::open(bundle)?;
    let converted = convert(opened.reader(), dest, store, |unread| {
        output::eprint(format_args!("skipped: {unread}"));
    });
    let converted = converted.map_err(|error| copy_error(dest, error))?;
    Ok(Copy { converted, original_size: archive::size(bundle)? })
}

/// Returns the error of a copy to `dest`.
pub(super) fn copy_error(dest: &Path, error: BundleError) -> anyhow::Error {
    if error.kind() == ErrorKind::Exists { existing_destination(dest) } else { error.into() }
}

/// Creates the error for a destination that already exists.
fn existing_destination(dest: &Path) -> anyhow::Error {
    let dest = dest.display();
    anyhow!(
        "cannot create the copy at {dest}: the path already exists; \
         the last argument is the destination and must not exist"
    )
}

/// Prints counts to stderr and the path of the copy to stdout, or the error.
pub(super) fn report(bundle: &Path, dest: &Path, copied: anyhow::Result<Copy>) -> Status {
    let status = copied.and_then(|Copy { converted, original_size }| {
        let Converted { bodies, unread, unread_lines, .. } = converted;
        let payloads = if bodies == 1 { "1 payload".to_owned() } else { format!("{bodies} payloads") };
        let not_readable = if unread == 0 { String::new() } else { format!(", {unread} not readable") };
        let (bundle, copy_size) = (bundle.display(), archive::size(dest)?);
        output::eprint(format_args!(
            "{bundle}: {payloads}{not_readable}; {original_size} bytes before, {copy_size} bytes after"
        ));
        output::print(dest.display())?;
        Ok(if unread + unread_lines == 0 { Status::Complete } else { Status::Skipped })
    });
    status.unwrap_or_else(|error| report_error(&error))
}
