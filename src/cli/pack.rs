//! `otel-trace pack`

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use otel_trace::Store;
use otel_trace::rewrite::{Converted, convert};

use super::archive::{self, OpenBundle};
use super::parallel::report_error;
use super::{Status, output};

/// Copy a bundle with all payloads in one file, without the parts that they repeat
///
/// A request that repeats the history of its thread is stored as a delta to the previous request. The copy is lossless:
/// all commands read packed bundles, and unpack restores the original. Damaged lines and unknown fields are copied
/// unchanged. Payloads that cannot be read are reported on stderr, and their references stay as they are.
///
/// Prints the path of the copy to stdout, and counts to stderr.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit status:
  0  the copy is complete
  1  BUNDLE is not a bundle, or DEST exists or cannot be written; nothing was written
  2  wrong usage
  3  the copy was written, without the payloads that cannot be read

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
fn to_archive(args: &Args) -> anyhow::Result<Converted> {
    if args.dest.symlink_metadata().is_ok() {
        bail!("{}: something is already here; choose a path that does not exist", args.dest.display());
    }
    let context = || format!("{}: cannot be written", args.dest.display());
    let absolute = std::path::absolute(&args.dest).with_context(context)?;
    let parent = absolute.parent().unwrap_or(Path::new("/"));
    let directory = tempfile::Builder::new().prefix(".otel-trace-pack-").tempdir_in(parent).with_context(context)?;
    let bundle = directory.path().join("bundle");
    let converted = copy(&args.bundle, &bundle, Store::Pack)?;
    archive::write(&bundle, &absolute).with_context(context)?;
    Ok(converted)
}

/// Copies a bundle to another store. Prints the payloads that cannot be read to stderr.
pub(super) fn copy(bundle: &Path, dest: &Path, store: Store) -> anyhow::Result<Converted> {
    let opened = OpenBundle::open(bundle)?;
    let converted = convert(opened.reader(), dest, store, |unread| {
        let (line, id, reason) = (unread.line, unread.raw_payload_id, unread.reason);
        output::eprint(format_args!("skipped: line {line}: {id} was not copied: {reason}"));
    })?;
    Ok(converted)
}

/// Prints counts to stderr and the path of the copy to stdout, or the error.
pub(super) fn report(bundle: &Path, dest: &Path, converted: anyhow::Result<Converted>) -> Status {
    let status = converted.and_then(|converted| {
        let Converted { bodies, body_bytes, unread, .. } = converted;
        let unread = if unread == 0 { String::new() } else { format!(", {unread} not readable") };
        let payloads = if bodies == 1 { "1 payload".to_owned() } else { format!("{bodies} payloads") };
        output::eprint(format_args!("{}: {payloads}, {body_bytes} bytes{unread}", bundle.display()));
        output::print(dest.display())?;
        Ok(if converted.unread == 0 { Status::Complete } else { Status::Skipped })
    });
    status.unwrap_or_else(|error| report_error(&error))
}
