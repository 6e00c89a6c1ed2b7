//! Call ids that several calls of a thread have: each sentence of the rule in the smallest bundle that shows it.

use otel_trace::graph::{Code, Graph, ItemId, Part};
use serde_json::{Value, json};

use crate::case::{Case, assistant, call, function_output, item, tool, user};

const ID: &str = "look:0";

/// Returns a call of a tool with the arguments `{"at": <at>}`.
fn call_of(name: &str, at: &str) -> Value {
    json!({ "type": "function_call", "call_id": ID, "name": name, "arguments": json!({ "at": at }).to_string() })
}

fn look(at: &str) -> Value {
    call_of("look", at)
}

fn out(text: &str) -> Value {
    function_output(ID, text)
}

/// Records the start of a tool that runs a call with the reused id.
fn run_in(case: &mut Case, (thread, turn): (&str, &str), id: &str, label: &str) {
    let event = json!({
        "type": "tool_call_started", "tool_call_id": id, "model_visible_call_id": ID,
        "requester": { "type": "model" }, "kind": { "type": "web" },
        "summary": { "type": "generic", "label": label },
    });
    case.event_in(json!(thread), json!(turn), event);
}

fn run(case: &mut Case, id: &str) {
    run_in(case, ("t", "u"), id, "look");
}

/// Records a request and its complete response.
fn exchange(case: &mut Case, call: &str, request: &[Value], response: &[Value]) {
    case.request(call, request);
    case.response(call, response);
}

/// Records a failed inference call with a partial response.
fn fail(case: &mut Case, call: &str, response: &[Value]) {
    let body = case.body("inference_response", json!({ "output_items": response }));
    case.event(json!({
        "type": "inference_failed", "inference_call_id": call, "error": "cut", "partial_response_payload": body,
    }));
}

/// Records the end of an inference call whose response was recorded without its content.
fn respond_unknown(case: &mut Case, call: &str) {
    let body = case.body("inference_response", json!({ "gen_ai.response.id": "r" }));
    case.event(json!({ "type": "inference_completed", "inference_call_id": call, "response_payload": body }));
}

/// Returns what items contain: the arguments or the text.
fn texts(graph: &Graph, items: &[ItemId]) -> Vec<String> {
    let text = |part: &Part| match part.as_text() {
        Some(text) => text.to_owned(),
        None => {
            let Part::Json { summary } = part else { panic!("{part:?}") };
            serde_json::from_str::<Value>(summary).unwrap()["at"].as_str().unwrap().to_owned()
        }
    };
    items.iter().map(|id| text(&item(graph, id.number()).content.parts[0])).collect()
}

/// Checks the arguments and the outputs of a tool call.
#[track_caller]
fn check(graph: &Graph, id: &str, arguments: &[&str], outputs: &[&str]) {
    let tool = tool(graph, id);
    let seen = (texts(graph, &tool.call_item_ids), texts(graph, &tool.output_item_ids));
    assert_eq!(seen, (arguments.iter().map(|&at| at.into()).collect(), outputs.iter().map(|&at| at.into()).collect()));
}

#[track_caller]
fn check_requester(graph: &Graph, id: &str, inference: Option<&str>) {
    assert_eq!(tool(graph, id).requested_by.as_ref().map(|id| id.as_str()), inference, "{id}");
    for call in graph.inference_calls.iter() {
        let is_listed = call.tool_call_ids.iter().any(|listed| listed.as_str() == id);
        assert_eq!(is_listed, Some(call.inference_call_id.as_str()) == inference, "{}", call.inference_call_id);
    }
}

/// Records two rounds of one tool: `a` in the request and response `i1`, `b` in `i2`. Both tools run.
fn two_rounds() -> (Case, Vec<Value>) {
    let mut case = Case::new();
    let mut history = vec![user("go")];
    exchange(&mut case, "i1", &history, &[look("a")]);
    run(&mut case, "t1");
    history.extend([look("a"), out("of a")]);
    exchange(&mut case, "i2", &history, &[look("b")]);
    run(&mut case, "t2");
    history.extend([look("b"), out("of b")]);
    (case, history)
}

