//! How windows end: each row of the table, and bad luck.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use common::{Bundle, bundles, record_one, recorder, under};
use otel_trace::{AgentThread, Inference, Json, Model, Operation, SpanExt, ThreadMeta, ToolCall, ToolCallMeta, Turn};
use serde_json::{Value, json};
use tracing::field::Empty;
use tracing::{Span, info_span};

/// The status of the one end of this name, and the error with it.
#[track_caller]
fn end<'a>(bundle: &'a Bundle, name: &str) -> (&'a str, Option<&'a str>) {
    let ended = bundle.one(name);
    (ended["status"].as_str().unwrap(), ended["error"].as_str())
}

/// A whole run of handles, which `finish` ends.
fn run(finish: impl FnOnce(AgentThread, Turn, Inference, ToolCall)) -> Bundle {
    record_one(|| {
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = thread.turn(None);
        let inference = turn.inference(Model { name: "m", provider: "p" });
        let tool = turn.tool_call(ToolCallMeta::new("n"));
        finish(thread, turn, inference, tool);
    })
}

#[test]
fn completed_is_as_the_program_says() {
    let bundle = run(|thread, turn, inference, tool| {
        inference.complete();
        tool.complete();
        turn.complete();
        thread.complete();
    });
    let ends = ["tool_call_ended", "codex_turn_ended", "thread_ended", "rollout_ended"];
    assert_eq!(ends.map(|name| end(&bundle, name)), [("completed", None); 4]);
    assert_eq!(bundle.body(&bundle.one("inference_completed")["response_payload"]), json!({}));
    assert_eq!(bundle.one("tool_call_ended")["result_payload"], Value::Null);
}

#[test]
fn failed_is_as_the_program_says() {
    let bundle = run(|thread, turn, inference, tool| {
        inference.response(Json(&"half"));
        inference.fail("overloaded");
        tool.fail("hook");
        turn.fail("no answer");
        thread.fail("broken");
    });
    let ends = ["tool_call_ended", "codex_turn_ended", "thread_ended"].map(|name| end(&bundle, name));
    assert_eq!(ends, [("failed", Some("hook")), ("failed", Some("no answer")), ("failed", Some("broken"))]);
    assert_eq!(end(&bundle, "rollout_ended"), ("failed", None));
    let result = &bundle.one("tool_call_ended")["result_payload"];
    assert_eq!(bundle.body(result), json!({ "type": "error", "error": "hook" }));
    let failed = bundle.one("inference_failed");
    assert_eq!(failed["error"], "overloaded");
    assert_eq!(bundle.body(&failed["partial_response_payload"]), "half");
}

#[test]
fn cancelled_is_as_the_program_says() {
    let bundle = run(|thread, turn, inference, tool| {
        inference.cancel("user");
        tool.cancel("user");
        turn.cancel("replaced");
        thread.cancel("quit");
    });
    assert_eq!(bundle.one("inference_cancelled")["reason"], "user");
    let ends = ["tool_call_ended", "codex_turn_ended", "thread_ended"].map(|name| end(&bundle, name));
    assert_eq!(ends, [("cancelled", Some("user")), ("cancelled", Some("replaced")), ("aborted", Some("quit"))]);
    assert_eq!(end(&bundle, "rollout_ended"), ("aborted", None));
}

#[test]
fn a_dropped_handle_with_an_answer_is_completed_and_without_one_cancelled() {
    let bundle = run(|thread, turn, inference, tool| {
        let answered = turn.inference(Model { name: "m", provider: "p" });
        answered.response(Json(&1));
        let done = turn.tool_call(ToolCallMeta::new("n").id("done"));
        done.output("r");
        drop((answered, done, inference, tool, turn, thread));
    });
    bundle.one("inference_completed");
    assert!(bundle.one("inference_cancelled")["reason"].as_str().unwrap().contains("dropped"));
    let ends =
        bundle.all("tool_call_ended").into_iter().map(|ended| (&ended["tool_call_id"] == "done", &ended["status"]));
    assert_eq!(ends.collect::<Vec<_>>(), [(true, &json!("completed")), (false, &json!("cancelled"))]);
    assert_eq!(["codex_turn_ended", "thread_ended"].map(|name| end(&bundle, name)), [("completed", None); 2]);
}

#[test]
fn an_open_child_does_not_hold_what_it_is_in() {
    let bundle = run(|thread, turn, inference, tool| {
        drop(turn);
        drop(thread);
        inference.request(Json(&1));
        inference.complete();
        tool.complete();
    });
    let names = ["codex_turn_ended", "thread_ended", "rollout_ended", "inference_started", "inference_completed"];
    assert_eq!(bundle.names()[4..], [&names[..], &["tool_call_ended"]].concat());
}

