//! `otel-trace export`

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::ValueEnum;
use clap::error::ErrorKind;
use otel_trace::bundle::Reader;
use otel_trace::graph::{Graph, Severity};
use otel_trace::otlp::export::{ExportOptions, ExportSummary, JsonFile, Plan, export};
use otel_trace::otlp::{ContentPolicy, Mapping, Protocol};
use otel_trace::reduce::{Options, reduce};
use tempfile::NamedTempFile;

use super::archive::OpenBundle;
use super::bundles::Bundle;
use super::parallel::report_error;
use super::span_bar::SpanBar;
use super::{Status, bundles, exit_with_usage, output};

/// Send a run as OpenTelemetry traces to Jaeger or another backend
///
/// Each thread, turn, inference call, tool call, code cell and compaction request becomes a span with its own times,
/// status, parent and links. Spans that were already exported live keep their ids. The ids of all other spans are
/// derived from the bundle, so that repeated exports give the same trace. Prints the trace ids to stdout, and counts to
/// stderr.
///
/// Export a run either live or with this command, because Jaeger shows a span twice that it receives twice. The live
/// export sends every 5 s (OTEL_BSP_SCHEDULE_DELAY, in milliseconds) and when the program ends.
///
/// Content (messages, instructions, tool arguments and results) is exported only with --content, or if
/// OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT is true. Nothing is masked again: recorders mask secrets when they
/// write a bundle. Of a bundle that holds secrets, export a copy by `otel-trace redact`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Destination without --endpoint, --protocol and --header:
  OTEL_EXPORTER_OTLP_ENDPOINT, …_PROTOCOL, …_HEADERS and the other standard variables, or their
  forms for traces only, OTEL_EXPORTER_OTLP_TRACES_…; by default http://localhost:4318, where
  Jaeger listens, or with gRPC http://localhost:4317.
  The service is OTEL_SERVICE_NAME, or by default the name of the root agent.

Exit status (of several bundles, the worst: 1 is worse than 3, and 3 is worse than 0):
  0  all spans were sent or written
  1  a path is not a bundle, the receiver cannot be reached or refused the spans, or the output
     cannot be written; it is safe to run the command again: spans keep their ids, but Jaeger shows
     spans twice that it had already accepted
  2  wrong usage
  3  the spans were sent or written, but something damaged or unknown was left out, or the receiver
     rejected some spans

Examples:
  otel-trace export traces/trace-1
  otel-trace export traces --dry-run
  otel-trace export traces/trace-1 --content --service my-agent
  otel-trace export traces/trace-1 --endpoint http://localhost:4317 --protocol grpc
  otel-trace export traces/trace-1 --endpoint https://otlp.example.com \\
    --header \"authorization=Bearer $TOKEN\"
  # for the Upload tab of Jaeger's search page
  otel-trace export traces/trace-1 --format otlp-json run.json

To view the trace in Jaeger, open http://localhost:16686/trace/<printed id>. The GenAI tab of an
inference call shows the conversation if --content was given; Details has the attributes and links.
The search page finds runs by the tags of their spans: gen_ai.tool.name=exec_command, error=true.")]
pub(super) struct Args {
    /// A bundle (a directory with manifest.json and trace.jsonl), an archive of a bundle (made by `otel-trace pack
    /// --zstd`), or a directory that contains bundles
    #[arg(required = true, value_name = "BUNDLE")]
    bundles: Vec<PathBuf>,

    /// Send to this base URL; with HTTP, /v1/traces is appended
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,

    /// Use this OTLP protocol [default: $OTEL_EXPORTER_OTLP_PROTOCOL, or http/protobuf]
    #[arg(long, value_enum)]
    protocol: Option<ProtocolName>,

    /// Send this header with each request; can be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = header)]
    header: Vec<(String, String)>,

    /// Also export content: messages, instructions, tool arguments and results
    #[arg(long)]
    content: bool,

    /// Set the service name, the resource attribute service.name
    #[arg(long, value_name = "NAME")]
    service: Option<String>,

