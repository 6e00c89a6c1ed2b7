//! Words of events that format 1 does not define. A later producer may have statuses, kinds and modes of its own; each
//! of them costs itself and not its event.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{CellStatus, EndedBy, ExecutionStatus, RolloutStatus};

/// A word of an event that format 1 does not define, and that was replaced by a word of format 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownWord {
    /// Name of the event's field that contains the word.
    pub field: &'static str,
    /// The word.
    pub word: String,
    /// The word that the event has in its place. `None` if the event is read as if it did not have the field.
    pub read_as: Option<&'static str>,
}

/// The words that a field of an event may have.
#[derive(Debug, Clone, Copy)]
enum Vocabulary {
    /// The status with which a run or a thread ends.
    RolloutStatus,
    /// The status with which an operation ends.
    ExecutionStatus,
    /// The status with which a code cell ends.
    CellStatus,
    /// The status of a code cell that has not ended.
    OpenCellStatus,
    Requester,
    ToolKind,
    ToolSummary,
    RequestInputMode,
    /// What ended an operation.
    EndedBy,
}

/// Types of [`Requester`](super::Requester).
const REQUESTERS: [&str; 2] = ["model", "code_cell"];

/// Types of [`ToolKind`](super::ToolKind).
const TOOL_KINDS: [&str; 12] = [
    "exec_command",
    "write_stdin",
    "apply_patch",
    "mcp",
    "web",
    "image_generation",
    "spawn_agent",
    "assign_agent_task",
    "send_message",
    "wait_agent",
    "close_agent",
    "other",
];

/// Types of [`ToolSummary`](super::ToolSummary).
const TOOL_SUMMARIES: [&str; 4] = ["terminal", "agent", "wait_agent", "generic"];

/// Types of [`RequestInputMode`](super::RequestInputMode).
const INPUT_MODES: [&str; 3] = ["full_snapshot", "incremental", "incremental_with_untraced_prefix"];

/// Returns the fields of an event that contain words, by the `type` of the event.
fn fields_with_words(event: &str) -> &'static [(&'static str, Vocabulary)] {
    match event {
        "rollout_ended" => &[("status", Vocabulary::RolloutStatus)],
        "thread_ended" => &[("status", Vocabulary::RolloutStatus), ("ended_by", Vocabulary::EndedBy)],
        "tool_call_runtime_ended" => &[("status", Vocabulary::ExecutionStatus)],
        "codex_turn_ended" | "tool_call_ended" => {
            &[("status", Vocabulary::ExecutionStatus), ("ended_by", Vocabulary::EndedBy)]
        }
        "code_cell_ended" => &[("status", Vocabulary::CellStatus), ("ended_by", Vocabulary::EndedBy)],
        "inference_completed"
        | "inference_failed"
        | "inference_cancelled"
        | "compaction_request_completed"
        | "compaction_request_failed" => &[("ended_by", Vocabulary::EndedBy)],
        "code_cell_initial_response" => &[("status", Vocabulary::OpenCellStatus)],
        "inference_started" => &[("request_input_mode", Vocabulary::RequestInputMode)],
        "tool_call_started" => &[
            ("requester", Vocabulary::Requester),
            ("kind", Vocabulary::ToolKind),
            ("summary", Vocabulary::ToolSummary),
        ],
        _ => &[],
    }
}

/// Replaces the words of an event of the type `event` that format 1 does not define. Returns the JSON of the event with
/// other words, and the replaced words. Returns `None` if every word is defined.
pub(super) fn replace(event: &str, json: &str) -> Option<(String, Vec<UnknownWord>)> {
    let mut fields: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(json).ok()?;
    let mut replaced = Vec::new();
    let mut unknown_words = Vec::new();
    for &(field, vocabulary) in fields_with_words(event) {
        let Some(value) = fields.get(field) else { continue };
        let Some(word) = vocabulary.unknown_word(value) else { continue };
        let (stand_in, read_as) = vocabulary.stand_in(&word, value);
        replaced.push((field, RawValue::from_string(stand_in.to_string()).ok()?));
        unknown_words.push(UnknownWord { field, word, read_as });
    }
    for (field, stand_in) in &replaced {
        fields.insert(Cow::Borrowed(field), stand_in);
    }
    (!unknown_words.is_empty()).then_some((serde_json::to_string(&fields).ok()?, unknown_words))
}

