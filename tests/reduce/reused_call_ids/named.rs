//! Calls that requests name by the ids that the provider gave them.

use serde_json::{Value, json};

use super::{check, exchange, look, out, run};
use crate::case::{Case, assistant, user};

/// Returns a call with an id of the provider.
fn named(id: &str, at: &str) -> Value {
    let mut call = look(at);
    call["id"] = json!(id);
    call
}

/// Records two responses with equal calls, which have the given ids, and the tools `t1` and `t2`.
fn two_equal_calls(ids: [&str; 2]) -> Case {
    let mut case = Case::new();
    exchange(&mut case, "i1", &[user("go")], &[named(ids[0], "x")]);
    run(&mut case, "t1");
    case.request_after("i2", "resp-i1", [out("pending")]);
    case.response("i2", [named(ids[1], "x")]);
    run(&mut case, "t2");
    case
}

#[test]
fn output_behind_a_named_call_is_that_of_the_named_call() {
    let item_reference = |id: &str| json!({ "type": "item_reference", "id": id });
    let bare_reference = |id: &str| json!({ "id": id });
    let full = |id: &str| named(id, "x");
    let rewritten = |id: &str| named(id, "x, rewritten");
    for (name, extra) in [
        (&item_reference as &dyn Fn(&str) -> Value, None),
        (&bare_reference, None),
        (&full, None),
        (&rewritten, Some("x, rewritten")),
    ] {
        let mut case = two_equal_calls(["fc1", "fc2"]);
        let request = [user("go"), name("fc2"), out("2"), name("fc1"), out("1")];
        exchange(&mut case, "i3", &request, &[assistant("done")]);
        // The same list again, after an unrelated request.
        exchange(&mut case, "title", &[user("a title")], &[assistant("title")]);
        exchange(&mut case, "i4", &[&request[..], &[user("more")]].concat(), &[]);
        let graph = case.check(&[]);
        for (tool, outputs) in [("t1", &["pending", "1"][..]), ("t2", &["2"])] {
            let tool = graph.tool_calls.get(tool).unwrap();
            let mut seen = super::texts(&graph, &tool.output_item_ids);
            seen.dedup();
            assert_eq!(seen, outputs, "{} {extra:?}", tool.tool_call_id);
            let calls = super::texts(&graph, &tool.call_item_ids);
            assert!(calls.iter().all(|call| call == "x" || Some(call.as_str()) == extra), "{calls:?}");
            assert!(extra.is_none_or(|extra| calls.iter().any(|call| call == extra)), "{calls:?}");
        }
    }
}

#[test]
fn id_that_several_calls_have_names_none_of_them() {
    let mut case = two_equal_calls(["fc0", "fc0"]);
    exchange(&mut case, "i3", &[user("go"), named("fc0", "x"), out("pending"), named("fc0", "x"), out("2")], &[]);
    let graph = case.check(&[]);
    check(&graph, "t1", &["x"], &["pending"]);
    check(&graph, "t2", &["x"], &["2"]);
}
