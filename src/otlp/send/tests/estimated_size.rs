//! Tests of `send::estimated_size`.

use std::time::{Duration, SystemTime};

use opentelemetry::trace::{Event, Link, SpanContext, SpanId, SpanKind, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, StringValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};
use prost::Message;

use super::*;

const TEXT: usize = 10_000;

fn all_kinds() -> Vec<KeyValue> {
    let text = || StringValue::from("x".repeat(TEXT));
    vec![
        KeyValue::new("text", text()),
        KeyValue::new("texts", Value::Array(Array::String(vec![text(), text()]))),
        KeyValue::new("numbers", Value::Array(Array::I64(vec![i64::MIN; 9]))),
        KeyValue::new("fractions", Value::Array(Array::F64(vec![0.1; 9]))),
        KeyValue::new("flags", Value::Array(Array::Bool(vec![true; 9]))),
        KeyValue::new("number", i64::MIN),
        KeyValue::new("fraction", 0.1),
        KeyValue::new("flag", true),
    ]
}

fn span(attributes: Vec<KeyValue>) -> SpanData {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 32);
    let ids = (TraceId::from(u128::MAX), SpanId::from(u64::MAX));
    let span_context = SpanContext::new(ids.0, ids.1, TraceFlags::SAMPLED, false, TraceState::default());
    let mut events = SpanEvents::default();
    events.events = vec![Event::new("event", now, attributes.clone(), 0)];
    let mut links = SpanLinks::default();
    links.links = vec![Link::new(span_context.clone(), attributes.clone(), 0)];
    SpanData {
        span_context,
        parent_span_id: ids.1,
        parent_span_is_remote: true,
        span_kind: SpanKind::Client,
        name: "span".into(),
        start_time: now,
        end_time: now,
        attributes,
        dropped_attributes_count: u32::MAX,
        events,
        links,
        status: Status::error("x".repeat(TEXT)),
        instrumentation_scope: InstrumentationScope::default(),
    }
}

#[test]
fn estimates_slightly_exceed_the_encoded_size() {
    for attributes in [Vec::new(), all_kinds()] {
        let texts = if attributes.is_empty() { TEXT } else { 10 * TEXT };
        let span = span(attributes);
        let estimated_size = estimated_size(&span);
        let sent = Span::from(span).encoded_len();
        assert!((sent..texts + 10_000).contains(&estimated_size), "{estimated_size} for {sent}");
    }
}
