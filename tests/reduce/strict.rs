//! Strict reduction: the broken rule with the lowest seq ends the reduction.

use otel_trace::graph::Code;
use otel_trace::reduce::Options;
use serde_json::json;

use crate::case::{Case, user};

#[test]
fn lowest_seq_ends_the_reduction() {
    let mut case = Case::new();
    case.request_body("bad", "[]");
    case.end_tool("ghost", "completed", None);
    case.thread("t", "/again");
    assert_eq!(case.strict_error(), (Code::BadPayload, Some(4), Some(4)));
}

#[test]
fn line_without_a_seq_sorts_after_the_previous_line() {
    let mut case = Case::new();
    case.line("not json");
    case.end_tool("ghost", "completed", None);
    assert_eq!(case.strict_error(), (Code::BadLine, None, Some(4)));

    let mut case = Case::new();
    case.end_tool("ghost", "completed", None);
    case.bytes(b"{\"torn");
    assert_eq!(case.strict_error(), (Code::UnknownObject, Some(4), Some(4)));
}

#[test]
fn notices_do_not_end_the_reduction() {
    let mut case = Case::new();
    case.request("a", [user("1")]);
    case.end_turn("u", "completed");
    case.response("a", json!([]));
    case.skip_seq();
    case.event(json!({ "type": "rollout_ended", "status": "completed" }));
    case.check(&[Code::LateEnd, Code::SeqGap]);
    assert!(case.try_reduce(&Options::default().strict(true)).is_ok());
}

#[test]
fn error_names_seq_line_and_code() {
    let mut case = Case::new();
    case.end_tool("ghost", "completed", None);
    let error = case.try_reduce(&Options::default().strict(true)).unwrap_err().to_string();
    assert!(error.contains("seq 4, line 4, unknown_object: tool call ghost was never started"), "{error}");
}
