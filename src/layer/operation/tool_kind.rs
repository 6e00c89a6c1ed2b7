//! The kind and the one-line summary of a tool call.

use std::sync::Arc;

use crate::event::{ToolKind, ToolSummary};

/// Maximum length of the preview of a tool's arguments, in characters.
const PREVIEW_CHARS: usize = 160;

/// Returns the kind that a tool name stands for: `ExecCommand` for `bash`, for example, and `Other` for names that are
/// not well known.
pub(super) fn kind_from_name(name: &Arc<str>) -> ToolKind {
    match &**name {
        "exec_command" | "local_shell" | "shell" | "shell_command" | "bash" => ToolKind::ExecCommand,
        "write_stdin" => ToolKind::WriteStdin,
        "apply_patch" => ToolKind::ApplyPatch,
        "web_search" | "web_search_preview" => ToolKind::Web,
        "image_generation" | "image_query" => ToolKind::ImageGeneration,
        "spawn_agent" => ToolKind::SpawnAgent,
        "send_message" => ToolKind::SendMessage,
        "followup_task" => ToolKind::AssignAgentTask,
        "wait_agent" => ToolKind::WaitAgent,
        "close_agent" => ToolKind::CloseAgent,
        newer => ToolKind::of_newer_name(newer).unwrap_or_else(|| ToolKind::Other { name: Arc::clone(name) }),
    }
}

/// Returns the one-line summary of a tool call.
pub(super) fn summary(name: &Arc<str>, kind: &ToolKind, arguments: Option<&str>) -> ToolSummary {
    let label = match kind {
        ToolKind::Mcp { server, tool } => format!("mcp:{server}:{tool}").into(),
        ToolKind::ExecCommand
        | ToolKind::WriteStdin
        | ToolKind::ApplyPatch
        | ToolKind::Web
        | ToolKind::ImageGeneration
        | ToolKind::SpawnAgent
        | ToolKind::AssignAgentTask
        | ToolKind::SendMessage
        | ToolKind::WaitAgent
        | ToolKind::CloseAgent
        | ToolKind::Other { .. } => Arc::clone(name),
    };
    ToolSummary::Generic { label, input_preview: arguments.map(preview), output_preview: None }
}

/// Truncates text to [`PREVIEW_CHARS`] characters.
fn preview(text: &str) -> String {
    match text.char_indices().nth(PREVIEW_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_is_cut_between_characters() {
        let check = |text: &str, expected: &str| assert_eq!(preview(text), expected);
        check("", "");
        check(&"é".repeat(160), &"é".repeat(160));
        check(&"é".repeat(161), &format!("{}...", "é".repeat(160)));
    }

    #[test]
    fn an_mcp_tool_is_labelled_with_its_server() {
        let kind = ToolKind::Mcp { server: "docs".to_owned(), tool: "find".to_owned() };
        let ToolSummary::Generic { label, .. } = summary(&"find".into(), &kind, None) else { panic!("generic") };
        assert_eq!(&*label, "mcp:docs:find");
    }
}
