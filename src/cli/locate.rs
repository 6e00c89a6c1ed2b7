//! `otel-trace locate`

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use otel_trace::event::PayloadRef;
use otel_trace::otlp::locate::{Found, Wanted, find, holds_trace};

use super::archive::Opened;
use super::bundles::{self, Bundle};
use super::each::{each, fatal};
use super::{Status, say};

/// Find the evidence of a span: from an id in Jaeger to the bundle, the object and the files of its bodies
///
/// Takes ids of spans that were exported live and of those that `otel-trace export` made. Logs are only searched for the
/// trace id; what can't hold it is not reduced.
///
/// Of a trace the bundles are printed, one a line. Of a span lines with tabs: bundle, object with its kind and id, the
/// seq of each event it was made from, and each body with its id and file; in a pack the body's offset and length follow.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit status:
  0  it was found
  1  it was not; stderr says what was looked through
  2  wrong usage

Examples:
  otel-trace locate 4bf92f3577b34da6a3ce929d0e0e4736
  otel-trace locate 4bf92f3577b34da6a3ce929d0e0e4736/00f067aa0ba902b7 traces
  otel-trace locate 4bf92f3577b34da6a3ce929d0e0e4736/00f067aa0ba902b7 | grep ^payload | cut -f3")]
pub(super) struct Args {
    /// The id of a trace, or of a span in it: 32 hexadecimal digits, then `/` and 16. Jaeger's address bar has the whole
    /// trace id, the header of its trace page only the beginning
    #[arg(value_name = "TRACE ID[/SPAN ID]")]
    wanted: Wanted,

    /// Where to look: directories that hold bundles, bundles, or archives of them [default: $OTEL_TRACE_ROOT, else traces]
    #[arg(value_name = "ROOT")]
    roots: Vec<PathBuf>,
}

impl Args {
    fn roots(&self) -> Vec<PathBuf> {
        if !self.roots.is_empty() {
            return self.roots.clone();
        }
        let recorded_to = std::env::var_os("OTEL_TRACE_ROOT").filter(|root| !root.is_empty());
        vec![recorded_to.unwrap_or_else(|| "traces".into()).into()]
    }
}

pub(super) fn run(args: &Args) -> Status {
    let roots = args.roots();
    let named = bundles::named(&roots).bundles;
    let mut found = false;
    let tell = |bundle: &Bundle, outcome: anyhow::Result<Option<Vec<Found>>>| {
        let Some(objects) = outcome? else { return Ok(Status::Complete) };
        found = true;
        tell(bundle, &objects, &args.wanted)?;
        Ok(Status::Complete)
    };
    each(&named, |path| look(path, &args.wanted), tell);
    if found { Status::Complete } else { not_found(args, &roots, named.len()) }
}

/// The objects that are the span; none where the bundle has not what is wanted.
fn look(path: &Path, wanted: &Wanted) -> anyhow::Result<Option<Vec<Found>>> {
    let opened = Opened::of(path)?;
    if !holds_trace(opened.reader(), wanted)? {
        return Ok(None);
    }
    let found = find(opened.reader(), wanted)?;
    Ok(if wanted.is_span() && found.is_empty() { None } else { Some(found) })
}

fn tell(bundle: &Bundle, found: &[Found], wanted: &Wanted) -> anyhow::Result<()> {
    let path = one_line(&bundle.path.display().to_string());
    if !wanted.is_span() {
        return say::out(&path);
    }
    say::out(format_args!("bundle\t{path}"))?;
    for Found { kind, id, events, payloads, .. } in found {
        say::out(format_args!("object\t{kind}\t{}", one_line(id)))?;
        events.iter().try_for_each(|seq| say::out(format_args!("event\t{seq}")))?;
        payloads.iter().try_for_each(|payload| tell_payload(&bundle.path, payload))?;
    }
    Ok(())
}

fn tell_payload(bundle: &Path, payload: &PayloadRef) -> anyhow::Result<()> {
    let id = one_line(payload.raw_payload_id.as_str());
    let file = one_line(&bundle.join(&payload.path).display().to_string());
    match (payload.offset, payload.length) {
        (Some(offset), Some(length)) => say::out(format_args!("payload\t{id}\t{file}\t{offset}\t{length}")),
        (Some(_) | None, _) => say::out(format_args!("payload\t{id}\t{file}")),
    }
}

/// A text as a field of a line: nothing in it ends the field or the line.
fn one_line(text: &str) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_debug().to_string() } else { c.to_string() };
    text.chars().map(escaped).collect()
}

fn not_found(args: &Args, roots: &[PathBuf], bundles: usize) -> Status {
    let (what, wanted) = (if args.wanted.is_span() { "span" } else { "trace" }, args.wanted);
    let roots = roots.iter().map(|root| root.display().to_string()).collect::<Vec<_>>().join(", ");
    let looked = format!("{} looked through in {roots}", say::counted(bundles, "bundle"));
    fatal(&anyhow!("no {what} {wanted}: {looked}; name the directory that the run was recorded in"))
}
