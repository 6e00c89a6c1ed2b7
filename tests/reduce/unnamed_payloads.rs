//! Payloads that a process stored before it was killed, and that no event names.

use std::fs;
use std::path::{Path, PathBuf};

use otel_trace::bundle::Reader;
use otel_trace::event::{ExecutionStatus, PayloadKind, RawPayloadId};
use otel_trace::graph::{Code, Graph};
use otel_trace::reduce::{Options, reduce};
use otel_trace::rewrite::convert;
use otel_trace::{AgentThread, Json, Model, Operation, Recorder, Store, ThreadMeta, ToolCallMeta};
use serde_json::{Value, json};
use tempfile::TempDir;
use tracing_subscriber::prelude::*;

use crate::case::{Case, call, codes, exec, function_call, function_output, item, request_items, response_items};
use crate::case::{tool, user};
use crate::shapes::render_item;

/// Returns the answer in the fields of a span.
fn answer(text: &str) -> Value {
    let messages = json!([{ "role": "assistant", "parts": [{ "type": "text", "content": text }] }]);
    json!({ "gen_ai.output.messages": messages, "gen_ai.response.id": format!("resp-{text}"),
            "gen_ai.usage.input_tokens": 5, "gen_ai.usage.output_tokens": 7 })
}

/// Returns what a model that was asked in the fields of a span was told.
fn question(text: &str) -> Value {
    json!({ "gen_ai.input.messages": [{ "role": "user", "parts": [{ "type": "text", "content": text }] }] })
}

/// Returns the result that a tool returned to a model.
fn result(call: &str, text: &str) -> Value {
    json!({ "type": "direct_response", "response_item": function_output(call, text) })
}

/// Returns the seqs and the payloads of the notices of unnamed payloads.
fn notices(graph: &Graph) -> Vec<(Option<u64>, Option<&str>)> {
    let found = graph.diagnostics.iter().filter(|found| found.code == Code::UnnamedPayload);
    found.map(|it| (it.seq.map(|seq| seq.0), it.raw_payload_id.as_ref().map(RawPayloadId::as_str))).collect()
}

fn texts(graph: &Graph, call: &str) -> Vec<String> {
    response_items(graph, call).iter().map(|number| render_item(item(graph, *number))).collect()
}

#[test]
fn an_answer_without_an_end_is_that_of_its_call() {
    let mut case = Case::new();
    let start = case.request_body("a", question("1"));
    case.body("inference_response", answer("2"));
    let graph = case.check_strict(&[Code::UnnamedPayload]);
    assert_eq!(notices(&graph), [(Some(start), Some("raw_payload:2"))]);
    assert_eq!(texts(&graph, "a"), ["assistant message: 2"]);
    let call = call(&graph, "a");
    assert_eq!((call.execution.status, call.execution.ended), (ExecutionStatus::Running, None));
    assert_eq!(call.response_id.as_ref().unwrap().as_str(), "resp-2");
    assert_eq!(call.usage.unwrap().output_tokens, 7);
    let payload = graph.raw_payloads.get(call.raw_response_payload_id.as_ref().unwrap()).unwrap();
    assert_eq!(
        (payload.path.as_str(), payload.kind.known()),
        ("payloads/2.json", Some(PayloadKind::InferenceResponse))
    );
    assert!(call.evidence.as_slice().contains(&(otel_trace::event::Seq(start), Some("raw_payload:2".into()))));
}

#[test]
fn an_answer_without_content_gives_the_call_its_usage() {
    let mut case = Case::new();
    case.request_body("a", question("1"));
    case.body("inference_response", json!({ "gen_ai.usage.input_tokens": 5, "gen_ai.usage.output_tokens": 7 }));
    let graph = case.check(&[Code::ResponseUnknown, Code::UnnamedPayload].map(|it| it));
    assert_eq!(call(&graph, "a").usage.unwrap().input_tokens, 5);
}

#[test]
fn the_last_answer_of_a_call_counts() {
    let mut case = Case::new();
    case.request_body("a", question("1"));
    case.body("inference_response", answer("2"));
    case.body("inference_response", answer("3"));
    let graph = case.check(&[Code::UnnamedPayload; 2]);
    assert_eq!(texts(&graph, "a"), ["assistant message: 3"]);
}

