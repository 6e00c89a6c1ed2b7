//! Names and types of tools.

use crate::event::ToolKind;
use crate::graph::{McpTool, ToolNames};
use crate::otlp::span::facts::ToolFacts;

/// Returns the tool of an MCP server that a call used. Returns `None` if it used none.
///
/// The invocation does not count: a live span knows only the kind and the label of its tool.
pub(super) fn mcp_tool(facts: &ToolFacts) -> Option<McpTool> {
    let ToolFacts { call_id: _, kind, label, mcp_call_id, invocation: _, runtime: _, result: _ } = facts;
    let names = ToolNames { kind, label: label.as_deref(), name: None, namespace: None };
    McpTool::from_call(names, mcp_call_id.is_some())
}

/// Returns the name of a tool: its label, or a default name for its kind. A tool of an MCP server is named as the
/// server names it, because its label contains the server's name too.
pub(super) fn tool_name<'a>(kind: &'a ToolKind, label: Option<&'a str>, mcp: Option<&'a McpTool>) -> &'a str {
    let label = mcp.map(|mcp| mcp.tool.as_str()).or(label);
    let (named, otherwise) = match kind {
        ToolKind::Mcp { .. } => (label, "mcp"),
        ToolKind::ExecCommand => (label, "exec_command"),
        ToolKind::WriteStdin => (label, "write_stdin"),
        ToolKind::ApplyPatch => (label, "apply_patch"),
        ToolKind::Web => (label, "web_search"),
        ToolKind::ImageGeneration => (label, "image_generation"),
        ToolKind::SpawnAgent => (label, "spawn_agent"),
        ToolKind::AssignAgentTask => (label, "followup_task"),
        ToolKind::SendMessage => (label, "send_message"),
        ToolKind::WaitAgent => (label, "wait_agent"),
        ToolKind::CloseAgent => (label, "close_agent"),
        ToolKind::Other { name } => (label, &**name),
    };
    named.filter(|name| !name.is_empty()).unwrap_or(otherwise)
}

/// Returns the tool's type by the GenAI conventions: `extension` if it runs outside of the agent, otherwise `function`.
pub(super) fn tool_type(kind: &ToolKind, mcp: Option<&McpTool>) -> &'static str {
    match kind {
        _ if mcp.is_some() => "extension",
        ToolKind::Mcp { .. } | ToolKind::Web | ToolKind::ImageGeneration => "extension",
        ToolKind::ExecCommand
        | ToolKind::WriteStdin
        | ToolKind::ApplyPatch
        | ToolKind::SpawnAgent
        | ToolKind::AssignAgentTask
        | ToolKind::SendMessage
        | ToolKind::WaitAgent
        | ToolKind::CloseAgent
        | ToolKind::Other { .. } => "function",
    }
}
