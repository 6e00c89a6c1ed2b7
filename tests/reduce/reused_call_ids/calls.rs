//! The calls that items are.

use otel_trace::graph::Code;
use otel_trace::reduce::Options;
use serde_json::{Value, json};

use super::{ID, call_of, check, check_requester, exchange, look, out, respond_unknown, run, run_in, two_rounds};
use crate::case::{Case, assistant, user};

#[test]
fn each_round_has_its_own_call_and_output() {
    let (mut case, history) = two_rounds();
    exchange(&mut case, "i3", &history, &[assistant("done")]);
    let graph = case.check(&[]);
    check(&graph, "t1", &["a"], &["of a"]);
    check(&graph, "t2", &["b"], &["of b"]);
    check_requester(&graph, "t1", Some("i1"));
    check_requester(&graph, "t2", Some("i2"));
    case.try_reduce(&Options::default().strict(true)).unwrap();
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
