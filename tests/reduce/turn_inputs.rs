//! The input items of a turn: what its first request introduced behind the last item of the assistant.

use otel_trace::graph::Code;
use serde_json::{Value, json};

use crate::case::{Case, assistant, function_call, function_output, user};

/// Returns the numbers of the input items of a turn of thread `t`, whose agent is `/root`.
#[track_caller]
fn inputs(case: &Case, turn: &str, codes: &[Code]) -> Vec<u64> {
    case.check(codes).turns.get(turn).unwrap().input_item_ids.iter().map(|id| id.number()).collect()
}

/// Returns the numbers of the input items of a turn with one request.
#[track_caller]
fn inputs_of(items: impl Into<Value>) -> Vec<u64> {
    let mut case = Case::new();
    case.request("a", items);
    inputs(&case, "u", &[])
}

fn developer(text: &str) -> Value {
    json!({ "type": "message", "role": "developer", "content": text })
}

fn reasoning() -> Value {
    json!({ "type": "reasoning", "summary": [], "encrypted_content": "e" })
}

/// Returns a message of another agent, as an item of its own type.
fn delivered(text: &str) -> Value {
    let content = json!([{ "type": "input_text", "text": text }]);
    json!({ "type": "agent_message", "author": "/root/child", "recipient": "/root", "content": content })
}

/// Returns a message of another agent, as JSON in the text of a message.
fn delivered_as_text(recipient: &str) -> Value {
    let message = json!({ "author": "/root/child", "recipient": recipient, "content": "done", "trigger_turn": true });
    assistant(&message.to_string())
}

#[test]
fn messages_before_an_answer_are_history() {
    assert_eq!(inputs_of([user("1"), assistant("2"), user("3"), assistant("4"), user("5"), user("6")]), [5, 6]);
}

#[test]
fn messages_of_a_first_request_without_an_answer_are_inputs() {
    assert_eq!(inputs_of([developer("1"), user("2"), developer("3"), user("4")]), [2, 4]);
}

#[test]
fn reasoning_and_calls_are_items_of_the_assistant() {
    assert_eq!(inputs_of([user("1"), reasoning(), user("3")]), [3]);
    assert_eq!(inputs_of([user("1"), function_call("c"), user("3")]), [3]);
    let search = json!({ "type": "web_search_call", "action": { "query": "weather" } });
    assert_eq!(inputs_of([user("1"), search, user("3")]), [3]);
}

#[test]
fn tool_output_is_neither_an_input_nor_an_answer() {
    assert_eq!(inputs_of([user("1"), function_call("c"), function_output("c", "3"), user("4")]), [4]);
    assert_eq!(inputs_of([user("1"), function_call("c"), user("3"), function_output("c", "4"), user("5")]), [3, 5]);
    assert_eq!(inputs_of([user("1"), function_call("c"), function_output("c", "3")]), [0; 0]);
}

#[test]
fn delivered_messages_are_inputs() {
    assert_eq!(inputs_of([user("1"), assistant("2"), delivered("3"), user("4"), delivered("5")]), [3, 4, 5]);
    assert_eq!(inputs_of([user("1"), delivered_as_text("/root")]), [1, 2]);
    assert_eq!(inputs_of([user("1"), delivered("2"), assistant("3"), delivered_as_text("/root")]), [4]);
}

#[test]
fn message_delivered_to_another_agent_is_an_answer() {
    assert_eq!(inputs_of([user("1"), delivered_as_text("/elsewhere"), user("3")]), [3]);
}

#[test]
fn summary_of_a_compaction_is_an_item_of_the_assistant() {
    let compaction = json!({ "type": "compaction", "encrypted_content": "s" });
    assert_eq!(inputs_of([user("1"), compaction.clone(), user("3")]), [3]);
    assert_eq!(inputs_of([user("1"), compaction]), [0; 0]);
}

