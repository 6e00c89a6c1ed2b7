use std::collections::BTreeSet;

use super::tool::tool_name;
use super::*;
use crate::event::{EndDetail, EndedBy, ToolKind, Usage};
use crate::otlp::span::content_policy::ContentPolicy;
use crate::otlp::span::digest::{RequestDigest, ResponseDigest};
use crate::otlp::span::facts::{InferenceFacts, ThreadFacts};
use crate::otlp::span::tests::samples::{
    USAGE, attribute_lines, bare, cell, compaction, ended, every_kind, failed, full, inference, mcp, thread, tool,
};
use crate::otlp::span::usage_names::UsageNames;

const CAPTURE: Mapping = Mapping { content: ContentPolicy::Capture, usage_names: UsageNames::Current };

fn check(facts: &SpanFacts, mapping: Mapping, name: &str, kind: SpanKind, attributes: &[&str]) {
    let described = describe(facts, mapping);
    let mut expected: Vec<_> = attributes.to_vec();
    expected.sort_unstable();
    assert_eq!((described.name.as_str(), described.kind), (name, kind));
    assert_eq!(attribute_lines(&described.attributes), expected);
}

/// Returns the attributes of every completed span, followed by those of its kind.
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
fn thread_is_an_invoked_agent() {
    let added = [
        r#"gen_ai.conversation.id = "conversation-1""#,
        r#"gen_ai.operation.name = "invoke_agent""#,
        r#"gen_ai.agent.name = "coder""#,
        r#"gen_ai.request.model = "gpt-5""#,
        r#"otel_trace.agent.path = "/root""#,
    ];
    let expected = with_common(r#"otel_trace.kind = "thread""#, &added);
    check(&full(thread()), Mapping::default(), "invoke_agent coder", SpanKind::Internal, &expected);
}

#[test]
fn unnamed_thread_has_no_name_or_model_attribute() {
    let unnamed = ThreadFacts { agent_path: "/root".into(), agent_name: None, default_model: Some(String::new()) };
    let expected = [
        r#"otel_trace.object_id = "object-1""#,
        r#"otel_trace.kind = "thread""#,
        r#"otel_trace.status = "completed""#,
        r#"otel_trace.agent.path = "/root""#,
        r#"otel_trace.thread.id = "thread-1""#,
        r#"gen_ai.operation.name = "invoke_agent""#,
    ];
    check(&bare(SpanDetail::Thread(unnamed)), CAPTURE, "invoke_agent", SpanKind::Internal, &expected);
}

#[test]
fn turn_has_a_name_outside_the_conventions() {
    let expected = with_common(r#"otel_trace.kind = "turn""#, &[]);
    check(&full(SpanDetail::Turn), CAPTURE, "turn", SpanKind::Internal, &expected);
}

const INFERENCE_ATTRIBUTES: [&str; 23] = [
    r#"gen_ai.conversation.id = "conv_1""#,
    r#"gen_ai.operation.name = "chat""#,
    r#"gen_ai.provider.name = "openai""#,
    r#"gen_ai.request.model = "gpt-5""#,
    r#"gen_ai.request.temperature = 1.0"#,
    r#"gen_ai.request.top_p = 0.5"#,
    r#"gen_ai.request.top_k = 40.0"#,
    r#"gen_ai.request.max_tokens = 64"#,
    r#"gen_ai.request.frequency_penalty = 0.25"#,
    r#"gen_ai.request.presence_penalty = -0.5"#,
    r#"gen_ai.request.choice.count = 2"#,
    r#"gen_ai.request.seed = 7"#,
    r#"gen_ai.request.stop_sequences = ["END"]"#,
    r#"gen_ai.output.type = "json""#,
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
const CURRENT_USAGE: [&str; 2] = ["gen_ai.usage.input_tokens = 100", "gen_ai.usage.output_tokens = 20"];
const OLDER_USAGE: [&str; 2] = ["gen_ai.usage.prompt_tokens = 100", "gen_ai.usage.completion_tokens = 20"];

#[test]
fn inference_call_has_attributes_of_event_and_payloads() {
    let check = |mapping: Mapping, added: &[&str]| {
        let added = [&INFERENCE_ATTRIBUTES, added, &[CACHE_WRITE]].concat();
        let expected = with_common(r#"otel_trace.kind = "inference""#, &added);
        check(&full(inference()), mapping, "chat gpt-5", SpanKind::Client, &expected);
    };
    check(Mapping::default(), &CURRENT_USAGE);
    check(Mapping { usage_names: UsageNames::Both, ..Mapping::default() }, &[CURRENT_USAGE, OLDER_USAGE].concat());
    check(Mapping { usage_names: UsageNames::Older, ..Mapping::default() }, &OLDER_USAGE);
    let content = [
        r#"gen_ai.input.messages = "[1]""#,
        r#"gen_ai.system_instructions = "[2]""#,
        r#"gen_ai.tool.definitions = "[3]""#,
        r#"gen_ai.output.messages = "[4]""#,
    ];
    check(CAPTURE, &[&CURRENT_USAGE[..], &content].concat());
}

#[test]
fn unknown_inference_facts_give_no_attributes() {
    let facts =
        InferenceFacts { request: RequestDigest { stream: Some(false), ..Default::default() }, ..Default::default() };
    let expected = [
        r#"otel_trace.object_id = "object-1""#,
        r#"otel_trace.kind = "inference""#,
        r#"otel_trace.status = "completed""#,
        r#"otel_trace.thread.id = "thread-1""#,
        r#"gen_ai.operation.name = "chat""#,
    ];
    check(&bare(SpanDetail::Inference(Box::new(facts))), CAPTURE, "chat", SpanKind::Client, &expected);
}

#[test]
fn response_fills_in_what_the_event_lacks() {
    let response = ResponseDigest {
        response_id: Some("resp-2".to_owned()),
        usage: Some(Usage { input_tokens: 100, output_tokens: 20, ..Usage::default() }),
        ..Default::default()
    };
    let facts = InferenceFacts { response: Some(response), ..Default::default() };
    let expected = [
        r#"otel_trace.object_id = "object-1""#,
        r#"otel_trace.kind = "inference""#,
        r#"otel_trace.status = "completed""#,
        r#"otel_trace.thread.id = "thread-1""#,
        r#"gen_ai.operation.name = "chat""#,
        r#"gen_ai.response.id = "resp-2""#,
        CURRENT_USAGE[0],
        CURRENT_USAGE[1],
    ];
    check(&bare(SpanDetail::Inference(Box::new(facts))), CAPTURE, "chat", SpanKind::Client, &expected);
}

#[test]
fn event_fills_in_what_the_response_lacks() {
    let response = Some(ResponseDigest::default());
    let usage = Some(Usage { input_tokens: 100, output_tokens: 20, ..Usage::default() });
    let facts = InferenceFacts { usage, response, ..Default::default() };
    let expected = [
        r#"otel_trace.object_id = "object-1""#,
        r#"otel_trace.kind = "inference""#,
        r#"otel_trace.status = "completed""#,
        r#"otel_trace.thread.id = "thread-1""#,
        r#"gen_ai.operation.name = "chat""#,
        CURRENT_USAGE[0],
        CURRENT_USAGE[1],
    ];
    check(&bare(SpanDetail::Inference(Box::new(facts))), CAPTURE, "chat", SpanKind::Client, &expected);
}

#[test]
fn token_count_saturates_at_i64_max() {
    let usage = Some(Usage { input_tokens: u64::MAX, ..USAGE });
    let described =
        describe(&bare(SpanDetail::Inference(Box::new(InferenceFacts { usage, ..Default::default() }))), CAPTURE);
    let attribute =
        described.attributes.iter().find(|attribute| attribute.key.as_str() == attribute::USAGE_INPUT_TOKENS);
    assert_eq!(attribute.map(|attribute| &attribute.value), Some(&Value::I64(i64::MAX)));
}

#[test]
fn tool_call_has_the_last_runtime_values() {
    let tool_attributes = [
        r#"gen_ai.operation.name = "execute_tool""#,
        r#"gen_ai.tool.call.id = "call-1""#,
        r#"process.executable.name = "bash""#,
        r#"process.exit.code = 0"#,
    ];
    let content = [r#"gen_ai.tool.call.arguments = "{}""#, r#"gen_ai.tool.call.result = "found""#];
    let check = |kind: ToolKind, mapping: Mapping, name: &str, added: &[&str]| {
        let expected = with_common(r#"otel_trace.kind = "tool""#, &[&tool_attributes, added].concat());
        check(&full(tool(kind)), mapping, &format!("execute_tool {name}"), SpanKind::Internal, &expected);
    };
    let named = [r#"gen_ai.tool.name = "the_label""#, r#"gen_ai.tool.type = "function""#];
    check(ToolKind::ExecCommand, Mapping::default(), "the_label", &named);
    check(ToolKind::Other { name: "other".into() }, CAPTURE, "the_label", &[named, content].concat());
    let extension = [r#"gen_ai.tool.name = "the_label""#, r#"gen_ai.tool.type = "extension""#];
    check(ToolKind::Web, Mapping::default(), "the_label", &extension);
    check(ToolKind::ImageGeneration, Mapping::default(), "the_label", &extension);
    let mcp_attributes = [
        r#"gen_ai.tool.name = "find""#,
        r#"gen_ai.tool.type = "extension""#,
        r#"mcp.method.name = "tools/call""#,
        r#"otel_trace.mcp.server = "docs""#,
        r#"otel_trace.mcp_call_id = "mcp-1""#,
    ];
    check(mcp(), CAPTURE, "find", &[&mcp_attributes[..], &content].concat());
}

#[test]
fn unlabelled_tool_is_named_by_its_kind() {
    let check = |kind: ToolKind, expected: &str| assert_eq!(tool_name(&kind, None, None), expected);
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
    check(mcp(), "mcp");
}

#[test]
fn label_of_an_mcp_tool_names_its_server() {
    let attributes = |label: &str| {
        let SpanDetail::Tool(mut facts) = tool(ToolKind::Other { name: "other".into() }) else { panic!() };
        facts.label = Some(label.into());
        let attributes = describe(&full(SpanDetail::Tool(facts)), Mapping::default()).attributes;
        let mcp = ["gen_ai.tool.name", "gen_ai.tool.type", "mcp.method.name", "otel_trace.mcp.server"];
        attribute_lines(&attributes).into_iter().filter(|line| mcp.iter().any(|key| line.starts_with(key))).collect()
    };
    let found: Vec<String> = attributes("mcp__docs.find");
    assert_eq!(
        found,
        [
            r#"gen_ai.tool.name = "find""#,
            r#"gen_ai.tool.type = "extension""#,
            r#"mcp.method.name = "tools/call""#,
            r#"otel_trace.mcp.server = "docs""#,
        ]
    );
    let found: Vec<String> = attributes("docs.find");
    assert_eq!(found, [r#"gen_ai.tool.name = "docs.find""#, r#"gen_ai.tool.type = "function""#]);
}

#[test]
fn cell_and_compaction_have_names_of_their_own() {
    let added = [r#"gen_ai.tool.call.id = "call-2""#, r#"otel_trace.code_cell.status = "yielded""#];
    let expected = with_common(r#"otel_trace.kind = "code_cell""#, &added);
    check(&full(cell()), CAPTURE, "code_cell", SpanKind::Internal, &expected);
    let added = [
        r#"otel_trace.compaction.id = "compaction-1""#,
        r#"gen_ai.request.model = "gpt-5""#,
        r#"gen_ai.provider.name = "openai""#,
        CURRENT_USAGE[0],
        CURRENT_USAGE[1],
        "gen_ai.usage.cache_read.input_tokens = 40",
        CACHE_WRITE,
        "gen_ai.usage.reasoning.output_tokens = 5",
    ];
    let expected = with_common(r#"otel_trace.kind = "compaction""#, &added);
    check(&full(compaction()), CAPTURE, "compaction gpt-5", SpanKind::Client, &expected);
}

#[test]
fn only_failed_spans_have_an_error_status() {
    let check = |status: ExecutionStatus, error: Option<&str>, expected: Status, added: &[&str]| {
        let described = describe(&ended(bare(SpanDetail::Turn), status, error), CAPTURE);
        let common = [
            r#"otel_trace.thread.id = "thread-1""#,
            r#"otel_trace.kind = "turn""#,
            r#"otel_trace.object_id = "object-1""#,
        ];
        let mut lines = [&common, added].concat();
        lines.sort_unstable();
        assert_eq!(
            (described.status, attribute_lines(&described.attributes)),
            (expected, lines.iter().map(ToString::to_string).collect())
        );
    };
    let failed = r#"otel_trace.status = "failed""#;
    let other = [failed, r#"error.type = "_OTHER""#];
    check(ExecutionStatus::Failed, Some("timeout: slow"), Status::error("timeout: slow"), &other);
    check(ExecutionStatus::Failed, None, Status::error(""), &other);
    let stopped = r#"otel_trace.status_description = "timeout: stopped""#;
    let cancelled = r#"otel_trace.status = "cancelled""#;
    check(ExecutionStatus::Cancelled, Some("timeout: stopped"), Status::Unset, &[cancelled, stopped]);
    check(ExecutionStatus::Cancelled, None, Status::Unset, &[cancelled]);
    let aborted = r#"otel_trace.status = "aborted""#;
    check(ExecutionStatus::Aborted, Some("timeout: stopped"), Status::Unset, &[aborted, stopped]);
    check(ExecutionStatus::Running, Some("late"), Status::Unset, &[r#"otel_trace.status = "running""#]);
    check(ExecutionStatus::Completed, None, Status::Unset, &[r#"otel_trace.status = "completed""#]);
}

/// The described attributes of each kind of span are those that the table lists for it.
#[test]
fn table_lists_exactly_the_described_attributes() {
    let mapping = Mapping { content: ContentPolicy::Capture, usage_names: UsageNames::Both };
    for detail in every_kind() {
        let kind = kind(&detail);
        let end = EndDetail { ended_by: Some(EndedBy::Close), ..EndDetail::default() };
        let facts = SpanFacts { end, ..full(detail) };
        let ends = [failed(facts.clone(), "timeout"), ended(facts, ExecutionStatus::Cancelled, Some("stopped"))];
        let described = ends.iter().flat_map(|facts| describe(facts, mapping).attributes);
        let described: BTreeSet<_> = described.map(|attribute| attribute.key.to_string()).collect();
        let in_table: BTreeSet<_> =
            attribute::TABLE.iter().filter(|row| row.kinds.contains(&kind)).map(|row| row.name.to_owned()).collect();
        assert_eq!(described, in_table, "{kind:?}");
    }
    let link_attributes: Vec<_> =
        attribute::TABLE.iter().filter(|row| row.kinds.is_empty()).map(|row| row.name).collect();
    assert_eq!(link_attributes, [attribute::LINK]);
}

#[test]
fn details_of_the_end_are_attributes() {
    let attributes = r#"{"app.user":"ann","n":-7,"share":0.5,"big":18446744073709551615,"is":true,"list":[1],
        "gen_ai.request.model":"forged","otel_trace.status":"forged","level":"forged","error.type":"forged",
        "gen_ai.agent.description":"writes code"}"#;
    let end = EndDetail {
        ended_by: Some(EndedBy::ErrorEvent),
        error_type: Some("timeout".into()),
        attributes: serde_json::from_str(attributes).expect("JSON"),
    };
    let facts = SpanFacts { end, ..ended(bare(SpanDetail::Turn), ExecutionStatus::Failed, Some("slow")) };
    let lines = attribute_lines(&describe(&facts, CAPTURE).attributes);
    let expected = [
        r#"app.user = "ann""#,
        "n = -7",
        "share = 0.5",
        r#"big = "18446744073709551615""#,
        "is = true",
        r#"list = "[1]""#,
        r#"gen_ai.agent.description = "writes code""#,
        r#"error.type = "timeout""#,
        r#"otel_trace.ended_by = "error_event""#,
    ];
    for line in expected {
        assert!(lines.iter().any(|other| other == line), "{line} in {lines:#?}");
    }
    assert!(!lines.iter().any(|line| line.contains("forged")), "{lines:#?}");
    // What is no object has no fields.
    let end = EndDetail { attributes: serde_json::from_str("[1]").expect("JSON"), ..EndDetail::default() };
    let facts = SpanFacts { end, ..bare(SpanDetail::Turn) };
    assert_eq!(describe(&facts, CAPTURE), describe(&bare(SpanDetail::Turn), CAPTURE));
}
