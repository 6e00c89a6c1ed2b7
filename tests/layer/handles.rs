//! Tests of typed handles: the events that they write, and the threads and subscribers under which they work.

use std::fmt;
use std::thread;

use otel_trace::{
    AgentThread, AnyOperation, CodeCell, Compaction, Durability, Exact, ExecutionStatus, Inference, Json, Model,
    Operation, PayloadKind, Recorder, Store, ThreadMeta, ToolCall, ToolCallMeta, ToolKind, Turn, Usage,
};
use serde_json::{Value, json};

use crate::common::{bundles, record, record_one, recorder, run_recorded};

const MODEL: Model<'_> = Model { name: "m", provider: "p" };

#[test]
fn handles_are_send_sync_and_clone() {
    fn check<T: Send + Sync + Clone + 'static>() {}
    check::<AgentThread>();
    check::<Turn>();
    check::<Inference>();
    check::<ToolCall>();
    check::<CodeCell>();
    check::<Compaction>();
    check::<AnyOperation>();
    check::<Recorder>();
}

#[test]
fn request_id_is_absent_unless_it_is_known_that_there_is_none() {
    let bundle = record_one(|| {
        let turn = AgentThread::start(ThreadMeta::new()).turn(None);
        for is_known in [false, true] {
            let inference = turn.inference(MODEL);
            if is_known {
                inference.no_upstream_request_id();
            }
            inference.response(Json(&json!({ "output_items": [] })));
            inference.complete();
        }
    });
    let recorded: Vec<_> =
        bundle.events("inference_completed").iter().map(|event| event.get("upstream_request_id")).collect();
    assert_eq!(recorded, [None, Some(&Value::Null)]);
}

#[test]
fn inference_call_is_written_with_payloads_ids_and_usage() {
    let bundle = record_one(|| {
        let turn = AgentThread::start(ThreadMeta::new().id("t")).turn(Some("u".into()));
        let inference = turn.inference(MODEL);
        inference.request(Json(&json!({ "input": [1] })));
        inference.first_token();
        inference.usage(Usage {
            input_tokens: 9,
            cached_input_tokens: 1,
            cache_write_input_tokens: 4,
            cache_write_1h_input_tokens: 0,
            output_tokens: 3,
            reasoning_output_tokens: 2,
        });
        inference.response_id("resp");
        inference.upstream_request_id("req");
        inference.response(Json(&json!({ "output_items": [2] })));
        inference.complete();
    });
    let [started, completed] = ["inference_started", "inference_completed"].map(|name| bundle.event(name));
    assert_eq!([&started["thread_id"], &started["codex_turn_id"]], ["t", "u"]);
    assert_eq!([&started["model"], &started["provider_name"]], ["m", "p"]);
    assert_eq!(bundle.payload_json(&started["request_payload"]), json!({ "input": [1] }));
    assert_eq!(completed["inference_call_id"], started["inference_call_id"]);
    assert_eq!([&completed["response_id"], &completed["upstream_request_id"]], ["resp", "req"]);
    assert!(completed["first_token_at_unix_ms"].is_i64());
    assert_eq!(
        completed["usage"],
        json!({
            "input_tokens": 9, "cached_input_tokens": 1, "cache_write_input_tokens": 4, "output_tokens": 3,
            "reasoning_output_tokens": 2,
        })
    );
    assert_eq!(bundle.payload_json(&completed["response_payload"]), json!({ "output_items": [2] }));
    let is_inference_event = |line: &&Value| line["payload"]["inference_call_id"].is_string();
    for line in bundle.lines.iter().filter(is_inference_event) {
        assert_eq!([&line["thread_id"], &line["codex_turn_id"]], ["t", "u"]);
    }
}