#[test]
fn each_round_has_its_own_call_and_output() {
    let (mut case, history) = two_rounds();
    exchange(&mut case, "i3", &history, &[assistant("done")]);
    let graph = case.check(&[]);
    check(&graph, "t1", &["a"], &["of a"]);
    check(&graph, "t2", &["b"], &["of b"]);
    check_requester(&graph, "t1", Some("i1"));
    check_requester(&graph, "t2", Some("i2"));
    case.try_reduce(&otel_trace::reduce::Options::default().strict(true)).unwrap();
}

#[test]
fn rounds_of_continued_responses_are_separate() {
    let mut case = Case::new();
    exchange(&mut case, "i1", &[user("go")], &[look("a")]);
    run(&mut case, "t1");
    case.request_after("i2", "resp-i1", [out("of a")]);
    case.response("i2", [look("b")]);
    run(&mut case, "t2");
    case.request_after("i3", "resp-i2", [out("of b")]);
    let graph = case.check(&[]);
    check(&graph, "t1", &["a"], &["of a"]);
    check(&graph, "t2", &["b"], &["of b"]);
}

#[test]
fn rounds_of_messages_are_separate() {
    let call = |at: &str| {
        let function = json!({ "name": "look", "arguments": json!({ "at": at }).to_string() });
        json!({ "role": "assistant", "content": null, "tool_calls": [{ "id": ID, "type": "function", "function": function }] })
    };
    let output = |text: &str| json!({ "role": "tool", "tool_call_id": ID, "content": text });
    let response = |message: &Value| json!({ "choices": [{ "index": 0, "message": message }] });
    let mut case = Case::new();
    let mut messages = vec![json!({ "role": "user", "content": "go" })];
    for (n, at) in ["a", "b", "c"].into_iter().enumerate() {
        case.request_body(&format!("i{n}"), json!({ "messages": messages }));
        case.response_body(&format!("i{n}"), response(&call(at)));
        run(&mut case, at);
        messages.extend([call(at), output(&format!("of {at}"))]);
    }
    case.request_body("last", json!({ "messages": messages }));
    let graph = case.check(&[]);
    for at in ["a", "b", "c"] {
        check(&graph, at, &[at], &[&format!("of {at}")]);
    }
}

#[test]
fn one_call_with_several_items_is_not_reused() {
    let mut case = Case::new();
    exchange(&mut case, "i1", &[user("go")], &[look("a")]);
    run(&mut case, "t1");
    // An unrelated request, after which the history is new, with other arguments too.
    exchange(&mut case, "title", &[user("a title")], &[assistant("title")]);
    exchange(&mut case, "i2", &[user("go"), look("a, rewritten"), out("of a")], &[assistant("next")]);
    exchange(&mut case, "i3", &[user("go"), look("a, rewritten"), out("cleared"), user("more")], &[]);
    check(&case.check(&[]), "t1", &["a", "a, rewritten"], &["of a", "cleared"]);
}

#[test]
fn id_is_reused_within_one_response_and_one_list() {
    // In one response.
    let mut case = Case::new();
    exchange(&mut case, "i1", &[user("go")], &[look("a"), look("b")]);
    run(&mut case, "t1");
    run(&mut case, "t2");
    exchange(&mut case, "i2", &[user("go"), look("a"), look("b"), out("of a"), out("of b")], &[]);
    let graph = case.check(&[]);
    check(&graph, "t1", &["a"], &["of a"]);
    check(&graph, "t2", &["b"], &["of b"]);
    // In one list, whose calls no response made.
    let mut case = Case::new();
    case.request("i1", [user("go"), look("a"), out("of a"), look("b"), out("of b")]);
    run(&mut case, "t1");
    let graph = case.check(&[Code::CallIdReused]);
    check(&graph, "t1", &[], &[]);
    // In a list of history and a response to it, with and without a later list of both.
    for is_continued in [true, false] {
        let mut case = Case::new();
        let mut history = vec![user("go"), look("old"), out("of old"), user("more")];
        exchange(&mut case, "i1", &history, &[look("a")]);
        run(&mut case, "t1");
        history.extend([look("a"), out("of a")]);
        if is_continued {
            case.request("i2", history);
        }
        check(&case.check(&[]), "t1", &["a"], if is_continued { &["of a"] } else { &[] });
    }
    // In a list and a later response to another list.
    let mut case = Case::new();
    exchange(&mut case, "i1", &[user("go"), look("old"), out("of old")], &[assistant("hm")]);
    exchange(&mut case, "i2", &[user("the summary")], &[look("a")]);
    run(&mut case, "t1");
    check(&case.check(&[]), "t1", &["a"], &[]);
}

