//! Decodes `tool_runtime_event` payloads of commands and of tools that act on agents.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::item_cache::ItemCache;
use super::payloads::{NOT_AN_OBJECT, PayloadShape, UnusablePayload};
use crate::event::ThreadId;
use crate::graph::TerminalResult;
use crate::provider::{Object, list, text};

/// A runtime event of a tool that executes or writes to a command, at its start or its end.
#[derive(Debug)]
pub(in crate::reduce) struct Command {
    pub(in crate::reduce) process_id: Option<String>,
    /// The command line, split into words.
    pub(in crate::reduce) words: Option<Vec<String>>,
    pub(in crate::reduce) cwd: Option<String>,
    pub(in crate::reduce) interaction_input: Option<String>,
    /// Output and exit code of the command, in the event at its end.
    pub(in crate::reduce) result: Option<TerminalResult>,
}

impl PayloadShape for Command {
    fn parse(text: &str, _: &ItemCache) -> Result<Self, String> {
        let body = Object::parse(text).ok_or(NOT_AN_OBJECT)?;
        Ok(Self {
            process_id: body.text_or_number("process_id").filter(|id| !id.is_empty()),
            words: body.get("command").and_then(words),
            cwd: body.string("cwd"),
            interaction_input: body.string("interaction_input"),
            result: command_result(&body),
        })
    }
}

/// Returns the words of a command line, which is a list of strings. Returns `None` for any other value.
fn words(command: &RawValue) -> Option<Vec<String>> {
    list(command)?.into_iter().map(|word| text(word).map(Into::into)).collect()
}

/// Returns output and exit code from the end event of a command. Returns `None` if the body has none of `stdout`,
/// `stderr` and `exit_code`.
pub(super) fn command_result(body: &Object<'_>) -> Option<TerminalResult> {
    let text = |name: &str| body.text(name).map(Arc::<str>::from);
    let (stdout, stderr, exit_code) = (text("stdout"), text("stderr"), body.number("exit_code"));
    if stdout.is_none() && stderr.is_none() && exit_code.is_none() {
        return None;
    }
    Some(TerminalResult {
        exit_code,
        // Usually the two texts are equal, and share their memory.
        formatted_output: match (body.text("formatted_output"), &stdout) {
            (Some(formatted), Some(stdout)) if *formatted == **stdout => Some(Arc::clone(stdout)),
            (formatted, _) => formatted.map(Arc::from),
        },
        stdout: stdout.unwrap_or_default(),
        stderr: stderr.unwrap_or_default(),
        original_token_count: None,
        chunk_id: None,
    })
}

/// A runtime event of a tool that spawns, messages or closes an agent.
#[derive(Debug)]
pub(in crate::reduce) struct AgentCall {
    pub(in crate::reduce) sender_thread_id: Option<ThreadId>,
    pub(in crate::reduce) receiver_thread_id: Option<ThreadId>,
    pub(in crate::reduce) new_thread_id: Option<ThreadId>,
    pub(in crate::reduce) prompt: Option<String>,
    pub(in crate::reduce) activity: Option<Activity>,
}

/// An activity of an agent, which a runtime reports in place of the arguments and the result of the tool that caused
/// it.
#[derive(Debug)]
pub(in crate::reduce) struct Activity {
    pub(in crate::reduce) agent_thread_id: ThreadId,
    /// Kind of the activity, such as `started`.
    pub(in crate::reduce) kind: String,
}

impl Activity {
    /// The kind of the activity with which a spawned agent starts.
    pub(in crate::reduce) const STARTED: &str = "started";
    /// The kind of the activity that a message or a task causes.
    pub(in crate::reduce) const INTERACTED: &str = "interacted";
    /// The kind of the activity with which an agent is stopped.
    pub(in crate::reduce) const INTERRUPTED: &str = "interrupted";
    /// The kind of the activity with which an agent's turn ends. No tool causes it.
    const COMPLETED: &str = "completed";

    /// Returns `true` if the activity is the result of an agent's turn, which belongs to no tool call.
    pub(in crate::reduce) fn is_turn_result(&self) -> bool {
        self.kind == Self::COMPLETED
    }

    /// Reads an activity. Returns `None` for a runtime event of another type.
    fn read(body: &Object<'_>) -> Option<Self> {
        Some(Self { agent_thread_id: body.string("agent_thread_id")?.into(), kind: body.string("kind")? })
    }
}

/// The runtime event of an unknown tool, or of a tool that causes no activity of an agent. Some runtimes report an
/// activity there nevertheless, and nothing else of the event is read.
#[derive(Debug)]
pub(in crate::reduce) struct ForeignEvent {
    pub(in crate::reduce) activity: Option<Activity>,
}

impl PayloadShape for ForeignEvent {
    fn parse(text: &str, _: &ItemCache) -> Result<Self, String> {
        Ok(Self { activity: Object::parse(text).as_ref().and_then(Activity::read) })
    }

    /// Returns an event without an activity: a body that was truncated is too long to be an activity.
    fn parse_truncated(_: &str, _: &ItemCache, _: UnusablePayload) -> Result<Self, UnusablePayload> {
        Ok(Self { activity: None })
    }
}

impl PayloadShape for AgentCall {
    fn parse(text: &str, _: &ItemCache) -> Result<Self, String> {
        let body = Object::parse(text).ok_or(NOT_AN_OBJECT)?;
        let thread = |name: &str| body.string(name).map(ThreadId::from);
        Ok(Self {
            sender_thread_id: thread("sender_thread_id"),
            receiver_thread_id: thread("receiver_thread_id"),
            new_thread_id: thread("new_thread_id"),
            prompt: body.string("prompt"),
            activity: Activity::read(&body),
        })
    }
}
