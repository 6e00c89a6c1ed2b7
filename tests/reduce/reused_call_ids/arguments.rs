//! Tools whose invocations contain the arguments of the calls that they run.

use otel_trace::graph::Code;
use serde_json::{Value, json};

use super::{ID, check, exchange, look, out};
use crate::case::{Case, function_invocation, user};

fn run_with(case: &mut Case, id: &str, invocation: Option<Value>) {
    case.tool(id, Some(ID), json!({ "type": "web" }), invocation);
}

#[test]
fn tool_runs_the_call_with_its_arguments() {
    let text = |at: &str| function_invocation("look", format!("{{ \"at\" : {at:?} }}"));
    let value = |at: &str| Some(json!({ "payload": { "type": "other", "arguments": { "at": at } } }));
    let body = |at: &str| Some(json!({ "at": at }));
    for invocation in [&text as &dyn Fn(&str) -> Option<Value>, &value, &body] {
        let mut case = Case::new();
        exchange(&mut case, "i1", &[user("go")], &[look("a"), look("b"), look("c")]);
        ["b", "c", "a"].iter().for_each(|at| run_with(&mut case, at, invocation(at)));
        case.request("i2", [user("go"), look("a"), look("b"), look("c"), out("of a"), out("of b"), out("of c")]);
        let graph = case.check(&[]);
        for at in ["a", "b", "c"] {
            check(&graph, at, &[at], &[&format!("of {at}")]);
        }
    }
}

#[test]
fn tool_runs_the_attempt_with_its_arguments() {
    // The later response is the first that tools without an invocation run.
    for used in ["a", "b"] {
        let mut case = Case::new();
        exchange(&mut case, "i1", &[user("go")], &[look("a")]);
        exchange(&mut case, "i1b", &[user("go")], &[look("b")]);
        run_with(&mut case, "t1", function_invocation("look", json!({ "at": used })));
        exchange(&mut case, "i2", &[user("go"), look(used), out("1")], &[look("c")]);
        run_with(&mut case, "t2", function_invocation("look", json!({ "at": "c" })));
        case.request("i3", [user("go"), look(used), out("1"), look("c"), out("2")]);
        let graph = case.check(&[]);
        // The request repeats the call of the first response behind the second one, as a new item.
        let items = if used == "a" { &["a", "a"][..] } else { &["b"] };
        check(&graph, "t1", items, &["1"]);
        check(&graph, "t2", &["c"], &["2"]);
    }
}

#[test]
fn tool_with_other_arguments_than_each_call_is_reported() {
    let mut case = Case::new();
    exchange(&mut case, "i1", &[user("go")], &[look("a"), look("b")]);
    run_with(&mut case, "t1", function_invocation("look", json!({ "at": "b" })));
    run_with(&mut case, "t2", function_invocation("look", json!({ "at": "a", "limit": 1 })));
    case.request("i2", [user("go"), look("a"), look("b"), out("of a"), out("of b")]);
    let graph = case.check(&[Code::CallIdReused]);
    check(&graph, "t1", &["b"], &["of b"]);
    check(&graph, "t2", &["a"], &["of a"]);
    // Arguments that are no JSON are not compared.
    let mut case = Case::new();
    exchange(&mut case, "i1", &[user("go")], &[look("a"), look("b")]);
    run_with(&mut case, "t1", function_invocation("look", "a"));
    run_with(&mut case, "t2", None);
    let graph = case.check(&[]);
    check(&graph, "t1", &["a"], &[]);
    check(&graph, "t2", &["b"], &[]);
}
