//! Events of target `otel_trace` that name their operation by its id, and events that name none that is recorded.

use std::sync::{Arc, Mutex};

use otel_trace::graph::Code;
use otel_trace::{AgentThread, CodeCellMeta, Operation, Recorder, ThreadMeta, ToolCall, ToolCallMeta, Turn};
use serde_json::{Value, json};
use tempfile::TempDir;
use tracing::{Instrument, Level, event, info_span};
use tracing_subscriber::prelude::*;

use crate::common::{Bundle, bundles, child, graph, record, record_one, recorder, role, run_recorded};

/// Emits an event of a tool's runtime that names the call.
fn runtime_started(call: &str, body: &str) {
    event!(
        target: "otel_trace", Level::INFO, otel_trace.event = "tool_call_runtime_started", gen_ai.tool.call.id = call,
        otel_trace.payload = body,
    );
}

fn tool(turn: &Turn, call: &str) -> ToolCall {
    turn.tool_call(ToolCallMeta::new("bash").id(call))
}

/// Starts a turn, which outlives the handle of its thread.
fn turn_of(thread: &str) -> Turn {
    AgentThread::start(ThreadMeta::new().id(thread)).turn(None)
}

/// Returns the ids of the tool calls in whose runtime an event was recorded, with the bodies.
fn runtimes(bundle: &Bundle) -> Vec<(String, Value)> {
    let read = |event: &&Value| {
        (event["tool_call_id"].as_str().unwrap().to_owned(), bundle.payload_json(&event["runtime_payload"]))
    };
    bundle.events("tool_call_runtime_started").iter().map(read).collect()
}

/// Returns the reasons and names of the events that found no operation.
fn orphans(bundle: &Bundle) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let orphans = bundle.events("other").into_iter().filter(|other| other["kind"] == "orphan_event");
    orphans.map(|other| (text(&other["metadata"]["reason"]), text(&other["metadata"]["event"]))).collect()
}

fn reason(reason: &str, name: &str) -> (String, String) {
    (reason.to_owned(), name.to_owned())
}

/// Returns the last line with an event of this name.
fn line<'b>(bundle: &'b Bundle, name: &str) -> &'b Value {
    bundle.lines.iter().rfind(|line| line["payload"]["type"] == name).unwrap()
}

/// Asserts that the bundle has these runtime events and no orphan.
#[track_caller]
fn check(bundle: &Bundle, expected: &[(&str, Value)]) {
    let expected: Vec<_> = expected.iter().map(|(id, body)| ((*id).to_owned(), body.clone())).collect();
    assert_eq!(runtimes(bundle), expected);
    assert_eq!(orphans(bundle), []);
}

#[test]
fn event_outside_of_all_spans_finds_its_tool_call() {
    let bundle = record_one(|| {
        let turn = turn_of("t");
        let _tool = tool(&turn, "c");
        runtime_started("c", r#"{"n":1}"#);
    });
    check(&bundle, &[("c", json!({ "n": 1 }))]);
}

#[test]
fn event_in_the_span_of_another_tool_call_finds_its_own() {
    let bundle = record_one(|| {
        let turn = turn_of("t");
        let (_own, other) = (tool(&turn, "own"), tool(&turn, "other"));
        other.span().in_scope(|| runtime_started("own", "{}"));
        // Without an id the span decides.
        other.span().in_scope(|| {
            event!(target: "otel_trace", Level::INFO, otel_trace.event = "tool_call_runtime_started");
        });
    });
    check(&bundle, &[("own", json!({})), ("other", json!({}))]);
}

#[test]
fn event_in_a_task_without_span_finds_its_tool_call() {
    let bundle = record_one(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let turn = turn_of("t");
            let span = info_span!(parent: turn.span(), "bash", gen_ai.operation.name = "execute_tool",
                gen_ai.tool.name = "bash", gen_ai.tool.call.id = "c");
            async { tokio::spawn(async { runtime_started("c", "{}") }).await.unwrap() }.instrument(span).await;
        });
    });
    check(&bundle, &[("c", json!({}))]);
}

