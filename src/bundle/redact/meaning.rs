//! What a text in JSON is, by where it stands: an id, a word of the format, a name, or something that was said.

use super::tokens::{Token, Tokens};

/// What a JSON value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Document {
    Manifest,
    /// A line of the log.
    Line,
    /// A body whose fields are known.
    Body,
    /// What a model, a tool or a program made: a name says nothing of what stands behind it.
    Foreign,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Where a body is, and what it is known by; the name of a bundle.
    Place,
    /// Links one thing to another. Of the format's own, or another's.
    Id {
        is_formats_own: bool,
    },
    /// What something is: a type, a role.
    Type,
    /// How something went.
    Status,
    /// What a tool, a model, an agent is called.
    Name,
    Said,
}

/// Ids that events have.
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

/// Says where the bytes are that a body is made of.
const BYTES: &[u8] = b"otel_trace.bytes";

const TYPES: [&str; 5] = ["gen_ai.operation.name", "language", "object", "phase", "role"];

const STATUSES: [&str; 5] = ["finishReason", "finish_reason", "kind", "status", "stop_reason"];

const NAMES: [&str; 16] = [
    "agent_path",
    "author",
    "child_agent_path",
    "event_type",
    "gen_ai.provider.name",
    "gen_ai.request.model",
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

/// What links that which is foreign to the rest.
const NAMES_IN_FOREIGN: [&str; 3] = ["author", "other_recipients", "recipient"];
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

/// Names behind which everything is foreign.
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

/// Names of objects and lists in which `name` is that of a tool.
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

/// The texts of a JSON value, each with what it is.
pub(super) struct Meanings<'a> {
    json: &'a [u8],
    document: Document,
    objects: std::vec::IntoIter<Object>,
    around: Vec<Around<'a>>,
    last: &'a [u8],
    /// Whether what follows is the value of that name, not an element of the list that is.
    is_value: bool,
}

/// What is known of an object or a list from what is in it.
#[derive(Debug, Clone, Copy, Default)]
struct Object {
    /// It refers to a body.
    is_reference: bool,
    /// It is a tool or a call of one.
    is_tool: bool,
}

/// An object or a list around a text.
#[derive(Debug, Clone, Copy)]
struct Around<'a> {
    document: Document,
    /// What it stands behind.
    name: &'a [u8],
    object: Object,
}

impl<'a> Meanings<'a> {
    pub(super) fn of(json: &'a [u8], document: Document) -> Self {
        let objects = objects(json).into_iter();
        Self { json, document, objects, around: Vec::new(), last: b"", is_value: false }
    }

    /// What a text is that stands here.
    pub(super) fn here(&self) -> Meaning {
        let around = self.around.last();
        let parent = around.map_or(&b""[..], |around| around.name);
        let object = around.map(|around| around.object).unwrap_or_default();
        let is = |names: &[&str]| is_one_of(names, self.last);
        let is_other_id = self.last.ends_with(b"_id") || self.last == b"id";
        match self.document() {
            Document::Foreign if is(&IDS_IN_FOREIGN) => Meaning::Id { is_formats_own: false },
            Document::Foreign if is(&NAMES_IN_FOREIGN) => Meaning::Name,
            Document::Foreign => Meaning::Said,
            Document::Manifest if is(&["raw_event_log", "payloads_dir"]) => Meaning::Place,
            Document::Manifest if parent == b"parent" && self.last == b"bundle" => Meaning::Place,
            Document::Line if object.is_reference && is(&["path", "hash"]) => Meaning::Place,
            Document::Line if parent == b"truncated" && self.last == b"hash" => Meaning::Place,
            Document::Line if parent == b"summary" && self.last == b"label" => Meaning::Name,
            Document::Line if parent == b"kind" && self.last == b"name" => Meaning::Name,
            Document::Line if self.last == b"kind" => Meaning::Name,
            Document::Manifest | Document::Line if is(&IDS) => Meaning::Id { is_formats_own: true },
            Document::Body if self.last == BYTES => Meaning::Place,
            Document::Body if is(&TYPES) => Meaning::Type,
            Document::Manifest | Document::Line | Document::Body => match () {
                () if self.last == b"type" => Meaning::Type,
                () if is_other_id => Meaning::Id { is_formats_own: false },
                () if is(&STATUSES) => Meaning::Status,
                () if is(&NAMES) || (self.last == b"name" && object.is_tool) => Meaning::Name,
                () => Meaning::Said,
            },
        }
    }

    /// What a JSON value is that is written in a text here.
    pub(super) fn within_text(&self) -> Document {
        if self.last.starts_with(b"gen_ai.") { self.document() } else { Document::Foreign }
    }

    pub(super) fn is_foreign(&self) -> bool {
        self.document() == Document::Foreign
    }

    fn document(&self) -> Document {
        self.around.last().map_or(self.document, |around| around.document)
    }

    pub(super) fn see(&mut self, token: &Token) {
        let is_value = std::mem::replace(&mut self.is_value, matches!(token, Token::Name(_)));
        match token {
            Token::Name(range) => self.last = &self.json[range.clone()],
            Token::Open { is_object, at: _ } => {
                let is_foreign = is_one_of(&FOREIGN, self.last) || (is_value && *is_object && self.last == b"input");
                let mut object = self.objects.next().unwrap_or_default();
                object.is_tool |= is_one_of(&TOOLS, self.last);
                let document = if is_foreign { Document::Foreign } else { self.document() };
                self.around.push(Around { document, name: self.last, object });
            }
            Token::Close { end: _ } => {
                if let Some(around) = self.around.pop() {
                    self.last = around.name;
                }
            }
            Token::Text(_) | Token::Word(_) => {}
        }
    }
}

/// Of each object and list, in the order in which they begin.
fn objects(json: &[u8]) -> Vec<Object> {
    let (mut objects, mut around, mut name) = (Vec::new(), Vec::new(), &b""[..]);
    for token in Tokens::of(json) {
        match token {
            Token::Open { .. } => {
                around.push(objects.len());
                objects.push(Object::default());
                name = b"";
            }
            Token::Close { .. } => drop(around.pop()),
            Token::Name(range) => {
                name = &json[range];
                if let Some(object) = around.last().and_then(|&at: &usize| objects.get_mut(at)) {
                    object.is_reference |= name == b"raw_payload_id";
                }
            }
            Token::Text(range) => {
                if let Some(object) = around.last().and_then(|&at| objects.get_mut(at)) {
                    object.is_tool |= name == b"type" && is_type_of_tool(&json[range]);
                }
            }
            Token::Word(_) => {}
        }
    }
    objects
}

/// Whether an object of this type is a tool, or a call of one, in the shape of any provider.
fn is_type_of_tool(text: &[u8]) -> bool {
    [&b"function"[..], b"tool", b"custom", b"mcp"].iter().any(|part| memchr::memmem::find(text, part).is_some())
}

fn is_one_of(names: &[&str], name: &[u8]) -> bool {
    names.iter().any(|it| it.as_bytes() == name)
}
