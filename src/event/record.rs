//! Lines of `trace.jsonl` and their parsed form.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::variant::EventError;
use super::{Event, OtelSpanId, OtelTraceId, RolloutId, Seq, ThreadId, Timestamp, TurnId, UnixMillis, UnknownWord};

/// Schema version of every line and manifest that this library writes and reads.
pub const SCHEMA_VERSION: u32 = 1;

/// The thread, the turn and the live span that an event belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventContext {
    /// Thread of the event. `None` if it is unknown.
    pub thread_id: Option<ThreadId>,
    /// Turn of the event. `None` if it is unknown.
    pub turn_id: Option<TurnId>,
    /// OpenTelemetry span that was live when the event was recorded. `None` if there was none.
    pub span: Option<SpanRef>,
}

/// The ids of an OpenTelemetry span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpanRef {
    /// Id of the trace.
    pub trace_id: OtelTraceId,
    /// Id of the span.
    pub span_id: OtelSpanId,
    /// Id of the parent span, if known.
    pub parent_span_id: Option<OtelSpanId>,
    /// `false` if the span was not sampled, so that no backend has received it.
    pub is_sampled: bool,
}

/// A parsed line of the log. It is written without its unknown words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Sequence number of the line in the log.
    pub seq: Seq,
    /// Time at which the event was observed.
    pub at: Timestamp,
    /// Id of the run.
    pub rollout_id: RolloutId,
    /// Thread, turn and span that the event belongs to.
    pub context: EventContext,
    /// The observed event, with its data.
    pub event: Event,
    /// Words of the event that format 1 does not define. The event has other words in their place.
    pub unknown_words: Vec<UnknownWord>,
}

/// A line without its sequence number: the part that is serialized before the lock of the writer is taken.
#[derive(Debug, Serialize)]
pub struct RecordBody<'a> {
    wall_time_unix_ms: UnixMillis,
    #[serde(skip_serializing_if = "is_zero")]
    wall_time_sub_ms_ns: u32,
    rollout_id: &'a RolloutId,
    thread_id: &'a Option<ThreadId>,
    codex_turn_id: &'a Option<TurnId>,
    payload: &'a Event,
    #[serde(skip_serializing_if = "Option::is_none")]
    otel_trace_id: Option<&'a OtelTraceId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    otel_span_id: Option<&'a OtelSpanId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    otel_parent_span_id: Option<&'a OtelSpanId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    otel_sampled: Option<bool>,
}

impl<'a> RecordBody<'a> {
    /// Creates the line for an event that was observed at the time `at`.
    pub fn new(at: Timestamp, rollout_id: &'a RolloutId, context: &'a EventContext, event: &'a Event) -> Self {
        let EventContext { thread_id, turn_id, span } = context;
        Self {
            wall_time_unix_ms: at.unix_ms(),
            wall_time_sub_ms_ns: at.sub_ms_ns(),
            rollout_id,
            thread_id,
            codex_turn_id: turn_id,
            payload: event,
            otel_trace_id: span.as_ref().map(|span| &span.trace_id),
            otel_span_id: span.as_ref().map(|span| &span.span_id),
            otel_parent_span_id: span.as_ref().and_then(|span| span.parent_span_id.as_ref()),
            // Spans are sampled as a rule, so only the exception is written.
            otel_sampled: span.as_ref().filter(|span| !span.is_sampled).map(|span| span.is_sampled),
        }
    }
}

fn is_zero(nanos: &u32) -> bool {
    *nanos == 0
}

impl Serialize for Record {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct NumberedLine<'a> {
            schema_version: u32,
            seq: Seq,
            #[serde(flatten)]
            body: RecordBody<'a>,
        }
        let body = RecordBody::new(self.at, &self.rollout_id, &self.context, &self.event);
        NumberedLine { schema_version: SCHEMA_VERSION, seq: self.seq, body }.serialize(serializer)
    }
}

