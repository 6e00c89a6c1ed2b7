//! `otel-trace check`

use std::path::{Path, PathBuf};

use otel_trace::graph::{BundleDiagnostic, Code, Diagnostic, Severity};
use otel_trace::reduce::{Options, reduce};
use serde::Serialize;

use super::archive::OpenBundle;
use super::bundles::{self, Bundle};
use super::joined::{self, Roots};
use super::parallel::{for_each_bundle, report_error};
use super::run_outcome::RunOutcome;
use super::{Status, output};

/// Check a bundle and report every problem, without writing anything
///
/// Checks each line of the log, the order of events, the objects and payloads that they reference, the start and end of
/// every operation, and the content of every payload. Prints one line per problem to stdout, and how each run ended, what
/// failed in it and a summary to stderr. An operation without an end is not a problem: the run may have been killed. For a directory that contains
/// bundles, also checks that the bundles of child processes exist.
#[derive(Debug, clap::Args)]
#[command(after_help = EPILOGUE, after_long_help = epilogue_with_codes())]
pub(super) struct Args {
    /// A bundle (a directory with manifest.json and trace.jsonl), an archive of a bundle (made by `otel-trace pack
    /// --zstd`), or a directory that contains bundles
    #[arg(required = true, value_name = "BUNDLE")]
    bundles: Vec<PathBuf>,

    /// Print one JSON object per problem: {bundle, seq?, line?, code, severity, message, raw_payload_id?}; severity is
    /// `notice` or `skipped`
    #[arg(long)]
    json: bool,
}

const EPILOGUE: &str = "\
Exit status (of several bundles, the worst: 1 is worse than 3, and 3 is worse than 0):
  0  all readable evidence was used; notices may report parts that were never recorded
  1  a path is not a bundle or cannot be read, or the output cannot be written
  2  wrong usage
  3  something is damaged or unknown and would be left out of the graph

Examples:
  otel-trace check traces/trace-1
  otel-trace check traces --json | jq 'select(.severity == \"skipped\")'";

/// Returns the epilogue of `--help`, with the table of all diagnostic codes.
fn epilogue_with_codes() -> String {
    let row = |code: &Code| {
        let strict = if code.stops_strict() { ", an error with reduce --strict" } else { "" };
        format!("  {code} ({}{strict})\n      {}\n", code.severity(), code.meaning())
    };
    let codes: String = Code::ALL.iter().map(row).collect();
    format!("{EPILOGUE}\n\nDiagnostic codes:\n{codes}")
}

/// A diagnostic in the format of `--json`.
#[derive(Serialize)]
struct JsonDiagnostic<'a> {
    bundle: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(flatten)]
    diagnostic: &'a Diagnostic,
}

pub(super) fn run(args: &Args) -> Status {
    let named = bundles::find(&args.bundles);
    let options = Options::default().every_body(true);
    let check = |bundle: &Bundle| Ok(reduce(OpenBundle::open_named(bundle)?.reader(), &options)?.graph);
    let mut roots = Roots::new(&named);
    let status = for_each_bundle(&named.bundles, check, |bundle, graph| {
        roots.add(bundle, graph.as_ref());
        let graph = graph?;
        let findings = &graph.diagnostics;
        for diagnostic in findings {
            output::print(line(args.json, &bundle.path, diagnostic)?)?;
        }
        output::eprint(format_args!("{}: {}; {}", bundle.path.display(), RunOutcome(&graph), verdict(findings)));
        Ok(Status::from_diagnostics(findings))
    });
    let joins = roots.finish().map(|(root, joined)| {
        let findings: Vec<_> = joined::findings(&joined).collect();
        report_joined(args.json, root, &findings).unwrap_or_else(|error| report_error(&error))
    });
    joins.fold(status, Status::max)
}

/// Prints the problems between the bundles of a root directory.
fn report_joined(as_json: bool, root: &Path, findings: &[&BundleDiagnostic]) -> anyhow::Result<Status> {
    for BundleDiagnostic { bundle, diagnostic } in findings {
        output::print(line(as_json, &root.join(bundle), diagnostic)?)?;
    }
    if !findings.is_empty() {
        let counted = output::pluralize(findings.len(), "problem");
        output::eprint(format_args!("{}: {counted} between its bundles", root.display()));
    }
    Ok(Status::from_diagnostics(findings.iter().map(|found| &found.diagnostic)))
}

/// Formats a diagnostic as one line.
fn line(as_json: bool, bundle: &Path, diagnostic: &Diagnostic) -> anyhow::Result<String> {
    let bundle = bundle.display().to_string();
    if as_json {
        return Ok(serde_json::to_string(&JsonDiagnostic { bundle, line: diagnostic.line, diagnostic })?);
    }
    Ok(format!("{bundle}: {}: {diagnostic}", diagnostic.severity))
}

/// Returns the summary of a bundle.
fn verdict(findings: &[Diagnostic]) -> String {
    let skipped = findings.iter().filter(|it| it.severity == Severity::Skipped).count();
    match (findings.len(), skipped) {
        (0, _) => "no problems".to_owned(),
        (notices, 0) => format!("nothing damaged or unknown, {}", output::pluralize(notices, "notice")),
        (all, skipped) => {
            let damaged = output::pluralize(skipped, "damaged or unknown part");
            format!("{damaged}, {}", output::pluralize(all - skipped, "notice"))
        }
    }
}
