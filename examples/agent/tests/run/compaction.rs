//! A history that exceeds the limit, with endpoints that support compaction and endpoints that do not.

use anyhow::Result;
use serde_json::json;

use super::endpoint::{Endpoint, error, function, json_reply, message, response};
use super::{stderr, stdout};

/// Creates a response whose token count far exceeds the limit for real models.
fn long_call(call_id: &str) -> String {
    response(&[function(call_id, "exec_command", &json!({"cmd": "echo hi"}))], 250_000)
}

#[test]
fn history_is_replaced_by_the_compaction_of_the_endpoint() -> Result<()> {
    let user_message =
        json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": "say hello"}]});
    // Opaque, like the items of OpenAI.
    let compaction_item = json!({"type": "compaction", "id": "cmp_1", "encrypted_content": "gAAAA"});
    let compaction_reply =
        json_reply(&json!({"object": "response.compaction", "output": [user_message, compaction_item]}));
    let endpoint = Endpoint::start(vec![long_call("call_1"), compaction_reply, message("Hello.")])?;
    let output = endpoint.agent("say hello").output()?;
    assert!(output.status.success(), "{}\n{}", stdout(&output), stderr(&output));
    assert_eq!(endpoint.paths(), ["/v1/responses", "/v1/responses/compact", "/v1/responses"]);
    let requests = endpoint.requests();
    // The whole history was sent, including the last tool output.
    assert_eq!(requests[1]["input"].as_array().map(Vec::len), Some(3));
    assert_eq!(requests[1]["input"][2]["type"], "function_call_output");
    assert_eq!((&requests[1]["model"], requests[1]["instructions"].is_string()), (&json!("gpt-5-mini"), true));
    assert_eq!(requests[2]["input"], json!([user_message, compaction_item]));
    assert!(stdout(&output).contains("─ compaction of 3 items to 2"), "{}", stdout(&output));
    Ok(())
}

#[test]
fn endpoint_without_compaction_is_asked_once() -> Result<()> {
    let unknown = error("404 Not Found", "", "no such route");
    let endpoint = Endpoint::start(vec![long_call("call_1"), unknown, long_call("call_2"), message("Hello.")])?;
    let output = endpoint.agent("say hello").output()?;
    let text = stdout(&output);
    assert!(output.status.success(), "{text}\n{}", stderr(&output));
    assert_eq!(endpoint.paths().iter().filter(|path| path.ends_with("/compact")).count(), 1);
    assert!(text.contains("! the endpoint can't compact, so the whole history goes along: 404 Not Found"), "{text}");
    // The next request has the whole history.
    assert_eq!(endpoint.requests()[3]["input"].as_array().map(Vec::len), Some(5));
    Ok(())
}

#[test]
fn failed_compaction_is_retried_later() -> Result<()> {
    let down = error("503 Service Unavailable", "", "we are moving");
    let compaction_reply = json_reply(&json!({"output": [{"type": "compaction", "encrypted_content": "gAAAA"}]}));
    let replies = vec![long_call("call_1"), down, long_call("call_2"), compaction_reply, message("Hello.")];
    let endpoint = Endpoint::start(replies)?;
    let output = endpoint.agent("say hello").output()?;
    let text = stdout(&output);
    assert!(output.status.success(), "{text}\n{}", stderr(&output));
    assert!(text.contains("could not be compacted this time: 503"), "{text}");
    assert_eq!(endpoint.requests()[4]["input"].as_array().map(Vec::len), Some(1));
    Ok(())
}
