//! Hashes the content of conversation items to 128 bits, to find items with the same content.

use xxhash_rust::xxh3::Xxh3;

use super::draft::{DraftPart, ItemDraft, PartPurpose};
use crate::event::CallId;
use crate::graph::{AgentMessage, Channel, HistoryEffect, ItemKind, Part, Role};

/// The hashes by which a conversation item is recognized in later requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ContentHashes {
    /// Hash of the complete content of a conversation item.
    pub(super) complete: u128,
    /// Hash that decides if two items are the same. It covers no annotations, no texts and summaries of reasoning with
    /// encrypted content, no names of models and of tools that answer, and no failure of a tool, because these may be
    /// missing from either copy. Of an item that is one JSON value it covers no fields that only describe a copy.
    pub(super) identity: u128,
    /// The `identity` that a tool call has without its id, because clients may drop the ids of calls. `None` if the
    /// item is no tool call with an id.
    pub(super) without_call_id: Option<u128>,
}

/// Returns the hashes of a conversation item.
pub(super) fn hashes(draft: &ItemDraft) -> ContentHashes {
    let call_id = draft.call_id.as_ref();
    let complete = hash(draft, Coverage::Complete, call_id, |_| true, |part| part.canonical.as_deref());
    let identity =
        |call_id, counts: fn(&DraftPart) -> bool| hash(draft, Coverage::Identity, call_id, counts, DraftPart::identity);
    let is_encrypted = draft.kind == ItemKind::Reasoning && draft.parts.iter().any(is_encoded);
    let without_call_id = call_id.filter(|_| draft.kind.is_call()).map(|_| identity(None, is_content));
    let identity = match is_encrypted {
        true => identity(call_id, is_encoded),
        false if is_identity(draft) => complete,
        false => identity(call_id, is_content),
    };
    ContentHashes { complete, identity, without_call_id }
}

/// The fields of an item that a hash covers beside its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coverage {
    Complete,
    /// Without the fields that may be missing from a copy of the item.
    Identity,
}

/// Returns `true` if the complete content of an item that is not encrypted is its identity.
fn is_identity(draft: &ItemDraft) -> bool {
    let name_counts = draft.name.is_none() || is_identified_by_name(draft);
    name_counts && !draft.is_error && draft.parts.iter().all(|part| is_content(part) && part.recognized_by.is_none())
}

/// Returns `true` if items with other names are other items: calls, and what programs write. Clients may add the name of
/// a model to the answer that they repeat, and of a tool to its output.
fn is_identified_by_name(draft: &ItemDraft) -> bool {
    draft.kind.is_call() || matches!(draft.role, Role::System | Role::Developer | Role::User)
}

/// Returns `true` if the part is encrypted content or a signature.
fn is_encoded(part: &DraftPart) -> bool {
    matches!(part.part, Part::Encoded { .. })
}

/// Returns `true` unless the part is an annotation.
fn is_content(part: &DraftPart) -> bool {
    part.purpose == PartPurpose::Content
}

/// Returns the hash of an item as if it had the given call id. Of its parts, only those for which `counts` returns
/// `true` are hashed, each with the canonical text that `canonical_text` returns.
fn hash(
    draft: &ItemDraft,
    coverage: Coverage,
    call_id: Option<&CallId>,
    counts: impl Fn(&DraftPart) -> bool,
    canonical_text: impl Fn(&DraftPart) -> Option<&str>,
) -> u128 {
    let ItemDraft {
        role,
        channel,
        kind,
        call_id: _,
        name,
        namespace,
        is_error,
        agent_message,
        parts,
        history_effect,
        is_executed: _,
    } = draft;
    let is_complete = coverage == Coverage::Complete;
    let name = name.as_deref().filter(|_| is_complete || is_identified_by_name(draft));
    let mut hash = FieldHasher(Xxh3::new());
    hash.tag(role_tag(*role));
    hash.tag(channel.map_or(0, channel_tag));
    hash.tag(kind_tag(*kind));
    hash.optional(call_id.map(AsRef::as_ref));
    hash.optional(name);
    hash.optional(namespace.as_deref());
    hash.tag(u8::from(*is_error && is_complete));
    let AgentMessage { author, recipient } = match agent_message {
        Some(message) => message.clone(),
        None => AgentMessage { author: "".into(), recipient: "".into() },
    };
    hash.optional(agent_message.is_some().then_some(&author));
    hash.optional(agent_message.is_some().then_some(&recipient));
    hash.tag(history_effect_tag(*history_effect));
    for part in parts.iter().filter(|part| counts(part)) {
        hash.part(&part.part, canonical_text(part));
    }
    hash.0.digest128()
}

/// A hasher for lists of fields. Each text is preceded by its length, so that different lists of fields are different
/// inputs.
struct FieldHasher(Xxh3);

impl FieldHasher {
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

    fn part(&mut self, part: &Part, canonical: Option<&str>) {
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
            Part::LabelledText { label, text } => {
                self.tag(7);
                self.text(label);
                self.text(text);
            }
        }
        self.optional(canonical);
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

fn history_effect_tag(effect: HistoryEffect) -> u8 {
    match effect {
        HistoryEffect::None => 0,
        HistoryEffect::Replaces => 1,
        HistoryEffect::ReplacesKept => 2,
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
