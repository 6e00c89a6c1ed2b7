//! The codes of diagnostics: one table of everything that can be wrong with evidence.

use std::fmt;

use serde::{Serialize, Serializer};

use super::Severity;

/// Whether a strict reduction ends here.
#[derive(PartialEq)]
enum Strict {
    GoesOn,
    Stops,
}

macro_rules! codes {
    ($($(#[doc = $meaning:literal])* $code:ident = $name:literal, $severity:ident, $strict:ident;)*) => {
        /// What a diagnostic is about. The names are stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[doc = $meaning])* $code,)*
        }

        impl Code {
            /// Every code, the mildest first.
            pub const ALL: &'static [Self] = &[$(Self::$code),*];

            /// The wire name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$code => $name,)*
                }
            }

            /// How bad it is.
            pub const fn severity(self) -> Severity {
                match self {
                    $(Self::$code => Severity::$severity,)*
                }
            }

            /// What it means, and what is done about it.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$code => concat!($($meaning),*).trim_start(),)*
                }
            }

            const fn strict(self) -> Strict {
                match self {
                    $(Self::$code => Strict::$strict,)*
                }
            }
        }
    };
}

codes! {
    /// An end after the end. The first one stands.
    LateEnd = "late_end", Notice, GoesOn;
    /// Events are missing between two lines. What they said is missing.
    SeqGap = "seq_gap", Notice, GoesOn;
    /// An event of another rollout. It counts all the same.
    OtherRollout = "other_rollout", Notice, GoesOn;
    /// A call without the id that would link it to its answer. It links nothing.
    CallWithoutId = "call_without_id", Notice, GoesOn;
    /// A code cell that no piece of conversation brought. It has no source item.
    CellWithoutSource = "cell_without_source", Notice, GoesOn;
    /// A message that no thread was seen to receive. Its edge is left out.
    UndeliveredMessage = "undelivered_message", Notice, GoesOn;
    /// A request was recorded without its body. What the model saw is unknown.
    RequestUnknown = "request_unknown", Notice, GoesOn;
    /// A response was recorded without its content. What the model said is unknown.
    ResponseUnknown = "response_unknown", Notice, GoesOn;
    /// The recorder lost events. Its own count is in the message.
    RecordingGap = "recording_gap", Notice, GoesOn;
    /// The recorder saw something without surroundings. A thread was supplied.
    OrphanSpan = "orphan_span", Notice, GoesOn;
    /// A process that was spawned left no bundle in the root directory. Its edge leads to no trace.
    MissingChild = "missing_child", Notice, GoesOn;
    /// A process was spawned by a run that is not in the root directory, or does not tell of it. Its edge rests on the child's word alone.
    MissingParent = "missing_parent", Notice, GoesOn;
    /// The id that was made for the thread of one process is that of several. Each has its edge.
    ChildIdReused = "child_id_reused", Notice, GoesOn;
    /// The last line is cut short. The recording ended in the middle of it.
    TornLine = "torn_line", Notice, Stops;
    /// A thread or turn whose start was not seen. It starts where it is named first.
    ImpliedStart = "implied_start", Notice, Stops;
    /// A request builds on a response that is not in the bundle. It is taken to continue what the model saw last.
    UnknownPreviousResponse = "unknown_previous_response", Notice, Stops;
    /// A request adds something else where the conversation had gone on. What it adds is new.
    HistoryBranched = "history_branched", Notice, Stops;
    /// One call id stands for two different pieces of conversation, or for two tool calls. Both are kept; the second tool call has no items.
    CallIdReused = "call_id_reused", Notice, Stops;
    /// Two readings of one piece of reasoning. The first one stands.
    ReasoningConflict = "reasoning_conflict", Notice, Stops;
    /// A piece of conversation of a type that is not known. It is kept as JSON.
    UnknownItemType = "unknown_item_type", Notice, Stops;
    /// A tool's arguments can't be read; a model wrote them. They link nothing.
    BadArguments = "bad_arguments", Notice, Stops;
    /// What the runtime saw of a command is no command. It makes no operation.
    NotACommand = "not_a_command", Notice, Stops;
    /// The lines are not in order of seq. They are read in order of seq.
    SeqDisorder = "seq_disorder", Notice, Stops;
    /// A line is no event of format 1. The line is left out.
    BadLine = "bad_line", Skipped, Stops;
    /// An event of a type that format 1 does not have. The event is left out.
    UnknownVariant = "unknown_variant", Skipped, Stops;
    /// A line of another version of the format. The line is left out.
    UnknownSchema = "unknown_schema", Skipped, Stops;
    /// A second start of one thing. The first one stands.
    DuplicateStart = "duplicate_start", Skipped, Stops;
    /// An event names a thread that is not its turn's. The event is left out.
    WrongThread = "wrong_thread", Skipped, Stops;
    /// An event names something that was never started. What is said of it is left out.
    UnknownObject = "unknown_object", Skipped, Stops;
    /// A body is missing, or not what its event says it is. It counts as absent.
    BadPayload = "bad_payload", Skipped, Stops;
    /// A body's path leads out of the bundle. It is not opened.
    RefusedPath = "refused_path", Skipped, Stops;
    /// A piece of conversation can't be read. It is left out.
    BadItem = "bad_item", Skipped, Stops;
    /// A runtime's cell became another cell. The second one is left out.
    ReboundCell = "rebound_cell", Skipped, Stops;
    /// An operation that changed its terminal. The first one stands.
    TerminalChanged = "terminal_changed", Skipped, Stops;
    /// Two events disagree about one edge. The first one stands.
    EdgeConflict = "edge_conflict", Skipped, Stops;
    /// What is said of a child process, or of the parent of this one, can't be read. It counts as not said.
    BadProcess = "bad_process", Skipped, Stops;
    /// A bundle of the root directory could not be reduced. It is not joined with the others.
    UnreadableBundle = "unreadable_bundle", Skipped, Stops;
}

impl Code {
    /// Whether a strict reduction ends with it.
    pub const fn stops_strict(self) -> bool {
        matches!(self.strict(), Strict::Stops)
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
