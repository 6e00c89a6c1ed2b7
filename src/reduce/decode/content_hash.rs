//! Hashes the content of conversation items to 128 bits, to find items with the same content.

use std::borrow::Cow;

use super::draft::{DraftPart, ItemDraft, PartPurpose};
use crate::event::CallId;
use crate::graph::{AgentMessage, Channel, HistoryEffect, ItemKind, Part, Role};
use crate::keyed_hash::KeyedHasher;

/// The hashes by which a conversation item is recognized in later requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ContentHashes {
    /// Hash of the complete content of a conversation item.
    pub(super) complete: u128,
    /// Hash that decides if two items are the same. It covers no annotations, no texts and summaries of reasoning with
    /// encrypted content, no names of models and of tools that answer, and no failure of a tool, because these may be
    /// missing from either copy. Of an item that is one JSON value, and of a part that is an object, it covers no members
    /// that only describe a copy or that are empty. Texts of an answer count as one text, numbers without a fraction are
    /// integers, and a call without arguments has an empty object, because clients write them so.
    pub(super) identity: u128,
    /// The `identity` that the item has without what clients may drop: the id of a tool call, the phase of a message.
    /// `None` if the item has neither.
    pub(super) reduced: Option<u128>,
}

/// Returns the hashes of a conversation item.
pub(super) fn hashes(draft: &ItemDraft) -> ContentHashes {
    let all = Labels { call_id: draft.call_id.as_ref(), channel: draft.channel };
    let complete = hash(draft, Coverage::Complete, all, |_| true);
    let identity = |labels, counts: fn(&DraftPart) -> bool| hash(draft, Coverage::Identity, labels, counts);
    let is_encrypted = draft.kind == ItemKind::Reasoning && draft.parts.iter().any(is_encoded);
    let reduced = match draft.kind {
        ItemKind::FunctionCall | ItemKind::CustomToolCall if all.call_id.is_some() => {
            Some(Labels { call_id: None, ..all })
        }
        ItemKind::Message if has_phase(draft) => Some(Labels { channel: None, ..all }),
        ItemKind::Message
        | ItemKind::Reasoning
        | ItemKind::FunctionCall
        | ItemKind::FunctionCallOutput
        | ItemKind::CustomToolCall
        | ItemKind::CustomToolCallOutput
        | ItemKind::CompactionMarker => None,
    };
    let reduced = reduced.map(|labels| identity(labels, is_content));
    let identity = match is_encrypted {
        true => identity(all, is_encoded),
        false if is_identity(draft) => complete,
        false => identity(all, is_content),
    };
    ContentHashes { complete, identity, reduced }
}

/// The labels of an item that clients may drop.
#[derive(Debug, Clone, Copy)]
struct Labels<'a> {
    call_id: Option<&'a CallId>,
    channel: Option<Channel>,
}

/// Returns `true` if the item is an answer of a model with a phase. A summary that replaces the history is none.
fn has_phase(draft: &ItemDraft) -> bool {
    let is_plain = draft.history_effect == HistoryEffect::None && draft.agent_message.is_none();
    draft.role == Role::Assistant && draft.channel.is_some() && is_plain
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
    let is_plain = |part: &DraftPart| {
        let is_same_json = part.recognized_by.is_none() && matches!(part.identity(), None | Some(Cow::Borrowed(_)));
        is_content(part) && is_same_json && !is_empty_arguments(draft, part)
    };
    let is_whole = !joins_texts(draft) || draft.parts.len() <= 1;
    name_counts && !draft.is_error && is_whole && draft.parts.iter().all(is_plain)
}

/// Returns `true` if texts that follow each other are one text for the identity of the item: clients join the texts of an
/// answer when they repeat it, or split them.
fn joins_texts(draft: &ItemDraft) -> bool {
    draft.role == Role::Assistant && draft.kind == ItemKind::Message
}

/// Returns `true` if a part of an item stands for the arguments of a function call that has none.
fn is_empty_arguments(draft: &ItemDraft, part: &DraftPart) -> bool {
    let is_empty = match &part.part {
        Part::Text(text) => text.trim_ascii().is_empty(),
        Part::Json { summary } => &**summary == "null",
        Part::PayloadRef { .. } => part.canonical.is_none(),
        Part::LabelledText { .. } | Part::Summary(_) | Part::Encoded { .. } | Part::Code { .. } => false,
    };
    is_empty && draft.kind == ItemKind::FunctionCall
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

/// Returns the hash of an item as if it had the given labels. Of its parts, only those for which `counts` returns `true`
/// are hashed.
fn hash(draft: &ItemDraft, coverage: Coverage, labels: Labels<'_>, counts: impl Fn(&DraftPart) -> bool) -> u128 {
    let ItemDraft {
        role,
        channel: _,
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
    let mut hash = FieldHasher(KeyedHasher::new());
    hash.tag(role_tag(*role));
    hash.tag(labels.channel.map_or(0, channel_tag));
    hash.tag(kind_tag(*kind));
    hash.optional(labels.call_id.map(AsRef::as_ref));
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
    let mut parts = parts.iter().filter(|part| counts(part)).peekable();
    while let Some(part) = parts.next() {
        if is_complete {
            hash.part(&part.part, part.canonical.as_deref());
        } else if is_empty_arguments(draft, part) {
            hash.part(&Part::Json { summary: "{}".into() }, Some("{}"));
        } else if let Part::Text(first) = &part.part
            && joins_texts(draft)
        {
            let mut texts = vec![&**first];
            while let Some(Part::Text(next)) = parts.peek().map(|part| &part.part) {
                texts.push(next);
                parts.next();
            }
            hash.joined_text(&texts);
        } else {
            hash.part(&part.part, part.identity().as_deref());
        }
    }
    hash.0.digest()
}

/// The tag of a text part.
const TEXT_TAG: u8 = 1;

/// A hasher for lists of fields. Each text is preceded by its length, so that different lists of fields are different
/// inputs.
struct FieldHasher(KeyedHasher);

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

    /// Hashes texts as the one text that they are together.
    fn joined_text(&mut self, texts: &[&str]) {
        self.tag(TEXT_TAG);
        self.0.update(&(texts.iter().map(|text| text.len() as u64).sum::<u64>()).to_le_bytes());
        texts.iter().for_each(|text| self.0.update(text.as_bytes()));
        self.optional(None);
    }

    fn part(&mut self, part: &Part, canonical: Option<&str>) {
        match part {
            Part::Text(text) => {
                self.tag(TEXT_TAG);
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