#[test]
fn ids_are_reused_in_their_own_thread() {
    let mut case = Case::new();
    case.thread("t2", "/root/w");
    case.turn("u2", "t2");
    exchange(&mut case, "i1", &[user("go")], &[look("a")]);
    run(&mut case, "x1");
    case.request_in("j1", "t2", "u2", json!({ "input": [user("go")] }));
    case.response("j1", [look("b")]);
    run_in(&mut case, ("t2", "u2"), "y1", "look");
    exchange(&mut case, "i2", &[user("go"), look("a"), out("of a")], &[look("c")]);
    run(&mut case, "x2");
    case.request("i3", [user("go"), look("a"), out("of a"), look("c"), out("of c")]);
    case.request_in("j2", "t2", "u2", json!({ "input": [user("go"), look("b"), out("of b")] }));
    let graph = case.check(&[]);
    check(&graph, "x1", &["a"], &["of a"]);
    check(&graph, "x2", &["c"], &["of c"]);
    check(&graph, "y1", &["b"], &["of b"]);
}

#[test]
fn history_that_returns_shows_the_same_calls() {
    let (mut case, mut history) = two_rounds();
    exchange(&mut case, "title", &[user("a title")], &[assistant("title")]);
    exchange(&mut case, "i3", &history, &[assistant("done")]);
    let graph = case.check(&[]);
    check(&graph, "t1", &["a", "a"], &["of a", "of a"]);
    check(&graph, "t2", &["b", "b"], &["of b"]);
    // The conversation is taken up at an earlier point, after an unrelated request.
    exchange(&mut case, "title2", &[user("a title")], &[assistant("title")]);
    history.truncate(3);
    history.push(user("another way"));
    exchange(&mut case, "i4", &history, &[]);
    let graph = case.check(&[]);
    check(&graph, "t1", &["a", "a", "a"], &["of a", "of a", "of a"]);
    check(&graph, "t2", &["b", "b"], &["of b"]);
}

#[test]
fn equal_calls_are_told_apart_by_what_stands_before_them() {
    let mut case = Case::new();
    // Two conversations side by side, whose first calls are equal.
    case.request("a1", [user("a")]);
    case.request("b1", [user("b")]);
    case.response("b1", [look("x")]);
    case.response("a1", [look("x")]);
    case.request("a2", [user("a"), look("x"), out("for a")]);
    case.request("b2", [user("b"), look("x"), out("for b")]);
    run(&mut case, "late");
    let graph = case.check(&[Code::CallIdReused]);
    assert_eq!(graph.items().filter(|item| item.content.kind.is_output()).count(), 2);
    // The same with the tools of both.
    let mut case = Case::new();
    case.request("a1", [user("a")]);
    case.request("b1", [user("b")]);
    case.response("b1", [look("x")]);
    run(&mut case, "tb");
    case.response("a1", [look("x")]);
    run(&mut case, "ta");
    case.request("a2", [user("a"), look("x"), out("for a")]);
    case.request("b2", [user("b"), look("x"), out("for b")]);
    let graph = case.check(&[]);
    check(&graph, "ta", &["x"], &["for a"]);
    check(&graph, "tb", &["x"], &["for b"]);
}

#[test]
fn shortened_history_is_counted_from_its_end() {
    // All calls are equal. The history before the last two is replaced.
    let mut case = Case::new();
    let mut history = vec![user("go")];
    for (n, output) in ["1", "2", "3"].into_iter().enumerate() {
        exchange(&mut case, &format!("i{n}"), &history, &[look("x")]);
        run(&mut case, output);
        history.extend([look("x"), out(output)]);
    }
    exchange(&mut case, "i3", &history, &[assistant("hm")]);
    let short = json!({ "input_history": history, "replacement_history":
        [user("summary"), look("x"), out("2, cleared"), look("x"), out("3, cleared")] });
    let body = case.body("compaction_checkpoint", short);
    case.event(json!({ "type": "compaction_installed", "compaction_id": "c", "checkpoint_payload": body }));
    let graph = case.check(&[]);
    check(&graph, "1", &["x"], &["1"]);
    check(&graph, "2", &["x", "x"], &["2", "2, cleared"]);
    check(&graph, "3", &["x", "x"], &["3", "3, cleared"]);
}

