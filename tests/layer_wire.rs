//! What frameworks log of the wire.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{bundles, recorder};
use otel_trace::bundle::Reader;
use otel_trace::graph::Graph;
use otel_trace::reduce::{Options, reduce};
use tracing::field::Empty;
use tracing::{info_span, trace};
use tracing_subscriber::prelude::*;

/// What rig logs inside a call.
fn wire(label: &str, body: &str) {
    trace!(target: "rig::completions", "{label}: {body}");
}

const REQUEST: &str = r#"{ "model": "m", "messages": [{ "role": "user", "content": "hi" }] }"#;
const REPLY: &str = r#"{ "id": "r", "choices": [{ "message": { "role": "assistant", "content": "ho" } }] }"#;

/// A call whose bodies are logged, under a filter with and without wire events, or none.
fn logged(filter: Option<bool>, content: bool) -> Graph {
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
        // Frameworks ask first.
        if tracing::enabled!(target: "rig::completions", tracing::Level::TRACE) {
            wire("OpenAI Chat Completions request", REQUEST);
            info_span!("http").in_scope(|| wire("reply", REPLY));
            wire("nothing of ours", "{}");
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

fn texts(graph: &Graph) -> Vec<String> {
    graph.items().map(|item| format!("{:?}", item.content.parts)).collect()
}

#[test]
fn a_call_whose_span_says_no_content_has_that_of_the_wire() {
    for filter in [Some(true), None] {
        let graph = logged(filter, false);
        assert!(graph.diagnostics.is_empty(), "{:?}", graph.diagnostics);
        let texts = texts(&graph);
        assert!(texts.len() == 2 && texts[0].contains("hi") && texts[1].contains("ho"), "{texts:?}");
        let call = graph.inference_calls.iter().next().unwrap();
        assert_eq!(call.usage.map(|usage| usage.input_tokens), Some(7));
    }
}

#[test]
fn what_a_span_says_itself_counts_before_the_wire() {
    let texts = texts(&logged(Some(true), true));
    assert!(texts.len() == 2 && texts[0].contains("yes") && texts[1].contains("no"), "{texts:?}");
}

#[test]
fn without_either_the_graph_has_what_there_is_and_says_how_to_have_more() {
    let graph = logged(Some(false), false);
    assert_eq!(graph.items().count(), 0);
    let codes: Vec<_> = graph.diagnostics.iter().map(|diagnostic| diagnostic.code.name()).collect();
    assert_eq!(codes, ["request_unknown", "response_unknown"]);
    let hints = graph.diagnostics.iter().filter(|diagnostic| diagnostic.message.contains("record_content_telemetry"));
    assert_eq!(hints.count(), 1, "{:?}", graph.diagnostics);
}
