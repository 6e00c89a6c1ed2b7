//! What providers return in place of a response: bodies of errors, streams that have only an error, and bytes that are no
//! response.

use otel_trace::graph::{Code, Graph};
use otel_trace::reduce::Options;
use serde_json::{Value, json};

use crate::case::{Case, call, state};

/// The ends of a call, with the code that tells how its response was recorded.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Completed,
    Failed,
    Cancelled,
    Running,
}

const ENDS: [End; 4] = [End::Completed, End::Failed, End::Cancelled, End::Running];

/// Reduces a call whose client received these bytes.
#[track_caller]
fn received(end: End, bytes: &[u8], codes: &[Code]) -> Graph {
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [] }));
    if end == End::Running {
        case.chunk("a", 1, bytes);
        return case.check_strict(codes);
    }
    let wire = case.body_bytes("inference_response", bytes);
    let response = case.body("inference_response", json!({}));
    case.event(match end {
        End::Completed => json!({ "type": "inference_completed", "inference_call_id": "a", "response_id": null,
            "response_payload": response, "wire_payload": wire }),
        End::Failed => json!({ "type": "inference_failed", "inference_call_id": "a", "error": "own",
            "partial_response_payload": null, "wire_payload": wire }),
        End::Cancelled | End::Running => json!({ "type": "inference_cancelled", "inference_call_id": "a",
            "reason": "own", "partial_response_payload": null, "wire_payload": wire }),
    });
    case.check_strict(codes)
}

/// Checks that the call has the provider's text, beside the text of the program.
#[track_caller]
fn check_error(graph: &Graph, end: End) {
    let call = call(graph, "a");
    let errors = (call.error.as_deref(), call.provider_error.as_deref());
    let expected = match end {
        End::Completed | End::Running => (Some("boom"), None),
        End::Failed | End::Cancelled => (Some("own"), Some("boom")),
    };
    assert_eq!(errors, expected, "{end:?}");
    let in_state = state(graph)["inference_calls"]["a"].clone();
    assert_eq!(in_state.get("provider_error"), expected.1.map(Value::from).as_ref());
}

#[test]
fn stream_with_only_an_error_gives_the_error_of_its_call() {
    let error = json!({ "type": "overloaded_error", "message": "boom" });
    for stream in [
        format!("event: error\ndata: {}\n\n", json!({ "type": "error", "error": error })),
        "event: error\ndata: boom\n\n".to_owned(),
        format!(": wait\n\ndata: {}\n\n", json!({ "error": error })),
        format!("data: {}\n\ndata: [DONE]\n\n", json!({ "error": "boom" })),
        json!([{ "error": error }]).to_string(),
        format!("[{},", json!({ "error": error })),
    ] {
        for end in ENDS {
            let graph = received(end, stream.as_bytes(), &[Code::PartialStream]);
            check_error(&graph, end);
            assert_eq!(graph.items().count(), 0, "{stream}");
        }
    }
}

/// Bodies of errors in the forms of providers, gateways and frameworks.
fn error_bodies() -> [Value; 12] {
    let error = json!({ "code": 429, "message": "boom", "status": "X" });
    let mistral = json!({ "detail": [{ "type": "x", "loc": [], "msg": "boom" }] });
    [
        json!({ "error": error }),
        json!({ "type": "error", "error": error, "request_id": "r" }),
        json!({ "error": "boom" }),
        json!({ "code": "x", "error": "boom" }),
        json!({ "detail": "boom" }),
        json!({ "detail": [{ "loc": ["body"], "msg": "boom", "type": "x" }] }),
        json!({ "object": "error", "message": "boom", "type": "BadRequestError", "code": 400 }),
        json!({ "object": "error", "message": mistral, "type": "invalid", "param": null, "code": "1500" }),
        json!({ "message": "boom", "id": "x" }),
        json!({ "Message": "boom", "__type": "X" }),
        json!({ "statusCode": 429, "message": "boom" }),
        json!({ "success": false, "errors": [{ "code": 1, "message": "boom" }], "messages": [], "result": null }),
    ]
}

#[test]
fn received_body_of_an_error_gives_the_error_of_its_call() {
    for body in error_bodies() {
        for (end, text) in ENDS.into_iter().flat_map(|end| [(end, body.to_string()), (end, format!("{body:#}"))]) {
            check_error(&received(end, text.as_bytes(), &[]), end);
        }
    }
}

#[test]
fn recorded_body_of_an_error_gives_the_error_of_a_call_that_ended_early() {
    let list = json!([{ "error": { "code": 429, "message": "boom" } }]);
    let bodies = error_bodies().into_iter().map(|body| (body, &[][..]));
    for (body, codes) in bodies.chain([(list, &[Code::PartialStream][..])]) {
        for (end, reason) in [("inference_failed", "error"), ("inference_cancelled", "reason")] {
            let mut case = Case::new();
            case.request_body("a", json!({ "messages": [] }));
            let payload = case.body("inference_response", body.clone());
            case.event(
                json!({ "type": end, "inference_call_id": "a", reason: "own", "partial_response_payload": payload }),
            );
            check_error(&case.check_strict(codes), End::Failed);
        }
    }
}

#[test]
fn error_of_the_program_that_contains_the_text_is_enough() {
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [] }));
    let payload = case.body("inference_response", json!({ "error": { "message": "boom" } }));
    case.event(json!({ "type": "inference_failed", "inference_call_id": "a", "error": "HTTP 429: boom",
        "partial_response_payload": payload }));
    let graph = case.check_strict(&[]);
    let call = call(&graph, "a");
    assert_eq!((call.error.as_deref(), call.provider_error.as_deref()), (Some("HTTP 429: boom"), None));
}

