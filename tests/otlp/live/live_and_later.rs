//! Live export and later export of the bundle produce equal spans.

use std::collections::BTreeMap;

use opentelemetry::trace::{SpanKind, Status};
use opentelemetry_sdk::trace::{Sampler, SpanData};
use otel_trace::bundle::Reader;
use otel_trace::otlp::export::spans;
use otel_trace::otlp::{ContentPolicy, Mapping};

use crate::live::exported::{Harness, Order, attributes};
use crate::live::{every_api, program, reused_ids, streams};

/// The fields of a span that must be equal: all fields except times.
#[derive(Debug, PartialEq)]
struct SpanFields {
    trace_id: String,
    parent_id: String,
    name: String,
    kind: SpanKind,
    status: Status,
    attributes: BTreeMap<String, String>,
    links: Vec<(String, String, String)>,
}

fn span_fields(span: &SpanData) -> (String, SpanFields) {
    let links = span.links.iter().map(|link| {
        let attributes: Vec<_> = link.attributes.iter().map(|it| format!("{}={}", it.key, it.value)).collect();
        (link.span_context.trace_id().to_string(), link.span_context.span_id().to_string(), attributes.join(" "))
    });
    let fields = SpanFields {
        trace_id: span.span_context.trace_id().to_string(),
        parent_id: span.parent_span_id.to_string(),
        name: span.name.to_string(),
        kind: span.span_kind.clone(),
        status: span.status.clone(),
        attributes: attributes(span),
        links: links.collect(),
    };
    (span.span_context.span_id().to_string(), fields)
}

/// Checks that the live spans of operations are the spans exported from the bundle.
pub(crate) fn check(program: fn(), order: Order, content: ContentPolicy) {
    let only_exported = check_live(program, order, content);
    assert!(only_exported.is_empty(), "{order:?}: {only_exported:?}");
}

/// Checks that the live spans of operations equal those of the spans exported from the bundle that have their ids. Returns
/// the others, with the live spans.
fn check_live(program: fn(), order: Order, content: ContentPolicy) -> Vec<SpanFields> {
    let mut harness = Harness::with(content, Sampler::AlwaysOn);
    harness.run(order, program);
    harness.finish();
    let live = harness.spans();
    let is_of_an_operation = |span: &&SpanData| attributes(span).contains_key("otel_trace.object_id");
    let live: BTreeMap<_, _> = live.iter().filter(is_of_an_operation).map(span_fields).collect();
    let bundle = Reader::open(&harness.bundle()).expect("a bundle");
    let graph = harness.graph();
    let mapping = Mapping { content, ..Mapping::default() };
    let mut exported: BTreeMap<_, _> = spans(&bundle, &graph, &mapping).map(|span| span_fields(&span)).collect();
    for (id, live) in &live {
        assert_eq!(Some(live), exported.remove(id).as_ref(), "{order:?}: live, then from the bundle");
    }
    exported.into_values().collect()
}

#[test]
fn typed_handles_export_equal_spans_live_and_later() {
    for content in [ContentPolicy::Omit, ContentPolicy::Capture] {
        check(program::typed, Order::BridgeFirst, content);
        check(program::typed, Order::RecorderFirst, content);
    }
}

#[test]
fn bodies_of_every_api_export_equal_spans_live_and_later() {
    for content in [ContentPolicy::Omit, ContentPolicy::Capture] {
        check(every_api::record, Order::BridgeFirst, content);
    }
}

#[test]
fn reused_call_ids_export_equal_spans_live_and_later() {
    check(reused_ids::record, Order::BridgeFirst, ContentPolicy::Omit);
    check(reused_ids::record, Order::RecorderFirst, ContentPolicy::Capture);
}

#[test]
fn usage_of_every_dialect_is_equal_live_and_later() {
    check(program::usages, Order::BridgeFirst, ContentPolicy::Omit);
}

#[test]
fn mcp_tools_export_equal_spans_live_and_later() {
    check(program::mcp_tools, Order::BridgeFirst, ContentPolicy::Capture);
}

