//! Puts streams of the Interactions API together: each event has a piece of a step.

use std::collections::BTreeMap;

use crate::provider::assembler::{
    AssembledBody, Assembler, Event, EventShape, Growing, GrowingObject, Mismatch, NO_MEMBERS, UnreadEvents,
};
use crate::provider::object::{Object, list_or_one};

/// An interaction of which events have arrived.
#[derive(Debug, Default)]
pub(super) struct StreamedInteraction {
    /// The members beside the steps, of the latest event that has them.
    members: GrowingObject,
    steps: BTreeMap<u64, GrowingObject>,
    /// The parts of the output, which the first version of the API has in place of steps.
    parts: BTreeMap<u64, GrowingObject>,
    is_complete: bool,
}

/// Types of the events that carry the interaction.
const INTERACTION: [&str; 4] =
    ["interaction.created", "interaction.start", "interaction.completed", "interaction.complete"];

static SHAPES: [EventShape; 4] = [
    EventShape { types: &INTERACTION, objects: &["interaction"], ..NO_MEMBERS },
    EventShape { types: &["interaction.status_update"], others: &["interaction_id", "status"], ..NO_MEMBERS },
    EventShape {
        types: &["step.start", "step.delta", "step.stop"],
        objects: &["step", "delta"],
        others: &["index"],
        ..NO_MEMBERS
    },
    EventShape {
        types: &["content.start", "content.delta", "content.stop"],
        objects: &["content", "delta"],
        others: &["index"],
        ..NO_MEMBERS
    },
];

/// Members of all events.
const MEMBERS: [&str; 4] = ["type", "event_type", "event_id", "metadata"];

/// Returns `true` if the event is of a stream of this API.
pub(super) fn is_event(event: &Event<'_>) -> bool {
    let has = |member| event.data.object(member).is_some();
    match event.kind() {
        "content.start" => has("content"),
        "content.delta" => has("delta"),
        kind => kind.starts_with("interaction.") || kind.starts_with("step."),
    }
}

impl Assembler for StreamedInteraction {
    fn push(&mut self, event: &Event<'_>, unread: &mut UnreadEvents) {
        unread.compare(event.kind(), &event.data, &SHAPES, &MEMBERS);
        if let Some(interaction) = event.data.object("interaction") {
            for (name, value) in interaction.fields() {
                self.members.set(name, value);
            }
        }
        match event.kind() {
            "interaction.completed" | "interaction.complete" => self.is_complete = true,
            "step.start" => {
                let step = event.data.object("step").as_ref().map(GrowingObject::from_object);
                self.steps.extend(step.map(|step| (event.index("index"), step)));
            }
            "step.delta" => {
                let delta = event.data.object("delta").unwrap_or_default();
                let step = self.steps.entry(event.index("index")).or_default();
                unread.check(push_delta(step, &delta), format_args!("events[step.delta].delta"));
            }
            "content.start" => {
                let part = event.data.object("content").as_ref().map(GrowingObject::from_object);
                self.parts.extend(part.map(|part| (event.index("index"), part)));
            }
            "content.delta" => {
                let delta = event.data.object("delta").unwrap_or_default();
                let part = self.parts.entry(event.index("index")).or_default();
                unread.check(push_part_delta(part, &delta), format_args!("events[content.delta].delta"));
            }
            // Events about the state of the interaction, of a step or of a part.
            _ => {}
        }
    }

    fn finish(self: Box<Self>) -> AssembledBody {
        let Self { mut members, steps, parts, is_complete } = *self;
        if !is_complete {
            // The status so far is none that an interaction ends with.
            members.remove("status");
        }
        let [steps, parts] = [steps, parts].map(|pieces| {
            let has_content = |piece: &GrowingObject| piece.iter().any(|(name, _)| name != "type");
            let pieces = pieces.into_values().filter(|piece| is_complete || has_content(piece));
            pieces.map(finished).collect::<Vec<_>>()
        });
        if !parts.is_empty() {
            members.insert("object", Growing::text("interaction"));
            members.insert("outputs", Growing::List(parts));
        }
        if !steps.is_empty() || ["steps", "outputs"].iter().all(|name| members.get(name).is_none()) {
            members.insert("steps", Growing::List(steps));
        }
        AssembledBody { members, is_complete, error: None }
    }
}

/// Returns a step with the arguments that its pieces are together. The id of a call whose arguments are cut is named as
/// such: whole arguments, which are an object, tell the step from an item of the Responses API.
fn finished(mut step: GrowingObject) -> Growing {
    if let Some(arguments) = step.remove("arguments") {
        let arguments = arguments.into_json();
        if let (Growing::Text(_), Some(Growing::Text(id))) = (&arguments, step.get("id")) {
            let id = Growing::Text(id.clone());
            step.insert("call_id", id);
        }
        step.insert("arguments", arguments);
    }
    Growing::Object(step)
}