#[test]
fn calls_beyond_the_known_ones_are_calls_of_their_own() {
    let (mut case, history) = two_rounds();
    exchange(&mut case, "title", &[user("a title")], &[assistant("title")]);
    let longer = [vec![user("before"), look("old"), out("of old")], history].concat();
    exchange(&mut case, "i3", &longer, &[]);
    let graph = case.check(&[]);
    check(&graph, "t1", &["a", "a"], &["of a", "of a"]);
    check(&graph, "t2", &["b", "b"], &["of b"]);
}

#[test]
fn rewritten_calls_keep_their_places() {
    let mut case = Case::new();
    let mut history = vec![user("go")];
    for (n, at) in ["a", "b", "c"].into_iter().enumerate() {
        exchange(&mut case, &format!("i{n}"), &history, &[look(at)]);
        run(&mut case, at);
        history.extend([look(&format!("{at}, rewritten")), out(&format!("of {at}"))]);
    }
    case.request("last", history.clone());
    exchange(&mut case, "title", &[user("a title")], &[assistant("title")]);
    case.request("again", history);
    let graph = case.check(&[]);
    for at in ["a", "b", "c"] {
        let (rewritten, output) = (format!("{at}, rewritten"), format!("of {at}"));
        check(&graph, at, &[at, &rewritten, &rewritten], &[&output, &output]);
    }
}

#[test]
fn rewritten_call_of_another_tool_is_another_call() {
    let mut case = Case::new();
    exchange(&mut case, "i1", &[user("go")], &[look("a")]);
    run(&mut case, "t1");
    exchange(&mut case, "i2", &[user("go"), look("a"), out("of a")], &[look("b")]);
    run(&mut case, "t2");
    let other = [user("go"), look("a"), out("of a"), call_of("write", "z"), out("of z")];
    exchange(&mut case, "i3", &other, &[]);
    check(&case.check(&[]), "t2", &["b"], &[]);
}

#[test]
fn call_of_a_response_that_was_not_recorded_is_no_earlier_call() {
    let (mut case, mut history) = two_rounds();
    case.request("i3", history.clone());
    respond_unknown(&mut case, "i3");
    run(&mut case, "t3");
    history.extend([look("c"), out("of c")]);
    case.request("i4", history);
    let graph = case.check(&[Code::ResponseUnknown]);
    check(&graph, "t2", &["b"], &["of b"]);
    check(&graph, "t3", &["c"], &["of c"]);
    check_requester(&graph, "t3", Some("i3"));
}

#[test]
fn response_that_is_recorded_late_makes_the_call_that_was_shown() {
    let mut case = Case::new();
    case.request("i1", [user("go")]);
    run(&mut case, "t1");
    case.request("i2", [user("go"), look("a"), out("of a")]);
    case.response("i1", [look("a")]);
    case.response("i2", [look("b")]);
    run(&mut case, "t2");
    case.request("i3", [user("go"), look("a"), out("of a"), look("b"), out("of b")]);
    let graph = case.check(&[]);
    check(&graph, "t1", &["a", "a"], &["of a"]);
    check(&graph, "t2", &["b"], &["of b"]);
    check_requester(&graph, "t1", Some("i1"));
}

#[test]
fn outputs_belong_to_the_nearest_calls_in_order() {
    // A call without an output, a message of the user, another call.
    let mut case = Case::new();
    exchange(&mut case, "i1", &[user("go")], &[look("a")]);
    run(&mut case, "t1");
    exchange(&mut case, "i2", &[user("go"), look("a"), user("stop, look there")], &[look("b")]);
    run(&mut case, "t2");
    case.request("i3", [user("go"), look("a"), user("stop, look there"), look("b"), out("of b")]);
    let graph = case.check(&[]);
    check(&graph, "t1", &["a"], &[]);
    check(&graph, "t2", &["b"], &["of b"]);
    // Calls that stand together, beside a call with another id, with their outputs in two requests, and one too many.
    let other = json!({ "type": "function_call", "call_id": "other", "name": "look", "arguments": "{}" });
    let mut case = Case::new();
    exchange(&mut case, "i1", &[user("go")], &[look("a"), other, assistant("and"), look("b")]);
    run(&mut case, "t1");
    run(&mut case, "t2");
    case.request_after("i2", "resp-i1", [function_output("other", "o"), out("of a")]);
    case.response("i2", [assistant("hm")]);
    case.request_after("i3", "resp-i2", [out("of b"), out("more of b")]);
    let graph = case.check(&[]);
    check(&graph, "t1", &["a"], &["of a"]);
    check(&graph, "t2", &["b"], &["of b", "more of b"]);
}

