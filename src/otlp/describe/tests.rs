use std::collections::BTreeSet;

use super::tool::tool_name;
use super::*;
use crate::event::{ToolKind, Usage};
use crate::otlp::digest::{RequestDigest, ResponseDigest};
use crate::otlp::samples::{
    USAGE, bare, cell, compaction, ended, every_kind, failed, full, inference, mcp, shown, thread, tool,
};
use crate::otlp::span_facts::{InferenceFacts, ThreadFacts};
use crate::otlp::{ContentPolicy, UsageNames};

const CAPTURE: Mapping = Mapping { content: ContentPolicy::Capture, usage_names: UsageNames::Current };

fn check(facts: &SpanFacts, mapping: Mapping, name: &str, kind: SpanKind, attributes: &[&str]) {
    let described = describe(facts, mapping);
    let mut expected: Vec<_> = attributes.to_vec();
    expected.sort_unstable();
    assert_eq!((described.name.as_str(), described.kind), (name, kind));
    assert_eq!(shown(&described.attributes), expected);
}

/// What is said of every span that ended well, beside what its kind adds.
fn with_common<'a>(kind: &'a str, added: &[&'a str]) -> Vec<&'a str> {
    let common = [
        r#"otel_trace.object_id = "object-1""#,
        r#"otel_trace.bundle = "trace-1""#,
        r#"otel_trace.payload_ids = ["raw_payload:1", "raw_payload:2"]"#,
        r#"otel_trace.turn.id = "turn-1""#,
        r#"otel_trace.status = "completed""#,
        r#"otel_trace.thread.id = "thread-1""#,
        kind,
    ];
    [&common, added].concat()
}

#[test]
fn a_thread_is_an_invoked_agent() {
    let added = [
        r#"gen_ai.conversation.id = "thread-1""#,
        r#"gen_ai.operation.name = "invoke_agent""#,
        r#"gen_ai.agent.name = "coder""#,
        r#"gen_ai.request.model = "gpt-5""#,
        r#"otel_trace.agent.path = "/root""#,
    ];
    let expected = with_common(r#"otel_trace.kind = "thread""#, &added);
    check(&full(thread()), Mapping::default(), "invoke_agent coder", SpanKind::Internal, &expected);
}

#[test]
fn a_thread_without_a_name_says_only_what_is_known() {
    let unnamed = ThreadFacts { agent_path: "/root".into(), agent_name: None, default_model: Some(String::new()) };
    let expected = [
        r#"otel_trace.object_id = "object-1""#,
        r#"otel_trace.kind = "thread""#,
        r#"otel_trace.status = "completed""#,
        r#"otel_trace.agent.path = "/root""#,
        r#"otel_trace.thread.id = "thread-1""#,
        r#"gen_ai.conversation.id = "thread-1""#,
        r#"gen_ai.operation.name = "invoke_agent""#,
    ];
    check(&bare(What::Thread(unnamed)), CAPTURE, "invoke_agent", SpanKind::Internal, &expected);
}

#[test]
fn a_turn_has_a_name_of_ours() {
    let expected = with_common(r#"otel_trace.kind = "turn""#, &[]);
    check(&full(What::Turn), CAPTURE, "turn", SpanKind::Internal, &expected);
}

const OF_INFERENCE: [&str; 16] = [
    r#"gen_ai.conversation.id = "thread-1""#,
    r#"gen_ai.operation.name = "chat""#,
    r#"gen_ai.provider.name = "openai""#,
    r#"gen_ai.request.model = "gpt-5""#,
    r#"gen_ai.request.temperature = 1.0"#,
    r#"gen_ai.request.top_p = 0.5"#,
    r#"gen_ai.request.max_tokens = 64"#,
    r#"gen_ai.request.stream = true"#,
    r#"gen_ai.request.previous_response.id = "resp-0""#,
    r#"gen_ai.request.reasoning.level = "high""#,
    r#"gen_ai.response.id = "resp-1""#,
    r#"gen_ai.response.model = "gpt-5-2026""#,
    r#"gen_ai.response.finish_reasons = ["stop", "length"]"#,
    r#"gen_ai.response.time_to_first_chunk = 0.25"#,
    r#"gen_ai.usage.cache_read.input_tokens = 40"#,
    r#"gen_ai.usage.reasoning.output_tokens = 5"#,
];
const CACHE_WRITE: &str = "gen_ai.usage.cache_write.input_tokens = 7";
const CURRENT: [&str; 2] = ["gen_ai.usage.input_tokens = 100", "gen_ai.usage.output_tokens = 20"];
const OLDER: [&str; 2] = ["gen_ai.usage.prompt_tokens = 100", "gen_ai.usage.completion_tokens = 20"];

#[test]
fn an_inference_call_has_what_its_event_and_its_bodies_say() {
    let check = |mapping: Mapping, added: &[&str]| {
        let added = [&OF_INFERENCE, added, &[CACHE_WRITE]].concat();
        let expected = with_common(r#"otel_trace.kind = "inference""#, &added);
        check(&full(inference()), mapping, "chat gpt-5", SpanKind::Client, &expected);
    };
    check(Mapping::default(), &CURRENT);
    check(Mapping { usage_names: UsageNames::Both, ..Mapping::default() }, &[CURRENT, OLDER].concat());
    check(Mapping { usage_names: UsageNames::Older, ..Mapping::default() }, &OLDER);
    let content = [
        r#"gen_ai.input.messages = "[1]""#,
        r#"gen_ai.system_instructions = "[2]""#,
        r#"gen_ai.tool.definitions = "[3]""#,
        r#"gen_ai.output.messages = "[4]""#,
    ];
    check(CAPTURE, &[&CURRENT[..], &content].concat());
}

#[test]
fn an_inference_call_of_which_nothing_is_known_says_nothing() {
    let facts =
        InferenceFacts { request: RequestDigest { stream: Some(false), ..Default::default() }, ..Default::default() };
    let expected = [
        r#"otel_trace.object_id = "object-1""#,
        r#"otel_trace.kind = "inference""#,
        r#"otel_trace.status = "completed""#,
        r#"otel_trace.thread.id = "thread-1""#,
        r#"gen_ai.conversation.id = "thread-1""#,
        r#"gen_ai.operation.name = "chat""#,
    ];
    check(&bare(What::Inference(Box::new(facts))), CAPTURE, "chat", SpanKind::Client, &expected);
}

#[test]
fn a_response_says_what_the_event_does_not() {
    let response = ResponseDigest {
        response_id: Some("resp-2".to_owned()),
        usage: Some(Usage { cached_input_tokens: 0, reasoning_output_tokens: 0, ..USAGE }),
        cache_write_tokens: Some(0),
        ..Default::default()
    };
    let facts = InferenceFacts { response: Some(response), ..Default::default() };
    let expected = [
        r#"otel_trace.object_id = "object-1""#,
        r#"otel_trace.kind = "inference""#,
        r#"otel_trace.status = "completed""#,
        r#"otel_trace.thread.id = "thread-1""#,
        r#"gen_ai.conversation.id = "thread-1""#,
        r#"gen_ai.operation.name = "chat""#,
        r#"gen_ai.response.id = "resp-2""#,
        CURRENT[0],
        CURRENT[1],
    ];
    check(&bare(What::Inference(Box::new(facts))), CAPTURE, "chat", SpanKind::Client, &expected);
}

#[test]
fn an_event_says_what_the_response_does_not() {
    let response = Some(ResponseDigest::default());
    let usage = Some(Usage { cached_input_tokens: 0, reasoning_output_tokens: 0, ..USAGE });
    let facts = InferenceFacts { usage, response, ..Default::default() };
    let expected = [
        r#"otel_trace.object_id = "object-1""#,
        r#"otel_trace.kind = "inference""#,
        r#"otel_trace.status = "completed""#,
        r#"otel_trace.thread.id = "thread-1""#,
        r#"gen_ai.conversation.id = "thread-1""#,
        r#"gen_ai.operation.name = "chat""#,
        CURRENT[0],
        CURRENT[1],
    ];
    check(&bare(What::Inference(Box::new(facts))), CAPTURE, "chat", SpanKind::Client, &expected);
}

#[test]
fn a_count_beyond_what_can_be_said_is_the_largest_that_can() {
    let usage = Some(Usage { input_tokens: u64::MAX, ..USAGE });
    let described = describe(&bare(What::Inference(Box::new(InferenceFacts { usage, ..Default::default() }))), CAPTURE);
    let said = described.attributes.iter().find(|attribute| attribute.key.as_str() == attribute::USAGE_INPUT_TOKENS);
    assert_eq!(said.map(|attribute| &attribute.value), Some(&Value::I64(i64::MAX)));
}

#[test]
fn a_tool_call_has_what_its_runtime_saw_last() {
    let of_tool = [
        r#"gen_ai.operation.name = "execute_tool""#,
        r#"gen_ai.tool.call.id = "call-1""#,
        r#"otel_trace.mcp_call_id = "mcp-1""#,
        r#"process.executable.name = "bash""#,
        r#"process.exit.code = 0"#,
    ];
    let content = [r#"gen_ai.tool.call.arguments = "{}""#, r#"gen_ai.tool.call.result = "found""#];
    let check = |kind: ToolKind, mapping: Mapping, name: &str, added: &[&str]| {
        let expected = with_common(r#"otel_trace.kind = "tool""#, &[&of_tool, added].concat());
        check(&full(tool(kind)), mapping, &format!("execute_tool {name}"), SpanKind::Internal, &expected);
    };
    let named = [r#"gen_ai.tool.name = "the_label""#, r#"gen_ai.tool.type = "function""#];
    check(ToolKind::ExecCommand, Mapping::default(), "the_label", &named);
    check(ToolKind::Other { name: "other".into() }, CAPTURE, "the_label", &[named, content].concat());
    let extension = [r#"gen_ai.tool.name = "the_label""#, r#"gen_ai.tool.type = "extension""#];
    check(ToolKind::Web, Mapping::default(), "the_label", &extension);
    check(ToolKind::ImageGeneration, Mapping::default(), "the_label", &extension);
    let of_mcp = [
        r#"gen_ai.tool.name = "find""#,
        r#"gen_ai.tool.type = "extension""#,
        r#"mcp.method.name = "tools/call""#,
        r#"otel_trace.mcp.server = "docs""#,
    ];
    check(mcp(), CAPTURE, "find", &[&of_mcp[..], &content].concat());
}

#[test]
fn a_tool_without_a_label_is_called_by_its_kind() {
    let check = |kind: ToolKind, expected: &str| assert_eq!(tool_name(&kind, None), expected);
    check(ToolKind::ExecCommand, "exec_command");
    check(ToolKind::WriteStdin, "write_stdin");
    check(ToolKind::ApplyPatch, "apply_patch");
    check(ToolKind::Web, "web_search");
    check(ToolKind::ImageGeneration, "image_generation");
    check(ToolKind::SpawnAgent, "spawn_agent");
    check(ToolKind::AssignAgentTask, "followup_task");
    check(ToolKind::SendMessage, "send_message");
    check(ToolKind::WaitAgent, "wait_agent");
    check(ToolKind::CloseAgent, "close_agent");
    check(ToolKind::Other { name: "grep".into() }, "grep");
    check(mcp(), "find");
}

#[test]
fn a_cell_and_a_compaction_have_names_of_ours() {
    let added = [r#"gen_ai.tool.call.id = "call-2""#, r#"otel_trace.code_cell.status = "yielded""#];
    let expected = with_common(r#"otel_trace.kind = "code_cell""#, &added);
    check(&full(cell()), CAPTURE, "code_cell", SpanKind::Internal, &expected);
    let added = [
        r#"otel_trace.compaction.id = "compaction-1""#,
        r#"gen_ai.request.model = "gpt-5""#,
        r#"gen_ai.provider.name = "openai""#,
    ];
    let expected = with_common(r#"otel_trace.kind = "compaction""#, &added);
    check(&full(compaction()), CAPTURE, "compaction gpt-5", SpanKind::Client, &expected);
}

#[test]
fn only_what_failed_has_a_status_and_an_error() {
    let check = |status: ExecutionStatus, error: Option<&str>, expected: Status, added: &[&str]| {
        let described = describe(&ended(bare(What::Turn), status, error), CAPTURE);
        let common = [
            r#"otel_trace.thread.id = "thread-1""#,
            r#"otel_trace.kind = "turn""#,
            r#"otel_trace.object_id = "object-1""#,
        ];
        let mut lines = [&common, added].concat();
        lines.sort_unstable();
        assert_eq!(
            (described.status, shown(&described.attributes)),
            (expected, lines.iter().map(ToString::to_string).collect())
        );
    };
    let failed = r#"otel_trace.status = "failed""#;
    let timeout = [failed, r#"error.type = "timeout""#];
    check(ExecutionStatus::Failed, Some("timeout: slow"), Status::error("timeout: slow"), &timeout);
    check(ExecutionStatus::Failed, None, Status::error(""), &[failed, r#"error.type = "_OTHER""#]);
    let stopped = r#"otel_trace.status_description = "timeout: stopped""#;
    let cancelled = r#"otel_trace.status = "cancelled""#;
    check(ExecutionStatus::Cancelled, Some("timeout: stopped"), Status::Unset, &[cancelled, stopped]);
    check(ExecutionStatus::Cancelled, None, Status::Unset, &[cancelled]);
    let aborted = r#"otel_trace.status = "aborted""#;
    check(ExecutionStatus::Aborted, Some("timeout: stopped"), Status::Unset, &[aborted, stopped]);
    check(ExecutionStatus::Running, Some("late"), Status::Unset, &[r#"otel_trace.status = "running""#]);
    check(ExecutionStatus::Completed, None, Status::Unset, &[r#"otel_trace.status = "completed""#]);
}

/// What a description may have is what the table says, for each kind of span.
#[test]
fn the_table_has_every_attribute_and_no_other() {
    let mapping = Mapping { content: ContentPolicy::Capture, usage_names: UsageNames::Both };
    for what in every_kind() {
        let kind = kind(&what);
        let facts = full(what);
        let ends = [failed(facts.clone(), "timeout"), ended(facts, ExecutionStatus::Cancelled, Some("stopped"))];
        let said = ends.iter().flat_map(|facts| describe(facts, mapping).attributes);
        let said: BTreeSet<_> = said.map(|attribute| attribute.key.to_string()).collect();
        let in_table: BTreeSet<_> =
            attribute::TABLE.iter().filter(|row| row.on.contains(&kind)).map(|row| row.name.to_owned()).collect();
        assert_eq!(said, in_table, "{kind:?}");
    }
    let of_links: Vec<_> = attribute::TABLE.iter().filter(|row| row.on.is_empty()).map(|row| row.name).collect();
    assert_eq!(of_links, [attribute::LINK]);
}
