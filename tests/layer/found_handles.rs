//! Tests of handles that a program finds by the id of a thread or a turn, and of conversations that a recorder keeps open.

use std::collections::HashMap;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use otel_trace::event::{CellStatus, ExecutionStatus, RolloutStatus};
use otel_trace::{AgentThread, CodeCellMeta, Json, Model, Operation, Recorder, SpanExt, ThreadMeta, ToolCallMeta};
use serde_json::json;
use tempfile::TempDir;
use tracing::info_span;
use tracing_subscriber::prelude::*;

use crate::common::{Bundle, bundles, graph, recorder, run_recorded, wait_until};

/// Records a program that finds handles through its recorder, and returns its bundles.
fn record(program: impl FnOnce(&Recorder)) -> (TempDir, Vec<Bundle>) {
    let (root, recorder, guard) = recorder();
    run_recorded(&recorder, || program(&recorder));
    drop(guard);
    assert_eq!(recorder.stats().lost(), 0, "{:?}", recorder.stats());
    let bundles = bundles(root.path());
    (root, bundles)
}

fn model() -> Model<'static> {
    Model { name: "m", provider: "p" }
}

/// Returns the ids and statuses of the turns of a bundle, as `id status`.
fn turns(bundle: &Bundle) -> Vec<String> {
    let turns = graph(&bundle.path).turns;
    turns.iter().map(|turn| format!("{} {:?}", turn.turn_id, turn.execution.status)).collect()
}

#[test]
fn a_map_of_ids_finds_what_was_kept_open() {
    let (_root, bundles) = record(|recorder| {
        let mut pending = HashMap::new();
        for (request, (conversation, turn)) in [("a", "t1"), ("b", "t1"), ("a", "t2")].into_iter().enumerate() {
            let thread = recorder.find_thread(conversation).unwrap_or_else(|| {
                let thread = AgentThread::start(ThreadMeta::new().id(conversation));
                thread.keep_open();
                thread
            });
            thread.turn(Some(turn.into())).keep_open();
            pending.insert(request, (conversation, turn));
        }
        for request in [1, 2, 0] {
            let (conversation, turn) = pending[&request];
            let turn = recorder.find_thread(conversation).and_then(|thread| thread.find_turn(turn)).unwrap();
            let call = turn.inference(model());
            call.request(Json(&json!({"input": []})));
            call.response(Json(&json!({"output_items": []})));
            call.complete();
            turn.complete();
        }
        for conversation in ["a", "b"] {
            recorder.find_thread(conversation).unwrap().complete();
            assert!(recorder.find_thread(conversation).is_none());
        }
    });
    let [a, b] = &bundles[..] else { panic!("{} bundles", bundles.len()) };
    assert_eq!(turns(a), ["t1 Completed", "t2 Completed"]);
    assert_eq!(turns(b), ["t1 Completed"]);
    for bundle in [a, b] {
        assert_eq!(bundle.event("rollout_ended")["status"], "completed");
        let graph = graph(&bundle.path);
        assert!(graph.inference_calls.iter().all(|call| graph.turns.get(&call.turn_id).is_some()));
    }
}

/// Handles a request of a web client, which names a conversation and a call. The program holds no handle between requests.
fn handle_request(recorder: &Recorder, conversation: &str, call: &str, is_answer: bool) -> bool {
    let thread = recorder.conversation(conversation, ThreadMeta::new());
    if !is_answer {
        let turn = thread.turn(None);
        turn.tool_call(ToolCallMeta::new("approve").id(call)).keep_open();
        turn.keep_open();
        return true;
    }
    let Some(tool) = thread.find_tool_call(call) else { return false };
    let turn = thread.find_turn(tool.ids().turn.unwrap().as_str());
    tool.runtime_started(Json(&json!({"call_id": call})));
    tool.output(&format!("result of {call}"));
    tool.complete();
    turn.unwrap().complete();
    true
}

