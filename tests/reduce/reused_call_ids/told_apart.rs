//! Calls and outputs that are equal, or that only their conversations tell apart.

use otel_trace::graph::Code;
use otel_trace::reduce::Options;
use serde_json::{Value, json};

use super::{ID, check, check_requester, exchange, look, out, run};
use crate::case::{Case, user};

fn system(text: &str) -> Value {
    json!({ "type": "message", "role": "system", "content": text })
}

#[test]
fn conversations_with_other_instructions_have_their_own_outputs() {
    // Equal calls behind equal messages. The requests with the outputs come in both orders.
    for order in [["a", "b"], ["b", "a"]] {
        let mut case = Case::new();
        for agent in ["a", "b"] {
            exchange(&mut case, &format!("{agent}1"), &[system(agent), user("go")], &[look("x")]);
            run(&mut case, agent);
        }
        for agent in order {
            let output = out(&format!("for {agent}"));
            case.request(&format!("{agent}2"), [system(agent), user("go"), look("x"), output]);
        }
        let graph = case.check(&[]);
        check(&graph, "a", &["x"], &["for a"]);
        check(&graph, "b", &["x"], &["for b"]);
    }
}

#[test]
fn instructions_that_change_do_not_end_a_conversation() {
    let mut case = Case::new();
    let mut history = vec![user("go")];
    for (round, mode) in ["plan", "act", "plan", "act"].into_iter().enumerate() {
        let request = [vec![system(mode)], history.clone()].concat();
        exchange(&mut case, &format!("i{round}"), &request, &[look("x")]);
        run(&mut case, &round.to_string());
        history.extend([look("x"), out(&round.to_string())]);
    }
    case.request("last", [vec![system("plan")], history].concat());
    let graph = case.check(&[]);
    for round in ["0", "1", "2", "3"] {
        check(&graph, round, &["x"], &[round]);
    }
}

#[test]
fn calls_of_equal_requests_whose_outputs_are_alike_are_reported() {
    // Both agents have the same instructions and messages.
    let mut case = Case::new();
    for agent in ["a", "b"] {
        exchange(&mut case, &format!("{agent}1"), &[user("go")], &[look("x")]);
        run(&mut case, agent);
    }
    case.request("a2", [user("go"), look("x"), out("for a")]);
    case.check(&[Code::CallIdReused]);
    // A program that asks again, because it dropped the first response, runs one tool.
    let mut case = Case::new();
    exchange(&mut case, "i1", &[user("go")], &[look("x")]);
    exchange(&mut case, "i2", &[user("go")], &[look("x")]);
    run(&mut case, "t");
    case.request("i3", [user("go"), look("x"), out("ok")]);
    check(&case.check(&[]), "t", &["x"], &["ok"]);
}

#[test]
fn equal_outputs_in_a_window_of_equal_calls_are_reported() {
    // The program asks for the state until it changes, and each request has the last exchange alone.
    let mut case = Case::new();
    let mut shown = Vec::new();
    for (round, state) in ["pending", "pending", "pending", "ready"].into_iter().enumerate() {
        exchange(&mut case, &format!("i{round}"), &[vec![user("go")], shown].concat(), &[look("x")]);
        run(&mut case, &format!("t{round}"));
        shown = vec![look("x"), out(state)];
    }
    case.request("last", [vec![user("go")], shown].concat());
    let graph = case.check(&[Code::CallIdReused, Code::CallIdReused]);
    check(&graph, "t0", &["x"], &["pending"]);
    check(&graph, "t3", &["x"], &["ready"]);
    let mut reported = graph.diagnostics.iter().map(|found| &found.message);
    assert!(reported.all(|message| message.starts_with("tool call t1 ") || message.starts_with("tool call t2 ")));
}

#[test]
fn equal_outputs_of_other_calls_are_other_outputs() {
    // A window again, and a history whose old outputs are shortened.
    let rounds = ["a", "b", "c"];
    for shows in [&(|at: usize| at..at + 1) as &dyn Fn(usize) -> std::ops::Range<usize>, &(|at| 0..at + 1)] {
        let mut case = Case::new();
        let mut shown = vec![user("go")];
        for (n, at) in rounds.into_iter().enumerate() {
            exchange(&mut case, &format!("i{at}"), &shown, &[look(at)]);
            run(&mut case, at);
            let text = |m: usize| if m == n { "ok" } else { "cleared" };
            let exchanges = shows(n).flat_map(|m| [look(rounds[m]), out(text(m))]);
            shown = [user("go")].into_iter().chain(exchanges).collect();
        }
        case.request("last", shown);
        let graph = case.check(&[]);
        for at in rounds {
            let tool = graph.tool_calls.get(at).unwrap();
            assert_eq!(super::texts(&graph, &tool.output_item_ids)[0], "ok", "{at}");
            assert_eq!(tool.call_item_ids.len(), 1, "{at}");
        }
    }
}