#[test]
fn an_error_on_the_span_of_a_dropped_handle_is_a_failure() {
    let bundle = run(|thread, turn, inference, tool| {
        for span in [thread.span(), turn.span(), inference.span(), tool.span()] {
            span.record("otel.status_code", "ERROR").record("otel.status_description", "said by another layer");
        }
        drop((inference, tool, turn, thread));
    });
    let said = ("failed", Some("said by another layer"));
    assert_eq!(["tool_call_ended", "codex_turn_ended", "thread_ended"].map(|name| end(&bundle, name)), [said; 3]);
    assert_eq!(bundle.one("inference_failed")["error"], "said by another layer");
}

/// Spans of each kind, with these values recorded as `error.type`, `otel.status_code` and `otel.status_description`.
fn spans_with(error: Option<&str>, code: Option<&str>, description: Option<&str>) -> Bundle {
    let say = |span: &Span| {
        span.record("error.type", error)
            .record("otel.status_code", code)
            .record("otel.status_description", description);
    };
    macro_rules! of_kind {
        ($kind:literal) => {
            info_span!(
                $kind,
                otel_trace.kind = $kind,
                error.type = Empty,
                otel.status_code = Empty,
                otel.status_description = Empty,
            )
        };
    }
    record_one(|| {
        let thread = of_kind!("thread").entered();
        let turn = of_kind!("turn").entered();
        of_kind!("inference").in_scope(|| say(&Span::current()));
        of_kind!("tool").in_scope(|| say(&Span::current()));
        say(&turn);
        say(&thread);
        drop(turn);
    })
}

#[test]
fn an_error_recorded_on_a_span_is_a_failure() {
    let rows = [
        (Some("timeout"), None, None, "timeout"),
        (Some("timeout"), Some("ERROR"), Some("after 3 s"), "timeout: after 3 s"),
        (None, Some("Error"), Some("after 3 s"), "after 3 s"),
        (None, Some("ERROR"), None, "error"),
    ];
    for (error, code, description, expected) in rows {
        let bundle = spans_with(error, code, description);
        let ends = ["tool_call_ended", "codex_turn_ended", "thread_ended"].map(|name| end(&bundle, name));
        assert_eq!(ends, [("failed", Some(expected)); 3]);
        assert_eq!(bundle.one("inference_failed")["error"], expected);
        assert_eq!(bundle.one("rollout_ended")["status"], "failed");
    }
}

#[test]
fn a_span_that_closes_without_answer_or_error_is_cancelled_and_a_turn_completed() {
    for (code, description, tool) in [(None, None, "cancelled"), (Some("OK"), Some("fine"), "completed")] {
        let bundle = spans_with(None, code, description);
        bundle.one("inference_cancelled");
        assert_eq!(end(&bundle, "tool_call_ended").0, tool);
        assert_eq!(["codex_turn_ended", "thread_ended"].map(|name| end(&bundle, name)), [("completed", None); 2]);
    }
}

#[test]
fn a_dropped_future_cancels_its_call() {
    let bundle = record_one(|| {
        let turn = AgentThread::start(ThreadMeta::new()).turn(None);
        let inference = turn.inference(Model { name: "m", provider: "p" });
        let call = async move {
            inference.request(Json(&1));
            std::future::pending::<()>().await;
            inference.response(Json(&2));
        };
        let mut call = Box::pin(call);
        assert_eq!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending);
    });
    assert_eq!(bundle.one("inference_cancelled")["partial_response_payload"], Value::Null);
}

#[test]
fn a_call_that_is_cancelled_keeps_what_had_come() {
    let (root, recorder, guard) = recorder();
    under(&recorder, || {
        let turn = AgentThread::start(ThreadMeta::new()).turn(None);
        let inference = turn.inference(Model { name: "m", provider: "p" });
        inference.request(Json(&json!({ "input": [] })));
        let half = json!({ "output_items": [{ "role": "assistant", "content": "half an ans" }] });
        inference.response(Json(&half));
        inference.cancel("by the user");
        let plain = turn.span().in_scope(|| {
            info_span!(
                "chat",
                gen_ai.operation.name = "chat",
                gen_ai.input.messages = "[]",
                gen_ai.output.messages = Empty
            )
        });
        plain.record(
            "gen_ai.output.messages",
            r#"[{"role":"assistant","parts":[{"type":"text","content":"the other"}]}]"#,
        );
        plain.otel_trace().cancel("by the user");
    });
    drop(guard);
    let bundle = &bundles(root.path())[0];
    let cancelled = bundle.all("inference_cancelled");
    assert!(cancelled.iter().all(|cancelled| cancelled["reason"] == "by the user"));
    let [half, other] = [0, 1].map(|call: usize| bundle.body(&cancelled[call]["partial_response_payload"]).to_string());
    assert!(half.contains("half an ans") && other.contains("the other"), "{half}, {other}");
    let graph = common::graph(&bundle.path);
    let shown: Vec<_> = graph.inference_calls.iter().flat_map(|call| &call.response_item_ids).collect();
    assert_eq!(shown.len(), 2, "in the graph too");
}