#[test]
fn beginning_of_an_answer_is_not_history() {
    assert_eq!(inputs_of([user("1"), assistant("{")]), [1]);
    assert_eq!(inputs_of([user("1"), assistant("2"), user("3"), assistant("{")]), [3]);
    let mut case = Case::new();
    case.request_body(
        "a",
        json!({ "messages": [{ "role": "user", "content": "1" }, { "role": "assistant", "content": "{" }] }),
    );
    assert_eq!(inputs(&case, "u", &[]), [1]);
}

#[test]
fn call_at_the_end_of_a_request_is_history() {
    assert_eq!(inputs_of([user("1"), function_call("c")]), [0; 0]);
}

#[test]
fn repeated_history_is_no_input() {
    let mut case = Case::new();
    case.request("a", [user("1")]);
    case.response("a", [assistant("2")]);
    case.end_turn("u", "completed");
    case.turn("v", "t");
    case.request_in("b", "t", "v", json!({ "input": [user("1"), assistant("2"), user("3")] }));
    case.request_in("c", "t", "v", json!({ "input": [user("1"), assistant("2"), user("3"), user("4")] }));
    assert_eq!(inputs(&case, "u", &[]), [1]);
    assert_eq!(inputs(&case, "v", &[]), [3], "only the first request of a turn has its inputs");
}

#[test]
fn message_inserted_before_an_answer_is_history() {
    let mut case = Case::new();
    case.request("a", [user("1")]);
    case.response("a", [assistant("2")]);
    case.end_turn("u", "completed");
    case.turn("v", "t");
    case.request_in("b", "t", "v", json!({ "input": [user("reminder"), user("1"), assistant("2"), user("4")] }));
    assert_eq!(inputs(&case, "v", &[]), [4]);
}

#[test]
fn inputs_of_a_request_that_continues_a_response_follow_it() {
    let mut case = Case::new();
    case.request("a", [user("1")]);
    case.response("a", [assistant("2")]);
    case.end_turn("u", "completed");
    case.turn("v", "t");
    case.request_in("b", "t", "v", json!({ "previous_response_id": "resp-a", "input": [user("3"), user("4")] }));
    assert_eq!(inputs(&case, "v", &[]), [3, 4]);
}

#[test]
fn inputs_of_a_request_of_a_conversation_follow_it() {
    let mut case = Case::new();
    case.request_body("a", json!({ "conversation": "conv_1", "input": [user("1")] }));
    case.response("a", [assistant("2")]);
    case.end_turn("u", "completed");
    case.turn("v", "t");
    case.request_in("b", "t", "v", json!({ "conversation": "conv_1", "input": [user("3")] }));
    assert_eq!(inputs(&case, "v", &[Code::ServerSideHistory]), [3]);
}

#[test]
fn unknown_reference_stands_for_history() {
    let mut case = Case::new();
    case.request("a", [user("1"), json!({ "type": "item_reference", "id": "msg_lost" }), user("3")]);
    assert_eq!(inputs(&case, "u", &[Code::UnknownReference]), [3]);
}

#[test]
fn inputs_in_other_apis_follow_the_last_answer() {
    let message = |role: &str, content: &str| json!({ "role": role, "content": content });
    let messages = [message("user", "1"), message("assistant", "2"), message("user", "3")];
    let contents = ["user", "model", "user"].map(|role| json!({ "role": role, "parts": [{ "text": role }] }));
    for body in [json!({ "messages": messages }), json!({ "contents": contents })] {
        let mut case = Case::new();
        case.request_body("a", body.clone());
        assert_eq!(inputs(&case, "u", &[]), [3], "{body}");
    }
    // The output of a tool is in a message of the user.
    let output = json!({ "type": "tool_result", "tool_use_id": "c", "content": "4" });
    let use_ = json!({ "type": "tool_use", "id": "c", "name": "shell", "input": {} });
    let text = json!({ "type": "text", "text": "5" });
    let mut case = Case::new();
    case.request_body(
        "a",
        json!({ "messages": [
            message("user", "1"), { "role": "assistant", "content": [use_] }, { "role": "user", "content": [output, text] },
        ] }),
    );
    assert_eq!(inputs(&case, "u", &[]), [4]);
}
