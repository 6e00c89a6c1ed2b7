//! Bundles as the producer of format 1 writes them today: ids of requests, input modes, session sources, code cells.

use otel_trace::event::{CellStatus, ExecutionStatus};
use otel_trace::graph::{Code, Graph, Origin, Thread};
use serde_json::{Value, json};

use crate::case::{Case, assistant, call, request_items, state, user};

/// Records the end of call `a`, with these fields in addition.
fn end(case: &mut Case, kind: &str, fields: Value) {
    let mut event = json!({ "type": kind, "inference_call_id": "a" });
    event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    case.event(event);
}

#[test]
fn request_id_that_is_null_is_none() {
    for (kind, body_field) in [
        ("inference_completed", "response_payload"),
        ("inference_failed", "partial_response_payload"),
        ("inference_cancelled", "partial_response_payload"),
    ] {
        let id = |given: Value| {
            let mut case = Case::new();
            case.request("a", [user("1")]);
            let body = case.body("inference_response", json!({ "response_id": "resp-1", "output_items": [] }));
            let mut fields = json!({ (body_field): body, "error": "e", "reason": "r" });
            fields.as_object_mut().unwrap().extend(given.as_object().unwrap().clone());
            end(&mut case, kind, fields);
            let graph = case.check_strict(&[]);
            assert_eq!(call(&graph, "a").response_id, Some("resp-1".into()));
            call(&graph, "a").upstream_request_id.as_ref().map(|id| id.as_str().to_owned())
        };
        assert_eq!(id(json!({ "upstream_request_id": null })), None, "{kind}");
        assert_eq!(id(json!({ "upstream_request_id": "req-1" })).as_deref(), Some("req-1"), "{kind}");
        assert_eq!(id(json!({})).as_deref(), Some("resp-1"), "{kind}: the response id stands in");
    }
}

/// Records a request with this body, whose event states the input mode.
fn request_with_mode(case: &mut Case, id: &str, body: Value, mode: Value) {
    let body = case.body("inference_request", body);
    case.event(json!({ "type": "inference_started", "inference_call_id": id, "thread_id": "t", "codex_turn_id": "u",
        "model": "m", "provider_name": "p", "request_payload": body, "request_input_mode": mode }));
}

/// Returns a case whose call `a` has a request and a response with an item each.
fn answered() -> Case {
    let mut case = Case::new();
    case.request("a", [user("1")]);
    case.response("a", [assistant("2")]);
    case
}

#[test]
fn input_mode_that_contradicts_the_body_is_reported_and_decides() {
    let incremental = |id: &str| json!({ "type": "incremental", "previous_response_id": id });
    let full = || json!({ "type": "full_snapshot" });
    let continued = |id: &str| json!({ "input": [user("3")], "previous_response_id": id });
    for (body, mode, expected) in
        [(continued("resp-x"), incremental("resp-a"), vec![1, 2, 3]), (continued("resp-a"), full(), vec![3])]
    {
        let mut case = answered();
        request_with_mode(&mut case, "b", body.clone(), mode);
        let graph = case.check_strict(&[Code::InputModeConflict]);
        assert_eq!(request_items(&graph, "b"), expected, "{body}");
        assert_eq!(case.strict_error(), (Code::InputModeConflict, Some(6), Some(6)));
    }
    let mut case = answered();
    let prefix = case.body("inference_request", json!({ "input": [user("untold")] }));
    let mode =
        json!({ "type": "incremental_with_untraced_prefix", "previous_response_id": "y", "prefix_payload": prefix });
    request_with_mode(&mut case, "b", continued("z"), mode);
    assert_eq!(request_items(&case.check_strict(&[Code::InputModeConflict]), "b"), [3, 4]);
}

