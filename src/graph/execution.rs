//! When things ran, and how they ended.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::event::{ExecutionStatus, Seq, Timestamp};

/// An event's place in both clocks of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The wall clock, for display and latency.
    pub at: Timestamp,
    /// The causal order.
    pub seq: Seq,
}

/// From start to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Execution {
    /// Its start.
    pub started: Moment,
    /// Its end, where one was seen.
    pub ended: Option<Moment>,
    /// How it ended; running where no end was seen.
    pub status: ExecutionStatus,
}

impl Execution {
    /// Milliseconds from start to end; `None` while no end is known.
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
