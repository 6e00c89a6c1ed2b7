//! A report of a bundle, one line per call.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use otel_trace::bundle::Reader;
use otel_trace::event::ToolSummary;
use otel_trace::graph::{Anchor, Graph, Origin, Snapshots, ToolCall, write_state_file};
use otel_trace::reduce::{Options, reduce};

/// Returns the bundles in a directory.
pub(crate) fn bundles(root: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut bundles = BTreeSet::new();
    for entry in root.read_dir()? {
        let path = entry?.path();
        if path.join("manifest.json").exists() {
            bundles.insert(path);
        }
    }
    Ok(bundles)
}

/// Reduces a bundle, writes `state.json`, and renders the graph: threads, their inference calls, and the tool calls
/// that each requested.
pub(crate) fn render(bundle: &Path) -> Result<String> {
    let graph = reduce(&Reader::open(bundle)?, &Options::default())?.graph;
    write_state_file(&graph, &bundle.join("state.json"), Snapshots::Expanded)?;
    let mut report = format!("\n{}\n", bundle.display());
    for thread in graph.threads.iter() {
        let name = thread.nickname.as_deref().unwrap_or(thread.agent_path.as_str());
        let from = match &thread.origin {
            Origin::Root => String::new(),
            Origin::Spawned { spawn_edge_id, .. } => spawned_by(&graph, spawn_edge_id),
        };
        let _ = writeln!(report, "  {name}{from}");
        for call in graph.inference_calls.iter().filter(|call| call.thread_id == thread.thread_id) {
            let usage = call.usage.map(|usage| format!("  {} in, {} out", usage.input_tokens, usage.output_tokens));
            let error = call.error.as_ref().map(|error| format!("  {error}"));
            let (model, status) = (&call.model, call.execution.status.name());
            let (usage, error) = (usage.unwrap_or_default(), error.unwrap_or_default());
            let _ = writeln!(report, "    {model}  {status}  {} items{usage}{error}", call.request_len());
            for tool in
                graph.tool_calls.iter().filter(|tool| tool.requested_by.as_ref() == Some(&call.inference_call_id))
            {
                let _ = writeln!(report, "      {}", tool_line(tool));
            }
        }
    }
    for diagnostic in &graph.diagnostics {
        let _ = writeln!(report, "  ! {diagnostic}");
    }
    Ok(report)
}

fn spawned_by(graph: &Graph, edge: &otel_trace::event::EdgeId) -> String {
    match graph.edges.get(edge).map(|edge| &edge.source) {
        Some(Anchor::ToolCall { tool_call_id }) => format!("  spawned by tool call {tool_call_id}"),
        Some(Anchor::ConversationItem { .. } | Anchor::Thread { .. }) | None => "  spawned".to_owned(),
    }
}

fn tool_line(tool: &ToolCall) -> String {
    let shown = if tool.output_item_ids.is_empty() { "" } else { "  seen by the model" };
    let error = tool.error.as_ref().map(|error| format!("  {error}")).unwrap_or_default();
    format!("{}  {}{shown}{error}", tool_name(tool), tool.execution.status.name())
}

fn tool_name(tool: &ToolCall) -> &str {
    match &tool.summary {
        ToolSummary::Generic { label, .. } => label,
        ToolSummary::Terminal { .. } | ToolSummary::Agent { .. } | ToolSummary::WaitAgent { .. } => "tool",
    }
}