#[test]
fn completed_response_of_an_unknown_shape_is_no_error() {
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [] }));
    case.response_body("a", json!({ "message": "hello", "id": "x" }));
    let graph = case.check(&[Code::BadPayload]);
    assert_eq!(call(&graph, "a").error, None);
}

#[test]
fn failed_call_with_a_body_of_an_unknown_shape_is_reported() {
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [] }));
    let payload = case.body("inference_response", json!({ "reason": 7 }));
    case.event(json!({ "type": "inference_failed", "inference_call_id": "a", "error": "own",
        "partial_response_payload": payload }));
    let graph = case.check_strict(&[Code::ResponseUnknown]);
    assert_eq!(graph.diagnostics[0].raw_payload_id, Some("raw_payload:2".into()));
}

/// Reduces a call that ended in the way that `end` names, with `text` recorded as its response, or as a part of it.
fn recorded_text(end: &str, text: &str, wire: Option<&[u8]>, codes: &[Code]) -> Graph {
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [] }));
    let payload = case.body_bytes("inference_response", text.as_bytes());
    let wire = wire.map(|bytes| case.body_bytes("inference_response", bytes));
    let mut event = json!({ "type": end, "inference_call_id": "a", "wire_payload": wire });
    let members = match end {
        "inference_failed" => json!({ "error": "own", "partial_response_payload": payload }),
        "inference_cancelled" => json!({ "reason": "own", "partial_response_payload": payload }),
        _ => json!({ "response_id": null, "response_payload": payload }),
    };
    event.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    case.event(event);
    case.check(codes)
}

#[test]
fn text_recorded_in_place_of_a_response_is_read_as_far_as_it_is_an_error() {
    for end in ["inference_failed", "inference_cancelled"] {
        check_error(&recorded_text(end, "\"boom\"", None, &[]), End::Failed);
        for page in ["<html>502 Bad Gateway</html>", "upstream connect error", "\"\"", "7", "null"] {
            let graph = recorded_text(end, page, None, &[Code::ResponseUnknown]);
            assert_eq!(call(&graph, "a").provider_error, None, "{page}");
        }
        // A body that was damaged is no text.
        for damaged in ["{\"id\":\"r\",\"choi", "[{\"error\":", "", "\0\0"] {
            recorded_text(end, damaged, None, &[Code::BadPayload]);
        }
        // The bytes that the client received say more.
        let bytes = json!({ "error": { "message": "boom" } }).to_string();
        check_error(&recorded_text(end, "refused", Some(bytes.as_bytes()), &[]), End::Failed);
    }
    for text in ["\"boom\"", "<html></html>"] {
        let graph = recorded_text("inference_completed", text, None, &[Code::BadPayload]);
        assert_eq!(call(&graph, "a").error, None);
    }
}

#[test]
fn received_json_text_is_the_error_of_a_call_that_did_not_complete() {
    for end in [End::Failed, End::Cancelled] {
        check_error(&received(end, b"\"boom\"", &[]), end);
    }
    assert_eq!(call(&received(End::Completed, b"\"boom\"", &[Code::ResponseUnknown]), "a").error, None);
}

#[test]
fn cancelled_call_with_a_body_of_an_unknown_shape_is_reported() {
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [] }));
    let payload = case.body("inference_response", json!({ "reason": 7 }));
    case.event(json!({ "type": "inference_cancelled", "inference_call_id": "a", "reason": "own",
        "partial_response_payload": payload }));
    case.check_strict(&[Code::ResponseUnknown]);
}

#[test]
fn bytes_that_are_no_response_are_reported() {
    let pages = [&b"<html>502 Bad Gateway</html>"[..], b"upstream connect error", b"\xff\xfe"];
    let others = [&b"{\"x\":1}"[..], b"[1]", b"data: {\"n\":1}\n\ndata: [DONE]\n\n"];
    for bytes in pages.into_iter().chain(others) {
        for end in ENDS {
            let graph = received(end, bytes, &[Code::ResponseUnknown]);
            let found = &graph.diagnostics[0];
            assert!(found.message.contains("no response of a known API"), "{found}");
            // The program need not record more: the bytes are in the bundle.
            assert!(!found.message.contains("handles"), "{found}");
            assert_eq!(found.raw_payload_id, Some("raw_payload:2".into()));
            assert_eq!(call(&graph, "a").raw_response_payload_id, found.raw_payload_id);
        }
    }
}

#[test]
fn call_of_which_nothing_arrived_is_not_reported() {
    for bytes in [&b""[..], b"\n", b": wait\n\n: wait\r\n\r\n"] {
        for end in [End::Failed, End::Cancelled, End::Running] {
            assert_eq!(call(&received(end, bytes, &[]), "a").raw_response_payload_id, None);
        }
    }
}

#[test]
fn bytes_that_are_no_response_are_not_read_again_as_chunks() {
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [] }));
    case.chunk("a", 1, b"<html>");
    let wire = case.body_bytes("inference_response", b"<html></html>");
    case.event(json!({ "type": "inference_failed", "inference_call_id": "a", "error": "own",
        "partial_response_payload": null, "wire_payload": wire }));
    case.check_strict(&[Code::ResponseUnknown]);
    assert_eq!(case.try_reduce(&Options::default()).unwrap().work.stream_events, 0);
}
