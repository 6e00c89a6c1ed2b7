//! Which operation created this process, and which ones used it again?

use otel_trace::event::ExecutionStatus;
use otel_trace::graph::{OperationKind, TerminalRequest};

use super::RUN;

#[test]
fn sessions_are_created_by_the_command_that_started_them() {
    let run = &*RUN;
    let mut sessions = 0;
    for operation in run.graph.terminal_operations().filter(|it| it.kind == OperationKind::ExecCommand) {
        sessions += 1;
        let begin = run.evidence.body(operation.raw_payload_ids[0].as_str());
        let terminal = operation.terminal_id.as_ref().expect("a terminal");
        assert_eq!(begin["process_id"], terminal.as_str());
        let session = run.graph.terminal_sessions.get(terminal).expect("a session");
        assert_eq!(session.created_by_operation_id, operation.operation_id);
        let tool = run.graph.tool_calls.get(&operation.tool_call_id).expect("a tool call");
        assert_eq!(begin["command"][2].as_str(), run.evidence.argument(tool, "cmd").as_deref());
        assert_eq!(session.thread_id, tool.thread_id);
        let result = operation.result.as_ref().expect("a result");
        let expected = if result.exit_code == Some(0) { ExecutionStatus::Completed } else { ExecutionStatus::Failed };
        assert_eq!(operation.execution.status, expected);
        assert!(!result.stdout.contains('\r') && result.stderr.is_empty());
    }
    assert_eq!(sessions, run.graph.terminal_sessions.len());
    assert!(sessions >= 8, "{sessions}");
}

#[test]
fn session_is_reused_by_input_to_an_interactive_program() {
    let run = &*RUN;
    let [asking] = run.command("sh ./set-price.sh")[..] else { panic!("not called once") };
    let created = asking.operation_id.and_then(|id| run.graph.terminal_operation(id)).expect("an operation");
    let terminal = created.terminal_id.as_ref().expect("a terminal");
    let session = run.graph.terminal_sessions.get(terminal).expect("a session");
    let typed = run.tools_named("write_stdin");
    let mut operations = vec![created.operation_id];
    for tool in &typed {
        assert_eq!(run.evidence.argument(tool, "session_id").as_deref(), Some(terminal.as_str()));
        let operation = tool.operation_id.and_then(|id| run.graph.terminal_operation(id)).expect("an operation");
        assert_eq!((operation.kind, &operation.terminal_id), (OperationKind::WriteStdin, &created.terminal_id));
        let TerminalRequest::WriteStdin { stdin, .. } = &operation.request else { panic!("{:?}", operation.request) };
        assert_eq!(Some(stdin), run.evidence.argument(tool, "chars").as_ref());
        operations.push(operation.operation_id);
    }
    assert_eq!(session.operation_ids, operations);
    assert!(operations.len() >= 2);

    // The call returned while the program was waiting for input; the program ended after it had received the input.
    assert!(asking.execution.ended.expect("returned").seq < created.execution.ended.expect("ended").seq);
    let (last, result) = (typed.last().expect("typed"), created.result.as_ref().expect("a result"));
    assert!(run.item(last.output_item_ids[0]).content.text().starts_with("exit code: 0\n"));
    assert!(result.stdout.contains("New price of a crate, in cents: "), "{}", result.stdout);
    // All other sessions were used once.
    let others: Vec<_> = run.graph.terminal_sessions.iter().filter(|it| it.terminal_id != *terminal).collect();
    assert!(others.len() >= 7, "{}", others.len());
    for other in others {
        assert_eq!(other.operation_ids, [other.created_by_operation_id]);
    }
}
