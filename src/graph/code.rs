//! The codes of diagnostics, in one table: name, severity, meaning, and effect on a strict reduction.

use std::fmt;

use serde::{Serialize, Serializer};

use super::Severity;

/// The effect of a diagnostic on a strict reduction, which may fail because of it.
#[derive(PartialEq)]
enum StrictEffect {
    Continues,
    Stops,
}

macro_rules! codes {
    ($($(#[doc = $meaning:literal])* $code:ident = $name:literal, $severity:ident, $strict:ident;)*) => {
        /// The kind of a diagnostic. The names are stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[doc = $meaning])* $code,)*
        }

        impl Code {
            /// All codes, in order of increasing severity.
            pub const ALL: &'static [Self] = &[$(Self::$code),*];

            /// Returns the name of the code in `state.json`, such as `late_end`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$code => $name,)*
                }
            }

            /// Returns the severity of the code.
            pub const fn severity(self) -> Severity {
                match self {
                    $(Self::$code => Severity::$severity,)*
                }
            }

            /// Returns a description of the problem and of its effect on the graph.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$code => concat!($($meaning),*).trim_start(),)*
                }
            }

            /// Returns the effect on a strict reduction.
            const fn strict(self) -> StrictEffect {
                match self {
                    $(Self::$code => StrictEffect::$strict,)*
                }
            }
        }
    };
}

