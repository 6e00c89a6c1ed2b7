//! The conversation: what models were sent and what they returned, each piece once.

use std::sync::Arc;

use serde::Serialize;

use super::{CellId, Evidence, ItemId};
use crate::event::{
    AgentPath, CallId, CompactionId, EdgeId, InferenceId, RawPayloadId, ThreadId, ToolCallId, TurnId, UnixMillis,
};

/// One piece of a thread's conversation.
#[derive(Debug, Clone)]
pub struct Item {
    /// Its id.
    pub item_id: ItemId,
    /// Its thread.
    pub thread_id: ThreadId,
    /// The turn whose payload introduced it.
    pub turn_id: Option<TurnId>,
    /// When that was.
    pub first_seen_at: UnixMillis,
    /// What it says. Items that say the same share it.
    pub content: Arc<Content>,
    /// The payload that introduced it; [`Part`]s without text of their own stand for something in there.
    pub raw_payload_id: RawPayloadId,
    /// What made it.
    pub produced_by: Vec<Producer>,
    /// What it rests on: where it was introduced, and what completed it. Not every request that repeats it.
    pub evidence: Evidence,
}

/// What an item says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Who speaks.
    pub role: Role,
    /// To whom.
    pub channel: Option<Channel>,
    /// What it is.
    pub kind: ItemKind,
    /// The provider's id of a call, on calls and their outputs.
    pub call_id: Option<CallId>,
    /// The tool that a call names.
    pub name: Option<Box<str>>,
    /// Author and recipient of a message between agents.
    pub agent_message: Option<AgentMessage>,
    /// The body.
    pub parts: Box<[Part]>,
    /// What another agent says here.
    pub(crate) delivery: Option<Delivery>,
}

/// What another agent says in an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// The agent that is told, where the item itself does not say that it was delivered.
    pub(crate) recipient: Option<Box<str>>,
    /// What is said, where it is one piece.
    pub(crate) text: Option<Box<str>>,
}

impl Content {
    /// Its texts, summaries left out, joined by newlines.
    pub fn text(&self) -> String {
        let texts: Vec<&str> = self.parts.iter().filter_map(Part::as_text).collect();
        texts.join("\n")
    }

    /// What another agent says here to the agent at this path; the inner `None` where it is not one piece.
    pub(crate) fn delivered_to(&self, agent: &AgentPath) -> Option<Option<&str>> {
        let Delivery { recipient, text } = self.delivery.as_ref()?;
        let delivered = recipient.as_deref().is_none_or(|recipient| recipient == agent.as_str());
        delivered.then_some(text.as_deref())
    }
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The system prompt.
    System,
    /// The program.
    Developer,
    /// The user.
    User,
    /// The model.
    Assistant,
    /// A tool.
    Tool,
}

/// To whom the model speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// To itself.
    Analysis,
    /// On the way: calls and remarks.
    Commentary,
    /// To the user.
    Final,
    /// To whoever goes on from here.
    Summary,
}

/// What an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    /// Somebody says something.
    Message,
    /// The model thinks.
    Reasoning,
    /// The model asks for a tool, with arguments in JSON.
    FunctionCall,
    /// The answer to that.
    FunctionCallOutput,
    /// The model asks for a tool, with any text.
    CustomToolCall,
    /// The answer to that.
    CustomToolCallOutput,
    /// Where a compaction was installed.
    CompactionMarker,
}

impl ItemKind {
    /// Whether it asks for a tool.
    pub fn is_call(self) -> bool {
        matches!(self, Self::FunctionCall | Self::CustomToolCall)
    }

    /// Whether it shows a tool's answer.
    pub fn is_output(self) -> bool {
        matches!(self, Self::FunctionCallOutput | Self::CustomToolCallOutput)
    }
}

/// A piece of an item's body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Text.
    Text(Box<str>),
    /// A summary of what is not shown.
    Summary(Box<str>),
    /// Something only its maker can read.
    Encoded {
        /// What it is.
        label: &'static str,
        /// It.
        value: Box<str>,
    },
    /// A JSON value in the item's payload.
    Json {
        /// The value as compact JSON, cut after 240 bytes.
        summary: Box<str>,
    },
    /// A script.
    Code {
        /// Its language.
        language: &'static str,
        /// It.
        source: Box<str>,
    },
    /// Something in the item's payload.
    PayloadRef {
        /// What it is.
        label: Box<str>,
    },
}

impl Part {
    /// The text of a text part.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Summary(_)
            | Self::Encoded { .. }
            | Self::Json { .. }
            | Self::Code { .. }
            | Self::PayloadRef { .. } => None,
        }
    }
}

/// Who tells whom, in a message between agents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AgentMessage {
    /// The agent that tells.
    pub author: Box<str>,
    /// The agent that is told.
    pub recipient: Box<str>,
}

/// What made an item.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Producer {
    /// The user. Reserved: never set.
    UserInput,
    /// A model.
    Inference {
        /// The call that returned it.
        inference_call_id: InferenceId,
    },
    /// A tool.
    Tool {
        /// The call it answers.
        tool_call_id: ToolCallId,
    },
    /// A script.
    CodeCell {
        /// The cell whose output it shows.
        code_cell_id: CellId,
    },
    /// Another agent. Reserved: never set.
    InteractionEdge {
        /// The edge that brought it.
        edge_id: EdgeId,
    },
    /// A compaction.
    Compaction {
        /// The one that put it in place.
        compaction_id: CompactionId,
    },
    /// The program itself. Reserved: never set.
    Harness,
}
