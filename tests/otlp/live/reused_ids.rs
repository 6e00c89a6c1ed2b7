//! Links of tools whose call ids the provider uses again.

use std::collections::BTreeMap;

use opentelemetry_sdk::trace::SpanData;
use otel_trace::bundle::Reader;
use otel_trace::otlp::Mapping;
use otel_trace::otlp::export::spans;
use otel_trace::{
    AgentThread, CodeCellMeta, Inference, Json, Model, Operation, ThreadMeta, ToolCall, ToolCallMeta, Turn, TurnId,
};
use serde_json::{Value, json};

use crate::live::exported::{Harness, Order, attributes};

const ID: &str = "look:0";

fn call(name: &str) -> Value {
    json!({ "type": "function_call", "call_id": ID, "name": name, "arguments": "{}" })
}

fn output(text: &str) -> Value {
    json!({ "type": "function_call_output", "call_id": ID, "output": text })
}

/// Starts an inference call whose response id is its name.
fn ask(turn: &Turn, name: &str, input: Value) -> Inference {
    let inference = turn.inference(Model { name, provider: "p" });
    inference.request(Json(&json!({ "input": input })));
    inference
}

fn respond(inference: &Inference, items: &[Value]) {
    inference.response(Json(&json!({ "output_items": items })));
}

fn start(turn: &Turn, name: &str) -> ToolCall {
    turn.tool_call(ToolCallMeta::new(name).id(ID))
}

/// The models that request the tools, in the order in which the tools start.
const REQUESTERS: [&str; 15] = [
    "first", "second", "early", "whole", "two", "two", "docs", "code", "files", "mail", "", "kept", "left", "right",
    "unknown",
];

/// Records rounds whose calls all have one id. Each round has a model of its own.
pub(crate) fn record() {
    let thread = AgentThread::start(ThreadMeta::new().id("thread-1"));
    let turn = thread.turn(Some(TurnId::from("turn-1")));
    // Two rounds.
    let mut history = vec![json!({ "type": "message", "role": "user", "content": "go" })];
    for round in ["first", "second"] {
        let inference = ask(&turn, round, json!(history));
        respond(&inference, &[call("look")]);
        inference.complete();
        start(&turn, "look").complete();
        history.extend([call("look"), output(round)]);
    }
    // A tool that starts before its response is complete, and ends before the next response.
    let inference = ask(&turn, "early", json!(history));
    let early = start(&turn, "look");
    respond(&inference, &[call("look")]);
    inference.complete();
    early.complete();
    history.extend([call("look"), output("early")]);
    // An attempt that is cut off behind its call, and the next attempt.
    let inference = ask(&turn, "cut off", json!(history));
    respond(&inference, &[call("look")]);
    inference.fail("connection reset");
    let inference = ask(&turn, "whole", json!(history));
    respond(&inference, &[call("look")]);
    inference.complete();
    start(&turn, "look").complete();
    history.extend([call("look"), output("whole")]);
    // Two calls of one response, whose tools start in another order.
    let inference = ask(&turn, "two", json!(history));
    respond(&inference, &[call("look"), call("write")]);
    inference.complete();
    let (write, look) = (start(&turn, "write"), start(&turn, "look"));
    look.complete();
    write.complete();
    history.extend([call("look"), call("write"), output("looked"), output("written")]);
    // Calls of tools with one name of several servers, whose tools start later.
    let calls = [
        ("docs", call("mcp__docs__search")),
        ("code", call("code.search")),
        (
            "files",
            json!({ "type": "function_call", "call_id": ID, "name": "search", "namespace": "files", "arguments": "{}" }),
        ),
        ("mail", call("mcp__mail__search")),
    ];
    for (server, call) in &calls {
        let input = if *server == "docs" { json!(history) } else { json!([]) };
        let inference = ask(&turn, server, input);
        respond(&inference, std::slice::from_ref(call));
        inference.complete();
    }
    for label in ["docs.search", "mcp__code__search", "mcp__files.search", "mail/search", "web.search"] {
        start(&turn, label).complete();
    }
    history.extend(calls.iter().map(|(_, call)| call.clone()));
    history.extend(calls.iter().map(|(server, _)| output(server)));
    // A call that the program answers without a tool, and one that is cut off while its tool runs.
    let inference = ask(&turn, "answered", json!(history));
    respond(&inference, &[call("look")]);
    inference.complete();
    history.extend([call("look"), output("no such place")]);
    let inference = ask(&turn, "kept", json!(history));
    let kept = start(&turn, "look");
    respond(&inference, &[call("look")]);
    inference.cancel("stopped");
    kept.complete();
    turn.complete();
    // Calls of two turns at once.
    let turns = ["turn-2", "turn-3"].map(|turn| thread.turn(Some(TurnId::from(turn))));
    for (turn, name) in turns.iter().zip(["left", "right"]) {
        let inference = ask(turn, name, json!([]));
        respond(&inference, &[call("look")]);
        inference.complete();
    }
    turns.iter().for_each(|turn| start(turn, "look").complete());
    // A response without content.
    let inference = ask(&turns[1], "unknown", json!([]));
    inference.response(Json(&json!({})));
    inference.complete();
    start(&turns[1], "look").complete();
    // Scripts.
    for script in ["1", "2"] {
        let inference = ask(&turns[1], script, json!([]));
        respond(&inference, &[json!({ "type": "custom_tool_call", "call_id": ID, "name": "exec", "input": script })]);
        inference.complete();
        drop(turns[1].code_cell(CodeCellMeta::new(script).id(script).call_id(ID)));
    }
    turns.into_iter().for_each(|turn| turn.complete());
    thread.complete();
}