    /// Send nothing; print the destination and the number of spans of each kind
    #[arg(long)]
    dry_run: bool,

    /// Write the spans to a file instead of sending them; the only format is `otlp-json`, and FILE `-` is stdout. The
    /// spans of several bundles go to the same file, each bundle with a separate resource (service); bundles that
    /// cannot be read are left out
    #[arg(
        long,
        num_args = 2,
        value_names = ["FORMAT", "FILE"],
        conflicts_with_all = ["endpoint", "protocol", "header"]
    )]
    format: Option<Vec<PathBuf>>,
}

/// The values of `--protocol`.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum ProtocolName {
    /// Protobuf over HTTP
    #[value(name = "http/protobuf")]
    HttpProtobuf,
    /// gRPC
    Grpc,
}

/// Parses a value of `--header`.
fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// Exits with an error about the values of `--format`.
pub(super) fn exit_with_format_usage(kind: ErrorKind, problem: &str) -> ! {
    let expected = "expected `--format otlp-json FILE`, where FILE is the file to write, or `-` for stdout";
    exit_with_usage("export", kind, &format!("{problem}; {expected}"))
}

pub(super) fn run(args: &Args) -> Status {
    let named = bundles::find(&args.bundles).bundles;
    let options = args.options();
    let file = args.file();
    let done = match file {
        _ if args.dry_run => args.plan(&named, &options),
        Some(file) if file == Path::new("-") => write(&named, &options, output::stdout(), Target::Stdout),
        Some(file) => write_file(&named, &options, file),
        None => Ok(for_each_in_order(&named, |bundle| send(bundle, &options))),
    };
    done.unwrap_or_else(|error| report_error(&error))
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

    /// Returns the file of `--format`. Returns `None` if the spans are to be sent.
    fn file(&self) -> Option<&Path> {
        let [format, file] = self.format.as_deref()? else { return None };
        if format != Path::new("otlp-json") {
            exit_with_format_usage(ErrorKind::InvalidValue, &format!("unknown --format `{}`", format.display()));
        }
        Some(file)
    }

    /// Prints what would be exported, for `--dry-run`.
    fn plan(&self, named: &[Bundle], options: &ExportOptions) -> anyhow::Result<Status> {
        let would = match self.file() {
            Some(file) => format!("would write to {}", file.display()),
            None => format!("would send to {}", options.destination()?),
        };
        Ok(for_each_in_order(named, |bundle| {
            let (opened, graph) = reduced(bundle)?;
            let plan = Plan::new(opened.reader(), &graph);
            for (trace, kinds) in &plan.traces {
                let kinds = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect::<Vec<_>>().join(", ");
                output::print(trace)?;
                let path = bundle.path.display();
                output::eprint(format_args!("{path}: {would}: {kinds}, in trace {trace}"));
            }
            Ok(report_skipped(&graph))
        }))
    }
}

/// Calls `work` for one bundle after the other, so that the receiver is not overloaded. Prints errors and returns the
/// worst status.
fn for_each_in_order(named: &[Bundle], mut work: impl FnMut(&Bundle) -> anyhow::Result<Status>) -> Status {
    let statuses = named.iter().map(|bundle| work(bundle).unwrap_or_else(|error| report_error(&error)));
    statuses.fold(Status::Complete, Status::max)
}

fn reduced(bundle: &Bundle) -> anyhow::Result<(OpenBundle, Graph)> {
    let opened = OpenBundle::open_named(bundle)?;
    let graph = reduce(opened.reader(), &Options::default())?.graph;
    Ok((opened, graph))
}

/// Prints the number of skipped problems to stderr and returns the status of the graph.
fn report_skipped(graph: &Graph) -> Status {
    let skipped = graph.diagnostics.iter().filter(|it| it.severity == Severity::Skipped).count();
    if skipped > 0 {
        let problems = output::pluralize(skipped, "problem");
        output::eprint(format_args!("{problems} in the evidence left something out; `otel-trace check` lists them"));
    }
    Status::from_diagnostics(&graph.diagnostics)
}

