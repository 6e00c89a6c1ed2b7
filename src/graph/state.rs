//! Serialization of a graph as `state.json`, schema 1. The bytes are deterministic: maps are in ascending byte order of
//! their keys.

use std::hash::Hash;
use std::io::{self, Write};

use serde::ser::{SerializeMap, SerializeSeq, SerializeStruct};
use serde::{Serialize, Serializer};

use super::usage::WireUsage;
use super::{
    Channel, ChildProcess, CodeCell, Compaction, CompactionRequest, Content, Diagnostic, Edge, Execution, Graph,
    HistoryEdit, InferenceCall, Item, ItemId, ItemKind, LiveSpan, Part, Pointer, Producer, ProviderItemId, Role, Table,
    TerminalOperation, TerminalSession, Thread, ToolCall, Totals, Turn,
};
use crate::event::{
    CallId, EndDetail, InferenceId, PayloadRef, RawPayloadId, RequestId, ResponseId, ThreadId, ToolCallId, TurnId,
    UnixMillis,
};

/// The form in which `state.json` lists the items of requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Snapshots {
    /// Every request lists all of its items. The size of the file grows with the square of the session's length.
    #[default]
    Expanded,
    /// A request refers to an earlier call with which it shares a prefix, and lists only the items that follow. The
    /// size of the file is linear in the size of the bundle.
    Shared,
}

impl Graph {
    /// Writes `state.json`: one JSON object and a newline. Equal graphs give equal bytes.
    ///
    /// # Errors
    /// Returns the errors of `writer`.
    pub fn write_state(&self, writer: impl Write, snapshots: Snapshots) -> io::Result<()> {
        let mut writer = io::BufWriter::with_capacity(1 << 16, writer);
        serde_json::to_writer(&mut writer, &State { graph: self, snapshots })?;
        writer.write_all(b"\n")?;
        writer.flush()
    }
}

/// The top-level object of `state.json`, serialized from a graph.
struct State<'a> {
    graph: &'a Graph,
    snapshots: Snapshots,
}

impl Serialize for State<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Graph {
            trace_id,
            rollout_id,
            root_thread_id,
            started_at,
            ended_at,
            status,
            totals,
            threads,
            turns,
            items,
            inference_calls,
            code_cells,
            tool_calls,
            terminal_sessions,
            terminal_operations,
            compactions,
            compaction_requests,
            parent,
            otel_resource,
            child_processes,
            edges,
            agent_results: _,
            raw_payloads,
            diagnostics,
        } = self.graph;
        let mut state = serializer.serialize_struct("State", 25)?;
        state.serialize_field("schema_version", &1)?;
        state.serialize_field("trace_id", trace_id)?;
        state.serialize_field("rollout_id", rollout_id)?;
        state.serialize_field("started_at_unix_ms", started_at)?;
        state.serialize_field("ended_at_unix_ms", ended_at)?;
        state.serialize_field("status", status)?;
        state.serialize_field("root_thread_id", root_thread_id)?;
        state.serialize_field("threads", &ById::<_, Thread>(threads))?;
        state.serialize_field("codex_turns", &ById::<_, Turn>(turns))?;
        state.serialize_field(
            "conversation_items",
            &ByNumber(items, |item: &Item| item.item_id.to_string(), WireItem::new),
        )?;
        state.serialize_field("inference_calls", &WireCalls { calls: inference_calls, state: self })?;
        state.serialize_field("code_cells", &ById::<_, CodeCell>(code_cells))?;
        state.serialize_field("tool_calls", &ById::<_, ToolCall>(tool_calls))?;
        state.serialize_field("terminal_sessions", &ById::<_, TerminalSession>(terminal_sessions))?;
        let operation_id = |operation: &TerminalOperation| operation.operation_id.to_string();
        state.serialize_field("terminal_operations", &ByNumber(terminal_operations, operation_id, |it| it))?;
        state.serialize_field("compactions", &ById::<_, Compaction>(compactions))?;
        state.serialize_field("compaction_requests", &ById::<_, CompactionRequest>(compaction_requests))?;
        state.serialize_field("interaction_edges", &ById::<_, Edge>(edges))?;
        state.serialize_field("raw_payloads", &ById::<_, PayloadRef>(raw_payloads))?;
        state.serialize_field::<Totals>("totals", totals)?;
        match parent {
            Some(parent) => state.serialize_field("parent", parent)?,
            None => state.skip_field("parent")?,
        }
        match otel_resource {
            Some(resource) => state.serialize_field("otel_resource", resource)?,
            None => state.skip_field("otel_resource")?,
        }
        if child_processes.is_empty() {
            state.skip_field("child_processes")?;
        } else {
            state.serialize_field("child_processes", &InOrder::<_, ChildProcess>(child_processes))?;
        }
        if diagnostics.is_empty() {
            state.skip_field("diagnostics")?;
        } else {
            state.serialize_field::<Vec<Diagnostic>>("diagnostics", diagnostics)?;
        }
        state.end()
    }
}

