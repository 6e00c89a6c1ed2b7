//! What a run leaves behind: a bundle, whose graph answers for every call.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use otel_trace::bundle::Reader;
use otel_trace::event::{ExecutionStatus, RolloutStatus};
use otel_trace::graph::{Graph, ItemKind, Producer};
use otel_trace::reduce::{Options, reduce};
use tempfile::TempDir;

/// A whole run against the embedded server, recorded into a directory of its own.
fn recorded() -> Result<(TempDir, PathBuf, String)> {
    let root = tempfile::tempdir()?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_example-agent"));
    for name in ["OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_MODEL", "OPENAI_REASONING"] {
        command.env_remove(name);
    }
    let output = command.env("OTEL_TRACE_ROOT", root.path()).stdin(Stdio::null()).output()?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{stdout}\n{}", String::from_utf8_lossy(&output.stderr));
    let mut bundles = root.path().read_dir()?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    ensure!(bundles.len() == 1, "{bundles:?}");
    let bundle = bundles.pop().context("no bundle")?;
    Ok((root, bundle, stdout))
}

#[test]
fn a_run_leaves_a_bundle_that_answers_for_every_call() -> Result<()> {
    let (_root, bundle, stdout) = recorded()?;
    // Strict: there is nothing at all to complain of.
    let graph = reduce(&Reader::open(&bundle)?, &Options::default().strict(true))?.graph;
    assert_eq!(graph.diagnostics, []);
    assert_eq!(graph.status, RolloutStatus::Completed);
    assert_eq!((graph.threads.len(), graph.turns.len()), (1, 2));
    assert!(graph.turns.iter().all(|turn| turn.input_item_ids.len() == 1));

    every_tool_call_is_linked(&graph);
    retries_are_calls_of_their_own(&graph);
    what_the_graph_says_was_shown(&graph, &stdout);
    assert!(bundle.join("state.json").is_file());
    Ok(())
}

fn every_tool_call_is_linked(graph: &Graph) {
    assert!(graph.tool_calls.len() >= 5, "{}", graph.tool_calls.len());
    for tool in graph.tool_calls.iter() {
        let asked = tool.requested_by.as_ref().and_then(|id| graph.inference_calls.get(id));
        let asked = asked.unwrap_or_else(|| panic!("nobody asked for {}", tool.tool_call_id));
        assert!(asked.tool_call_ids.contains(&tool.tool_call_id));
        assert!(asked.response_item_ids.contains(&tool.call_item_ids[0]));

        let [shown] = tool.output_item_ids[..] else { panic!("{:?}", tool.output_item_ids) };
        let shown = graph.item(shown).unwrap_or_else(|| panic!("no item {shown}"));
        assert_eq!(shown.content.kind, ItemKind::FunctionCallOutput);
        assert_eq!(shown.produced_by, [Producer::Tool { tool_call_id: tool.tool_call_id.clone() }]);
        let seen_by = graph.inference_calls.iter().find(|call| call.raw_request_payload_id == shown.raw_payload_id);
        assert!(seen_by.is_some_and(|call| call.window.started.seq > asked.window.started.seq));

        let operation = tool.operation_id.and_then(|id| graph.terminal_operation(id));
        let result = operation.and_then(|operation| operation.result.as_ref());
        let result = result.unwrap_or_else(|| panic!("no result of {}", tool.tool_call_id));
        assert!(result.exit_code.is_some());
        assert_eq!(tool.window.status, ExecutionStatus::Completed);
    }
}

fn retries_are_calls_of_their_own(graph: &Graph) {
    let failed: Vec<_> = graph.inference_calls.iter().filter_map(|call| call.error.as_deref()).collect();
    assert_eq!(failed.len(), 2, "{failed:?}");
    assert!(failed[0].starts_with("429") && failed[1].starts_with("503"), "{failed:?}");
    for call in graph.inference_calls.iter() {
        let is_failed = call.error.is_some();
        assert_eq!(call.window.status == ExecutionStatus::Failed, is_failed);
        assert_eq!(call.usage.is_some(), !is_failed);
        assert_eq!(call.first_token_at.is_some(), !is_failed);
        assert!(call.request_len() > 0);
    }
}

fn what_the_graph_says_was_shown(graph: &Graph, stdout: &str) {
    let tree = stdout.split("what happened").nth(1).unwrap_or_else(|| panic!("no tree in {stdout}"));
    for number in 1..=graph.inference_calls.len() {
        assert!(tree.contains(&format!("─ call {number}  ")), "no call {number} in {tree}");
    }
    assert_eq!(tree.matches("─ $ ").count(), graph.tool_calls.len(), "{tree}");
    assert_eq!(tree.matches("seen by call ").count(), graph.tool_calls.len(), "{tree}");
    assert!(tree.contains("exit 101") && tree.contains("exit 0"), "{tree}");
}
