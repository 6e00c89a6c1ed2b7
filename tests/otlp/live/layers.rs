//! Layer stacks: filters on the bridge, reloaded layers, many threads.

use std::collections::HashSet;
use std::thread;

use otel_trace::{AgentThread, Operation, ThreadMeta, ToolCallMeta};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::live::exported::{Harness, attributes, names};
use crate::live::program;

#[test]
fn bridge_filter_thins_the_export_but_not_the_recording() {
    let mut harness = Harness::new();
    let recording = harness.recorder.layer().with_filter(harness.recorder.filter());
    let subscriber = tracing_subscriber::registry().with(recording);
    let no_tools = FilterFn::new(|metadata| metadata.name() != "execute_tool");
    let subscriber = subscriber.with(harness.bridge().with_filter(no_tools).with_filter(LevelFilter::INFO));
    tracing::subscriber::with_default(subscriber, program::typed);
    harness.finish();
    let exported = names(&harness.spans());
    assert_eq!(exported.iter().filter(|name| name.starts_with("execute_tool")).count(), 0);
    assert_eq!(exported.len(), 11);
    let graph = harness.graph();
    assert_eq!(graph.tool_calls.len(), 3);
    assert!(graph.tool_calls.iter().all(|tool| tool.span.span_id.is_none()));
}

#[test]
fn bridge_removed_by_reload_leaves_the_recording() {
    let mut harness = Harness::new();
    let (bridge, handle) = tracing_subscriber::reload::Layer::new(Some(LevelFilter::INFO));
    let recording = harness.recorder.layer().with_filter(harness.recorder.filter());
    let subscriber = tracing_subscriber::registry().with(recording);
    let subscriber = subscriber.with(harness.bridge().with_filter(bridge));
    tracing::subscriber::with_default(subscriber, || {
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = thread.turn(None);
        let before = turn.tool_call(ToolCallMeta::new("before"));
        handle.reload(Some(LevelFilter::OFF)).expect("a layer");
        let after = turn.tool_call(ToolCallMeta::new("after"));
        for tool in [before, after] {
            tool.output("done");
            tool.complete();
        }
        turn.complete();
        thread.complete();
    });
    harness.finish();
    let graph = harness.graph();
    let is_live: Vec<_> = graph.tool_calls.iter().map(|tool| tool.span.span_id.is_some()).collect();
    assert_eq!(is_live, [true, false]);
}

#[test]
fn recorder_added_by_reload_records_live_span_ids() {
    let mut harness = Harness::new();
    let (recording, handle) = tracing_subscriber::reload::Layer::new(None::<otel_trace::RecordLayer<_>>);
    let subscriber = tracing_subscriber::registry().with(recording).with(harness.bridge());
    tracing::subscriber::with_default(subscriber, || {
        handle.reload(Some(harness.recorder.layer())).expect("a layer");
        program::typed();
    });
    harness.finish();
    let (spans, graph) = (harness.spans(), harness.graph());
    assert!(spans.iter().all(|span| attributes(span).contains_key("otel_trace.object_id")));
    assert!(graph.tool_calls.iter().all(|tool| tool.span.span_id.is_some()));
}

#[test]
fn many_threads_export_each_span_once() {
    let mut harness = Harness::new();
    let recording = harness.recorder.layer().with_filter(harness.recorder.filter());
    let subscriber = tracing_subscriber::registry().with(harness.bridge()).with(recording);
    let dispatch = tracing::Dispatch::new(subscriber);
    let (workers, calls) = (8, 50);
    thread::scope(|scope| {
        for worker in 0..workers {
            let dispatch = dispatch.clone();
            scope.spawn(move || {
                tracing::dispatcher::with_default(&dispatch, || {
                    let thread = AgentThread::start(ThreadMeta::new().id(&format!("thread-{worker}")));
                    let turn = thread.turn(None);
                    for call in 0..calls {
                        let tool = turn.tool_call(ToolCallMeta::new("work").id(&format!("{worker}-{call}")));
                        tool.output("done");
                        tool.complete();
                    }
                });
            });
        }
    });
    drop(dispatch);
    harness.finish();
    let spans = harness.spans();
    let distinct = |key: &str| spans.iter().map(|span| attributes(span)[key].clone()).collect::<HashSet<_>>();
    assert_eq!(spans.len(), workers * (calls + 2));
    assert_eq!(distinct("otel_trace.object_id").len(), workers * (calls + 2));
    assert_eq!(distinct("otel_trace.thread.id").len(), workers);
    assert_eq!(spans.iter().map(|span| span.span_context.trace_id()).collect::<HashSet<_>>().len(), workers);
}