fn send(bundle: &Bundle, options: &ExportOptions) -> anyhow::Result<Status> {
    let (opened, graph) = reduced(bundle)?;
    let bar = SpanBar::default();
    let exported = export(opened.reader(), &graph, options, |progress| bar.show(progress));
    bar.finish();
    let exported = exported.with_context(|| bundle.path.display().to_string())?;
    report(bundle, &exported, &format!("sent to {}", options.destination()?));
    exported.trace_ids.iter().try_for_each(output::print)?;
    let status = if exported.rejected > 0 { Status::Skipped } else { Status::Complete };
    Ok(report_skipped(&graph).max(status))
}

/// Prints the number of exported and rejected spans to stderr.
fn report(bundle: &Bundle, exported: &ExportSummary, action: &str) {
    let path = bundle.path.display();
    output::eprint(format_args!("{path}: {} {action}", output::pluralize(exported.spans, "span")));
    for span in &exported.too_large {
        let advice = "it is larger than the receiver accepts: raise the receiver's limit, or export without --content";
        output::eprint(format_args!("{path}: {span}; {advice}"));
    }
    let rejected = exported.rejected.saturating_sub(exported.too_large.len());
    if rejected > 0 {
        let reason = exported.rejection.as_deref().unwrap_or("the receiver gave no reason");
        output::eprint(format_args!("{path}: {} rejected: {reason}", output::pluralize(rejected, "span")));
    }
}

/// Writes the spans of all bundles to one file, which appears when it is complete.
fn write_file(named: &[Bundle], options: &ExportOptions, file: &Path) -> anyhow::Result<Status> {
    let failed = || format!("cannot write {}", file.display());
    // Writes to a device directly: renaming a file to its path would replace it.
    if file.exists() && !file.is_file() {
        return write(named, options, File::create(file).with_context(failed)?, Target::File);
    }
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut new = NamedTempFile::new_in(parent).with_context(failed)?;
    let status = write(named, options, &mut new, Target::File)?;
    if status != Status::Fatal || named.len() > 1 {
        new.persist(file).map_err(|error| error.error).with_context(failed)?;
    }
    Ok(status)
}

/// The destination of `--format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    /// The spans go to stdout. The trace ids are not printed.
    Stdout,
    /// The spans go to a file. The trace ids are printed to stdout.
    File,
}

impl Target {
    /// Returns `true` if the reader of stdout has closed its pipe, which is not an error: it may stop reading at any
    /// time.
    fn is_closed(self, error: &io::Error) -> bool {
        self == Self::Stdout && error.kind() == io::ErrorKind::BrokenPipe
    }
}

/// Writes the spans of all bundles as OTLP JSON. Ends early if stdout is closed.
fn write(named: &[Bundle], options: &ExportOptions, out: impl Write, target: Target) -> anyhow::Result<Status> {
    let mut json = JsonFile::new(BufWriter::new(out))?;
    let mut is_closed = false;
    let status = for_each_in_order(named, |bundle| {
        if is_closed {
            return Ok(Status::Complete);
        }
        let (opened, graph) = reduced(bundle)?;
        match add(&mut json, opened.reader(), &graph, options) {
            Ok(exported) => {
                report(bundle, &exported, "written");
                if target == Target::File {
                    exported.trace_ids.iter().try_for_each(output::print)?;
                }
            }
            Err(error) if target.is_closed(&error) => is_closed = true,
            Err(error) => return Err(error.into()),
        }
        Ok(report_skipped(&graph))
    });
    match json.finish() {
        Err(error) if !target.is_closed(&error) => Err(error.into()),
        Ok(_) | Err(_) => Ok(status),
    }
}

fn add<W: Write>(
    json: &mut JsonFile<W>,
    bundle: &Reader,
    graph: &Graph,
    options: &ExportOptions,
) -> io::Result<ExportSummary> {
    let bar = SpanBar::default();
    let exported = json.add(bundle, graph, options, |progress| bar.show(progress));
    bar.finish();
    exported
}