/// Returns the models of the inference calls that tools link to, by the object id of the tool.
fn requesters(spans: &[SpanData]) -> BTreeMap<String, Vec<String>> {
    let model = |span: &opentelemetry::SpanId| {
        let inference = spans.iter().find(|inference| inference.span_context.span_id() == *span).expect("exported");
        attributes(inference)["gen_ai.request.model"].clone()
    };
    let tools = spans.iter().filter(|span| span.name.starts_with("execute_tool"));
    let links = |span: &SpanData| span.links.iter().map(|link| model(&link.span_context.span_id())).collect();
    tools.map(|span| (attributes(span)["otel_trace.object_id"].clone(), links(span))).collect()
}

/// Runs a program in both orders of the layers and checks which models the tools link to, live and exported.
/// `expected` holds the models in the order in which the tools start.
#[track_caller]
pub(crate) fn check_requesters(program: fn(), expected: &[&str]) {
    for order in [Order::BridgeFirst, Order::RecorderFirst] {
        let mut harness = Harness::new();
        harness.run(order, program);
        harness.finish();
        let graph = harness.graph();
        let bundle = Reader::open(&harness.bundle()).expect("a bundle");
        let exported: Vec<_> = spans(&bundle, &graph, &Mapping::default()).collect();
        for (when, spans) in [("live", harness.spans()), ("exported", exported)] {
            let requesters = requesters(&spans);
            let of_tools = graph.tool_calls.iter().map(|tool| requesters[tool.tool_call_id.as_str()].join(" "));
            assert_eq!(of_tools.collect::<Vec<_>>(), expected, "{order:?}, {when}");
        }
    }
}

#[test]
fn tools_link_to_the_calls_that_requested_them() {
    check_requesters(record, &REQUESTERS);
}

#[test]
fn live_spans_of_code_cells_name_the_cells_of_the_graph() {
    let mut harness = Harness::new();
    harness.run(Order::BridgeFirst, record);
    harness.finish();
    let cells: Vec<_> = harness.graph().code_cells.iter().map(|cell| cell.code_cell_id.to_string()).collect();
    assert_eq!(cells, ["code_cell:look:0", "code_cell:look:0#2"]);
    let objects: Vec<_> = harness.spans().iter().map(|span| attributes(span)["otel_trace.object_id"].clone()).collect();
    assert!(cells.iter().all(|cell| objects.contains(cell)), "{objects:?}");
}

/// Records tools whose calls only later requests, or arguments, tell apart.
fn record_interchangeable() {
    let thread = AgentThread::start(ThreadMeta::new().id("thread-1"));
    let turn = thread.turn(Some(TurnId::from("turn-1")));
    let go = json!({ "type": "message", "role": "user", "content": "go" });
    let respond_with = |name: &str, input: Value, call: Value| {
        let inference = ask(&turn, name, input);
        respond(&inference, &[call]);
        inference.complete();
    };
    // Two attempts, of which the next request shows the first one.
    respond_with("attempt", json!([go]), call("look"));
    respond_with("other attempt", json!([go]), call("write"));
    start(&turn, "Looks").complete();
    respond_with("next", json!([go, call("look"), output("of the attempt")]), call("look"));
    // A request is repeated before the tool starts: it answers no further call.
    let history = json!([go, call("look"), output("of the attempt"), call("look"), output("2")]);
    start(&turn, "Looks").complete();
    ask(&turn, "refused", history.clone()).fail("overloaded");
    respond_with("repeated", history, call("look"));
    start(&turn, "Looks").complete();
    // A response without content requested the tool, not the one before it.
    respond_with("before", json!([]), call("look"));
    let inference = ask(&turn, "unknown", json!([]));
    inference.response(Json(&json!({})));
    inference.complete();
    start(&turn, "Looks").complete();
    turn.complete();
    thread.complete();
}

#[test]
fn live_links_are_those_of_the_reducer_or_none() {
    let mut harness = Harness::new();
    harness.run(Order::BridgeFirst, record_interchangeable);
    harness.finish();
    let graph = harness.graph();
    let bundle = Reader::open(&harness.bundle()).expect("a bundle");
    let exported: Vec<_> = spans(&bundle, &graph, &Mapping::default()).collect();
    let (live, exported) = (requesters(&harness.spans()), requesters(&exported));
    for tool in graph.tool_calls.iter() {
        let id = tool.tool_call_id.as_str();
        assert!(live[id].is_empty() || live[id] == exported[id], "{id}: {:?}, {:?}", live[id], exported[id]);
    }
    let of_tools: Vec<_> = graph.tool_calls.iter().map(|tool| live[tool.tool_call_id.as_str()].join(" ")).collect();
    assert_eq!(of_tools[0], "");
    assert_eq!(of_tools[3], "unknown");
}
