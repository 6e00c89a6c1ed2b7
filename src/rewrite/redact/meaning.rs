//! Classifies the strings of JSON by their position: as ids, words of the format, names, or content.

use super::tokens::{Token, Tokens};
use crate::semconv;

/// The kind of a JSON value, which determines the meaning of its field names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Document {
    /// The manifest of a bundle.
    Manifest,
    /// A line of the log.
    Line,
    /// A payload with known fields, such as a request or a response.
    Body,
    /// JSON made by a model, a tool or a program. Its field names do not determine the meaning of their values.
    Foreign,
}

/// The meaning of a string in a JSON value. It decides if a redacted copy preserves the string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The path or hash of a payload, or the name of a bundle.
    Reference,
    /// An id, which links objects.
    Id {
        /// `true` for an id that the format defines, `false` for an id of a provider or a program.
        is_format_id: bool,
    },
    /// A type or a role, such as `function_call` or `assistant`.
    Type,
    /// A status or an outcome, such as `completed`.
    Status,
    /// The name of a tool, a model or an agent.
    Name,
    /// Any other text.
    Content,
}

/// Names of the fields of events that contain ids.
const IDS: [&str; 25] = [
    "child_codex_turn_id",
    "child_thread_id",
    "code_mode_runtime_tool_id",
    "codex_turn_id",
    "compaction_id",
    "compaction_request_id",
    "edge_id",
    "inference_call_id",
    "mcp_call_id",
    "model_visible_call_id",
    "operation_id",
    "otel_parent_span_id",
    "otel_span_id",
    "otel_trace_id",
    "parent_thread_id",
    "previous_response_id",
    "raw_payload_id",
    "response_id",
    "rollout_id",
    "root_thread_id",
    "runtime_cell_id",
    "thread_id",
    "tool_call_id",
    "trace_id",
    "upstream_request_id",
];

/// Field of a payload that names another payload, with the exact bytes from which this payload was made.
const BYTES: &[u8] = semconv::BYTES.as_bytes();

/// Fields that contain types or roles.
const TYPES: [&str; 5] = [semconv::OPERATION_NAME, "language", "object", "phase", "role"];

/// Fields that contain statuses or outcomes.
const STATUSES: [&str; 5] = ["finishReason", "finish_reason", "kind", "status", "stop_reason"];

/// Fields that contain names of tools, models or agents.
const NAMES: [&str; 16] = [
    "agent_path",
    "author",
    "child_agent_path",
    "event_type",
    semconv::PROVIDER_NAME,
    semconv::REQUEST_MODEL,
    "model",
    "namespace",
    "other_recipients",
    "provider_name",
    "recipient",
    "server",
    "target_agent_path",
    "tool",
    "tool_name",
    "tool_namespace",
];

/// Fields of foreign JSON that contain names of agents, by which it is linked to the rest of the bundle.
const NAMES_IN_FOREIGN: [&str; 3] = ["author", "other_recipients", "recipient"];
/// Fields of foreign JSON that contain ids, by which it is linked to the rest of the bundle.
const IDS_IN_FOREIGN: [&str; 8] = [
    "call_id",
    "cell_id",
    "child_thread_id",
    "process_id",
    "receiver_thread_id",
    "sender_thread_id",
    "session_id",
    "tool_call_id",
];

/// Fields that contain foreign JSON.
const FOREIGN: [&str; 10] = [
    "args",
    "arguments",
    "input_schema",
    "metadata",
    "parameters",
    "raw_arguments",
    "response_format",
    "schema",
    "stored_values",
    "value",
];

/// Fields with objects or lists in which `name` is the name of a tool.
const TOOLS: [&str; 8] = [
    "function",
    "functionCall",
    "functionDeclarations",
    "functionResponse",
    "function_call",
    "functions",
    "tool_choice",
    "tools",
];

/// Tracks the position in a JSON value to determine the meaning of each string.
pub(super) struct MeaningTracker<'a> {
    json: &'a [u8],
    document: Document,
    objects: std::vec::IntoIter<ObjectTraits>,
    containers: Vec<Container<'a>>,
    last: &'a [u8],
    /// `true` if the next token is the value of the field `last`. `false` if it is an element of a list in that field.
    is_value: bool,
}

/// Properties of a JSON object or list that its members determine, such as being a payload reference. They are
/// collected in a first pass, because a string may come before the members that determine its meaning.
#[derive(Debug, Clone, Copy, Default)]
struct ObjectTraits {
    /// `true` if the object is a payload reference.
    is_reference: bool,
    /// `true` if the object describes a tool or a tool call.
    is_tool: bool,
}

/// An object or a list that contains the current position.
#[derive(Debug, Clone, Copy)]
struct Container<'a> {
    document: Document,
    /// Name of the field that contains the object or list.
    name: &'a [u8],
    object: ObjectTraits,
}

impl<'a> MeaningTracker<'a> {
    /// Creates a tracker at the start of a JSON value.
    pub(super) fn new(json: &'a [u8], document: Document) -> Self {
        let objects = objects(json).into_iter();
        Self { json, document, objects, containers: Vec::new(), last: b"", is_value: false }
    }

