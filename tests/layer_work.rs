//! Code cells, compaction and agents, from typed handles and from plain spans, and what the reducer makes of them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Bundle, record_one};
use otel_trace::bundle::Reader;
use otel_trace::event::{CellStatus, ExecutionStatus};
use otel_trace::graph::{Code, Graph, Producer, Requester};
use otel_trace::reduce::{Options, reduce};
use otel_trace::{AgentThread, CodeCellMeta, Exact, Json, Model, Operation, Recorder, ThreadMeta, ToolCallMeta, Turn};
use serde_json::{Value, json};
use tracing::{Level, event, info_span};
use tracing_subscriber::prelude::*;

const MODEL: Model<'_> = Model { name: "m", provider: "p" };

/// What `program` leaves, and its graph, of which nothing may be told.
fn recorded(program: impl FnOnce()) -> (Bundle, Graph) {
    let (bundle, graph) = recorded_and_told(program);
    assert_eq!(graph.diagnostics, []);
    (bundle, graph)
}

fn recorded_and_told(program: impl FnOnce()) -> (Bundle, Graph) {
    let root = tempfile::tempdir().unwrap();
    let (recorder, guard) = Recorder::builder().root(root.path()).no_parent().build().unwrap();
    common::under(&recorder, program);
    drop(guard);
    assert_eq!((recorder.stats().lost(), recorder.stats().late), (0, 0));
    let bundle = common::bundles(root.path()).remove(0);
    let graph = reduce(&Reader::open(&bundle.path).unwrap(), &Options::default().strict(true)).unwrap().graph;
    (bundle, graph)
}

/// A turn whose model asked for a script.
fn asked(thread: &AgentThread, call: &str) -> Turn {
    let turn = thread.turn(None);
    let inference = turn.inference(MODEL);
    inference.request(Json(&json!({ "input": "go" })));
    let item = json!({ "type": "custom_tool_call", "call_id": call, "name": "exec", "input": "run()" });
    inference.response(Json(&json!({ "output_items": [item] })));
    inference.complete();
    turn
}

fn answer(status: &str) -> Value {
    json!({ "response": { status: { "cell_id": "1", "content_items": [] } } })
}

#[test]
fn a_cell_that_does_not_yield_ends_with_its_first_response() {
    let (bundle, graph) = recorded(|| {
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = asked(&thread, "c");
        let cell = turn.code_cell(CodeCellMeta::new("run()").id("1").call_id("c"));
        let tool = cell.tool_call(ToolCallMeta::new("exec_command").id("tool-1").arguments("{}"));
        tool.output("out");
        tool.complete();
        cell.responded(CellStatus::Completed, Json(&answer("Result")));
        cell.complete();
    });
    let cell_events: Vec<_> = bundle.names().into_iter().filter(|name| name.starts_with("code_cell")).collect();
    assert_eq!(cell_events, ["code_cell_started", "code_cell_initial_response", "code_cell_ended"]);
    let [first, ended] =
        ["code_cell_initial_response", "code_cell_ended"].map(|name| bundle.one(name)["response_payload"].clone());
    assert_ne!(first["path"], ended["path"], "each has a payload of its own");
    assert_eq!([bundle.body(&first), bundle.body(&ended)], [answer("Result"), answer("Result")]);
    let started = bundle.one("tool_call_started");
    assert_eq!(started["requester"], json!({ "type": "code_cell", "runtime_cell_id": "1" }));
    assert_eq!(
        (&started["model_visible_call_id"], &started["code_mode_runtime_tool_id"]),
        (&Value::Null, &json!("tool-1"))
    );
    assert_eq!(bundle.body(&bundle.one("tool_call_ended")["result_payload"])["type"], "code_mode_response");

    let cell = graph.code_cells.iter().next().unwrap();
    assert_eq!((cell.execution.status, cell.runtime_status), (ExecutionStatus::Completed, CellStatus::Completed));
    let tool = graph.tool_calls.iter().next().unwrap();
    assert_eq!(cell.nested_tool_call_ids, std::slice::from_ref(&tool.tool_call_id));
    assert_eq!(tool.requester, Requester::CodeCell { code_cell_id: cell.code_cell_id.clone() });
    let source = graph.items().find(|item| Some(item.item_id) == cell.source_item_id).unwrap();
    assert!(matches!(source.produced_by[0], Producer::Inference { .. }));
}

