//! The calls of responses that were recorded without their content.

use otel_trace::graph::Code;
use serde_json::json;

use super::{call_of, check, check_requester, exchange, fail, look, out, respond_unknown, run};
use crate::case::{Case, assistant, request_items, user};

#[test]
fn calls_behind_the_request_of_a_lost_response_are_its_calls() {
    // An equal call, which the user interrupted, was made before.
    for is_interrupted in [true, false] {
        let mut case = Case::new();
        exchange(&mut case, "i1", &[user("go")], &[look("x")]);
        run(&mut case, "t1");
        let mut history = vec![user("no, again")];
        if !is_interrupted {
            history.splice(.., [user("go"), look("x"), out("1")]);
        }
        case.request("i2", history.clone());
        respond_unknown(&mut case, "i2");
        run(&mut case, "t2");
        history.extend([assistant("so"), look("x"), out("2")]);
        exchange(&mut case, "i3", &history, &[assistant("done")]);
        let graph = case.check(&[Code::ResponseUnknown]);
        check(&graph, "t1", &["x"], if is_interrupted { &[] } else { &["1"] });
        check(&graph, "t2", &["x"], &["2"]);
        check_requester(&graph, "t1", Some("i1"));
        check_requester(&graph, "t2", Some("i2"));
    }
}

#[test]
fn lost_response_shows_the_same_calls_in_each_list() {
    let mut case = Case::new();
    exchange(&mut case, "i1", &[user("go")], &[look("a")]);
    run(&mut case, "t1");
    let mut history = vec![user("go"), look("a"), out("of a")];
    case.request("i2", history.clone());
    respond_unknown(&mut case, "i2");
    run(&mut case, "t2");
    run(&mut case, "t3");
    history.extend([look("b"), look("c"), out("of b"), out("of c")]);
    exchange(&mut case, "i3", &history, &[assistant("done")]);
    (history[3], history[4]) = (look("b, rewritten"), look("c, rewritten"));
    history.extend([assistant("done"), user("more")]);
    exchange(&mut case, "i4", &history, &[]);
    let graph = case.check(&[Code::ResponseUnknown]);
    check(&graph, "t2", &["b", "b, rewritten"], &["of b"]);
    check(&graph, "t3", &["c", "c, rewritten"], &["of c"]);
}

#[test]
fn lost_response_is_not_found_where_another_attempt_completed() {
    // Both attempts completed, and the program may have continued with either.
    let mut case = Case::new();
    case.request("i1", [user("go")]);
    respond_unknown(&mut case, "i1");
    exchange(&mut case, "i2", &[user("go")], &[look("x")]);
    run(&mut case, "t1");
    exchange(&mut case, "i3", &[user("go"), look("x, rewritten"), out("1")], &[look("y")]);
    run(&mut case, "t2");
    let graph = case.check(&[Code::ResponseUnknown, Code::CallIdReused]);
    assert!(graph.diagnostics[1].message.starts_with("tool call t1 "));
    check(&graph, "t1", &["x", "x, rewritten"], &["1"]);
    check_requester(&graph, "t1", Some("i2"));
    // An attempt that was cut off is none.
    let mut case = Case::new();
    case.request("i1", [user("go")]);
    fail(&mut case, "i1", &[look("half")]);
    case.request("i2", [user("go")]);
    respond_unknown(&mut case, "i2");
    run(&mut case, "t1");
    case.request("i3", [user("go"), look("whole"), out("1")]);
    let graph = case.check(&[Code::ResponseUnknown]);
    check(&graph, "t1", &["whole"], &["1"]);
    check_requester(&graph, "t1", Some("i2"));
}

#[test]
fn only_known_call_is_not_that_of_a_tool_of_a_lost_response() {
    // The tool starts after a model saw the output of the only known call with its id.
    let mut case = Case::new();
    exchange(&mut case, "i1", &[user("go")], &[look("a")]);
    exchange(&mut case, "i2", &[user("go"), look("a"), out("no such place")], &[assistant("hm")]);
    case.request("i3", [user("more")]);
    respond_unknown(&mut case, "i3");
    run(&mut case, "t1");
    let graph = case.check(&[Code::ResponseUnknown, Code::CallIdReused]);
    check(&graph, "t1", &[], &[]);
    check_requester(&graph, "t1", Some("i3"));
    // The tool starts before the request of the only known call.
    let mut case = Case::new();
    case.request("i1", [user("go")]);
    respond_unknown(&mut case, "i1");
    run(&mut case, "t1");
    exchange(&mut case, "i2", &[user("no")], &[look("a")]);
    let graph = case.check(&[Code::ResponseUnknown, Code::CallIdReused]);
    check(&graph, "t1", &[], &[]);
    check_requester(&graph, "t1", Some("i1"));
}

#[test]
fn equal_outputs_behind_calls_of_two_tools_are_two_outputs() {
    // The second list does not show the first call, and no response with a call was recorded.
    let mut case = Case::new();
    case.request("i1", [user("go")]);
    respond_unknown(&mut case, "i1");
    exchange(&mut case, "i2", &[user("go"), look("a"), out("fine")], &[assistant("done")]);
    case.request("i3", [user("more")]);
    respond_unknown(&mut case, "i3");
    let second = [user("more"), call_of("find", "b"), out("fine")];
    exchange(&mut case, "i4", &second, &[assistant("done")]);
    let graph = case.check(&[Code::ResponseUnknown, Code::ResponseUnknown]);
    assert_ne!(request_items(&graph, "i2")[2], request_items(&graph, "i4")[2]);
}

#[test]
fn further_output_of_a_call_may_be_of_a_lost_call() {
    // The result of the tool shows whose output the first is, and nothing of the second.
    let mut case = Case::new();
    exchange(&mut case, "i1", &[user("go")], &[look("a")]);
    run(&mut case, "t1");
    case.end_tool("t1", "completed", Some(json!({ "output": "1" })));
    case.request("i2", [user("go"), look("a"), out("1")]);
    respond_unknown(&mut case, "i2");
    run(&mut case, "t2");
    exchange(&mut case, "i3", &[user("so"), look("a"), out("2")], &[assistant("done")]);
    let graph = case.check(&[Code::ResponseUnknown, Code::CallIdReused]);
    check(&graph, "t1", &["a"], &["1", "2"]);
}
