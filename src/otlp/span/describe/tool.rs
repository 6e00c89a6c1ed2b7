//! Names and types of tools.

use crate::event::ToolKind;

/// Returns the name of a tool: its label, or a default name for its kind. A tool of an MCP server is named as the
/// server names it, because its label contains the server's name too.
pub(super) fn tool_name<'a>(kind: &'a ToolKind, label: Option<&'a str>) -> &'a str {
    let (named, otherwise) = match kind {
        ToolKind::Mcp { server: _, tool } => (Some(tool.as_str()), "mcp"),
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
pub(super) fn tool_type(kind: &ToolKind) -> &'static str {
    match kind {
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