#[test]
fn a_cell_that_yields_may_be_waited_for_in_a_later_turn() {
    let (bundle, graph) = recorded(|| {
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = asked(&thread, "c");
        let cell = turn.code_cell(CodeCellMeta::new("run()").id("1").call_id("c"));
        cell.responded(CellStatus::Yielded, Json(&answer("Yielded")));
        turn.complete();
        let later = thread.turn(None);
        // What it asks for later is still asked for in its own turn.
        cell.tool_call(ToolCallMeta::new("web_search").id("tool-2")).output("found");
        let wait = later.tool_call(ToolCallMeta::new("wait").id("w").arguments(r#"{"cell_id":"1"}"#));
        wait.output("done");
        wait.complete();
        cell.ended(CellStatus::Failed, Json(&answer("Result")));
    });
    let (started, ended) = (bundle.one("code_cell_started"), bundle.one("code_cell_ended"));
    assert_eq!((&started["source_js"], &ended["status"]), (&json!("run()"), &json!("failed")));
    let cell = graph.code_cells.iter().next().unwrap();
    assert!(cell.yielded_seq.is_some() && cell.execution.ended.unwrap().seq > cell.yielded_seq.unwrap());
    assert_eq!((cell.wait_tool_call_ids.len(), cell.nested_tool_call_ids.len()), (1, 1));
    assert_eq!(cell.execution.status, ExecutionStatus::Failed);
    let nested = graph.tool_calls.get(&cell.nested_tool_call_ids[0]).unwrap();
    assert_eq!(nested.turn_id.as_ref(), Some(&cell.turn_id));
}

#[test]
fn scripts_end_with_a_turn_that_did_not_complete_and_with_their_thread() {
    let (bundle, graph) = recorded(|| {
        let thread = AgentThread::start(ThreadMeta::new());
        let yielded = |call: &str| {
            let turn = asked(&thread, call);
            let cell = turn.code_cell(CodeCellMeta::new("run()").call_id(call));
            cell.responded(CellStatus::Yielded, Json(&1));
            (turn, cell)
        };
        let (failed, _first) = yielded("a");
        failed.fail("budget");
        let (completed, _second) = yielded("b");
        completed.complete();
        thread.complete();
    });
    let statuses: Vec<_> = bundle.all("code_cell_ended").iter().map(|ended| ended["status"].clone()).collect();
    assert_eq!(statuses, ["failed", "terminated"]);
    assert_eq!(*bundle.names().last().unwrap(), "rollout_ended");
    assert_eq!(graph.code_cells.len(), 2);
}

#[test]
fn how_a_cell_ends_is_as_it_was_left() {
    let bundle = record_one(|| {
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = thread.turn(None);
        let cell = || turn.code_cell(CodeCellMeta::new("x").call_id("c"));
        drop(cell());
        cell().complete();
        cell().fail("syntax");
        cell().cancel("by the user");
        let yielded = cell();
        yielded.responded(CellStatus::Yielded, Json(&1));
        // Once more, and after the end: evidence still.
        yielded.responded(CellStatus::Yielded, Json(&2));
        drop(yielded);
        let late = cell();
        late.responded(CellStatus::Completed, Exact(b"no JSON"));
        late.ended(CellStatus::Failed, Json(&3));
    });
    let statuses: Vec<_> =
        bundle.all("code_cell_ended").iter().map(|ended| ended["status"].as_str().unwrap()).collect();
    // The one that yielded was ended by the shutdown, which ends the latest first.
    assert_eq!(statuses, ["terminated", "completed", "failed", "terminated", "completed", "terminated"]);
    assert_eq!(bundle.all("code_cell_started").len(), 6);
    let ids: Vec<_> = bundle.all("code_cell_started").iter().map(|cell| cell["runtime_cell_id"].clone()).collect();
    assert!(ids.iter().all(|id| ids.iter().filter(|other| *other == id).count() == 1), "{ids:?}");
    let beside: Vec<_> =
        bundle.all("other").iter().map(|other| other["payloads"][0]["path"].as_str().unwrap().to_owned()).collect();
    assert_eq!(beside.iter().filter(|path| path.ends_with(".json")).count(), 2, "the second response and the late end");
    assert_eq!(beside.iter().filter(|path| path.ends_with(".bin")).count(), 2, "what was no JSON, at both events");
}

#[test]
fn a_compaction_has_one_id_for_all_its_requests_and_its_installation() {
    let (bundle, graph) = recorded(|| {
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = asked(&thread, "c");
        let first = turn.compaction(MODEL);
        first.request(Json(&json!({ "input": [] })));
        first.fail("503");
        let second = first.again(MODEL);
        second.request(Json(&json!({ "input": [] })));
        second.response(Json(&json!({ "output_items": [] })));
        second.complete();
        let user = |text: &str| json!({ "role": "user", "content": text });
        second.installed(Json(&json!({ "input_history": [user("go")], "replacement_history": [user("short")] })));
        let next = turn.inference(MODEL);
        next.request(Json(&json!({ "input": [user("short"), user("on")] })));
        next.cancel("enough");
        turn.compaction_installed(Json(&json!({ "input_history": [], "replacement_history": [] })));
    });
    let ids: Vec<_> = ["compaction_request_started", "compaction_request_failed", "compaction_request_completed"]
        .iter()
        .flat_map(|name| bundle.all(name))
        .map(|event| event["compaction_id"].clone())
        .collect();
    let installed = bundle.all("compaction_installed");
    assert_eq!(ids, vec![installed[0]["compaction_id"].clone(); 4]);
    assert_ne!(installed[1]["compaction_id"], ids[0], "one without a request is a compaction of its own");
    let compaction = graph.compactions.iter().next().unwrap();
    assert_eq!((compaction.request_ids.len(), compaction.replacement_item_ids.len()), (2, 1));
    let next = graph.inference_calls.iter().nth(1).unwrap();
    let seen: Vec<_> = graph.snapshot(&next.inference_call_id).collect();
    assert_eq!(seen[0], compaction.replacement_item_ids[0]);
}

#[test]
fn a_request_to_compact_that_is_given_up_failed() {
    let bundle = record_one(|| {
        let turn = AgentThread::start(ThreadMeta::new()).turn(None);
        let dropped = turn.compaction(MODEL);
        dropped.request(Json(&1));
        drop(dropped);
        drop(turn.compaction(MODEL));
        let answered = turn.compaction(MODEL);
        answered.response(Json(&2));
        answered.cancel("enough");
    });
    let errors: Vec<_> = bundle.all("compaction_request_failed").iter().map(|failed| failed["error"].clone()).collect();
    assert_eq!(errors, ["dropped before it ended", "dropped before it ended", "enough"]);
    assert_eq!(bundle.all("compaction_request_started").len(), 3);
    assert_eq!(bundle.body(&bundle.one("other")["payloads"][0]), json!(2));
}

#[test]
fn agents_are_spawned_told_and_heard_in_the_graph() {
    let message = |text: &str, to: &str| {
        let told = json!({ "author": "/root", "recipient": to, "other_recipients": [], "content": text, "trigger_turn": true });
        json!({ "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": told.to_string() }] })
    };
    let (_, graph) = recorded(|| {
        let root = AgentThread::start(ThreadMeta::new().id("root"));
        let turn = root.turn(None);
        let spawn = turn.tool_call(ToolCallMeta::new("spawn_agent").id("s").arguments("{}"));
        let child = spawn.spawn_thread(ThreadMeta::new().id("child").task_name("look"));
        spawn.runtime_started(Json(&json!({ "call_id": "s", "sender_thread_id": "root", "prompt": "look" })));
        let ended = json!({ "call_id": "s", "sender_thread_id": "root", "prompt": "look", "new_thread_id": "child", "model": "m", "reasoning_effort": "low", "status": "running" });
        spawn.runtime_ended(ExecutionStatus::Completed, Json(&ended));
        spawn.complete();

        let work = child.turn(None);
        let inference = work.inference(MODEL);
        inference.request(Json(&json!({ "input": [message("look", "/root/look")] })));
        inference.response(Json(&json!({ "output_items": [{ "role": "assistant", "content": "seen" }] })));
        inference.complete();
        work.agent_result("it is seen", Json(&json!({ "child_agent_path": "/root/look", "message": "it is seen", "status": { "completed": "it is seen" } })));
        work.complete();

        let heard = turn.inference(MODEL);
        heard.request(Json(&json!({ "input": [message("it is seen", "/root")] })));
        heard.cancel("enough");
        let close = turn.tool_call(ToolCallMeta::new("close_agent").id("x"));
        let begin = json!({ "call_id": "x", "sender_thread_id": "root", "receiver_thread_id": "child" });
        close.runtime_started(Json(&begin));
        let mut end = begin;
        end["status"] = json!("shutdown");
        close.runtime_ended(ExecutionStatus::Completed, Json(&end));
        close.complete();
        child.cancel("closed");
    });
    let edges: Vec<_> = graph.edges.iter().map(|edge| edge.edge_id.to_string()).collect();
    let child_turn = &graph.turns.iter().find(|turn| turn.thread_id.as_str() == "child").unwrap().turn_id;
    let result = format!("edge:agent_result:child:{child_turn}:root");
    assert_eq!(edges, ["edge:spawn:root:child", result.as_str(), "edge:tool:x"]);
    assert!(graph.edges.iter().take(2).all(|edge| edge.carried_item_ids.len() == 1));
    let child = graph.threads.get("child").unwrap();
    assert_eq!((child.execution.status, child.agent_path.as_str()), (ExecutionStatus::Aborted, "/root/look"));
}

