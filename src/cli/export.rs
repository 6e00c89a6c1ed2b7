//! `otel-trace export`

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::error::ErrorKind;
use clap::{CommandFactory, ValueEnum};
use otel_trace::bundle::Reader;
use otel_trace::graph::{Graph, Severity};
use otel_trace::otlp::export::{ExportOptions, Exported, JsonFile, Plan, export};
use otel_trace::otlp::{ContentPolicy, Mapping, Protocol};
use otel_trace::reduce::{Options, reduce};
use tempfile::NamedTempFile;

use super::archive::Opened;
use super::bundles::Bundle;
use super::each::fatal;
use super::span_bar::SpanBar;
use super::{Cli, Status, bundles, say};

/// Send a run to Jaeger, or any other backend that takes OpenTelemetry traces
///
/// Every thread, turn, inference call, tool call, code cell and compaction request becomes a span with its own times,
/// status, parent and links. Spans that were exported live keep their ids; the others get ids that follow from the bundle,
/// so that exporting again gives the same trace. Jaeger keeps both copies of a span that it receives twice: choose one way
/// for each run, live or this command. The ids of the traces go to stdout, what was sent to stderr.
///
/// What was said stays in the bundle unless --content is given: messages, instructions, arguments and results of tools.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Where it goes, if not said otherwise:
  OTEL_EXPORTER_OTLP_ENDPOINT, …_PROTOCOL, …_HEADERS and the other standard variables, and those of
  traces alone, OTEL_EXPORTER_OTLP_TRACES_…; else http://localhost:4318, where Jaeger listens. The
  service is OTEL_SERVICE_NAME, else the root agent's name.

Exit status, the worst of all bundles:
  0  everything was sent
  1  no bundle, or a receiver that was not there or did not take it; running again is safe
  2  wrong usage
  3  it was sent, but something damaged or unknown was left out, or the receiver did not take some spans

Examples:
  otel-trace export traces/trace-1
  otel-trace export traces --dry-run
  otel-trace export traces/trace-1 --content --service my-agent
  otel-trace export traces/trace-1 --endpoint http://localhost:4317 --protocol grpc
  otel-trace export traces/trace-1 --endpoint https://otlp.example.com --header \"authorization=Bearer $TOKEN\"
  otel-trace export traces/trace-1 --format otlp-json run.json    for the tab Upload of Jaeger's search page

To see it in Jaeger, open http://localhost:16686/trace/<the printed id>. The tab GenAI of a call of
the model is the conversation, where --content was given; Details has the attributes and links.")]
pub(super) struct Args {
    /// Bundles, directories with manifest.json and trace.jsonl, or archives of them; or directories that hold bundles
    #[arg(required = true, value_name = "BUNDLE")]
    bundles: Vec<PathBuf>,

    /// Send to this URL; over HTTP /v1/traces is appended
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,

    /// Speak this protocol
    #[arg(long, value_enum)]
    protocol: Option<ProtocolName>,

    /// Send this header too, any number of times
    #[arg(long, value_name = "NAME=VALUE", value_parser = header)]
    header: Vec<(String, String)>,

    /// Export what was said too: messages, instructions, arguments and results of tools
    #[arg(long)]
    content: bool,

    /// Call the service so: service.name
    #[arg(long, value_name = "NAME")]
    service: Option<String>,

    /// Send nothing; say how many spans of which kinds would go where
    #[arg(long)]
    dry_run: bool,

