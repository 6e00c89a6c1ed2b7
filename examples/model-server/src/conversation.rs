//! A conversation, independent of the API through which it was sent.

use serde_json::Value;

use crate::bug_fix::Output;
use crate::request::Request;

/// A request to continue a conversation.
#[derive(Debug)]
pub(crate) struct Conversation {
    pub(crate) model: String,
    pub(crate) messages: Vec<Message>,
    /// The names of the tools that may be called.
    pub(crate) tools: Vec<String>,
    pub(crate) is_streamed: bool,
}

/// A message of a conversation.
#[derive(Debug)]
pub(crate) enum Message {
    System,
    User(String),
    Assistant { calls: Vec<Call> },
    Tool { call_id: String, output: String },
}

/// A tool call of the model.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) name: String,
}

/// The next reply of the model.
#[derive(Debug, PartialEq)]
pub(crate) enum Reply {
    Text(String),
    /// Tools to call, by name, with their arguments.
    Calls(Vec<(&'static str, Value)>),
}

impl Reply {
    /// Converts the reply to output items of the Responses API.
    pub(crate) fn into_output(self) -> Vec<Output> {
        match self {
            Self::Text(text) => vec![Output::Message(text)],
            Self::Calls(calls) => calls.into_iter().map(|(name, arguments)| Output::Call { name, arguments }).collect(),
        }
    }
}

impl Conversation {
    /// Creates a conversation from a request of the Responses API.
    pub(crate) fn from_request(request: &Request) -> Self {
        Self {
            model: request.model.clone(),
            messages: request.input.iter().filter_map(message_of).collect(),
            tools: request.tools.clone(),
            is_streamed: request.is_streamed,
        }
    }

    /// Returns the tool calls since the last user message, each with its output. The output is `None` if the call has
    /// none yet.
    pub(crate) fn calls(&self) -> Vec<(&Call, Option<&str>)> {
        let start = self.messages.iter().rposition(|it| matches!(it, Message::User(_))).unwrap_or(0);
        let since = &self.messages[start..];
        let output = |id: &str| {
            since.iter().find_map(|message| match message {
                Message::Tool { call_id, output } if call_id == id => Some(output.as_str()),
                Message::Tool { .. } | Message::System | Message::User(_) | Message::Assistant { .. } => None,
            })
        };
        let calls = since.iter().filter_map(|message| match message {
            Message::Assistant { calls } => Some(calls),
            Message::System | Message::User(_) | Message::Tool { .. } => None,
        });
        calls.flatten().map(|call| (call, output(&call.id))).collect()
    }

    /// Returns the text of the last user message.
    pub(crate) fn prompt(&self) -> &str {
        let prompt = self.messages.iter().rev().find_map(|message| match message {
            Message::User(text) => Some(text.as_str()),
            Message::System | Message::Assistant { .. } | Message::Tool { .. } => None,
        });
        prompt.unwrap_or_default()
    }

    pub(crate) fn may_call(&self, tool: &str) -> bool {
        self.tools.iter().any(|name| name == tool)
    }
}

fn message_of(item: &Value) -> Option<Message> {
    let text = |field: &str| item[field].as_str().unwrap_or_default().to_owned();
    Some(match (item["type"].as_str()?, item["role"].as_str()) {
        ("message", Some("user")) => Message::User(text_of(&item["content"])),
        ("message", Some("assistant")) => Message::Assistant { calls: Vec::new() },
        ("message", _) => Message::System,
        ("function_call", _) => Message::Assistant { calls: vec![Call { id: text("call_id"), name: text("name") }] },
        ("function_call_output", _) => Message::Tool { call_id: text("call_id"), output: text_of(&item["output"]) },
        _ => return None,
    })
}

/// Returns the text of a content field, which is a string or a list of parts.
pub(crate) fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => String::new(),
    }
}
