//! `otel-trace locate`

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use otel_trace::event::PayloadRef;
use otel_trace::otlp::locate::{LocatedObject, TraceQuery, find, holds_trace};

use super::archive::OpenBundle;
use super::bundles::{self, Bundle};
use super::parallel::{for_each_bundle, report_error};
use super::{Status, output};

/// Find the evidence of a span: from an id in Jaeger to the bundle, the object and its payloads
///
/// Accepts ids of spans that were exported live or by `otel-trace export`. With a trace id, searches the logs for it
/// and reduces only bundles that contain it. With a span id alone, reduces every bundle.
///
/// For a trace, prints the paths of its bundles, one per line. For a span, prints the lines that are described below. A
/// thread and its turn may share a span: then both are printed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Lines for a span, with fields separated by tabs:
  bundle<TAB>PATH                                  each bundle that has the span
  object<TAB>KIND<TAB>ID                           the recorded object; ID is its id in state.json
  event<TAB>SEQ                                    each event that the object was built from
  payload<TAB>ID<TAB>FILE[<TAB>OFFSET<TAB>LENGTH]  each payload of the object; with offset and
                                                   length, in bytes, if FILE is a pack

Exit status:
  0  the trace or span was found
  1  it was not found; stderr lists the searched directories
  2  wrong usage

Examples:
  otel-trace locate 4bf92f3577b34da6a3ce929d0e0e4736
  otel-trace locate 00f067aa0ba902b7
  otel-trace locate 4bf92f3577b34da6a3ce929d0e0e4736/00f067aa0ba902b7 traces
  otel-trace locate 4bf92f3577b34da6a3ce929d0e0e4736/00f067aa0ba902b7 | grep ^payload | cut -f3")]
pub(super) struct Args {
    /// A trace id (32 hexadecimal digits), a span id (16 hexadecimal digits), or `<trace id>/<span id>`. Jaeger shows
    /// the whole trace id in the address bar, and only its first digits in the header of the trace page
    #[arg(value_name = "ID", value_parser = parse_query)]
    query: TraceQuery,

    /// Where to search: directories that contain bundles, bundles, or archives of bundles [default: $OTEL_TRACE_ROOT,
    /// or traces]
    #[arg(value_name = "ROOT")]
    roots: Vec<PathBuf>,
}

/// Parses the id to find.
fn parse_query(text: &str) -> Result<TraceQuery, String> {
    text.parse().map_err(|error| {
        format!("{error}; Jaeger's page header shows only the first digits of a trace id, the address bar has all")
    })
}

impl Args {
    /// Returns the paths to search.
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
    let named = bundles::find(&roots).bundles;
    let mut found = false;
    let report = |bundle: &Bundle, outcome: anyhow::Result<Option<Vec<LocatedObject>>>| {
        let Some(objects) = outcome? else { return Ok(Status::Complete) };
        found = true;
        print_objects(bundle, &objects, &args.query)?;
        Ok(Status::Complete)
    };
    for_each_bundle(&named, |bundle| search(bundle, &args.query), report);
    if found { Status::Complete } else { not_found(args, &roots, named.len()) }
}

/// Searches a bundle and returns the objects of a span, or an empty list for a trace. Returns `None` if the bundle does
/// not contain the trace or span.
fn search(bundle: &Bundle, query: &TraceQuery) -> anyhow::Result<Option<Vec<LocatedObject>>> {
    let opened = OpenBundle::open_named(bundle)?;
    if !holds_trace(opened.reader(), query)? {
        return Ok(None);
    }
    let found = find(opened.reader(), query)?;
    Ok(if query.is_span() && found.is_empty() { None } else { Some(found) })
}

/// Prints the bundle of a trace, or the objects of a span.
fn print_objects(bundle: &Bundle, found: &[LocatedObject], query: &TraceQuery) -> anyhow::Result<()> {
    let path = bundle.path.display();
    if !query.is_span() {
        return output::print(path);
    }
    output::print_fields(&[&"bundle", &path])?;
    for LocatedObject { kind, id, events, payloads, .. } in found {
        output::print_fields(&[&"object", kind, id])?;
        events.iter().try_for_each(|seq| output::print_fields(&[&"event", seq]))?;
        payloads.iter().try_for_each(|payload| print_payload(&bundle.path, payload))?;
    }
    Ok(())
}

fn print_payload(bundle: &Path, payload: &PayloadRef) -> anyhow::Result<()> {
    let (id, path) = (payload.raw_payload_id.as_str(), bundle.join(&payload.path));
    let file = path.display();
    match (payload.offset, payload.length) {
        (Some(offset), Some(length)) => output::print_fields(&[&"payload", &id, &file, &offset, &length]),
        (Some(_) | None, _) => output::print_fields(&[&"payload", &id, &file]),
    }
}

/// Prints the error of a trace or span that was not found.
fn not_found(args: &Args, roots: &[PathBuf], bundles: usize) -> Status {
    let (noun, query) = (if args.query.is_span() { "span" } else { "trace" }, args.query);
    let roots = roots.iter().map(|root| root.display().to_string()).collect::<Vec<_>>().join(", ");
    let searched = format!("{} searched in {roots}", output::pluralize(bundles, "bundle"));
    report_error(&anyhow!("{noun} {query} was not found: {searched}; pass the directory that the run was recorded in"))
}