/// A line whose `payload`, the event, is still unparsed text.
#[derive(Deserialize)]
struct Line<'a> {
    schema_version: u32,
    seq: Seq,
    wall_time_unix_ms: UnixMillis,
    #[serde(default)]
    wall_time_sub_ms_ns: Value,
    rollout_id: RolloutId,
    #[serde(default)]
    thread_id: Option<ThreadId>,
    #[serde(default)]
    codex_turn_id: Option<TurnId>,
    #[serde(borrow)]
    payload: &'a RawValue,
    #[serde(default)]
    otel_trace_id: Option<OtelTraceId>,
    #[serde(default)]
    otel_span_id: Option<OtelSpanId>,
    #[serde(default)]
    otel_parent_span_id: Option<OtelSpanId>,
    #[serde(default)]
    otel_sampled: Value,
}

/// The fields of a line that can be read if it is not a valid line of this version.
#[derive(Deserialize)]
struct VersionedLine {
    schema_version: u32,
    #[serde(default)]
    seq: Option<Seq>,
}

impl Record {
    /// Parses one line, without its newline. Ignores unknown fields.
    ///
    /// # Errors
    /// Returns [`RecordError`] if the line is not valid JSON, lacks a required field, has another schema version or
    /// contains an unknown event.
    pub fn parse(line: &[u8]) -> Result<Self, RecordError> {
        let read: Line<'_> = match serde_json::from_slice(line) {
            Ok(read) => read,
            Err(error) => return Err(RecordError::from_unreadable(line, error)),
        };
        if read.schema_version != SCHEMA_VERSION {
            return Err(RecordError::Schema { seq: Some(read.seq), version: read.schema_version });
        }
        let (event, unknown_words) = Event::parse(read.payload.get()).map_err(|bad| match bad {
            EventError::Json(error) => RecordError::Line { seq: Some(read.seq), error },
            EventError::Variant(name) => RecordError::Variant { seq: read.seq, name },
        })?;
        let parent_span_id = read.otel_parent_span_id;
        let ids = read.otel_trace_id.zip(read.otel_span_id);
        // Values of other types are ignored, and the line is kept.
        let is_sampled = read.otel_sampled != Value::Bool(false);
        let span = ids.map(|(trace_id, span_id)| SpanRef { trace_id, span_id, parent_span_id, is_sampled });
        let sub_ms_ns = read.wall_time_sub_ms_ns.as_u64().and_then(|nanos| u32::try_from(nanos).ok()).unwrap_or(0);
        Ok(Self {
            seq: read.seq,
            at: Timestamp::new(read.wall_time_unix_ms, sub_ms_ns),
            rollout_id: read.rollout_id,
            context: EventContext { thread_id: read.thread_id, turn_id: read.codex_turn_id, span },
            event,
            unknown_words,
        })
    }
}

/// An error that occurs when a line is parsed as a [`Record`].
#[derive(Debug)]
pub enum RecordError {
    /// The line is not valid JSON, or lacks a required field.
    Line {
        /// Sequence number, if it could be read.
        seq: Option<Seq>,
        /// Cause reported by the JSON parser.
        error: serde_json::Error,
    },
    /// The line has another schema version.
    Schema {
        /// Sequence number, if it could be read.
        seq: Option<Seq>,
        /// Schema version of the line.
        version: u32,
    },
    /// The line contains an event of a type that format 1 does not have.
    Variant {
        /// Sequence number of the line.
        seq: Seq,
        /// `type` of the event.
        name: String,
    },
}

impl RecordError {
    /// Creates the error of a line that could not be deserialized, with its version and sequence number if these can be
    /// read.
    fn from_unreadable(line: &[u8], error: serde_json::Error) -> Self {
        match serde_json::from_slice::<VersionedLine>(line) {
            Ok(VersionedLine { schema_version, seq }) if schema_version != SCHEMA_VERSION => {
                Self::Schema { seq, version: schema_version }
            }
            Ok(VersionedLine { seq, .. }) => Self::Line { seq, error },
            Err(_) => Self::Line { seq: None, error },
        }
    }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { error, .. } => write!(f, "not a line of format 1: {error}"),
            Self::Schema { version, .. } => {
                write!(f, "schema_version {version} is not supported; expected {SCHEMA_VERSION}")
            }
            Self::Variant { name, .. } => write!(f, "event type {name:?} is not part of format 1"),
        }
    }
}

impl std::error::Error for RecordError {}
