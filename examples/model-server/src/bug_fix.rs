//! The embedded model as a coding agent: it finds and fixes the bug of the scratch project, with a second agent as a
//! reviewer. Each response is derived from the tool outputs in the request.

mod explain;
mod fix;
mod notes;
mod review;
mod tool_output;
mod transcript;

use serde_json::{Value, json};

use notes::Notes;
pub(super) use notes::SUMMARY;
use transcript::Transcript;

/// An output item of a response.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Output {
    Reasoning(String),
    Message(String),
    /// A call of a function tool.
    Call {
        name: &'static str,
        arguments: Value,
    },
    /// A call of `exec`, with its script.
    Script(String),
}
use Output::{Message, Reasoning};

/// A tool output from which the model cannot continue.
#[derive(Debug, PartialEq)]
struct Unexpected(String);

type StepResult = Result<Vec<Output>, Unexpected>;

/// Returns the output items of the next response in a conversation.
pub(super) fn reply(input: &[Value]) -> Vec<Output> {
    let transcript = Transcript::read(input);
    let next = Notes::read(&transcript).and_then(|notes| match (&transcript.task, transcript.user_messages) {
        (Some(task), 0) => review::next(task, &notes),
        (None, 1) => fix::next(&notes),
        (None, 2) => explain::next(&notes),
        _ => message("I know this one bug only. For anything else, point OPENAI_BASE_URL at a model."),
    });
    next.unwrap_or_else(|Unexpected(message)| vec![Message(format!("I stop here: {message}"))])
}

/// Returns the items that replace a conversation after compaction: the user's prompts, and a summary of the model's
/// notes.
pub(super) fn compact(input: &[Value]) -> Vec<Value> {
    let prompts = input.iter().enumerate().filter(|(index, item)| *index == 0 || item["role"] == "user");
    let text = match Notes::read(&Transcript::read(input)) {
        Ok(notes) => notes.summary(),
        Err(Unexpected(message)) => format!("{SUMMARY} I could not go on: {message}"),
    };
    let summary = json!({
        "type": "message", "id": crate::events::id("msg"), "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": text, "annotations": []}],
    });
    prompts.map(|(_, item)| item.clone()).chain([summary]).collect()
}

fn message(text: impl Into<String>) -> StepResult {
    Ok(vec![Message(text.into())])
}

fn reasoning(text: impl Into<String>) -> Output {
    Reasoning(text.into())
}

fn call(name: &'static str, arguments: Value) -> Output {
    Output::Call { name, arguments }
}

fn exec_command(cmd: &str) -> Output {
    call("exec_command", json!({"cmd": cmd}))
}

#[cfg(test)]
mod tests;