#[test]
fn the_result_of_a_root_agent_is_kept_though_nobody_spawned_it() {
    let bundle = record_one(|| AgentThread::start(ThreadMeta::new()).turn(None).agent_result("done", Json(&1)));
    assert_eq!(bundle.all("agent_result_observed").len(), 0);
    assert_eq!(bundle.one("other")["metadata"]["message"], "done");
}

#[test]
fn what_a_program_tells_its_clients_and_anything_else_is_kept() {
    let bundle = record_one(|| {
        let thread = AgentThread::start(ThreadMeta::new());
        thread.protocol_event("warning", Json(&json!({ "message": "slow" })));
        thread.other("note", "anything", &json!({ "a": [1] }));
        thread.turn(None).tool_call(ToolCallMeta::new("find").id("c")).mcp_call_id("mcp-7");
    });
    let told = bundle.one("protocol_event_observed");
    assert_eq!(
        (&told["event_type"], bundle.body(&told["event_payload"])),
        (&json!("warning"), json!({ "message": "slow" }))
    );
    let other = bundle.one("other");
    assert_eq!(
        (&other["kind"], &other["summary"], &other["metadata"]),
        (&json!("note"), &json!("anything"), &json!({ "a": [1] }))
    );
    let line = bundle.lines.iter().find(|line| line["payload"]["type"] == "protocol_event_observed").unwrap();
    assert_eq!((&line["thread_id"], &line["codex_turn_id"]), (&Value::Null, &Value::Null));
    assert_eq!(bundle.one("mcp_tool_call_correlation_assigned")["mcp_call_id"], "mcp-7");
}

