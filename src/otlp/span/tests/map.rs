use std::time::SystemTime;

use opentelemetry::trace::{Span as _, SpanContext, SpanId, SpanKind, Tracer as _, TracerProvider as _};
use opentelemetry::{InstrumentationScope, Value};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanEvents, SpanLinks};

use super::*;
use crate::event::{EndDetail, ExecutionStatus};
use crate::otlp::span::content_policy::ContentPolicy;
use crate::otlp::span::describe::describe;
use crate::otlp::span::facts::SpanFacts;
use crate::otlp::span::tests::samples::{attribute_lines, ended, every_kind, failed, full};
use crate::otlp::span::usage_names::UsageNames;

const OMIT: Mapping = Mapping { content: ContentPolicy::Omit, usage_names: UsageNames::Current };
const CAPTURE: Mapping = Mapping { content: ContentPolicy::Capture, usage_names: UsageNames::Current };

fn every_mapping() -> impl Iterator<Item = Mapping> {
    let names = [UsageNames::Current, UsageNames::Both, UsageNames::Older];
    let with_content = move |content| names.into_iter().map(move |usage_names| Mapping { content, usage_names });
    [ContentPolicy::Omit, ContentPolicy::Capture].into_iter().flat_map(with_content)
}

fn every_end(facts: SpanFacts) -> [SpanFacts; 3] {
    let cancelled = ended(facts.clone(), ExecutionStatus::Cancelled, Some("stopped"));
    [failed(facts.clone(), "timeout: slow"), cancelled, facts]
}

fn span(name: &'static str, attributes: Vec<KeyValue>) -> SpanData {
    SpanData {
        span_context: SpanContext::NONE,
        parent_span_id: SpanId::INVALID,
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: name.into(),
        start_time: SystemTime::UNIX_EPOCH,
        end_time: SystemTime::UNIX_EPOCH + Duration::from_secs(1),
        attributes,
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: InstrumentationScope::default(),
    }
}

fn attribute(key: &'static str, value: impl Into<Value>) -> KeyValue {
    KeyValue::new(key, value)
}

/// Attributes that a framework sets on a span of any kind.
fn framework_attributes() -> Vec<KeyValue> {
    vec![
        attribute("code.file.path", "src/agent.rs"),
        attribute("thread.id", 7),
        attribute("level", "INFO"),
        attribute("target", "rig::agent"),
        attribute("app.user", "ann"),
        attribute("otel_trace.kind", "agent"),
        attribute("otel_trace.code_cell.source", "secret"),
        attribute("otel.tracing_event_count", 3),
        attribute("gen_ai.operation.name", "invoke_agent"),
        attribute("gen_ai.system", "openai"),
        attribute("gen_ai.request.model", "gpt-unknown"),
        attribute("gen_ai.request.seed", 3),
        attribute("gen_ai.request.temperature", 0.125),
        attribute("gen_ai.usage.input_tokens", 999),
        attribute("gen_ai.usage.completion_tokens", 999),
        attribute("gen_ai.prompt", "secret"),
        attribute("gen_ai.input.messages", "secret"),
        attribute("gen_ai.tool.call.arguments", "secret"),
        attribute("error.type", "not_this"),
        attribute("app.user", "bob"),
        attribute("server.address", "localhost"),
    ]
}

