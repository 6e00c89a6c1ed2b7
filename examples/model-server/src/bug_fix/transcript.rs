//! A conversation, as the model reads it: who said what, and what came of each call.

use std::collections::HashMap;

use serde_json::Value;

use super::notes::SUMMARY;

#[derive(Debug, Default)]
pub(super) struct Transcript {
    /// How often the user spoke.
    pub(super) user_messages: usize,
    /// What another agent asked for first, where no user did.
    pub(super) task: Option<AgentMessage>,
    pub(super) events: Vec<Event>,
}

/// What the model learns from.
#[derive(Debug)]
pub(super) enum Event {
    /// What it knew when the conversation was compacted.
    Summary(String),
    /// What another agent said.
    Message(AgentMessage),
    /// A call, with what came of it.
    Answered { call: ToolCall, output: String },
}

#[derive(Clone, Debug)]
pub(super) struct AgentMessage {
    pub(super) author: String,
    pub(super) content: String,
}

#[derive(Clone, Debug)]
pub(super) struct ToolCall {
    pub(super) name: String,
    /// Of a function.
    pub(super) arguments: Value,
    /// Of `exec`.
    pub(super) script: String,
}

impl ToolCall {
    pub(super) fn cmd(&self) -> &str {
        self.arguments["cmd"].as_str().unwrap_or_default()
    }
}

impl Transcript {
    pub(super) fn read(input: &[Value]) -> Self {
        let mut transcript = Self::default();
        let mut open = HashMap::new();
        for item in input {
            let text = |key: &str| item[key].as_str().unwrap_or_default().to_owned();
            match text("type").as_str() {
                "message" if item["role"] == "user" => transcript.user_messages += 1,
                "message" => transcript.add_text(&text_of(item)),
                "function_call" | "custom_tool_call" => {
                    let arguments = serde_json::from_str(&text("arguments")).unwrap_or_default();
                    open.insert(text("call_id"), ToolCall { name: text("name"), arguments, script: text("input") });
                }
                "function_call_output" | "custom_tool_call_output" => {
                    if let Some(call) = open.remove(&text("call_id")) {
                        transcript.events.push(Event::Answered { call, output: text("output") });
                    }
                }
                _ => {}
            }
        }
        transcript
    }

    fn add_text(&mut self, text: &str) {
        if let Some(summary) = text.strip_prefix(SUMMARY) {
            self.events.push(Event::Summary(summary.to_owned()));
        } else if let Some(message) = AgentMessage::parse(text) {
            if self.user_messages == 0 && self.task.is_none() {
                self.task = Some(message.clone());
            }
            self.events.push(Event::Message(message));
        }
    }
}

impl AgentMessage {
    fn parse(text: &str) -> Option<Self> {
        let message: Value = serde_json::from_str(text).ok()?;
        let field = |key: &str| message[key].as_str().map(str::to_owned);
        Some(Self { author: field("author")?, content: field("content")? })
    }
}

fn text_of(item: &Value) -> String {
    let parts = item["content"].as_array().map(Vec::as_slice).unwrap_or_default();
    parts.iter().filter_map(|part| part["text"].as_str()).collect()
}
