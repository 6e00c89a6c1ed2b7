//! Spans and events that are not ours, but say what ours would.

use opentelemetry::KeyValue;
use opentelemetry::trace::Event;

use super::attribute;
use super::content_policy::ContentPolicy;
use super::describe::text;

/// Operations whose usage is what one call of a model took. An agent's is a sum of those below it.
const COUNTED: [&str; 4] = ["chat", "generate_content", "text_completion", "embeddings"];

/// Content by other names than ours.
const CONTENT: [&str; 4] = ["gen_ai.prompt", "gen_ai.completion", "otel_trace.code_cell.source", "otel_trace.payload"];

/// Drops content, unless it is captured, and usage that is counted elsewhere too.
pub(super) fn strip(attributes: &mut Vec<KeyValue>, policy: ContentPolicy) {
    if !policy.captures() {
        strip_content(attributes);
    }
    let is_call = text(attributes, attribute::OPERATION_NAME).is_some_and(|operation| COUNTED.contains(&operation));
    if !is_call {
        attributes.retain(|attribute| !attribute.key.as_str().starts_with("gen_ai.usage."));
    }
}

pub(super) fn strip_content(attributes: &mut Vec<KeyValue>) {
    attributes.retain(|attribute| !is_content(attribute.key.as_str()));
}

fn is_content(key: &str) -> bool {
    // Some number the messages: `gen_ai.prompt.0.content`.
    let is_numbered = |name: &str| {
        let rest = key.strip_prefix(name).and_then(|rest| rest.strip_prefix('.'));
        rest.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
    };
    attribute::is_content(key) || CONTENT.contains(&key) || CONTENT.into_iter().any(is_numbered)
}

/// Whether an event brings what was said: one of ours, or one by which rig logs what goes over the wire.
pub(super) fn tells_content(event: &Event) -> bool {
    const TARGETS: [&str; 2] = ["rig::completions", "rig::streaming"];
    let target = text(&event.attributes, "target");
    let is_of_rig = |name: &str| TARGETS.contains(&name);
    event.attributes.iter().any(|attribute| attribute.key.as_str().starts_with("otel_trace."))
        || target.is_some_and(|target| target == "otel_trace")
        || is_of_rig(&event.name)
        || target.is_some_and(is_of_rig)
}
