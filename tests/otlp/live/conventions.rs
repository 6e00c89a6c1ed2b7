//! Names, kinds, statuses and complete attribute sets, as the GenAI conventions define them.

use opentelemetry::trace::{SpanKind, Status};
use opentelemetry_sdk::trace::{Sampler, SpanData};
use otel_trace::otlp::ContentPolicy;

use crate::live::exported::{Harness, Order, attributes, named, names};
use crate::live::program;

/// Returns the attributes of a span without those that differ from run to run, after checking that these exist.
fn stable_attributes(span: &SpanData, with: &[&str]) -> Vec<(String, String)> {
    let all = attributes(span);
    for key in ["otel_trace.bundle", "otel_trace.object_id"].iter().chain(with) {
        assert!(all.contains_key(*key), "{key} of {}", span.name);
    }
    let differs = |key: &str| key == "otel_trace.bundle" || with.contains(&key);
    all.into_iter().filter(|(key, _)| !differs(key)).collect()
}

fn set(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn span_names_and_kinds_follow_the_conventions() {
    let harness = Harness::new();
    harness.run(Order::BridgeFirst, program::typed);
    let spans = harness.spans();
    let expected = [
        "chat gpt-5",
        "chat gpt-5-mini",
        "chat gpt-5-mini",
        "chat gpt-5-mini",
        "chat gpt-5-mini",
        "code_cell",
        "compaction gpt-5-mini",
        "execute_tool exec_command",
        "execute_tool spawn_agent",
        "execute_tool web_search",
        "invoke_agent coder",
        "invoke_agent scout",
        "turn",
        "turn",
    ];
    assert_eq!(names(&spans), expected);
    for span in &spans {
        let is_request = span.name.starts_with("chat") || span.name.starts_with("compaction");
        let expected = if is_request { SpanKind::Client } else { SpanKind::Internal };
        assert_eq!(span.span_kind, expected, "{}", span.name);
    }
}

#[test]
fn thread_span_has_agent_attributes() {
    let harness = Harness::new();
    harness.run(Order::BridgeFirst, program::typed);
    let spans = harness.spans();
    let expected = set(&[
        ("gen_ai.agent.name", "coder"),
        ("gen_ai.conversation.id", "thread-1"),
        ("gen_ai.operation.name", "invoke_agent"),
        ("gen_ai.request.model", "gpt-5-mini"),
        ("otel_trace.agent.path", "/root"),
        ("otel_trace.ended_by", "handle"),
        ("otel_trace.kind", "thread"),
        ("otel_trace.object_id", "thread-1"),
        ("otel_trace.payload_ids", r#"["raw_payload:1"]"#),
        ("otel_trace.status", "completed"),
        ("otel_trace.thread.id", "thread-1"),
    ]);
    let thread = named(&spans, "invoke_agent coder");
    assert_eq!((stable_attributes(thread, &[]), thread.status.clone()), (expected, Status::Unset));
}

#[test]
fn call_span_has_request_response_and_usage_attributes() {
    let harness = Harness::new();
    harness.run(Order::BridgeFirst, program::typed);
    let spans = harness.spans();
    let call = spans.iter().find(|span| attributes(span).get("gen_ai.response.id").is_some_and(|id| id == "resp_1"));
    let call = call.expect("the call");
    let expected = set(&[
        ("gen_ai.conversation.id", "thread-1"),
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "openai"),
        ("gen_ai.request.max_tokens", "100"),
        ("gen_ai.request.model", "gpt-5-mini"),
        ("gen_ai.request.reasoning.level", "low"),
        ("gen_ai.request.stream", "true"),
        ("gen_ai.request.temperature", "0.5"),
        ("gen_ai.response.id", "resp_1"),
        ("gen_ai.usage.cache_read.input_tokens", "4"),
        ("gen_ai.usage.input_tokens", "12"),
        ("gen_ai.usage.output_tokens", "3"),
        ("gen_ai.usage.reasoning.output_tokens", "1"),
        ("otel_trace.ended_by", "handle"),
        ("otel_trace.kind", "inference"),
        ("otel_trace.payload_ids", r#"["raw_payload:2","raw_payload:3"]"#),
        ("otel_trace.status", "completed"),
        ("otel_trace.thread.id", "thread-1"),
        ("otel_trace.turn.id", "turn-1"),
    ]);
    assert_eq!(stable_attributes(call, &["otel_trace.object_id", "gen_ai.response.time_to_first_chunk"]), expected);
}

#[test]
fn failed_and_cancelled_spans_have_status_and_error() {
    let harness = Harness::new();
    harness.run(Order::BridgeFirst, program::typed);
    let spans = harness.spans();
    let tool = named(&spans, "execute_tool exec_command");
    let expected = set(&[
        ("error.type", "_OTHER"),
        ("gen_ai.operation.name", "execute_tool"),
        ("gen_ai.tool.call.id", "call_1"),
        ("gen_ai.tool.name", "exec_command"),
        ("gen_ai.tool.type", "function"),
        ("otel_trace.ended_by", "handle"),
        ("otel_trace.kind", "tool"),
        ("otel_trace.object_id", "call_1"),
        ("otel_trace.payload_ids", r#"["raw_payload:4","raw_payload:5","raw_payload:6","raw_payload:7"]"#),
        ("otel_trace.status", "failed"),
        ("otel_trace.thread.id", "thread-1"),
        ("otel_trace.turn.id", "turn-1"),
        ("process.executable.name", "ls"),
        ("process.exit.code", "2"),
    ]);
    assert_eq!(stable_attributes(tool, &[]), expected);
    assert_eq!(tool.status, Status::error("exit_status: the command failed"));

    let refused = named(&spans, "chat gpt-5");
    assert_eq!(refused.status, Status::error("429: too many requests"));
    assert_eq!(attributes(refused)["error.type"], "_OTHER");

    let stopped = spans.iter().find(|span| attributes(span)["otel_trace.status"] == "cancelled").expect("a call");
    assert_eq!(stopped.status, Status::Unset);
    assert_eq!(attributes(stopped)["otel_trace.status_description"], "the user stopped it");
}

#[test]
fn returned_and_logged_errors_are_exported_as_the_status() {
    let harness = Harness::new();
    harness.run(Order::BridgeFirst, || {
        let run = tracing::info_span!("run", gen_ai.operation.name = "invoke_agent", gen_ai.agent.name = "coder");
        let tool = |name| {
            tracing::info_span!(parent: &run, "tool", gen_ai.operation.name = "execute_tool", gen_ai.tool.name = name)
        };
        tool("returned").in_scope(|| tracing::error!(error = "no such file"));
        tool("logged").in_scope(|| tracing::warn!(error = "no route", "connect failed"));
    });
    let spans = harness.spans();
    assert_eq!(named(&spans, "execute_tool returned").status, Status::error("no such file"));
    assert_eq!(named(&spans, "execute_tool logged").status, Status::error("no route"));
}

#[test]
fn content_is_exported_only_on_request() {
    let keys = |content| {
        let harness = Harness::with(content, Sampler::AlwaysOn);
        harness.run(Order::BridgeFirst, program::plain);
        let spans = harness.spans();
        let keys_of = |name| attributes(named(&spans, name)).into_keys().collect::<Vec<_>>();
        (keys_of("turn"), keys_of("chat m"), keys_of("execute_tool add"))
    };
    let (turn, chat, tool) = keys(ContentPolicy::Omit);
    let common = [
        "otel_trace.object_id",
        "otel_trace.payload_ids",
        "otel_trace.status",
        "otel_trace.thread.id",
        "otel_trace.turn.id",
    ];
    assert_eq!(
        turn,
        [
            "otel_trace.bundle",
            "otel_trace.ended_by",
            "otel_trace.kind",
            "otel_trace.object_id",
            "otel_trace.status",
            "otel_trace.thread.id",
            "otel_trace.turn.id"
        ],
        "the usage totals of a framework's agent span are not exported"
    );
    let own = [
        "gen_ai.conversation.id",
        "gen_ai.operation.name",
        "gen_ai.provider.name",
        "gen_ai.request.model",
        "gen_ai.response.finish_reasons",
        "gen_ai.response.model",
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
        "otel_trace.bundle",
        "otel_trace.ended_by",
        "otel_trace.kind",
    ];
    assert_eq!(chat, [own.as_slice(), common.as_slice()].concat());
    let own = [
        "gen_ai.operation.name",
        "gen_ai.tool.call.id",
        "gen_ai.tool.name",
        "gen_ai.tool.type",
        "otel_trace.bundle",
        "otel_trace.ended_by",
        "otel_trace.kind",
    ];
    assert_eq!(tool, [own.as_slice(), common.as_slice()].concat());

    let (turn_with, chat_with, tool_with) = keys(ContentPolicy::Capture);
    let more = |with: Vec<String>, without: &[String]| -> Vec<String> {
        with.into_iter().filter(|key| !without.contains(key)).collect()
    };
    assert_eq!(more(turn_with, &turn), Vec::<String>::new());
    assert_eq!(more(chat_with, &chat), ["gen_ai.input.messages", "gen_ai.output.messages"]);
    assert_eq!(more(tool_with, &tool), ["gen_ai.tool.call.arguments", "gen_ai.tool.call.result"]);
}
