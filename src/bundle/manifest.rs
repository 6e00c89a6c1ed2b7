//! Who a bundle is.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::event::{ParentProcess, RolloutId, SCHEMA_VERSION, ThreadId, TraceId, UnixMillis};

/// The longest part of an id that goes into a directory's name, in bytes.
const MAX_ID_IN_NAME: usize = 64;

/// `manifest.json`: the identity of a recording. Written first, never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of the format, [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The recording.
    pub trace_id: TraceId,
    /// The observed run.
    pub rollout_id: RolloutId,
    /// The root agent's thread.
    pub root_thread_id: ThreadId,
    /// When the recording began.
    #[serde(rename = "started_at_unix_ms")]
    pub started_at: UnixMillis,
    /// Name of the event log. Always `trace.jsonl`; written for older readers, never followed.
    pub raw_event_log: String,
    /// Name of the payload directory. Always `payloads`; written for older readers, never followed.
    pub payloads_dir: String,
    /// Who spawned the process that recorded, where an agent did. An addition of ours, which other readers ignore.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "readable")]
    pub parent: Option<ParentProcess>,
}

/// A parent that can't be read costs no more than itself.
fn readable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ParentProcess>, D::Error> {
    let text = Box::<RawValue>::deserialize(deserializer)?;
    Ok(ParentProcess::of_text(text.get()).ok())
}

impl Manifest {
    /// File name of a manifest in its bundle.
    pub const FILE: &'static str = "manifest.json";
    /// File name of the event log in its bundle.
    pub const LOG: &'static str = "trace.jsonl";
    /// Name of the payload directory in its bundle.
    pub const PAYLOADS: &'static str = "payloads";

    /// The manifest of a recording that begins at `started_at`.
    pub fn new(trace_id: TraceId, rollout_id: RolloutId, root_thread_id: ThreadId, started_at: UnixMillis) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            trace_id,
            rollout_id,
            root_thread_id,
            started_at,
            raw_event_log: Self::LOG.to_owned(),
            payloads_dir: Self::PAYLOADS.to_owned(),
            parent: None,
        }
    }

    /// The same, of a process that this parent spawned, if one did.
    #[must_use]
    pub fn spawned_by(self, parent: Option<ParentProcess>) -> Self {
        Self { parent, ..self }
    }

    /// Name of the bundle's directory, `trace-<trace_id>-<root_thread_id>`. Ids may hold any characters: here those
    /// other than `[A-Za-z0-9._-]` become `_`, and what is beyond 64 bytes is cut.
    pub fn directory_name(&self) -> String {
        format!("trace-{}-{}", file_name_part(self.trace_id.as_str()), file_name_part(self.root_thread_id.as_str()))
    }
}

fn file_name_part(id: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' };
    id.chars().take(MAX_ID_IN_NAME).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_id_makes_one_directory_name() {
        let name = |trace: &str, root: &str| {
            Manifest::new(trace.into(), "r".into(), root.into(), UnixMillis(0)).directory_name()
        };
        assert_eq!(name("a-1", "b.2"), "trace-a-1-b.2");
        assert_eq!(name("../../etc", "a/b\\c\n\"d\""), "trace-.._.._etc-a_b_c__d_");
        assert_eq!(name("", ""), "trace--");
        assert_eq!(name("é", &"x".repeat(10_000)), format!("trace-_-{}", "x".repeat(64)));
    }
}