#[test]
fn plain_spans_and_instants_say_the_same() {
    let (bundle, graph) = recorded_and_told(|| {
        let thread = info_span!("t", otel_trace.kind = "thread", gen_ai.conversation.id = "t").entered();
        event!(
            target: "otel_trace", Level::INFO, otel_trace.event = "protocol_event_observed",
            otel_trace.protocol_event = "error", otel_trace.payload = "{}",
        );
        let turn = info_span!("u", otel_trace.kind = "turn", otel_trace.turn.id = "u").entered();
        let output = r#"[{"role":"assistant","parts":[{"type":"text","content":"ok"}]}]"#;
        info_span!(
            "chat",
            gen_ai.operation.name = "chat",
            gen_ai.input.messages = "[]",
            gen_ai.output.messages = output,
        )
        .in_scope(|| {});
        let cell = info_span!(
            "cell",
            otel_trace.kind = "code_cell",
            otel_trace.code_cell.id = "1",
            gen_ai.tool.call.id = "c",
            otel_trace.code_cell.source = "run()",
        );
        cell.in_scope(|| {
            info_span!(
                "tool",
                gen_ai.operation.name = "execute_tool",
                gen_ai.tool.name = "n",
                gen_ai.tool.call.id = "x"
            )
            .in_scope(|| {});
            event!(
                target: "otel_trace", Level::INFO, otel_trace.event = "code_cell_initial_response",
                otel_trace.status = "yielded", otel_trace.payload = "{}",
            );
            event!(target: "otel_trace", Level::INFO, otel_trace.event = "code_cell_ended", otel_trace.payload = "{}");
        });
        let compaction = info_span!(
            "compaction",
            otel_trace.kind = "compaction",
            otel_trace.compaction.id = "k",
            gen_ai.request.model = "m",
        );
        compaction.in_scope(|| {
            let body = r#"{"input_history":[],"replacement_history":[]}"#;
            event!(target: "otel_trace", Level::INFO, otel_trace.event = "compaction_installed", otel_trace.payload = body);
        });
        drop((compaction, cell, turn, thread));
    });
    let names = bundle.names();
    for name in [
        "protocol_event_observed",
        "code_cell_started",
        "code_cell_initial_response",
        "code_cell_ended",
        "compaction_request_failed",
    ] {
        bundle.one(name);
        assert!(names.contains(&name));
    }
    assert_eq!(bundle.one("protocol_event_observed")["event_type"], "error");
    assert_eq!(bundle.one("compaction_installed")["compaction_id"], "k");
    assert_eq!(bundle.one("tool_call_started")["requester"]["runtime_cell_id"], "1");
    assert_eq!(graph.code_cells.iter().next().unwrap().nested_tool_call_ids.len(), 1);
    // The conventions' messages have no calls whose input is a script.
    assert_eq!(graph.diagnostics.iter().map(|found| found.code).collect::<Vec<_>>(), [Code::CellWithoutSource]);
}

