//! Tests of reused span ids: the registry reuses the slot of a closed span, and no field or event may reach the wrong
//! span.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::thread;

use otel_trace::{AgentThread, ExecutionStatus, Json, Operation, RecordLayer, ThreadMeta, ToolCallMeta};
use serde_json::json;
use tracing::dispatcher::{Dispatch, with_default};
use tracing::field::Empty;
use tracing::span::Id;
use tracing::{Level, Span, event, info_span};
use tracing_subscriber::Registry;
use tracing_subscriber::prelude::*;

use crate::common::{Bundle, bundles, count_running, graph, recorder, run_recorded};

const THREADS: usize = 4;
const SPANS: usize = 300;

/// Returns the slot of a span in the registry, without the generation that distinguishes the spans of a slot.
fn slot(id: &Id) -> u64 {
    id.into_u64() & ((1 << 32) - 1)
}

/// Opens the span of a tool call and records all of its fields except the id after it was entered.
fn tool_span(id: &str) -> Span {
    let span = info_span!(
        "tool",
        otel_trace.kind = "tool",
        gen_ai.tool.name = "n",
        gen_ai.tool.call.id = id,
        gen_ai.tool.call.arguments = Empty,
        gen_ai.tool.call.result = Empty,
        error.type = Empty,
    );
    span.in_scope(|| {
        Span::current().record("gen_ai.tool.call.arguments", id);
        let payload = json!({ "call": id }).to_string();
        event!(target: "otel_trace", Level::INFO, otel_trace.event = "tool_call_runtime_ended", otel_trace.payload = payload);
    });
    span.record("gen_ai.tool.call.result", id);
    if id.ends_with('7') {
        span.record("error.type", id);
    }
    span
}

/// Returns a payload of the events with this name by tool call.
fn payloads_by_call<'a>(bundle: &'a Bundle, event: &str, field: &str) -> BTreeMap<&'a str, serde_json::Value> {
    let events = bundle.events(event).into_iter().filter(|event| event[field].is_object());
    events.map(|event| (event["tool_call_id"].as_str().unwrap(), bundle.payload_json(&event[field]))).collect()
}

/// Checks that all events and payloads of each tool call contain the id of this call.
fn check(bundle: &Bundle, calls: usize) {
    let started: BTreeSet<_> =
        bundle.events("tool_call_started").iter().map(|event| event["tool_call_id"].as_str().unwrap()).collect();
    assert_eq!(started.len(), calls);
    let runtime = payloads_by_call(bundle, "tool_call_runtime_ended", "runtime_payload");
    assert_eq!(runtime.keys().copied().collect::<BTreeSet<_>>(), started);
    assert!(runtime.iter().all(|(id, body)| body["call"] == *id));
    let results = payloads_by_call(bundle, "tool_call_ended", "result_payload");
    assert_eq!(results.len(), calls);
    for (id, body) in results {
        assert_eq!(body["response_item"]["output"], id);
    }
    for ended in bundle.events("tool_call_ended") {
        let id = ended["tool_call_id"].as_str().unwrap();
        let (status, error) = if id.ends_with('7') { ("failed", json!(id)) } else { ("completed", json!(null)) };
        assert_eq!((&ended["status"], &ended["error"]), (&json!(status), &error));
    }
    for other in bundle.events("other") {
        let id = other["metadata"]["tool_call_id"].as_str().unwrap();
        assert_eq!(bundle.payload_json(&other["payloads"][0])["payload"]["arguments"], id);
    }
    assert_eq!(count_running(&graph(&bundle.path)), 0);
}

