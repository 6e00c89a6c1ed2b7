//! How far things got.

use serde::{Deserialize, Serialize};

/// How a rollout or a thread stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RolloutStatus {
    /// No end was seen.
    Running,
    /// It came to its own end.
    Completed,
    /// It ended with an error.
    Failed,
    /// It was stopped from outside.
    Aborted,
}

impl RolloutStatus {
    /// The word for it on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
        }
    }
}

/// How a turn, an inference call, a tool call or a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionStatus {
    /// No end was seen.
    Running,
    /// It came to its own end.
    Completed,
    /// It ended with an error.
    Failed,
    /// Somebody chose to stop it, or nobody waited for it any more.
    Cancelled,
    /// What it ran in was stopped.
    Aborted,
}

impl ExecutionStatus {
    /// The word for it on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Aborted => "aborted",
        }
    }
}

impl From<RolloutStatus> for ExecutionStatus {
    fn from(status: RolloutStatus) -> Self {
        match status {
            RolloutStatus::Running => Self::Running,
            RolloutStatus::Completed => Self::Completed,
            RolloutStatus::Failed => Self::Failed,
            RolloutStatus::Aborted => Self::Aborted,
        }
    }
}

/// How a code cell stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CellStatus {
    /// The script has not answered yet.
    Starting,
    /// The script runs.
    Running,
    /// The script runs on after giving control back.
    Yielded,
    /// The script came to its end.
    Completed,
    /// The script ended with an error.
    Failed,
    /// The script was stopped.
    Terminated,
}

impl CellStatus {
    /// The word for it on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Yielded => "yielded",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Terminated => "terminated",
        }
    }
}

/// How the script's execution stands where its cell stands so.
impl From<CellStatus> for ExecutionStatus {
    fn from(status: CellStatus) -> Self {
        match status {
            CellStatus::Completed => Self::Completed,
            CellStatus::Failed => Self::Failed,
            CellStatus::Terminated => Self::Cancelled,
            CellStatus::Starting | CellStatus::Running | CellStatus::Yielded => Self::Running,
        }
    }
}
