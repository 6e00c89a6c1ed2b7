//! An item of the output.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::provider::assembler::{Event, Growing, GrowingObject, Mismatch};
use crate::provider::object::{Object, list};

use super::nested::NestedText;

/// An item of which events have arrived.
#[derive(Debug, Default)]
pub(super) struct StreamedItem {
    /// The whole item. `None` until it is done.
    done: Option<String>,
    members: GrowingObject,
    content: BTreeMap<u64, GrowingObject>,
    summary: BTreeMap<u64, GrowingObject>,
}

/// The part of an item that an event extends.
enum Place {
    /// A member of the item, and the type of the item.
    Item(&'static str, &'static str),
    /// A member of a part of the content, and the type of the part.
    Content(&'static str, &'static str),
    /// A member of a part of the summary, and the type of the part.
    Summary(&'static str, &'static str),
}

impl Place {
    /// Returns the part of an item that an event with this name is about. Returns `None` for other events.
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "output_text" => Self::Content("output_text", "text"),
            "refusal" => Self::Content("refusal", "refusal"),
            "reasoning_text" => Self::Content("reasoning_text", "text"),
            "audio" => Self::Content("output_audio", "data"),
            "audio.transcript" => Self::Content("output_audio", "transcript"),
            "reasoning_summary_text" => Self::Summary("summary_text", "text"),
            "function_call_arguments" => Self::Item("function_call", "arguments"),
            "mcp_call_arguments" => Self::Item("mcp_call", "arguments"),
            "custom_tool_call_input" => Self::Item("custom_tool_call", "input"),
            "code_interpreter_call_code" => Self::Item("code_interpreter_call", "code"),
            _ => return None,
        })
    }

    /// Returns the type of the items that such an event is about.
    fn item_type(&self) -> &'static str {
        match self {
            Self::Content("reasoning_text", _) | Self::Summary(..) => "reasoning",
            Self::Content(..) => "message",
            Self::Item(kind, _) => kind,
        }
    }
}

/// Returns `true` if events of this kind are about a part of an item. `kind` is without `response.`.
pub(super) fn is_piece(kind: &str) -> bool {
    let name = kind.rsplit_once('.').map_or("", |(name, _)| name);
    Place::of(name).is_some()
        || NestedText::of(name).is_some()
        || matches!(name, "content_part" | "reasoning_summary_part" | "output_text.annotation")
}

impl StreamedItem {
    /// Creates an item that has just been added to the output.
    pub(super) fn added(item: &RawValue) -> Self {
        let mut added = Self::default();
        for (name, value) in Object::from_value(item).unwrap_or_default().fields() {
            let is_empty = || list(value).is_some_and(|list| list.is_empty());
            if !(matches!(name, "content" | "summary") && is_empty()) {
                added.members.set(name, value);
            }
        }
        added
    }

    /// Creates an item that is done.
    pub(super) fn done(item: &RawValue) -> Self {
        Self { done: Some(item.get().to_owned()), ..Self::default() }
    }

    /// Adds an event about a part of the item. `kind` is without `response.`.
    ///
    /// # Errors
    /// Returns [`Mismatch`] if the event does not continue what arrived of the item.
    pub(super) fn push(&mut self, kind: &str, event: &Event<'_>) -> Result<(), Mismatch> {
        let (name, step) = kind.rsplit_once('.').ok_or(Mismatch)?;
        let data = &event.data;
        match name {
            "content_part" => {
                let part = event.data.object("part");
                let is_reasoning = part.is_some_and(|part| part.text("type").as_deref() == Some("reasoning_text"));
                self.set_missing("type", || Growing::text(if is_reasoning { "reasoning" } else { "message" }));
                set_part(&mut self.content, event.index("content_index"), event);
            }
            "reasoning_summary_part" => {
                self.set_missing("type", || Growing::text("reasoning"));
                set_part(&mut self.summary, event.index("summary_index"), event);
            }
            "output_text.annotation" => {
                let part = self.content.entry(event.index("content_index")).or_default();
                let annotation = data.non_null("annotation").map(Growing::new);
                part.edit_list("annotations", |annotations| annotations.extend(annotation));
            }
            name => match NestedText::of(name) {
                Some(text) => {
                    self.set_missing("type", || Growing::text(text.item_type()));
                    self.set_missing_members(event);
                    text.push(&mut self.members, step, data)?;
                }
                None => self.push_text(&Place::of(name).ok_or(Mismatch)?, step, event)?,
            },
        }
        Ok(())
    }