#[test]
fn output_before_its_call_belongs_to_no_call() {
    let (mut case, _) = two_rounds();
    case.request("i3", [user("the rest"), out("of x"), look("b"), out("of b")]);
    let graph = case.check(&[]);
    check(&graph, "t1", &["a"], &["of a"]);
    check(&graph, "t2", &["b"], &["of b"]);
}

#[test]
fn output_without_its_equal_earlier_call_belongs_to_the_later_one() {
    // The program keeps only the last of equal calls and their outputs.
    let mut case = Case::new();
    exchange(&mut case, "i1", &[user("wait")], &[look("x")]);
    run(&mut case, "t1");
    exchange(&mut case, "i2", &[user("wait"), look("x"), out("pending")], &[look("x")]);
    run(&mut case, "t2");
    exchange(&mut case, "i3", &[user("wait"), look("x"), out("ready")], &[]);
    let graph = case.check(&[]);
    assert_eq!(texts(&graph, &tool(&graph, "t1").output_item_ids), ["pending"]);
    assert_eq!(texts(&graph, &tool(&graph, "t2").output_item_ids), ["ready"]);
    // An earlier output is shortened while a later equal call runs.
    let mut case = Case::new();
    exchange(&mut case, "i1", &[user("wait")], &[look("x")]);
    run(&mut case, "t1");
    exchange(&mut case, "i2", &[user("wait"), look("x"), out("long")], &[look("x")]);
    run(&mut case, "t2");
    exchange(&mut case, "i3", &[user("wait"), look("x"), out("shortened"), look("x"), out("ready")], &[]);
    let graph = case.check(&[]);
    check(&graph, "t1", &["x"], &["long", "shortened"]);
    check(&graph, "t2", &["x"], &["ready"]);
}

#[test]
fn repeated_output_of_an_earlier_call_is_not_that_of_an_equal_open_call() {
    let mut case = Case::new();
    exchange(&mut case, "i1", &[user("wait")], &[look("x")]);
    run(&mut case, "t1");
    exchange(&mut case, "i2", &[user("wait"), look("x"), out("pending")], &[look("x")]);
    run(&mut case, "t2");
    exchange(&mut case, "title", &[user("a title")], &[assistant("title")]);
    exchange(&mut case, "title2", &[user("wait"), look("x"), out("pending"), user("a title")], &[]);
    let graph = case.check(&[]);
    assert_eq!(texts(&graph, &tool(&graph, "t1").output_item_ids), ["pending", "pending"]);
    assert_eq!(texts(&graph, &tool(&graph, "t2").output_item_ids), Vec::<String>::new());
}

#[test]
fn output_after_an_unknown_response_is_not_that_of_an_answered_call() {
    for is_damaged in [true, false] {
        let mut case = Case::new();
        exchange(&mut case, "i0", &[user("go")], &[look("a")]);
        run(&mut case, "t0");
        case.request_after("i1", "resp-i0", [out("of a")]);
        case.response("i1", [look("b")]);
        run(&mut case, "t1");
        case.request_after("i2", "resp-i1", [out("of b")]);
        case.response_body("i2", if is_damaged { "not JSON" } else { "{}" });
        case.request_after("i3", "resp-i2", [out("of c")]);
        let graph = case.check(&[if is_damaged { Code::BadPayload } else { Code::ResponseUnknown }]);
        check(&graph, "t0", &["a"], &["of a"]);
        check(&graph, "t1", &["b"], &["of b"]);
    }
}

#[test]
fn tool_runs_a_call_of_an_inference_call_that_had_started() {
    // The tool starts before its response is complete, and after the response of the next round has arrived.
    let mut case = Case::new();
    exchange(&mut case, "i1", &[user("go")], &[look("a")]);
    run(&mut case, "t1");
    case.request("i2", [user("go"), look("a"), out("of a")]);
    run(&mut case, "t2");
    case.response("i2", [look("b")]);
    case.request("i3", [user("go"), look("a"), out("of a"), look("b"), out("of b")]);
    case.response("i3", [look("c")]);
    let graph = case.check(&[]);
    check(&graph, "t1", &["a"], &["of a"]);
    check(&graph, "t2", &["b"], &["of b"]);
}