#[test]
fn input_mode_that_agrees_with_the_body_is_not_reported() {
    let mut case = answered();
    let body = json!({ "input": [user("3")], "previous_response_id": "resp-a" });
    request_with_mode(&mut case, "b", body, json!({ "type": "incremental", "previous_response_id": "resp-a" }));
    let unnamed = json!({ "input": [user("3")] });
    request_with_mode(&mut case, "n", unnamed, json!({ "type": "incremental", "previous_response_id": "resp-a" }));
    let all = [user("1"), assistant("2"), user("3"), user("4")];
    request_with_mode(&mut case, "c", json!({ "input": all }), json!({ "type": "full_snapshot" }));
    // A warm-up, recorded or not, has no items that the next request would have to repeat.
    case.request("warm", json!([]));
    case.response("warm", json!([]));
    for (id, warm_up) in [("d", "resp-warm"), ("e", "resp-unrecorded")] {
        let body = json!({ "input": [user("1")], "previous_response_id": warm_up });
        request_with_mode(&mut case, id, body, json!({ "type": "full_snapshot" }));
    }
    case.check_strict(&[]);
}

/// Starts a thread with this session source and returns it.
fn thread_with_source(source: &Value) -> (Thread, Value) {
    let mut case = Case::new();
    let body = case.body("session_metadata", json!({ "session_source": source, "model": "m" }));
    case.event(json!({ "type": "thread_started", "thread_id": "w", "agent_path": "/w", "metadata_payload": body }));
    let graph = case.check_strict(&[]);
    (graph.threads.get("w").unwrap().clone(), state(&graph)["threads"]["w"]["source"].clone())
}

#[test]
fn source_of_a_session_is_text() {
    for (source, text) in [
        (json!("cli"), "cli"),
        (json!("unknown"), "unknown"),
        (json!("internal"), "internal"),
        (json!({ "internal": "memory_consolidation" }), "internal"),
        (json!({ "custom": "desk" }), "custom:desk"),
        (json!({ "subagent": "review" }), "subagent:review"),
        (json!({ "subagent": "compact" }), "subagent:compact"),
        (json!({ "subagent": "memory_consolidation" }), "subagent:memory_consolidation"),
        (json!({ "subagent": { "other": "guardian" } }), "subagent:other:guardian"),
        (json!({ "of_a_later_version": { "depth": 1 } }), "of_a_later_version"),
    ] {
        let (thread, written) = thread_with_source(&source);
        assert_eq!((thread.source.as_deref(), &written), (Some(text), &json!(text)), "{source}");
        assert_eq!(thread.origin, Origin::Root);
        assert_eq!(thread.default_model.as_deref(), Some("m"), "the rest of the metadata is read");
    }
    let spawn = json!({ "subagent": { "thread_spawn": { "parent_thread_id": "t", "depth": 1 } } });
    let (thread, _) = thread_with_source(&spawn);
    assert_eq!(thread.source.as_deref(), Some("subagent:thread_spawn"));
    assert!(matches!(thread.origin, Origin::Spawned { .. }));
}

#[test]
fn source_of_a_session_is_left_out_if_it_is_not_known() {
    for source in [Value::Null, json!(7), json!([]), json!({}), json!({ "subagent": null })] {
        let (thread, written) = thread_with_source(&source);
        assert_eq!((thread.source, written), (None, Value::Null), "{source}");
    }
}

fn cell_event(kind: &str, fields: Value) -> Value {
    let mut event = json!({ "type": kind, "runtime_cell_id": "1" });
    event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    event
}

/// Returns a case with a code cell that has started.
fn started_cell() -> Case {
    let mut case = Case::new();
    case.request("a", [json!({ "type": "custom_tool_call", "call_id": "c", "name": "exec", "input": "js" })]);
    case.event(cell_event("code_cell_started", json!({ "model_visible_call_id": "c", "source_js": "js" })));
    case
}

/// Returns the cell as it is written to `state.json`.
fn cell(graph: &Graph) -> Value {
    state(graph)["code_cells"]["code_cell:c"].clone()
}

#[test]
fn cell_that_its_turn_closes_has_no_first_response() {
    for (turn, runtime, execution) in [
        ("failed", CellStatus::Failed, ExecutionStatus::Failed),
        ("cancelled", CellStatus::Terminated, ExecutionStatus::Cancelled),
        ("aborted", CellStatus::Terminated, ExecutionStatus::Cancelled),
    ] {
        let mut case = started_cell();
        let response = case.response("a", json!([]));
        case.end_turn("u", turn);
        let graph = case.check_strict(&[]);
        let cell = cell(&graph);
        assert_eq!(cell["initial_response_at_unix_ms"], Value::Null, "{turn}");
        assert_eq!(cell["initial_response_seq"], Value::Null, "{turn}");
        assert_eq!(cell["runtime_status"], runtime.name());
        assert_eq!(cell["execution"]["status"], execution.name());
        assert_eq!(cell["execution"]["ended_seq"], response + 1);
    }
}

