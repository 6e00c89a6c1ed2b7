//! Tests of request and response bodies that frameworks log as `tracing` events.

use otel_trace::bundle::Reader;
use otel_trace::graph::Graph;
use otel_trace::reduce::{Options, reduce};
use tracing::field::Empty;
use tracing::{info_span, trace};
use tracing_subscriber::prelude::*;

use crate::common::{bundles, recorder};

/// Logs a body as rig does inside a call.
fn log_body(label: &str, body: &str) {
    trace!(target: "rig::completions", "{label}: {body}");
}

const REQUEST: &str = r#"{ "model": "m", "messages": [{ "role": "user", "content": "hi" }] }"#;
const REPLY: &str = r#"{ "id": "r", "choices": [{ "message": { "role": "assistant", "content": "ho" } }] }"#;

/// Records a call whose bodies are logged, and reduces its bundle. `filter` is `None` for a layer without a filter, and
/// otherwise selects if the filter enables wire events. `content` adds the content fields to the span.
fn graph_of_call(filter: Option<bool>, content: bool) -> Graph {
    let (root, recorder, guard) = recorder();
    let program = || {
        let _agent = info_span!("invoke_agent", gen_ai.operation.name = "invoke_agent").entered();
        let span = info_span!(
            "chat",
            gen_ai.operation.name = "chat",
            gen_ai.provider.name = Empty,
            gen_ai.request.model = Empty,
            gen_ai.response.id = Empty,
            gen_ai.usage.input_tokens = Empty,
            gen_ai.input.messages = Empty,
            gen_ai.output.messages = Empty,
        );
        if content {
            span.record("gen_ai.input.messages", r#"[{"role":"user","parts":[{"type":"text","content":"yes"}]}]"#);
        }
        let _entered = span.enter();
        span.record("gen_ai.provider.name", "openai").record("gen_ai.request.model", "m");
        // Frameworks check first whether the event is enabled.
        if tracing::enabled!(target: "rig::completions", tracing::Level::TRACE) {
            log_body("OpenAI Chat Completions request", REQUEST);
            info_span!("http").in_scope(|| log_body("reply", REPLY));
            log_body("unrelated label", "{}");
        }
        span.record("gen_ai.response.id", "r").record("gen_ai.usage.input_tokens", 7_u64);
        if content {
            span.record("gen_ai.output.messages", r#"[{"role":"assistant","parts":[{"type":"text","content":"no"}]}]"#);
        }
    };
    let registry = tracing_subscriber::registry();
    match filter {
        None => tracing::subscriber::with_default(registry.with(recorder.layer()), program),
        Some(wire) => {
            let filter = if wire { recorder.filter().wire_events() } else { recorder.filter() };
            tracing::subscriber::with_default(registry.with(recorder.layer().with_filter(filter)), program);
        }
    }
    drop(guard);
    let bundles = bundles(root.path());
    reduce(&Reader::open(&bundles[0].path).unwrap(), &Options::default()).unwrap().graph
}

/// Formats the content of all items.
fn texts(graph: &Graph) -> Vec<String> {
    graph.items().map(|item| format!("{:?}", item.content.parts)).collect()
}

#[test]
fn call_without_content_fields_uses_the_logged_bodies() {
    for filter in [Some(true), None] {
        let graph = graph_of_call(filter, false);
        assert!(graph.diagnostics.is_empty(), "{:?}", graph.diagnostics);
        let texts = texts(&graph);
        assert!(texts.len() == 2 && texts[0].contains("hi") && texts[1].contains("ho"), "{texts:?}");
        let call = graph.inference_calls.iter().next().unwrap();
        assert_eq!(call.usage.map(|usage| usage.input_tokens), Some(7));
    }
}

#[test]
fn content_fields_take_precedence_over_logged_bodies() {
    let texts = texts(&graph_of_call(Some(true), true));
    assert!(texts.len() == 2 && texts[0].contains("yes") && texts[1].contains("no"), "{texts:?}");
}

#[test]
fn graph_without_content_hints_at_the_missing_setting() {
    let graph = graph_of_call(Some(false), false);
    assert_eq!(graph.items().count(), 0);
    let codes: Vec<_> = graph.diagnostics.iter().map(|diagnostic| diagnostic.code.name()).collect();
    assert_eq!(codes, ["request_unknown", "response_unknown"]);
    let hints = graph.diagnostics.iter().filter(|diagnostic| diagnostic.message.contains("record_content_telemetry"));
    assert_eq!(hints.count(), 1, "{:?}", graph.diagnostics);
}
