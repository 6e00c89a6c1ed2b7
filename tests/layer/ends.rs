//! Tests of the terminal states of operations, for every way to end one.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use otel_trace::{AgentThread, Inference, Json, Model, Operation, SpanExt, ThreadMeta, ToolCall, ToolCallMeta, Turn};
use serde_json::{Value, json};
use tracing::field::Empty;
use tracing::{Span, info_span};

use crate::common::{Bundle, bundles, record_one, recorder, run_recorded};

/// Returns the status and the error of the only end event with this name.
#[track_caller]
fn end<'a>(bundle: &'a Bundle, name: &str) -> (&'a str, Option<&'a str>) {
    let ended = bundle.event(name);
    (ended["status"].as_str().unwrap(), ended["error"].as_str())
}

/// Records a run with typed handles, which `finish` ends.
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
fn explicit_completion_sets_every_status() {
    let bundle = run(|thread, turn, inference, tool| {
        inference.complete();
        tool.complete();
        turn.complete();
        thread.complete();
    });
    let ends = ["tool_call_ended", "codex_turn_ended", "thread_ended", "rollout_ended"];
    assert_eq!(ends.map(|name| end(&bundle, name)), [("completed", None); 4]);
    assert_eq!(bundle.payload_json(&bundle.event("inference_completed")["response_payload"]), json!({}));
    assert_eq!(bundle.event("tool_call_ended")["result_payload"], Value::Null);
}

#[test]
fn explicit_failure_sets_every_status() {
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
    let result = &bundle.event("tool_call_ended")["result_payload"];
    assert_eq!(bundle.payload_json(result), json!({ "type": "error", "error": "hook" }));
    let failed = bundle.event("inference_failed");
    assert_eq!(failed["error"], "overloaded");
    assert_eq!(bundle.payload_json(&failed["partial_response_payload"]), "half");
}

#[test]
fn explicit_cancellation_sets_every_status() {
    let bundle = run(|thread, turn, inference, tool| {
        inference.cancel("user");
        tool.cancel("user");
        turn.cancel("replaced");
        thread.cancel("quit");
    });
    assert_eq!(bundle.event("inference_cancelled")["reason"], "user");
    let ends = ["tool_call_ended", "codex_turn_ended", "thread_ended"].map(|name| end(&bundle, name));
    assert_eq!(ends, [("cancelled", Some("user")), ("cancelled", Some("replaced")), ("aborted", Some("quit"))]);
    assert_eq!(end(&bundle, "rollout_ended"), ("aborted", None));
}

#[test]
fn dropped_handle_completes_only_with_a_response() {
    let bundle = run(|thread, turn, inference, tool| {
        let with_response = turn.inference(Model { name: "m", provider: "p" });
        with_response.response(Json(&1));
        let done = turn.tool_call(ToolCallMeta::new("n").id("done"));
        done.output("r");
        drop((with_response, done, inference, tool, turn, thread));
    });
    bundle.event("inference_completed");
    assert_eq!(bundle.event("inference_cancelled")["reason"], "closed without an answer or an error");
    let ends =
        bundle.events("tool_call_ended").into_iter().map(|ended| (&ended["tool_call_id"] == "done", &ended["status"]));
    assert_eq!(ends.collect::<Vec<_>>(), [(true, &json!("completed")), (false, &json!("cancelled"))]);
    assert_eq!(["codex_turn_ended", "thread_ended"].map(|name| end(&bundle, name).0), ["cancelled", "aborted"]);
}

#[test]
fn open_child_does_not_keep_its_parent_open() {
    let bundle = run(|thread, turn, inference, tool| {
        drop(turn);
        drop(thread);
        inference.request(Json(&1));
        inference.complete();
        tool.complete();
    });
    let names = ["codex_turn_ended", "thread_ended", "rollout_ended", "inference_started", "inference_completed"];
    assert_eq!(bundle.event_names()[4..], [&names[..], &["tool_call_ended"]].concat());
}

#[test]
fn error_on_the_span_of_a_dropped_handle_is_a_failure() {
    let bundle = run(|thread, turn, inference, tool| {
        for span in [thread.span(), turn.span(), inference.span(), tool.span()] {
            span.record("otel.status_code", "ERROR").record("otel.status_description", "set by another layer");
        }
        drop((inference, tool, turn, thread));
    });
    let expected = ("failed", Some("set by another layer"));
    assert_eq!(["tool_call_ended", "codex_turn_ended", "thread_ended"].map(|name| end(&bundle, name)), [expected; 3]);
    assert_eq!(bundle.event("inference_failed")["error"], "set by another layer");
}

