//! The work of a reduction is linear in the size of the bundle.

use otel_trace::graph::{Code, Snapshots};
use otel_trace::reduce::{Options, Work};
use serde_json::json;

use crate::case::{Case, assistant, exec, function_call, function_output, user};

/// Reduces an incremental session of `calls` calls, each with a tool call.
///
/// Returns the work of the reduction and the size of the state with shared snapshots, in bytes.
fn session(calls: usize) -> (Work, usize) {
    let mut case = Case::new();
    for n in 0..calls {
        let call = format!("{n}");
        let id = format!("c{n}");
        match n {
            0 => case.request(&call, [user("begin")]),
            _ => {
                let previous = n - 1;
                case.request_after(
                    &call,
                    &format!("resp-{previous}"),
                    [function_output(&format!("c{previous}"), "done")],
                )
            }
        };
        case.response(&call, [assistant("next"), function_call(&id)]);
        case.tool(&format!("tool{n}"), Some(&id), exec(), None);
        case.end_tool(&format!("tool{n}"), "completed", None);
    }
    let reduction = case.try_reduce(&Options::default()).unwrap();
    assert_eq!(reduction.diagnostics(), []);
    assert_eq!(reduction.graph.snapshot(&format!("{}", calls - 1).as_str().into()).count(), 1 + (calls - 1) * 3);
    let mut bytes = Vec::new();
    reduction.graph.write_state(&mut bytes, Snapshots::Shared).unwrap();
    (reduction.work, bytes.len())
}

#[test]
fn incremental_session_twice_as_long_takes_twice_the_work() {
    let ((small, small_state), (large, large_state)) = (session(300), session(600));
    for (name, small, large) in [
        ("payload bytes", small.payload_bytes, large.payload_bytes),
        ("items listed", small.items_listed, large.items_listed),
        ("conversation steps", small.conversation_steps, large.conversation_steps),
        ("link probes", small.link_probes, large.link_probes),
        ("bytes of state", small_state as u64, large_state as u64),
    ] {
        assert!(small > 300, "{name}: {small} is too little to compare");
        assert!(large < small * 9 / 4, "{name}: {small}, then {large}");
    }
}

#[test]
fn session_that_repeats_its_history_keeps_each_item_once() {
    let mut case = Case::new();
    let mut history = vec![user("0")];
    for n in 1..=100 {
        case.request(&format!("{n}"), history.clone());
        history.push(user(&n.to_string()));
    }
    let Work { items_listed, items_kept, conversation_steps, .. } = case.try_reduce(&Options::default()).unwrap().work;
    assert_eq!((items_listed, items_kept), (5050, 100));
    assert!(conversation_steps < items_listed * 7, "{conversation_steps}");
}

#[test]
fn short_requests_do_not_reread_a_long_session() {
    let session = |calls: usize, prompt: &dyn Fn(usize) -> String| {
        let mut case = Case::new();
        let history: Vec<_> = (0..calls).map(|n| user(&n.to_string())).collect();
        case.request("0", history);
        case.response("0", json!([]));
        // Alternates between a short unrelated request, such as for a title or to a second model, and the long session.
        for n in 1..calls {
            case.request(&format!("title{n}"), [user(&prompt(n))]);
            case.request_after(&format!("{n}"), &format!("resp-{}", n - 1), [user(&format!("step {n}"))]);
            case.response(&format!("{n}"), [assistant("ok")]);
        }
        case.try_reduce(&Options::default()).unwrap().work.conversation_steps
    };
    let unique = |n: usize| format!("a title for step {n}");
    let constant = |_: usize| "a title, please".to_owned();
    let repeated = |n: usize| format!("step {}", n / 2);
    for prompt in [&unique as &dyn Fn(usize) -> String, &constant, &repeated] {
        let (small, large) = (session(150, prompt), session(300, prompt));
        assert!(large < small * 9 / 4, "{}: {small}, then {large}", prompt(7));
    }
}

#[test]
fn history_without_a_request_is_stored_once() {
    let session = |calls: usize| {
        let mut case = Case::new();
        for n in 0..calls {
            case.request_body(&format!("unknown{n}"), "{}");
            case.response(&format!("unknown{n}"), [assistant(&n.to_string())]);
        }
        for n in 0..calls {
            case.request_after(&format!("on{n}"), "nobody's", json!([]));
        }
        let reduction = case.try_reduce(&Options::default()).unwrap();
        let mut state = Vec::new();
        reduction.graph.write_state(&mut state, Snapshots::Shared).unwrap();
        (reduction.work.conversation_steps, state.len() as u64)
    };
    let (small, large) = (session(100), session(200));
    assert!(large.0 < small.0 * 9 / 4 && large.1 < small.1 * 9 / 4, "{small:?}, then {large:?}");
}