#[test]
fn tool_call_is_written_with_arguments_runtime_and_result() {
    let arguments = format!("{{\"cmd\":\"{}\"}}", "é".repeat(200));
    let bundle = record_one(|| {
        let turn = AgentThread::start(ThreadMeta::new()).turn(None);
        let tool = turn.tool_call(ToolCallMeta::new("exec_command").id("c").arguments(&arguments));
        tool.runtime_started(Json(&json!({ "call_id": "c" })));
        tool.runtime_ended(ExecutionStatus::Failed, Json(&json!({ "exit_code": 1 })));
        tool.output("done");
    });
    let started = bundle.event("tool_call_started");
    assert_eq!([&started["tool_call_id"], &started["model_visible_call_id"]], ["c", "c"]);
    assert_eq!([&started["kind"]["type"], &started["requester"]["type"]], ["exec_command", "model"]);
    let preview = format!("{}...", arguments.chars().take(160).collect::<String>());
    assert_eq!(
        started["summary"],
        json!({ "type": "generic", "label": "exec_command", "input_preview": preview, "output_preview": null })
    );
    let invocation = json!({ "tool_name": "exec_command", "tool_namespace": null,
                             "payload": { "type": "function", "arguments": arguments } });
    assert_eq!(bundle.payload_json(&started["invocation_payload"]), invocation);
    assert_eq!(
        bundle.payload_json(&bundle.event("tool_call_runtime_started")["runtime_payload"]),
        json!({ "call_id": "c" })
    );
    assert_eq!(bundle.event("tool_call_runtime_ended")["status"], "failed");
    let ended = bundle.event("tool_call_ended");
    assert_eq!((&ended["status"], &ended["error"]), (&json!("completed"), &Value::Null));
    let item = json!({ "type": "function_call_output", "call_id": "c", "output": "done" });
    assert_eq!(
        bundle.payload_json(&ended["result_payload"]),
        json!({ "type": "direct_response", "response_item": item })
    );
}

#[test]
fn duplicate_call_id_is_numbered_and_missing_one_generated() {
    let bundle = record_one(|| {
        let turn = AgentThread::start(ThreadMeta::new()).turn(None);
        for call in [
            ToolCallMeta::new("n").id("c"),
            ToolCallMeta::new("n").id("c"),
            ToolCallMeta::new("n"),
            ToolCallMeta::new("n"),
        ] {
            drop(turn.tool_call(call));
        }
        let mcp = ToolKind::Mcp { server: "s".into(), tool: "find".into() };
        drop(turn.tool_call(ToolCallMeta::new("find").id("c").kind(mcp)));
    });
    let started = bundle.events("tool_call_started");
    let ids: Vec<_> = started.iter().map(|started| started["tool_call_id"].as_str().unwrap()).collect();
    assert_eq!([ids[0], ids[1], ids[4]], ["c", "c#2", "c#3"]);
    assert_ne!(ids[2], ids[3]);
    assert_eq!(started.iter().filter(|started| started["model_visible_call_id"] == "c").count(), 3);
    assert_eq!(started[4]["summary"]["label"], "mcp:s:find");
    assert_eq!(started[4]["kind"], json!({ "type": "mcp", "server": "s", "tool": "find" }));
}

#[test]
fn thread_metadata_is_written() {
    let bundle = record_one(|| {
        let meta = ThreadMeta::new().id("t").agent_name("Coder").agent_role("worker").model("m", "p");
        let thread =
            AgentThread::start(meta.cwd("/w").session_source("cli").approval_policy("never").sandbox_policy("none"));
        thread.record_payload(PayloadKind::ProtocolEvent, Json(&1));
    });
    let started = bundle.event("thread_started");
    assert_eq!([&started["thread_id"], &started["agent_path"]], ["t", "/root"]);
    assert_eq!(
        bundle.payload_json(&started["metadata_payload"]),
        json!({ "thread_id": "t", "agent_path": "/root", "task_name": null, "nickname": "Coder", "agent_role": "worker",
                "session_source": "cli", "cwd": "/w", "rollout_path": null, "model": "m", "provider_name": "p",
                "approval_policy": "never", "sandbox_policy": "none" })
    );
    let other = bundle.event("other");
    assert_eq!(other["payloads"][0]["kind"]["type"], "protocol_event");
    assert_eq!(bundle.payload_json(&other["payloads"][0]), 1);
}

