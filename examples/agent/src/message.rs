//! What one agent tells another.

use serde::Serialize;
use serde_json::{Value, json};

/// A message between agents.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Message {
    /// The path of the agent that tells.
    pub(crate) author: String,
    /// The path of the agent that is told.
    pub(crate) recipient: String,
    other_recipients: Vec<String>,
    pub(crate) content: String,
    /// Whether the recipient is to act on it at once. It hears of any other with its next turn.
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

    /// The message as a piece of the recipient's conversation.
    pub(crate) fn item(&self) -> Value {
        let text = serde_json::to_string(self).unwrap_or_default();
        json!({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]})
    }
}