#[test]
fn rewritten_calls_are_those_of_the_response_behind_their_request() {
    // Two conversations, whose calls the program spells anew.
    let mut case = Case::new();
    for agent in ["a", "b"] {
        exchange(&mut case, &format!("{agent}1"), &[system(agent), user("go")], &[look(agent)]);
        run(&mut case, agent);
    }
    for agent in ["a", "b"] {
        let rewritten = look(&format!("{agent}, rewritten"));
        case.request(&format!("{agent}2"), [system(agent), user("go"), rewritten, out(&format!("for {agent}"))]);
    }
    let graph = case.check(&[]);
    check(&graph, "a", &["a", "a, rewritten"], &["for a"]);
    check(&graph, "b", &["b", "b, rewritten"], &["for b"]);
}

#[test]
fn output_of_a_tool_that_cannot_be_told_is_reported() {
    // The request shows a call that no response made, and the tool of an earlier, equal call has no output.
    let mut case = Case::new();
    exchange(&mut case, "i1", &[user("go")], &[look("a")]);
    run(&mut case, "t1");
    exchange(&mut case, "i2", &[user("go"), look("a"), out("of a")], &[look("b")]);
    run(&mut case, "t2");
    case.request("i3", [user("a summary"), out("late"), user("go on")]);
    let graph = case.check(&[Code::CallIdReused]);
    check(&graph, "t2", &["b"], &[]);
    assert!(graph.diagnostics[0].message.contains(&format!("is an output of call {ID} of thread t")));
}

#[test]
fn tools_that_start_after_several_responses_are_reported() {
    let mut case = Case::new();
    exchange(&mut case, "a1", &[user("a")], &[look("a")]);
    exchange(&mut case, "b1", &[user("b")], &[look("b")]);
    run(&mut case, "first");
    run(&mut case, "second");
    case.check(&[Code::CallIdReused, Code::CallIdReused]);
    // One of the calls is run by no tool: the program dropped it.
    let mut case = Case::new();
    exchange(&mut case, "a1", &[user("a")], &[look("a")]);
    exchange(&mut case, "b1", &[user("b")], &[look("b")]);
    run(&mut case, "only");
    check(&case.check(&[]), "only", &["b"], &[]);
}

#[test]
fn tool_after_a_lost_response_runs_no_call_of_an_earlier_one() {
    // Nothing ran the call of the first response. The tool starts in the turn of the lost one, and in the next turn.
    for ends_turn in [false, true] {
        let mut case = Case::new();
        exchange(&mut case, "i1", &[user("go")], &[look("a")]);
        exchange(&mut case, "i2", &[user("go"), look("a"), out("no")], &[look("b")]);
        case.request("i3", [user("go"), look("a"), out("no"), user("other")]);
        super::respond_unknown(&mut case, "i3");
        let turn = if ends_turn { "v" } else { "u" };
        if ends_turn {
            case.end_turn("u", "completed");
            case.turn("v", "t");
        }
        super::run_in(&mut case, ("t", turn), "t1", "look");
        let graph = case.check(&[Code::ResponseUnknown, Code::CallIdReused]);
        check(&graph, "t1", &[], &[]);
    }
}

#[test]
fn names_agree_whatever_their_case() {
    // The program names one tool as the call and the other as people read it.
    let mut case = Case::new();
    exchange(&mut case, "i1", &[user("go")], &[super::call_of("fetch", "a"), super::call_of("look", "b")]);
    super::run_in(&mut case, ("t", "u"), "t1", "look");
    super::run_in(&mut case, ("t", "u"), "t2", "Fetch");
    let graph = case.check(&[]);
    check(&graph, "t1", &["b"], &[]);
    check(&graph, "t2", &["a"], &[]);
}

#[test]
fn conversations_with_other_instructions_beside_the_items_have_their_own_outputs() {
    // Equal calls behind equal messages. The requests with the outputs come in both orders.
    for order in [["a", "b"], ["b", "a"]] {
        let mut case = Case::new();
        let request = |case: &mut Case, agent: &str, call: &str, items: &[Value]| {
            case.request_body(call, json!({ "instructions": agent, "input": items }));
        };
        for agent in ["a", "b"] {
            let call = format!("{agent}1");
            request(&mut case, agent, &call, &[user("go")]);
            case.response(&call, [look("x")]);
            run(&mut case, agent);
        }
        for agent in order {
            let items = [user("go"), look("x"), out(&format!("for {agent}"))];
            request(&mut case, agent, &format!("{agent}2"), &items);
        }
        let graph = case.check(&[]);
        check(&graph, "a", &["x"], &["for a"]);
        check(&graph, "b", &["x"], &["for b"]);
    }
}