#[test]
fn branches_of_a_long_session_do_not_copy_it() {
    let branches = |calls: usize| {
        let mut case = Case::new();
        case.request("0", [user("begin")]);
        case.response("0", json!([]));
        for n in 1..calls {
            case.request_after(&format!("{n}"), &format!("resp-{}", n - 1), [user(&n.to_string())]);
            case.response(&format!("{n}"), json!([]));
        }
        // Alternates between branches at the beginning and at the end.
        for n in 0..calls {
            let previous = if n % 2 == 0 { "resp-0".to_owned() } else { format!("resp-{}", calls - 1) };
            case.request_after(&format!("branch{n}"), &previous, [user(&format!("branch {n}"))]);
        }
        case.try_reduce(&Options::default()).unwrap().work.conversation_steps
    };
    let (small, large) = (branches(200), branches(400));
    assert!(large < small * 5 / 2, "{small}, then {large}");
}

/// Reduces a case and checks that it has no diagnostics but notices of conversations. Returns the number of steps.
#[track_caller]
fn conversation_steps(case: &Case) -> u64 {
    let reduction = case.try_reduce(&Options::default()).unwrap();
    let others = reduction.diagnostics().iter().filter(|found| found.code != Code::ServerSideHistory);
    assert_eq!(others.count(), 0, "{:?}", reduction.diagnostics());
    reduction.work.conversation_steps
}

#[test]
fn conversations_of_the_provider_do_not_copy_their_history() {
    let session = |calls: usize, conversations: usize| {
        let mut case = Case::new();
        for n in 0..calls {
            let conversation = format!("conv_{}", n % conversations);
            case.request_body(&n.to_string(), json!({ "conversation": conversation, "input": [user(&n.to_string())] }));
            case.response(&n.to_string(), [assistant("ok")]);
        }
        conversation_steps(&case)
    };
    for conversations in [1, 2, 20] {
        let (small, large) = (session(200, conversations), session(400, conversations));
        assert!(large < small * 5 / 2, "{conversations} conversations: {small}, then {large}");
    }
}

#[test]
fn references_are_found_without_a_search() {
    // Every item has the same content, so only its id tells it from the others.
    let item = |n: usize| json!({ "type": "message", "role": "user", "id": format!("msg_{n}"), "content": "ok" });
    let reference = |n: usize| json!({ "type": "item_reference", "id": format!("msg_{n}") });
    let session = |items: usize, order: &dyn Fn(usize) -> usize| {
        let mut case = Case::new();
        case.request("a", (0..items).map(item).collect::<Vec<_>>());
        let list: Vec<_> = (0..items).map(|n| if n % 2 == 0 { reference(order(n)) } else { item(n) }).collect();
        case.request("b", list);
        conversation_steps(&case)
    };
    let in_order = |items: usize| session(items, &|n| n);
    let reversed = |items: usize| session(items, &|n| items - 1 - n);
    let repeated = |items: usize| session(items, &|_| items / 2);
    for session in [&in_order as &dyn Fn(usize) -> u64, &reversed, &repeated] {
        let (small, large) = (session(1000), session(2000));
        assert!(large < small * 9 / 4, "{small}, then {large}");
    }
}

#[test]
fn session_of_references_takes_work_in_proportion_to_its_lists() {
    let mut case = Case::new();
    let mut history = Vec::new();
    for n in 0..100 {
        history.push(user(&n.to_string()));
        case.request(&n.to_string(), history.clone());
        let answer = json!({ "type": "message", "role": "assistant", "id": format!("msg_{n}"), "content": "ok" });
        case.response(&n.to_string(), [answer]);
        history.push(json!({ "type": "item_reference", "id": format!("msg_{n}") }));
    }
    let Work { items_listed, items_kept, conversation_steps, .. } = case.try_reduce(&Options::default()).unwrap().work;
    assert_eq!((items_listed, items_kept), (100 * 100 + 100, 100 + 1 + 99));
    assert!(conversation_steps < items_listed * 7, "{conversation_steps}");
}

