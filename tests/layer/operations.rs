//! Tests of code cells, compaction and agents, recorded with typed handles and plain spans, and of their graphs.

use otel_trace::bundle::Reader;
use otel_trace::event::{CellStatus, ExecutionStatus};
use otel_trace::graph::{Code, Graph, Producer, Requester};
use otel_trace::reduce::{Options, reduce};
use otel_trace::{
    AgentThread, CodeCellMeta, Exact, Json, Model, Operation, PayloadKind, Recorder, SpanExt, ThreadMeta, ToolCallMeta,
    Turn,
};
use serde_json::{Value, json};
use tracing::field::Empty;
use tracing::{Level, Span, event, info_span};
use tracing_subscriber::prelude::*;

use crate::common::{Bundle, record_one};

const MODEL: Model<'_> = Model { name: "m", provider: "p" };

/// Records `program` and returns its only bundle with its graph. Panics if the graph has diagnostics.
fn record_and_reduce(program: impl FnOnce()) -> (Bundle, Graph) {
    let (bundle, graph) = record_and_reduce_leniently(program);
    assert_eq!(graph.diagnostics, []);
    (bundle, graph)
}

/// Records `program` and returns its only bundle with its graph, which may have diagnostics.
fn record_and_reduce_leniently(program: impl FnOnce()) -> (Bundle, Graph) {
    let root = tempfile::tempdir().unwrap();
    let (recorder, guard) = Recorder::builder().root(root.path()).no_parent().build().unwrap();
    crate::common::run_recorded(&recorder, program);
    drop(guard);
    assert_eq!((recorder.stats().lost(), recorder.stats().late), (0, 0));
    let bundle = crate::common::bundles(root.path()).remove(0);
    let graph = reduce(&Reader::open(&bundle.path).unwrap(), &Options::default().strict(true)).unwrap().graph;
    (bundle, graph)
}

/// Starts a turn and records an inference call whose response requests a script.
fn turn_with_script_request(thread: &AgentThread, call: &str) -> Turn {
    let turn = thread.turn(None);
    let inference = turn.inference(MODEL);
    inference.request(Json(&json!({ "input": "go" })));
    let item = json!({ "type": "custom_tool_call", "call_id": call, "name": "exec", "input": "run()" });
    inference.response(Json(&json!({ "output_items": [item] })));
    inference.complete();
    turn
}

/// Returns the body of a response of a code cell.
fn cell_response(status: &str) -> Value {
    json!({ "response": { status: { "cell_id": "1", "content_items": [] } } })
}

#[test]
fn cell_that_does_not_yield_ends_with_its_first_response() {
    let (bundle, graph) = record_and_reduce(|| {
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = turn_with_script_request(&thread, "c");
        let cell = turn.code_cell(CodeCellMeta::new("run()").id("1").call_id("c"));
        let tool = cell.tool_call(ToolCallMeta::new("exec_command").id("tool-1").arguments("{}"));
        tool.output("out");
        tool.complete();
        cell.responded(CellStatus::Completed, Json(&cell_response("Result")));
        cell.complete();
    });
    let cell_events: Vec<_> = bundle.event_names().into_iter().filter(|name| name.starts_with("code_cell")).collect();
    assert_eq!(cell_events, ["code_cell_started", "code_cell_initial_response", "code_cell_ended"]);
    let [first, ended] =
        ["code_cell_initial_response", "code_cell_ended"].map(|name| bundle.event(name)["response_payload"].clone());
    assert_ne!(first["path"], ended["path"], "both events reference the same payload");
    assert_eq!(
        [bundle.payload_json(&first), bundle.payload_json(&ended)],
        [cell_response("Result"), cell_response("Result")]
    );
    let started = bundle.event("tool_call_started");
    assert_eq!(started["requester"], json!({ "type": "code_cell", "runtime_cell_id": "1" }));
    assert_eq!(
        (&started["model_visible_call_id"], &started["code_mode_runtime_tool_id"]),
        (&Value::Null, &json!("tool-1"))
    );
    assert_eq!(bundle.payload_json(&bundle.event("tool_call_ended")["result_payload"])["type"], "code_mode_response");

    let cell = graph.code_cells.iter().next().unwrap();
    assert_eq!((cell.execution.status, cell.runtime_status), (ExecutionStatus::Completed, CellStatus::Completed));
    let tool = graph.tool_calls.iter().next().unwrap();
    assert_eq!(cell.nested_tool_call_ids, std::slice::from_ref(&tool.tool_call_id));
    assert_eq!(tool.requester, Requester::CodeCell { code_cell_id: cell.code_cell_id.clone() });
    let source = graph.items().find(|item| Some(item.item_id) == cell.source_item_id).unwrap();
    assert!(matches!(source.produced_by[0], Producer::Inference { .. }));
}

