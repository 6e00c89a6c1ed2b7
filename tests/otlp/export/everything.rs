//! Invariants of the exported spans of every conformance case.

use std::collections::{BTreeMap, BTreeSet};

use opentelemetry::trace::SpanId;
use otel_trace::graph::Graph;
use otel_trace::otlp::ContentPolicy;
use otel_trace::otlp::export::Plan;
use serde_json::Value;

use crate::export::{CASES, Run, case, comparable};

/// Attributes that carry content.
const CONTENT: [&str; 6] = [
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.system_instructions",
    "gen_ai.tool.call.arguments",
    "gen_ai.tool.call.result",
    "gen_ai.tool.definitions",
];

fn objects(graph: &Graph) -> BTreeSet<(&str, &str)> {
    let threads = graph.threads.iter().map(|it| ("thread", it.thread_id.as_str()));
    let turns = graph.turns.iter().map(|it| ("turn", it.turn_id.as_str()));
    let calls = graph.inference_calls.iter().map(|it| ("inference", it.inference_call_id.as_str()));
    let tools = graph.tool_calls.iter().map(|it| ("tool", it.tool_call_id.as_str()));
    let cells = graph.code_cells.iter().map(|it| ("code_cell", it.code_cell_id.as_str()));
    let requests = graph.compaction_requests.iter().map(|it| ("compaction", it.compaction_request_id.as_str()));
    threads.chain(turns).chain(calls).chain(tools).chain(cells).chain(requests).collect()
}

fn text<'a>(span: &'a Value, key: &str) -> &'a str {
    span["attributes"][key].as_str().unwrap()
}

#[test]
fn spans_match_the_objects_of_the_graph() {
    for name in CASES {
        let run = Run::open(&case(name));
        let spans = comparable::named_by_object(&run.spans(ContentPolicy::Omit));
        let found: BTreeSet<_> =
            spans.iter().map(|it| (text(it, "otel_trace.kind"), text(it, "otel_trace.object_id"))).collect();
        assert_eq!(found, objects(&run.graph), "{name}");
        assert_eq!(spans.len(), found.len(), "{name}");
        let plan = Plan::new(&run.reader, &run.graph);
        assert_eq!(plan.spans(), spans.len(), "{name}");
        let mut kinds = BTreeMap::new();
        spans.iter().for_each(|span| *kinds.entry(text(span, "otel_trace.kind")).or_default() += 1);
        assert_eq!(plan.traces.into_values().collect::<Vec<BTreeMap<&str, usize>>>(), [kinds], "{name}");
    }
}

#[test]
fn spans_form_one_tree_and_links_stay_inside() {
    for name in CASES {
        let spans = Run::open(&case(name)).spans(ContentPolicy::Omit);
        let ids: BTreeSet<_> = spans.iter().map(|span| span.span_context.span_id().to_string()).collect();
        assert_eq!(ids.len(), spans.len(), "{name}");
        let roots = spans.iter().filter(|span| span.parent_span_id == SpanId::INVALID).count();
        assert_eq!(roots, 1, "{name}");
        for span in &spans {
            let parent = span.parent_span_id;
            assert!(parent == SpanId::INVALID || ids.contains(&parent.to_string()), "{name}: {}", span.name);
            for link in span.links.iter() {
                assert!(ids.contains(&link.span_context.span_id().to_string()), "{name}: {}", span.name);
                assert_eq!(link.span_context.trace_id(), span.span_context.trace_id());
            }
            assert!(span.start_time <= span.end_time, "{name}: {}", span.name);
        }
    }
}

#[test]
fn export_is_deterministic() {
    for name in CASES {
        let twice = [(); 2].map(|()| Run::open(&case(name)).spans(ContentPolicy::Capture));
        assert_eq!(twice[0], twice[1], "{name}");
    }
}

#[test]
fn content_policy_adds_only_content_attributes() {
    let mut found = BTreeSet::new();
    for name in CASES {
        let run = Run::open(&case(name));
        let without = comparable::named_by_object(&run.spans(ContentPolicy::Omit));
        let mut with = comparable::named_by_object(&run.spans(ContentPolicy::Capture));
        for span in &mut with {
            let attributes = span["attributes"].as_object_mut().unwrap();
            found.extend(CONTENT.into_iter().filter(|key| attributes.remove(*key).is_some()));
        }
        assert_eq!(with, without, "{name}");
    }
    // No case has instructions or definitions of tools.
    let expected = ["input.messages", "output.messages", "tool.call.arguments", "tool.call.result"];
    assert_eq!(
        found,
        expected.iter().map(|name| CONTENT.into_iter().find(|key| key.ends_with(name)).unwrap()).collect()
    );
}

#[test]
fn tokens_of_all_spans_add_up_to_the_totals() {
    for name in CASES {
        let run = Run::open(&case(name));
        let spans = comparable::named_by_object(&run.spans(ContentPolicy::Omit));
        let sum = |key: &str| spans.iter().filter_map(|span| span["attributes"][key].as_u64()).sum::<u64>();
        let totals = run.graph.totals;
        assert_eq!(sum("gen_ai.usage.input_tokens"), totals.input_tokens, "{name}");
        assert_eq!(sum("gen_ai.usage.output_tokens"), totals.output_tokens, "{name}");
        assert_eq!(sum("gen_ai.usage.cache_read.input_tokens"), totals.cached_input_tokens, "{name}");
        assert_eq!(sum("gen_ai.usage.cache_write.input_tokens"), totals.cache_write_input_tokens, "{name}");
        assert_eq!(sum("gen_ai.usage.reasoning.output_tokens"), totals.reasoning_output_tokens, "{name}");
    }
}
