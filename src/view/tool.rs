//! The nodes of tool calls: what was done, with what result.

use crate::event::{RawPayloadId, ToolKind, ToolSummary};
use crate::graph::{
    Edge, EdgeKind, ItemId, Part, Requester, TerminalOperation, TerminalRequest, TerminalSession, ToolCall,
};

use super::index::{Index, script};
use super::node::{Node, NodeKind, Text};
use super::title;

/// Reads a payload of the run's bundle.
pub(super) type ReadPayload<'a> = &'a dyn Fn(&RawPayloadId) -> Option<Vec<u8>>;

/// Creates the node of a tool call. A payload is read if nothing else says what the tool returned.
pub(super) fn node(index: &Index<'_>, tool: &ToolCall, payload: ReadPayload<'_>) -> Node {
    let operation = tool.operation_id.and_then(|id| index.graph.terminal_operation(id));
    let edge = index.edge_from(&tool.tool_call_id);
    let label = label(index, tool, operation, edge);
    let mut notes = Vec::new();
    if let Some(operation) = operation {
        notes.extend(terminal_note(index, operation));
    }
    // What a nested call returns goes to its script: a model sees what the script prints.
    let read =
        edge.and_then(|edge| index.seen_by(&edge.carried_item_ids)).map(|seen| seen.replace("seen by", "read by"));
    let seen = || match tool.requester {
        Requester::Model => index.seen_by(&tool.output_item_ids),
        Requester::CodeCell { .. } => None,
    };
    notes.extend(read.or_else(seen));
    Node {
        text: edge.and_then(|edge| message(index, edge)).or_else(|| output(index, tool, operation, payload)),
        error: tool.error.clone(),
        exit_code: operation.and_then(|operation| operation.result.as_ref()?.exit_code),
        notes,
        // Different commands of one shell are not alike.
        fold_key: Some(if label.starts_with(['$', '>']) { label.clone() } else { name(tool) }),
        ..Node::of(NodeKind::Tool, &tool.tool_call_id, label, &tool.execution)
    }
}

/// Returns the message that a tool call sent to another agent.
fn message(index: &Index<'_>, edge: &Edge) -> Option<Text> {
    let items = edge.carried_item_ids.iter().filter_map(|id| index.graph.item(*id));
    items.filter_map(|item| Text::new(&title::message_text(&item.content.text()))).next()
}

/// Returns the name of a tool.
pub(super) fn name(tool: &ToolCall) -> String {
    let label = tool.label.as_deref();
    let name = match &tool.kind {
        ToolKind::ExecCommand => "exec_command",
        ToolKind::WriteStdin => "write_stdin",
        ToolKind::ApplyPatch => "apply_patch",
        ToolKind::Mcp { server, tool } => return format!("{server}.{tool}"),
        ToolKind::Web => label.unwrap_or("web"),
        ToolKind::ImageGeneration => label.unwrap_or("image_generation"),
        ToolKind::SpawnAgent => "spawn_agent",
        ToolKind::AssignAgentTask => "assign_agent_task",
        ToolKind::SendMessage => "send_message",
        ToolKind::WaitAgent => "wait_agent",
        ToolKind::CloseAgent => "close_agent",
        ToolKind::Other { name } => name,
    };
    name.to_owned()
}

/// Returns what a tool call did, in a few words.
fn label(index: &Index<'_>, tool: &ToolCall, operation: Option<&TerminalOperation>, edge: Option<&Edge>) -> String {
    if let Some(operation) = operation {
        return match &operation.request {
            TerminalRequest::ExecCommand { command, display_command, .. } => {
                // A shell's arguments are `-lc` and the command line that the model wrote.
                format!("$ {}", shell_command(command).unwrap_or(display_command))
            }
            TerminalRequest::WriteStdin { stdin, .. } if stdin.is_empty() => "read the terminal".to_owned(),
            TerminalRequest::WriteStdin { stdin, .. } => format!("> {stdin:?}"),
        };
    }
    if let Some(edge) = edge {
        let verb = match edge.kind {
            EdgeKind::SpawnAgent => "spawn",
            EdgeKind::AssignAgentTask => "task for",
            EdgeKind::SendMessage => "message to",
            EdgeKind::AgentResult => "result to",
            EdgeKind::CloseAgent => "close",
        };
        return format!("{verb} {}", index.agent_at(&edge.target));
    }
    if let Some(cell) = index.waited_for(&tool.tool_call_id) {
        return format!("wait for {}", script(cell));
    }
    match arguments(index, tool) {
        Some(arguments) if tool.kind == ToolKind::ExecCommand => match command(arguments) {
            Some(command) => format!("$ {command}"),
            None => format!("{} {arguments}", name(tool)),
        },
        Some(arguments) => format!("{} {arguments}", name(tool)),
        None => name(tool),
    }
}