/// Reduces a session whose calls all have one id, and returns the work.
///
/// Each round has a call and a tool that runs it. A round continues the response of the round before or, if `is_full`,
/// lists the whole history. If it is not `is_answered`, no request shows an output.
fn session_with_one_call_id(rounds: usize, is_full: bool, is_answered: bool) -> Work {
    let call = |n: usize| json!({ "type": "function_call", "call_id": "c", "name": "shell", "arguments": json!({ "n": n }).to_string() });
    let mut case = Case::new();
    let mut history = vec![user("begin")];
    for n in 0..rounds {
        let new = if is_answered && n > 0 { function_output("c", &n.to_string()) } else { user(&n.to_string()) };
        history.push(new.clone());
        let inference = n.to_string();
        if is_full || n == 0 {
            case.request(&inference, history.clone());
        } else {
            case.request_after(&inference, &format!("resp-{}", n - 1), [new]);
        }
        case.response(&inference, [call(n)]);
        history.push(call(n));
        if is_answered {
            case.tool(&format!("tool{n}"), Some("c"), exec(), None);
        }
    }
    // The tools of calls without outputs start last, in another turn.
    case.turn("u2", "t");
    for n in (0..rounds).filter(|_| !is_answered) {
        case.tool_in(("t", "u2"), &format!("tool{n}"), Some("c"), exec(), None);
    }
    let reduction = case.try_reduce(&Options::default()).unwrap();
    // Any of the tools that start last may run the call of another one.
    let notices = reduction.diagnostics();
    assert_eq!(notices.len(), if is_answered { 0 } else { rounds });
    assert!(notices.iter().all(|notice| notice.code == Code::CallIdReused));
    let mut calls: Vec<_> = reduction.graph.tool_calls.iter().map(|tool| tool.call_item_ids.clone()).collect();
    calls.sort();
    calls.dedup();
    assert_eq!((calls.len(), calls.iter().flatten().count()), (rounds, rounds), "each tool has a call of its own");
    reduction.work
}

#[test]
fn calls_with_one_id_take_work_in_proportion() {
    for (is_answered, rounds) in [(true, 1000), (false, 1000)] {
        let [small, large] = [rounds, 2 * rounds].map(|rounds| session_with_one_call_id(rounds, false, is_answered));
        for (name, small, large) in [
            ("conversation steps", small.conversation_steps, large.conversation_steps),
            ("link probes", small.link_probes, large.link_probes),
        ] {
            assert!(small > rounds as u64, "{name}: {small} is too little to compare");
            assert!(large < small * 9 / 4, "{name}: {small}, then {large}");
        }
    }
    // Requests with the whole history are longer and longer; their items are compared once each.
    let Work { items_listed, conversation_steps, link_probes, .. } = session_with_one_call_id(150, true, true);
    assert!(conversation_steps < items_listed * 7 && link_probes < items_listed, "{conversation_steps}, {link_probes}");
}

#[test]
fn stream_twice_as_long_takes_twice_the_work() {
    let work = |events: usize| {
        let call = |n: usize| json!({ "index": n / 8, "id": format!("c{}", n / 8), "function": { "arguments": "{" } });
        let delta = |n: usize| json!({ "content": "text", "tool_calls": [call(n)] });
        let event = |n: usize| format!("data: {}\n\n", json!({ "choices": [{ "index": 0, "delta": delta(n) }] }));
        let events: Vec<String> = (0..events).map(event).collect();
        let mut case = Case::new();
        case.request("whole", json!([]));
        case.received("whole", events.concat().as_bytes());
        case.request("chunks", json!([]));
        for (number, event) in (1..).zip(&events) {
            case.chunk("chunks", number, event.as_bytes());
        }
        case.try_reduce(&Options::default()).unwrap().work
    };
    let (small, large) = (work(400), work(800));
    for (name, small, large) in [
        ("events", small.stream_events, large.stream_events),
        ("payloads", small.payloads, large.payloads),
        ("payload bytes", small.payload_bytes, large.payload_bytes),
        ("items listed", small.items_listed, large.items_listed),
        ("conversation steps", small.conversation_steps, large.conversation_steps),
    ] {
        assert!(small > 100, "{name}: {small} is too little to compare");
        assert!(large < small * 9 / 4, "{name}: {small}, then {large}");
    }
    assert_eq!(small.stream_events, 800, "each event is read once");
}

/// Reduces a session in which `starts` calls reference one body, and returns the work. The body has `items` items and as
/// many members that no rule reads.
fn session_with_one_body(starts: usize, items: usize, is_prefix: bool) -> Work {
    let item = |n: usize| json!({ "type": "message", "role": "user", "content": n.to_string(), format!("new{n}"): 1 });
    let items = (0..items).map(item).collect::<Vec<_>>();
    let mut case = Case::new();
    let body = case.body("inference_request", json!({ "input": items }));
    for n in 0..starts {
        let mut event = json!({
            "type": "inference_started", "inference_call_id": n.to_string(), "thread_id": "t", "codex_turn_id": "u",
            "model": "m", "provider_name": "p", "request_payload": body,
        });
        if is_prefix {
            event["request_input_mode"] = json!({
                "type": "incremental_with_untraced_prefix", "previous_response_id": "r", "prefix_payload": body,
            });
        }
        case.event(event);
    }
    let reduction = case.try_reduce(&Options::default()).unwrap();
    assert!(reduction.diagnostics().iter().all(|found| found.code == Code::UnreadField));
    assert_eq!(reduction.graph.inference_calls.iter().count(), starts);
    reduction.work
}

