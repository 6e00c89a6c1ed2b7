//! Tests of fields that plain spans record late, and of rare ways to describe an operation.

use otel_trace::{Json, Operation, PayloadKind, SpanExt};
use serde_json::{Value, json};
use tracing::field::Empty;
use tracing::{Level, Span, event, info_span, instrument};
use tracing_subscriber::prelude::*;

use crate::common::{record, record_one};

/// Opens the span of an inference call.
fn chat() -> Span {
    info_span!("chat", gen_ai.operation.name = "chat", gen_ai.request.model = "m", gen_ai.provider.name = "p")
}

/// Opens the span of a tool call.
fn tool(name: &str) -> Span {
    info_span!("tool", gen_ai.operation.name = "execute_tool", gen_ai.tool.name = name)
}

#[test]
fn late_request_is_written_at_close_with_the_opening_time() {
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
        bundle.payload_json(&bundle.event("inference_started")["request_payload"]),
        json!({ "gen_ai.input.messages": [] })
    );
}

#[test]
fn late_kind_takes_precedence_over_the_operation_name() {
    let bundle = record_one(|| {
        let span = info_span!("late", otel_trace.kind = Empty, gen_ai.operation.name = "chat", gen_ai.tool.name = "n");
        span.record("otel_trace.kind", tracing::field::display("tool"));
        span.in_scope(|| {});
        info_span!("other kind", gen_ai.operation.name = "embeddings").in_scope(|| {});
        info_span!("no operation name", gen_ai.operation.name = Empty).in_scope(|| {});
    });
    assert_eq!([bundle.events("tool_call_started").len(), bundle.events("inference_started").len()], [1, 0]);
}

#[test]
fn unknown_kind_does_not_fall_back_to_the_operation_name() {
    let bundles = crate::common::record(|| {
        info_span!("later", otel_trace.kind = "of a later version", gen_ai.operation.name = "chat").in_scope(|| {});
    });
    assert_eq!(bundles.len(), 0);
}

#[test]
fn request_fields_may_be_recorded_after_entering_a_call() {
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
        // All fields of the request are recorded, so that the start event is written before the call ends.
        span.in_scope(|| tool("n").in_scope(|| {}));
    });
    let started = bundle.event("inference_started");
    assert_eq!([&started["model"], &started["provider_name"]], ["m", "p"]);
    let position = |name: &str| bundle.event_names().iter().position(|event| *event == name).unwrap();
    assert!(position("inference_started") < position("tool_call_started"), "{:?}", bundle.event_names());
}

#[test]
fn request_fields_after_the_start_are_kept_in_an_other_event() {
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
        // A call whose fields are complete at the start needs no `other` event.
        chat().in_scope(|| {});
    });
    let expected =
        json!({ "gen_ai.input.messages": [], "gen_ai.system_instructions": [1], "gen_ai.request.model": "m" });
    assert_eq!(bundle.payload_json(&bundle.event("other")["payloads"][0]), expected);
}

#[test]
fn idle_call_waits_for_its_model_name() {
    let unnamed = || {
        info_span!("chat", gen_ai.operation.name = "chat", gen_ai.request.model = Empty, gen_ai.input.messages = "[]")
    };
    let bundle = record_one(|| {
        let _root = info_span!("root").entered();
        unnamed().in_scope(|| {
            Span::current().record("gen_ai.request.model", "m");
        });
        // A call that never gets a model name is recorded, too, before the operations inside it.
        unnamed().in_scope(|| tool("n").in_scope(|| {}));
    });
    let models: Vec<_> = bundle.events("inference_started").iter().map(|event| event["model"].clone()).collect();
    assert_eq!(models, ["m", ""]);
    assert!(bundle.events("other").is_empty());
}

#[test]
fn tool_uses_the_name_and_call_id_recorded_inside_it() {
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
        // A tool that never gets a name is recorded, too, before the operations inside it.
        unnamed().in_scope(|| chat().in_scope(|| {}));
        drop(unnamed());
    });
    let started = bundle.events("tool_call_started");
    let named: Vec<_> = started.iter().map(|tool| (&tool["kind"]["name"], &tool["model_visible_call_id"])).collect();
    let unnamed = (&json!(""), &Value::Null);
    assert_eq!(named, [(&json!("grep"), &json!("call-1")), unnamed, unnamed]);
    let position = |name: &str, nth: usize| {
        bundle.event_names().iter().enumerate().filter(|(_, event)| **event == name).nth(nth).unwrap().0
    };
    assert!(position("tool_call_started", 0) < position("inference_started", 0), "{:?}", bundle.event_names());
    assert!(position("tool_call_started", 1) < position("inference_started", 1), "{:?}", bundle.event_names());
}

