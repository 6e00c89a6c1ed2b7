//! The graph of a run as a short tree: turns, calls with tokens and times, tools with exit codes.

use std::collections::HashMap;
use std::fmt::Write as _;

use otel_trace::event::{RawPayloadId, ToolCallId};
use otel_trace::graph::{Graph, InferenceCall, TerminalRequest, Thread, ToolCall, Turn, Window};

/// As much of a prompt, a command or an error as one line shows, in characters.
const SHOWN: usize = 64;

/// The tree of all threads.
pub(crate) fn of(graph: &Graph) -> String {
    let mut tree = Tree { graph, numbers: numbers(graph), text: String::new() };
    for thread in graph.threads.iter() {
        tree.thread(thread);
    }
    tree.text
}

/// Inference calls in order of their start, found by the body of their request.
fn numbers(graph: &Graph) -> HashMap<&RawPayloadId, usize> {
    graph.inference_calls.iter().enumerate().map(|(index, call)| (&call.raw_request_payload_id, index + 1)).collect()
}

struct Tree<'a> {
    graph: &'a Graph,
    numbers: HashMap<&'a RawPayloadId, usize>,
    text: String,
}

impl Tree<'_> {
    fn thread(&mut self, thread: &Thread) {
        let name = thread.nickname.as_deref().unwrap_or(thread.agent_path.as_str());
        let model = thread.default_model.as_deref().unwrap_or("unknown model");
        let totals = thread.totals;
        let (input, output) = (totals.input_tokens, totals.output_tokens);
        self.line("", &format!("thread {name} ({model})  {}  {input} in, {output} out", how(&thread.window)));
        for (index, id) in thread.turn_ids.iter().enumerate() {
            let Some(turn) = self.graph.turns.get(id) else { continue };
            let (branch, below) = branches(index + 1 == thread.turn_ids.len());
            self.turn(turn, branch, below);
        }
    }

    fn turn(&mut self, turn: &Turn, branch: &str, below: &str) {
        let asked = turn.input_item_ids.last().and_then(|id| self.graph.item(*id)).map(|item| item.content.text());
        let asked = shorten(&asked.unwrap_or_default());
        self.line(branch, &format!("{}  {}  {asked:?}", turn.turn_id, how(&turn.window)));
        // A tool that no response asked for stands beside the calls.
        let lonely = |id: &&ToolCallId| self.graph.tool_calls.get(*id).is_some_and(|tool| tool.requested_by.is_none());
        let lonely: Vec<_> = turn.tool_call_ids.iter().filter(lonely).collect();
        let count = turn.inference_call_ids.len() + lonely.len();
        for (index, id) in turn.inference_call_ids.iter().enumerate() {
            let Some(call) = self.graph.inference_calls.get(id) else { continue };
            let (branch, inner) = branches(index + 1 == count);
            self.inference(call, &format!("{below}{branch}"), &format!("{below}{inner}"));
        }
        for (index, id) in lonely.into_iter().enumerate() {
            let (branch, _) = branches(turn.inference_call_ids.len() + index + 1 == count);
            self.tool(id, &format!("{below}{branch}"));
        }
    }

    fn inference(&mut self, call: &InferenceCall, branch: &str, below: &str) {
        let number = self.numbers.get(&call.raw_request_payload_id).copied().unwrap_or_default();
        let mut line = format!("call {number}  {}", how(&call.window));
        if let Some(usage) = call.usage {
            let (input, cached) = (usage.input_tokens, usage.cached_input_tokens);
            let (output, reasoning) = (usage.output_tokens, usage.reasoning_output_tokens);
            let _ = write!(line, "  {input} in ({cached} cached), {output} out ({reasoning} reasoning)");
        }
        if let Some(first) = call.first_token_at {
            let _ = write!(line, "  first token {} ms", first.millis_since(call.window.started.at));
        }
        if let Some(error) = &call.error {
            let _ = write!(line, "  {}", shorten(error));
        }
        self.line(branch, &line);
        for (index, id) in call.tool_call_ids.iter().enumerate() {
            let (branch, _) = branches(index + 1 == call.tool_call_ids.len());
            self.tool(id, &format!("{below}{branch}"));
        }
    }

    fn tool(&mut self, id: &ToolCallId, branch: &str) {
        let Some(tool) = self.graph.tool_calls.get(id) else { return };
        let line = format!("{}  {}{}", self.what_ran(tool), how(&tool.window), self.who_saw(tool));
        self.line(branch, &line);
    }

    /// The command and its exit code, where there was one.
    fn what_ran(&self, tool: &ToolCall) -> String {
        let Some(operation) = tool.operation_id.and_then(|id| self.graph.terminal_operation(id)) else {
            return format!("tool {}", tool.tool_call_id);
        };
        let command = match &operation.request {
            TerminalRequest::ExecCommand { command, .. } => command.last().map_or("", String::as_str),
            TerminalRequest::WriteStdin { stdin, .. } => stdin,
        };
        let exit = operation.result.as_ref().and_then(|result| result.exit_code);
        let exit = exit.map_or_else(|| "no exit".to_owned(), |code| format!("exit {code}"));
        format!("$ {}  {exit}", shorten(command))
    }

    /// The call whose request first showed the output to the model.
    fn who_saw(&self, tool: &ToolCall) -> String {
        let item = tool.output_item_ids.first().and_then(|id| self.graph.item(*id));
        let call = item.and_then(|item| self.numbers.get(&item.raw_payload_id));
        call.map_or_else(|| "  never shown to the model".to_owned(), |number| format!("  seen by call {number}"))
    }

    fn line(&mut self, branch: &str, text: &str) {
        let _ = writeln!(self.text, "{branch}{text}");
    }
}

fn branches(is_last: bool) -> (&'static str, &'static str) {
    if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") }
}

fn how(window: &Window) -> String {
    let status = format!("{:?}", window.status).to_lowercase();
    window.millis().map_or_else(|| status.clone(), |millis| format!("{status} in {millis} ms"))
}

fn shorten(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
