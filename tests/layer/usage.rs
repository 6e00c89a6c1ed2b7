//! Token usage: the forms that a span field may have, and usage of calls that fail.

use otel_trace::bundle::Reader;
use otel_trace::graph::{Code, Graph};
use otel_trace::reduce::{Options, reduce};
use otel_trace::{AgentThread, Json, Limits, Model, Operation, Recorder, ThreadMeta, Usage};
use serde_json::json;
use tracing::field::{Empty, debug, display};
use tracing::{Span, Value, info_span};
use tracing_subscriber::prelude::*;

use crate::common::{Bundle, bundles, graph, recorder, run_recorded};

const MODEL: Model<'static> = Model { name: "m", provider: "p" };

/// Records a program, and reduces the bundle that it writes.
fn reduced(program: impl FnOnce()) -> (Bundle, Graph) {
    let (root, recorder, guard) = recorder();
    run_recorded(&recorder, program);
    drop(guard);
    let bundle = bundles(root.path()).remove(0);
    let graph = graph(&bundle.path);
    (bundle, graph)
}

/// Records a call whose span has usage fields that `record` sets.
fn chat(record: impl FnOnce(&Span)) -> (Bundle, Graph) {
    reduced(|| {
        let span = info_span!(
            "chat",
            gen_ai.operation.name = "chat",
            gen_ai.input.messages = "[]",
            gen_ai.output.messages = "[]",
            gen_ai.usage.input_tokens = Empty,
            gen_ai.usage.cache_read.input_tokens = Empty,
            gen_ai.usage.cache_write.input_tokens = Empty,
            gen_ai.usage.cache_creation.input_tokens = Empty,
            gen_ai.usage.output_tokens = Empty,
            gen_ai.usage.reasoning.output_tokens = Empty,
        );
        record(&span);
        span.in_scope(|| {});
    })
}

fn usage(graph: &Graph) -> Option<Usage> {
    graph.inference_calls.iter().next().unwrap().usage
}

fn count(graph: &Graph, code: Code) -> usize {
    graph.diagnostics.iter().filter(|found| found.code == code).count()
}

#[test]
fn counts_may_have_any_form() {
    let (shown, number, option, text) = (display(7), debug(7), debug(Some(7)), debug("7"));
    let forms: [&dyn Value; 12] =
        [&7_u64, &7_i32, &7_u128, &7_i128, &7.0, &"7", &"7.0", &shown, &number, &option, &text, &Some(7_u64)];
    for (index, form) in forms.into_iter().enumerate() {
        let (bundle, graph) = chat(|span| {
            span.record("gen_ai.usage.input_tokens", form);
            span.record("gen_ai.usage.cache_creation.input_tokens", form);
            span.record("gen_ai.usage.output_tokens", form);
        });
        let completed = bundle.event("inference_completed");
        let expected = json!({ "input_tokens": 7, "cached_input_tokens": 0, "cache_write_input_tokens": 7,
            "output_tokens": 7, "reasoning_output_tokens": 0 });
        assert_eq!(completed["usage"], expected, "{index}");
        assert_eq!((usage(&graph).unwrap().input_tokens, count(&graph, Code::BadUsage)), (7, 0), "{index}");
    }
}

#[test]
fn absent_counts_are_no_usage() {
    let (_, graph) = chat(|span| {
        span.record("gen_ai.usage.input_tokens", debug(None::<u64>));
        span.record("gen_ai.usage.output_tokens", None::<u64>);
    });
    assert_eq!((usage(&graph), count(&graph, Code::BadUsage)), (None, 0));
}

#[test]
fn values_that_are_no_counts_are_recorded_and_reported() {
    let (bundle, graph) = chat(|span| {
        span.record("gen_ai.usage.input_tokens", -7);
        span.record("gen_ai.usage.cache_read.input_tokens", 1.5);
        span.record("gen_ai.usage.cache_write.input_tokens", true);
        span.record("gen_ai.usage.output_tokens", 5);
        span.record("gen_ai.usage.reasoning.output_tokens", debug(Some("many")));
    });
    let completed = bundle.event("inference_completed");
    let body = bundle.payload_json(&completed["response_payload"]);
    assert_eq!(body["gen_ai.usage.input_tokens"], "-7");
    assert_eq!(body["gen_ai.usage.reasoning.output_tokens"], "many");
    let expected = Usage { output_tokens: 5, ..Usage::default() };
    assert_eq!((usage(&graph), count(&graph, Code::BadUsage)), (Some(expected), 4), "{:#?}", graph.diagnostics);
}

#[test]
fn failed_call_keeps_the_usage_that_was_reported() {
    let ends: [fn(&otel_trace::Inference); 2] = [|call| call.fail("429"), |call| call.cancel("stopped")];
    for end in ends {
        let (_, graph) = reduced(|| {
            let turn = AgentThread::start(ThreadMeta::new()).turn(None);
            let call = turn.inference(MODEL);
            call.request(Json(&json!({ "input": [] })));
            call.usage(Usage { input_tokens: 9, cache_write_1h_input_tokens: 2, ..Usage::default() });
            end(&call);
        });
        let expected = Usage { input_tokens: 9, cache_write_1h_input_tokens: 2, ..Usage::default() };
        assert_eq!((usage(&graph), count(&graph, Code::PartialUsage)), (Some(expected), 1));
    }
}

#[test]
fn response_above_the_limit_keeps_its_usage() {
    let root = tempfile::tempdir().unwrap();
    let limits = Limits::default().body_bytes(4096);
    let (recorder, guard) = Recorder::builder().root(root.path()).limits(limits).build().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(recorder.layer()), || {
        let turn = AgentThread::start(ThreadMeta::new()).turn(None);
        let call = turn.inference(MODEL);
        call.request(Json(&json!({ "messages": [] })));
        call.response(Json(&json!({ "choices": [{ "message": { "content": "x".repeat(10_000) } }],
            "usage": { "prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10 } })));
        call.complete();
    });
    drop(guard);
    let bundle = Reader::open(&bundles(root.path()).remove(0).path).unwrap();
    let graph = reduce(&bundle, &Options::default()).unwrap().graph;
    let expected = Usage { input_tokens: 7, output_tokens: 3, ..Usage::default() };
    assert_eq!((usage(&graph), count(&graph, Code::PartialUsage)), (Some(expected), 1), "{:#?}", graph.diagnostics);
}