#[test]
fn tool_prefers_a_completed_response() {
    // An attempt that failed after it had asked for the tool, and the next attempt.
    let mut case = Case::new();
    case.request("i1", [user("go")]);
    fail(&mut case, "i1", &[look("half")]);
    exchange(&mut case, "i2", &[user("go")], &[look("whole")]);
    run(&mut case, "t1");
    case.request("i3", [user("go"), look("whole"), out("of whole")]);
    let graph = case.check(&[]);
    check(&graph, "t1", &["whole"], &["of whole"]);
    check_requester(&graph, "t1", Some("i2"));
    // Two attempts at once: the slower one is cut off.
    let mut case = Case::new();
    case.request("i1", [user("go")]);
    case.request("i2", [user("go")]);
    case.response("i1", [look("fast")]);
    fail(&mut case, "i2", &[look("slow")]);
    run(&mut case, "t1");
    check_requester(&case.check(&[]), "t1", Some("i1"));
    // Without a completed one, the tool runs the call of the one that was cut off.
    let mut case = Case::new();
    exchange(&mut case, "i1", &[user("go")], &[look("a")]);
    run(&mut case, "t1");
    case.request("i2", [user("go"), look("a"), out("of a")]);
    run(&mut case, "t2");
    fail(&mut case, "i2", &[look("b")]);
    let graph = case.check(&[]);
    check(&graph, "t2", &["b"], &[]);
    check_requester(&graph, "t2", Some("i2"));
}

#[test]
fn call_of_a_cut_off_response_is_dropped_when_the_program_asks_again() {
    for ends_turn in [false, true] {
        let mut case = Case::new();
        exchange(&mut case, "i1", &[user("go")], &[look("a")]);
        run(&mut case, "t1");
        case.request("i2", [user("go"), look("a"), out("of a")]);
        fail(&mut case, "i2", &[look("half")]);
        let turn = if ends_turn { "v" } else { "u" };
        if ends_turn {
            case.end_turn("u", "failed");
            case.turn("v", "t");
        }
        case.request_in("i3", "t", turn, "{}");
        respond_unknown(&mut case, "i3");
        run_in(&mut case, ("t", turn), "t3", "look");
        let graph = case.check(&[Code::RequestUnknown, Code::ResponseUnknown, Code::CallIdReused]);
        check(&graph, "t3", &[], &[]);
        check_requester(&graph, "t3", Some("i3"));
    }
}

#[test]
fn tool_prefers_a_call_of_its_own_turn() {
    // Two turns of a thread at once.
    let mut case = Case::new();
    case.turn("v", "t");
    exchange(&mut case, "i1", &[user("u")], &[look("of u")]);
    case.request_in("i2", "t", "v", json!({ "input": [user("v")] }));
    case.response("i2", [look("of v")]);
    run_in(&mut case, ("t", "u"), "tu", "look");
    run_in(&mut case, ("t", "v"), "tv", "look");
    let graph = case.check(&[]);
    check(&graph, "tu", &["of u"], &[]);
    check(&graph, "tv", &["of v"], &[]);
    // A call of a cut off response in the tool's turn, and one of an earlier turn that nothing ran.
    let mut case = Case::new();
    exchange(&mut case, "i1", &[user("u")], &[look("of u")]);
    case.end_turn("u", "completed");
    case.turn("v", "t");
    case.request_in("i2", "t", "v", json!({ "input": [user("v")] }));
    run_in(&mut case, ("t", "v"), "tv", "look");
    fail(&mut case, "i2", &[look("of v")]);
    check(&case.check(&[]), "tv", &["of v"], &[]);
    // The approval of a call in the next turn.
    let mut case = Case::new();
    exchange(&mut case, "i0", &[user("u")], &[look("first")]);
    run(&mut case, "t0");
    exchange(&mut case, "i1", &[user("u"), look("first"), out("of first")], &[look("approved later")]);
    case.end_turn("u", "completed");
    case.turn("v", "t");
    run_in(&mut case, ("t", "v"), "tv", "look");
    check(&case.check(&[]), "tv", &["approved later"], &[]);
}