#[test]
fn a_warm_up_is_not_recorded() {
    let bundle = record_one(|| {
        let thread = AgentThread::start(ThreadMeta::new());
        thread.span().in_scope(|| {
            info_span!("chat", otel_trace.kind = "none", gen_ai.operation.name = "chat").in_scope(|| {});
        });
    });
    assert_eq!(bundle.all("inference_started").len(), 0);
}

#[test]
fn handles_of_all_kinds_are_inert_where_nobody_records() {
    tracing::subscriber::with_default(
        tracing_subscriber::registry().with(None::<tracing_subscriber::fmt::Layer<_>>),
        || {
            let thread = AgentThread::start(ThreadMeta::new());
            let turn = thread.turn(None);
            let body = || -> Json<'static, Value> { panic!("not to be built") };
            let cell = turn.code_cell(CodeCellMeta::new("x"));
            let compaction = turn.compaction(MODEL);
            assert!(!cell.is_recording() && !compaction.is_recording());
            if cell.is_recording() {
                cell.responded(CellStatus::Completed, body());
            }
            cell.responded(CellStatus::Completed, Json(&1));
            compaction.request(Json(&1));
            compaction.installed(Json(&1));
            turn.agent_result("m", Json(&1));
            thread.other("k", "s", &1);
        },
    );
}
