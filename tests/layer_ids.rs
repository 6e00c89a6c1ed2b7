//! Ids of spans are used again once a span closed: what is said lands in the span that it was said of.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::thread;

use common::{Bundle, bundles, graph, recorder, running, under};
use otel_trace::{AgentThread, ExecutionStatus, Json, Operation, RecordLayer, ThreadMeta, ToolCallMeta};
use serde_json::json;
use tracing::dispatcher::{Dispatch, with_default};
use tracing::field::Empty;
use tracing::span::Id;
use tracing::{Level, Span, event, info_span};
use tracing_subscriber::Registry;
use tracing_subscriber::prelude::*;

const THREADS: usize = 4;
const SPANS: usize = 300;

/// The place of a span among those that are open, without the number that tells its tenants apart.
fn place(id: &Id) -> u64 {
    id.into_u64() & ((1 << 32) - 1)
}

/// What a plain tool span says of itself, all of it after it was entered but for its id.
fn short_lived(id: &str) -> Span {
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
        let said = json!({ "call": id }).to_string();
        event!(target: "otel_trace", Level::INFO, otel_trace.event = "tool_call_runtime_ended", otel_trace.payload = said);
    });
    span.record("gen_ai.tool.call.result", id);
    if id.ends_with('7') {
        span.record("error.type", id);
    }
    span
}

/// The body that the event of this name has for each tool call.
fn by_call<'a>(bundle: &'a Bundle, event: &str, field: &str) -> BTreeMap<&'a str, serde_json::Value> {
    let events = bundle.all(event).into_iter().filter(|event| event[field].is_object());
    events.map(|event| (event["tool_call_id"].as_str().unwrap(), bundle.body(&event[field]))).collect()
}

/// Everything that is said of a call of this bundle says its id.
fn check(bundle: &Bundle, calls: usize) {
    let started: BTreeSet<_> =
        bundle.all("tool_call_started").iter().map(|event| event["tool_call_id"].as_str().unwrap()).collect();
    assert_eq!(started.len(), calls);
    let said = by_call(bundle, "tool_call_runtime_ended", "runtime_payload");
    assert_eq!(said.keys().copied().collect::<BTreeSet<_>>(), started);
    assert!(said.iter().all(|(id, body)| body["call"] == *id));
    let results = by_call(bundle, "tool_call_ended", "result_payload");
    assert_eq!(results.len(), calls);
    for (id, body) in results {
        assert_eq!(body["response_item"]["output"], id);
    }
    for ended in bundle.all("tool_call_ended") {
        let id = ended["tool_call_id"].as_str().unwrap();
        let (status, error) = if id.ends_with('7') { ("failed", json!(id)) } else { ("completed", json!(null)) };
        assert_eq!((&ended["status"], &ended["error"]), (&json!(status), &error));
    }
    for beside in bundle.all("other") {
        let id = beside["metadata"]["tool_call_id"].as_str().unwrap();
        assert_eq!(bundle.body(&beside["payloads"][0])["payload"]["arguments"], id);
    }
    assert_eq!(running(&graph(&bundle.path)), 0);
}

#[test]
fn a_span_in_the_place_of_another_inherits_nothing_from_it() {
    let (root, recorder, guard) = recorder();
    let subscriber = Dispatch::new(tracing_subscriber::registry().with(recorder.layer()));
    let places: Vec<HashMap<u64, usize>> = thread::scope(|scope| {
        let row = |row: usize| {
            let agent = AgentThread::start(ThreadMeta::new().id(&row.to_string()));
            let turn = agent.turn(None);
            let mut places = HashMap::new();
            // Kept while thousands come and go: a handle in the midst, whose place nobody else may have.
            let kept = turn.tool_call(ToolCallMeta::new("kept").id("kept"));
            for n in 0..SPANS {
                let span = turn.span().in_scope(|| short_lived(&format!("{row}-{n}")));
                *places.entry(place(&span.id().unwrap())).or_default() += 1;
            }
            kept.runtime_ended(ExecutionStatus::Completed, Json(&json!({ "call": "kept" })));
            kept.output("kept");
            places
        };
        let subscriber = &subscriber;
        let threads: Vec<_> = (0..THREADS).map(|n| scope.spawn(move || with_default(subscriber, || row(n)))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(places.iter().all(|places| places.values().any(|times| *times > SPANS / 10)), "no place had two tenants");
    drop(guard);
    assert_eq!((recorder.stats().lost(), recorder.stats().late), (0, 0));
    let bundles = bundles(root.path());
    assert_eq!(bundles.len(), THREADS);
    bundles.iter().for_each(|bundle| check(bundle, SPANS + 1));
}

fn plain_thread(id: &str) -> Span {
    info_span!(parent: None, "thread", otel_trace.kind = "thread", gen_ai.conversation.id = id)
}

#[test]
fn a_span_that_follows_from_one_that_closed_is_not_taken_for_a_follower_of_the_next() {
    let (root, recorder, guard) = recorder();
    under(&recorder, || {
        let mut had_two_tenants = false;
        for n in 0..50 {
            let gone = plain_thread(&format!("gone-{n}"));
            gone.in_scope(|| {});
            let id = gone.id().unwrap();
            drop(gone);
            let tenant = plain_thread(&format!("tenant-{n}"));
            tenant.in_scope(|| {});
            let tenant_id = tenant.id().unwrap();
            assert_ne!(tenant_id, id);
            had_two_tenants |= place(&tenant_id) == place(&id);
            let follower = plain_thread(&format!("follower-{n}"));
            follower.follows_from(id);
            follower.in_scope(|| {});
        }
        assert!(had_two_tenants);
    });
    drop(guard);
    // Each is a run of its own: none was spawned by the tenant.
    let bundles = bundles(root.path());
    assert_eq!(bundles.len(), 150);
    assert!(bundles.iter().all(|bundle| bundle.all("thread_started").len() == 1));
}

#[test]
fn a_span_stays_with_what_it_follows_from_after_that_closed() {
    let (root, recorder, guard) = recorder();
    under(&recorder, || {
        for n in 0..50 {
            let leader = plain_thread(&format!("leader-{n}"));
            leader.in_scope(|| {});
            let follower = plain_thread(&format!("follower-{n}"));
            follower.follows_from(&leader);
            drop(leader);
            // In the leader's place now.
            let tenant = plain_thread(&format!("tenant-{n}"));
            tenant.in_scope(|| {});
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
            ("tenant", _) => assert_eq!(ids, [root]),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_recorder_in_the_place_of_another_inherits_nothing_from_it() {
    // One subscriber, whose spans live on; recorders come and go in it.
    let (layer, handle) = tracing_subscriber::reload::Layer::<Option<RecordLayer<Registry>>, _>::new(None);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let root_span = info_span!("root").entered();
        for n in 0..50 {
            let (root, recorder, guard) = recorder();
            handle.reload(Some(recorder.layer())).unwrap();
            let id = format!("call-{n}");
            drop(short_lived(&id));
            handle.reload(None).unwrap();
            drop(guard);
            drop(recorder);
            let [bundle] = &bundles(root.path())[..] else { panic!("one bundle") };
            assert_eq!(bundle.one("tool_call_started")["tool_call_id"], *id);
        }
        drop(root_span);
    });
}