/// Records spans of each kind, with these values for `error.type`, `otel.status_code` and `otel.status_description`.
fn spans_with(error: Option<&str>, code: Option<&str>, description: Option<&str>) -> Bundle {
    let record_fields = |span: &Span| {
        span.record("error.type", error)
            .record("otel.status_code", code)
            .record("otel.status_description", description);
    };
    macro_rules! span_of_kind {
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
        let thread = span_of_kind!("thread").entered();
        let turn = span_of_kind!("turn").entered();
        span_of_kind!("inference").in_scope(|| record_fields(&Span::current()));
        span_of_kind!("tool").in_scope(|| record_fields(&Span::current()));
        record_fields(&turn);
        record_fields(&thread);
        drop(turn);
    })
}

#[test]
fn error_recorded_on_a_span_is_a_failure() {
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
        assert_eq!(bundle.event("inference_failed")["error"], expected);
        assert_eq!(bundle.event("rollout_ended")["status"], "failed");
    }
}

#[test]
fn closed_span_without_outcome_is_cancelled_and_so_is_its_turn_unless_ok() {
    for (code, description, tool) in [(None, None, "cancelled"), (Some("OK"), Some("fine"), "completed")] {
        let bundle = spans_with(None, code, description);
        bundle.event("inference_cancelled");
        assert_eq!(end(&bundle, "tool_call_ended").0, tool);
        let unanswered = Some("closed without an answer or an error");
        let expected = match code {
            Some(_) => [("completed", None), ("completed", None)],
            None => [("cancelled", unanswered), ("aborted", unanswered)],
        };
        assert_eq!(["codex_turn_ended", "thread_ended"].map(|name| end(&bundle, name)), expected);
    }
}

/// Records a turn that nobody ends, with a call for each outcome, and checks the ends of the turn and of the thread.
#[track_caller]
fn check_turn(outcomes: &[&str], turn_end: (&str, Option<&str>), thread_end: (&str, Option<&str>)) {
    let bundle = record_one(|| {
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = thread.turn(None);
        for outcome in outcomes {
            let call = turn.inference(Model { name: "m", provider: "p" });
            call.request(Json(&json!({ "input": [] })));
            match *outcome {
                "answered" => call.response(Json(&json!({ "output": [] }))),
                "failed" => call.fail("429"),
                "cancelled" => call.cancel("stopped"),
                // The call outlives its turn.
                "open" => std::mem::forget(call),
                other => panic!("{other}"),
            }
        }
        drop(turn);
        drop(thread);
    });
    let ends = [end(&bundle, "codex_turn_ended"), end(&bundle, "thread_ended")];
    assert_eq!(ends, [turn_end, thread_end], "{outcomes:?}");
}

#[test]
fn turn_and_thread_that_nobody_ended_end_as_the_last_call_did() {
    let completed = ("completed", None);
    check_turn(&[], completed, completed);
    check_turn(&["answered"], completed, completed);
    check_turn(&["failed", "answered"], completed, completed);
    check_turn(&["answered", "failed"], ("failed", Some("429")), ("failed", Some("429")));
    check_turn(&["failed", "cancelled"], ("cancelled", Some("stopped")), ("aborted", Some("stopped")));
    let open = Some("closed while a call of a model was open");
    check_turn(&["answered", "open"], ("cancelled", open), ("aborted", open));
}

#[test]
fn thread_ends_as_its_last_turn_did() {
    let check = |program: fn(&AgentThread), expected: &str| {
        let bundle = record_one(|| program(&AgentThread::start(ThreadMeta::new())));
        assert_eq!(end(&bundle, "thread_ended").0, expected);
    };
    check(|thread| thread.turn(None).fail("no answer"), "failed");
    check(|thread| thread.turn(None).cancel("replaced"), "aborted");
    check(
        |thread| {
            thread.turn(None).fail("no answer");
            thread.turn(None).complete();
        },
        "completed",
    );
    check(
        |thread| {
            thread.turn(None).fail("no answer");
            thread.complete();
        },
        "completed",
    );
}

#[test]
fn call_with_a_sign_of_an_answer_is_completed() {
    let record = |sign: fn(&Inference)| {
        record_one(|| {
            let call = AgentThread::start(ThreadMeta::new()).turn(None).inference(Model { name: "m", provider: "p" });
            call.request(Json(&json!({ "input": [] })));
            sign(&call);
        })
    };
    let signs: [fn(&Inference); 2] = [
        |call| call.response_id("r"),
        |call| call.usage(otel_trace::Usage { input_tokens: 1, output_tokens: 1, ..Default::default() }),
    ];
    for sign in signs {
        let bundle = record(sign);
        assert_eq!(bundle.payload_json(&bundle.event("inference_completed")["response_payload"]), json!({}));
    }
    // A first token may have been the last one that the program received.
    let unanswered: [fn(&Inference); 2] = [|_| {}, Inference::first_token];
    for sign in unanswered {
        let cancelled = record(sign);
        assert_eq!(cancelled.event("inference_cancelled")["reason"], "closed without an answer or an error");
    }
    let failed = record(|call| {
        call.first_token();
        call.fail("connection reset");
    });
    assert_eq!(failed.event("inference_failed")["error"], "connection reset");
}

