//! Removes content and duplicate usage from spans and events of the program that do not belong to a recorded operation.

use opentelemetry::KeyValue;
use opentelemetry::trace::Event;

use super::attribute;
use super::content_policy::ContentPolicy;
use super::describe::text;
use crate::semconv;

/// Operations whose usage is that of one inference call. The usage of other operations, such as an agent's, is a sum
/// over the spans below it.
const MODEL_OPERATIONS: [&str; 4] = ["chat", "generate_content", "text_completion", "embeddings"];

/// Keys of content attributes that the attribute table does not list.
const OTHER_CONTENT_KEYS: [&str; 4] =
    [semconv::PROMPT, semconv::COMPLETION, semconv::CODE_CELL_SOURCE, semconv::PAYLOAD];

/// Removes content unless the policy captures it, and usage that other spans report too.
pub(super) fn strip(attributes: &mut Vec<KeyValue>, policy: ContentPolicy) {
    if !policy.captures() {
        strip_content(attributes);
    }
    let is_model_operation =
        text(attributes, attribute::OPERATION_NAME).is_some_and(|operation| MODEL_OPERATIONS.contains(&operation));
    if !is_model_operation {
        attributes.retain(|attribute| !attribute.key.as_str().starts_with(semconv::USAGE_NAMESPACE));
    }
}

/// Removes the attributes that hold content.
pub(super) fn strip_content(attributes: &mut Vec<KeyValue>) {
    attributes.retain(|attribute| !is_content(attribute.key.as_str()));
}

/// Returns `true` if an attribute of this name holds content.
fn is_content(key: &str) -> bool {
    // Some frameworks number the messages: `gen_ai.prompt.0.content`.
    let is_numbered = |name: &str| {
        let rest = key.strip_prefix(name).and_then(|rest| rest.strip_prefix('.'));
        rest.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
    };
    attribute::is_content(key) || OTHER_CONTENT_KEYS.contains(&key) || OTHER_CONTENT_KEYS.into_iter().any(is_numbered)
}

/// Returns `true` if an event holds content: an event for the recorder, or one by which rig logs a request or a
/// response.
pub(super) fn is_content_event(event: &Event) -> bool {
    const TARGETS: [&str; 2] = ["rig::completions", "rig::streaming"];
    let target = text(&event.attributes, "target");
    let is_rig_target = |name: &str| TARGETS.contains(&name);
    event.attributes.iter().any(|attribute| attribute.key.as_str().starts_with(semconv::OTEL_TRACE_NAMESPACE))
        || target.is_some_and(|target| target == "otel_trace")
        || is_rig_target(&event.name)
        || target.is_some_and(is_rig_target)
}