/// Serializes a table as a JSON object: ids as keys, in ascending byte order.
struct ById<'a, K, V>(&'a Table<K, V>);

impl<K: AsRef<str>, V: Serialize> Serialize for ById<'_, K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.by_id().into_iter().map(|(id, row)| (id.as_ref(), row)))
    }
}

/// Serializes a table as a JSON array, in order of the objects' starts.
struct InOrder<'a, K, V>(&'a Table<K, V>);

impl<K: Clone + Eq + Hash, V: Serialize> Serialize for InOrder<'_, K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter())
    }
}

/// Serializes numbered objects as a JSON object: ids as keys, in ascending byte order. The two functions return the id
/// and the wire form of an object.
struct ByNumber<'a, V, Id, Wire>(&'a [V], Id, Wire);

impl<'a, V, W: Serialize, Id: Fn(&V) -> String, Wire: Fn(&'a V) -> W> Serialize for ByNumber<'a, V, Id, Wire> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(rows, id, wire) = self;
        let mut rows: Vec<_> = rows.iter().map(|row| (id(row), row)).collect();
        rows.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        serializer.collect_map(rows.into_iter().map(|(id, row)| (id, wire(row))))
    }
}

#[derive(Serialize)]
struct WireItem<'a> {
    item_id: ItemId,
    thread_id: &'a ThreadId,
    codex_turn_id: Option<&'a TurnId>,
    first_seen_at_unix_ms: UnixMillis,
    role: Role,
    channel: Option<Channel>,
    kind: ItemKind,
    body: Body<'a>,
    call_id: Option<&'a CallId>,
    produced_by: &'a [Producer],
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_error: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_message: Option<&'a super::AgentMessage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_id: Option<&'a ProviderItemId>,
}

impl<'a> WireItem<'a> {
    fn new(item: &'a Item) -> Self {
        let Item {
            item_id,
            thread_id,
            turn_id,
            first_seen_at,
            content,
            provider_id,
            raw_payload_id,
            produced_by,
            evidence: _,
        } = item;
        let Content {
            role,
            channel,
            kind,
            call_id,
            name,
            namespace,
            is_error,
            agent_message,
            parts,
            delivery: _,
            history_effect: _,
        } = &**content;
        Self {
            item_id: *item_id,
            thread_id,
            codex_turn_id: turn_id.as_ref(),
            first_seen_at_unix_ms: *first_seen_at,
            role: *role,
            channel: *channel,
            kind: *kind,
            body: Body { parts: Parts { parts, raw_payload_id } },
            call_id: call_id.as_ref(),
            produced_by,
            name: name.as_deref(),
            namespace: namespace.as_deref(),
            is_error: *is_error,
            agent_message: agent_message.as_ref(),
            provider_id: provider_id.as_ref(),
        }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    parts: Parts<'a>,
}

struct Parts<'a> {
    parts: &'a [Part],
    raw_payload_id: &'a RawPayloadId,
}

impl Serialize for Parts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.parts.iter().map(|part| WirePart::new(part, self.raw_payload_id)))
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum WirePart<'a> {
    Text {
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        label: Option<&'a str>,
    },
    Summary {
        text: &'a str,
    },
    Encoded {
        label: &'a str,
        value: &'a str,
    },
    Json {
        summary: &'a str,
        raw_payload_id: &'a RawPayloadId,
    },
    Code {
        language: &'a str,
        source: &'a str,
    },
    PayloadRef {
        label: &'a str,
        raw_payload_id: &'a RawPayloadId,
    },
}

impl<'a> WirePart<'a> {
    fn new(part: &'a Part, raw_payload_id: &'a RawPayloadId) -> Self {
        match part {
            Part::Text(text) => Self::Text { text, label: None },
            Part::LabelledText { label, text } => Self::Text { text, label: Some(label) },
            Part::Summary(text) => Self::Summary { text },
            Part::Encoded { label, value } => Self::Encoded { label, value },
            Part::Json { summary } => Self::Json { summary, raw_payload_id },
            Part::Code { language, source } => Self::Code { language, source },
            Part::PayloadRef { label } => Self::PayloadRef { label, raw_payload_id },
        }
    }
}

