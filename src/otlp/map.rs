//! The last step before an exporter: what of a span leaves the process.
//!
//! Everything that a program or a framework puts into fields is an attribute of its span, content and sums of usage
//! too. Here a span of ours becomes what [`describe`](super::describe::describe) says it is, beside the program's own
//! attributes, and of other spans goes what nobody asked to send.

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::time::Duration;

use opentelemetry::trace::{Event, Status};
use opentelemetry::{Key, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use super::attribute;
use super::describe::{self, DESCRIBED};
use super::foreign;
use super::kind::Kind;
use super::mapping::Mapping;

/// An exporter of spans as they are meant: [`map`] before another exporter.
#[derive(Debug)]
pub struct MapExporter<E> {
    exporter: E,
    mapping: Mapping,
}

impl<E> MapExporter<E> {
    /// Maps what that exporter is given.
    pub fn new(exporter: E, mapping: Mapping) -> Self {
        Self { exporter, mapping }
    }
}

impl<E: SpanExporter> SpanExporter for MapExporter<E> {
    fn export(&self, batch: Vec<SpanData>) -> impl Future<Output = OTelSdkResult> + Send {
        self.exporter.export(batch.into_iter().map(|span| map(span, &self.mapping)).collect())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn shutdown(&self) -> OTelSdkResult {
        self.exporter.shutdown()
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// The shortest time that a span is exported with: viewers count in microseconds, and warn of spans that take none.
const SHORTEST: Duration = Duration::from_micros(1);

/// A span as it is exported: the same for live spans and for those of a finished bundle.
///
/// A span of ours has a name, kind, status and attributes by the GenAI conventions, and the program's own attributes,
/// in ascending order of their keys. Any other stays as it is, without content, unless that is captured, and without
/// sums of usage.
pub fn map(mut span: SpanData, mapping: &Mapping) -> SpanData {
    let is_ours = span.attributes.iter().any(|attribute| attribute.key.as_str() == attribute::OBJECT_ID);
    if is_ours {
        ours(&mut span, mapping);
    } else {
        foreign::strip(&mut span.attributes, mapping.content);
    }
    if !mapping.content.captures() {
        span.events.events.retain(|event| !foreign::tells_content(event));
        let strip = |event: &mut Event| foreign::strip_content(&mut event.attributes);
        span.events.events.iter_mut().for_each(strip);
    }
    span.end_time = span.end_time.max(span.start_time + SHORTEST);
    span
}

fn ours(span: &mut SpanData, mapping: &Mapping) {
    let mut attributes = last_of_each(described(std::mem::take(&mut span.attributes)));
    let kind = describe::text(&attributes, attribute::KIND).and_then(Kind::by_name);
    attributes.retain(|attribute| is_exported(attribute.key.as_str(), kind, mapping));
    if let Some(kind) = kind {
        span.name = describe::name(kind, &attributes).into();
        span.span_kind = kind.span_kind();
    }
    if let Some(status) = status(&mut attributes, &span.status) {
        span.status = status;
    }
    attributes.sort_by(|a, b| a.key.cmp(&b.key));
    span.attributes = attributes;
}

/// Without what stood, under our names, before the span was described: that was what its program knew of it.
fn described(attributes: Vec<KeyValue>) -> Vec<KeyValue> {
    let Some(marker) = attributes.iter().rposition(|attribute| attribute.key.as_str() == DESCRIBED) else {
        return attributes;
    };
    let is_kept = |&(place, ref attribute): &(usize, KeyValue)| {
        place > marker || !is_reserved(attribute.key.as_str()) || is_said(attribute.key.as_str())
    };
    attributes.into_iter().enumerate().filter(is_kept).map(|(_, attribute)| attribute).collect()
}

/// The SDK keeps repeated keys.
fn last_of_each(mut attributes: Vec<KeyValue>) -> Vec<KeyValue> {
    let mut seen = HashSet::<Key>::new();
    attributes.reverse();
    attributes.retain(|attribute| seen.insert(attribute.key.clone()));
    attributes
}

fn is_exported(key: &str, kind: Option<Kind>, mapping: &Mapping) -> bool {
    let usage = mapping.usage_names;
    match attribute::row(key) {
        _ if key == attribute::USAGE_INPUT_TOKENS || key == attribute::USAGE_OUTPUT_TOKENS => {
            usage.has_current() && kind == Some(Kind::Inference)
        }
        _ if key == attribute::USAGE_PROMPT_TOKENS || key == attribute::USAGE_COMPLETION_TOKENS => {
            usage.has_older() && kind == Some(Kind::Inference)
        }
        Some(row) if row.is_content && !mapping.content.captures() => false,
        Some(row) if is_reserved(key) => kind.is_none_or(|kind| row.on.contains(&kind)),
        Some(_) => true,
        None => !is_reserved(key) || is_said(key),
    }
}

/// What the conventions have and no event has a place for: it is as the program says it, on live spans.
fn is_said(key: &str) -> bool {
    matches!(key, "gen_ai.agent.id" | "gen_ai.agent.description" | "gen_ai.tool.description")
}

/// Whether it is not for a program to say.
fn is_reserved(key: &str) -> bool {
    const NAMESPACES: [&str; 5] = ["gen_ai.", "otel_trace.", "otel.", "code.", "thread."];
    const KEYS: [&str; 5] = [attribute::ERROR_TYPE, "busy_ns", "idle_ns", "level", "target"];
    NAMESPACES.iter().any(|namespace| key.starts_with(namespace)) || KEYS.contains(&key)
}

/// The status that the attributes tell of, if they do; without what only it says.
fn status(attributes: &mut Vec<KeyValue>, own: &Status) -> Option<Status> {
    let has_failed = describe::text(attributes, attribute::STATUS)? == "failed";
    let is_superfluous = |key: &str| match has_failed {
        true => key == attribute::STATUS_DESCRIPTION,
        false => key == attribute::ERROR_TYPE,
    };
    let said = describe::text(attributes, attribute::STATUS_DESCRIPTION).map(str::to_owned);
    attributes.retain(|attribute| !is_superfluous(attribute.key.as_str()));
    Some(match (has_failed, said, own) {
        (false, ..) => Status::Unset,
        (true, Some(said), _) => Status::error(said),
        (true, None, Status::Error { description }) => Status::error(description.clone()),
        (true, None, Status::Unset | Status::Ok) => Status::error(""),
    })
}
