//! One line of `trace.jsonl`.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::variant::EventError;
use super::{Event, OtelSpanId, OtelTraceId, RolloutId, Seq, ThreadId, Timestamp, TurnId, UnixMillis};

/// The version of every line and manifest that this library writes and reads.
pub const SCHEMA_VERSION: u32 = 1;

/// What an event happened in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventContext {
    /// The thread, where one is known.
    pub thread_id: Option<ThreadId>,
    /// The turn, where one is known.
    pub turn_id: Option<TurnId>,
    /// The live OpenTelemetry span, where there was one.
    pub span: Option<SpanRef>,
}

/// A span of OpenTelemetry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpanRef {
    /// Its trace.
    pub trace_id: OtelTraceId,
    /// Itself.
    pub span_id: OtelSpanId,
    /// The span it is in, where one is known.
    pub parent_span_id: Option<OtelSpanId>,
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its place.
    pub seq: Seq,
    /// When it was observed.
    pub at: Timestamp,
    /// The run.
    pub rollout_id: RolloutId,
    /// What it happened in.
    pub context: EventContext,
    /// What was observed.
    pub event: Event,
}

/// A line without its place: what is serialised before the writer's lock is taken.
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
}

impl<'a> RecordBody<'a> {
    /// The line that says `event`.
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
        }
    }
}

fn is_zero(nanos: &u32) -> bool {
    *nanos == 0
}

impl Serialize for Record {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Placed<'a> {
            schema_version: u32,
            seq: Seq,
            #[serde(flatten)]
            body: RecordBody<'a>,
        }
        let body = RecordBody::new(self.at, &self.rollout_id, &self.context, &self.event);
        Placed { schema_version: SCHEMA_VERSION, seq: self.seq, body }.serialize(serializer)
    }
}

/// A line with its event still as text.
#[derive(Deserialize)]
struct Line<'a> {
    schema_version: u32,
    seq: Seq,
    wall_time_unix_ms: UnixMillis,
    #[serde(default)]
    wall_time_sub_ms_ns: Option<i64>,
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
}

/// What can be read of a line that is not one of ours.
#[derive(Deserialize)]
struct Versioned {
    schema_version: u32,
    #[serde(default)]
    seq: Option<Seq>,
}

impl Record {
    /// Reads one line, without its newline.
    ///
    /// # Errors
    /// [`RecordError`] says what of the line could not be read. Unknown fields are passed over.
    pub fn parse(line: &[u8]) -> Result<Self, RecordError> {
        let read: Line<'_> = match serde_json::from_slice(line) {
            Ok(read) => read,
            Err(error) => return Err(RecordError::of_unreadable(line, error)),
        };
        if read.schema_version != SCHEMA_VERSION {
            return Err(RecordError::Schema { seq: Some(read.seq), version: read.schema_version });
        }
        let event = Event::parse(read.payload.get()).map_err(|bad| match bad {
            EventError::Json(error) => RecordError::Line { seq: Some(read.seq), error },
            EventError::Variant(name) => RecordError::Variant { seq: read.seq, name },
        })?;
        let parent_span_id = read.otel_parent_span_id;
        let ids = read.otel_trace_id.zip(read.otel_span_id);
        let span = ids.map(|(trace_id, span_id)| SpanRef { trace_id, span_id, parent_span_id });
        let sub_ms_ns = read.wall_time_sub_ms_ns.and_then(|nanos| u32::try_from(nanos).ok()).unwrap_or(0);
        Ok(Self {
            seq: read.seq,
            at: Timestamp::new(read.wall_time_unix_ms, sub_ms_ns),
            rollout_id: read.rollout_id,
            context: EventContext { thread_id: read.thread_id, turn_id: read.codex_turn_id, span },
            event,
        })
    }
}

/// Why a line could not be read as a [`Record`].
#[derive(Debug)]
pub enum RecordError {
    /// It is not JSON, or lacks what every such line has.
    Line {
        /// Its place, where that could be read.
        seq: Option<Seq>,
        /// What is wrong.
        error: serde_json::Error,
    },
    /// It is of another version of the format.
    Schema {
        /// Its place, where that could be read.
        seq: Option<Seq>,
        /// The version.
        version: u32,
    },
    /// Its event is none that format 1 has.
    Variant {
        /// Its place.
        seq: Seq,
        /// The event's `type`.
        name: String,
    },
}

impl RecordError {
    fn of_unreadable(line: &[u8], error: serde_json::Error) -> Self {
        match serde_json::from_slice::<Versioned>(line) {
            Ok(Versioned { schema_version, seq }) if schema_version != SCHEMA_VERSION => {
                Self::Schema { seq, version: schema_version }
            }
            Ok(Versioned { seq, .. }) => Self::Line { seq, error },
            Err(_) => Self::Line { seq: None, error },
        }
    }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { error, .. } => write!(f, "not a line of format 1: {error}"),
            Self::Schema { version, .. } => {
                write!(f, "a line of schema_version {version}; this reader knows {SCHEMA_VERSION}")
            }
            Self::Variant { name, .. } => write!(f, "an event of type {name:?}, which format 1 does not have"),
        }
    }
}

impl std::error::Error for RecordError {}