#[test]
fn dropped_future_cancels_its_call() {
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
    assert_eq!(bundle.event("inference_cancelled")["partial_response_payload"], Value::Null);
}

#[test]
fn cancelled_call_keeps_its_partial_response() {
    let (root, recorder, guard) = recorder();
    run_recorded(&recorder, || {
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
    let cancelled = bundle.events("inference_cancelled");
    assert!(cancelled.iter().all(|cancelled| cancelled["reason"] == "by the user"));
    let [half, other] =
        [0, 1].map(|call: usize| bundle.payload_json(&cancelled[call]["partial_response_payload"]).to_string());
    assert!(half.contains("half an ans") && other.contains("the other"), "{half}, {other}");
    let graph = crate::common::graph(&bundle.path);
    let shown: Vec<_> = graph.inference_calls.iter().flat_map(|call| &call.response_item_ids).collect();
    assert_eq!(shown.len(), 2, "the graph shows both partial responses");
}

#[test]
fn moved_handle_ends_its_operation_on_another_thread() {
    let bundle = run(|_thread, _turn, inference, tool| {
        let stream = async move {
            inference.response(Json(&1));
            inference.complete();
        };
        let polled = std::thread::spawn(move || pin!(stream).poll(&mut Context::from_waker(Waker::noop())).is_ready());
        assert!(polled.join().unwrap());
        drop(tool);
    });
    bundle.event("inference_completed");
}

#[test]
fn shutdown_ends_open_operations_and_counts_later_calls() {
    let (root, recorder, guard) = recorder();
    let body = || -> Value { panic!("the body is built although the operation is not recorded") };
    run_recorded(&recorder, || {
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
        let mut assert_counted = |act: &dyn Fn()| {
            act();
            let before = std::mem::replace(&mut late, recorder.stats().late);
            assert_eq!(late, before + 1);
        };
        assert_counted(&|| inference.response(Json(&2)));
        assert_counted(&|| unsent.request(Json(&3)));
        assert_counted(&|| tool.runtime_started(Json(&4)));
        assert_counted(&|| tool.result(Json(&5)));
        assert_counted(&|| drop(thread.turn(None)));
        assert_counted(&|| info_span!("tool", otel_trace.kind = "tool").in_scope(|| {}));
    });
    assert_eq!(recorder.stats().lost(), 0);
    let bundles = bundles(root.path());
    let [implicit, bundle] = [0, 1].map(|n| &bundles[n]);
    let (bundle, implicit) =
        if bundle.event_names().contains(&"tool_call_started") { (bundle, implicit) } else { (implicit, bundle) };
    let ends = ["inference_cancelled", "tool_call_ended", "codex_turn_ended", "thread_ended", "rollout_ended"];
    let in_order: Vec<_> = bundle.event_names().into_iter().filter(|name| ends.contains(name)).collect();
    assert_eq!(
        in_order,
        [
            // The call whose request was not sent.
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
    assert_eq!(*bundle.event_names().last().unwrap(), "rollout_ended");
    implicit.event("inference_cancelled");
    assert_eq!(end(implicit, "codex_turn_ended").0, "aborted");
}

#[test]
fn operation_of_a_span_with_open_children_ends_with_them() {
    let bundle = record_one(|| {
        let turn = info_span!("turn", otel_trace.kind = "turn");
        let tool = info_span!(parent: &turn, "tool", otel_trace.kind = "tool");
        tool.in_scope(|| {});
        drop(turn);
        tool.otel_trace().complete();
        drop(tool);
    });
    assert_eq!(bundle.event_names()[6..], ["codex_turn_ended", "thread_ended", "rollout_ended"]);
}

#[test]
fn leaked_span_ends_at_shutdown() {
    let (root, recorder, guard) = recorder();
    run_recorded(&recorder, || {
        let span = info_span!("tool", otel_trace.kind = "tool");
        span.in_scope(|| {});
        std::mem::forget(span);
        std::mem::forget(AgentThread::start(ThreadMeta::new()));
    });
    drop(guard);
    let ends: Vec<_> = bundles(root.path()).iter().map(|bundle| end(bundle, "thread_ended").0.to_owned()).collect();
    // A turn was open only in the thread of the tool.
    assert_eq!(ends, ["aborted", "completed"]);
    assert_eq!(recorder.stats().events["thread_ended"], 2);
}