#[test]
fn bytes_of_streams_export_equal_spans_live_and_later() {
    for content in [ContentPolicy::Omit, ContentPolicy::Capture] {
        check(streams::record, Order::BridgeFirst, content);
    }
}

#[test]
fn plain_spans_export_equal_spans_live_and_later() {
    for content in [ContentPolicy::Omit, ContentPolicy::Capture] {
        check(program::plain, Order::BridgeFirst, content);
        check(program::plain, Order::RecorderFirst, content);
    }
}

#[test]
fn spans_that_never_close_are_exported_equal_live_and_later() {
    check(program::held_spans, Order::BridgeFirst, ContentPolicy::Capture);
    check(program::held_spans, Order::RecorderFirst, ContentPolicy::Omit);
}

#[test]
fn live_span_of_a_call_is_that_of_its_last_attempt() {
    for order in [Order::BridgeFirst, Order::RecorderFirst] {
        let earlier = check_live(program::attempts, order, ContentPolicy::Capture);
        let status = |error: &str| Status::error(error.to_owned());
        let statuses: Vec<_> = earlier.iter().map(|span| &span.status).collect();
        let refused = status("the provider answered with HTTP status 429");
        assert_eq!(statuses.len(), 4, "{earlier:?}");
        assert_eq!(statuses.iter().filter(|status| ***status == refused).count(), 3, "{earlier:?}");
        // The one that another request overtook.
        assert_eq!(statuses.iter().filter(|status| ***status == Status::Unset).count(), 1, "{earlier:?}");
    }
}

#[test]
fn earlier_attempts_are_exported_below_the_span_of_their_call() {
    let mut harness = Harness::with(ContentPolicy::Omit, Sampler::AlwaysOn);
    harness.run(Order::BridgeFirst, program::attempts);
    harness.finish();
    let bundle = Reader::open(&harness.bundle()).expect("a bundle");
    let spans: Vec<_> = spans(&bundle, &harness.graph(), &Mapping::default()).collect();
    let is_call = |span: &&SpanData| ["chat", "compaction"].iter().any(|name| span.name.starts_with(name));
    let calls: Vec<_> = spans.iter().filter(is_call).collect();
    let ids: Vec<_> = calls.iter().map(|span| span.span_context.span_id()).collect();
    let (earlier, of_calls): (Vec<&SpanData>, Vec<&SpanData>) =
        calls.into_iter().partition(|span| ids.contains(&span.parent_span_id));
    assert_eq!((earlier.len(), of_calls.len()), (4, 3));
    for attempt in earlier {
        let call = of_calls.iter().find(|call| call.span_context.span_id() == attempt.parent_span_id).expect("a call");
        assert!(call.start_time <= attempt.start_time && attempt.end_time <= call.end_time);
    }
}

#[test]
fn own_fields_of_spans_are_exported_equal_live_and_later() {
    check(program::own_fields, Order::BridgeFirst, ContentPolicy::Omit);
    check(program::own_fields, Order::RecorderFirst, ContentPolicy::Capture);
    let mut harness = Harness::with(ContentPolicy::Capture, Sampler::AlwaysOn);
    harness.run(Order::BridgeFirst, program::own_fields);
    harness.finish();
    let spans = harness.spans();
    let tool = attributes(spans.iter().find(|span| span.name.starts_with("execute_tool")).expect("a tool"));
    let expected = [
        ("attempt", "2"),
        ("ticket.path", "Some(\"/p\")"),
        ("error.type", "timeout"),
        ("otel_trace.ended_by", "close"),
        ("gen_ai.tool.description", "runs a command"),
    ];
    for (name, value) in expected {
        assert_eq!(tool.get(name).map(String::as_str), Some(value), "{name} in {tool:?}");
    }
    assert!(tool["password"].starts_with("[masked:"), "{tool:?}");
    assert!(!tool.contains_key("otel_trace.typo") && !tool.contains_key("level"), "{tool:?}");
}
