//! What was wrong with the evidence.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::event::{RawPayloadId, Seq};

/// Something about the evidence that a reader of the graph should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// The event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<Seq>,
    /// The event's line in the log, from 1.
    #[serde(skip)]
    pub line: Option<u64>,
    /// What it is.
    pub code: Code,
    /// How bad it is: always [`Code::severity`].
    pub severity: Severity,
    /// The object, what is wrong with it, and what was left out or done instead.
    pub message: String,
    /// The body it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw_payload_id: Option<RawPayloadId>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seq, line, code, severity: _, message, raw_payload_id } = self;
        if let Some(seq) = seq {
            write!(f, "seq {seq}, ")?;
        }
        if let Some(line) = line {
            write!(f, "line {line}, ")?;
        }
        write!(f, "{code}: {message}")?;
        raw_payload_id.iter().try_for_each(|payload| write!(f, " [{payload}]"))
    }
}

/// How bad a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing is missing from the graph because of it.
    Notice,
    /// Something was left out of the graph.
    Skipped,
}

/// What a diagnostic is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Code {
    /// A line is no event of format 1.
    BadLine,
    /// The last line is cut short.
    TornLine,
    /// An event of a type that format 1 does not have.
    UnknownVariant,
    /// A line of another version of the format.
    UnknownSchema,
    /// The lines are not in order of seq.
    SeqDisorder,
    /// Events are missing between two lines.
    SeqGap,
    /// An event of another rollout.
    OtherRollout,
    /// A second start of one thing.
    DuplicateStart,
    /// A thread or turn whose start was not seen.
    ImpliedStart,
    /// An end after the end.
    LateEnd,
    /// An event names a thread that is not its turn's.
    WrongThread,
    /// An event names something that was never started.
    UnknownObject,
    /// A body is missing, or not what its event says it is.
    BadPayload,
    /// A body's path leads out of the bundle.
    RefusedPath,
    /// A piece of conversation can't be read.
    BadItem,
    /// A piece of conversation of a type that is not known.
    UnknownItemType,
    /// One call id stands for two different pieces of conversation, or for two tool calls.
    CallIdReused,
    /// Two readings of one piece of reasoning.
    ReasoningConflict,
    /// A request builds on a response that is not in the bundle.
    UnknownPreviousResponse,
    /// A request adds something else where the conversation had gone on.
    HistoryBranched,
    /// A request was recorded without its body.
    RequestUnknown,
    /// A call without the id that would link it to its answer.
    CallWithoutId,
    /// A tool's arguments can't be read; a model wrote them.
    BadArguments,
    /// What the runtime saw of a command is no command.
    NotACommand,
    /// An operation that changed its terminal.
    TerminalChanged,
    /// A runtime's cell became another cell.
    ReboundCell,
    /// A code cell that no piece of conversation brought.
    CellWithoutSource,
    /// Two events disagree about one edge.
    EdgeConflict,
    /// A message that no thread was seen to receive.
    UndeliveredMessage,
    /// The recorder lost events.
    RecordingGap,
    /// The recorder saw something without surroundings.
    OrphanSpan,
}

/// Whether a strict reduction ends here.
#[derive(PartialEq)]
enum Strict {
    GoesOn,
    Stops,
}

impl Code {
    /// Everything there is to say of each code.
    const fn row(self) -> (&'static str, Severity, Strict) {
        use Severity::{Notice, Skipped};
        use Strict::{GoesOn, Stops};
        match self {
            Self::LateEnd => ("late_end", Notice, GoesOn),
            Self::SeqGap => ("seq_gap", Notice, GoesOn),
            Self::OtherRollout => ("other_rollout", Notice, GoesOn),
            Self::CallWithoutId => ("call_without_id", Notice, GoesOn),
            Self::CellWithoutSource => ("cell_without_source", Notice, GoesOn),
            Self::UndeliveredMessage => ("undelivered_message", Notice, GoesOn),
            Self::RequestUnknown => ("request_unknown", Notice, GoesOn),
            Self::RecordingGap => ("recording_gap", Notice, GoesOn),
            Self::OrphanSpan => ("orphan_span", Notice, GoesOn),
            Self::TornLine => ("torn_line", Notice, Stops),
            Self::ImpliedStart => ("implied_start", Notice, Stops),
            Self::UnknownPreviousResponse => ("unknown_previous_response", Notice, Stops),
            Self::HistoryBranched => ("history_branched", Notice, Stops),
            Self::CallIdReused => ("call_id_reused", Notice, Stops),
            Self::ReasoningConflict => ("reasoning_conflict", Notice, Stops),
            Self::UnknownItemType => ("unknown_item_type", Notice, Stops),
            Self::BadArguments => ("bad_arguments", Notice, Stops),
            Self::NotACommand => ("not_a_command", Notice, Stops),
            Self::SeqDisorder => ("seq_disorder", Notice, Stops),
            Self::BadLine => ("bad_line", Skipped, Stops),
            Self::UnknownVariant => ("unknown_variant", Skipped, Stops),
            Self::UnknownSchema => ("unknown_schema", Skipped, Stops),
            Self::DuplicateStart => ("duplicate_start", Skipped, Stops),
            Self::WrongThread => ("wrong_thread", Skipped, Stops),
            Self::UnknownObject => ("unknown_object", Skipped, Stops),
            Self::BadPayload => ("bad_payload", Skipped, Stops),
            Self::RefusedPath => ("refused_path", Skipped, Stops),
            Self::BadItem => ("bad_item", Skipped, Stops),
            Self::ReboundCell => ("rebound_cell", Skipped, Stops),
            Self::TerminalChanged => ("terminal_changed", Skipped, Stops),
            Self::EdgeConflict => ("edge_conflict", Skipped, Stops),
        }
    }

    /// The wire name.
    pub const fn name(self) -> &'static str {
        self.row().0
    }

    /// How bad it is.
    pub const fn severity(self) -> Severity {
        self.row().1
    }

    /// Whether a strict reduction ends with it.
    pub const fn stops_strict(self) -> bool {
        matches!(self.row().2, Strict::Stops)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
