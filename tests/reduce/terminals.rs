//! Terminal operations and sessions.

use otel_trace::event::ExecutionStatus;
use otel_trace::graph::{Code, Graph, TerminalOperation, TerminalRequest, TerminalResult};
use serde_json::{Value, json};

use crate::case::{Case, command_begin, command_end, exec, function_invocation, tool, write_stdin};

fn operation(graph: &Graph, number: usize) -> &TerminalOperation {
    graph.terminal_operations().nth(number - 1).unwrap()
}

#[test]
fn command_spans_its_runtime_start_and_end() {
    let mut case = Case::new();
    case.tool("x", None, exec(), None);
    let started = case.runtime_start("x", command_begin("7"));
    let ended = case.runtime_end("x", "failed", command_end("7", "out", 2));
    case.end_tool("x", "completed", None);
    let graph = case.check(&[]);
    let operation = operation(&graph, 1);
    assert_eq!(operation.execution.started.seq.0, started);
    assert_eq!(operation.execution.ended.unwrap().seq.0, ended);
    assert_eq!(operation.execution.status, ExecutionStatus::Failed);
    assert_eq!(
        operation.request,
        TerminalRequest::ExecCommand {
            command: vec!["echo".into(), "hi there".into()],
            display_command: "echo hi there".into(),
            cwd: "/repo".into(),
            yield_time_ms: None,
            max_output_tokens: None,
        }
    );
    let result = operation.result.as_ref().unwrap();
    assert_eq!((result.exit_code, &*result.stdout), (Some(2), "out"));
    assert_eq!(tool(&graph, "x").operation_id, Some(operation.operation_id));
    assert_eq!(graph.terminal_sessions.get("7").unwrap().operation_ids, [operation.operation_id]);
}

#[test]
fn command_without_a_runtime_end_ends_with_its_tool_call() {
    let mut case = Case::new();
    case.tool("x", None, exec(), None);
    case.runtime_start("x", command_begin("7"));
    let ended =
        case.end_tool("x", "aborted", Some(json!({ "type": "direct_response", "response_item": { "output": "o" } })));
    case.tool("y", None, exec(), None);
    case.runtime_start("y", command_begin("7"));
    let graph = case.check(&[]);
    let first = operation(&graph, 1);
    assert_eq!((first.execution.ended.unwrap().seq.0, first.execution.status), (ended, ExecutionStatus::Aborted));
    assert_eq!(first.result, None);
    assert_eq!(operation(&graph, 2).execution.status, ExecutionStatus::Running);
    let session = graph.terminal_sessions.get("7").unwrap();
    assert_eq!((session.operation_ids.len(), session.execution.status), (2, ExecutionStatus::Running));
}

#[test]
fn write_starts_with_its_tool_call_and_has_its_result() {
    let write = |result: Value| {
        let mut case = Case::new();
        let arguments = json!({ "session_id": 7, "chars": "y\n", "yield_time_ms": 10 });
        case.tool("x", None, write_stdin(), function_invocation("write_stdin", arguments));
        case.end_tool("x", "completed", Some(result));
        let graph = case.check(&[]);
        let operation = operation(&graph, 1).clone();
        let request =
            TerminalRequest::WriteStdin { stdin: "y\n".into(), yield_time_ms: Some(10), max_output_tokens: None };
        assert_eq!(operation.request, request);
        assert_eq!(operation.terminal_id.unwrap().as_str(), "7");
        operation.result.unwrap()
    };
    let printed = |text: &str| TerminalResult {
        stdout: text.into(),
        formatted_output: Some(text.into()),
        ..TerminalResult::default()
    };
    let direct = |item: Value| write(json!({ "type": "direct_response", "response_item": item }));
    assert_eq!(direct(json!({ "output": "text" })), printed("text"));
    assert_eq!(direct(json!({ "output": [{ "type": "input_text", "text": "a" }, { "text": "b" }] })), printed("a\nb"));
    assert_eq!(direct(json!({ "output": { "b": 1, "a": 2 } })), printed(r#"{"a":2,"b":1}"#));
    assert_eq!(direct(json!({ "type": "odd" })), printed(r#"{"type":"odd"}"#));
    let value = |value: Value| write(json!({ "type": "code_mode_response", "value": value }));
    let result = value(json!({ "output": "o", "exit_code": 3, "original_token_count": 9, "chunk_id": "k" }));
    let mut expected = printed("o");
    expected.exit_code = Some(3);
    expected.original_token_count = Some(9);
    expected.chunk_id = Some("k".into());
    assert_eq!(result, expected);
    assert_eq!(value(json!("just text")), printed("just text"));
    assert_eq!(value(json!({ "output": 1 })), printed(r#"{"output":1}"#));
    let failed =
        TerminalResult { stderr: "no".into(), formatted_output: Some("no".into()), ..TerminalResult::default() };
    assert_eq!(write(json!({ "type": "error", "error": "no" })), failed);
    assert_eq!(&*write(command_end("7", "ended", 0)).stdout, "ended");
}

#[test]
fn write_without_an_invocation_starts_with_its_runtime() {
    let mut case = Case::new();
    case.tool("x", None, write_stdin(), None);
    let mut begin = command_begin("7");
    begin["interaction_input"] = json!("in");
    case.runtime_start("x", begin);
    let graph = case.check(&[]);
    let TerminalRequest::WriteStdin { stdin, .. } = &operation(&graph, 1).request else { panic!() };
    assert_eq!(stdin, "in");
}

#[test]
fn unreadable_arguments_create_no_operation() {
    let mut case = Case::new();
    case.tool("x", None, write_stdin(), function_invocation("write_stdin", "{"));
    case.tool("y", None, exec(), None);
    case.runtime_start("y", json!({ "command": ["ls"] }));
    case.runtime_end("y", "completed", command_end("7", "o", 0));
    let graph = case.check(&[Code::BadArguments, Code::NotACommand]);
    assert_eq!(graph.terminal_operations().len(), 0);
    assert_eq!(tool(&graph, "y").raw_runtime_payload_ids.len(), 2);
}

#[test]
fn operation_keeps_its_first_terminal() {
    let mut case = Case::new();
    case.tool("x", None, exec(), None);
    case.runtime_start("x", command_begin("7"));
    case.runtime_end("x", "completed", command_end("8", "o", 0));
    let graph = case.check(&[Code::TerminalChanged]);
    assert_eq!(operation(&graph, 1).terminal_id.as_ref().unwrap().as_str(), "7");
}

#[test]
fn equal_process_ids_of_two_threads_are_two_sessions() {
    let mut case = Case::new();
    case.thread("t2", "/root/w");
    case.turn("u2", "t2");
    case.tool("x", None, exec(), None);
    case.runtime_start("x", command_begin("7"));
    case.tool_in(("t2", "u2"), "y", None, exec(), None);
    case.runtime_start("y", command_begin("7"));
    let graph = case.check(&[]);
    let ids: Vec<_> = graph.terminal_sessions.iter().map(|session| session.terminal_id.as_str()).collect();
    assert_eq!(ids, ["7", "t2:7"]);
}
