//! The calls that tools and code cells run.

use otel_trace::graph::{Code, ItemId};
use otel_trace::reduce::Options;
use serde_json::json;

use super::{ID, call_of, check, check_requester, exchange, fail, look, out, respond_unknown, run, run_in};
use crate::case::{Case, call, user};

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
fn code_cells_that_a_window_does_not_tell_apart_are_reported() {
    // Each request has the last exchange alone, and both cells print the same.
    let script = json!({ "type": "custom_tool_call", "call_id": ID, "name": "exec", "input": "poll()" });
    let output = json!({ "type": "custom_tool_call_output", "call_id": ID, "output": "pending" });
    let mut case = Case::new();
    let mut shown = vec![user("go")];
    for n in ["1", "2"] {
        exchange(&mut case, &format!("i{n}"), &shown, std::slice::from_ref(&script));
        let start = json!({ "type": "code_cell_started", "runtime_cell_id": n, "model_visible_call_id": ID, "source_js": "poll()" });
        case.event(start);
        shown = vec![user("go"), script.clone(), output.clone()];
    }
    case.request("last", shown);
    let graph = case.check(&[Code::CallIdReused]);
    assert!(graph.diagnostics[0].message.starts_with("code_cell:look:0#2 "), "{:?}", graph.diagnostics);
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
    let graph = case.try_reduce(&Options::default()).unwrap().graph;
    check_requester(&graph, "t1", Some("i1"));
    check_requester(&graph, "t2", Some("i2"));
    assert_eq!(call(&graph, "i2").tool_call_ids, ["t2".into()]);
}

#[test]
fn tool_runs_the_attempt_that_the_next_request_shows() {
    for used in ["a", "b"] {
        let mut case = Case::new();
        exchange(&mut case, "i1", &[user("go")], &[look("a"), call_of("write", "a")]);
        exchange(&mut case, "i1b", &[user("go")], &[look("b"), call_of("write", "b")]);
        run(&mut case, "t1");
        run_in(&mut case, ("t", "u"), "t2", "write");
        let history = [user("go"), look(used), call_of("write", used), out("1"), out("2")];
        exchange(&mut case, "i2", &history, &[look("c")]);
        run(&mut case, "t3");
        case.request("i3", [&history[..], &[look("c"), out("3")]].concat());
        let graph = case.check(&[]);
        for (id, output) in [("t1", "1"), ("t2", "2")] {
            check_requester(&graph, id, Some(if used == "a" { "i1" } else { "i1b" }));
            assert_eq!(super::texts(&graph, &graph.tool_calls.get(id).unwrap().output_item_ids), [output], "{used}");
        }
        check(&graph, "t3", &["c"], &["3"]);
    }
    // A tool of the first attempt started before the second one, which the next request shows.
    let mut case = Case::new();
    exchange(&mut case, "i1", &[user("go")], &[look("a")]);
    run(&mut case, "t1");
    exchange(&mut case, "i1b", &[user("go")], &[look("b")]);
    run(&mut case, "t2");
    case.request("i2", [user("go"), look("b"), out("of b")]);
    let graph = case.check(&[]);
    check(&graph, "t1", &["a"], &[]);
    check(&graph, "t2", &["b"], &["of b"]);
}