#[test]
fn of_two_calls_that_may_have_the_answer_none_has_it() {
    let mut case = Case::new();
    case.request_body("a", question("1"));
    case.request_body("b", question("1"));
    case.body("inference_response", answer("2"));
    let graph = case.check_strict(&[Code::UnnamedPayload]);
    assert_eq!(notices(&graph), [(None, Some("raw_payload:3"))]);
    assert!(graph.inference_calls.iter().all(|call| call.raw_response_payload_id.is_none()));
}

#[test]
fn an_answer_that_was_stored_before_a_call_is_not_its_own() {
    let mut case = Case::new();
    case.request_body("a", question("1"));
    case.body("inference_response", answer("2"));
    let mut later = question("1");
    let messages = later["gen_ai.input.messages"].as_array_mut().unwrap();
    messages.push(answer("2")["gen_ai.output.messages"][0].clone());
    case.request_body("b", later);
    let graph = case.check(&[Code::UnnamedPayload]);
    assert_eq!(texts(&graph, "a"), ["assistant message: 2"]);
    // It was stored before the request that repeats it.
    assert_eq!(request_items(&graph, "b")[1..], response_items(&graph, "a"));
}

#[test]
fn ended_operations_and_ended_runs_have_no_further_payloads() {
    let mut case = Case::new();
    case.request_body("a", question("1"));
    case.body("inference_response", answer("2"));
    case.response_body("a", answer("2"));
    case.check(&[]);
    // Of the call that is open, the payload cannot be: it has the id of the response that has ended another.
    case.request_body("b", question("2"));
    case.body("inference_response", json!({ "gen_ai.response.id": "resp-a" }));
    case.check(&[]);
    case.body("inference_response", answer("3"));
    case.check(&[Code::UnnamedPayload]);
    case.event(json!({ "type": "rollout_ended", "status": "completed" }));
    case.check(&[]);
}

#[test]
fn an_open_compaction_may_have_the_answer_too() {
    let mut case = Case::new();
    case.request_body("a", question("1"));
    let request = case.body("compaction_request", question("1"));
    case.event(json!({
        "type": "compaction_request_started", "compaction_id": "k", "compaction_request_id": "r", "thread_id": "t",
        "codex_turn_id": "u", "model": "m", "provider_name": "p", "request_payload": request,
    }));
    case.body("inference_response", answer("2"));
    let graph = case.check(&[Code::UnnamedPayload]);
    assert!(call(&graph, "a").response_item_ids.is_empty());
}

#[test]
fn a_result_without_an_end_is_that_of_the_tool_with_its_call_id() {
    let mut case = Case::new();
    case.request("a", [user("1")]);
    case.response("a", [function_call("c"), function_call("d")]);
    let start = case.tool("x", Some("c"), exec(), None);
    case.tool("y", Some("d"), exec(), None);
    case.body("tool_result", result("c", "out"));
    let graph = case.check_strict(&[Code::UnnamedPayload]);
    assert_eq!(notices(&graph), [(Some(start), Some("raw_payload:3"))]);
    let found = tool(&graph, "x");
    assert_eq!(found.raw_result_payload_id, Some("raw_payload:3".into()));
    assert_eq!(found.execution.status, ExecutionStatus::Running);
    assert_eq!(tool(&graph, "y").raw_result_payload_id, None);
    // Another tool call has the id too.
    case.thread("v", "/root/v");
    case.turn("w", "v");
    case.tool_in(("v", "w"), "z", Some("d"), exec(), None);
    case.body("tool_result", result("d", "out"));
    let graph = case.check(&[Code::UnnamedPayload; 2]);
    assert_eq!(notices(&graph)[0], (None, Some("raw_payload:4")));
    assert_eq!(tool(&graph, "z").raw_result_payload_id, None);
}

#[test]
fn an_answer_counts_before_chunks() {
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [] }));
    case.chunk("a", 1, b"data: {\"choices\":[{\"delta\":{\"content\":\"par\"}}]}\n\n");
    case.body("inference_response", answer("2"));
    let graph = case.check(&[Code::UnnamedPayload]);
    assert_eq!(texts(&graph, "a"), ["assistant message: 2"]);
    assert!(call(&graph, "a").raw_response_chunk_ids.is_empty());
}

