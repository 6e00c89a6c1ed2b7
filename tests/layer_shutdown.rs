//! Many threads at once, and a shutdown in the midst of them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::{Bundle, bundles, recorder};
use otel_trace::{
    AgentThread, Body, BodyBuf, BodyError, ExecutionStatus, Json, Model, Operation, RecorderGuard, ThreadMeta,
    ToolCallMeta,
};
use serde_json::Value;
use tracing::dispatcher::{Dispatch, with_default};
use tracing::info_span;
use tracing_subscriber::prelude::*;

/// Every window of the bundle has one start, one end after it, and lies in the log after the start of what it is in.
fn check_windows(bundle: &Bundle) {
    let mut open: HashMap<(&str, String), u32> = HashMap::new();
    for line in &bundle.lines {
        let event = &line["payload"];
        let name = event["type"].as_str().unwrap();
        // What came too late for its event is named by one of its own.
        if name == "other" {
            continue;
        }
        let (what, id) = match name.split_once('_').unwrap().0 {
            "rollout" => ("rollout", ""),
            "thread" => ("thread", "thread_id"),
            "codex" => ("turn", "codex_turn_id"),
            "inference" => ("inference", "inference_call_id"),
            "tool" => ("tool", "tool_call_id"),
            other => panic!("{other}"),
        };
        let id = |event: &Value| event[id].as_str().unwrap_or_default().to_owned();
        let ends = open.entry((what, id(event))).or_default();
        match name {
            "rollout_started" | "thread_started" | "codex_turn_started" | "inference_started" | "tool_call_started" => {
                assert_eq!(*ends, 0, "started twice: {event}");
                *ends = 1;
            }
            "tool_call_runtime_started" | "tool_call_runtime_ended" => assert_ne!(*ends, 0, "not started: {event}"),
            _ => {
                assert_eq!(*ends, 1, "ended twice, or never started: {event}");
                *ends = 2;
            }
        }
    }
    let unended: Vec<_> = open.iter().filter(|(_, ends)| **ends != 2).collect();
    assert!(unended.is_empty(), "{unended:?}");
}

/// A turn with a call of each kind, by handles and by plain spans.
fn one_turn(agent: &AgentThread) {
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
fn eight_threads_in_several_rollouts_at_once_leave_whole_bundles() {
    let (root, recorder, guard) = recorder();
    let subscriber = Dispatch::new(tracing_subscriber::registry().with(recorder.layer()));
    let agents = with_default(&subscriber, || ["a", "b", "c"].map(|id| AgentThread::start(ThreadMeta::new().id(id))));
    thread::scope(|scope| {
        for n in 0..8 {
            let (agents, subscriber) = (&agents, &subscriber);
            scope.spawn(move || {
                with_default(subscriber, || (0..50).for_each(|turn| one_turn(&agents[(n + turn) % agents.len()])));
            });
        }
    });
    drop(agents);
    drop(guard);
    assert_eq!((recorder.stats().lost(), recorder.stats().late), (0, 0));
    let bundles = bundles(root.path());
    assert_eq!(bundles.len(), 3);
    bundles.iter().for_each(check_windows);
    let count = |name: &str| bundles.iter().map(|bundle| bundle.all(name).len()).sum::<usize>();
    let names = ["codex_turn_ended", "inference_completed", "inference_cancelled", "tool_call_runtime_ended"];
    assert_eq!(names.map(count), [400; 4]);
}

/// Lets the threads end, also where the test fails in their midst.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_shutdown_amid_starts_ends_each_window_once_and_nothing_follows_it() {
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
                            (0..3).for_each(|_| one_turn(&agent));
                        }
                    });
                });
            }
            let stopping = Stop(&stop);
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
            assert_eq!(lines(), at_shutdown, "written after the shutdown");
        });
        assert_eq!(recorder.stats().lost(), 0);
        for bundle in bundles(root.path()) {
            check_windows(&bundle);
            assert_eq!(*bundle.names().last().unwrap(), "rollout_ended");
        }
    }
}

#[test]
fn an_answer_that_races_with_the_end_is_named_wherever_it_comes() {
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
    let mut named = 0;
    for line in &bundle.lines {
        let event = &line["payload"];
        let references = [&event["response_payload"], &event["result_payload"], &event["payloads"][0]];
        named += references.iter().filter(|body| body.is_object() && bundle.body(body).is_number()).count();
    }
    assert_eq!((named, recorder.stats().lost()), (400, 0));
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
fn what_was_on_its_way_when_the_recording_ended_is_counted_and_not_written() {
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
    // The call was seen to begin; its request came too late.
    let events = ["inference_started", "inference_cancelled"].map(|name| stats.events.get(name).copied());
    assert_eq!((stats.lost(), stats.late, events), (0, 1, [Some(1); 2]));
    let bundles = bundles(root.path());
    bundles.iter().for_each(check_windows);
    assert_eq!(
        bundles.iter().map(|bundle| bundle.one("thread_ended")["status"].clone()).collect::<Vec<_>>(),
        ["completed", "aborted"]
    );
}

#[test]
fn one_window_that_many_threads_start_and_end_does_so_once() {
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
        bundle.one("inference_started");
        bundle.one("inference_completed");
        let beside = bundle.all("other");
        let kept: usize = beside.iter().map(|other| other["payloads"].as_array().unwrap().len()).sum();
        assert_eq!(kept, 3, "every request is named");
    }
}