#[test]
fn results_of_tools_tell_which_calls_they_run() {
    // The tools start in the other order than their calls, which are equal or not. The results are recorded in the forms
    // of several programs.
    let direct = |text: &str| {
        let item = json!({ "type": "function_call_output", "call_id": ID, "output": text });
        json!({ "type": "direct_response", "response_item": item })
    };
    let forms: [&dyn Fn(&str) -> Value; 4] = [
        &direct,
        &|text| json!({ "content": [{ "type": "text", "text": text }], "isError": false }),
        &|text| json!({ "output": text }),
        &|text| json!({ "anything": text }),
    ];
    for (form, [one, two]) in forms.into_iter().flat_map(|form| [(form, ["x", "y"]), (form, ["x", "x"])]) {
        let mut case = Case::new();
        exchange(&mut case, "a1", &[user("a")], &[look(one)]);
        exchange(&mut case, "b1", &[user("b")], &[look(two)]);
        for (tool, result) in [("first", "of b"), ("second", "of a")] {
            run(&mut case, tool);
            case.end_tool(tool, "completed", Some(form(result)));
        }
        case.request("a2", [user("a"), look(one), out("of a")]);
        case.request("b2", [user("b"), look(two), out("of b")]);
        let graph = case.check(&[]);
        for (tool, at, output) in [("first", two, "of b"), ("second", one, "of a")] {
            let tool = graph.tool_calls.get(tool).unwrap();
            assert_eq!(super::texts(&graph, &tool.output_item_ids), [output]);
            assert!(super::texts(&graph, &tool.call_item_ids).iter().all(|shown| shown == at));
        }
    }
}

#[test]
fn output_of_a_tool_is_the_one_with_its_result() {
    // The window of the last request shows the second of two equal calls in place of the first one, which is not answered.
    let mut case = Case::new();
    exchange(&mut case, "i1", &[user("go")], &[look("x")]);
    exchange(&mut case, "i2", &[user("other")], &[look("x")]);
    run(&mut case, "t");
    case.end_tool("t", "completed", Some(json!({ "output": "found" })));
    case.request("i3", [user("go"), look("x"), out("found")]);
    let graph = case.check(&[]);
    check(&graph, "t", &["x"], &["found"]);
    check_requester(&graph, "t", Some("i2"));
}

#[test]
fn results_that_differ_from_the_outputs_of_a_tool_are_reported() {
    // Both tools returned `ok`, and the request shows another output of the first one.
    let mut case = Case::new();
    let mut shown = vec![user("go")];
    for (tool, output) in [("t1", "other"), ("t2", "ok")] {
        exchange(&mut case, &format!("i-{tool}"), &shown, &[look(tool)]);
        run(&mut case, tool);
        case.end_tool(tool, "completed", Some(json!({ "output": "ok" })));
        shown.extend([look(tool), out(output)]);
    }
    case.request("last", shown);
    let graph = case.check(&[Code::CallIdReused]);
    assert!(graph.diagnostics[0].message.starts_with("tool call t1 "));
    check(&graph, "t1", &["t1"], &["other"]);
    check(&graph, "t2", &["t2"], &["ok"]);
}

#[test]
fn tool_that_may_run_the_call_of_one_without_a_call_is_reported() {
    // Two agents run their tools one after the other. The request between them shows the output of the first tool.
    let mut case = Case::new();
    for agent in ["a", "b"] {
        exchange(&mut case, &format!("{agent}1"), &[user(agent)], &[look(agent)]);
    }
    run(&mut case, "ta");
    case.request("a2", [user("a"), look("a"), out("for a")]);
    run(&mut case, "tb");
    let graph = case.try_reduce(&Options::default()).unwrap().graph;
    for tool in ["ta", "tb"] {
        let subject = format!("tool call {tool} ");
        assert!(graph.diagnostics.iter().any(|found| found.message.starts_with(&subject)), "{tool}");
    }
}

#[test]
fn rewritten_call_of_several_open_ones_has_equal_arguments() {
    // The user interrupted the turns, and the program writes numbers as texts in the calls that it repeats.
    let look_at = |at: Value| json!({ "type": "function_call", "call_id": ID, "name": "look", "arguments": json!({ "at": at }).to_string() });
    let mut case = Case::new();
    for (tool, at) in [("t1", 1), ("t2", 2)] {
        exchange(&mut case, &format!("i-{tool}"), &[user(tool)], &[look_at(json!(at))]);
        run(&mut case, tool);
    }
    case.request("last", [user("go on"), look_at(json!("1")), out("found")]);
    let graph = case.check(&[]);
    let outputs = |tool: &str| graph.tool_calls.get(tool).unwrap().output_item_ids.len();
    assert_eq!([outputs("t1"), outputs("t2")], [1, 0]);
}