#[test]
fn span_with_status_ok_is_completed() {
    let bundle = record_one(|| {
        let _root = info_span!("root").entered();
        for code in ["OK", "ok", "unset"] {
            info_span!("t", otel_trace.kind = "tool", otel.status_code = code).in_scope(|| {});
        }
        info_span!("t", otel_trace.kind = "tool", otel.status_code = "OK", error.type = "e").in_scope(|| {});
    });
    let ended: Vec<_> = bundle.events("tool_call_ended").iter().map(|ended| ended["status"].clone()).collect();
    assert_eq!(ended, ["completed", "completed", "cancelled", "failed"]);
}

#[test]
fn instant_finds_its_tool_through_spans_of_other_kinds() {
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
        bundle.event("tool_call_runtime_started")["tool_call_id"],
        bundle.event("tool_call_runtime_ended")["tool_call_id"]
    );
}

#[test]
fn recorded_payload_takes_precedence_over_content_fields() {
    let bundle = record_one(|| {
        let _root = info_span!("root").entered();
        let span = info_span!("chat", gen_ai.operation.name = "chat", gen_ai.input.messages = "[]");
        span.otel_trace().record_payload(PayloadKind::InferenceRequest, Json(&json!({ "input": [] })));
        span.in_scope(|| {});
    });
    assert_eq!(bundle.payload_json(&bundle.event("inference_started")["request_payload"]), json!({ "input": [] }));
    assert_eq!(bundle.events("other").len(), 0);
}

#[test]
fn replacing_layer_receives_events_of_existing_spans() {
    let (root, recorder, guard) = crate::common::recorder();
    let (layer, handle) = tracing_subscriber::reload::Layer::new(recorder.layer());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let _root = info_span!("root").entered();
        let _tool = tool("n").entered();
        handle.reload(recorder.layer()).unwrap();
        event!(target: "otel_trace", Level::INFO, otel_trace.event = "tool_call_runtime_started");
    });
    drop(guard);
    crate::common::bundles(root.path())[0].event("tool_call_runtime_started");
}

#[test]
fn shutdown_writes_the_fields_recorded_so_far() {
    let (root, recorder, guard) = crate::common::recorder();
    crate::common::run_recorded(&recorder, || {
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
    let bundle = &crate::common::bundles(root.path())[0];
    let cancelled = bundle.event("inference_cancelled");
    assert_eq!(cancelled["reason"], "recording was shut down before it ended");
    let half = json!({ "gen_ai.output.messages": [1], "gen_ai.response.id": "resp-1" });
    assert_eq!(bundle.payload_json(&cancelled["partial_response_payload"]), half);
    let ended = bundle.event("tool_call_ended");
    assert_eq!(ended["status"], "cancelled");
    assert_eq!(bundle.payload_json(&ended["result_payload"])["response_item"]["output"], "half of it");
    assert_eq!(*bundle.event_names().last().unwrap(), "rollout_ended");
}

#[test]
fn ids_recorded_inside_an_agent_select_its_conversation() {
    #[instrument(skip_all, fields(gen_ai.operation.name = "invoke_agent", gen_ai.agent.name, gen_ai.conversation.id,
        otel_trace.turn.id))]
    fn answer(user: &str, turn: &str, work: impl FnOnce()) {
        let span = Span::current();
        span.record("gen_ai.conversation.id", user)
            .record("gen_ai.agent.name", "bot")
            .record("otel_trace.turn.id", turn);
        work();
    }
    let ask = || drop(info_span!("chat", gen_ai.operation.name = "chat", gen_ai.response.id = "r"));
    let bundles = record(|| {
        answer("ann", "1", ask);
        answer("bob", "2", ask);
        answer("ann", "3", || {});
        // What is never recorded delays nothing but the start.
        let silent = info_span!("agent", gen_ai.operation.name = "invoke_agent", gen_ai.conversation.id = Empty);
        silent.in_scope(ask);
    });
    let mut found: Vec<_> = bundles
        .iter()
        .map(|bundle| {
            let turns =
                bundle.events("codex_turn_started").into_iter().map(|turn| turn["codex_turn_id"].as_str().unwrap());
            (bundle.event("thread_started")["conversation_id"].as_str(), turns.map(str::to_owned).collect::<Vec<_>>())
        })
        .collect();
    found.sort();
    assert_eq!(found[1..], [(Some("ann"), vec!["1".to_owned(), "3".to_owned()]), (Some("bob"), vec!["2".to_owned()])]);
    assert_eq!((found[0].0, found[0].1.len(), found.len()), (None, 1, 3));
}
