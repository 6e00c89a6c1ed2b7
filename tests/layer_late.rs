//! What plain spans say late, or otherwise than most.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::record_one;
use otel_trace::{Json, Operation, PayloadKind, SpanExt};
use serde_json::{Value, json};
use tracing::field::Empty;
use tracing::{Level, Span, event, info_span};
use tracing_subscriber::prelude::*;

fn chat() -> Span {
    info_span!("chat", gen_ai.operation.name = "chat", gen_ai.request.model = "m", gen_ai.provider.name = "p")
}

fn tool(name: &str) -> Span {
    info_span!("tool", gen_ai.operation.name = "execute_tool", gen_ai.tool.name = name)
}

#[test]
fn a_request_that_is_known_only_late_is_written_at_the_close_with_the_opening_time() {
    let bundle = record_one(|| {
        let span = info_span!("chat", gen_ai.operation.name = "text_completion", gen_ai.input.messages = Empty);
        span.in_scope(|| span.record("gen_ai.input.messages", "[]"));
        std::thread::sleep(std::time::Duration::from_millis(20));
    });
    let at = |name: &str| {
        let line = bundle.lines.iter().find(|line| line["payload"]["type"] == name).unwrap();
        line["wall_time_unix_ms"].as_i64().unwrap()
    };
    assert!(at("inference_cancelled") - at("inference_started") >= 20);
    assert_eq!(
        bundle.body(&bundle.one("inference_started")["request_payload"]),
        json!({ "gen_ai.input.messages": [] })
    );
}

#[test]
fn the_kind_may_be_recorded_late_and_our_word_goes_before_the_operation() {
    let bundle = record_one(|| {
        let span = info_span!("late", otel_trace.kind = Empty, gen_ai.operation.name = "chat", gen_ai.tool.name = "n");
        span.record("otel_trace.kind", tracing::field::display("tool"));
        span.in_scope(|| {});
        info_span!("other kind", gen_ai.operation.name = "embeddings").in_scope(|| {});
        info_span!("unsaid", gen_ai.operation.name = Empty).in_scope(|| {});
    });
    assert_eq!([bundle.all("tool_call_started").len(), bundle.all("inference_started").len()], [1, 0]);
}

#[test]
fn a_word_of_ours_that_is_not_known_yet_is_not_taken_for_the_operation() {
    let bundles = common::record(|| {
        info_span!("later", otel_trace.kind = "of a later version", gen_ai.operation.name = "chat").in_scope(|| {});
    });
    assert_eq!(bundles.len(), 0);
}

#[test]
fn what_a_call_is_asked_with_may_come_after_it_was_entered() {
    let bundle = record_one(|| {
        let span = info_span!(
            "chat",
            gen_ai.operation.name = "chat",
            gen_ai.request.model = Empty,
            gen_ai.provider.name = Empty,
            gen_ai.input.messages = Empty,
        );
        let _entered = span.enter();
        span.record("gen_ai.request.model", "m").record("gen_ai.provider.name", "p");
        span.record("gen_ai.input.messages", "[]");
        // The request is known: the call is in the log, and nothing waits for its end.
        span.in_scope(|| tool("n").in_scope(|| {}));
    });
    let started = bundle.one("inference_started");
    assert_eq!([&started["model"], &started["provider_name"]], ["m", "p"]);
    let place = |name: &str| bundle.names().iter().position(|event| *event == name).unwrap();
    assert!(place("inference_started") < place("tool_call_started"), "{:?}", bundle.names());
}

#[test]
fn what_is_said_of_a_request_after_the_call_started_is_kept_beside_it() {
    let bundle = record_one(|| {
        let _root = info_span!("root").entered();
        let span = info_span!(
            "chat",
            gen_ai.operation.name = "chat",
            gen_ai.request.model = "a guess",
            gen_ai.input.messages = Empty,
            gen_ai.system_instructions = Empty,
        );
        span.in_scope(|| {
            span.record("gen_ai.input.messages", "[]");
            span.record("gen_ai.system_instructions", "[1]").record("gen_ai.request.model", "m");
        });
        // One that says all at once has nothing beside it.
        chat().in_scope(|| {});
    });
    let expected =
        json!({ "gen_ai.input.messages": [], "gen_ai.system_instructions": [1], "gen_ai.request.model": "m" });
    assert_eq!(bundle.body(&bundle.one("other")["payloads"][0]), expected);
}

#[test]
fn a_call_whose_model_is_said_inside_it_waits_for_it_as_long_as_nothing_happens_in_it() {
    let unnamed = || {
        info_span!("chat", gen_ai.operation.name = "chat", gen_ai.request.model = Empty, gen_ai.input.messages = "[]")
    };
    let bundle = record_one(|| {
        let _root = info_span!("root").entered();
        unnamed().in_scope(|| {
            Span::current().record("gen_ai.request.model", "m");
        });
        // One that never says it is recorded all the same, before what happens in it.
        unnamed().in_scope(|| tool("n").in_scope(|| {}));
    });
    let models: Vec<_> = bundle.all("inference_started").iter().map(|event| event["model"].clone()).collect();
    assert_eq!(models, ["m", ""]);
    assert!(bundle.all("other").is_empty());
}