#[test]
fn what_is_no_answer_is_reported_and_left_out() {
    let cut = answer("2").to_string();
    let bodies = [
        &cut.as_bytes()[..40],
        b"",
        b"[1]",
        b"\xff",
        br#"{"messages":[]}"#,
        br#"{"type":"direct_response","response_item":{"output":"no id"}}"#,
        br#"{"otel_trace.truncated":{"head":"{\"gen_ai.output.messages\":","tail":""}}"#,
        br#"{"gen_ai.output.messages":5}"#,
    ];
    for body in bodies {
        let mut case = Case::new();
        case.request_body("a", question("1"));
        case.tool("x", Some("c"), exec(), None);
        case.body_bytes("inference_response", body);
        let graph = case.check_strict(&[Code::UnnamedPayload]);
        assert_eq!(notices(&graph), [(None, None)]);
        assert!(graph.diagnostics[0].message.contains("payloads/2.json"), "{:?}", graph.diagnostics);
        assert_eq!((call(&graph, "a").raw_response_payload_id.as_ref(), graph.raw_payloads.len()), (None, 1));
    }
}

#[test]
fn other_files_are_no_payloads() {
    let mut case = Case::new();
    case.request_body("a", question("1"));
    let payloads = case.path().join("payloads");
    for name in ["02.json", "x.json", "2.txt", "2.json~", "+2.json", ".2.json", "99999999999999999999.json"] {
        fs::write(payloads.join(name), answer("2").to_string()).unwrap();
    }
    fs::create_dir(payloads.join("3.json")).unwrap();
    case.check(&[]);
}

#[cfg(unix)]
#[test]
fn no_link_is_followed() {
    let mut case = Case::new();
    case.request_body("a", question("1"));
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("2.json"), answer("2").to_string()).unwrap();
    let payloads = case.path().join("payloads");
    std::os::unix::fs::symlink(outside.path().join("2.json"), payloads.join("2.json")).unwrap();
    case.check(&[]);
    fs::remove_dir_all(&payloads).unwrap();
    std::os::unix::fs::symlink(outside.path(), &payloads).unwrap();
    case.check(&[Code::RefusedPath]);
}

/// A bundle that a recorder wrote, and whose log is cut in front of the first event of a type.
struct Killed {
    directory: TempDir,
    bundle: PathBuf,
}

impl Killed {
    /// Records an agent that was killed before it wrote the first event of a type.
    fn new(store: Store, end: &str, record: impl FnOnce(&AgentThread)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let recorder = Recorder::builder().root(directory.path()).store(store).no_parent();
        let (recorder, guard) = recorder.build().unwrap();
        let subscriber = tracing_subscriber::registry().with(recorder.layer());
        tracing::subscriber::with_default(subscriber, || {
            let agent = AgentThread::start(ThreadMeta::new());
            record(&agent);
            agent.complete();
        });
        drop(guard);
        let entries = directory.path().read_dir().unwrap().map(|entry| entry.unwrap().path());
        let bundle = { entries }.find(|path| path.is_dir()).unwrap();
        let killed = Self { directory, bundle };
        let log = fs::read_to_string(killed.log()).unwrap();
        let before = log.split_inclusive('\n').take_while(|line| !line.contains(&format!("\"type\":\"{end}\"")));
        fs::write(killed.log(), before.collect::<String>()).unwrap();
        killed
    }

    fn log(&self) -> PathBuf {
        self.bundle.join("trace.jsonl")
    }

    fn pack(&self) -> PathBuf {
        self.bundle.join("payloads.pack")
    }

    fn graph(&self) -> Graph {
        assert!(self.directory.path().exists());
        reduce(&Reader::open(&self.bundle).unwrap(), &Options::default().every_body(true)).unwrap().graph
    }
}

/// A history that is long enough for the next request to be stored as a difference to it.
fn history(messages: usize) -> Value {
    json!({ "input": (0..messages).map(|number| user(&format!("{number:0100}"))).collect::<Vec<_>>() })
}

/// Records calls, the third of which is answered last.
fn ask(agent: &AgentThread) {
    let turn = agent.turn(None);
    for messages in 1..3 {
        let call = turn.inference(Model { name: "m", provider: "p" });
        call.request(Json(&history(messages)));
        call.response(Json(&json!({ "id": format!("r{messages}"), "output": [crate::case::assistant("ok")] })));
        call.fail("an error");
    }
    let last = turn.inference(Model { name: "m", provider: "p" });
    last.request(Json(&history(3)));
    last.response(Json(&json!({ "id": "last", "output": [crate::case::assistant("last")] })));
    last.complete();
    turn.complete();
}

