//! The calls and outputs of histories that programs rewrite.

use otel_trace::graph::Code;
use serde_json::{Value, json};

use super::{call_of, check, exchange, look, out, run, run_in, two_rounds};
use crate::case::{Case, assistant, user};

/// Returns a call whose arguments the program dropped. `at` is for the tests alone.
fn shortened() -> Value {
    look("")
}

fn compact(case: &mut Case, before: &[Value], after: &[Value]) {
    let body = case.body("compaction_checkpoint", json!({ "input_history": before, "replacement_history": after }));
    case.event(json!({ "type": "compaction_installed", "compaction_id": "c", "checkpoint_payload": body }));
}

#[test]
fn shortened_arguments_are_not_those_of_all_calls() {
    // Both calls have the same arguments afterwards. Then the second one stands alone, and then both return.
    let (mut case, mut history) = two_rounds();
    exchange(&mut case, "i3", &history, &[look("c")]);
    run(&mut case, "t3");
    history.extend([look("c"), out("of c")]);
    (history[1], history[3]) = (shortened(), shortened());
    exchange(&mut case, "i4", &history, &[assistant("hm")]);
    exchange(&mut case, "i5", &[user("summary"), shortened(), out("of b"), look("c"), out("of c")], &[]);
    exchange(&mut case, "i6", &[user("summary 2"), look("a"), out("of a"), look("b"), out("of b"), look("c")], &[]);
    let graph = case.check(&[]);
    check(&graph, "t1", &["a", "", "a"], &["of a", "of a"]);
    check(&graph, "t2", &["b", "", "b"], &["of b"]);
    check(&graph, "t3", &["c"], &["of c"]);
}

#[test]
fn call_with_shortened_arguments_is_found_by_its_output() {
    // Nothing answered the call `lost`, whose turn was interrupted.
    let mut case = Case::new();
    exchange(&mut case, "i1", &[user("go")], &[look("lost")]);
    run(&mut case, "t1");
    exchange(&mut case, "i2", &[user("no")], &[look("b")]);
    run(&mut case, "t2");
    exchange(&mut case, "i3", &[user("no"), look("b"), out("of b")], &[assistant("hm")]);
    exchange(&mut case, "i4", &[user("no"), shortened(), out("of b"), assistant("hm"), user("more")], &[]);
    let graph = case.check(&[]);
    check(&graph, "t1", &["lost"], &[]);
    check(&graph, "t2", &["b", ""], &["of b"]);
    // A call of another tool has the output of another call.
    let mut case = Case::new();
    exchange(&mut case, "i1", &[user("go")], &[look("a")]);
    run(&mut case, "t1");
    exchange(&mut case, "i2", &[user("go"), look("a"), out("ok")], &[call_of("write", "b")]);
    run_in(&mut case, ("t", "u"), "t2", "write");
    exchange(&mut case, "i3", &[user("summary"), call_of("write", ""), out("ok")], &[]);
    let graph = case.check(&[]);
    check(&graph, "t1", &["a"], &["ok"]);
    assert_eq!(super::texts(&graph, &graph.tool_calls.get("t2").unwrap().call_item_ids), ["b", ""]);
}

#[test]
fn shortened_output_is_not_that_of_an_equal_open_call() {
    // The user interrupted the second, equal call. The history goes on elsewhere, and an old output is shortened.
    let mut case = Case::new();
    let history = [user("wait"), look("x"), out("long"), assistant("hm"), user("again")];
    exchange(&mut case, "i1", &history[..1], &[look("x")]);
    run(&mut case, "t1");
    exchange(&mut case, "i2", &history[..3], &[assistant("hm")]);
    exchange(&mut case, "i3", &history, &[look("x")]);
    run(&mut case, "t2");
    exchange(&mut case, "i4", &[user("wait"), look("x"), out("cleared"), assistant("hm"), user("no")], &[]);
    let graph = case.check(&[]);
    check(&graph, "t1", &["x"], &["long", "cleared"]);
    check(&graph, "t2", &["x"], &[]);
}

