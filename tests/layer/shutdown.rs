//! Tests of concurrent recording in many threads, and of a shutdown amid it.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use otel_trace::{
    AgentThread, Body, BodyBuf, BodyError, ExecutionStatus, Json, Model, Operation, RecorderGuard, ThreadMeta,
    ToolCallMeta,
};
use serde_json::Value;
use tracing::dispatcher::{Dispatch, with_default};
use tracing::info_span;
use tracing_subscriber::prelude::*;

use crate::common::{Bundle, bundles, recorder};

/// Checks that every operation of a bundle has one start event and one end event after it.
fn check_operations(bundle: &Bundle) {
    let mut states: HashMap<(&str, String), u32> = HashMap::new();
    for line in &bundle.lines {
        let event = &line["payload"];
        let name = event["type"].as_str().unwrap();
        // A payload that is too late for its event is referenced by an `other` event.
        if name == "other" {
            continue;
        }
        let (kind, id) = match name.split_once('_').unwrap().0 {
            "rollout" => ("rollout", ""),
            "thread" => ("thread", "thread_id"),
            "codex" => ("turn", "codex_turn_id"),
            "inference" => ("inference", "inference_call_id"),
            "tool" => ("tool", "tool_call_id"),
            other => panic!("{other}"),
        };
        let id = |event: &Value| event[id].as_str().unwrap_or_default().to_owned();
        let state = states.entry((kind, id(event))).or_default();
        match name {
            "rollout_started" | "thread_started" | "codex_turn_started" | "inference_started" | "tool_call_started" => {
                assert_eq!(*state, 0, "started twice: {event}");
                *state = 1;
            }
            "tool_call_runtime_started" | "tool_call_runtime_ended" => assert_ne!(*state, 0, "not started: {event}"),
            _ => {
                assert_eq!(*state, 1, "ended twice, or never started: {event}");
                *state = 2;
            }
        }
    }
    let unended: Vec<_> = states.iter().filter(|(_, state)| **state != 2).collect();
    assert!(unended.is_empty(), "{unended:?}");
}

/// Records a turn with inference calls and tool calls, by handles and by plain spans.
fn record_turn(agent: &AgentThread) {
    let turn = agent.turn(None);
    let inference = turn.inference(Model { name: "m", provider: "p" });
    inference.request(Json(&1));
    inference.response(Json(&2));
    drop(inference);
    let tool = turn.tool_call(ToolCallMeta::new("n").id("same"));
    tool.runtime_started(Json(&3));
    tool.runtime_ended(ExecutionStatus::Completed, Json(&4));
    tool.output("r");
    tool.complete();
    turn.span().in_scope(|| info_span!("chat", gen_ai.operation.name = "chat").in_scope(|| {}));
}

#[test]
fn eight_threads_in_several_runs_leave_whole_bundles() {
    let (root, recorder, guard) = recorder();
    let subscriber = Dispatch::new(tracing_subscriber::registry().with(recorder.layer()));
    let agents = with_default(&subscriber, || ["a", "b", "c"].map(|id| AgentThread::start(ThreadMeta::new().id(id))));
    thread::scope(|scope| {
        for n in 0..8 {
            let (agents, subscriber) = (&agents, &subscriber);
            scope.spawn(move || {
                with_default(subscriber, || (0..50).for_each(|turn| record_turn(&agents[(n + turn) % agents.len()])));
            });
        }
    });
    drop(agents);
    drop(guard);
    assert_eq!((recorder.stats().lost(), recorder.stats().late), (0, 0));
    let bundles = bundles(root.path());
    assert_eq!(bundles.len(), 3);
    bundles.iter().for_each(check_operations);
    let count = |name: &str| bundles.iter().map(|bundle| bundle.events(name).len()).sum::<usize>();
    let names = ["codex_turn_ended", "inference_completed", "inference_cancelled", "tool_call_runtime_ended"];
    assert_eq!(names.map(count), [400; 4]);
}