#[test]
fn calls_are_found_by_the_ids_in_requests() {
    let (_root, bundles) = record(|recorder| {
        // Providers number the calls of each message: both conversations have a `call_1`.
        for (conversation, call) in [("a", "call_1"), ("b", "call_1"), ("a", "call_2")] {
            assert!(handle_request(recorder, conversation, call, false));
        }
        for (conversation, call) in [("a", "call_2"), ("b", "call_1"), ("a", "call_1")] {
            assert!(handle_request(recorder, conversation, call, true));
        }
        assert!(!handle_request(recorder, "a", "call_3", true));
        // A call that was answered is not found after its turn.
        assert!(!handle_request(recorder, "a", "call_1", true));
    });
    let [a, b] = &bundles[..] else { panic!("{} bundles", bundles.len()) };
    for (bundle, calls) in [(a, &["call_1", "call_2"][..]), (b, &["call_1"])] {
        let graph = graph(&bundle.path);
        assert_eq!(graph.turns.len(), calls.len());
        for call in calls {
            let tool = graph.tool_calls.iter().find(|tool| tool.tool_call_id.as_str() == *call).unwrap();
            assert_eq!(tool.execution.status, ExecutionStatus::Completed);
            let ended = bundle.events("tool_call_ended");
            let ended = ended.iter().find(|event| event["tool_call_id"] == *call).unwrap();
            let result = bundle.payload_json(&ended["result_payload"]);
            assert_eq!(result["response_item"]["output"], format!("result of {call}"));
        }
    }
}

#[test]
fn ended_calls_are_found_until_their_turns_end() {
    let (_root, bundles) = record(|recorder| {
        let thread = AgentThread::start(ThreadMeta::new().id("t"));
        let turn = thread.turn(None);
        let call = |text: &str| {
            let tool = turn.tool_call(ToolCallMeta::new("n").id("c"));
            tool.output(text);
            tool
        };
        let [first, second] = [call("1"), call("2")];
        let found =
            || recorder.find_thread("t")?.find_tool_call("c").map(|tool| tool.ids().tool_call.unwrap().to_string());
        assert_eq!(found().as_deref(), Some("c#2"));
        second.complete();
        assert_eq!(found().as_deref(), Some("c"));
        first.complete();
        drop((first, second));
        // What comes late is evidence too.
        let late = thread.find_tool_call("c").unwrap();
        assert_eq!(late.ids().tool_call.unwrap().as_str(), "c#2");
        late.runtime_ended(ExecutionStatus::Failed, Json(&json!({})));
        late.complete();
        let cell = turn.code_cell(CodeCellMeta::new("run()").id("1").call_id("x"));
        cell.keep_open();
        drop(cell);
        thread.find_code_cell("1").unwrap().tool_call(ToolCallMeta::new("nested").id("n")).output("o");
        thread.find_code_cell("1").unwrap().ended(CellStatus::Completed, Json(&json!({})));
        assert!(thread.find_code_cell("2").is_none());
        turn.complete();
        assert!(thread.find_tool_call("c").is_none() && thread.find_code_cell("1").is_none());
    });
    let [bundle] = &bundles[..] else { panic!("{} bundles", bundles.len()) };
    assert_eq!(bundle.event("tool_call_runtime_ended")["tool_call_id"], "c#2");
    assert_eq!(bundle.event("code_cell_ended")["status"], "completed");
    assert_eq!(bundle.events("tool_call_ended").len(), 3);
}

#[test]
fn tools_of_spans_are_found_and_stay_open() {
    let (_root, bundles) = record(|_| {
        let thread = AgentThread::start(ThreadMeta::new().id("t"));
        let turn = thread.turn(None);
        let tool = turn.span().in_scope(|| {
            info_span!(
                "bash",
                gen_ai.operation.name = "execute_tool",
                gen_ai.tool.name = "bash",
                gen_ai.tool.call.id = "c",
                gen_ai.tool.call.arguments = "{}",
                gen_ai.tool.call.result = tracing::field::Empty,
            )
        });
        tool.in_scope(|| {
            let found = thread.find_tool_call("c").unwrap();
            found.mcp_call_id("m");
            drop(found.spawn_thread(ThreadMeta::new().id("child")));
            tool.record("gen_ai.tool.call.result", "by its field");
        });
        drop(tool);
        turn.complete();
    });
    let [bundle] = &bundles[..] else { panic!("{} bundles", bundles.len()) };
    assert_eq!(bundle.event("mcp_tool_call_correlation_assigned")["mcp_call_id"], "m");
    let ended = bundle.event("tool_call_ended");
    assert_eq!(bundle.payload_json(&ended["result_payload"])["response_item"]["output"], "by its field");
    let graph = graph(&bundle.path);
    assert!(graph.edges.iter().any(|edge| edge.kind == otel_trace::graph::EdgeKind::SpawnAgent));
}