/// Adds a piece of a part of the output, and sets the type of a part whose start did not arrive.
///
/// # Errors
/// Returns [`Mismatch`] if the piece does not continue what arrived of the part.
fn push_part_delta(part: &mut GrowingObject, delta: &Object<'_>) -> Result<(), Mismatch> {
    let kind = delta.text("type").ok_or(Mismatch)?;
    if !matches!(&*kind, "text" | "text_annotation" | "image" | "audio" | "video" | "document") {
        return push_delta(part, delta);
    }
    if part.get("type").is_none() {
        part.insert("type", Growing::text(kind.strip_suffix("_annotation").unwrap_or(&kind)));
    }
    let added = delta.fields().map(|(name, value)| match name {
        "type" => Ok(()),
        "text" | "data" => part.append(name, value),
        "annotations" => {
            let annotations = list_or_one(delta, name).into_iter().map(Growing::new);
            part.edit_list(name, |known| known.extend(annotations));
            Ok(())
        }
        name => {
            part.set(name, value);
            Ok(())
        }
    });
    Mismatch::of_all(added)
}

/// Adds a piece of a step, and sets the type of a step whose start did not arrive.
///
/// # Errors
/// Returns [`Mismatch`] if the piece does not continue what arrived of the step.
fn push_delta(step: &mut GrowingObject, delta: &Object<'_>) -> Result<(), Mismatch> {
    let kind = delta.text("type").ok_or(Mismatch)?;
    let step_type = match &*kind {
        "text" | "text_annotation_delta" | "image" | "audio" | "video" | "document" => "model_output",
        "thought_summary" | "thought_signature" => "thought",
        "arguments_delta" => "function_call",
        kind => kind,
    };
    if step.get("type").is_none() {
        step.insert("type", Growing::text(step_type));
    }
    match &*kind {
        "text" => step.edit_list("content", |parts| push_text(parts, delta)),
        "text_annotation_delta" => {
            let annotations: Vec<_> = list_or_one(delta, "annotations").into_iter().map(Growing::new).collect();
            let add = |part: &mut GrowingObject| part.edit_list("annotations", |known| known.extend(annotations));
            step.edit_list("content", |parts| edit_last_text(parts, add));
            Ok(())
        }
        "image" | "audio" | "video" | "document" => {
            step.edit_list("content", |parts| parts.push(Growing::Object(GrowingObject::from_object(delta))));
            Ok(())
        }
        "thought_summary" => {
            let part = delta.non_null("content").ok_or(Mismatch)?;
            step.edit_list("summary", |parts| parts.push(Growing::new(part)));
            Ok(())
        }
        "thought_signature" => {
            delta.get("signature").into_iter().for_each(|signature| step.set("signature", signature));
            Ok(())
        }
        "arguments_delta" => {
            if !matches!(step.get("arguments"), Some(Growing::Text(_))) {
                step.remove("arguments");
            }
            step.append("arguments", delta.first(&["arguments", "partial_arguments"]).ok_or(Mismatch)?)
        }
        // The calls and results of the provider's own tools arrive whole.
        _ => {
            let others = delta.fields().filter(|(name, _)| *name != "type");
            others.for_each(|(name, value)| step.set(name, value));
            Ok(())
        }
    }
}

/// Adds a piece of a text.
fn push_text(parts: &mut Vec<Growing>, delta: &Object<'_>) -> Result<(), Mismatch> {
    let annotations: Vec<_> = list_or_one(delta, "annotations").into_iter().map(Growing::new).collect();
    let text = delta.get("text").ok_or(Mismatch)?;
    edit_last_text(parts, |part| {
        if !annotations.is_empty() {
            part.edit_list("annotations", |known| known.extend(annotations));
        }
        part.append("text", text)
    })
}

/// Changes the text at the end of a message. Adds one if there is none.
fn edit_last_text<R>(parts: &mut Vec<Growing>, edit: impl FnOnce(&mut GrowingObject) -> R) -> R {
    let last = match parts.pop() {
        Some(Growing::Json(json)) => match Object::parse(&json) {
            Some(part) => Some(Growing::Object(GrowingObject::from_object(&part))),
            None => Some(Growing::Json(json)),
        },
        last => last,
    };
    let mut text = match last {
        Some(Growing::Object(part)) if is_text(&part) => part,
        other => {
            parts.extend(other);
            let mut text = GrowingObject::default();
            text.insert("type", Growing::text("text"));
            text
        }
    };
    let result = edit(&mut text);
    parts.push(Growing::Object(text));
    result
}

fn is_text(part: &GrowingObject) -> bool {
    matches!(part.get("type"), Some(Growing::Text(kind)) if kind == "text")
}