#[test]
fn tool_runs_a_call_of_its_own_name() {
    let mut case = Case::new();
    exchange(&mut case, "i1", &[user("go")], &[look("a"), call_of("write", "b"), call_of("find", "c")]);
    run_in(&mut case, ("t", "u"), "t1", "write");
    run_in(&mut case, ("t", "u"), "t2", "mcp__docs.find");
    run_in(&mut case, ("t", "u"), "t3", "look");
    run_in(&mut case, ("t", "u"), "t4", "paint");
    let graph = case.check(&[Code::CallIdReused]);
    check(&graph, "t1", &["b"], &[]);
    check(&graph, "t2", &["c"], &[]);
    check(&graph, "t3", &["a"], &[]);
    check(&graph, "t4", &[], &[]);
    // Labels for people are no names.
    let mut case = Case::new();
    exchange(&mut case, "i1", &[user("go")], &[look("a"), look("b")]);
    run_in(&mut case, ("t", "u"), "t1", "Looks at a");
    run_in(&mut case, ("t", "u"), "t2", "Looks at b");
    let graph = case.check(&[]);
    check(&graph, "t1", &["a"], &[]);
    check(&graph, "t2", &["b"], &[]);
}

#[test]
fn tool_runs_the_latest_open_call() {
    // Nothing ran the first call, which the user interrupted.
    let mut case = Case::new();
    exchange(&mut case, "i1", &[user("go")], &[look("a")]);
    exchange(&mut case, "i2", &[user("go"), user("no, there")], &[look("b"), look("c")]);
    run(&mut case, "t1");
    run(&mut case, "t2");
    let graph = case.check(&[]);
    check(&graph, "t1", &["b"], &[]);
    check(&graph, "t2", &["c"], &[]);
}

#[test]
fn tool_of_responses_at_one_time_runs_the_first() {
    let mut case = Case::new();
    case.request("a1", [user("a")]);
    case.request("b1", [user("b")]);
    case.response("a1", [look("a")]);
    run(&mut case, "ta");
    case.response("b1", [look("b")]);
    run(&mut case, "tb");
    let graph = case.check(&[]);
    check(&graph, "ta", &["a"], &[]);
    check(&graph, "tb", &["b"], &[]);
}

#[test]
fn tool_runs_no_call_that_was_answered_before() {
    // The program answered the first call without a tool. Of the second round only the request is known.
    let mut case = Case::new();
    exchange(&mut case, "i1", &[user("go")], &[look("a"), look("b")]);
    run(&mut case, "t1");
    exchange(&mut case, "i2", &[user("go"), look("a"), look("b"), out("of a"), out("no such tool")], &[]);
    case.end_turn("u", "completed");
    case.turn("v", "t");
    run_in(&mut case, ("t", "v"), "t2", "look");
    let graph = case.check(&[Code::CallIdReused]);
    check(&graph, "t1", &["a"], &["of a"]);
    check(&graph, "t2", &[], &[]);
    assert_eq!(case.strict_error().0, Code::CallIdReused);
}

#[test]
fn tool_runs_the_first_call_that_a_request_showed_later() {
    let mut case = Case::new();
    let mut history = vec![user("go"), look("old"), out("of old")];
    for at in ["a", "b"] {
        case.request(&format!("before {at}"), history.clone());
        respond_unknown(&mut case, &format!("before {at}"));
        run(&mut case, at);
        history.extend([look(at), out(&format!("of {at}"))]);
    }
    case.request("last", history);
    run(&mut case, "late");
    let graph = case.check(&[Code::ResponseUnknown, Code::ResponseUnknown, Code::CallIdReused]);
    check(&graph, "a", &["a"], &["of a"]);
    check(&graph, "b", &["b"], &["of b"]);
    check(&graph, "late", &[], &[]);
    check_requester(&graph, "b", Some("before b"));
    // A checkpoint is no request.
    let mut case = Case::new();
    case.request("i1", [user("go"), look("a"), out("of a"), look("b"), out("of b")]);
    run(&mut case, "t1");
    let checkpoint = json!({ "input_history": [], "replacement_history": [look("c"), out("of c")] });
    let body = case.body("compaction_checkpoint", checkpoint);
    case.event(json!({ "type": "compaction_installed", "compaction_id": "c", "checkpoint_payload": body }));
    check(&case.check(&[Code::CallIdReused]), "t1", &[], &[]);
}

