//! Conversation items in `state.json`.

use serde::{Serialize, Serializer};

use crate::event::{CallId, RawPayloadId, ThreadId, TurnId, UnixMillis};
use crate::graph::{AgentMessage, Channel, Content, Item, ItemId, ItemKind, Part, Producer, ProviderItemId, Role};

/// An item, serialized from the graph.
#[derive(Serialize)]
pub(super) struct WireItem<'a> {
    item_id: ItemId,
    thread_id: &'a ThreadId,
    codex_turn_id: Option<&'a TurnId>,
    first_seen_at_unix_ms: UnixMillis,
    role: Role,
    channel: Option<Channel>,
    kind: ItemKind,
    body: Body<'a>,
    call_id: Option<&'a CallId>,
    produced_by: &'a [Producer],
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_error: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_message: Option<&'a AgentMessage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_id: Option<&'a ProviderItemId>,
}

impl<'a> WireItem<'a> {
    pub(super) fn new(item: &'a Item) -> Self {
        let Item {
            item_id,
            thread_id,
            turn_id,
            first_seen_at,
            content,
            provider_id,
            raw_payload_id,
            produced_by,
            evidence: _,
        } = item;
        let Content {
            role,
            channel,
            kind,
            call_id,
            name,
            namespace,
            is_error,
            agent_message,
            parts,
            delivery: _,
            history_effect: _,
        } = &**content;
        Self {
            item_id: *item_id,
            thread_id,
            codex_turn_id: turn_id.as_ref(),
            first_seen_at_unix_ms: *first_seen_at,
            role: *role,
            channel: *channel,
            kind: *kind,
            body: Body { parts: Parts { parts, raw_payload_id } },
            call_id: call_id.as_ref(),
            produced_by,
            name: name.as_deref(),
            namespace: namespace.as_deref(),
            is_error: *is_error,
            agent_message: agent_message.as_ref(),
            provider_id: provider_id.as_ref(),
        }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    parts: Parts<'a>,
}

struct Parts<'a> {
    parts: &'a [Part],
    raw_payload_id: &'a RawPayloadId,
}

impl Serialize for Parts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.parts.iter().map(|part| WirePart::new(part, self.raw_payload_id)))
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum WirePart<'a> {
    Text {
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        label: Option<&'a str>,
    },
    Summary {
        text: &'a str,
    },
    Encoded {
        label: &'a str,
        value: &'a str,
    },
    Json {
        summary: &'a str,
        raw_payload_id: &'a RawPayloadId,
    },
    Code {
        language: &'a str,
        source: &'a str,
    },
    PayloadRef {
        label: &'a str,
        raw_payload_id: &'a RawPayloadId,
    },
}

impl<'a> WirePart<'a> {
    fn new(part: &'a Part, raw_payload_id: &'a RawPayloadId) -> Self {
        match part {
            Part::Text(text) => Self::Text { text, label: None },
            Part::LabelledText { label, text } => Self::Text { text, label: Some(label) },
            Part::Summary(text) => Self::Summary { text },
            Part::Encoded { label, value } => Self::Encoded { label, value },
            Part::Json { summary } => Self::Json { summary, raw_payload_id },
            Part::Code { language, source } => Self::Code { language, source },
            Part::PayloadRef { label } => Self::PayloadRef { label, raw_payload_id },
        }
    }
}
