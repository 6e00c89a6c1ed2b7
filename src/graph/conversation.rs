//! Conversation items: the content of requests to models and of their responses. A piece that later requests repeat is
//! one item.

use std::sync::Arc;

use serde::Serialize;

use super::{CellId, Evidence, ItemId, ProviderItemId};
use crate::event::{
    AgentPath, CallId, CompactionId, EdgeId, InferenceId, RawPayloadId, ThreadId, ToolCallId, TurnId, UnixMillis,
};

/// A conversation item: one piece of the model-visible conversation of a thread. In `state.json`, an entry of
/// `conversation_items`.
#[derive(Debug, Clone)]
pub struct Item {
    /// Id of the item.
    pub item_id: ItemId,
    /// Thread whose conversation contains the item.
    pub thread_id: ThreadId,
    /// Turn whose payload introduced the item. Wire name: `codex_turn_id`.
    pub turn_id: Option<TurnId>,
    /// Time of the event that introduced the item, in milliseconds since the Unix epoch. Wire name:
    /// `first_seen_at_unix_ms`.
    pub first_seen_at: UnixMillis,
    /// Content of the item. Items with equal content share the allocation.
    pub content: Arc<Content>,
    /// Id that the provider gave the item, on items of the Responses API: the first id with which a body has the item.
    /// It is not part of the content, because clients leave it out when they repeat the item.
    pub provider_id: Option<ProviderItemId>,
    /// Id of the payload that introduced the item. [`Part`]s that do not contain their content refer to this payload.
    pub raw_payload_id: RawPayloadId,
    /// Operations that produced the item.
    pub produced_by: Vec<Producer>,
    /// Events from which the item was reduced: the event that introduced it, and later ones that completed it. Requests
    /// that only repeat the item are not listed.
    pub evidence: Evidence,
}

/// The content of a conversation item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Role of the author.
    pub role: Role,
    /// Addressee of the content. `None` if neither the payload nor the kind of the item implies one.
    pub channel: Option<Channel>,
    /// Kind of the item.
    pub kind: ItemKind,
    /// Id that the provider gave a tool call, on items that are calls or their outputs. An output that names only its
    /// tool has the id of the call of that name that it answers.
    pub call_id: Option<CallId>,
    /// Name of the called tool, on items that are calls or their outputs; name of the author, on messages. `None` if
    /// the body has none.
    pub name: Option<Box<str>>,
    /// Namespace of the called tool, such as that of an MCP server. `None` if the item has none. Other APIs put
    /// namespaces into the name.
    pub namespace: Option<Box<str>>,
    /// `true` if the output of a tool call reports that the tool failed. In `state.json` only if it does.
    pub is_error: bool,
    /// Author and recipient, on messages between agents.
    pub agent_message: Option<AgentMessage>,
    /// Parts of the content, in order. Wire name: `body.parts`.
    pub parts: Box<[Part]>,
    /// Message of another agent that this item delivers. `None` if it delivers none.
    pub(crate) delivery: Option<DeliveredMessage>,
    /// Effect of the item on what stands before it.
    pub(crate) history_effect: HistoryEffect,
}

/// The effect of an item on what stands before it in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HistoryEffect {
    /// What stands before the item stays.
    None,
    /// The item summarizes what stands before it in a request, and the provider drops that.
    Replaces,
    /// The item summarizes what stands before it, and the provider drops that from a conversation that it keeps.
    /// Clients that keep the conversation themselves decide what they send beside the item.
    ReplacesKept,
}

/// A message of another agent that a conversation item delivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeliveredMessage {
    /// Path of the sending agent. `None` if the item does not name it.
    pub(crate) author: Option<Box<str>>,
    /// Path of the receiving agent. `None` if the item has the type for messages between agents: its presence in a
    /// thread is itself evidence of the delivery to that thread.
    pub(crate) recipient: Option<Box<str>>,
    /// Text of the message, encrypted if the sender encrypted it. `None` if the item's parts are no single text.
    pub(crate) text: Option<Box<str>>,
}

impl Content {
    /// Returns the text parts of the content joined by newlines. Summaries are left out.
    pub fn text(&self) -> String {
        let texts: Vec<&str> = self.parts.iter().filter_map(Part::as_text).collect();
        texts.join("\n")
    }

    /// Returns the id by which a call and its outputs are linked: the id of the call, else the name of the tool,
    /// because some APIs give calls no ids. Returns `None` for other items, and for an item that has neither.
    pub(crate) fn linking_id(&self) -> Option<CallId> {
        let links = self.kind.is_call() || self.kind.is_output();
        let by_name = || self.name.as_deref().filter(|_| links).map(CallId::from);
        self.call_id.clone().or_else(by_name)
    }

    /// Returns the message of another agent that this item delivers to the agent at the given path. Returns `None` if
    /// the item delivers no message to that agent.
    pub(crate) fn delivered_to(&self, agent: &AgentPath) -> Option<&DeliveredMessage> {
        let is_recipient = |recipient: &str| recipient == agent.as_str();
        self.delivery.as_ref().filter(|message| message.recipient.as_deref().is_none_or(is_recipient))
    }
}

