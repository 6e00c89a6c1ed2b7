//! The text of one line of the tree: a tool call, script, compaction or agent result.

use otel_trace::event::{CellStatus, ToolKind, ToolSummary};
use otel_trace::graph::{
    CodeCell, Compaction, Edge, Requester, TerminalOperation, TerminalRequest, TerminalSession, ToolCall,
};
use serde_json::Value;

use super::index::{Index, script};
use super::{status_and_time, truncate};

/// Returns the content of a message, without the JSON envelope that agents use between each other.
pub(super) fn message_text(text: &str) -> String {
    let message: Option<Value> = serde_json::from_str(text).ok();
    let content = message.as_ref().and_then(|message| message["content"].as_str());
    content.unwrap_or(text).to_owned()
}

impl Index<'_> {
    /// Describes a tool call: its action, its status, and the call that saw its output.
    pub(super) fn tool(&self, tool: &ToolCall) -> String {
        let mut line = format!("{}  {}", self.action(tool), status_and_time(&tool.execution));
        if let Some(error) = &tool.error {
            line.push_str(&format!("  {}", truncate(error)));
        }
        // The output of a nested tool call goes to the script; a model sees only the output of the script.
        if tool.requester == Requester::Model {
            line.push_str(&self.seen_by(&tool.output_item_ids));
        }
        line
    }

    fn action(&self, tool: &ToolCall) -> String {
        let operation = tool.operation_id.and_then(|id| self.graph.terminal_operation(id));
        if let Some(operation) = operation {
            return self.terminal_operation_text(operation);
        }
        if let Some(edge) = self.edge_from(&tool.tool_call_id) {
            let read = edge.carried_item_ids.first().map(|item| self.seen_by(&[*item])).unwrap_or_default();
            let read = read.replace("seen by", "read by");
            return format!("{} → {}{read}", name(&tool.kind), self.agent_at(&edge.target));
        }
        let waited = self.graph.code_cells.iter().find(|cell| cell.wait_tool_call_ids.contains(&tool.tool_call_id));
        match (waited, &tool.summary) {
            (Some(cell), _) => format!("wait for {}", script(cell)),
            (None, ToolSummary::Generic { label, input_preview: Some(input), .. }) => request_text(label, input),
            (None, _) => name(&tool.kind),
        }
    }

    /// Describes a terminal operation: the command with its exit code, and the terminal if it was used again.
    fn terminal_operation_text(&self, operation: &TerminalOperation) -> String {
        let exit = operation.result.as_ref().and_then(|result| result.exit_code);
        let exit = exit.map(|code| format!("  exit {code}")).unwrap_or_default();
        let session = operation.terminal_id.as_ref().and_then(|id| self.graph.terminal_sessions.get(id));
        match &operation.request {
            TerminalRequest::ExecCommand { command, .. } => {
                let is_reused = |session: &&TerminalSession| session.operation_ids.len() > 1;
                let opened = session.filter(is_reused).map(|it| format!("  opens terminal {}", it.terminal_id));
                let command = command.last().map_or("", String::as_str);
                format!("$ {}{exit}{}", truncate(command), opened.unwrap_or_default())
            }
            TerminalRequest::WriteStdin { stdin, .. } => {
                let terminal = session.map_or_else(|| "?".to_owned(), |session| session.terminal_id.to_string());
                format!("> {:?}  into terminal {terminal}{exit}", truncate(stdin))
            }
        }
    }

    pub(super) fn cell(&self, cell: &CodeCell) -> String {
        let yielded = if cell.yielded_at.is_some() { "  gave way, then" } else { "" };
        let seen = self.seen_by(&cell.output_item_ids);
        let status_and_time = match cell.runtime_status {
            CellStatus::Terminated => "terminated".to_owned(),
            CellStatus::Starting
            | CellStatus::Running
            | CellStatus::Yielded
            | CellStatus::Completed
            | CellStatus::Failed => status_and_time(&cell.execution),
        };
        format!("{}{yielded}  {status_and_time}{seen}", script(cell))
    }

    pub(super) fn compaction(&self, compaction: &Compaction) -> String {
        let (before, after) = (compaction.input_item_ids.len(), compaction.replacement_item_ids.len());
        let requests = compaction.request_ids.iter().filter_map(|id| self.graph.compaction_requests.get(id));
        let requests: String = requests.map(|request| format!("  {}", status_and_time(&request.execution))).collect();
        format!("compaction  {before} items → {after}{requests}")
    }

    pub(super) fn result(&self, edge: &Edge) -> String {
        let read = self.seen_by(&edge.carried_item_ids).replace("seen by", "read by");
        format!("result → {}{read}", self.agent_at(&edge.target))
    }
}

/// Describes the request of a tool call that never ran.
fn request_text(label: &str, input: &str) -> String {
    let arguments: Option<Value> = serde_json::from_str(input).ok();
    let argument = |key: &str| arguments.as_ref().and_then(|arguments| arguments[key].as_str());
    match (argument("cmd"), argument("target")) {
        (Some(cmd), _) => format!("$ {}", truncate(cmd)),
        (None, Some(agent)) => format!("{label} {agent}"),
        (None, None) => format!("{label} {}", truncate(input)),
    }
}

fn name(kind: &ToolKind) -> String {
    match kind {
        ToolKind::ExecCommand => "exec_command",
        ToolKind::WriteStdin => "write_stdin",
        ToolKind::ApplyPatch => "apply_patch",
        ToolKind::Mcp { tool, .. } => tool,
        ToolKind::Web => "web",
        ToolKind::ImageGeneration => "image_generation",
        ToolKind::SpawnAgent => "spawn_agent",
        ToolKind::AssignAgentTask => "followup_task",
        ToolKind::SendMessage => "send_message",
        ToolKind::WaitAgent => "wait_agent",
        ToolKind::CloseAgent => "close_agent",
        ToolKind::Other { name } => name,
    }
    .to_owned()
}