#[test]
fn span_in_a_reused_slot_inherits_nothing() {
    let (root, recorder, guard) = recorder();
    let subscriber = Dispatch::new(tracing_subscriber::registry().with(recorder.layer()));
    let slots: Vec<HashMap<u64, usize>> = thread::scope(|scope| {
        let row = |row: usize| {
            let agent = AgentThread::start(ThreadMeta::new().id(&row.to_string()));
            let turn = agent.turn(None);
            let mut slots = HashMap::new();
            // A handle that stays open while other spans open and close: its slot must not be reused.
            let open = turn.tool_call(ToolCallMeta::new("open").id("open"));
            for n in 0..SPANS {
                let span = turn.span().in_scope(|| tool_span(&format!("{row}-{n}")));
                *slots.entry(slot(&span.id().unwrap())).or_default() += 1;
            }
            open.runtime_ended(ExecutionStatus::Completed, Json(&json!({ "call": "open" })));
            open.output("open");
            slots
        };
        let subscriber = &subscriber;
        let threads: Vec<_> = (0..THREADS).map(|n| scope.spawn(move || with_default(subscriber, || row(n)))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(slots.iter().all(|slots| slots.values().any(|uses| *uses > SPANS / 10)), "no slot was reused");
    drop(guard);
    assert_eq!((recorder.stats().lost(), recorder.stats().late), (0, 0));
    let bundles = bundles(root.path());
    assert_eq!(bundles.len(), THREADS);
    bundles.iter().for_each(|bundle| check(bundle, SPANS + 1));
}

/// Opens the span of a thread at the root.
fn plain_thread(id: &str) -> Span {
    info_span!(parent: None, "thread", otel_trace.kind = "thread", gen_ai.conversation.id = id)
}

#[test]
fn follower_of_a_closed_span_is_not_matched_to_its_successor() {
    let (root, recorder, guard) = recorder();
    run_recorded(&recorder, || {
        let mut was_reused = false;
        for n in 0..50 {
            let closed = plain_thread(&format!("closed-{n}"));
            closed.in_scope(|| {});
            let id = closed.id().unwrap();
            drop(closed);
            let successor = plain_thread(&format!("successor-{n}"));
            successor.in_scope(|| {});
            let successor_id = successor.id().unwrap();
            assert_ne!(successor_id, id);
            was_reused |= slot(&successor_id) == slot(&id);
            let follower = plain_thread(&format!("follower-{n}"));
            follower.follows_from(id);
            follower.in_scope(|| {});
        }
        assert!(was_reused);
    });
    drop(guard);
    // Each thread is a separate run: no follower was attributed to the span in the reused slot.
    let bundles = bundles(root.path());
    assert_eq!(bundles.len(), 150);
    assert!(bundles.iter().all(|bundle| bundle.events("thread_started").len() == 1));
}

#[test]
fn follower_keeps_its_leader_after_the_leader_closed() {
    let (root, recorder, guard) = recorder();
    run_recorded(&recorder, || {
        for n in 0..50 {
            let leader = plain_thread(&format!("leader-{n}"));
            leader.in_scope(|| {});
            let follower = plain_thread(&format!("follower-{n}"));
            follower.follows_from(&leader);
            drop(leader);
            // A span in the slot of the leader.
            let successor = plain_thread(&format!("successor-{n}"));
            successor.in_scope(|| {});
            follower.in_scope(|| {});
        }
    });
    drop(guard);
    let bundles = bundles(root.path());
    assert_eq!(bundles.len(), 100);
    for bundle in bundles {
        let graph = graph(&bundle.path);
        let root = graph.root_thread_id.as_str();
        let ids: Vec<_> = graph.threads.iter().map(|thread| thread.thread_id.as_str()).collect();
        match root.split_once('-').unwrap() {
            ("leader", n) => assert_eq!(ids, [root, &format!("follower-{n}")]),
            ("successor", _) => assert_eq!(ids, [root]),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn recorder_replacing_another_inherits_nothing() {
    // The subscriber and its root span stay, while recorders are replaced.
    let (layer, handle) = tracing_subscriber::reload::Layer::<Option<RecordLayer<Registry>>, _>::new(None);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let root_span = info_span!("root").entered();
        for n in 0..50 {
            let (root, recorder, guard) = recorder();
            handle.reload(Some(recorder.layer())).unwrap();
            let id = format!("call-{n}");
            drop(tool_span(&id));
            handle.reload(None).unwrap();
            drop(guard);
            drop(recorder);
            let [bundle] = &bundles(root.path())[..] else { panic!("expected one bundle") };
            assert_eq!(bundle.event("tool_call_started")["tool_call_id"], *id);
        }
        drop(root_span);
    });
}