codes! {
    /// An operation has a second end event. The first is kept.
    LateEnd = "late_end", Notice, Continues;
    /// Sequence numbers are missing between two lines. The events of these numbers are missing from the graph.
    SeqGap = "seq_gap", Notice, Continues;
    /// An event names another run. It is treated like an event of this run.
    OtherRollout = "other_rollout", Notice, Continues;
    /// A call item, or the output of a call, has no call id. It can be linked by the name of its tool and its place among
    /// the calls of that name, and is reported once for each thread. Without a name it stays unlinked, and is reported
    /// each time.
    CallWithoutId = "call_without_id", Notice, Continues;
    /// Models called tools, and the program answered, while no run of these tools was recorded, in a run that has others.
    /// Reported once, with their number. The calls have no tool calls.
    UnseenTool = "unseen_tool", Notice, Continues;
    /// No conversation item contains the script of a code cell. The cell has no source item.
    CellWithoutSource = "cell_without_source", Notice, Continues;
    /// No item of the receiving thread contains an agent's message. No edge is created for it.
    UndeliveredMessage = "undelivered_message", Notice, Continues;
    /// An activity of an agent is reported for a tool that does not cause it, or for an agent without a thread.
    /// No edge is created for it.
    ActivityUnmatched = "activity_unmatched", Notice, Continues;
    /// A request was recorded without its body. The conversation that the model saw is unknown.
    RequestUnknown = "request_unknown", Notice, Continues;
    /// A response was recorded without its content, or as bytes that cannot be read as a response. The model's output is
    /// unknown.
    ResponseUnknown = "response_unknown", Notice, Continues;
    /// Two payloads show different text for one reasoning item. The first text is kept.
    ReasoningConflict = "reasoning_conflict", Notice, Continues;
    /// A token count in the usage of a response is no count. A negative number is read as 0, any other value as absent.
    BadUsage = "bad_usage", Notice, Continues;
    /// The total in the usage of a response is not the sum of its input and output tokens.
    /// If it is greater, the rest is counted as output.
    UsageDiffers = "usage_differs", Notice, Continues;
    /// Only a part of the token usage of a response is known. If the call ended early or the response exceeded a limit,
    /// it is kept; the provider may have counted more. A total without input and output tokens is not counted.
    PartialUsage = "partial_usage", Notice, Continues;
    /// A body of a model API has a member that no rule reads, or a stream a type of events. Its value is in the payload
    /// only.
    UnreadField = "unread_field", Notice, Continues;
    /// A request or response belongs to a conversation that the provider keeps. Reported once for each conversation.
    /// The request continues the last completed call of the conversation in its thread; what others added to the
    /// conversation is unknown.
    ServerSideHistory = "server_side_history", Notice, Continues;
    /// A request names content that the provider keeps, such as a stored prompt. Reported once for each content.
    /// The model saw it, but it is not in the evidence.
    ServerSideContent = "server_side_content", Notice, Continues;
    /// The provider changed the conversation in a request before the model read it, or the request permits that. The
    /// model may not have seen all items of the request. A change that is only permitted is reported once for each
    /// thread.
    HistoryEdited = "history_edited", Notice, Continues;
    /// A body refers to a conversation item by an id that no earlier item of its thread has.
    /// The reference is an item of its own.
    UnknownReference = "unknown_reference", Notice, Continues;
    /// Only a part of a response was recorded: its stream was cut, the provider reported an error in it, pieces are
    /// missing, or the provider had not finished it. The items and the usage that arrived are kept. Or a complete stream
    /// has no output.
    PartialStream = "partial_stream", Notice, Continues;
    /// No event names a payload, and the log has no end: the process was killed between storing it and writing the end of
    /// its operation. The call of a model or of a tool that it belongs to has it as its answer or result, and is running.
    /// If several are possible, none has it.
    UnnamedPayload = "unnamed_payload", Notice, Continues;
    /// The recorder lost events. The message contains the recorder's count.
    RecordingGap = "recording_gap", Notice, Continues;
    /// A span had no enclosing thread. The recorder added an implicit thread.
    OrphanSpan = "orphan_span", Notice, Continues;
    /// An event of the program is about no recorded operation, or has an unknown name. It is not part of the graph.
    OrphanEvent = "orphan_event", Notice, Continues;
    /// The root directory has no bundle of a spawned process. The target of its edge has no trace.
    MissingChild = "missing_child", Notice, Continues;
    /// The parent of a process has no bundle in the root directory, or did not record the spawn.
    /// The edge is known from the child only.
    MissingParent = "missing_parent", Notice, Continues;
    /// Several processes use the thread id that was made for one of them. Each process has its own edge.
    ChildIdReused = "child_id_reused", Notice, Continues;
    /// The last line is truncated, because the recording stopped while writing it. It was never complete, and is not
    /// read.
    TornLine = "torn_line", Notice, Stops;
    /// A thread or turn has no start event. It starts at the first event that names it.
    ImpliedStart = "implied_start", Notice, Stops;
    /// A request continues a response that is not in the bundle.
    /// It is taken to continue the conversation that the model saw last.
    UnknownPreviousResponse = "unknown_previous_response", Notice, Stops;
    /// A request continues an earlier response, but differs from the conversation that follows that response.
    /// Its differing items are new.
    HistoryBranched = "history_branched", Notice, Stops;
    /// A tool call or a code cell has the call id of an earlier one, or an id that several calls have, and none of
    /// these calls can be its own: it is kept without items. Or it has a call, and equal calls or outputs with its id
    /// cannot be told from its own, or it may run a call of a response without content. Or an output with such an id
    /// belongs to no tool call, and may be that of one.
    CallIdReused = "call_id_reused", Notice, Stops;
    /// The event and the body of a request name different earlier responses that the request continues.
    /// The event decides.
    InputModeConflict = "input_mode_conflict", Notice, Stops;
    /// An MCP client gave a tool call a second id. The first id is kept.
    CorrelationConflict = "correlation_conflict", Notice, Stops;
    /// An event has a word that format 1 does not define, such as a status or the kind of a tool.
    /// The word is replaced by a general one; the kind of a payload is kept as text.
    UnknownWord = "unknown_word", Notice, Stops;
    /// A conversation item has an unknown type. It is kept as JSON.
    UnknownItemType = "unknown_item_type", Notice, Stops;
    /// The arguments of a tool call, which a model wrote, cannot be parsed. No links are derived from them.
    BadArguments = "bad_arguments", Notice, Stops;
    /// A runtime payload of a command tool contains no command. No terminal operation is created for it.
    NotACommand = "not_a_command", Notice, Stops;
    /// The lines are not in order of seq. They are read in order of seq.
    SeqDisorder = "seq_disorder", Notice, Stops;
    /// A line is not an event of format 1. The line is left out.
    BadLine = "bad_line", Skipped, Stops;
    /// A line has more than 64 MiB, which no recorder writes, or is a hole of the file. The line is left out.
    LineTooLong = "line_too_long", Skipped, Stops;
    /// An event has a type that format 1 does not define. The event is left out.
    UnknownVariant = "unknown_variant", Skipped, Stops;
    /// A line has another schema version. The line is left out.
    UnknownSchema = "unknown_schema", Skipped, Stops;
    /// An object starts twice. The first start is kept.
    DuplicateStart = "duplicate_start", Skipped, Stops;
    /// An event names a thread other than the thread of its turn. The event is left out.
    WrongThread = "wrong_thread", Skipped, Stops;
    /// An event names an object that was never started. Its information about that object is left out.
    UnknownObject = "unknown_object", Skipped, Stops;
    /// A payload is missing or does not match its reference or its kind. It is treated as absent.
    BadPayload = "bad_payload", Skipped, Stops;
    /// The path of a payload leads out of the bundle. The payload is not read.
    RefusedPath = "refused_path", Skipped, Stops;
    /// A conversation item cannot be parsed. The item is left out.
    BadItem = "bad_item", Skipped, Stops;
    /// A runtime's cell id is used for a second code cell. The second cell is left out.
    ReboundCell = "rebound_cell", Skipped, Stops;
    /// A terminal operation ends in another terminal than it started in. The first terminal is kept.
    TerminalChanged = "terminal_changed", Skipped, Stops;
    /// Two events contradict each other about an edge. The first event is kept.
    EdgeConflict = "edge_conflict", Skipped, Stops;
    /// The record of a child process, or of the parent process, cannot be parsed. It is treated as absent.
    BadProcess = "bad_process", Skipped, Stops;
    /// A bundle of the root directory could not be reduced. It is not joined with the others.
    UnreadableBundle = "unreadable_bundle", Skipped, Stops;
}

impl Code {
    /// Returns `true` if a strict reduction fails because of the diagnostic.
    pub const fn stops_strict(self) -> bool {
        matches!(self.strict(), StrictEffect::Stops)
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
