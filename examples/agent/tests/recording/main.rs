//! Tests of the bundle and the graph of a run. Facts of the graph are compared with the payloads, which are read here
//! without the reducer.

mod agents;
mod calls;
mod cells;
mod evidence;
mod history;
mod terminals;
mod tree;
mod wire;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use anyhow::{Context, Result, ensure};
use otel_trace::bundle::Reader;
use otel_trace::event::{ExecutionStatus, RolloutStatus};
use otel_trace::graph::{Graph, InferenceCall, Item, ItemId, ToolCall};
use otel_trace::reduce::{Options, reduce};
use tempfile::TempDir;

use evidence::Evidence;

/// A complete run against the embedded server, recorded into a separate directory.
struct Recorded {
    _root: TempDir,
    bundle: PathBuf,
    graph: Graph,
    evidence: Evidence,
    stdout: String,
}

/// The run that all tests of this binary examine.
static RUN: LazyLock<Recorded> = LazyLock::new(|| record().expect("a run"));

fn record() -> Result<Recorded> {
    let root = tempfile::tempdir()?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_example-agent"));
    command.env("COLUMNS", "300");
    for name in ["OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_MODEL", "OPENAI_REASONING", "OPENAI_SCRIPTS"] {
        command.env_remove(name);
    }
    let output = command.env("OTEL_TRACE_ROOT", root.path()).stdin(Stdio::null()).output()?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{stdout}\n{}", String::from_utf8_lossy(&output.stderr));
    let mut bundles = root.path().read_dir()?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    ensure!(bundles.len() == 1, "{bundles:?}");
    let bundle = bundles.pop().context("no bundle")?;
    // Strict mode: a violation of the format is an error.
    let graph = reduce(&Reader::open(&bundle)?, &Options::default().strict(true))?.graph;
    let evidence = Evidence::read(&bundle)?;
    Ok(Recorded { _root: root, bundle, graph, evidence, stdout })
}

impl Recorded {
    fn item(&self, id: ItemId) -> &Item {
        self.graph.item(id).unwrap_or_else(|| panic!("no item {id}"))
    }

    /// Returns the tool calls that ran this command.
    fn command(&self, cmd: &str) -> Vec<&ToolCall> {
        let matches = |tool: &&ToolCall| self.evidence.argument(tool, "cmd").as_deref() == Some(cmd);
        self.graph.tool_calls.iter().filter(matches).collect()
    }

    fn tools_named(&self, name: &str) -> Vec<&ToolCall> {
        self.graph.tool_calls.iter().filter(|tool| self.evidence.tool_name(tool) == name).collect()
    }

    /// Returns the payload id of the first request, of an inference call or a compaction, that contains the output of a
    /// tool call.
    fn payload_of_first_request_with(&self, call_id: &str, output: ItemId) -> &str {
        if let Some(request) = self.evidence.first_request_with_output(call_id) {
            return request;
        }
        // The history was compacted before the output was sent to the model.
        let compaction = self.graph.compactions.iter().find(|it| it.input_item_ids.contains(&output));
        let request = compaction.and_then(|it| self.graph.compaction_requests.get(it.request_ids.first()?));
        request.unwrap_or_else(|| panic!("{call_id} was never shown")).raw_request_payload_id.as_str()
    }

    /// Returns the inference call that requested a tool call.
    fn requesting_call(&self, tool: &ToolCall) -> &InferenceCall {
        let requesting_call = tool.requested_by.as_ref().and_then(|id| self.graph.inference_calls.get(id));
        requesting_call.unwrap_or_else(|| panic!("no call requested {}", tool.tool_call_id))
    }
}

#[test]
fn recording_has_no_diagnostics() {
    let run = &*RUN;
    assert_eq!(run.graph.diagnostics, []);
    assert_eq!(run.graph.status, RolloutStatus::Completed);
    assert_eq!((run.graph.threads.len(), run.graph.turns.len()), (2, 4));
    for turn in run.graph.turns.iter() {
        assert_eq!(turn.execution.status, ExecutionStatus::Completed);
        assert!(!turn.input_item_ids.is_empty(), "{}", turn.turn_id);
    }
    assert!(run.bundle.join("state.json").is_file());
    // The log has no event that readers of older versions of the format reject.
    let kinds = run.evidence.events.iter().filter_map(|event| event["payload"]["type"].as_str());
    assert_eq!(kinds.filter(|kind| matches!(*kind, "other" | "inference_cancelled")).count(), 0);
}

#[test]
fn retries_are_separate_inference_calls() {
    let run = &*RUN;
    let failed: Vec<_> = run.graph.inference_calls.iter().filter_map(|call| call.error.as_deref()).collect();
    assert_eq!(failed.len(), 2, "{failed:?}");
    assert!(failed[0].starts_with("429") && failed[1].starts_with("503"), "{failed:?}");
    for call in run.graph.inference_calls.iter() {
        let is_failed = call.error.is_some();
        assert_eq!(call.execution.status == ExecutionStatus::Failed, is_failed);
        assert_eq!(call.usage.is_some(), !is_failed);
        assert_eq!(call.first_token_at.is_some(), !is_failed);
        assert!(call.request_len() > 0);
    }
}
