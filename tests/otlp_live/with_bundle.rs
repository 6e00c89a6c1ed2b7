//! Spans name their evidence, and evidence its spans.

use opentelemetry_sdk::trace::{Sampler, SpanData};
use otel_trace::event::{EventKind, Record};
use otel_trace::graph::LiveSpan;
use otel_trace::otlp::ContentPolicy;

use crate::exported::{Order, Rig, attributes, named, names};
use crate::program;

fn ids(span: &SpanData) -> LiveSpan {
    let parent = span.parent_span_id;
    LiveSpan {
        trace_id: Some(span.span_context.trace_id().to_string().into()),
        span_id: Some(span.span_context.span_id().to_string().into()),
        parent_span_id: (parent != opentelemetry::SpanId::INVALID).then(|| parent.to_string().into()),
    }
}

/// What each object of the graph says of its span.
fn objects(rig: &Rig) -> Vec<(String, LiveSpan)> {
    let graph = rig.graph();
    let threads = graph.threads.iter().map(|it| (it.thread_id.to_string(), it.span.clone()));
    let turns = graph.turns.iter().map(|it| (it.turn_id.to_string(), it.span.clone()));
    let calls = graph.inference_calls.iter().map(|it| (it.inference_call_id.to_string(), it.span.clone()));
    let tools = graph.tool_calls.iter().map(|it| (it.tool_call_id.to_string(), it.span.clone()));
    let cells = graph.code_cells.iter().map(|it| (it.code_cell_id.to_string(), it.span.clone()));
    let requests = graph.compaction_requests.iter().map(|it| (it.compaction_request_id.to_string(), it.span.clone()));
    threads.chain(turns).chain(calls).chain(tools).chain(cells).chain(requests).collect()
}

fn is_of_a_window(record: &Record) -> bool {
    !matches!(record.event.kind(), EventKind::Other | EventKind::ProtocolEventObserved)
}

#[test]
fn objects_and_live_spans_name_each_other() {
    for order in [Order::BridgeFirst, Order::RecorderFirst] {
        let mut rig = Rig::new();
        rig.run(order, program::typed);
        rig.finish();
        let spans = rig.spans();
        let objects = objects(&rig);
        assert_eq!(spans.len(), objects.len(), "{order:?}: {:?}", names(&spans));
        let bundle = rig.bundle().file_name().expect("a name").to_string_lossy().into_owned();
        for span in &spans {
            let told = attributes(span);
            let (_, object) = objects.iter().find(|(id, _)| *id == told["otel_trace.object_id"]).expect("an object");
            assert_eq!(*object, ids(span), "{order:?}: {}", span.name);
            assert_eq!(told["otel_trace.bundle"], bundle);
        }
        let silent: Vec<_> =
            rig.records().into_iter().filter(is_of_a_window).filter(|it| it.context.span.is_none()).collect();
        assert_eq!(silent, [], "{order:?}: each line of a window names its span");
    }
}

#[test]
fn plain_spans_and_objects_name_each_other() {
    for order in [Order::BridgeFirst, Order::RecorderFirst] {
        let mut rig = Rig::new();
        rig.run(order, program::plain);
        rig.finish();
        let (spans, objects) = (rig.spans(), objects(&rig));
        // The thread was supplied: no span was one.
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
    let (mut all, mut none) = (Rig::new(), Rig::with(ContentPolicy::Omit, Sampler::AlwaysOff));
    for rig in [&mut all, &mut none] {
        rig.run(Order::BridgeFirst, program::typed);
        rig.finish();
    }
    assert_eq!(none.spans().len(), 0);
    let kinds = |rig: &Rig| rig.records().iter().map(|record| record.event.kind()).collect::<Vec<_>>();
    assert_eq!(kinds(&none), kinds(&all));
}

#[test]
fn unrecorded_spans_are_exported() {
    let (mut recorded, mut unwritten) = (Rig::new(), Rig::unwritten());
    for rig in [&mut recorded, &mut unwritten] {
        rig.run(Order::BridgeFirst, program::typed);
        rig.finish();
    }
    assert_eq!(std::fs::read_dir(unwritten.root()).expect("a directory").count(), 0);
    // But for what names the bundle, and ids and times that differ from run to run.
    let told = |rig: &Rig| -> Vec<_> {
        let differs = |key: &str| {
            let own = ["otel_trace.bundle", "otel_trace.object_id", "otel_trace.compaction.id"];
            own.contains(&key) || key == "gen_ai.response.time_to_first_chunk"
        };
        let spans = rig.spans();
        let of = |span: &SpanData| {
            let told: Vec<_> = attributes(span).into_iter().filter(|(key, _)| !differs(key)).collect();
            (span.name.clone(), span.status.clone(), span.links.len(), told)
        };
        spans.iter().map(of).collect()
    };
    assert_eq!(told(&unwritten), told(&recorded));
}