    /// Adds an event about a text of the item.
    fn push_text(&mut self, place: &Place, step: &str, event: &Event<'_>) -> Result<(), Mismatch> {
        self.set_missing("type", || Growing::text(place.item_type()));
        self.set_missing_members(event);
        let (members, member) = self.members_at(place, event);
        match step {
            "delta" => members.append(member, event.data.get("delta").ok_or(Mismatch)?),
            // The whole text, under its own name.
            _ => {
                event.data.get(member).into_iter().for_each(|text| members.set(member, text));
                Ok(())
            }
        }
    }

    /// Sets a member of an item whose start did not arrive.
    fn set_missing(&mut self, name: &str, value: impl FnOnce() -> Growing) {
        if self.members.get(name).is_none() {
            self.members.insert(name, value());
        }
    }

    /// Sets the members of an item whose start did not arrive to those that a later event repeats.
    fn set_missing_members(&mut self, event: &Event<'_>) {
        for (member, name) in [("id", "item_id"), ("call_id", "call_id"), ("name", "name")] {
            if let Some(value) = event.data.non_null(name) {
                self.set_missing(member, || Growing::new(value));
            }
        }
    }

    /// Returns the members, and the name of the member, that an event changes.
    fn members_at(&mut self, place: &Place, event: &Event<'_>) -> (&mut GrowingObject, &'static str) {
        let (parts, index, kind, member) = match *place {
            Place::Item(_, member) => return (&mut self.members, member),
            Place::Content(kind, member) => (&mut self.content, event.index("content_index"), kind, member),
            Place::Summary(kind, member) => (&mut self.summary, event.index("summary_index"), kind, member),
        };
        let part = parts.entry(index).or_default();
        if part.get("type").is_none() {
            part.insert("type", Growing::text(kind));
        }
        (part, member)
    }

    /// Returns `true` if the whole item has arrived.
    pub(super) fn is_done(&self) -> bool {
        self.done.is_some()
    }

    /// Returns `true` if nothing of a message or of reasoning has arrived but its start.
    pub(super) fn is_empty(&self) -> bool {
        let has_type = |name: &str| matches!(self.members.get("type"), Some(Growing::Text(kind)) if kind == name);
        let is_empty = |part: &GrowingObject| {
            ["text", "refusal", "data", "transcript"]
                .iter()
                .all(|name| part.get(name).is_none_or(Growing::is_empty_text))
        };
        let has_parts = self.content.values().chain(self.summary.values()).any(|part| !is_empty(part));
        let is_given = ["content", "summary", "encrypted_content"].iter().any(|name| self.members.get(name).is_some());
        self.done.is_none() && !has_parts && !is_given && (has_type("message") || has_type("reasoning"))
    }

    /// Returns the item.
    pub(super) fn finish(self) -> Growing {
        let Self { done, mut members, content, summary } = self;
        if let Some(done) = done {
            return Growing::Json(done);
        }
        if matches!(members.get("type"), Some(Growing::Text(kind)) if kind == "message")
            && members.get("role").is_none()
        {
            members.insert("role", Growing::text("assistant"));
        }
        for (name, parts) in [("content", content), ("summary", summary)] {
            if !parts.is_empty() {
                members.insert(name, Growing::List(parts.into_values().map(Growing::Object).collect()));
            }
        }
        Growing::Object(members)
    }
}

/// Sets a part of an item to the one that an event carries.
fn set_part(parts: &mut BTreeMap<u64, GrowingObject>, index: u64, event: &Event<'_>) {
    if let Some(part) = event.data.object("part") {
        parts.insert(index, GrowingObject::from_object(&part));
    }
}
