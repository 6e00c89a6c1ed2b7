//! The execution of an operation: start, end and status.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::event::{ExecutionStatus, Seq, Timestamp};

/// A point in time: wall-clock time, and position in the event order of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Wall-clock time, for display and latencies.
    pub at: Timestamp,
    /// Sequence number of the event at this point, for causal order.
    pub seq: Seq,
}

/// Start, end and status of an operation. In `state.json`, a flat object with the fields `started_at_unix_ms`,
/// `started_seq`, `ended_at_unix_ms`, `ended_seq` and `status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Execution {
    /// Start of the operation.
    pub started: Moment,
    /// End of the operation. `None` if the log has no end of it.
    pub ended: Option<Moment>,
    /// Status of the operation; `Running` if the log has no end of it.
    pub status: ExecutionStatus,
}

impl Execution {
    /// Returns the duration of the operation in milliseconds. Returns `None` if the log has no end of it.
    pub fn millis(&self) -> Option<u64> {
        self.ended.map(|ended| ended.at.millis_since(self.started.at))
    }
}

impl Serialize for Execution {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { started, ended, status } = self;
        let mut fields = serializer.serialize_struct("Execution", 5)?;
        fields.serialize_field("started_at_unix_ms", &started.at.unix_ms())?;
        fields.serialize_field("started_seq", &started.seq)?;
        fields.serialize_field("ended_at_unix_ms", &ended.map(|ended| ended.at.unix_ms()))?;
        fields.serialize_field("ended_seq", &ended.map(|ended| ended.seq))?;
        fields.serialize_field("status", status)?;
        fields.end()
    }
}