#[test]
fn dropped_handles_are_not_found() {
    let (_root, bundles) = record(|recorder| {
        let thread = AgentThread::start(ThreadMeta::new().id("t"));
        let turn = thread.turn(Some("u".into()));
        assert!(recorder.find_thread("t").unwrap().find_turn("u").is_some());
        // What was found was a clone, so the turn has not ended.
        assert_eq!(turn.ids(), thread.find_turn("u").unwrap().ids());
        drop(turn);
        assert!(thread.find_turn("u").is_none());
        assert!(thread.find_turn("v").is_none());
        drop(thread);
        assert!(recorder.find_thread("t").is_none());
        assert!(recorder.find_thread("unknown").is_none());
    });
    assert_eq!(bundles[0].event_names().len(), 6);
}

#[test]
fn the_latest_open_thread_of_an_id_is_found() {
    let (_root, _) = record(|recorder| {
        let [first, second, third] = ["1", "2", "3"].map(|name| {
            let thread = AgentThread::start(ThreadMeta::new().id("same"));
            thread.turn(Some(name.into())).keep_open();
            thread
        });
        let found =
            || recorder.find_thread("same").map(|thread| ["1", "2", "3"].map(|turn| thread.find_turn(turn).is_some()));
        assert_eq!(found(), Some([false, false, true]));
        second.complete();
        assert_eq!(found(), Some([false, false, true]));
        drop(third);
        assert_eq!(found(), Some([true, false, false]));
        drop(first);
        assert_eq!(found(), None);
    });
}

#[test]
fn spawned_threads_are_found_by_the_id_that_they_were_given() {
    let (_root, bundles) = record(|recorder| {
        let root = AgentThread::start(ThreadMeta::new().id("root"));
        let inside = || root.span().in_scope(|| AgentThread::start(ThreadMeta::new().id("worker")));
        let [first, second] = [inside(), inside()];
        assert_eq!(recorder.find_thread("worker").unwrap().ids(), second.ids());
        assert_eq!(recorder.find_thread("worker#2").unwrap().ids(), second.ids());
        drop(second);
        assert_eq!(recorder.find_thread("worker").unwrap().ids(), first.ids());
    });
    assert_eq!(bundles.len(), 1);
}

#[test]
fn kept_operations_end_with_what_is_around_them() {
    let (_root, bundles) = record(|_| {
        let thread = AgentThread::start(ThreadMeta::new().id("t"));
        let turn = thread.turn(Some("u".into()));
        let child = turn.span().in_scope(|| AgentThread::start(ThreadMeta::new().id("child")));
        child.turn(Some("w".into())).keep_open();
        child.keep_open();
        turn.keep_open();
        drop((turn, child));
        thread.complete();
    });
    let [bundle] = &bundles[..] else { panic!("{} bundles", bundles.len()) };
    assert_eq!(turns(bundle), ["u Completed", "w Completed"]);
    let graph = graph(&bundle.path);
    assert!(graph.threads.iter().all(|thread| thread.execution.ended.is_some()));
    assert_eq!(bundle.event_names().last(), Some(&"rollout_ended"));
}

