//! Which items say the same: a 128-bit hash of what they say.

use xxhash_rust::xxh3::Xxh3;

use super::draft::{Draft, DraftPart};
use crate::graph::{AgentMessage, Channel, ItemKind, Part, Role};

/// What an item is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hashes {
    /// Of all it says.
    pub(super) exact: u128,
    /// Equal for items with the same content. Reasoning with encrypted content is known by that alone: its texts
    /// and summaries may be there or not.
    pub(super) same: u128,
}

pub(super) fn hashes(draft: &Draft) -> Hashes {
    let exact = hash(draft, |_| true);
    let sealed = draft.kind == ItemKind::Reasoning && draft.parts.iter().any(|part| is_encoded(&part.part));
    let same = if sealed { hash(draft, is_encoded) } else { exact };
    Hashes { exact, same }
}

fn is_encoded(part: &Part) -> bool {
    matches!(part, Part::Encoded { .. })
}

fn hash(draft: &Draft, counts: impl Fn(&Part) -> bool) -> u128 {
    let Draft { role, channel, kind, call_id, name, agent_message, parts } = draft;
    let mut hash = Fields(Xxh3::new());
    hash.tag(role_tag(*role));
    hash.tag(channel.map_or(0, channel_tag));
    hash.tag(kind_tag(*kind));
    hash.optional(call_id.as_ref().map(AsRef::as_ref));
    hash.optional(name.as_deref());
    let AgentMessage { author, recipient } = match agent_message {
        Some(message) => message.clone(),
        None => AgentMessage { author: "".into(), recipient: "".into() },
    };
    hash.optional(agent_message.is_some().then_some(&author));
    hash.optional(agent_message.is_some().then_some(&recipient));
    for DraftPart { part, whole } in parts.iter().filter(|part| counts(&part.part)) {
        hash.part(part, whole.as_deref());
    }
    hash.0.digest128()
}

/// Fields one after the other, each with its length, so that no two lists of fields run together the same way.
struct Fields(Xxh3);

impl Fields {
    fn tag(&mut self, tag: u8) {
        self.0.update(&[tag]);
    }

    fn text(&mut self, text: &str) {
        self.0.update(&(text.len() as u64).to_le_bytes());
        self.0.update(text.as_bytes());
    }

    fn optional(&mut self, text: Option<&str>) {
        self.tag(u8::from(text.is_some()));
        self.text(text.unwrap_or_default());
    }

    fn part(&mut self, part: &Part, whole: Option<&str>) {
        match part {
            Part::Text(text) => {
                self.tag(1);
                self.text(text);
            }
            Part::Summary(text) => {
                self.tag(2);
                self.text(text);
            }
            Part::Encoded { label, value } => {
                self.tag(3);
                self.text(label);
                self.text(value);
            }
            Part::Json { summary: _ } => self.tag(4),
            Part::Code { language, source } => {
                self.tag(5);
                self.text(language);
                self.text(source);
            }
            Part::PayloadRef { label } => {
                self.tag(6);
                self.text(label);
            }
        }
        self.optional(whole);
    }
}

fn role_tag(role: Role) -> u8 {
    match role {
        Role::System => 1,
        Role::Developer => 2,
        Role::User => 3,
        Role::Assistant => 4,
        Role::Tool => 5,
    }
}

fn channel_tag(channel: Channel) -> u8 {
    match channel {
        Channel::Analysis => 1,
        Channel::Commentary => 2,
        Channel::Final => 3,
        Channel::Summary => 4,
    }
}

fn kind_tag(kind: ItemKind) -> u8 {
    match kind {
        ItemKind::Message => 1,
        ItemKind::Reasoning => 2,
        ItemKind::FunctionCall => 3,
        ItemKind::FunctionCallOutput => 4,
        ItemKind::CustomToolCall => 5,
        ItemKind::CustomToolCallOutput => 6,
        ItemKind::CompactionMarker => 7,
    }
}