impl Vocabulary {
    /// Returns the word in the value of a field. Returns `None` if format 1 defines the word, or if there is none.
    fn unknown_word(self, value: &RawValue) -> Option<String> {
        let is_known: fn(&str) -> bool = match self {
            Self::RolloutStatus => is_known::<RolloutStatus>,
            Self::ExecutionStatus => is_known::<ExecutionStatus>,
            Self::CellStatus | Self::OpenCellStatus => is_known::<CellStatus>,
            Self::Requester => |word| REQUESTERS.contains(&word),
            Self::ToolKind => |word| TOOL_KINDS.contains(&word),
            Self::ToolSummary => |word| TOOL_SUMMARIES.contains(&word),
            Self::RequestInputMode => |word| INPUT_MODES.contains(&word),
            Self::EndedBy => is_known::<EndedBy>,
        };
        let word = match self {
            Self::RolloutStatus | Self::ExecutionStatus | Self::CellStatus | Self::OpenCellStatus | Self::EndedBy => {
                serde_json::from_str::<String>(value.get()).ok()?
            }
            Self::Requester | Self::ToolKind | Self::ToolSummary | Self::RequestInputMode => {
                serde_json::from_str::<Tagged>(value.get()).ok()?.name
            }
        };
        (!is_known(&word)).then_some(word)
    }

    /// Returns the value of a field in place of one with an unknown word, and the word in it.
    fn stand_in(self, word: &str, value: &RawValue) -> (Value, Option<&'static str>) {
        match self {
            Self::RolloutStatus | Self::ExecutionStatus => (json!("aborted"), Some("aborted")),
            Self::CellStatus => (json!("terminated"), Some("terminated")),
            Self::OpenCellStatus => (json!("running"), Some("running")),
            Self::Requester => (json!({ "type": "model" }), Some("model")),
            Self::ToolKind => (json!({ "type": "other", "name": word }), Some("other")),
            Self::ToolSummary => (generic_summary(value), Some("generic")),
            Self::RequestInputMode | Self::EndedBy => (Value::Null, None),
        }
    }
}

/// A value whose type is in its field `type`.
#[derive(Deserialize)]
struct Tagged {
    #[serde(rename = "type")]
    name: String,
}

/// Returns `true` if the word is a variant of `T`.
fn is_known<T: for<'de> Deserialize<'de>>(word: &str) -> bool {
    serde_json::from_value::<T>(Value::from(word)).is_ok()
}

/// Returns a generic summary with those texts of another summary that a generic one has, too. An empty label stands for
/// an unknown one.
fn generic_summary(summary: &RawValue) -> Value {
    let fields: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(summary.get()).unwrap_or_default();
    let text = |name: &str| fields.get(name).and_then(|value| serde_json::from_str::<String>(value.get()).ok());
    json!({
        "type": "generic",
        "label": text("label").unwrap_or_default(),
        "input_preview": text("input_preview"),
        "output_preview": text("output_preview"),
    })
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;
    use crate::event::{RequestInputMode, Requester, ToolKind, ToolSummary};

    /// Returns the types of the variants of `T` that have no required fields, by deserializing each name.
    fn names<T: for<'de> Deserialize<'de> + Serialize>(names: &[&str], fields: &Value) -> Vec<String> {
        let parse = |name: &&str| {
            let mut value = fields.clone();
            value["type"] = json!(name);
            serde_json::from_value::<T>(value).unwrap_or_else(|error| panic!("{name}: {error}"))
        };
        let types = names.iter().map(parse).map(|value| serde_json::to_value(&value).expect("JSON")["type"].clone());
        types.map(|name| name.as_str().unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn listed_types_are_those_of_the_format() {
        let reference = json!({ "raw_payload_id": "p", "kind": { "type": "other" }, "path": "p" });
        let fields = json!({ "runtime_cell_id": "c", "server": "s", "tool": "t", "name": "n", "operation_id": "o",
            "target_agent_path": "/root", "message_preview": "m", "label": "l", "previous_response_id": "r",
            "prefix_payload": reference });
        assert_eq!(names::<Requester>(&REQUESTERS, &fields), REQUESTERS);
        assert_eq!(names::<ToolKind>(&TOOL_KINDS, &fields), TOOL_KINDS);
        assert_eq!(names::<ToolSummary>(&TOOL_SUMMARIES, &fields), TOOL_SUMMARIES);
        assert_eq!(names::<RequestInputMode>(&INPUT_MODES, &fields), INPUT_MODES);
    }
}