/// Returns the command in the arguments of a tool that never ran it.
fn command(arguments: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Command {
        Line(String),
        Words(Vec<String>),
    }
    #[derive(serde::Deserialize)]
    struct Arguments {
        #[serde(alias = "command")]
        cmd: Command,
    }
    match serde_json::from_str::<Arguments>(arguments).ok()?.cmd {
        Command::Line(line) => Some(line),
        Command::Words(words) => Some(shell_command(&words).map_or_else(|| words.join(" "), ToOwned::to_owned)),
    }
}

/// Returns the command line that a shell was given. Returns `None` if the program is no shell.
fn shell_command(command: &[String]) -> Option<&str> {
    let [program, flag, line] = command else { return None };
    let shells = ["sh", "bash", "zsh", "dash", "fish", "ksh"];
    let is_shell = program.rsplit('/').next().is_some_and(|name| shells.contains(&name));
    (is_shell && flag.starts_with('-') && flag.ends_with('c')).then_some(line.as_str())
}

/// Returns the beginning of a tool's arguments: those that its model wrote, else those that its start event has.
fn arguments<'a>(index: &Index<'a>, tool: &'a ToolCall) -> Option<&'a str> {
    let written = tool.call_item_ids.first().and_then(|id| arguments_in(index, *id));
    let previewed = || match &tool.summary {
        ToolSummary::Generic { input_preview, .. } => input_preview.as_deref(),
        ToolSummary::Agent { message_preview, .. } => Some(message_preview.as_str()),
        ToolSummary::Terminal { .. } | ToolSummary::WaitAgent { .. } => None,
    };
    written.or_else(previewed).filter(|arguments| !arguments.is_empty() && *arguments != "{}")
}

/// Returns the beginning of the arguments in the item of a call.
pub(super) fn arguments_in<'a>(index: &Index<'a>, item: ItemId) -> Option<&'a str> {
    match index.graph.item(item)?.content.parts.first()? {
        Part::Json { summary } => Some(summary),
        Part::Text(text) | Part::LabelledText { text, .. } => Some(text),
        Part::Code { source, .. } => Some(source),
        Part::Summary(_) | Part::Encoded { .. } | Part::PayloadRef { .. } => None,
    }
}

/// Returns what a tool printed, else what its model was shown.
fn output(
    index: &Index<'_>,
    tool: &ToolCall,
    operation: Option<&TerminalOperation>,
    payload: ReadPayload<'_>,
) -> Option<Text> {
    let result = operation.and_then(|operation| operation.result.as_ref());
    let printed = result.and_then(|result| {
        let formatted = || Text::new(result.formatted_output.as_deref()?);
        Text::new(&result.stdout).or_else(|| Text::new(&result.stderr)).or_else(formatted)
    });
    let shown = || {
        let items = tool.output_item_ids.iter().filter_map(|id| index.graph.item(*id));
        items.filter_map(|item| text_of(&item.content.parts)).next()
    };
    let recorded = || result_text(&payload(tool.raw_result_payload_id.as_ref()?)?);
    let previewed = || match &tool.summary {
        ToolSummary::Generic { output_preview, .. } => Text::new(output_preview.as_deref()?),
        ToolSummary::Terminal { .. } | ToolSummary::Agent { .. } | ToolSummary::WaitAgent { .. } => None,
    };
    printed.or_else(shown).or_else(previewed).or_else(recorded)
}

/// Returns the text of an item, else the beginning of its JSON.
fn text_of(parts: &[Part]) -> Option<Text> {
    let json = |part: &Part| match part {
        Part::Json { summary } => Text::new(summary),
        Part::Text(_)
        | Part::LabelledText { .. }
        | Part::Summary(_)
        | Part::Encoded { .. }
        | Part::Code { .. }
        | Part::PayloadRef { .. } => None,
    };
    let texts = parts.iter().filter_map(Part::as_text).filter_map(Text::new);
    texts.chain(parts.iter().filter_map(json)).next()
}

/// Returns the text in the payload of a tool's result, else its JSON.
fn result_text(payload: &[u8]) -> Option<Text> {
    let result: serde_json::Value = serde_json::from_slice(payload).ok()?;
    let members = ["/response_item/output", "/value", "/output"];
    let found = members.iter().find_map(|member| result.pointer(member)).filter(|found| !found.is_null())?;
    match found.as_str() {
        Some(text) => Text::new(text),
        None => Text::new(&found.to_string()),
    }
}

/// Names the terminal of an operation, if several operations use it.
fn terminal_note(index: &Index<'_>, operation: &TerminalOperation) -> Option<String> {
    let session = operation.terminal_id.as_ref().and_then(|id| index.graph.terminal_sessions.get(id));
    let session = session.filter(|session: &&TerminalSession| session.operation_ids.len() > 1)?;
    Some(match &operation.request {
        TerminalRequest::ExecCommand { .. } => format!("opens terminal {}", session.terminal_id),
        TerminalRequest::WriteStdin { .. } => format!("in terminal {}", session.terminal_id),
    })
}