#[test]
fn an_end_by_a_found_handle_counts_and_not_the_drop_of_the_kept_one() {
    let (_root, bundles) = record(|recorder| {
        let thread = AgentThread::start(ThreadMeta::new().id("t"));
        thread.keep_open();
        thread.turn(Some("u".into())).keep_open();
        drop(thread);
        let thread = recorder.find_thread("t").unwrap();
        thread.find_turn("u").unwrap().fail("no answer");
        thread.cancel("the user left");
    });
    assert_eq!(bundles[0].event("codex_turn_ended")["error"], "no answer");
    assert_eq!(bundles[0].event("thread_ended")["error"], "the user left");
}

#[test]
fn threads_of_spans_are_found_and_stay_open() {
    let (_root, bundles) = record(|recorder| {
        let span = info_span!("agent", otel_trace.kind = "thread", gen_ai.conversation.id = "plain");
        span.in_scope(|| {
            let found = recorder.find_thread("plain").unwrap();
            assert!(found.span().is_disabled());
            found.other("note", "found", &json!({}));
            let turn = found.turn(Some("u".into()));
            let tool = turn.tool_call(ToolCallMeta::new("n").id("c"));
            let child = tool.spawn_thread(ThreadMeta::new().id("child"));
            child.complete();
            tool.output("done");
            turn.complete();
        });
        assert!(recorder.find_thread("plain").is_some());
        let chat = info_span!("chat", gen_ai.operation.name = "chat", gen_ai.conversation.id = "supplied");
        chat.in_scope(|| {
            let found = recorder.find_thread("supplied").unwrap();
            found.turn(Some("v".into())).complete();
            found.fail("no more");
        });
        assert!(recorder.find_thread("supplied").is_none());
    });
    let [plain, supplied] = &bundles[..] else { panic!("{} bundles", bundles.len()) };
    assert_eq!(turns(plain), ["u Completed"]);
    let graph = graph(&plain.path);
    let tool = graph.tool_calls.iter().next().unwrap();
    assert!(graph.threads.iter().any(|thread| thread.thread_id.as_str() == "child"));
    assert_eq!(tool.turn_id.as_ref().map(ToString::to_string).as_deref(), Some("u"));
    assert_eq!(supplied.event("rollout_ended")["status"], "failed");
    assert!(turns(supplied).contains(&"v Completed".to_owned()));
}

#[test]
fn a_root_inside_of_another_thread_is_a_run_of_its_own() {
    let (_root, bundles) = record(|_| {
        let outer = AgentThread::start(ThreadMeta::new().id("outer"));
        let turn = outer.turn(None);
        turn.span().in_scope(|| {
            drop(AgentThread::start_root(ThreadMeta::new().id("root").agent_name("a")));
            drop(AgentThread::start(ThreadMeta::new().id("spawned")));
        });
    });
    let [outer, root] = &bundles[..] else { panic!("{} bundles", bundles.len()) };
    assert_eq!(outer.events("thread_started").len(), 2);
    assert_eq!(root.event("thread_started")["thread_id"], "root");
    assert_eq!(root.event("thread_started")["agent_path"], "/root");
}

#[test]
fn calls_of_a_conversation_share_its_thread() {
    let (_root, bundles) = record(|recorder| {
        for id in ["a", "b", "a", "a"] {
            // Also inside of the span of another thread, such as that of the server.
            let server = AgentThread::start(ThreadMeta::new().id("server"));
            server.span().in_scope(|| recorder.conversation(id, ThreadMeta::new()).turn(None).complete());
        }
        // A span that names the conversation belongs to it, too.
        info_span!("turn", otel_trace.kind = "turn", gen_ai.conversation.id = "b").in_scope(|| {});
        // A conversation that the program has ended goes on in another bundle.
        recorder.conversation("b", ThreadMeta::new()).complete();
        recorder.conversation("b", ThreadMeta::new()).turn(None).complete();
    });
    let counts: Vec<_> = bundles
        .iter()
        .map(|bundle| (bundle.manifest["root_thread_id"].as_str().unwrap(), bundle.events("codex_turn_started").len()))
        .filter(|(id, _)| *id != "server")
        .collect();
    let mut sorted = counts.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, [("a", 3), ("b", 1), ("b", 2)]);
    for bundle in &bundles {
        assert_eq!(bundle.event("rollout_ended")["status"], "completed");
    }
}