struct WireCalls<'a> {
    calls: &'a Table<InferenceId, InferenceCall>,
    state: &'a State<'a>,
}

impl Serialize for WireCalls<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let calls = self.calls.by_id();
        let mut map = serializer.serialize_map(Some(calls.len()))?;
        for (id, call) in calls {
            map.serialize_entry(id, &WireCall::new(call, self.state))?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct WireCall<'a> {
    inference_call_id: &'a InferenceId,
    thread_id: &'a ThreadId,
    codex_turn_id: &'a TurnId,
    execution: Execution,
    model: &'a str,
    provider_name: &'a str,
    upstream_request_id: Option<&'a RequestId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_prefix: Option<WirePrefix<'a>>,
    request_item_ids: ItemPieces<'a>,
    response_item_ids: &'a [ItemId],
    tool_call_ids_started_by_response: &'a [ToolCallId],
    usage: Option<WireUsage>,
    raw_request_payload_id: &'a RawPayloadId,
    raw_response_payload_id: Option<&'a RawPayloadId>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    raw_response_chunk_ids: &'a [RawPayloadId],
    #[serde(skip_serializing_if = "Option::is_none")]
    response_id: Option<&'a ResponseId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_error: Option<&'a str>,
    #[serde(flatten)]
    end: Option<&'a EndDetail>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instructions: Option<&'a Pointer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<&'a Pointer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compacted_before: Option<ItemId>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    history_edits: &'a [HistoryEdit],
    #[serde(skip_serializing_if = "Option::is_none")]
    first_token_at_unix_ms: Option<UnixMillis>,
    #[serde(flatten)]
    span: &'a LiveSpan,
}

impl<'a> WireCall<'a> {
    fn new(call: &'a InferenceCall, state: &State<'a>) -> Self {
        let InferenceCall {
            inference_call_id,
            thread_id,
            turn_id,
            execution,
            model,
            provider_name,
            upstream_request_id,
            response_id,
            request,
            response_item_ids,
            tool_call_ids,
            usage,
            first_token_at,
            error,
            provider_error,
            end,
            raw_request_payload_id,
            raw_response_payload_id,
            raw_response_chunk_ids,
            instructions,
            tools,
            compacted_before,
            history_edits,
            span,
            evidence: _,
        } = call;
        let calls = &state.graph.inference_calls;
        let (request_prefix, pieces) = match state.snapshots {
            Snapshots::Expanded => {
                let index = calls.index_of(inference_call_id);
                (None, index.map(|index| state.graph.snapshot_pieces(index)).unwrap_or_default())
            }
            Snapshots::Shared => {
                let prefix = request.prefix.and_then(|prefix| {
                    Some(WirePrefix {
                        inference_call_id: &calls.get_index(prefix.call)?.inference_call_id,
                        items: prefix.items,
                        with_response: prefix.response_items > 0,
                    })
                });
                (prefix, vec![&*request.tail])
            }
        };
        Self {
            inference_call_id,
            thread_id,
            codex_turn_id: turn_id,
            execution: *execution,
            model,
            provider_name,
            upstream_request_id: upstream_request_id.as_ref(),
            request_prefix,
            request_item_ids: ItemPieces(pieces),
            response_item_ids,
            tool_call_ids_started_by_response: tool_call_ids,
            usage: usage.map(WireUsage),
            raw_request_payload_id,
            raw_response_payload_id: raw_response_payload_id.as_ref(),
            raw_response_chunk_ids,
            response_id: response_id.as_ref(),
            error: error.as_deref(),
            provider_error: provider_error.as_deref(),
            end: end.as_deref(),
            instructions: instructions.as_ref(),
            tools: tools.as_ref(),
            compacted_before: *compacted_before,
            history_edits,
            first_token_at_unix_ms: *first_token_at,
            span,
        }
    }
}

/// The prefix of a request in `state.json`: the first `items` ids of an earlier call's request, followed by the ids of
/// that call's response if `with_response` is set.
#[derive(Serialize)]
struct WirePrefix<'a> {
    inference_call_id: &'a InferenceId,
    items: usize,
    with_response: bool,
}

/// Serializes the concatenation of slices as one list of item ids.
struct ItemPieces<'a>(Vec<&'a [ItemId]>);

impl Serialize for ItemPieces<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.iter().map(|piece| piece.len()).sum()))?;
        for item in self.0.iter().copied().flatten() {
            list.serialize_element(item)?;
        }
        list.end()
    }
}
