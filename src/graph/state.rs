//! Serialization of a graph as `state.json`, schema 1. The bytes are deterministic: maps are in ascending byte order of
//! their keys.

mod call;
mod item;
mod snapshots;

use std::hash::Hash;
use std::io::{self, Write};

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::{
    ChildProcess, CodeCell, Compaction, CompactionRequest, Diagnostic, Edge, Graph, Item, Table, TerminalOperation,
    TerminalSession, Thread, ToolCall, Totals, Turn,
};
use crate::event::PayloadRef;
use call::WireCalls;
use item::WireItem;
pub use snapshots::Snapshots;

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
            inference_calls: _,
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
        state.serialize_field("inference_calls", &WireCalls { graph: self.graph, snapshots: self.snapshots })?;
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