#[test]
fn concurrent_calls_open_a_conversation_once() {
    /// Number of threads that open each conversation.
    const THREADS: usize = 4;
    let (root, recorder, guard) = recorder();
    let subscriber = tracing::Dispatch::new(tracing_subscriber::registry().with(recorder.layer()));
    let barrier = Barrier::new(THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                tracing::dispatcher::with_default(&subscriber, || {
                    for n in 0..20 {
                        barrier.wait();
                        recorder.conversation(&format!("c{n:02}"), ThreadMeta::new()).turn(None).complete();
                    }
                });
            });
        }
    });
    drop(guard);
    assert_eq!(recorder.stats().lost(), 0);
    let bundles = bundles(root.path());
    assert_eq!(bundles.len(), 20);
    for bundle in bundles {
        let graph = graph(&bundle.path);
        assert_eq!(graph.status, RolloutStatus::Completed);
        assert_eq!((graph.threads.len(), graph.turns.len()), (1, THREADS));
    }
}

#[test]
fn an_idle_conversation_ends_unless_a_handle_is_held() {
    let root = tempfile::tempdir().unwrap();
    let idle = Duration::from_millis(20);
    let (recorder, guard) = Recorder::builder().root(root.path()).no_parent().conversation_idle(idle).build().unwrap();
    run_recorded(&recorder, || {
        let held = recorder.conversation("held", ThreadMeta::new());
        held.turn(None).complete();
        // No turn is ever opened in this one.
        drop(recorder.conversation("unused", ThreadMeta::new()));
        let busy = recorder.conversation("busy", ThreadMeta::new()).turn(None);
        let count = |id: &str| {
            let is_ended = |bundle: &&Bundle| {
                bundle.manifest["root_thread_id"] == id && !bundle.events("rollout_ended").is_empty()
            };
            bundles(root.path()).iter().filter(is_ended).count()
        };
        for n in 1..=3 {
            recorder.conversation("short", ThreadMeta::new()).turn(None).complete();
            wait_until(|| count("short") == n);
        }
        wait_until(|| count("unused") == 1);
        assert_eq!((count("held"), count("busy")), (0, 0));
        drop((held, busy));
        wait_until(|| (count("held"), count("busy")) == (1, 1));
    });
    drop(guard);
    assert_eq!(recorder.stats().lost(), 0);
    assert_eq!(bundles(root.path()).len(), 6);
}

#[test]
fn nothing_is_found_or_opened_without_a_layer() {
    let (root, recorder, guard) = recorder();
    let thread = recorder.conversation("c", ThreadMeta::new());
    assert!(!thread.is_recording());
    thread.keep_open();
    assert!(thread.find_turn("t").is_none() && recorder.find_thread("c").is_none());
    drop(guard);
    run_recorded(&recorder, || {
        assert!(!recorder.conversation("c", ThreadMeta::new()).is_recording());
        assert!(recorder.find_thread("c").is_none());
    });
    assert!(bundles(root.path()).is_empty());
}

#[test]
fn of_two_open_turns_with_one_id_the_later_is_found_and_then_the_earlier() {
    record(|_| {
        let thread = AgentThread::start(ThreadMeta::new());
        let id = || Some("turn 1".into());
        let (earlier, later) = (thread.turn(id()), thread.turn(id()));
        let found = || thread.find_turn("turn 1").map(|turn| turn.ids().turn);
        assert_eq!(found(), Some(later.ids().turn));
        later.complete();
        assert_eq!(found(), Some(earlier.ids().turn));
        earlier.complete();
        assert_eq!(found(), None);
        // In the other order.
        let (earlier, later) = (thread.turn(id()), thread.turn(id()));
        earlier.complete();
        assert_eq!(found(), Some(later.ids().turn));
        // A plain span names the turn, too.
        let tool = info_span!(parent: thread.span(), "tool", gen_ai.operation.name = "execute_tool",
            otel_trace.turn.id = "turn 1");
        tool.in_scope(|| {});
        assert_eq!(tool.otel_trace().ids().turn, later.ids().turn);
    });
}
