//! The calls that outputs belong to.

use otel_trace::graph::Code;
use serde_json::json;

use super::{check, exchange, look, out, run, texts, two_rounds};
use crate::case::{Case, assistant, function_output, tool, user};

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
    let graph = case.check(&[Code::UnseenTool]);
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
    // A program that drops equal items would send the same list with the output of the later call.
    let graph = case.check(&[Code::CallIdReused]);
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
