//! The manifest of a bundle: its identity.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::event::{ParentProcess, RawJson, RolloutId, SCHEMA_VERSION, ThreadId, TraceId, UnixMillis};
use crate::mask::Masking;

/// Maximum length of an id in the name of a bundle's directory, in characters. All of these characters are ASCII.
const MAX_ID_IN_NAME: usize = 64;

/// The contents of `manifest.json`: the identity of a recording. It is written first and never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the format, [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Id of the recording.
    pub trace_id: TraceId,
    /// Id of the recorded run.
    pub rollout_id: RolloutId,
    /// Id of the root agent's thread.
    pub root_thread_id: ThreadId,
    /// Start time of the recording.
    #[serde(rename = "started_at_unix_ms")]
    pub started_at: UnixMillis,
    /// Name of the event log, always `trace.jsonl`. Written for older readers; [`Reader`](super::Reader) ignores it.
    pub raw_event_log: String,
    /// Name of the payload directory, always `payloads`. Written for older readers; [`Reader`](super::Reader) ignores
    /// it.
    pub payloads_dir: String,
    /// Recording, thread and tool call that spawned the recorded process, if an agent did. This field is an addition to
    /// format 1, which other readers ignore.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "parse_parent")]
    pub parent: Option<ParentProcess>,
    /// Attributes of the OpenTelemetry resource that the spans of the run were sent with, as a JSON object, if they were
    /// sent. This field is an addition to format 1, which other readers ignore.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "parse_resource")]
    pub otel_resource: Option<RawJson>,
}

/// Deserialises `parent`. Returns `None` if it is invalid, so that the rest of the manifest can still be read.
fn parse_parent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ParentProcess>, D::Error> {
    let text = Box::<RawValue>::deserialize(deserializer)?;
    Ok(ParentProcess::parse(text.get()).ok())
}

/// Deserializes `otel_resource`. Returns `None` for anything but an object.
fn parse_resource<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<RawJson>, D::Error> {
    let text = Box::<RawValue>::deserialize(deserializer)?;
    Ok(text.get().starts_with('{').then(|| RawJson::from_value(&text)))
}

impl Manifest {
    /// File name of a manifest in its bundle.
    pub const FILE: &'static str = "manifest.json";
    /// File name of the event log in its bundle.
    pub const LOG: &'static str = "trace.jsonl";
    /// Name of the payload directory in its bundle.
    pub const PAYLOADS: &'static str = "payloads";
    /// File name of the graph in its bundle.
    pub(crate) const STATE: &'static str = "state.json";

    /// Creates the manifest of a recording that starts at `started_at`, without a parent.
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
            otel_resource: None,
        }
    }

    /// Sets the parent that spawned the recorded process, if there is one.
    #[must_use]
    pub fn spawned_by(self, parent: Option<ParentProcess>) -> Self {
        Self { parent, ..self }
    }

    /// Sets the attributes of the OpenTelemetry resource that the spans of the run are sent with, if they are.
    #[must_use]
    pub fn sent_with(self, otel_resource: Option<RawJson>) -> Self {
        Self { otel_resource, ..self }
    }

    /// Masks the secrets in the ids that the program gave: those of the run, of its root thread and of the parent.
    pub(crate) fn masked_by(self, masking: &Masking) -> Self {
        Self {
            rollout_id: masking.masked_id(&self.rollout_id).into_owned(),
            root_thread_id: masking.masked_id(&self.root_thread_id).into_owned(),
            parent: self.parent.map(|parent| masking.masked_parent(parent)),
            ..self
        }
    }

    /// Returns the name of the bundle's directory, `trace-<trace_id>-<root_thread_id>`. In both ids, characters other
    /// than `[A-Za-z0-9._-]` are replaced by `_`, and only the first 64 characters are used.
    pub fn directory_name(&self) -> String {
        format!("trace-{}-{}", sanitize_id(self.trace_id.as_str()), sanitize_id(self.root_thread_id.as_str()))
    }
}

fn sanitize_id(id: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' };
    id.chars().take(MAX_ID_IN_NAME).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directory_names_of_any_ids_are_one_path_component() {
        let name = |trace: &str, root: &str| {
            Manifest::new(trace.into(), "r".into(), root.into(), UnixMillis(0)).directory_name()
        };
        assert_eq!(name("a-1", "b.2"), "trace-a-1-b.2");
        assert_eq!(name("../../etc", "a/b\\c\n\"d\""), "trace-.._.._etc-a_b_c__d_");
        assert_eq!(name("", ""), "trace--");
        assert_eq!(name("é", &"x".repeat(10_000)), format!("trace-_-{}", "x".repeat(64)));
    }
}