/// The framework's attributes that remain on the span of a recorded operation.
const KEPT: [&str; 2] = [r#"app.user = "bob""#, r#"server.address = "localhost""#];

/// Checks that the span has the description of its facts, and beyond that only the program's own attributes and a stronger
/// status that the program set.
fn check(mapped: &SpanData, facts: &SpanFacts, mapping: &Mapping, own: &[&str], own_status: &Status) {
    let described = describe(facts, *mapping);
    assert_eq!((&*mapped.name, &mapped.span_kind), (described.name.as_str(), &described.kind));
    let is_weaker = described.status == Status::Unset && matches!(own_status, Status::Error { .. });
    assert_eq!(&mapped.status, if is_weaker { own_status } else { &described.status });
    let mut expected = attribute_lines(&described.attributes);
    expected.extend(own.iter().map(ToString::to_string));
    expected.sort_unstable();
    assert_eq!(attribute_lines(&mapped.attributes), expected);
    assert!(mapped.attributes.is_sorted_by(|a, b| a.key < b.key));
}

#[test]
fn live_span_is_mapped_to_its_description() {
    for (detail, mapping) in
        every_kind().into_iter().flat_map(|detail| every_mapping().map(move |m| (detail.clone(), m)))
    {
        for facts in every_end(full(detail)) {
            let mut attributes = framework_attributes();
            attributes.extend(describe(&facts, mapping).into_live_attributes());
            attributes.extend([attribute("busy_ns", 1), attribute("idle_ns", 2)]);
            for status in [Status::Unset, Status::Ok, Status::error("zzz")] {
                let live = SpanData {
                    status: status.clone(),
                    span_kind: SpanKind::Server,
                    ..span("rig_agent", attributes.clone())
                };
                let mapped = map(live, &mapping);
                check(&mapped, &facts, &mapping, &KEPT, &status);
                assert_eq!(map(mapped.clone(), &mapping), mapped);
            }
        }
    }
}

#[test]
fn described_span_is_unchanged() {
    for (detail, mapping) in
        every_kind().into_iter().flat_map(|detail| every_mapping().map(move |m| (detail.clone(), m)))
    {
        for facts in every_end(full(detail)) {
            let described = describe(&facts, mapping);
            let exported = SpanData { status: described.status, ..span("", described.attributes) };
            check(&map(exported, &mapping), &facts, &mapping, &[], &Status::Unset);
        }
    }
}

#[test]
fn described_content_is_dropped_unless_captured() {
    for facts in every_kind().map(full) {
        let attributes = describe(&facts, CAPTURE).into_live_attributes();
        check(&map(span("", attributes), &OMIT), &facts, &OMIT, &[], &Status::Unset);
    }
}

#[test]
fn undescribed_agent_span_has_no_usage_and_no_content() {
    let mut attributes = framework_attributes();
    attributes.extend([attribute("otel_trace.object_id", "thread-1"), attribute("otel_trace.kind", "thread")]);
    let expected = [
        r#"app.user = "bob""#,
        r#"error.type = "not_this""#,
        r#"gen_ai.operation.name = "invoke_agent""#,
        r#"gen_ai.request.model = "gpt-unknown""#,
        r#"otel_trace.kind = "thread""#,
        r#"otel_trace.object_id = "thread-1""#,
        r#"server.address = "localhost""#,
    ];
    for mapping in every_mapping() {
        let mapped = map(SpanData { status: Status::Ok, ..span("rig_agent", attributes.clone()) }, &mapping);
        assert_eq!((&*mapped.name, &mapped.status), ("invoke_agent", &Status::Ok));
        assert_eq!(attribute_lines(&mapped.attributes), expected);
    }
}

#[test]
fn object_of_unknown_kind_keeps_its_name() {
    let attributes = vec![
        attribute("otel_trace.object_id", "o"),
        attribute("otel_trace.kind", "terminal"),
        attribute("level", "INFO"),
    ];
    let span = SpanData { span_kind: SpanKind::Producer, ..span("own name", attributes) };
    let mapped = map(span, &CAPTURE);
    assert_eq!((&*mapped.name, mapped.span_kind), ("own name", SpanKind::Producer));
    assert_eq!(
        attribute_lines(&mapped.attributes),
        [r#"otel_trace.kind = "terminal""#, r#"otel_trace.object_id = "o""#]
    );
}

#[test]
fn foreign_span_loses_only_content_and_usage_sums() {
    let check = |operation: Option<&'static str>, mapping: &Mapping, dropped: &[&str]| {
        let mut attributes = framework_attributes();
        attributes.retain(|attribute| attribute.key.as_str() != "gen_ai.operation.name");
        attributes.extend(operation.map(|operation| attribute("gen_ai.operation.name", operation)));
        attributes.extend([
            attribute("gen_ai.completion.0.content", "secret"),
            attribute("gen_ai.prompt.name", "greeting"),
            attribute("otel_trace.payload", "secret"),
        ]);
        let before = SpanData { status: Status::Ok, span_kind: SpanKind::Server, ..span("GET", attributes.clone()) };
        attributes.retain(|attribute| !dropped.contains(&attribute.key.as_str()));
        assert_eq!(map(before.clone(), mapping), SpanData { attributes, ..before }, "{operation:?}");
    };
    let sums = ["gen_ai.usage.input_tokens", "gen_ai.usage.completion_tokens"];
    let content = [
        "otel_trace.code_cell.source",
        "gen_ai.prompt",
        "gen_ai.input.messages",
        "gen_ai.tool.call.arguments",
        "gen_ai.completion.0.content",
        "otel_trace.payload",
    ];
    check(Some("chat"), &OMIT, &content);
    check(Some("embeddings"), &CAPTURE, &[]);
    check(Some("invoke_agent"), &OMIT, &[&content[..], &sums].concat());
    check(None, &CAPTURE, &sums);
}

#[test]
fn content_events_are_dropped_unless_captured() {
    let event = |name: &'static str, attributes| Event::new(name, SystemTime::UNIX_EPOCH, attributes, 0);
    let target = |target: &'static str| attribute("target", target);
    let events = vec![
        event("hello", vec![target("app"), attribute("gen_ai.input.messages", "secret"), attribute("app.user", "ann")]),
        event("runtime", vec![target("otel_trace"), attribute("otel_trace.payload", "{}")]),
        event(
            "result",
            vec![attribute("otel_trace.event", "agent_result_observed"), attribute("otel_trace.message", "secret")],
        ),
        event("runtime", vec![target("otel_trace"), attribute("otel_trace.status", "failed")]),
        event("OpenAI request: {}", vec![target("rig::completions")]),
        event("reply: {}", vec![target("rig::streaming")]),
        event("rig::completions", vec![]),
    ];
    let kept = vec![event("hello", vec![target("app"), attribute("app.user", "ann")])];
    for attributes in [vec![], vec![attribute("otel_trace.object_id", "o")]] {
        let mut before = span("own name", attributes);
        before.events.events.clone_from(&events);
        assert_eq!(map(before.clone(), &OMIT).events.events, kept);
        assert_eq!(map(before, &CAPTURE).events.events, events);
    }
}

#[test]
fn map_exporter_passes_on_mapped_spans() {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(MapExporter::new(exporter.clone(), OMIT)).build();
    for facts in every_kind().map(full) {
        let mut live = provider.tracer("test").start("rig_agent");
        framework_attributes().into_iter().for_each(|attribute| live.set_attribute(attribute));
        live.set_status(Status::error("zzz"));
        live.set_attributes(describe(&facts, OMIT).into_live_attributes());
        live.end();
        let spans = exporter.get_finished_spans().expect("its spans");
        check(spans.last().expect("a span"), &facts, &OMIT, &KEPT, &Status::error("zzz"));
    }
    assert_eq!(exporter.get_finished_spans().expect("its spans").len(), every_kind().len());
}

#[test]
fn span_duration_is_at_least_a_microsecond() {
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(10);
    let lasted = |end_time| {
        let span = map(SpanData { start_time: start, end_time, ..span("GET", Vec::new()) }, &Mapping::default());
        span.end_time.duration_since(span.start_time).expect("no negative duration")
    };
    let microsecond = Duration::from_micros(1);
    assert_eq!(lasted(start), microsecond);
    assert_eq!(lasted(start + Duration::from_nanos(999)), microsecond);
    // A wall clock that went backwards.
    assert_eq!(lasted(start - Duration::from_secs(3)), microsecond);
    assert_eq!(lasted(start + Duration::from_nanos(1001)), Duration::from_nanos(1001));
}

#[test]
fn end_by_a_handle_wins_over_the_status_of_the_program() {
    for facts in every_kind().map(full) {
        let ended_by = |ended_by| SpanFacts { end: EndDetail { ended_by, ..facts.end.clone() }, ..facts.clone() };
        let status = |facts: &SpanFacts, own: Status| {
            let attributes = describe(facts, OMIT).into_live_attributes();
            map(SpanData { status: own, ..span("", attributes) }, &OMIT).status
        };
        let error = Status::error("set by the program");
        assert_eq!(status(&ended_by(Some(EndedBy::Handle)), error.clone()), Status::Unset);
        assert_eq!(status(&ended_by(Some(EndedBy::Close)), error.clone()), error);
        assert_eq!(status(&ended_by(None), error.clone()), error);
        // A failure is exported, whatever the program set.
        let failed = failed(ended_by(Some(EndedBy::Handle)), "no");
        assert_eq!(status(&failed, Status::Ok), Status::error("no"));
    }
}