#[test]
fn thread_spawned_by_a_tool_is_in_its_parents_bundle() {
    let bundle = record_one(|| {
        let root = AgentThread::start(ThreadMeta::new().id("root"));
        let tool = root.turn(None).tool_call(ToolCallMeta::new("spawn_agent").id("c"));
        let child = tool.spawn_thread(ThreadMeta::new().id("child").agent_name("Find Bugs"));
        let grandchild =
            child.span().in_scope(|| AgentThread::start(ThreadMeta::new().id("grandchild").agent_path("/root/x")));
        assert_eq!([child.bundle(), grandchild.bundle()], [root.bundle(), root.bundle()]);
        drop(grandchild.turn(None));
    });
    let [root, child, grandchild] = bundle.events("thread_started")[..] else { panic!("{:?}", bundle.event_names()) };
    assert_eq!([&root["agent_path"], &child["agent_path"]], ["/root", "/root/find_bugs"]);
    assert_eq!([&child["thread_id"], &grandchild["agent_path"]], ["child", "/root/x"]);
    assert_eq!(root["metadata_payload"], Value::Null);
    let spawn = |started: &Value| {
        bundle.payload_json(&started["metadata_payload"])["session_source"]["subagent"]["thread_spawn"].clone()
    };
    assert_eq!((&spawn(child)["parent_thread_id"], &spawn(child)["depth"]), (&json!("root"), &json!(1)));
    assert_eq!((&spawn(grandchild)["parent_thread_id"], &spawn(grandchild)["depth"]), (&json!("child"), &json!(2)));
    assert_eq!(bundle.events("rollout_ended").len(), 1);
}

#[test]
fn ids_already_used_in_the_bundle_are_numbered() {
    let bundle = record_one(|| {
        let root = AgentThread::start(ThreadMeta::new().id("root"));
        let tool = root.turn(Some("turn-1".into())).tool_call(ToolCallMeta::new("spawn_agent"));
        for _ in 0..2 {
            let child = tool.spawn_thread(ThreadMeta::new().id("child"));
            drop(child.turn(Some("turn-1".into())).inference(Model { name: "m", provider: "p" }));
        }
    });
    let ids =
        |event: &str, id: &str| -> Vec<Value> { bundle.events(event).iter().map(|event| event[id].clone()).collect() };
    assert_eq!(ids("thread_started", "thread_id"), ["root", "child", "child#2"]);
    assert_eq!(ids("codex_turn_started", "codex_turn_id"), ["turn-1", "turn-1#2", "turn-1#3"]);
    assert_eq!(ids("inference_started", "codex_turn_id"), ["turn-1#2", "turn-1#3"]);
    assert_eq!(ids("codex_turn_ended", "codex_turn_id").len(), 3);
}

#[test]
fn non_json_bytes_of_a_tool_are_kept_in_other_events() {
    for store in [Store::Files, Store::Pack] {
        for durability in [Durability::PageCache, Durability::Buffered] {
            let root = tempfile::tempdir().unwrap();
            let builder = Recorder::builder().root(root.path()).no_parent().store(store).durability(durability);
            let (recorder, guard) = builder.build().unwrap();
            run_recorded(&recorder, || {
                let tool = AgentThread::start(ThreadMeta::new()).turn(None).tool_call(ToolCallMeta::new("n"));
                tool.runtime_started(Exact(b"no JSON"));
                tool.result(Exact(b"\xff\xfe"));
            });
            drop(guard);
            let bundle = bundles(root.path()).remove(0);
            let references: Vec<_> = bundle.events("other").iter().map(|other| other["payloads"][0].clone()).collect();
            let ended = bundle.event("tool_call_ended");
            let named = [&bundle.event("tool_call_runtime_started")["runtime_payload"], &ended["result_payload"]];
            for ((named, reference), bytes) in named.iter().zip(&references).zip([&b"no JSON"[..], b"\xff\xfe"]) {
                assert_eq!(bundle.payload_bytes(reference), bytes);
                assert_eq!(bundle.payload_json(named), json!({ "otel_trace.bytes": reference["raw_payload_id"] }));
            }
            assert_eq!((references.len(), &ended["status"]), (2, &json!("completed")));
            assert_ne!(references[0]["raw_payload_id"], references[1]["raw_payload_id"]);
        }
    }
}