    /// Write one file instead of sending; `otlp-json` is the format there is, and `-` as the file is stdout
    #[arg(
        long,
        num_args = 2,
        value_names = ["FORMAT", "FILE"],
        conflicts_with_all = ["endpoint", "protocol", "header"]
    )]
    format: Option<Vec<PathBuf>>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ProtocolName {
    /// Protobuf over HTTP
    #[value(name = "http/protobuf")]
    HttpProtobuf,
    /// gRPC
    Grpc,
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it is to be NAME=VALUE")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

pub(super) fn run(args: &Args) -> Status {
    let named = bundles::named(&args.bundles).bundles;
    let options = args.options();
    let file = args.file();
    let done = match file {
        _ if args.dry_run => args.plan(&named, &options),
        Some(file) if file == Path::new("-") => write(&named, &options, io::stdout().lock(), false).map(|(_, it)| it),
        Some(file) => write_file(&named, &options, file),
        None => Ok(worst(&named, |bundle| send(bundle, &options))),
    };
    done.unwrap_or_else(|error| fatal(&error))
}

impl Args {
    fn options(&self) -> ExportOptions {
        let mut mapping = Mapping::from_env();
        if self.content {
            mapping.content = ContentPolicy::Capture;
        }
        let mut options = ExportOptions::new().mapping(mapping);
        if let Some(endpoint) = &self.endpoint {
            options = options.endpoint(endpoint);
        }
        if let Some(protocol) = self.protocol {
            options = options.protocol(match protocol {
                ProtocolName::HttpProtobuf => Protocol::HttpProtobuf,
                ProtocolName::Grpc => Protocol::Grpc,
            });
        }
        if let Some(service) = &self.service {
            options = options.service_name(service);
        }
        self.header.iter().fold(options, |options, (name, value)| options.header(name, value))
    }

    /// The file to write, where one is wanted.
    fn file(&self) -> Option<&Path> {
        let [format, file] = self.format.as_deref()? else { return None };
        if format != Path::new("otlp-json") {
            let message = format!("--format is `{}`: it can be `otlp-json`, then a file", format.display());
            Cli::command().error(ErrorKind::InvalidValue, message).exit();
        }
        Some(file)
    }

    fn plan(&self, named: &[Bundle], options: &ExportOptions) -> anyhow::Result<Status> {
        let would = match self.file() {
            Some(file) => format!("would write to {}", file.display()),
            None => format!("would send to {}", options.destination()?),
        };
        Ok(worst(named, |bundle| {
            let (opened, graph) = reduced(bundle)?;
            let plan = Plan::of(opened.reader(), &graph);
            for (trace, kinds) in &plan.traces {
                let kinds = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect::<Vec<_>>().join(", ");
                say::out(trace)?;
                let path = bundle.path.display();
                say::err(format_args!("{path}: {would}: {kinds}, in trace {trace}"));
            }
            Ok(told(&graph))
        }))
    }
}

/// Does it for one bundle after the other: a receiver has enough to do with one. Gives the worst status.
fn worst(named: &[Bundle], mut work: impl FnMut(&Bundle) -> anyhow::Result<Status>) -> Status {
    let statuses = named.iter().map(|bundle| work(bundle).unwrap_or_else(|error| fatal(&error)));
    statuses.fold(Status::Complete, Status::max)
}

fn reduced(bundle: &Bundle) -> anyhow::Result<(Opened, Graph)> {
    let opened = Opened::of(&bundle.path)?;
    let graph = reduce(opened.reader(), &Options::default())?.graph;
    Ok((opened, graph))
}

/// Says on stderr that something was left out.
fn told(graph: &Graph) -> Status {
    let skipped = graph.diagnostics.iter().filter(|it| it.severity == Severity::Skipped).count();
    if skipped > 0 {
        let problems = say::counted(skipped, "problem");
        say::err(format_args!("{problems} of the evidence left something out; `otel-trace reduce` tells which"));
    }
    Status::of(&graph.diagnostics)
}

fn send(bundle: &Bundle, options: &ExportOptions) -> anyhow::Result<Status> {
    let (opened, graph) = reduced(bundle)?;
    let bar = SpanBar::default();
    let exported = export(opened.reader(), &graph, options, |progress| bar.show(progress));
    bar.finish();
    let exported = exported.with_context(|| bundle.path.display().to_string())?;
    report(bundle, &exported, &format!("sent to {}", options.destination()?));
    exported.trace_ids.iter().try_for_each(say::out)?;
    let status = if exported.rejected > 0 { Status::Skipped } else { Status::Complete };
    Ok(told(&graph).max(status))
}

fn report(bundle: &Bundle, exported: &Exported, how: &str) {
    let path = bundle.path.display();
    say::err(format_args!("{path}: {} {how}", say::counted(exported.spans, "span")));
    for which in &exported.too_large {
        let advice = "it is larger than the receiver takes: raise its limit, or export without content";
        say::err(format_args!("{path}: {which}; {advice}"));
    }
    let rejected = exported.rejected.saturating_sub(exported.too_large.len());
    if rejected > 0 {
        let why = exported.rejection.as_deref().unwrap_or("the receiver does not say why");
        say::err(format_args!("{path}: {} rejected: {why}", say::counted(rejected, "span")));
    }
}

/// Writes all bundles to one file, which appears when all of it is there.
fn write_file(named: &[Bundle], options: &ExportOptions, file: &Path) -> anyhow::Result<Status> {
    let failed = || format!("{} can't be written", file.display());
    // A device is written to; a rename would take its place.
    if file.exists() && !file.is_file() {
        return Ok(write(named, options, File::create(file).with_context(failed)?, true)?.1);
    }
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let new = NamedTempFile::new_in(parent).with_context(failed)?;
    let (new, status) = write(named, options, new, true)?;
    if status != Status::Fatal || named.len() > 1 {
        new.persist(file).map_err(|error| error.error).with_context(failed)?;
    }
    Ok(status)
}

fn write<W: Write>(named: &[Bundle], options: &ExportOptions, out: W, tell_ids: bool) -> anyhow::Result<(W, Status)> {
    let mut json = JsonFile::new(BufWriter::new(out))?;
    let status = worst(named, |bundle| {
        let (opened, graph) = reduced(bundle)?;
        let exported = add(&mut json, opened.reader(), &graph, options)?;
        report(bundle, &exported, "written");
        if tell_ids {
            exported.trace_ids.iter().try_for_each(say::out)?;
        }
        Ok(told(&graph))
    });
    let out = json.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok((out, status))
}

fn add<W: Write>(
    json: &mut JsonFile<W>,
    bundle: &Reader,
    graph: &Graph,
    options: &ExportOptions,
) -> io::Result<Exported> {
    let bar = SpanBar::default();
    let exported = json.add(bundle, graph, options, |progress| bar.show(progress));
    bar.finish();
    exported
}
