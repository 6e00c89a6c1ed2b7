//! Statuses of operations.

use serde::{Deserialize, Serialize};

/// Status of a rollout or a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RolloutStatus {
    /// Started, without a recorded end.
    Running,
    /// Ended successfully.
    Completed,
    /// Ended with an error.
    Failed,
    /// Stopped from outside, for example because the program ended.
    Aborted,
}

impl RolloutStatus {
    /// Returns the wire name of the status, such as `running`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
        }
    }
}

/// Status of a turn, an inference call, a tool call or a compaction request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionStatus {
    /// Started, without a recorded end.
    Running,
    /// Ended successfully.
    Completed,
    /// Ended with an error.
    Failed,
    /// Cancelled by the program or its user, or dropped before it ended.
    Cancelled,
    /// Ended because the enclosing operation was stopped.
    Aborted,
}

impl ExecutionStatus {
    /// Returns the wire name of the status, such as `running`.
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

/// Status of a code cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CellStatus {
    /// The script has not responded yet.
    Starting,
    /// The script is running.
    Running,
    /// The script returned control and is still running.
    Yielded,
    /// The script ended successfully.
    Completed,
    /// The script ended with an error.
    Failed,
    /// The script was stopped.
    Terminated,
}

impl CellStatus {
    /// Returns the wire name of the status, such as `starting`.
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

/// Converts the status of a code cell to the status of an operation. A terminated script counts as cancelled.
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