#[test]
fn a_pack_knows_the_kinds_of_its_payloads() {
    let killed = Killed::new(Store::Pack, "inference_completed", ask);
    let graph = killed.graph();
    assert_eq!(codes(&graph), [Code::UnnamedPayload]);
    let open: Vec<_> = graph.inference_calls.iter().filter(|call| call.execution.ended.is_none()).collect();
    let [call] = open[..] else { panic!("{open:?}") };
    assert_eq!(texts(&graph, call.inference_call_id.as_str()), ["assistant message: last"]);
    let payload = graph.raw_payloads.get(call.raw_response_payload_id.as_ref().unwrap()).unwrap();
    assert_eq!((payload.path.as_str(), payload.kind.known()), ("payloads.pack", Some(PayloadKind::InferenceResponse)));
    let bytes = Reader::open(&killed.bundle).unwrap().payload(payload).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap()["id"], "last");
}

#[test]
fn a_result_in_a_pack_needs_no_call_id() {
    let killed = Killed::new(Store::Pack, "tool_call_ended", |agent| {
        let turn = agent.turn(None);
        let tool = turn.tool_call(ToolCallMeta::new("add"));
        tool.output("3");
        tool.complete();
        turn.complete();
    });
    let graph = killed.graph();
    assert_eq!(codes(&graph), [Code::UnnamedPayload]);
    assert!(graph.tool_calls.iter().all(|tool| tool.raw_result_payload_id.is_some()));
}

#[test]
fn a_damaged_pack_is_read_on_behind_its_next_known_record() {
    let killed = Killed::new(Store::Pack, "inference_completed", ask);
    let whole = fs::read(killed.pack()).unwrap();
    let mut found = 0;
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::write(killed.pack(), damaged).unwrap();
        let graph = killed.graph();
        found += usize::from(codes(&graph).contains(&Code::UnnamedPayload));
    }
    // Only damage of the file's first bytes, of the record's own header, and of that of the record before it hides it.
    assert_eq!(whole.len() - found, 16 + 25 + 41);
    for length in (0..whole.len()).step_by(7) {
        fs::write(killed.pack(), &whole[..length]).unwrap();
        assert!(killed.graph().inference_calls.len() == 3);
    }
}

#[test]
fn files_of_a_recorder_are_found_by_their_numbers() {
    let killed = Killed::new(Store::Files, "tool_call_ended", |agent| {
        let turn = agent.turn(None);
        let tool = turn.tool_call(ToolCallMeta::new("add").id("c"));
        tool.output("3");
        tool.complete();
        turn.complete();
    });
    let graph = killed.graph();
    assert_eq!(codes(&graph), [Code::UnnamedPayload]);
    let tools: Vec<_> = graph.tool_calls.iter().collect();
    let path = &graph.raw_payloads.get(tools[0].raw_result_payload_id.as_ref().unwrap()).unwrap().path;
    assert!(Path::new(path).starts_with("payloads"), "{path}");
}

#[test]
fn copies_in_other_stores_have_the_same_answer() {
    for store in [Store::Files, Store::Pack] {
        let killed = Killed::new(store, "tool_call_ended", |agent| {
            let turn = agent.turn(None);
            let (first, second) = (ToolCallMeta::new("add").id("c"), ToolCallMeta::new("add").id("c").arguments("{}"));
            let first = turn.tool_call(first);
            first.output("3");
            // It starts after the result was stored, so that only the order tells whose it is.
            let second = turn.tool_call(second);
            first.complete();
            second.complete();
            turn.complete();
        });
        let shape = |bundle: &Path| {
            let graph = reduce(&Reader::open(bundle).unwrap(), &Options::default()).unwrap().graph;
            assert!(codes(&graph).contains(&Code::UnnamedPayload), "{store:?}");
            let has_result = |tool: &otel_trace::graph::ToolCall| tool.raw_result_payload_id.is_some();
            assert_eq!(graph.tool_calls.iter().map(has_result).collect::<Vec<_>>(), [true, false], "{store:?}");
        };
        shape(&killed.bundle);
        for (name, target) in [("files", Store::Files), ("pack", Store::Pack)] {
            let copy = killed.directory.path().join(name);
            convert(&Reader::open(&killed.bundle).unwrap(), &copy, target, |lost| panic!("{lost:?}")).unwrap();
            if (store, target) != (Store::Pack, Store::Pack) {
                shape(&copy);
            }
        }
    }
}
