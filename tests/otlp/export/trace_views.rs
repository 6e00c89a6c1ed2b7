//! The span trees that a viewer draws for logs that no recorder would write: spans below later spans, below themselves,
//! or without a parent.

use opentelemetry::trace::SpanId;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::Link;
use opentelemetry_sdk::trace::SpanData;
use otel_trace::otlp::ContentPolicy;
use proptest::prelude::*;
use serde_json::json;

use crate::export::Run;
use crate::export::log::{Live, Log, hex};
use crate::trace_tree::{Fault, draw};

/// Returns a span as a receiver gets it: ids, times and links.
fn received(span: &SpanData) -> Span {
    let nanos = |time: std::time::SystemTime| {
        u64::try_from(time.duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos()).unwrap()
    };
    let links = span.links.iter().map(|link| Link {
        trace_id: link.span_context.trace_id().to_bytes().to_vec(),
        span_id: link.span_context.span_id().to_bytes().to_vec(),
        ..Link::default()
    });
    let has_parent = span.parent_span_id != SpanId::INVALID;
    Span {
        trace_id: span.span_context.trace_id().to_bytes().to_vec(),
        span_id: span.span_context.span_id().to_bytes().to_vec(),
        parent_span_id: if has_parent { span.parent_span_id.to_bytes().to_vec() } else { Vec::new() },
        name: span.name.to_string(),
        start_time_unix_nano: nanos(span.start_time),
        end_time_unix_nano: nanos(span.end_time),
        links: links.collect(),
        ..Span::default()
    }
}

/// Writes the n-th object of a log: an inference call that requests tools, a tool call, an agent that a tool call
/// spawned, or an agent result.
fn write(log: &mut Log, n: usize, kind: usize, live: Live) {
    let call = |n: usize| format!("call_{}", n % 4);
    match kind {
        0 => {
            let asked = (0..4)
                .map(|n| json!({ "type": "function_call", "call_id": call(n), "name": "find", "arguments": "{}" }));
            let response = json!({ "response_id": format!("r{n}"), "output_items": asked.collect::<Vec<_>>() });
            let (request, response) =
                (log.body("inference_request", &json!({ "input": [] })), log.body("inference_response", &response));
            let id = format!("I{n}");
            log.event(
                live,
                json!({ "type": "inference_started", "inference_call_id": id, "thread_id": "T",
                "codex_turn_id": "U", "model": "m", "provider_name": "p", "request_payload": request }),
            );
            log.event(
                Live::No,
                json!({ "type": "inference_completed", "inference_call_id": id, "response_payload": response }),
            );
        }
        1 => log.event(
            live,
            json!({ "type": "tool_call_started", "tool_call_id": format!("C{n}"),
            "model_visible_call_id": call(n), "requester": { "type": "model" }, "kind": { "type": "spawn_agent" },
            "summary": { "type": "generic", "label": "find" } }),
        ),
        2 => {
            let agent = format!("A{n}");
            let spawn = json!({ "parent_thread_id": "T", "depth": 1, "tool_call_id": format!("C{}", n.saturating_sub(1)) });
            let metadata = json!({ "nickname": agent, "session_source": { "subagent": { "thread_spawn": spawn } } });
            let metadata = log.body("session_metadata", &metadata);
            log.event(live, json!({ "type": "thread_started", "thread_id": agent,
                "agent_path": format!("/root/{agent}"), "metadata_payload": metadata }));
            log.event(live, json!({ "type": "codex_turn_started", "codex_turn_id": format!("U{n}"), "thread_id": agent }));
        }
        _ => log.event(
            live,
            json!({ "type": "agent_result_observed", "edge_id": format!("E{n}"),
            "child_thread_id": format!("A{}", n.saturating_sub(1)), "child_codex_turn_id": format!("U{}", n.saturating_sub(1)), "parent_thread_id": "T",
            "message": "done" }),
        ),
    }
}

#[test]
fn written_objects_are_linked() {
    let mut log = Log::new();
    log.thread(Live::Root(1));
    log.turn(Live::Below(1, 2));
    write(&mut log, 0, 0, Live::Below(2, 3));
    write(&mut log, 1, 1, Live::Below(2, 4));
    // A span of the program is between the tool call and the agent that it spawned.
    write(&mut log, 2, 2, Live::Below(0x99, 5));
    write(&mut log, 3, 3, Live::No);
    write(&mut log, 4, 0, Live::Below(2, 6));
    let spans = Run::open(&log.path).spans(ContentPolicy::Omit);
    let links = spans.iter().flat_map(|span| {
        let own = span.span_context.span_id().to_string();
        let link = move |link: &opentelemetry::trace::Link| {
            let kind = link.attributes[0].value.as_str().into_owned();
            (own.clone(), kind, link.span_context.span_id().to_string())
        };
        span.links.iter().map(link)
    });
    let link = |from, kind: &str, to| (hex(from), kind.to_owned(), hex(to));
    let expected = [link(4, "requested_by", 3), link(5, "spawned_by", 4), link(6, "agent_result", 5)];
    assert_eq!(links.collect::<Vec<_>>(), expected);
}

fn live() -> impl Strategy<Value = Live> {
    // Few span ids, so that several objects claim one span.
    prop_oneof![
        Just(Live::No),
        (1..9_u64).prop_map(Live::Root),
        (1..9_u64, 1..9_u64).prop_map(|(above, own)| Live::Below(above, own)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn spans_of_any_log_form_no_cycle(
        thread in live(),
        turn in live(),
        objects in proptest::collection::vec((0..4_usize, live()), 0..16),
        missing in any::<u32>(),
    ) {
        let mut log = Log::new();
        log.thread(thread);
        log.turn(turn);
        for (n, (kind, live)) in objects.into_iter().enumerate() {
            write(&mut log, n, kind, live);
        }
        let spans: Vec<_> = Run::open(&log.path).spans(ContentPolicy::Omit).iter().map(received).collect();
        let is_kept = |(n, _): &(usize, &Span)| missing & (1 << (n % 32)) == 0;
        let kept: Vec<_> = spans.iter().enumerate().filter(is_kept).map(|(_, span)| span.clone()).collect();
        for drawing in draw(&spans).iter().chain(&draw(&kept)) {
            let is_wrong = |fault: &&Fault| match fault {
                Fault::Circle(_) | Fault::RepeatedId(_) | Fault::TooShort(_) => true,
                // The log itself has spans below later spans and spans without a parent.
                Fault::LaterReference { .. } | Fault::Roots(_) => false,
            };
            prop_assert_eq!(drawing.faults.iter().filter(is_wrong).collect::<Vec<_>>(), Vec::<&Fault>::new());
        }
    }
}