#[test]
fn agents_with_equal_names_get_distinct_paths() {
    let bundle = record_one(|| {
        let tool =
            AgentThread::start(ThreadMeta::new().id("root")).turn(None).tool_call(ToolCallMeta::new("spawn_agent"));
        for name in ["Helper", "helper", "", "helper", "helper 2"] {
            drop(tool.spawn_thread(ThreadMeta::new().agent_name(name)));
        }
    });
    let paths: Vec<_> =
        bundle.events("thread_started")[1..].iter().map(|started| started["agent_path"].clone()).collect();
    let steps = ["helper", "helper_2", "agent", "helper_3", "helper_2_2"];
    assert_eq!(paths, steps.map(|step| Value::from(format!("/root/{step}"))));
}

#[test]
fn unrelated_threads_get_a_bundle_each() {
    let bundles = record(|| {
        let [a, b] = ["a", "b"].map(|id| AgentThread::start(ThreadMeta::new().id(id)));
        drop((a.turn(None), b.turn(None)));
    });
    assert_eq!(bundles.len(), 2);
    for (bundle, id) in bundles.iter().zip(["a", "b"]) {
        assert_eq!(bundle.event("rollout_started")["root_thread_id"], id);
        assert_eq!(bundle.event("codex_turn_started")["thread_id"], id);
    }
}

#[test]
fn clone_ends_its_operation_once_from_another_thread() {
    let bundle = record_one(|| {
        let turn = AgentThread::start(ThreadMeta::new()).turn(None);
        let tool = turn.tool_call(ToolCallMeta::new("n"));
        let clone = tool.clone();
        thread::spawn(move || clone.fail("first")).join().unwrap();
        tool.complete();
        tool.cancel("third");
    });
    let ended = bundle.event("tool_call_ended");
    assert_eq!([&ended["status"], &ended["error"]], ["failed", "first"]);
}

#[test]
fn operation_ends_with_its_last_clone() {
    let bundle = record_one(|| {
        let turn = AgentThread::start(ThreadMeta::new()).turn(None);
        let [first, second] = ["first", "second"].map(|name| turn.tool_call(ToolCallMeta::new(name).id(name)));
        drop(first.clone());
        drop(second);
        drop(first);
    });
    let ended: Vec<_> = bundle.events("tool_call_ended").iter().map(|ended| ended["tool_call_id"].clone()).collect();
    assert_eq!(ended, ["second", "first"]);
}

#[test]
fn handle_works_under_a_foreign_current_subscriber() {
    let (root, recorder, guard) = recorder();
    let thread = run_recorded(&recorder, || AgentThread::start(ThreadMeta::new().id("t")));
    let everything = |name: &'static str| {
        let thread = thread.clone();
        move || {
            let tool = thread.turn(Some(name.into())).tool_call(ToolCallMeta::new(name).id(name));
            drop(tool.spawn_thread(ThreadMeta::new().id(name)));
            thread.turn(None).inference(MODEL).request(Json(&1));
        }
    };
    thread::spawn(everything("without")).join().unwrap();
    let (other_root, other, other_guard) = crate::common::recorder();
    run_recorded(&other, everything("elsewhere"));
    run_recorded(&recorder, everything("here"));
    drop(thread);
    drop((guard, other_guard));
    assert_eq!(bundles(other_root.path()).len(), 0);
    let bundle = &bundles(root.path())[0];
    let counts = ["thread_started", "codex_turn_started", "inference_started", "tool_call_ended"];
    assert_eq!(counts.map(|name| bundle.events(name).len()), [4, 6, 3, 3]);
}

