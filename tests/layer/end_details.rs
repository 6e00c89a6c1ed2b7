//! What end events tell beside the outcome: what ended the operation, the type of its error, and the span's own fields.

use otel_trace::event::EndedBy::{self, Close, ErrorEvent, Handle, Settled, Shutdown};
use otel_trace::{
    AgentThread, CellStatus, CodeCellMeta, Exchange, Json, Model, Operation, Reply, SpanExt, ThreadMeta, ToolCallMeta,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tracing::field::Empty;
use tracing::{Span, error, info_span};

use crate::common::{Bundle, bundles, graph, record_one, recorder, run_recorded};

const MODEL: Model<'static> = Model { name: "m", provider: "p" };

/// Opens the span of a tool call.
fn tool() -> Span {
    info_span!(
        "execute_tool",
        gen_ai.operation.name = "execute_tool",
        gen_ai.tool.name = "bash",
        gen_ai.tool.call.id = "c",
        gen_ai.tool.call.result = Empty,
        error.type = Empty,
        otel.status_code = Empty,
    )
}

/// Records a program and returns its only bundle with the directory that it is in.
fn record_kept(program: impl FnOnce()) -> (Bundle, TempDir) {
    let (root, recorder, guard) = recorder();
    run_recorded(&recorder, program);
    drop(guard);
    (bundles(root.path()).remove(0), root)
}

/// Asserts what ended the only tool call, and the type of its error.
#[track_caller]
fn check_tool(ended_by: EndedBy, error_type: Option<&str>, program: impl FnOnce()) {
    let (bundle, _root) = record_kept(program);
    let ended = bundle.event("tool_call_ended");
    assert_eq!((ended["ended_by"].as_str(), ended["error_type"].as_str()), (Some(ended_by.name()), error_type));
    let graph = graph(&bundle.path);
    let end = graph.tool_calls.iter().next().unwrap().end.as_ref().unwrap();
    assert_eq!((end.ended_by, end.error_type.as_deref()), (Some(ended_by), error_type));
}

#[test]
fn plain_span_tells_what_ended_its_operation() {
    check_tool(Close, None, || tool().in_scope(|| {}));
    check_tool(Close, None, || {
        tool().record("gen_ai.tool.call.result", "done").record("otel.status_code", "OK");
    });
    check_tool(Close, Some("timeout"), || {
        tool().record("error.type", "timeout");
    });
    check_tool(ErrorEvent, None, || tool().in_scope(|| error!(error = "no route")));
    // What a field reports, an event need not.
    check_tool(Close, Some("timeout"), || {
        tool().record("error.type", "timeout").in_scope(|| error!(error = "no route", at = 1));
    });
    check_tool(Handle, None, || tool().otel_trace().complete());
    check_tool(Handle, None, || tool().record("error.type", "timeout").otel_trace().complete());
    check_tool(Handle, Some("timeout"), || tool().record("error.type", "timeout").otel_trace().fail("no"));
}

#[test]
fn operation_that_settled_ends_by_that() {
    let mut held = None;
    check_tool(Settled, None, || {
        let turn = info_span!("turn", otel_trace.kind = "turn");
        turn.in_scope(|| {
            let span = tool();
            span.in_scope(|| {
                span.record("gen_ai.tool.call.result", "done");
            });
            held = Some(span);
        });
    });
    drop(held);
}

/// Returns what ended the operation of each end event of this name.
fn ended_by(bundle: &Bundle, name: &str) -> Vec<String> {
    bundle.events(name).iter().map(|event| event["ended_by"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn each_kind_of_operation_tells_what_ended_it() {
    let (root, recorder, guard) = recorder();
    run_recorded(&recorder, || {
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = thread.turn(None);
        turn.code_cell(CodeCellMeta::new("1")).ended(CellStatus::Completed, Json(&json!({})));
        drop(turn.code_cell(CodeCellMeta::new("2")));
        let compaction = turn.compaction(MODEL);
        compaction.request(Json(&json!({})));
        compaction.response(Json(&json!({})));
        drop(compaction);
        turn.compaction(MODEL).fail("no");
        let inference = turn.inference(MODEL);
        inference.request(Json(&json!({})));
        drop(inference);
        let completed = turn.inference(MODEL);
        completed.request(Json(&json!({})));
        completed.complete();
        turn.complete();
        let second = thread.turn(None);
        let tool = second.tool_call(ToolCallMeta::new("bash"));
        drop(guard);
        drop(tool);
    });
    let bundle = bundles(root.path()).remove(0);
    assert_eq!(ended_by(&bundle, "code_cell_ended"), ["handle", "close"]);
    assert_eq!(ended_by(&bundle, "compaction_request_completed"), ["close"]);
    assert_eq!(ended_by(&bundle, "compaction_request_failed"), ["handle"]);
    assert_eq!(ended_by(&bundle, "inference_cancelled"), ["close"]);
    assert_eq!(ended_by(&bundle, "inference_completed"), ["handle"]);
    assert_eq!(ended_by(&bundle, "codex_turn_ended"), ["handle", Shutdown.name()]);
    assert_eq!(ended_by(&bundle, "tool_call_ended"), ["shutdown"]);
    assert_eq!(ended_by(&bundle, "thread_ended"), ["shutdown"]);
    let graph = graph(&bundle.path);
    let ends = graph.turns.iter().map(|turn| turn.end.as_ref().unwrap().ended_by);
    assert_eq!(ends.collect::<Vec<_>>(), [Some(Handle), Some(Shutdown)]);
    let end = |end: &Option<Box<otel_trace::event::EndDetail>>| end.as_ref().and_then(|end| end.ended_by);
    assert!(graph.threads.iter().all(|thread| end(&thread.end) == Some(Shutdown)));
    assert_eq!(graph.code_cells.iter().map(|cell| end(&cell.end)).collect::<Vec<_>>(), [Some(Handle), Some(Close)]);
    let requests = graph.compaction_requests.iter().map(|request| end(&request.end));
    assert_eq!(requests.collect::<Vec<_>>(), [Some(Close), Some(Handle)]);
    let calls = graph.inference_calls.iter().map(|call| end(&call.end));
    assert_eq!(calls.collect::<Vec<_>>(), [Some(Close), Some(Handle)]);
}

#[test]
fn cells_and_agents_that_end_with_their_tool_were_not_ended_by_the_program() {
    let bundle = record_one(|| {
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = thread.turn(None);
        let cell = turn.code_cell(CodeCellMeta::new("1"));
        cell.responded(CellStatus::Yielded, Json(&json!({})));
        turn.fail("no");
        let _ambient = turn.span().clone().entered();
        let _tool = info_span!("t", gen_ai.operation.name = "execute_tool", gen_ai.tool.name = "ask", error.type = "x")
            .entered();
        info_span!("chat", gen_ai.operation.name = "chat", gen_ai.agent.name = "other").in_scope(|| {});
    });
    assert_eq!(ended_by(&bundle, "code_cell_ended"), ["close"]);
    let turns = bundle.events("codex_turn_ended");
    let agent = turns.iter().find(|turn| turn["error"] == "x").unwrap();
    assert_eq!(agent["ended_by"], "close");
}

#[test]
fn refused_call_has_the_status_as_the_type_of_its_error() {
    let (bundle, _root) = record_kept(|| {
        let inference = AgentThread::start(ThreadMeta::new()).turn(None).inference(MODEL);
        let exchange = Exchange::for_span(inference.span()).unwrap();
        exchange.request(b"{}");
        exchange.status(429);
        exchange.reply(Reply::Refusal, b"{}");
    });
    assert_eq!(bundle.event("inference_failed")["error_type"], "429");
    let graph = graph(&bundle.path);
    let call = graph.inference_calls.iter().next().unwrap();
    assert_eq!(call.end.as_ref().unwrap().error_type.as_deref(), Some("429"));
}

#[test]
fn own_fields_are_attributes_of_the_end() {
    let (bundle, _root) = record_kept(|| {
        let span = info_span!(
            "execute_tool",
            gen_ai.operation.name = "execute_tool",
            gen_ai.tool.name = "bash",
            gen_ai.tool.call.id = "c",
            gen_ai.tool.call.arguments = "{}",
            gen_ai.tool.call.result = "done",
            gen_ai.tool.description = "runs a command",
            gen_ai.prompt = "content",
            "gen_ai.completion.0.content" = "content",
            gen_ai.usage.input_tokens = 7,
            otel.name = "renamed",
            otel.kind = "internal",
            error = false,
            attempt = 2_u64,
            offset = -1,
            share = 0.5,
            cached = true,
            host = "h",
            path = ?std::path::Path::new("/p"),
            late = Empty,
            never = Empty,
        );
        span.in_scope(|| {});
        span.record("late", "l").record("host", "h2");
    });
    let expected = json!({
        "gen_ai.tool.description": "runs a command", "attempt": 2, "offset": -1, "share": 0.5, "cached": true,
        "host": "h2", "path": "\"/p\"", "late": "l",
    });
    assert_eq!(bundle.event("tool_call_ended")["attributes"], expected);
    let graph = graph(&bundle.path);
    let state: Value = serde_json::to_value(graph.tool_calls.iter().next().unwrap()).unwrap();
    assert_eq!((&state["attributes"], &state["ended_by"]), (&expected, &json!("close")));
}

#[test]
fn span_without_own_fields_has_no_attributes() {
    let bundle = record_one(|| tool().in_scope(|| {}));
    let ended = bundle.event("tool_call_ended");
    assert_eq!((ended.get("attributes"), ended.get("error_type")), (None, None));
    assert_eq!(bundle.event("codex_turn_ended").get("attributes"), None);
}

#[test]
fn own_fields_of_agents_turns_and_calls_are_attributes() {
    let bundle = record_one(|| {
        let thread = info_span!("t", otel_trace.kind = "thread", team = "a").entered();
        info_span!("u", otel_trace.kind = "turn", ticket = 7).in_scope(|| {
            info_span!("chat", gen_ai.operation.name = "chat", temperature_source = "user").in_scope(|| {});
        });
        drop(thread);
    });
    assert_eq!(bundle.event("thread_ended")["attributes"], json!({ "team": "a" }));
    assert_eq!(bundle.event("codex_turn_ended")["attributes"], json!({ "ticket": 7 }));
    assert_eq!(bundle.event("inference_cancelled")["attributes"], json!({ "temperature_source": "user" }));
}

#[test]
fn redactor_of_the_program_sees_own_fields() {
    #[derive(Debug)]
    struct Upper;
    impl otel_trace::Redactor for Upper {
        fn redact(&self, _: otel_trace::PayloadKind, _: &mut Vec<u8>, _: bool) {}
        fn redact_text<'t>(&self, text: &'t str) -> std::borrow::Cow<'t, str> {
            text.replace("klaus", "K.").into()
        }
    }
    let root = tempfile::tempdir().unwrap();
    let builder = otel_trace::Recorder::builder().root(root.path()).no_parent().redact(Upper);
    let (recorder, guard) = builder.build().unwrap();
    run_recorded(&recorder, || {
        let span = info_span!("t", gen_ai.operation.name = "execute_tool", gen_ai.tool.name = "n", user = "klaus",
            error.type = "klaus");
        span.in_scope(|| {});
    });
    drop(guard);
    let bundle = bundles(root.path()).remove(0);
    let ended = bundle.event("tool_call_ended");
    assert_eq!((&ended["attributes"]["user"], &ended["error_type"]), (&json!("K."), &json!("K.")));
}
