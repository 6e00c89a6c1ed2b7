//! `otel-trace check`

use std::path::{Path, PathBuf};

use otel_trace::graph::{BundleDiagnostic, Code, Diagnostic, Severity};
use otel_trace::reduce::{Options, reduce};
use serde::Serialize;

use super::archive::Opened;
use super::each::{each, fatal};
use super::joined::{self, Roots};
use super::{Status, bundles, say};

/// Say what is wrong with a bundle, and write nothing
///
/// Looks at everything: the log line by line, the order of events, what they refer to, how things started and ended,
/// and every body, those that no graph needs too. One line on stdout for each finding. That something never ended is
/// none: a run may have been killed. Of a directory that holds bundles also whether the agents in other processes, that
/// they tell of, are there.
#[derive(Debug, clap::Args)]
#[command(after_help = EPILOGUE, after_long_help = epilogue_with_codes())]
pub(super) struct Args {
    /// Bundles, directories with manifest.json and trace.jsonl, or archives of them; or directories that hold bundles
    #[arg(required = true, value_name = "BUNDLE")]
    bundles: Vec<PathBuf>,

    /// One JSON object a finding: {bundle, seq?, line?, code, severity, message, raw_payload_id?}
    #[arg(long)]
    json: bool,
}

const EPILOGUE: &str = "\
Exit status, the worst of all bundles:
  0  nothing is missing; there may be notices
  1  no bundle
  2  wrong usage
  3  something is damaged or unknown, and would be left out of the graph

Examples:
  otel-trace check traces/trace-1
  otel-trace check traces --json | jq 'select(.severity == \"skipped\")'";

/// The table of everything that can be found.
fn epilogue_with_codes() -> String {
    let row = |code: &Code| {
        let strict = if code.stops_strict() { ", ends reduce --strict" } else { "" };
        format!("  {code} ({}{strict})\n      {}\n", code.severity(), code.meaning())
    };
    let codes: String = Code::ALL.iter().map(row).collect();
    format!("{EPILOGUE}\n\nWhat can be found:\n{codes}")
}

/// A finding as JSON.
#[derive(Serialize)]
struct Finding<'a> {
    bundle: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(flatten)]
    diagnostic: &'a Diagnostic,
}

pub(super) fn run(args: &Args) -> Status {
    let named = bundles::named(&args.bundles);
    let options = Options::default().every_body(true);
    let look = |bundle: &Path| Ok(reduce(Opened::of(bundle)?.reader(), &options)?.graph);
    let mut roots = Roots::of(&named);
    let status = each(&named.bundles, look, |bundle, graph| {
        roots.add(bundle, graph.as_ref());
        let findings = graph?.diagnostics;
        for diagnostic in &findings {
            say::out(line(args.json, &bundle.path, diagnostic)?)?;
        }
        say::err(format_args!("{}: {}", bundle.path.display(), verdict(&findings)));
        Ok(Status::of(&findings))
    });
    let joins = roots.finish().map(|(root, joined)| {
        let findings: Vec<_> = joined::findings(&joined).collect();
        say_findings(args.json, root, &findings).unwrap_or_else(|error| fatal(&error))
    });
    joins.fold(status, Status::max)
}

/// What only the bundles of a root directory together tell.
fn say_findings(as_json: bool, root: &Path, findings: &[&BundleDiagnostic]) -> anyhow::Result<Status> {
    for BundleDiagnostic { bundle, diagnostic } in findings {
        say::out(line(as_json, &root.join(bundle), diagnostic)?)?;
    }
    if !findings.is_empty() {
        let counted = say::counted(findings.len(), "thing");
        say::err(format_args!("{}: {counted} between its bundles", root.display()));
    }
    Ok(Status::of(findings.iter().map(|found| &found.diagnostic)))
}

fn line(as_json: bool, bundle: &Path, diagnostic: &Diagnostic) -> anyhow::Result<String> {
    let bundle = bundle.display().to_string();
    if as_json {
        return Ok(serde_json::to_string(&Finding { bundle, line: diagnostic.line, diagnostic })?);
    }
    Ok(format!("{bundle}: {}: {diagnostic}", diagnostic.severity))
}

fn verdict(findings: &[Diagnostic]) -> String {
    let skipped = findings.iter().filter(|it| it.severity == Severity::Skipped).count();
    match (findings.len(), skipped) {
        (0, _) => "sound".to_owned(),
        (notices, 0) => format!("nothing is missing, {}", say::counted(notices, "notice")),
        (all, skipped) => {
            let damaged = say::counted(skipped, "damaged or unknown thing");
            format!("{damaged}, {}", say::counted(all - skipped, "notice"))
        }
    }
}