#[test]
fn requests_that_repeat_open_calls_show_no_new_ones() {
    // A program that continues a response and sends the response's call again.
    let mut case = Case::new();
    exchange(&mut case, "i1", &[user("go")], &[look("a")]);
    run(&mut case, "t1");
    case.request_after("i2", "resp-i1", [look("a"), out("of a")]);
    case.response("i2", [look("a")]);
    run(&mut case, "t2");
    case.request_after("i3", "resp-i2", [look("a"), out("of a again")]);
    let graph = case.check(&[]);
    check(&graph, "t1", &["a", "a"], &["of a"]);
    check(&graph, "t2", &["a", "a"], &["of a again"]);
}

#[test]
fn answered_call_is_not_repeated_by_a_request_that_continues() {
    // The response with the second call is unknown; the request shows the call.
    let mut case = Case::new();
    exchange(&mut case, "i0", &[user("go")], &[look("x")]);
    run(&mut case, "t0");
    case.request_after("i1", "resp-i0", [out("0")]);
    case.response("i1", [look("x")]);
    run(&mut case, "t1");
    case.request_after("i2", "resp-i1", [out("1")]);
    case.response_body("i2", "{}");
    run(&mut case, "t2");
    case.request_after("i3", "resp-i2", [look("x"), out("2")]);
    let graph = case.check(&[Code::ResponseUnknown]);
    for n in ["0", "1", "2"] {
        check(&graph, &format!("t{n}"), &["x"], &[n]);
    }
}

#[test]
fn code_cells_follow_the_rule() {
    let script = |js: &str| json!({ "type": "custom_tool_call", "call_id": ID, "name": "exec", "input": js });
    let output = |text: &str| json!({ "type": "custom_tool_call_output", "call_id": ID, "output": text });
    let start = |runtime: &str, js: &str| json!({ "type": "code_cell_started", "runtime_cell_id": runtime, "model_visible_call_id": ID, "source_js": js });
    let mut case = Case::new();
    exchange(&mut case, "i1", &[user("go")], &[script("one")]);
    case.event(start("1", "one"));
    // A second start of the same cell.
    case.event(start("1", "one"));
    case.request("i2", [user("go"), script("one"), output("of one")]);
    case.event(start("2", "two"));
    case.response("i2", [look("no script"), script("two")]);
    case.request(
        "i3",
        [user("go"), script("one"), output("of one"), look("no script"), script("two"), out("x"), output("of two")],
    );
    case.event(start("3", "three"));
    case.thread("t2", "/root/w");
    case.turn("u2", "t2");
    case.event_in(json!("t2"), json!("u2"), start("1", "other"));
    use Code::{CallIdReused, CellWithoutSource, DuplicateStart};
    let graph = case.check(&[DuplicateStart, CallIdReused, CellWithoutSource, CellWithoutSource]);
    let cells: Vec<_> = graph
        .code_cells
        .iter()
        .map(|cell| {
            let number = |item: &ItemId| item.number();
            (
                cell.code_cell_id.as_str(),
                &*cell.source_js,
                cell.source_item_id.as_ref().map(number),
                cell.output_item_ids.iter().map(number).collect::<Vec<_>>(),
            )
        })
        .collect();
    assert_eq!(
        cells,
        [
            ("code_cell:look:0", "one", Some(2), vec![3]),
            ("code_cell:look:0#2", "two", Some(5), vec![7]),
            ("code_cell:look:0#3", "three", None, vec![]),
            ("code_cell:t2:look:0", "other", None, vec![]),
        ]
    );
}

#[test]
fn second_tool_of_a_call_is_still_attributed_to_an_unknown_response() {
    // Nothing was recorded with content.
    let mut case = Case::new();
    for n in ["1", "2"] {
        case.request_body(&format!("i{n}"), "{}");
        respond_unknown(&mut case, &format!("i{n}"));
        run(&mut case, &format!("t{n}"));
    }
    let graph = case.try_reduce(&otel_trace::reduce::Options::default()).unwrap().graph;
    check_requester(&graph, "t1", Some("i1"));
    check_requester(&graph, "t2", Some("i2"));
    assert_eq!(call(&graph, "i2").tool_call_ids, ["t2".into()]);
}