#[test]
fn non_json_bytes_of_a_call_become_wire_payloads() {
    let bundle = record_one(|| {
        let inference = AgentThread::start(ThreadMeta::new()).turn(None).inference(MODEL);
        inference.request(Exact(b"multipart\n"));
        inference.request(Exact(b"{\"input\":[]}"));
        inference.response(Exact(b"data: {}\n\n"));
        inference.response(Json(&json!({ "output_items": [] })));
    });
    let started = bundle.event("inference_started");
    assert_eq!(
        [&started["wire_payload"]["path"], &started["request_payload"]["path"]],
        ["payloads/1.bin", "payloads/2.json"]
    );
    let completed = bundle.event("inference_completed");
    assert_eq!(
        [&completed["wire_payload"]["path"], &completed["response_payload"]["path"]],
        ["payloads/3.bin", "payloads/4.json"]
    );
    assert_eq!(bundle.events("other").len(), 0);
}

#[test]
fn payload_without_a_field_in_an_event_gets_its_own_event() {
    let bundle = record_one(|| {
        let turn = AgentThread::start(ThreadMeta::new()).turn(None);
        let inference = turn.inference(MODEL);
        inference.record_payload(PayloadKind::InferenceRequest, Json(&"1"));
        inference.request(Json(&"2"));
        inference.response(Json(&"3"));
        inference.record_payload(PayloadKind::InferenceResponse, Json(&"4"));
        inference.complete();
        inference.response(Json(&"5"));
        let tool = turn.tool_call(ToolCallMeta::new("n").id("c"));
        tool.record_payload(PayloadKind::ToolResult, Json(&"6"));
        tool.result(Json(&"7"));
        tool.record_payload(PayloadKind::TerminalRuntimeEvent, Json(&"8"));
        tool.complete();
        tool.result(Json(&"9"));
        turn.record_payload(PayloadKind::AgentResult, Json(&"10"));
    });
    let others = bundle.events("other");
    let bodies: Vec<_> = others.iter().map(|other| bundle.payload_json(&other["payloads"][0])).collect();
    assert_eq!(bodies, ["2", "3", "5", "6", "8", "9", "10"]);
    let id = &bundle.event("inference_started")["inference_call_id"];
    assert!(others[..3].iter().all(|other| &other["metadata"]["inference_call_id"] == id));
    assert!(others[3..6].iter().all(|other| other["metadata"]["tool_call_id"] == "c"));
    assert_eq!(bundle.payload_json(&bundle.event("inference_completed")["response_payload"]), "4");
    assert_eq!(bundle.payload_json(&bundle.event("tool_call_ended")["result_payload"]), "7");
}

#[test]
fn terminal_session_outliving_its_call_is_recorded() {
    let bundle = record_one(|| {
        let tool =
            AgentThread::start(ThreadMeta::new()).turn(None).tool_call(ToolCallMeta::new("exec_command").id("c"));
        tool.runtime_started(Json(&1));
        tool.output("still running");
        tool.complete();
        tool.runtime_ended(ExecutionStatus::Completed, Json(&2));
    });
    let position = |name| bundle.event_names().iter().position(|other| *other == name).unwrap();
    assert!(position("tool_call_ended") < position("tool_call_runtime_ended"));
}

/// A value whose `Display` implementation panics.
struct Panics;

impl fmt::Display for Panics {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("planted")
    }
}

#[test]
fn panicking_reason_still_ends_the_operation() {
    let bundle = record_one(|| {
        let thread = AgentThread::start(ThreadMeta::new());
        thread.turn(None).fail(Panics);
        thread.cancel(Panics);
    });
    assert_eq!(bundle.event("codex_turn_ended")["status"], "failed");
    assert_eq!(bundle.event("thread_ended")["status"], "aborted");
}