#[test]
fn a_tool_whose_name_and_call_are_said_inside_it_is_linked_by_them() {
    let bundle = record_one(|| {
        let _root = info_span!("root").entered();
        let unnamed = || {
            info_span!(
                "t",
                gen_ai.operation.name = "execute_tool",
                gen_ai.tool.name = Empty,
                gen_ai.tool.call.id = Empty
            )
        };
        unnamed().in_scope(|| {
            Span::current().record("gen_ai.tool.name", "grep");
            Span::current().record("gen_ai.tool.call.id", tracing::field::debug("call-1"));
            chat().in_scope(|| {});
        });
        // One that never says it is recorded all the same, before what happens in it.
        unnamed().in_scope(|| chat().in_scope(|| {}));
        drop(unnamed());
    });
    let started = bundle.all("tool_call_started");
    let said: Vec<_> = started.iter().map(|tool| (&tool["kind"]["name"], &tool["model_visible_call_id"])).collect();
    let unsaid = (&json!(""), &Value::Null);
    assert_eq!(said, [(&json!("grep"), &json!("call-1")), unsaid, unsaid]);
    let place = |name: &str, nth: usize| {
        bundle.names().iter().enumerate().filter(|(_, event)| **event == name).nth(nth).unwrap().0
    };
    assert!(place("tool_call_started", 0) < place("inference_started", 0), "{:?}", bundle.names());
    assert!(place("tool_call_started", 1) < place("inference_started", 1), "{:?}", bundle.names());
}

#[test]
fn a_span_that_says_ok_is_completed() {
    let bundle = record_one(|| {
        let _root = info_span!("root").entered();
        for code in ["OK", "ok", "unset"] {
            info_span!("t", otel_trace.kind = "tool", otel.status_code = code).in_scope(|| {});
        }
        info_span!("t", otel_trace.kind = "tool", otel.status_code = "OK", error.type = "e").in_scope(|| {});
    });
    let ended: Vec<_> = bundle.all("tool_call_ended").iter().map(|ended| ended["status"].clone()).collect();
    assert_eq!(ended, ["completed", "completed", "cancelled", "failed"]);
}

#[test]
fn an_instant_finds_its_tool_through_spans_of_other_kinds() {
    let bundle = record_one(|| {
        let _root = info_span!("root").entered();
        tool("n").in_scope(|| {
            chat()
                .in_scope(|| event!(target: "otel_trace", Level::INFO, otel_trace.event = "tool_call_runtime_started"));
            info_span!("e", gen_ai.operation.name = "embeddings")
                .in_scope(|| event!(target: "otel_trace", Level::INFO, otel_trace.event = "tool_call_runtime_ended"));
        });
    });
    assert_eq!(
        bundle.one("tool_call_runtime_started")["tool_call_id"],
        bundle.one("tool_call_runtime_ended")["tool_call_id"]
    );
}

#[test]
fn a_body_that_is_handed_over_goes_before_the_one_that_fields_would_make() {
    let bundle = record_one(|| {
        let _root = info_span!("root").entered();
        let span = info_span!("chat", gen_ai.operation.name = "chat", gen_ai.input.messages = "[]");
        span.otel_trace().record_payload(PayloadKind::InferenceRequest, Json(&json!({ "input": [] })));
        span.in_scope(|| {});
    });
    assert_eq!(bundle.body(&bundle.one("inference_started")["request_payload"]), json!({ "input": [] }));
    assert_eq!(bundle.all("other").len(), 0);
}

#[test]
fn a_layer_that_takes_the_place_of_another_hears_of_its_spans() {
    let (root, recorder, guard) = common::recorder();
    let (layer, handle) = tracing_subscriber::reload::Layer::new(recorder.layer());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let _root = info_span!("root").entered();
        let _tool = tool("n").entered();
        handle.reload(recorder.layer()).unwrap();
        event!(target: "otel_trace", Level::INFO, otel_trace.event = "tool_call_runtime_started");
    });
    drop(guard);
    common::bundles(root.path())[0].one("tool_call_runtime_started");
}

#[test]
fn what_fields_said_before_the_shutdown_is_in_the_ends_that_it_writes() {
    let (root, recorder, guard) = common::recorder();
    common::under(&recorder, || {
        let _root = info_span!("root").entered();
        let chat = info_span!(
            "chat",
            gen_ai.operation.name = "chat",
            gen_ai.input.messages = "[]",
            gen_ai.output.messages = Empty,
            gen_ai.response.id = Empty,
        );
        let tool = info_span!("tool", gen_ai.operation.name = "execute_tool", gen_ai.tool.call.result = Empty);
        let _entered = (chat.clone().entered(), tool.clone().entered());
        chat.record("gen_ai.output.messages", "[1]");
        chat.record("gen_ai.response.id", "resp-1");
        tool.record("gen_ai.tool.call.result", "half of it");
        drop(guard);
    });
    assert_eq!((recorder.stats().lost(), recorder.stats().late), (0, 0));
    let bundle = &common::bundles(root.path())[0];
    let cancelled = bundle.one("inference_cancelled");
    assert_eq!(cancelled["reason"], "recording was shut down before it ended");
    let half = json!({ "gen_ai.output.messages": [1], "gen_ai.response.id": "resp-1" });
    assert_eq!(bundle.body(&cancelled["partial_response_payload"]), half);
    let ended = bundle.one("tool_call_ended");
    assert_eq!(ended["status"], "cancelled");
    assert_eq!(bundle.body(&ended["result_payload"])["response_item"]["output"], "half of it");
    assert_eq!(*bundle.names().last().unwrap(), "rollout_ended");
}
