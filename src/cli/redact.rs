//! `otel-trace redact`

use std::path::PathBuf;

use anyhow::Context;
use otel_trace::Masking;
use otel_trace::rewrite::{Redacted, Redaction};

use super::archive::OpenBundle;
use super::parallel::report_error;
use super::{Status, output, pack};

/// Copy a bundle without its secrets, and optionally without any content
///
/// The original bundle is not changed. In the copy, text that looks like a credential and the values of names like
/// `authorization` or `password` are replaced by `[masked:<kind>:<hash>]`: in the log, in every payload, and in JSON
/// inside of text. In ids it is `masked-<kind>-<hash>`. A secret has the same placeholder in the whole copy, and a
/// different one in the next copy. All other bytes stay as they are. The payloads of a pack become separate files. A
/// program can mask in the same way while it records (`RecorderBuilder::mask` in the library), so that secrets never
/// reach the disk.
///
/// A line of the log that is not JSON is copied as masked text, or with --content without any of its text. A payload
/// that cannot be read is not copied; its reference stays in the log. Nor are files copied that no event references. So
/// every byte of the copy has passed the masking.
///
/// With --content (which removes content here, while it adds content in `otel-trace export`), all text is replaced by
/// `[text:<bytes>:<hash>]` as well. Numbers and field names stay. So do ids, types, outcomes, and names of tools,
/// models, and paths of agents, if they are single words, so that the copy reduces to a graph of the same shape. Review
/// the copy before you share it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit status:
  0  the copy is complete
  1  BUNDLE is not a bundle, or DEST exists or cannot be written; nothing was written
  2  wrong usage
  3  the copy was written, but a line of the bundle is not JSON (it was copied as masked text) or a
     payload or a line cannot be read (it was not copied)

Examples:
  otel-trace redact traces/trace-1 to-share
  otel-trace redact traces/trace-1 to-share --content && otel-trace reduce to-share
  otel-trace redact traces/trace-1 to-share --name x-tenant --pattern 'ACME-([0-9]+)'")]
pub(super) struct Args {
    /// The bundle to copy: a directory, or an archive
    bundle: PathBuf,

    /// The directory to create; must not exist
    dest: PathBuf,

    /// Also replace all text by its length and a hash
    #[arg(long)]
    content: bool,

    /// Also mask the matches of this regular expression, or of its first group; can be repeated
    #[arg(long, value_name = "REGEX")]
    pattern: Vec<String>,

    /// Also mask the values of fields, headers, options and variables of this name; `x-tenant` also matches `X_TENANT`
    /// and `xTenant`; can be repeated
    #[arg(long, value_name = "FIELD")]
    name: Vec<String>,
}

pub(super) fn run(args: &Args) -> Status {
    copy(args).unwrap_or_else(|error| report_error(&error))
}

fn copy(args: &Args) -> anyhow::Result<Status> {
    let opened = OpenBundle::open(&args.bundle)?;
    let copied = Redaction::new(masking(args)?).content(args.content).copy(opened.reader(), &args.dest);
    let copied = copied.map_err(|error| pack::copy_error(&args.dest, error))?;
    let Redacted { lines, bad_lines, unread_lines, bodies, missing_bodies, .. } = copied;
    output::eprint(format_args!(
        "{}: {}, {}",
        args.dest.display(),
        output::pluralize(usize::try_from(lines)?, "line"),
        output::pluralize(usize::try_from(bodies)?, "payload reference"),
    ));
    let skipped = [
        (bad_lines, "line", "not JSON; kept as masked text"),
        (unread_lines, "line", "longer than any that is read; not copied"),
        (missing_bodies, "payload reference", "without a readable payload"),
    ];
    for (count, noun, problem) in skipped {
        if count > 0 {
            output::eprint(format_args!("skipped: {} {problem}", output::pluralize(usize::try_from(count)?, noun)));
        }
    }
    output::print(args.dest.display())?;
    Ok(if bad_lines + unread_lines + missing_bodies == 0 { Status::Complete } else { Status::Skipped })
}

/// Returns the masking that the arguments select.
fn masking(args: &Args) -> anyhow::Result<Masking> {
    let masking = Masking::new();
    let masking = args.name.iter().fold(masking, |masking, name| masking.name(name));
    args.pattern.iter().try_fold(masking, |masking, pattern| {
        masking.pattern(pattern).with_context(|| format!("--pattern {pattern:?}"))
    })
}
