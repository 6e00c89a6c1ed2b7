//! Messages between agents.

use serde::Serialize;
use serde_json::{Value, json};

/// A message from one agent to another.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Message {
    /// The path of the sending agent.
    pub(crate) author: String,
    /// The path of the receiving agent.
    pub(crate) recipient: String,
    other_recipients: Vec<String>,
    pub(crate) content: String,
    /// `true` if the recipient acts on the message at once. Any other message is read in the next turn.
    pub(crate) trigger_turn: bool,
}

impl Message {
    pub(crate) fn new(author: &str, recipient: &str, content: &str, trigger_turn: bool) -> Self {
        Self {
            author: author.to_owned(),
            recipient: recipient.to_owned(),
            other_recipients: Vec::new(),
            content: content.to_owned(),
            trigger_turn,
        }
    }

    /// Returns the message as an item of the recipient's conversation.
    pub(crate) fn item(&self) -> Value {
        let text = serde_json::to_string(self).unwrap_or_default();
        json!({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]})
    }
}
