//! A run as it was exported live, and as its bundle is exported afterwards.

use std::collections::BTreeMap;

use opentelemetry::trace::{SpanKind, Status};
use opentelemetry_sdk::trace::{Sampler, SpanData};
use otel_trace::bundle::Reader;
use otel_trace::otlp::export::spans;
use otel_trace::otlp::{ContentPolicy, Mapping};

use crate::exported::{Order, Rig, attributes};
use crate::program;

/// All that must be the same: everything but times.
#[derive(Debug, PartialEq)]
struct Told {
    trace_id: String,
    parent_id: String,
    name: String,
    kind: SpanKind,
    status: Status,
    attributes: BTreeMap<String, String>,
    links: Vec<(String, String, String)>,
}

fn told(span: &SpanData) -> (String, Told) {
    let links = span.links.iter().map(|link| {
        let why: Vec<_> = link.attributes.iter().map(|it| format!("{}={}", it.key, it.value)).collect();
        (link.span_context.trace_id().to_string(), link.span_context.span_id().to_string(), why.join(" "))
    });
    let told = Told {
        trace_id: span.span_context.trace_id().to_string(),
        parent_id: span.parent_span_id.to_string(),
        name: span.name.to_string(),
        kind: span.span_kind.clone(),
        status: span.status.clone(),
        attributes: attributes(span),
        links: links.collect(),
    };
    (span.span_context.span_id().to_string(), told)
}

/// What was exported live of the program's own spans must be what is exported of the bundle, and the other way round.
fn check(program: fn(), order: Order, content: ContentPolicy) {
    let mut rig = Rig::with(content, Sampler::AlwaysOn);
    rig.run(order, program);
    rig.finish();
    let live = rig.spans();
    let is_of_a_run = |span: &&SpanData| attributes(span).contains_key("otel_trace.object_id");
    let live: BTreeMap<_, _> = live.iter().filter(is_of_a_run).map(told).collect();
    let bundle = Reader::open(&rig.bundle()).expect("a bundle");
    let graph = rig.graph();
    let mapping = Mapping { content, ..Mapping::default() };
    let exported: BTreeMap<_, _> = spans(&bundle, &graph, &mapping).map(|span| told(&span)).collect();
    assert_eq!(live.len(), exported.len(), "{order:?}");
    for (id, live) in &live {
        assert_eq!(Some(live), exported.get(id), "{order:?}: live, then exported");
    }
}

#[test]
fn typed_handles_export_equal_spans_live_and_later() {
    for content in [ContentPolicy::Omit, ContentPolicy::Capture] {
        check(program::typed, Order::BridgeFirst, content);
        check(program::typed, Order::RecorderFirst, content);
    }
}

#[test]
fn plain_spans_export_equal_spans_live_and_later() {
    for content in [ContentPolicy::Omit, ContentPolicy::Capture] {
        check(program::plain, Order::BridgeFirst, content);
        check(program::plain, Order::RecorderFirst, content);
    }
}