#[test]
fn an_end_may_come_from_any_task_after_the_work_was_handed_on() {
    let bundle = run(|_thread, _turn, inference, tool| {
        let stream = async move {
            inference.response(Json(&1));
            inference.complete();
        };
        let polled = std::thread::spawn(move || pin!(stream).poll(&mut Context::from_waker(Waker::noop())).is_ready());
        assert!(polled.join().unwrap());
        drop(tool);
    });
    bundle.one("inference_completed");
}

#[test]
fn what_is_open_at_shutdown_is_aborted_or_cancelled_and_what_comes_later_is_counted_and_ignored() {
    let (root, recorder, guard) = recorder();
    let body = || -> Value { panic!("not to be built") };
    under(&recorder, || {
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = thread.turn(None);
        let inference = turn.inference(Model { name: "m", provider: "p" });
        inference.request(Json(&1));
        let unsent = turn.inference(Model { name: "m", provider: "p" });
        let tool = turn.tool_call(ToolCallMeta::new("n"));
        let plain = info_span!("chat", gen_ai.operation.name = "chat", gen_ai.input.messages = "[]");
        plain.in_scope(|| {});
        drop(guard);
        assert!(!thread.is_recording() && !tool.is_recording() && !plain.otel_trace().is_recording());
        if tool.is_recording() {
            tool.result(Json(&body()));
        }
        let mut late = recorder.stats().late;
        let mut is_counted = |act: &dyn Fn()| {
            act();
            let before = std::mem::replace(&mut late, recorder.stats().late);
            assert_eq!(late, before + 1);
        };
        is_counted(&|| inference.response(Json(&2)));
        is_counted(&|| unsent.request(Json(&3)));
        is_counted(&|| tool.runtime_started(Json(&4)));
        is_counted(&|| tool.result(Json(&5)));
        is_counted(&|| drop(thread.turn(None)));
        is_counted(&|| info_span!("tool", otel_trace.kind = "tool").in_scope(|| {}));
    });
    assert_eq!(recorder.stats().lost(), 0);
    let bundles = bundles(root.path());
    let [supplied, bundle] = [0, 1].map(|n| &bundles[n]);
    let (bundle, supplied) =
        if bundle.names().contains(&"tool_call_started") { (bundle, supplied) } else { (supplied, bundle) };
    let ends = ["inference_cancelled", "tool_call_ended", "codex_turn_ended", "thread_ended", "rollout_ended"];
    let in_order: Vec<_> = bundle.names().into_iter().filter(|name| ends.contains(name)).collect();
    assert_eq!(
        in_order,
        [
            // The one that was not sent, too.
            "inference_cancelled",
            "tool_call_ended",
            "inference_cancelled",
            "codex_turn_ended",
            "thread_ended",
            "rollout_ended"
        ]
    );
    assert_eq!(end(bundle, "tool_call_ended").0, "cancelled");
    assert_eq!(ends[2..].iter().map(|name| end(bundle, name).0).collect::<Vec<_>>(), ["aborted"; 3]);
    assert_eq!(*bundle.names().last().unwrap(), "rollout_ended");
    supplied.one("inference_cancelled");
    assert_eq!(end(supplied, "codex_turn_ended").0, "aborted");
}

#[test]
fn a_span_with_open_children_closes_late_and_its_windows_with_it() {
    let bundle = record_one(|| {
        let turn = info_span!("turn", otel_trace.kind = "turn");
        let tool = info_span!(parent: &turn, "tool", otel_trace.kind = "tool");
        tool.in_scope(|| {});
        drop(turn);
        tool.otel_trace().complete();
        drop(tool);
    });
    assert_eq!(bundle.names()[6..], ["codex_turn_ended", "thread_ended", "rollout_ended"]);
}

#[test]
fn a_span_that_never_closes_ends_at_shutdown() {
    let (root, recorder, guard) = recorder();
    under(&recorder, || {
        let span = info_span!("tool", otel_trace.kind = "tool");
        span.in_scope(|| {});
        std::mem::forget(span);
        std::mem::forget(AgentThread::start(ThreadMeta::new()));
    });
    drop(guard);
    for bundle in bundles(root.path()) {
        assert_eq!(end(&bundle, "thread_ended").0, "aborted");
    }
    assert_eq!(recorder.stats().events["thread_ended"], 2);
}
