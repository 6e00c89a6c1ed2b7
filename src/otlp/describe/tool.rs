//! What a tool is called, and of what type it is.

use crate::event::ToolKind;

/// A tool of an MCP server has its name there; its label names the server too.
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
