//! `otel-trace unpack`

use std::path::PathBuf;

use otel_trace::Store;

use super::{Status, pack};

/// Copy a bundle with each payload in a separate file
///
/// Reverses `otel-trace pack`. The result can be read by programs that support format 1 but not packs. Damaged lines
/// and unknown fields are copied unchanged. Payloads that cannot be read are reported on stderr, and their references
/// stay as they are.
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
  otel-trace unpack packed/trace-1 traces/trace-1
  otel-trace unpack trace-1.otz traces/trace-1")]
pub(super) struct Args {
    /// The bundle to copy: a directory, or an archive
    bundle: PathBuf,

    /// The directory to create; must not exist
    dest: PathBuf,
}

pub(super) fn run(args: &Args) -> Status {
    pack::report(&args.bundle, &args.dest, pack::copy(&args.bundle, &args.dest, Store::Files))
}