#[test]
fn cell_that_responded_before_its_turn_closed_it_keeps_its_first_response() {
    let mut case = started_cell();
    let responded = case.event(cell_event("code_cell_initial_response", json!({ "status": "yielded" })));
    case.end_turn("u", "aborted");
    let late = cell_event("code_cell_ended", json!({ "status": "completed" }));
    case.event(late);
    let graph = case.check_strict(&[Code::LateEnd]);
    assert_eq!(cell(&graph)["initial_response_seq"], responded);
    assert_eq!(cell(&graph)["runtime_status"], "terminated");
}

#[test]
fn response_of_a_cell_after_its_turn_closed_it_is_late() {
    let mut case = started_cell();
    case.end_turn("u", "failed");
    case.event(cell_event("code_cell_initial_response", json!({ "status": "completed" })));
    case.event(cell_event("code_cell_ended", json!({ "status": "completed" })));
    let graph = case.check_strict(&[Code::LateEnd, Code::LateEnd]);
    assert_eq!(cell(&graph)["initial_response_seq"], Value::Null);
}

/// The usage in a response of the producer, with these counts in addition.
fn token_usage(more: Value) -> Value {
    let mut usage = json!({ "input_tokens": 100, "cached_input_tokens": 60, "output_tokens": 9,
        "reasoning_output_tokens": 4, "total_tokens": 109 });
    usage.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    usage
}

#[test]
fn writes_to_a_cache_are_counted_in_requests_and_totals() {
    let mut case = Case::new();
    case.request("a", [user("1")]);
    let written = json!({ "cache_write_input_tokens": 30, "cache_write_1h_input_tokens": 10 });
    case.response_body("a", json!({ "output_items": [], "token_usage": token_usage(written.clone()) }));
    case.request("b", [user("1")]);
    case.response_body("b", json!({ "output_items": [], "token_usage": token_usage(json!({})) }));
    let [request, response] = [
        ("compaction_request", json!({ "input": [] })),
        (
            "compaction_response",
            json!({ "output_items": [],
            "token_usage": token_usage(written) }),
        ),
    ]
    .map(|(kind, body)| case.body(kind, body));
    case.event(json!({ "type": "compaction_request_started", "compaction_id": "k", "compaction_request_id": "r",
        "thread_id": "t", "codex_turn_id": "u", "model": "m", "provider_name": "p", "request_payload": request }));
    case.event(json!({ "type": "compaction_request_completed", "compaction_id": "k", "compaction_request_id": "r",
        "response_payload": response }));
    let state = state(&case.check_strict(&[]));

    let counts = |write: u64| {
        json!({ "input_tokens": 100, "cached_input_tokens": 60, "cache_write_input_tokens": write,
        "output_tokens": 9, "reasoning_output_tokens": 4 })
    };
    let mut with_1h = counts(30);
    with_1h["cache_write_1h_input_tokens"] = json!(10);
    assert_eq!(state["inference_calls"]["a"]["usage"], with_1h);
    assert_eq!(state["inference_calls"]["b"]["usage"], counts(0), "always written, and 0 if absent");
    assert_eq!(state["compaction_requests"]["r"]["usage"], with_1h);
    for totals in [&state["totals"], &state["threads"]["t"]["totals"], &state["codex_turns"]["u"]["totals"]] {
        let total = |name: &str| totals[name].as_u64();
        assert_eq!((total("input_tokens"), total("cached_input_tokens")), (Some(300), Some(180)));
        assert_eq!((total("cache_write_input_tokens"), total("cache_write_1h_input_tokens")), (Some(60), Some(20)));
        assert_eq!((total("output_tokens"), total("inference_calls")), (Some(27), Some(2)));
    }
}
