//! Whose trace a run is in, and which span is in which.

use opentelemetry::SpanId;
use opentelemetry_sdk::trace::SpanData;
use otel_trace::bundle::Reader;
use otel_trace::otlp::export::spans;
use otel_trace::otlp::{Mapping, TraceContext};
use otel_trace::{AgentThread, Json, Model, Operation, ThreadMeta, ToolCallMeta};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::exported::{Order, Rig, attributes, named};
use crate::program;

const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn caller() -> TraceContext {
    TraceContext::parse(CALLER, None).expect("valid")
}

fn traceparent(span: &SpanData) -> String {
    format!("00-{}-{}-01", span.span_context.trace_id(), span.span_context.span_id())
}

#[test]
fn run_joins_the_trace_of_its_caller() {
    let rig = Rig::new();
    rig.run(Order::BridgeFirst, || {
        let _attached = caller().attach();
        drop(AgentThread::start(ThreadMeta::new()));
    });
    let spans = rig.spans();
    let thread = named(&spans, "invoke_agent");
    assert_eq!(thread.span_context.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(thread.parent_span_id.to_string(), "00f067aa0ba902b7");
    let graph = rig.graph();
    let recorded = graph.threads.iter().next().expect("a thread");
    assert_eq!(recorded.span.parent_span_id.as_ref().map(|id| id.as_str()), Some("00f067aa0ba902b7"));
}

#[test]
fn plain_span_accepts_a_parent_before_its_first_enter() {
    for order in [Order::BridgeFirst, Order::RecorderFirst] {
        let rig = Rig::new();
        rig.run(order, || {
            let span = tracing::info_span!("run", gen_ai.operation.name = "invoke_agent");
            let mut headers = std::collections::HashMap::new();
            headers.insert("traceparent".to_owned(), CALLER.to_owned());
            let remote = opentelemetry::propagation::TextMapPropagator::extract(
                &opentelemetry_sdk::propagation::TraceContextPropagator::new(),
                &headers,
            );
            span.set_parent(remote).expect("it has not begun");
            span.in_scope(|| {});
        });
        let spans = rig.spans();
        assert_eq!(named(&spans, "turn").parent_span_id.to_string(), "00f067aa0ba902b7", "{order:?}");
        let graph = rig.graph();
        let recorded = graph.turns.iter().next().expect("a turn").span.parent_span_id.clone();
        assert_eq!(recorded.as_ref().map(|id| id.as_str()), Some("00f067aa0ba902b7"), "{order:?}");
    }
}

#[test]
fn outgoing_context_joins_the_trace_of_the_run() {
    let rig = Rig::new();
    let mut told = Vec::new();
    rig.run(Order::BridgeFirst, || {
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = thread.turn(None);
        let tool = turn.tool_call(ToolCallMeta::new("fetch"));
        told.push(TraceContext::from_span(tool.span()).expect("exported").traceparent().to_owned());
        let child = tool.child_process();
        let own = child.env().find(|(name, _)| *name == "TRACEPARENT").expect("told").1.to_owned();
        told.push(own.into_string().expect("text"));
    });
    let expected = traceparent(named(&rig.spans(), "execute_tool fetch"));
    assert_eq!(told, [expected.clone(), expected]);
}

#[test]
fn other_spans_of_the_program_join_the_trace() {
    let rig = Rig::new();
    rig.run(Order::BridgeFirst, program::plain);
    let spans = rig.spans();
    let (agent, tool, http) = (named(&spans, "turn"), named(&spans, "execute_tool add"), named(&spans, "http request"));
    assert_eq!(http.parent_span_id, tool.span_context.span_id());
    assert_eq!(tool.parent_span_id, agent.span_context.span_id());
    assert_eq!(agent.parent_span_id, SpanId::INVALID);
    let traces: std::collections::HashSet<_> = spans.iter().map(|span| span.span_context.trace_id()).collect();
    assert_eq!(traces.len(), 1);
    let keys: Vec<_> =
        attributes(http).into_keys().filter(|key| !key.starts_with("code.") && !key.starts_with("thread.")).collect();
    assert_eq!(keys, ["busy_ns", "idle_ns", "target", "url.full"], "as it is exported without a bridge");
}

#[test]
fn agent_links_to_its_tool_where_another_span_is_its_parent() {
    let mut rig = Rig::new();
    rig.run(Order::BridgeFirst, || {
        let thread = AgentThread::start(ThreadMeta::new());
        let tool = thread.turn(None).tool_call(ToolCallMeta::new("delegate").id("call_1"));
        tool.span().in_scope(|| {
            tracing::info_span!("worker").in_scope(|| drop(AgentThread::start(ThreadMeta::new().agent_name("scout"))));
        });
    });
    rig.finish();
    let live = rig.spans();
    let (worker, agent) = (named(&live, "worker"), named(&live, "invoke_agent scout"));
    assert_eq!(agent.parent_span_id, worker.span_context.span_id());
    let bundle = Reader::open(&rig.bundle()).expect("a bundle");
    let exported: Vec<_> = spans(&bundle, &rig.graph(), &Mapping::default()).collect();
    for agent in [agent, named(&exported, "invoke_agent scout")] {
        let [link] = &agent.links.links[..] else { panic!("{:?}", agent.links) };
        assert_eq!(link.attributes[0].value.as_str(), "spawned_by");
        assert_eq!(&link.span_context.span_id(), &named(&live, "execute_tool delegate").span_context.span_id());
    }
}

/// A call of a model whose handle is there before a report, and whose request comes after it.
fn call_opened_before_a_report(is_inside: bool) {
    let mut rig = Rig::new();
    rig.run(Order::BridgeFirst, || {
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
        let errand = agent.turn(None);
        errand.agent_result("seen", Json(&serde_json::json!({})));
        inference.request(Json(&serde_json::json!({ "input": [] })));
        inference.complete();
    });
    rig.finish();
    let live = rig.spans();
    let bundle = Reader::open(&rig.bundle()).expect("a bundle");
    let exported: Vec<_> = spans(&bundle, &rig.graph(), &Mapping::default()).collect();
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
    let rig = Rig::new();
    rig.run(Order::BridgeFirst, program::typed);
    let spans = rig.spans();
    let links_of = |span: &SpanData| -> Vec<(String, String)> {
        let of = |link: &opentelemetry::trace::Link| {
            let to = spans.iter().find(|span| span.span_context.span_id() == link.span_context.span_id());
            let [why] = link.attributes.as_slice() else { panic!("one attribute of {link:?}") };
            (why.value.as_str().into_owned(), attributes(to.expect("a span"))["otel_trace.object_id"].clone())
        };
        span.links.iter().map(of).collect()
    };
    let links = |name: &str| links_of(named(&spans, name));
    let calls = spans.iter().filter_map(|span| {
        let response = attributes(span).remove("gen_ai.response.id")?;
        Some((response, links_of(span)))
    });
    let asker =
        attributes(spans.iter().find(|span| span.name == "chat gpt-5-mini").expect("a call"))["otel_trace.object_id"]
            .clone();
    let of = |why: &str, to: &str| vec![(why.to_owned(), to.to_owned())];
    assert_eq!(links("execute_tool exec_command"), of("requested_by", &asker));
    assert_eq!(links("execute_tool spawn_agent"), of("requested_by", &asker));
    assert_eq!(links("execute_tool web_search"), []);
    assert_eq!(links("invoke_agent scout"), [], "the tool that spawned it is its parent");
    assert_eq!(links("invoke_agent coder"), [], "what it is told is read by its calls");
    let reading: Vec<_> = calls.filter(|(_, links)| !links.is_empty()).collect();
    assert_eq!(reading, [("resp_3".to_owned(), of("agent_result", "turn-2"))]);
}
