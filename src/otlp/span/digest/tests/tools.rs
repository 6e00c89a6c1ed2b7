use serde_json::{Value, json};

use crate::otlp::ContentPolicy::{Capture, Omit};
use crate::otlp::span::digest::{InvocationDigest, ResultDigest, RuntimeDigest};

#[test]
fn invocation_digest_has_the_arguments() {
    let check = |body: Value, expected: Option<&str>| {
        let digest = InvocationDigest::parse(body.to_string().as_bytes(), Capture);
        assert_eq!(digest.arguments.as_deref(), expected, "{body}");
        assert_eq!(InvocationDigest::parse(body.to_string().as_bytes(), Omit), InvocationDigest::default());
    };
    let invocation = |payload: Value| json!({ "tool_name": "find", "payload": payload });
    check(invocation(json!({ "type": "function", "arguments": "{\"a\": 1}" })), Some(r#"{"a": 1}"#));
    check(invocation(json!({ "type": "tool_search", "arguments": { "query": "a" } })), Some(r#"{"query":"a"}"#));
    check(invocation(json!({ "type": "custom", "input": "*** Begin" })), Some("*** Begin"));
    check(invocation(json!({ "type": "mcp", "server": "docs", "tool": "find", "raw_arguments": "{}" })), Some("{}"));
    let shell = json!({ "command": ["ls"], "type": "local_shell" });
    check(invocation(shell.clone()), Some(&shell.to_string()));
    check(invocation(json!({ "type": "function" })), Some(r#"{"type":"function"}"#));
    check(json!({ "tool_name": "find" }), None);
    check(json!("find"), None);
}

#[test]
fn result_digest_has_the_result() {
    let check = |body: Value, expected: &str| {
        let digest = ResultDigest::parse(body.to_string().as_bytes(), Capture);
        assert_eq!(digest.result.as_deref(), Some(expected), "{body}");
        assert_eq!(ResultDigest::parse(body.to_string().as_bytes(), Omit), ResultDigest::default());
    };
    let answer = json!({ "type": "function_call_output", "call_id": "c1", "output": "found" });
    check(json!({ "type": "direct_response", "response_item": answer }), "found");
    let item = json!({ "call_id": "c1", "output": [{ "text": "a" }] });
    check(json!({ "type": "direct_response", "response_item": item }), r#"[{"text":"a"}]"#);
    check(json!({ "type": "direct_response", "response_item": { "a": 1 } }), r#"{"a":1}"#);
    check(json!({ "type": "code_mode_response", "value": { "a": 1 } }), r#"{"a":1}"#);
    check(json!({ "type": "code_mode_response", "value": "text" }), "text");
    check(json!({ "type": "error", "error": "no such file" }), "no such file");
    check(json!({ "a": 1 }), r#"{"a":1}"#);
    check(json!("text"), "text");
    assert_eq!(ResultDigest::parse(b"not JSON", Capture), ResultDigest::default());
}

#[test]
fn runtime_digest_has_executable_and_exit_code() {
    let check = |body: Value, executable: Option<&str>, exit_code| {
        let expected = RuntimeDigest { executable: executable.map(str::to_owned), exit_code };
        assert_eq!(RuntimeDigest::parse(body.to_string().as_bytes()), expected, "{body}");
    };
    check(json!({ "command": ["bash", "-lc", "ls"], "cwd": "/" }), Some("bash"), None);
    check(json!({ "command": ["/usr/bin/env"], "exit_code": 0 }), Some("env"), Some(0));
    check(json!({ "command": ["C:\\Windows\\cmd.exe"], "exit_code": -1 }), Some("cmd.exe"), Some(-1));
    check(json!({ "command": "psql --quiet -c 'select a/b'" }), Some("psql"), None);
    check(json!({ "command": ["/usr/bin/psql --quiet"] }), Some("psql"), None);
    check(json!({ "command": [], "exit_code": "0" }), None, None);
    check(json!({ "command": ["/"] }), None, None);
    check(json!({ "prompt": "Go." }), None, None);
    check(json!([]), None, None);
}
