//! References between live spans and the bundle: spans name their object, log lines name their span.

use opentelemetry_sdk::trace::{Sampler, SpanData};
use otel_trace::event::{EventKind, Record};
use otel_trace::graph::LiveSpan;
use otel_trace::otlp::ContentPolicy;

use crate::live::exported::{Harness, Order, attributes, named, names};
use crate::live::program;

fn ids(span: &SpanData) -> LiveSpan {
    let parent = span.parent_span_id;
    LiveSpan {
        trace_id: Some(span.span_context.trace_id().to_string().into()),
        span_id: Some(span.span_context.span_id().to_string().into()),
        parent_span_id: (parent != opentelemetry::SpanId::INVALID).then(|| parent.to_string().into()),
        sampled: None,
    }
}

/// Returns the id and the live span of each object of the graph.
fn objects(harness: &Harness) -> Vec<(String, LiveSpan)> {
    let graph = harness.graph();
    let threads = graph.threads.iter().map(|it| (it.thread_id.to_string(), it.span.clone()));
    let turns = graph.turns.iter().map(|it| (it.turn_id.to_string(), it.span.clone()));
    let calls = graph.inference_calls.iter().map(|it| (it.inference_call_id.to_string(), it.span.clone()));
    let tools = graph.tool_calls.iter().map(|it| (it.tool_call_id.to_string(), it.span.clone()));
    let cells = graph.code_cells.iter().map(|it| (it.code_cell_id.to_string(), it.span.clone()));
    let requests = graph.compaction_requests.iter().map(|it| (it.compaction_request_id.to_string(), it.span.clone()));
    threads.chain(turns).chain(calls).chain(tools).chain(cells).chain(requests).collect()
}

fn is_of_an_operation(record: &Record) -> bool {
    !matches!(record.event.kind(), EventKind::Other | EventKind::ProtocolEventObserved)
}

#[test]
fn objects_and_live_spans_name_each_other() {
    for order in [Order::BridgeFirst, Order::RecorderFirst] {
        let mut harness = Harness::new();
        harness.run(order, program::typed);
        harness.finish();
        let spans = harness.spans();
        let objects = objects(&harness);
        assert_eq!(spans.len(), objects.len(), "{order:?}: {:?}", names(&spans));
        let bundle = harness.bundle().file_name().expect("a name").to_string_lossy().into_owned();
        for span in &spans {
            let attributes = attributes(span);
            let (_, object) =
                objects.iter().find(|(id, _)| *id == attributes["otel_trace.object_id"]).expect("an object");
            assert_eq!(*object, ids(span), "{order:?}: {}", span.name);
            assert_eq!(attributes["otel_trace.bundle"], bundle);
        }
        let without_span: Vec<_> =
            harness.records().into_iter().filter(is_of_an_operation).filter(|it| it.context.span.is_none()).collect();
        assert_eq!(without_span, [], "{order:?}: each line of an operation names its span");
    }
}

#[test]
fn plain_spans_and_objects_name_each_other() {
    for order in [Order::BridgeFirst, Order::RecorderFirst] {
        let mut harness = Harness::new();
        harness.run(order, program::plain);
        harness.finish();
        let (spans, objects) = (harness.spans(), objects(&harness));
        // The thread is implicit and has no span.
        let spanless: Vec<_> =
            objects.iter().filter(|(_, span)| span.span_id.is_none()).map(|(id, _)| id.as_str()).collect();
        assert_eq!(spanless, ["conversation-1"], "{order:?}");
        for name in ["turn", "chat m", "execute_tool add"] {
            let span = named(&spans, name);
            let (_, object) =
                objects.iter().find(|(id, _)| *id == attributes(span)["otel_trace.object_id"]).expect("an object");
            assert_eq!(*object, ids(span), "{order:?}: {name}");
        }
    }
}

#[test]
fn unsampled_spans_are_recorded() {
    let (mut all, mut none) = (Harness::new(), Harness::with(ContentPolicy::Omit, Sampler::AlwaysOff));
    for harness in [&mut all, &mut none] {
        harness.run(Order::BridgeFirst, program::typed);
        harness.finish();
    }
    assert_eq!(none.spans().len(), 0);
    let kinds = |harness: &Harness| harness.records().iter().map(|record| record.event.kind()).collect::<Vec<_>>();
    assert_eq!(kinds(&none), kinds(&all));
    // Each line states that its span was not sampled, and so does the graph.
    let sampled = |harness: &Harness| -> Vec<_> {
        harness.records().iter().filter_map(|record| Some(record.context.span.as_ref()?.is_sampled)).collect()
    };
    assert!(sampled(&none).len() > 5 && sampled(&none).iter().all(|sampled| !sampled));
    assert!(sampled(&all).iter().all(|sampled| *sampled));
    assert!(objects(&none).iter().all(|(_, span)| span.sampled == Some(false) || span.span_id.is_none()));
    assert!(objects(&all).iter().all(|(_, span)| span.sampled.is_none()));
}

#[test]
fn unrecorded_spans_are_exported() {
    let (mut recorded, mut unwritten) = (Harness::new(), Harness::unwritten());
    for harness in [&mut recorded, &mut unwritten] {
        harness.run(Order::BridgeFirst, program::typed);
        harness.finish();
    }
    assert_eq!(std::fs::read_dir(unwritten.root()).expect("a directory").count(), 0);
    // Without the bundle name, and ids and times that differ from run to run.
    let stable = |harness: &Harness| -> Vec<_> {
        let differs = |key: &str| {
            let own = ["otel_trace.bundle", "otel_trace.object_id", "otel_trace.compaction.id"];
            own.contains(&key) || key == "gen_ai.response.time_to_first_chunk"
        };
        let spans = harness.spans();
        let fields = |span: &SpanData| {
            let attributes: Vec<_> = attributes(span).into_iter().filter(|(key, _)| !differs(key)).collect();
            (span.name.clone(), span.status.clone(), span.links.len(), attributes)
        };
        spans.iter().map(fields).collect()
    };
    assert_eq!(stable(&unwritten), stable(&recorded));
}