#[test]
fn body_of_several_requests_is_searched_once() {
    for is_prefix in [false, true] {
        let [once, often] = [1, 500].map(|starts| session_with_one_body(starts, 1000, is_prefix));
        assert_eq!((once.unread_members, often.unread_members), (1000, 1000));
        let more = often.conversation_steps - once.conversation_steps;
        assert!(once.conversation_steps > 2000, "{} is too little to compare", once.conversation_steps);
        assert!(more < 500 * 10, "{} steps, then {more} more", once.conversation_steps);
    }
}

#[test]
fn compaction_in_a_body_of_several_requests_is_searched_once() {
    let session = |starts: usize| {
        let mut messages =
            vec![json!({ "role": "assistant", "content": [{ "type": "compaction", "content": "So far." }] })];
        messages.extend((0..1000).map(|n| json!({ "role": "user", "content": n.to_string() })));
        let mut case = Case::new();
        let body = case.body("inference_request", json!({ "messages": messages }));
        for n in 0..starts {
            case.event(json!({
                "type": "inference_started", "inference_call_id": n.to_string(), "thread_id": "t", "codex_turn_id": "u",
                "model": "m", "provider_name": "p", "request_payload": body,
            }));
        }
        let reduction = case.try_reduce(&Options::default()).unwrap();
        assert_eq!(reduction.diagnostics(), []);
        let compacted = reduction.graph.inference_calls.iter().filter(|call| call.compacted_before.is_some());
        assert_eq!(compacted.count(), starts);
        reduction.work.conversation_steps
    };
    let (once, often) = (session(1), session(500));
    assert!(once > 2000 && often - once < 500 * 10, "{once}, then {often}");
}

#[test]
fn prefix_of_several_requests_is_compared_once() {
    let session = |starts: usize| {
        let mut case = Case::new();
        let prefix = case
            .body("inference_request", json!({ "input": (0..1000).map(|n| user(&n.to_string())).collect::<Vec<_>>() }));
        for n in 0..starts {
            let body = case.body("inference_request", json!({ "input": [user(&format!("new {n}"))] }));
            case.event(json!({
                "type": "inference_started", "inference_call_id": n.to_string(), "thread_id": "t", "codex_turn_id": "u",
                "model": "m", "provider_name": "p", "request_payload": body,
                "request_input_mode": {
                    "type": "incremental_with_untraced_prefix", "previous_response_id": "r", "prefix_payload": prefix,
                },
            }));
        }
        let reduction = case.try_reduce(&Options::default()).unwrap();
        assert_eq!(reduction.diagnostics(), []);
        let graph = &reduction.graph;
        let last: Vec<_> =
            graph.snapshot(&(starts - 1).to_string().as_str().into()).map(|item| item.number()).collect();
        assert_eq!((last.len(), last[999], last[1000]), (1001, 1000, 1000 + starts as u64));
        let mut state = Vec::new();
        graph.write_state(&mut state, Snapshots::Shared).unwrap();
        (reduction.work.conversation_steps, state.len())
    };
    let ((once, once_state), (often, often_state)) = (session(1), session(300));
    assert!(once > 2000 && often - once < 300 * 20, "{once} steps, then {often}");
    assert!(often_state < once_state * 3, "{once_state} bytes, then {often_state}");
}

#[test]
fn windows_of_equal_turns_take_work_in_proportion_to_their_lists() {
    let session = |turns: usize| {
        let mut case = Case::new();
        let mut history = Vec::new();
        for n in 0..turns {
            let (call, turn) = (n.to_string(), format!("turn{n}"));
            case.turn(&turn, "t");
            history.push(user("continue"));
            let window = &history[history.len().saturating_sub(21)..];
            case.request_in(&call, "t", &turn, json!({ "input": window }));
            case.response(&call, [assistant("ok")]);
            history.push(assistant("ok"));
        }
        let reduction = case.try_reduce(&Options::default()).unwrap();
        assert_eq!(reduction.diagnostics(), []);
        let inputs = reduction.graph.turns.iter().map(|turn| turn.input_item_ids.len());
        assert_eq!(inputs.sum::<usize>(), turns);
        reduction.work.conversation_steps
    };
    let (small, large) = (session(100), session(200));
    assert!(large < small * 9 / 4, "{small}, then {large}");
}
