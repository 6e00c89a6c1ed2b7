//! A conversation as the model reads it: messages with their authors, and tool calls with their outputs.

use std::collections::HashMap;

use serde_json::Value;

use super::notes::SUMMARY;

#[derive(Debug, Default)]
pub(super) struct Transcript {
    /// Number of user messages.
    pub(super) user_messages: usize,
    /// The first message of another agent, if it precedes all user messages.
    pub(super) task: Option<AgentMessage>,
    pub(super) events: Vec<Event>,
}

/// A source of facts for the model.
#[derive(Debug)]
pub(super) enum Event {
    /// The summary of a compacted conversation.
    Summary(String),
    /// A message of another agent.
    Message(AgentMessage),
    /// A tool call with its output.
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
    /// The arguments of a function call.
    pub(super) arguments: Value,
    /// The script of a call of `exec`.
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
