//! `otel-trace pack`

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use otel_trace::Store;
use otel_trace::bundle::{Converted, convert};

use super::archive::{self, Opened};
use super::each::fatal;
use super::{Status, say};

/// Copy a bundle with all bodies in one file, what they repeat left out
///
/// A request that repeats the history of its thread is kept as the difference to the one before. Nothing is lost: every
/// command reads such a bundle, and unpack makes of it what it was. Lines that are damaged, and what nobody knows, are
/// copied as they are. A body that can't be read is told on stderr, and its reference stays.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit status:
  0  all of it was packed
  1  no bundle, or nothing could be written
  2  wrong usage
  3  it was packed, but bodies that can't be read were left out

Examples:
  otel-trace pack traces/trace-1 packed/trace-1
  otel-trace pack --zstd traces/trace-1 trace-1.otz && otel-trace check trace-1.otz")]
pub(super) struct Args {
    /// The bundle, a directory or an archive
    bundle: PathBuf,

    /// The directory to make, or with --zstd the file; nothing may be there
    dest: PathBuf,

    /// Write one compressed file, an archive, which every command reads in place of a bundle
    #[arg(long)]
    zstd: bool,
}

pub(super) fn run(args: &Args) -> Status {
    let packed = if args.zstd { to_archive(args) } else { to(&args.bundle, &args.dest, Store::Pack) };
    tell(&args.bundle, &args.dest, packed)
}

fn to_archive(args: &Args) -> anyhow::Result<Converted> {
    if args.dest.symlink_metadata().is_ok() {
        bail!("{}: something is already here; name a place where nothing is", args.dest.display());
    }
    let told = || format!("{}: can't be written", args.dest.display());
    let absolute = std::path::absolute(&args.dest).with_context(told)?;
    let parent = absolute.parent().unwrap_or(Path::new("/"));
    let directory = tempfile::Builder::new().prefix(".otel-trace-pack-").tempdir_in(parent).with_context(told)?;
    let bundle = directory.path().join("bundle");
    let converted = to(&args.bundle, &bundle, Store::Pack)?;
    archive::write(&bundle, &absolute).with_context(told)?;
    Ok(converted)
}

/// Copies a bundle. What can't be read is told.
pub(super) fn to(bundle: &Path, dest: &Path, store: Store) -> anyhow::Result<Converted> {
    let opened = Opened::of(bundle)?;
    let converted = convert(opened.reader(), dest, store, |unread| {
        let (line, id, why) = (unread.line, unread.raw_payload_id, unread.why);
        say::err(format_args!("skipped: line {line}: {id} stays as it is: {why}"));
    })?;
    Ok(converted)
}

/// Says where it is now.
pub(super) fn tell(bundle: &Path, dest: &Path, converted: anyhow::Result<Converted>) -> Status {
    let said = converted.and_then(|converted| {
        let Converted { bodies, body_bytes, unread, .. } = converted;
        let unread = if unread == 0 { String::new() } else { format!(", {unread} not read") };
        let bodies = if bodies == 1 { "1 body".to_owned() } else { format!("{bodies} bodies") };
        say::err(format_args!("{}: {bodies}, {body_bytes} bytes{unread}", bundle.display()));
        say::out(dest.display())?;
        Ok(if converted.unread == 0 { Status::Complete } else { Status::Skipped })
    });
    said.unwrap_or_else(|error| fatal(&error))
}
