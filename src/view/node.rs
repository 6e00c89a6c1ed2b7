//! The nodes of a run's tree.

use crate::event::{ExecutionStatus, Seq, UnixMillis, Usage};
use crate::graph::Execution;

use super::Cost;
use super::text::{MAX_CHARS, split_at_char};

/// What a node of a run's tree stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeKind {
    /// A thread: the conversation of one agent.
    Agent,
    /// A turn of an agent.
    Turn,
    /// A call of a model.
    Call,
    /// A tool call of a model or of a script.
    Tool,
    /// A script of the model's, which may call tools.
    Script,
    /// The replacement of a long history, or a request that was to produce it.
    Compaction,
    /// The result of an agent's turn, on its way to the agent that asked for it.
    Message,
}

impl NodeKind {
    /// All kinds, in the order in which they stand below one another.
    pub const ALL: [Self; 7] =
        [Self::Agent, Self::Turn, Self::Call, Self::Tool, Self::Script, Self::Compaction, Self::Message];

    /// Returns the name of the kind, such as `agent`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Turn => "turn",
            Self::Call => "call",
            Self::Tool => "tool",
            Self::Script => "script",
            Self::Compaction => "compaction",
            Self::Message => "message",
        }
    }
}

/// A node of a run's tree. Its texts are those of the bundle; what prints them escapes them.
#[derive(Debug, Clone)]
pub struct Node {
    /// What the node stands for.
    pub kind: NodeKind,
    /// Id of the object in the graph, unique among those of its kind.
    pub id: String,
    /// Index of the node that contains this one.
    pub parent: Option<usize>,
    /// Number of nodes around this one.
    pub depth: usize,
    /// Name of the node in the tree, such as `call 2` or `$ cargo test`.
    pub label: String,
    /// What was said or printed: the message of a user or a model, the output of a tool.
    pub text: Option<Text>,
    /// Status of the operation. A call that was answered with an error failed, whatever its program recorded.
    pub status: ExecutionStatus,
    /// Error of a failed operation, or the reason why it was cancelled.
    pub error: Option<String>,
    /// Exit code of a tool's process.
    pub exit_code: Option<i64>,
    /// Sequence number of the first event of the operation.
    pub seq: Seq,
    /// Start of the operation.
    pub started_at: UnixMillis,
    /// Duration of the operation in milliseconds. `None` if it has no end.
    pub millis: Option<u64>,
    /// Time from the start of a call to its first token, in milliseconds.
    pub first_token_millis: Option<u64>,
    /// Tokens of the call, or of all calls of the turn or agent.
    pub usage: Option<Usage>,
    /// Cost of these tokens.
    pub cost: Cost,
    /// Cost of the agents that a tool call spawned, and of those that they spawned.
    pub spawned_cost: Cost,
    /// Relations to other nodes, such as `seen by call 4`.
    pub notes: Vec<String>,
    /// What neighbours have in common that are folded into one line: a tool's name, or the error of a call.
    pub fold_key: Option<String>,
}

/// A text of a bundle: its first line, and how much there is behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The first line that is not blank, or its beginning.
    pub first_line: String,
    /// Number of lines that are not blank.
    pub lines: usize,
    /// Number of characters of the first line behind `first_line`.
    pub more_chars: usize,
}

impl Text {
    /// Creates the beginning of a text. Returns `None` if the text is blank.
    pub(super) fn new(text: &str) -> Option<Self> {
        let mut lines = text.lines().filter(|line| !line.trim().is_empty());
        let first = lines.next()?.trim();
        let (head, rest) = split_at_char(first, MAX_CHARS);
        Some(Self { first_line: head.to_owned(), lines: 1 + lines.count(), more_chars: rest.chars().count() })
    }
}

impl Node {
    /// Creates the node of an operation, without what only its kind has.
    pub(super) fn of(kind: NodeKind, id: impl ToString, label: String, execution: &Execution) -> Self {
        let started = execution.started;
        Self {
            status: execution.status,
            millis: execution.millis(),
            ..Self::at(kind, id, label, started.seq, started.at.unix_ms())
        }
    }

    /// Creates the node of something that has a time and no duration.
    pub(super) fn at(kind: NodeKind, id: impl ToString, label: String, seq: Seq, at: UnixMillis) -> Self {
        Self {
            kind,
            id: id.to_string(),
            parent: None,
            depth: 0,
            label,
            text: None,
            status: ExecutionStatus::Completed,
            error: None,
            exit_code: None,
            seq,
            started_at: at,
            millis: None,
            first_token_millis: None,
            usage: None,
            cost: Cost::NONE,
            spawned_cost: Cost::NONE,
            notes: Vec::new(),
            fold_key: None,
        }
    }

    /// Returns `true` if the operation failed, or its process exited with another code than 0.
    pub fn has_failed(&self) -> bool {
        self.status == ExecutionStatus::Failed || self.has_nonzero_exit()
    }

    /// Returns `true` if the process of the operation exited with another code than 0.
    pub fn has_nonzero_exit(&self) -> bool {
        self.exit_code.is_some_and(|code| code != 0)
    }
}