/// A guard that ends the threads, also if the test panics.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn shutdown_amid_starts_ends_each_operation_once() {
    for _ in 0..20 {
        let (root, recorder, guard) = recorder();
        let subscriber = Dispatch::new(tracing_subscriber::registry().with(recorder.layer()));
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    with_default(&subscriber, || {
                        while !stop.load(Ordering::Relaxed) {
                            let agent = AgentThread::start(ThreadMeta::new());
                            (0..3).for_each(|_| record_turn(&agent));
                        }
                    });
                });
            }
            let stopping = StopOnDrop(&stop);
            let enough = || recorder.stats().events.values().sum::<u64>() > 100;
            while !enough() {
                thread::yield_now();
            }
            drop(guard);
            let lines = || bundles(root.path()).iter().map(|bundle| bundle.lines.len()).sum::<usize>();
            let at_shutdown = lines();
            while recorder.stats().late < 20 {
                thread::yield_now();
            }
            drop(stopping);
            assert_eq!(lines(), at_shutdown, "lines were written after the shutdown");
        });
        assert_eq!(recorder.stats().lost(), 0);
        for bundle in bundles(root.path()) {
            check_operations(&bundle);
            assert_eq!(*bundle.event_names().last().unwrap(), "rollout_ended");
        }
    }
}

#[test]
fn response_racing_with_the_end_is_always_referenced() {
    let (root, recorder, guard) = recorder();
    let subscriber = Dispatch::new(tracing_subscriber::registry().with(recorder.layer()));
    with_default(&subscriber, || {
        let turn = AgentThread::start(ThreadMeta::new()).turn(None);
        for n in 0..200 {
            let inference = turn.inference(Model { name: "m", provider: "p" });
            inference.request(Json(&1));
            let tool = turn.tool_call(ToolCallMeta::new("n"));
            thread::scope(|scope| {
                scope.spawn(|| {
                    inference.response(Json(&n));
                    tool.result(Json(&n));
                });
                inference.complete();
                tool.complete();
            });
        }
    });
    drop(guard);
    let bundle = &bundles(root.path())[0];
    let mut referenced = 0;
    for line in &bundle.lines {
        let event = &line["payload"];
        let references = [&event["response_payload"], &event["result_payload"], &event["payloads"][0]];
        referenced +=
            references.iter().filter(|body| body.is_object() && bundle.payload_json(body).is_number()).count();
    }
    assert_eq!((referenced, recorder.stats().lost()), (400, 0));
}

/// A body that ends the recording while it is encoded.
struct EndsRecording(Mutex<Option<RecorderGuard>>);

impl Body for EndsRecording {
    fn encode(&self, out: &mut BodyBuf) -> Result<(), BodyError> {
        drop(self.0.lock().unwrap().take());
        Json(&1).encode(out)
    }
}

#[test]
fn payload_in_progress_at_shutdown_is_counted_as_late() {
    let (root, recorder, guard) = recorder();
    let subscriber = Dispatch::new(tracing_subscriber::registry().with(recorder.layer()));
    with_default(&subscriber, || {
        let inference =
            AgentThread::start(ThreadMeta::new().id("t")).turn(None).inference(Model { name: "m", provider: "p" });
        let other = AgentThread::start(ThreadMeta::new().id("u"));
        inference.request(EndsRecording(Mutex::new(Some(guard))));
        drop(other);
    });
    let stats = recorder.stats();
    // The start of the call was written at the shutdown; its request was too late.
    let events = ["inference_started", "inference_cancelled"].map(|name| stats.events.get(name).copied());
    assert_eq!((stats.lost(), stats.late, events), (0, 1, [Some(1); 2]));
    let bundles = bundles(root.path());
    bundles.iter().for_each(check_operations);
    assert_eq!(
        bundles.iter().map(|bundle| bundle.event("thread_ended")["status"].clone()).collect::<Vec<_>>(),
        ["completed", "completed"]
    );
}

#[test]
fn operation_shared_by_many_threads_starts_and_ends_once() {
    for _ in 0..20 {
        let (root, recorder, guard) = recorder();
        let subscriber = Dispatch::new(tracing_subscriber::registry().with(recorder.layer()));
        with_default(&subscriber, || {
            let turn = AgentThread::start(ThreadMeta::new()).turn(None);
            let inference = turn.inference(Model { name: "m", provider: "p" });
            thread::scope(|scope| {
                for n in 0..4 {
                    let inference = &inference;
                    scope.spawn(move || {
                        inference.request(Json(&n));
                        inference.complete();
                    });
                }
            });
        });
        drop(guard);
        let bundle = &bundles(root.path())[0];
        bundle.event("inference_started");
        bundle.event("inference_completed");
        let other_events = bundle.events("other");
        let payloads: usize = other_events.iter().map(|other| other["payloads"].as_array().unwrap().len()).sum();
        assert_eq!(payloads, 3, "every other request is referenced");
    }
}