/// The role of the author of a conversation item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// System prompt of the program.
    System,
    /// Developer of the program, in requests that distinguish it from the system prompt.
    Developer,
    /// User of the program.
    User,
    /// The model that answers.
    Assistant,
    /// A tool that a model called.
    Tool,
}

/// The addressee of a conversation item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// The model itself: reasoning.
    Analysis,
    /// Intermediate output: tool calls, their outputs and remarks.
    Commentary,
    /// The user: the final answer.
    Final,
    /// The model that continues after a compaction: a summary.
    Summary,
}

/// The kind of a conversation item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    /// A message of any role.
    Message,
    /// Reasoning that the model wrote before its answer.
    Reasoning,
    /// A tool call with JSON arguments.
    FunctionCall,
    /// The output of a [`FunctionCall`](Self::FunctionCall).
    FunctionCallOutput,
    /// A tool call with free text as its input.
    CustomToolCall,
    /// The output of a [`CustomToolCall`](Self::CustomToolCall).
    CustomToolCallOutput,
    /// The point in the conversation at which a compaction was installed.
    CompactionMarker,
}

impl ItemKind {
    /// Returns `true` if the item is a tool call.
    pub fn is_call(self) -> bool {
        matches!(self, Self::FunctionCall | Self::CustomToolCall)
    }

    /// Returns `true` if the item is the output of a tool call.
    pub fn is_output(self) -> bool {
        matches!(self, Self::FunctionCallOutput | Self::CustomToolCallOutput)
    }
}

/// A part of an item's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Plain text.
    Text(Box<str>),
    /// Text of a special kind. In `state.json`, a part of type `text` with a `label`.
    LabelledText {
        /// Kind of the text: `refusal` if the model refuses to answer, `transcript` if it is what a recording says.
        label: &'static str,
        /// The text.
        text: Box<str>,
    },
    /// A summary of content that is not in the payload, such as hidden reasoning.
    Summary(Box<str>),
    /// Opaque content that only its producer can decode, such as encrypted reasoning.
    Encoded {
        /// Kind of the encoded content, such as `encrypted_content` or `signature`.
        label: &'static str,
        /// The encoded content, as the payload contains it.
        value: Box<str>,
    },
    /// A JSON value that remains in the item's payload.
    Json {
        /// Start of the value as compact JSON: the whole value, or at most 240 bytes of it and `...`.
        summary: Box<str>,
    },
    /// Source code of a script.
    Code {
        /// Programming language of the script.
        language: &'static str,
        /// Source code of the script.
        source: Box<str>,
    },
    /// Other content that remains in the item's payload, such as an image.
    PayloadRef {
        /// Kind of the content: usually its `type` in the payload, or `empty_content`.
        label: Box<str>,
    },
}

/// The label of the part of a message without content.
const EMPTY_CONTENT: &str = "empty_content";

impl Part {
    /// Creates the part of a message without content.
    pub(crate) fn empty_content() -> Self {
        Self::PayloadRef { label: EMPTY_CONTENT.into() }
    }

    /// Returns `true` if the part is an empty text, or stands for a message without content.
    pub(crate) fn is_empty(&self) -> bool {
        let is_placeholder = matches!(self, Self::PayloadRef { label } if &**label == EMPTY_CONTENT);
        is_placeholder || self.as_text().is_some_and(str::is_empty)
    }

    /// Returns the text of a text part, with or without a label. Returns `None` for other parts.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::LabelledText { label: _, text } => Some(text),
            Self::Summary(_)
            | Self::Encoded { .. }
            | Self::Json { .. }
            | Self::Code { .. }
            | Self::PayloadRef { .. } => None,
        }
    }
}

/// The author and the recipient of a message between agents, as the payload names them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AgentMessage {
    /// Name of the sending agent.
    pub author: Box<str>,
    /// Name of the receiving agent.
    pub recipient: Box<str>,
}

/// The operation or person that produced a conversation item.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Producer {
    /// The user. Reserved: never set.
    UserInput,
    /// An inference call, for items of its response.
    Inference {
        /// Id of the call whose response contained the item.
        inference_call_id: InferenceId,
    },
    /// A tool call, for the items of its output.
    Tool {
        /// Id of the tool call.
        tool_call_id: ToolCallId,
    },
    /// A code cell, for the items of its output.
    CodeCell {
        /// Id of the code cell.
        code_cell_id: CellId,
    },
    /// Another agent. Reserved: never set.
    InteractionEdge {
        /// Id of the edge that carried the item.
        edge_id: EdgeId,
    },
    /// A compaction, for the items of the shorter history.
    Compaction {
        /// Id of the compaction that installed the item.
        compaction_id: CompactionId,
    },
    /// The program itself. Reserved: never set.
    Harness,
}
