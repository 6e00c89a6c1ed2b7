//! `otel-trace unpack`

use std::path::PathBuf;

use otel_trace::Store;

use super::{Status, pack};

/// Copy a bundle with each body in a file of its own
///
/// What pack does, undone: the result is what readers of format 1 know that never heard of packs. Lines that are
/// damaged, and what nobody knows, are copied as they are. A body that can't be read is told on stderr, and its
/// reference stays.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit status:
  0  all of it was unpacked
  1  no bundle, or nothing could be written
  2  wrong usage
  3  it was unpacked, but bodies that can't be read were left out

Examples:
  otel-trace unpack packed/trace-1 traces/trace-1
  otel-trace unpack trace-1.otz traces/trace-1")]
pub(super) struct Args {
    /// The bundle, a directory or an archive
    bundle: PathBuf,

    /// The directory to make; nothing may be there
    dest: PathBuf,
}

pub(super) fn run(args: &Args) -> Status {
    pack::tell(&args.bundle, &args.dest, pack::to(&args.bundle, &args.dest, Store::Files))
}
