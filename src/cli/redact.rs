//! `otel-trace redact`

use std::path::PathBuf;

use anyhow::Context;
use otel_trace::Masking;
use otel_trace::bundle::{Redacted, Redaction};

use super::archive::Opened;
use super::each::fatal;
use super::{Status, say};

/// Copy a bundle without its secrets, or without anything that was said in it
///
/// Writes a bundle beside the one that is read, which stays as it is. Whatever looks like a credential, and whatever
/// stands behind a name like `authorization` or `password`, becomes `[masked:<what it looks like>:<hash>]`: in the log, in
/// every body, and in JSON within text. The same secret has the same placeholder in the whole copy, and another one in
/// the next. All else stays byte for byte; bodies of a pack become files of their own. A program that masks while it records does the same before anything is on
/// disk.
///
/// With --content every text becomes `[text:<bytes>:<hash>]` as well. Numbers and names of fields stay, and, where they are
/// one word, ids, types, outcomes, and names of tools, models and agents, so that the copy reduces to a graph of the same
/// shape. Look at it before you share it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit status:
  0  the copy is whole
  1  no bundle, or no place to write to; nothing was written
  2  wrong usage
  3  the copy was written, but a line or a body of the bundle could not be read

Examples:
  otel-trace redact traces/trace-1 to-share
  otel-trace redact traces/trace-1 to-share --content && otel-trace reduce to-share
  otel-trace redact traces/trace-1 to-share --name x-tenant --pattern 'ACME-([0-9]+)'")]
pub(super) struct Args {
    /// The bundle, a directory or an archive
    bundle: PathBuf,

    /// The copy, a directory that is not there yet
    dest: PathBuf,

    /// Replace every text by its length and a hash
    #[arg(long)]
    content: bool,

    /// Also mask what this regular expression matches, or its first group; may be given more than once
    #[arg(long, value_name = "REGEX")]
    pattern: Vec<String>,

    /// Also mask the values of fields and headers of this name, in any spelling; may be given more than once
    #[arg(long, value_name = "FIELD")]
    name: Vec<String>,

    /// Mask by names alone, not what only looks like a credential
    #[arg(long)]
    no_patterns: bool,
}

pub(super) fn run(args: &Args) -> Status {
    copy(args).unwrap_or_else(|error| fatal(&error))
}

fn copy(args: &Args) -> anyhow::Result<Status> {
    let opened = Opened::of(&args.bundle)?;
    let copied = Redaction::new(masking(args)?).content(args.content).copy(opened.reader(), &args.dest)?;
    let Redacted { lines, bad_lines, bodies, missing_bodies, .. } = copied;
    say::err(format_args!(
        "{}: {}, {}",
        args.dest.display(),
        say::counted(usize::try_from(lines)?, "line"),
        say::counted(usize::try_from(bodies)?, "named payload"),
    ));
    for (count, what) in [(bad_lines, "not JSON, and kept as text"), (missing_bodies, "named, but not to be read")] {
        if count > 0 {
            say::err(format_args!("skipped: {count} {what}"));
        }
    }
    say::out(args.dest.display())?;
    Ok(if bad_lines + missing_bodies == 0 { Status::Complete } else { Status::Skipped })
}

fn masking(args: &Args) -> anyhow::Result<Masking> {
    let masking = if args.no_patterns { Masking::new() } else { Masking::new().patterns() };
    let masking = args.name.iter().fold(masking, |masking, name| masking.name(name));
    args.pattern.iter().try_fold(masking, |masking, pattern| {
        masking.pattern(pattern).with_context(|| format!("--pattern {pattern:?}"))
    })
}
