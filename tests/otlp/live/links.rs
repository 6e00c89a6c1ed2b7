//! Traces, parents and links of live spans.

use opentelemetry::SpanId;
use opentelemetry_sdk::trace::SpanData;
use otel_trace::bundle::Reader;
use otel_trace::otlp::export::spans;
use otel_trace::otlp::{Mapping, TraceContext};
use otel_trace::{AgentThread, Json, Model, Operation, ThreadMeta, ToolCallMeta};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::live::exported::{Harness, Order, attributes, named};
use crate::live::program;

const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn caller() -> TraceContext {
    TraceContext::parse(CALLER, None).expect("valid")
}

fn traceparent(span: &SpanData) -> String {
    format!("00-{}-{}-01", span.span_context.trace_id(), span.span_context.span_id())
}

#[test]
fn run_joins_the_trace_of_its_caller() {
    let harness = Harness::new();
    harness.run(Order::BridgeFirst, || {
        let _attached = caller().attach();
        drop(AgentThread::start(ThreadMeta::new()));
    });
    let spans = harness.spans();
    let thread = named(&spans, "invoke_agent");
    assert_eq!(thread.span_context.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(thread.parent_span_id.to_string(), "00f067aa0ba902b7");
    let graph = harness.graph();
    let recorded = graph.threads.iter().next().expect("a thread");
    assert_eq!(recorded.span.parent_span_id.as_ref().map(|id| id.as_str()), Some("00f067aa0ba902b7"));
}

#[test]
fn plain_span_accepts_a_parent_before_its_first_enter() {
    for order in [Order::BridgeFirst, Order::RecorderFirst] {
        let harness = Harness::new();
        harness.run(order, || {
            let span = tracing::info_span!("run", gen_ai.operation.name = "invoke_agent");
            let mut headers = std::collections::HashMap::new();
            headers.insert("traceparent".to_owned(), CALLER.to_owned());
            let remote = opentelemetry::propagation::TextMapPropagator::extract(
                &opentelemetry_sdk::propagation::TraceContextPropagator::new(),
                &headers,
            );
            span.set_parent(remote).expect("the span has not started");
            span.in_scope(|| {});
        });
        let spans = harness.spans();
        assert_eq!(named(&spans, "turn").parent_span_id.to_string(), "00f067aa0ba902b7", "{order:?}");
        let graph = harness.graph();
        let recorded = graph.turns.iter().next().expect("a turn").span.parent_span_id.clone();
        assert_eq!(recorded.as_ref().map(|id| id.as_str()), Some("00f067aa0ba902b7"), "{order:?}");
    }
}

#[test]
fn outgoing_context_joins_the_trace_of_the_run() {
    let harness = Harness::new();
    let mut contexts = Vec::new();
    harness.run(Order::BridgeFirst, || {
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = thread.turn(None);
        let tool = turn.tool_call(ToolCallMeta::new("fetch"));
        contexts.push(TraceContext::from_span(tool.span()).expect("exported").traceparent().to_owned());
        let child = tool.child_process();
        let variable = child.env().find(|(name, _)| *name == "TRACEPARENT").expect("set").1.to_owned();
        contexts.push(variable.into_string().expect("text"));
    });
    let expected = traceparent(named(&harness.spans(), "execute_tool fetch"));
    assert_eq!(contexts, [expected.clone(), expected]);
}

#[test]
fn other_spans_of_the_program_join_the_trace() {
    let harness = Harness::new();
    harness.run(Order::BridgeFirst, program::plain);
    let spans = harness.spans();
    let (agent, tool, http) = (named(&spans, "turn"), named(&spans, "execute_tool add"), named(&spans, "http request"));
    assert_eq!(http.parent_span_id, tool.span_context.span_id());
    assert_eq!(tool.parent_span_id, agent.span_context.span_id());
    assert_eq!(agent.parent_span_id, SpanId::INVALID);
    let traces: std::collections::HashSet<_> = spans.iter().map(|span| span.span_context.trace_id()).collect();
    assert_eq!(traces.len(), 1);
    let keys: Vec<_> =
        attributes(http).into_keys().filter(|key| !key.starts_with("code.") && !key.starts_with("thread.")).collect();
    assert_eq!(keys, ["busy_ns", "idle_ns", "target", "url.full"], "the attributes that are exported without a bridge");
}

#[test]
fn agent_links_to_its_tool_where_another_span_is_its_parent() {
    let mut harness = Harness::new();
    harness.run(Order::BridgeFirst, || {
        let thread = AgentThread::start(ThreadMeta::new());
        let tool = thread.turn(None).tool_call(ToolCallMeta::new("delegate").id("call_1"));
        tool.span().in_scope(|| {
            tracing::info_span!("worker").in_scope(|| drop(AgentThread::start(ThreadMeta::new().agent_name("scout"))));
        });
    });
    harness.finish();
    let live = harness.spans();
    let (worker, agent) = (named(&live, "worker"), named(&live, "invoke_agent scout"));
    assert_eq!(agent.parent_span_id, worker.span_context.span_id());
    let bundle = Reader::open(&harness.bundle()).expect("a bundle");
    let exported: Vec<_> = spans(&bundle, &harness.graph(), &Mapping::default()).collect();
    for agent in [agent, named(&exported, "invoke_agent scout")] {
        let [link] = &agent.links.links[..] else { panic!("{:?}", agent.links) };
        assert_eq!(link.attributes[0].value.as_str(), "spawned_by");
        assert_eq!(&link.span_context.span_id(), &named(&live, "execute_tool delegate").span_context.span_id());
    }
}

/// Checks the links of a call whose handle is created before an agent reports a result, and whose request is recorded
/// after it.
///
/// With `is_inside`, the agent runs inside the span of the call.
fn call_opened_before_a_report(is_inside: bool) {
    let mut harness = Harness::new();
    harness.run(Order::BridgeFirst, || {
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = thread.turn(None);
        let tool = turn.tool_call(ToolCallMeta::new("delegate").id("call_1"));
        let inference = turn.inference(Model { name: "m", provider: "p" });
        let spawn = || tool.spawn_thread(ThreadMeta::new().agent_name("scout"));
        let agent = if is_inside {
            inference.span().in_scope(|| AgentThread::start(ThreadMeta::new().agent_name("scout")))
        } else {
            spawn()
        };
        let child_turn = agent.turn(None);
        child_turn.agent_result("seen", Json(&serde_json::json!({})));
        inference.request(Json(&serde_json::json!({ "input": [] })));
        inference.complete();
    });
    harness.finish();
    let live = harness.spans();
    let bundle = Reader::open(&harness.bundle()).expect("a bundle");
    let exported: Vec<_> = spans(&bundle, &harness.graph(), &Mapping::default()).collect();
    let links = |spans: &[SpanData]| named(spans, "chat m").links.len();
    let expected = usize::from(!is_inside);
    assert_eq!((links(&live), links(&exported)), (expected, expected), "inside the call: {is_inside}");
}

#[test]
fn call_links_to_a_report_that_came_before_its_request() {
    call_opened_before_a_report(false);
}

#[test]
fn call_links_to_nothing_inside_it() {
    call_opened_before_a_report(true);
}

#[test]
fn links_name_requester_spawner_and_agent_result() {
    let harness = Harness::new();
    harness.run(Order::BridgeFirst, program::typed);
    let spans = harness.spans();
    let links_of = |span: &SpanData| -> Vec<(String, String)> {
        let describe = |link: &opentelemetry::trace::Link| {
            let to = spans.iter().find(|span| span.span_context.span_id() == link.span_context.span_id());
            let [kind] = link.attributes.as_slice() else { panic!("one attribute of {link:?}") };
            (kind.value.as_str().into_owned(), attributes(to.expect("a span"))["otel_trace.object_id"].clone())
        };
        span.links.iter().map(describe).collect()
    };
    let links = |name: &str| links_of(named(&spans, name));
    let calls = spans.iter().filter_map(|span| {
        let response = attributes(span).remove("gen_ai.response.id")?;
        Some((response, links_of(span)))
    });
    let requester =
        attributes(spans.iter().find(|span| span.name == "chat gpt-5-mini").expect("a call"))["otel_trace.object_id"]
            .clone();
    let link = |kind: &str, to: &str| vec![(kind.to_owned(), to.to_owned())];
    assert_eq!(links("execute_tool exec_command"), link("requested_by", &requester));
    assert_eq!(links("execute_tool spawn_agent"), link("requested_by", &requester));
    assert_eq!(links("execute_tool web_search"), []);
    assert_eq!(links("invoke_agent scout"), [], "its parent is the spawning tool call");
    assert_eq!(links("invoke_agent coder"), [], "agent results link to calls");
    let reading: Vec<_> = calls.filter(|(_, links)| !links.is_empty()).collect();
    assert_eq!(reading, [("resp_3".to_owned(), link("agent_result", "turn-2"))]);
}
