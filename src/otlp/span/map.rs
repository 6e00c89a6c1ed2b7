//! The last step before an exporter: decides what of a span leaves the process.
//!
//! `tracing-opentelemetry` turns everything that a program or a framework puts into fields into attributes, content and
//! usage sums included. This module gives the spans of recorded operations what [`describe`](super::describe::describe)
//! makes of them, beside the program's own attributes, and removes from other spans what is not to be exported.

#[cfg(test)]
#[path = "tests/map.rs"]
mod tests;

use std::collections::HashSet;
use std::time::Duration;

use opentelemetry::trace::{Event, Status};
use opentelemetry::{Key, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use super::attribute;
use super::describe::{self, DESCRIBED_MARKER};
use super::foreign;
use super::kind::Kind;
use super::mapping::Mapping;
use super::span_masking::SpanMasking;
use crate::event::EndedBy;
use crate::layer::Recorder;
use crate::mask::Masking;

/// A span exporter that masks each span and applies [`map`] to it before it passes the span on to another exporter.
///
/// The masking is [`Masking::new`], unless the exporter has the [rules of a recorder](Self::masked_by).
#[derive(Debug)]
pub struct MapExporter<E> {
    exporter: E,
    mapping: Mapping,
    masking: SpanMasking,
}

impl<E> MapExporter<E> {
    /// Wraps an exporter.
    pub fn new(exporter: E, mapping: Mapping) -> Self {
        Self { exporter, mapping, masking: SpanMasking::new(Masking::new().into()) }
    }

    /// Masks spans by the rules of a recorder: its redactor and its masking, so that spans show no more than the bundle.
    #[must_use]
    pub fn masked_by(self, recorder: &Recorder) -> Self {
        self.masking.add(recorder.masking_rules());
        self
    }
}

impl<E: SpanExporter> SpanExporter for MapExporter<E> {
    fn export(&self, batch: Vec<SpanData>) -> impl Future<Output = OTelSdkResult> + Send {
        self.exporter.export(batch.into_iter().map(|span| map_masked(span, &self.mapping, &self.masking)).collect())
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

/// Minimum duration of an exported span. Viewers count in microseconds, and warn of spans with a duration of 0.
const MIN_DURATION: Duration = Duration::from_micros(1);

/// Converts a span to the form in which it is exported. Live spans and spans from a finished bundle are converted
/// alike.
///
/// The span of a recorded operation gets name, kind, status and attributes by the GenAI conventions, and keeps the
/// program's own attributes; attributes are sorted by key. Any other span keeps everything but content, unless that is
/// captured, and usage sums.
pub fn map(span: SpanData, mapping: &Mapping) -> SpanData {
    map_stripped(strip_content(span, mapping), mapping)
}

/// Masks the texts that the program put into a span, and converts the span as [`map`] does.
pub(crate) fn map_masked(span: SpanData, mapping: &Mapping, masking: &SpanMasking) -> SpanData {
    // What is not exported needs no masking.
    let mut span = strip_content(span, mapping);
    masking.mask(&mut span);
    map_stripped(span, mapping)
}

/// Returns `true` for the span of a recorded operation.
fn is_own(span: &SpanData) -> bool {
    span.attributes.iter().any(|attribute| attribute.key.as_str() == attribute::OBJECT_ID)
}

/// Removes content that is not exported: from the events of each span, and from spans of no recorded operation.
fn strip_content(mut span: SpanData, mapping: &Mapping) -> SpanData {
    if !is_own(&span) {
        foreign::strip(&mut span.attributes, mapping.content);
    }
    if !mapping.content.captures() {
        span.events.events.retain(|event| !foreign::is_content_event(event));
        let strip = |event: &mut Event| foreign::strip_content(&mut event.attributes);
        span.events.events.iter_mut().for_each(strip);
    }
    span
}

fn map_stripped(mut span: SpanData, mapping: &Mapping) -> SpanData {
    if is_own(&span) {
        map_own(&mut span, mapping);
    }
    span.end_time = span.end_time.max(span.start_time + MIN_DURATION);
    span
}

/// Maps the span of a recorded operation.
fn map_own(span: &mut SpanData, mapping: &Mapping) {
    let mut attributes = last_of_each(drop_replaced(std::mem::take(&mut span.attributes)));
    let kind = describe::text(&attributes, attribute::KIND).and_then(Kind::from_name);
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

/// Removes the attributes with reserved keys that precede the [`DESCRIBED_MARKER`]: the program set them through
/// fields, and the attributes behind the marker replace them.
fn drop_replaced(attributes: Vec<KeyValue>) -> Vec<KeyValue> {
    let Some(marker) = attributes.iter().rposition(|attribute| attribute.key.as_str() == DESCRIBED_MARKER) else {
        return attributes;
    };
    let is_kept = |&(index, ref attribute): &(usize, KeyValue)| {
        index > marker
            || !attribute::is_reserved(attribute.key.as_str())
            || attribute::is_program_attribute(attribute.key.as_str())
    };
    attributes.into_iter().enumerate().filter(is_kept).map(|(_, attribute)| attribute).collect()
}

/// Removes all but the last attribute of each key: the SDK keeps repeated keys.
fn last_of_each(mut attributes: Vec<KeyValue>) -> Vec<KeyValue> {
    let mut seen = HashSet::<Key>::new();
    attributes.reverse();
    attributes.retain(|attribute| seen.insert(attribute.key.clone()));
    attributes
}

/// Returns `true` if a span of this kind exports the attribute.
fn is_exported(key: &str, kind: Option<Kind>, mapping: &Mapping) -> bool {
    let usage = mapping.usage_names;
    let is_request = matches!(kind, Some(Kind::Inference | Kind::Compaction));
    match attribute::row(key) {
        _ if key == attribute::USAGE_INPUT_TOKENS || key == attribute::USAGE_OUTPUT_TOKENS => {
            usage.has_current() && is_request
        }
        _ if key == attribute::USAGE_PROMPT_TOKENS || key == attribute::USAGE_COMPLETION_TOKENS => {
            usage.has_older() && is_request
        }
        Some(row) if row.is_content && !mapping.content.captures() => false,
        Some(row) if attribute::is_reserved(key) => kind.is_none_or(|kind| row.kinds.contains(&kind)),
        Some(_) => true,
        None => !attribute::is_reserved(key) || attribute::is_program_attribute(key),
    }
}

/// Derives the span's status from its attributes, and removes the attributes that only serve it. Returns `None` if
/// there is no `otel_trace.status`.
fn status(attributes: &mut Vec<KeyValue>, own: &Status) -> Option<Status> {
    let has_failed = describe::text(attributes, attribute::STATUS)? == "failed";
    let is_superfluous = |key: &str| match has_failed {
        true => key == attribute::STATUS_DESCRIPTION,
        false => key == attribute::ERROR_TYPE,
    };
    let description = describe::text(attributes, attribute::STATUS_DESCRIPTION).map(str::to_owned);
    attributes.retain(|attribute| !is_superfluous(attribute.key.as_str()));
    let is_by_handle = describe::text(attributes, attribute::ENDED_BY) == Some(EndedBy::Handle.name());
    Some(match (has_failed, description, own) {
        // An end that the program gave by a handle wins; any other one is never weaker than the status it set.
        (false, _, Status::Error { description }) if !is_by_handle => Status::error(description.clone()),
        (false, ..) => Status::Unset,
        (true, Some(description), _) => Status::error(description),
        (true, None, Status::Error { description }) => Status::error(description.clone()),
        (true, None, Status::Unset | Status::Ok) => Status::error(""),
    })
}