#[test]
fn shortened_outputs_do_not_confuse_equal_calls() {
    // Both outputs are shortened, one after the other. The change of another output before the second call makes its
    // place in the list new.
    let other = json!({ "type": "function_call", "call_id": "other", "name": "look", "arguments": "{}" });
    let other_out = |text: &str| json!({ "type": "function_call_output", "call_id": "other", "output": text });
    let mut case = Case::new();
    let mut history = vec![user("go")];
    exchange(&mut case, "i1", &history, &[look("x")]);
    run(&mut case, "t1");
    history.extend([look("x"), out("1")]);
    exchange(&mut case, "i2", &history, std::slice::from_ref(&other));
    history[2] = out("cleared");
    history.extend([other, other_out("long")]);
    exchange(&mut case, "i3", &history, &[look("x")]);
    run(&mut case, "t2");
    history.extend([look("x"), out("2")]);
    exchange(&mut case, "i4", &history, &[assistant("hm")]);
    (history[4], history[6]) = (other_out("cleared"), out("cleared"));
    exchange(&mut case, "i5", &history, &[]);
    let graph = case.check(&[Code::UnseenTool]);
    assert_eq!(super::texts(&graph, &graph.tool_calls.get("t1").unwrap().output_item_ids), ["1", "cleared"]);
    assert_eq!(super::texts(&graph, &graph.tool_calls.get("t2").unwrap().output_item_ids), ["2", "cleared"]);
}

#[test]
fn compacted_history_has_the_calls_of_the_history_before_it() {
    // An equal call, which the user interrupted, has no output.
    let mut case = Case::new();
    let history = [user("go"), assistant("first"), look("x"), out("1")];
    exchange(&mut case, "i1", &history[..1], &[assistant("first"), look("x")]);
    run(&mut case, "t1");
    exchange(&mut case, "i2", &history, &[look("x")]);
    run(&mut case, "t2");
    compact(&mut case, &history, &[user("summary"), look("x"), out("1")]);
    exchange(&mut case, "i3", &[user("summary"), look("x"), out("1"), user("next")], &[assistant("done")]);
    let graph = case.check(&[]);
    check(&graph, "t1", &["x", "x"], &["1", "1"]);
    check(&graph, "t2", &["x"], &[]);
}

#[test]
fn window_of_equal_calls_shows_the_last_ones() {
    let mut case = Case::new();
    let mut history = vec![user("go")];
    for n in 1..=3 {
        exchange(&mut case, &format!("i{n}"), &history, &[look("x"), call_of("write", "x"), look("x")]);
        for (at, label) in ["look", "write", "look"].iter().enumerate() {
            run_in(&mut case, ("t", "u"), &format!("t{n}.{at}"), label);
        }
        history.extend([look("x"), call_of("write", "x"), look("x")]);
        history.extend((0..3).map(|at| out(&format!("{n}.{at}"))));
        if n == 3 {
            history.drain(..13);
        }
    }
    case.request("last", history);
    let graph = case.check(&[]);
    for tool in graph.tool_calls.iter() {
        let id = tool.tool_call_id.as_str();
        assert_eq!(super::texts(&graph, &tool.output_item_ids), [&id[1..]], "{id}");
    }
}

#[test]
fn window_of_equal_calls_of_one_response_shows_the_last_ones() {
    // Each list shows the last exchanges alone. The contents of the calls are equal, and their outputs are not.
    for (counts, window) in [(vec![1, 2], 1), (vec![2, 2, 2], 1), (vec![2, 2, 2, 2, 2], 2), (vec![1, 3, 2, 1], 1)] {
        let mut case = Case::new();
        let mut exchanges: Vec<Vec<Value>> = Vec::new();
        for (n, &count) in counts.iter().chain([&0]).enumerate() {
            let shown = exchanges[exchanges.len().saturating_sub(window)..].concat();
            let calls = vec![look("x"); count];
            exchange(&mut case, &format!("i{n}"), &[vec![user("go")], shown].concat(), &calls);
            (0..count).for_each(|at| run(&mut case, &format!("t{n}.{at}")));
            let outputs = (0..count).map(|at| out(&format!("{n}.{at}")));
            exchanges.push(calls.iter().cloned().chain(outputs).collect());
        }
        let graph = case.check(&[]);
        for tool in graph.tool_calls.iter() {
            let id = tool.tool_call_id.as_str();
            assert_eq!(super::texts(&graph, &tool.output_item_ids), [&id[1..]], "{id} of {counts:?}");
        }
    }
}

#[test]
fn call_whose_item_belongs_to_another_is_run_by_no_tool() {
    // Of the last round, only the request with its output is known, and its item is that of an earlier call.
    let (mut case, history) = two_rounds();
    case.request("i3", [history, vec![look("b"), out("of b, again")]].concat());
    run(&mut case, "late");
    let graph = case.check(&[Code::CallIdReused]);
    check(&graph, "late", &[], &[]);
}