    /// Returns the meaning of a string at the current position of the tracker.
    pub(super) fn meaning(&self) -> Meaning {
        let containers = self.containers.last();
        let parent = containers.map_or(&b""[..], |containers| containers.name);
        let object = containers.map(|containers| containers.object).unwrap_or_default();
        let is = |names: &[&str]| is_one_of(names, self.last);
        // A body names a conversation of the provider by its id alone, or by an object with it.
        let is_conversation = self.containers.len() == 1 && self.last == b"conversation";
        let is_other_id = self.last.ends_with(b"_id") || self.last == b"id" || is_conversation;
        match self.document() {
            Document::Foreign if is(&IDS_IN_FOREIGN) => Meaning::Id { is_format_id: false },
            Document::Foreign if is(&NAMES_IN_FOREIGN) => Meaning::Name,
            Document::Foreign => Meaning::Content,
            Document::Manifest if is(&["raw_event_log", "payloads_dir"]) => Meaning::Reference,
            Document::Manifest if parent == b"parent" && self.last == b"bundle" => Meaning::Reference,
            Document::Line if object.is_reference && is(&["path", "hash"]) => Meaning::Reference,
            Document::Line if parent == b"truncated" && self.last == b"hash" => Meaning::Reference,
            // The own fields of a span, whose names mean nothing here.
            Document::Line if parent == b"attributes" => Meaning::Content,
            Document::Line if self.last == b"ended_by" => Meaning::Type,
            Document::Line if parent == b"summary" && self.last == b"label" => Meaning::Name,
            Document::Line if parent == b"kind" && self.last == b"name" => Meaning::Name,
            Document::Line if self.last == b"kind" => Meaning::Name,
            Document::Manifest | Document::Line if is(&IDS) => Meaning::Id { is_format_id: true },
            Document::Body if self.last == BYTES => Meaning::Reference,
            Document::Body if is(&TYPES) => Meaning::Type,
            Document::Manifest | Document::Line | Document::Body => match () {
                () if self.last == b"type" => Meaning::Type,
                () if is_other_id => Meaning::Id { is_format_id: false },
                () if is(&STATUSES) => Meaning::Status,
                () if is(&NAMES) || (self.last == b"name" && object.is_tool) => Meaning::Name,
                () => Meaning::Content,
            },
        }
    }

    /// Returns the kind of JSON that a string at the current position may contain as text.
    pub(super) fn within_text(&self) -> Document {
        if self.last.starts_with(semconv::GEN_AI_NAMESPACE.as_bytes()) { self.document() } else { Document::Foreign }
    }

    /// Returns `true` if the current position is in foreign JSON.
    pub(super) fn is_foreign(&self) -> bool {
        self.document() == Document::Foreign
    }

    fn document(&self) -> Document {
        self.containers.last().map_or(self.document, |containers| containers.document)
    }

    /// Moves the tracker past a token.
    pub(super) fn advance(&mut self, token: &Token) {
        let is_value = std::mem::replace(&mut self.is_value, matches!(token, Token::Name(_)));
        match token {
            Token::Name(range) => self.last = &self.json[range.clone()],
            Token::Open { is_object, at: _ } => {
                let is_foreign = is_one_of(&FOREIGN, self.last) || (is_value && *is_object && self.last == b"input");
                let mut object = self.objects.next().unwrap_or_default();
                object.is_tool |= is_one_of(&TOOLS, self.last);
                let document = if is_foreign { Document::Foreign } else { self.document() };
                self.containers.push(Container { document, name: self.last, object });
            }
            Token::Close { end: _ } => {
                if let Some(containers) = self.containers.pop() {
                    self.last = containers.name;
                }
            }
            Token::Text(_) | Token::Literal(_) => {}
        }
    }
}

/// Returns the properties of all objects and lists, in the order in which they begin.
fn objects(json: &[u8]) -> Vec<ObjectTraits> {
    let (mut objects, mut containers, mut name) = (Vec::new(), Vec::new(), &b""[..]);
    for token in Tokens::new(json) {
        match token {
            Token::Open { .. } => {
                containers.push(objects.len());
                objects.push(ObjectTraits::default());
                name = b"";
            }
            Token::Close { .. } => drop(containers.pop()),
            Token::Name(range) => {
                name = &json[range];
                if let Some(object) = containers.last().and_then(|&at: &usize| objects.get_mut(at)) {
                    object.is_reference |= name == b"raw_payload_id";
                }
            }
            Token::Text(range) => {
                if let Some(object) = containers.last().and_then(|&at| objects.get_mut(at)) {
                    object.is_tool |= name == b"type" && is_type_of_tool(&json[range]);
                }
            }
            Token::Literal(_) => {}
        }
    }
    objects
}

/// Returns `true` if objects of this `type` are tools or tool calls, for any provider.
fn is_type_of_tool(text: &[u8]) -> bool {
    [&b"function"[..], b"tool", b"custom", b"mcp"].iter().any(|part| memchr::memmem::find(text, part).is_some())
}

fn is_one_of(names: &[&str], name: &[u8]) -> bool {
    names.iter().any(|it| it.as_bytes() == name)
}