#[test]
fn yielded_cell_can_be_awaited_in_a_later_turn() {
    let (bundle, graph) = record_and_reduce(|| {
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = turn_with_script_request(&thread, "c");
        let cell = turn.code_cell(CodeCellMeta::new("run()").id("1").call_id("c"));
        cell.responded(CellStatus::Yielded, Json(&cell_response("Yielded")));
        turn.complete();
        let later = thread.turn(None);
        // A tool call of the cell belongs to the turn of the cell, even after that turn.
        cell.tool_call(ToolCallMeta::new("web_search").id("tool-2")).output("found");
        let wait = later.tool_call(ToolCallMeta::new("wait").id("w").arguments(r#"{"cell_id":"1"}"#));
        wait.output("done");
        wait.complete();
        cell.ended(CellStatus::Failed, Json(&cell_response("Result")));
    });
    let (started, ended) = (bundle.event("code_cell_started"), bundle.event("code_cell_ended"));
    assert_eq!((&started["source_js"], &ended["status"]), (&json!("run()"), &json!("failed")));
    let cell = graph.code_cells.iter().next().unwrap();
    assert!(cell.yielded_seq.is_some() && cell.execution.ended.unwrap().seq > cell.yielded_seq.unwrap());
    assert_eq!((cell.wait_tool_call_ids.len(), cell.nested_tool_call_ids.len()), (1, 1));
    assert_eq!(cell.execution.status, ExecutionStatus::Failed);
    let nested = graph.tool_calls.get(&cell.nested_tool_call_ids[0]).unwrap();
    assert_eq!(nested.turn_id.as_ref(), Some(&cell.turn_id));
}

#[test]
fn cells_end_with_an_incomplete_turn_and_with_their_thread() {
    let (bundle, graph) = record_and_reduce(|| {
        let thread = AgentThread::start(ThreadMeta::new());
        let yielded = |call: &str| {
            let turn = turn_with_script_request(&thread, call);
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
    let statuses: Vec<_> = bundle.events("code_cell_ended").iter().map(|ended| ended["status"].clone()).collect();
    assert_eq!(statuses, ["failed", "terminated"]);
    assert_eq!(*bundle.event_names().last().unwrap(), "rollout_ended");
    assert_eq!(graph.code_cells.len(), 2);
}

#[test]
fn cell_status_follows_how_its_handle_ends() {
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
        // A second response and, below, a second end are kept as evidence.
        yielded.responded(CellStatus::Yielded, Json(&2));
        drop(yielded);
        let late = cell();
        late.responded(CellStatus::Completed, Exact(b"no JSON"));
        late.ended(CellStatus::Failed, Json(&3));
    });
    let statuses: Vec<_> =
        bundle.events("code_cell_ended").iter().map(|ended| ended["status"].as_str().unwrap()).collect();
    // The yielded cell is the last to end.
    assert_eq!(statuses, ["terminated", "completed", "failed", "terminated", "completed", "terminated"]);
    assert_eq!(bundle.events("code_cell_started").len(), 6);
    let ids: Vec<_> = bundle.events("code_cell_started").iter().map(|cell| cell["runtime_cell_id"].clone()).collect();
    assert!(ids.iter().all(|id| ids.iter().filter(|other| *other == id).count() == 1), "{ids:?}");
    let paths: Vec<_> =
        bundle.events("other").iter().map(|other| other["payloads"][0]["path"].as_str().unwrap().to_owned()).collect();
    assert_eq!(paths.iter().filter(|path| path.ends_with(".json")).count(), 2, "the second response and the late end");
    assert_eq!(paths.iter().filter(|path| path.ends_with(".bin")).count(), 2, "the non-JSON payload, for both events");
}

#[test]
fn compaction_id_is_shared_by_requests_and_installation() {
    let (bundle, graph) = record_and_reduce(|| {
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = turn_with_script_request(&thread, "c");
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
        turn.compaction_installed(None, Json(&json!({ "input_history": [], "replacement_history": [] })));
    });
    let ids: Vec<_> = ["compaction_request_started", "compaction_request_failed", "compaction_request_completed"]
        .iter()
        .flat_map(|name| bundle.events(name))
        .map(|event| event["compaction_id"].clone())
        .collect();
    let installed = bundle.events("compaction_installed");
    assert_eq!(ids, vec![installed[0]["compaction_id"].clone(); 4]);
    assert_ne!(installed[1]["compaction_id"], ids[0], "an installation without a request is a separate compaction");
    let compaction = graph.compactions.iter().next().unwrap();
    assert_eq!((compaction.request_ids.len(), compaction.replacement_item_ids.len()), (2, 1));
    let next = graph.inference_calls.iter().nth(1).unwrap();
    let snapshot: Vec<_> = graph.snapshot(&next.inference_call_id).collect();
    assert_eq!(snapshot[0], compaction.replacement_item_ids[0]);
}

#[test]
fn abandoned_compaction_request_fails() {
    let bundle = record_one(|| {
        let turn = AgentThread::start(ThreadMeta::new()).turn(None);
        let dropped = turn.compaction(MODEL);
        dropped.request(Json(&1));
        drop(dropped);
        drop(turn.compaction(MODEL));
        let with_response = turn.compaction(MODEL);
        with_response.response(Json(&2));
        with_response.cancel("enough");
    });
    let errors: Vec<_> =
        bundle.events("compaction_request_failed").iter().map(|failed| failed["error"].clone()).collect();
    assert_eq!(errors, ["closed without an answer or an error", "closed without an answer or an error", "enough"]);
    assert_eq!(bundle.events("compaction_request_started").len(), 3);
    assert_eq!(bundle.payload_json(&bundle.event("other")["payloads"][0]), json!(2));
}

#[test]
fn graph_links_the_spawn_task_and_result_of_agents() {
    let message = |text: &str, from: &str, to: &str| {
        let content =
            json!({ "author": from, "recipient": to, "other_recipients": [], "content": text, "trigger_turn": true });
        json!({ "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": content.to_string() }] })
    };
    let (_, graph) = record_and_reduce(|| {
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
        inference.request(Json(&json!({ "input": [message("look", "/root", "/root/look")] })));
        inference.response(Json(&json!({ "output_items": [{ "role": "assistant", "content": "seen" }] })));
        inference.complete();
        work.agent_result("it is seen", Json(&json!({ "child_agent_path": "/root/look", "message": "it is seen", "status": { "completed": "it is seen" } })));
        work.complete();

        let next = turn.inference(MODEL);
        next.request(Json(&json!({ "input": [message("it is seen", "/root/look", "/root")] })));
        next.cancel("enough");
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
fn result_of_a_root_agent_is_kept() {
    let bundle = record_one(|| AgentThread::start(ThreadMeta::new()).turn(None).agent_result("done", Json(&1)));
    assert_eq!(bundle.events("agent_result_observed").len(), 0);
    assert_eq!(bundle.event("other")["metadata"]["message"], "done");
}

#[test]
fn protocol_events_and_custom_events_are_kept() {
    let bundle = record_one(|| {
        let thread = AgentThread::start(ThreadMeta::new());
        thread.protocol_event("warning", Json(&json!({ "message": "slow" })));
        thread.other("note", "anything", &json!({ "a": [1] }));
        thread.turn(None).tool_call(ToolCallMeta::new("find").id("c")).mcp_call_id("mcp-7");
    });
    let protocol_event = bundle.event("protocol_event_observed");
    assert_eq!(
        (&protocol_event["event_type"], bundle.payload_json(&protocol_event["event_payload"])),
        (&json!("warning"), json!({ "message": "slow" }))
    );
    let other = bundle.event("other");
    assert_eq!(
        (&other["kind"], &other["summary"], &other["metadata"]),
        (&json!("note"), &json!("anything"), &json!({ "a": [1] }))
    );
    let line = bundle.lines.iter().find(|line| line["payload"]["type"] == "protocol_event_observed").unwrap();
    assert_eq!((&line["thread_id"], &line["codex_turn_id"]), (&Value::Null, &Value::Null));
    assert_eq!(bundle.event("mcp_tool_call_correlation_assigned")["mcp_call_id"], "mcp-7");
    let line =
        bundle.lines.iter().find(|line| line["payload"]["type"] == "mcp_tool_call_correlation_assigned").unwrap();
    assert_eq!((&line["thread_id"], &line["codex_turn_id"]), (&Value::Null, &Value::Null));
}

#[test]
fn plain_spans_and_instants_record_every_operation() {
    let (bundle, graph) = record_and_reduce_leniently(|| {
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
    let names = bundle.event_names();
    for name in [
        "protocol_event_observed",
        "code_cell_started",
        "code_cell_initial_response",
        "code_cell_ended",
        "compaction_request_failed",
    ] {
        bundle.event(name);
        assert!(names.contains(&name));
    }
    assert_eq!(bundle.event("protocol_event_observed")["event_type"], "error");
    assert_eq!(bundle.event("compaction_installed")["compaction_id"], "k");
    assert_eq!(bundle.event("tool_call_started")["requester"]["runtime_cell_id"], "1");
    assert_eq!(graph.code_cells.iter().next().unwrap().nested_tool_call_ids.len(), 1);
    // The messages of the GenAI conventions cannot contain a call whose input is a script.
    assert_eq!(
        graph.diagnostics.iter().map(|diagnostic| diagnostic.code).collect::<Vec<_>>(),
        [Code::CellWithoutSource]
    );
}

#[test]
fn call_of_a_framework_inside_a_compaction_is_its_request() {
    let compact = |work: &dyn Fn(&Span)| {
        let bundle =
            record_one(|| {
                let turn = info_span!("turn", otel_trace.kind = "turn");
                turn.in_scope(|| {
                let compaction = info_span!("compaction", otel_trace.kind = "compaction", gen_ai.request.model = "m",
                    error.type = Empty, gen_ai.output.messages = Empty);
                compaction.in_scope(|| {
                    info_span!("chat", gen_ai.operation.name = "chat", gen_ai.request.model = "m",
                        gen_ai.response.id = "r")
                    .in_scope(|| {});
                    work(&compaction);
                });
            });
            });
        assert_eq!(bundle.event("inference_completed")["response_id"], "r");
        let requests = bundle.event_names().into_iter().filter(|name| name.starts_with("compaction_request"));
        requests.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(compact(&|_| {}), Vec::<String>::new());
    // What the program records of the request itself is kept.
    let failed = ["compaction_request_started", "compaction_request_failed"];
    let record_error = |span: &Span| {
        span.record("error.type", "bad_summary");
    };
    assert_eq!(compact(&record_error), failed);
    assert_eq!(compact(&|span| span.otel_trace().fail("bad summary")), failed);
    let completed = ["compaction_request_started", "compaction_request_completed"];
    let body = json!({ "output_items": [] });
    let record = |span: &Span| span.otel_trace().record_payload(PayloadKind::CompactionResponse, Json(&body));
    assert_eq!(compact(&record), completed);
}

#[test]
fn span_of_kind_none_is_not_recorded() {
    let bundle = record_one(|| {
        let thread = AgentThread::start(ThreadMeta::new());
        thread.span().in_scope(|| {
            info_span!("chat", otel_trace.kind = "none", gen_ai.operation.name = "chat").in_scope(|| {});
        });
    });
    assert_eq!(bundle.events("inference_started").len(), 0);
}

#[test]
fn handles_of_all_kinds_are_inert_without_a_recorder() {
    tracing::subscriber::with_default(
        tracing_subscriber::registry().with(None::<tracing_subscriber::fmt::Layer<_>>),
        || {
            let thread = AgentThread::start(ThreadMeta::new());
            let turn = thread.turn(None);
            let body = || -> Json<'static, Value> { panic!("the body is built without a recorder") };
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
