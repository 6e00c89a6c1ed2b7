//! What a request says, whichever API it came by.

use serde_json::Value;

/// A request to go on with a conversation.
#[derive(Debug)]
pub(crate) struct Conversation {
    pub(crate) model: String,
    pub(crate) messages: Vec<Message>,
    /// The names of the tools that may be called.
    pub(crate) tools: Vec<String>,
    pub(crate) is_streamed: bool,
}

/// One message of it.
#[derive(Debug)]
pub(crate) enum Message {
    System,
    User(String),
    Assistant { calls: Vec<Call> },
    Tool { call_id: String, output: String },
}

/// A call that the model made.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) name: String,
}

/// What the model says next.
#[derive(Debug, PartialEq)]
pub(crate) enum Reply {
    Text(String),
    /// Tools to call, by name, with their arguments.
    Calls(Vec<(&'static str, Value)>),
}

impl Conversation {
    /// The calls since the user spoke last, each with its output.
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

    /// What the user said last.
    pub(crate) fn prompt(&self) -> &str {
        let said = self.messages.iter().rev().find_map(|message| match message {
            Message::User(text) => Some(text.as_str()),
            Message::System | Message::Assistant { .. } | Message::Tool { .. } => None,
        });
        said.unwrap_or_default()
    }

    pub(crate) fn may_call(&self, tool: &str) -> bool {
        self.tools.iter().any(|name| name == tool)
    }
}