#[test]
fn ended_tool_call_is_found_until_its_turn_ends() {
    let bundle = record_one(|| {
        let thread = AgentThread::start(ThreadMeta::new().id("t"));
        let turn = thread.turn(None);
        let span = info_span!(parent: turn.span(), "bash", gen_ai.operation.name = "execute_tool",
            gen_ai.tool.name = "bash", gen_ai.tool.call.id = "c");
        span.in_scope(|| {});
        drop(span);
        runtime_started("c", "{}");
        let _next = thread.turn(None);
        turn.complete();
        runtime_started("c", "{}");
    });
    assert_eq!(runtimes(&bundle), [("c".to_owned(), json!({}))]);
    assert_eq!(orphans(&bundle), [reason("not_found", "tool_call_runtime_started")]);
}

#[test]
fn last_1024_ended_tool_calls_of_a_turn_are_found() {
    let bundle = record_one(|| {
        let turn = turn_of("t");
        for number in 0..1_025 {
            tool(&turn, &number.to_string()).complete();
        }
        runtime_started("0", "{}");
        runtime_started("1", "{}");
    });
    assert_eq!(runtimes(&bundle), [("1".to_owned(), json!({}))]);
    assert_eq!(orphans(&bundle).len(), 1);
}

#[test]
fn of_tool_calls_with_one_id_the_open_one_is_found_then_the_later() {
    let bundle = record_one(|| {
        let turn = turn_of("t");
        let [first, second] = [(); 2].map(|()| tool(&turn, "c"));
        runtime_started("c", r#"{"n":1}"#);
        first.span().in_scope(|| runtime_started("c", r#"{"n":2}"#));
        second.complete();
        runtime_started("c", r#"{"n":3}"#);
        first.complete();
        runtime_started("c", r#"{"n":4}"#);
        // The id in the log is of one call only.
        runtime_started("c#2", r#"{"n":5}"#);
    });
    let found: Vec<_> = runtimes(&bundle).into_iter().map(|(id, _)| id).collect();
    assert_eq!(found, ["c#2", "c", "c", "c#2", "c#2"]);
}

#[test]
fn event_that_names_another_thread_finds_the_tool_call_there() {
    let in_thread = |thread: &str| {
        event!(
            target: "otel_trace", Level::INFO, otel_trace.event = "mcp_tool_call_correlation_assigned",
            otel_trace.mcp_call_id = thread, gen_ai.tool.call.id = "c", gen_ai.conversation.id = thread,
        );
    };
    let bundles = record(|| {
        let threads = ["here", "there"].map(|id| AgentThread::start(ThreadMeta::new().id(id)));
        let [here, there] = [0, 1].map(|index: usize| threads[index].turn(None));
        let _there = tool(&there, "c");
        in_thread("there");
        here.span().in_scope(|| in_thread("there"));
        // The thread around the event comes first, as a framework passes the id of a conversation on to its agents.
        let _here = tool(&here, "c");
        here.span().in_scope(|| in_thread("there"));
    });
    let [here, there] = &bundles[..] else { panic!("two bundles") };
    assert_eq!(here.events("mcp_tool_call_correlation_assigned").len(), 1);
    assert_eq!(there.events("mcp_tool_call_correlation_assigned").len(), 2);
    assert_eq!((orphans(here), orphans(there)), (vec![], vec![]));
}

#[test]
fn threads_turns_and_cells_are_found_by_id() {
    let bundle = record_one(|| {
        let thread = AgentThread::start(ThreadMeta::new().id("t"));
        let turn = thread.turn(Some("turn-1".into()));
        let cell = turn.code_cell(CodeCellMeta::new("1").id("cell-1"));
        let spawn = tool(&turn, "spawn");
        let agent = spawn.spawn_thread(ThreadMeta::new().id("agent"));
        let agent_turn = agent.turn(Some("turn-2".into()));
        agent_turn.complete();
        event!(target: "otel_trace", Level::INFO, otel_trace.event = "code_cell_initial_response",
            otel_trace.code_cell.id = "cell-1");
        event!(target: "otel_trace", Level::INFO, otel_trace.event = "agent_result_observed",
            otel_trace.turn.id = "turn-2", otel_trace.message = "by its turn, which has ended");
        event!(target: "otel_trace", Level::INFO, otel_trace.event = "agent_result_observed",
            gen_ai.conversation.id = "agent", otel_trace.message = "by its thread");
        event!(target: "otel_trace", Level::INFO, otel_trace.event = "compaction_installed",
            otel_trace.turn.id = "turn-1", otel_trace.payload = r#"{"input_history":[],"replacement_history":[]}"#);
        agent.span().in_scope(|| {
            event!(target: "otel_trace", Level::INFO, otel_trace.event = "protocol_event_observed",
                gen_ai.conversation.id = "t", otel_trace.protocol_event = "of the root");
        });
        event!(target: "otel_trace", Level::INFO, otel_trace.event = "other", gen_ai.conversation.id = "agent",
            otel_trace.other.kind = "weather");
        drop(cell);
    });
    assert_eq!(bundle.event("code_cell_initial_response")["runtime_cell_id"], "cell-1");
    let results = bundle.events("agent_result_observed");
    assert_eq!(results.iter().map(|result| &result["child_codex_turn_id"]).collect::<Vec<_>>(), ["turn-2", "turn-2"]);
    assert_eq!(line(&bundle, "compaction_installed")["codex_turn_id"], "turn-1");
    assert_eq!(bundle.event("protocol_event_observed")["event_type"], "of the root");
    assert_eq!(line(&bundle, "other")["thread_id"], "agent");
    assert_eq!(orphans(&bundle), []);
}

#[test]
fn tool_call_of_another_agent_is_found_if_it_is_the_only_one() {
    let bundle = record_one(|| {
        let root = turn_of("t");
        let agents = ["a", "b"].map(|name| tool(&root, name).spawn_thread(ThreadMeta::new().id(name)).turn(None));
        let [_one, _two] = [tool(&agents[0], "x"), tool(&agents[1], "x")];
        let _only = tool(&agents[0], "y");
        root.span().in_scope(|| {
            runtime_started("y", "{}");
            runtime_started("x", "{}");
        });
        // Of two calls, the open one is found.
        _two.complete();
        runtime_started("x", "{}");
    });
    let found: Vec<_> = runtimes(&bundle).into_iter().map(|(id, _)| id).collect();
    assert_eq!(found, ["y", "x"]);
    assert_eq!(orphans(&bundle), [reason("ambiguous", "tool_call_runtime_started")]);
}

/// Runs a program with a recorder and returns its number of orphan events with its bundles.
fn record_orphans(program: impl FnOnce()) -> (u64, Vec<Bundle>, TempDir) {
    let (root, recorder, guard) = recorder();
    run_recorded(&recorder, program);
    drop(guard);
    assert_eq!(recorder.stats().lost(), 0);
    (recorder.stats().orphan_events, bundles(root.path()), root)
}

#[test]
fn event_with_an_unknown_name_is_kept_with_its_body() {
    let (count, bundles, _root) = record_orphans(|| {
        let turn = turn_of("t");
        turn.span().in_scope(|| {
            event!(target: "otel_trace", Level::INFO, otel_trace.event = "tool_call_runtime_startd",
                gen_ai.tool.call.id = "c", otel_trace.payload = r#"{"n":1}"#);
            event!(target: "otel_trace", Level::INFO, otel_trace.evnt = "other");
            event!(target: "otel_trace", Level::INFO, "a line of a log");
        });
    });
    let expected = [reason("unknown_name", "tool_call_runtime_startd"), reason("unknown_name", "")];
    assert_eq!((count, orphans(&bundles[0])), (2, expected.to_vec()));
    let other = bundles[0].events("other")[0];
    assert_eq!(other["metadata"]["fields"], json!({ "gen_ai.tool.call.id": "c" }));
    assert_eq!(bundles[0].payload_json(&other["payloads"][0]), json!({ "n": 1 }));
    let graph = graph(&bundles[0].path);
    let codes: Vec<_> = graph.diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
    assert_eq!(codes, [Code::OrphanEvent, Code::OrphanEvent]);
    assert!(!Code::OrphanEvent.stops_strict());
}

#[test]
fn event_without_a_bundle_is_counted() {
    let (count, bundles, _root) = record_orphans(|| {
        runtime_started("c", "{}");
        drop(turn_of("t"));
        // Its bundle has ended.
        runtime_started("c", "{}");
    });
    assert_eq!((count, bundles.len(), orphans(&bundles[0]).len()), (2, 1, 0));
}

#[test]
fn event_of_one_of_two_bundles_is_counted_unless_it_stands_in_one() {
    let (count, bundles, _root) = record_orphans(|| {
        let (first, second) = (turn_of("1"), turn_of("2"));
        let _tools = [tool(&first, "c"), tool(&second, "c")];
        runtime_started("c", "{}");
        second.span().in_scope(|| runtime_started("other", "{}"));
        second.span().in_scope(|| runtime_started("c", "{}"));
    });
    assert_eq!(count, 2);
    assert_eq!([orphans(&bundles[0]).len(), orphans(&bundles[1]).len()], [0, 1]);
    assert_eq!([runtimes(&bundles[0]).len(), runtimes(&bundles[1]).len()], [0, 1]);
}

#[test]
fn two_layers_of_a_recorder_record_an_event_once() {
    let (root, recorder, guard) = recorder();
    let layers = || (recorder.layer(), recorder.layer());
    let (first, second) = layers();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(first).with(second), || {
        let turn = turn_of("t");
        let _tool = tool(&turn, "c");
        runtime_started("c", "{}");
        runtime_started("none", "{}");
    });
    // A subscriber of its own has a layer of its own.
    let (first, second) = layers();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(first).with(second), || {
        let turn = turn_of("u");
        let _tool = tool(&turn, "d");
        runtime_started("d", "{}");
    });
    drop(guard);
    assert_eq!(recorder.stats().orphan_events, 1);
    let bundles = bundles(root.path());
    assert_eq!([runtimes(&bundles[0]).len(), runtimes(&bundles[1]).len()], [1, 1]);
}

#[test]
fn orphan_events_are_passed_to_the_callback_or_reported_once() {
    if role().is_some() {
        let (recorder, _guard) = Recorder::from_env().unwrap().unwrap();
        return run_recorded(&recorder, || {
            runtime_started("c", "{}");
            runtime_started("d", "{}");
        });
    }
    let root = tempfile::tempdir().unwrap();
    let name = "addressed_events::orphan_events_are_passed_to_the_callback_or_reported_once";
    let output = child(name, "alone").env("OTEL_TRACE_ROOT", root.path()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<_> = stderr.lines().filter(|line| line.contains("about no recorded operation")).collect();
    assert_eq!(lines.len(), 1, "{stderr}");

    let losses = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&losses);
    let on_loss = move |loss: &otel_trace::bundle::Loss| seen.lock().unwrap().push(loss.to_string());
    let (recorder, guard) = Recorder::builder().root(root.path()).no_parent().on_loss(on_loss).build().unwrap();
    run_recorded(&recorder, || {
        runtime_started("c", "{}");
        runtime_started("d", "{}");
    });
    drop(guard);
    let losses = losses.lock().unwrap();
    assert_eq!(losses.len(), 2, "{losses:?}");
}
