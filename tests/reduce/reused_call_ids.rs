//! Call ids that several calls of a thread have: each sentence of the rule in the smallest bundle that shows it.

use otel_trace::graph::{Graph, ItemId, Part};
use serde_json::{Value, json};

use crate::case::{Case, function_output, item, tool, user};

mod arguments;
mod calls;
mod lost_responses;
mod named;
mod outputs;
mod rewritten;
mod told_apart;
mod tool_names;
mod tools;

const ID: &str = "look:0";

/// Returns a call of a tool with the arguments `{"at": <at>}`.
fn call_of(name: &str, at: &str) -> Value {
    json!({ "type": "function_call", "call_id": ID, "name": name, "arguments": json!({ "at": at }).to_string() })
}

fn look(at: &str) -> Value {
    call_of("look", at)
}

fn out(text: &str) -> Value {
    function_output(ID, text)
}

/// Records the start of a tool of the given kind that runs a call with the reused id.
fn run_kind(case: &mut Case, (thread, turn): (&str, &str), id: &str, label: &str, kind: &Value) {
    let event = json!({
        "type": "tool_call_started", "tool_call_id": id, "model_visible_call_id": ID,
        "requester": { "type": "model" }, "kind": kind, "summary": { "type": "generic", "label": label },
    });
    case.event_in(json!(thread), json!(turn), event);
}

fn run_in(case: &mut Case, agent: (&str, &str), id: &str, label: &str) {
    run_kind(case, agent, id, label, &json!({ "type": "web" }));
}

fn run(case: &mut Case, id: &str) {
    run_in(case, ("t", "u"), id, "look");
}

/// Records a request and its complete response.
fn exchange(case: &mut Case, call: &str, request: &[Value], response: &[Value]) {
    case.request(call, request);
    case.response(call, response);
}

/// Records a failed inference call with a partial response.
fn fail(case: &mut Case, call: &str, response: &[Value]) {
    let body = case.body("inference_response", json!({ "output_items": response }));
    case.event(json!({
        "type": "inference_failed", "inference_call_id": call, "error": "cut", "partial_response_payload": body,
    }));
}

/// Records the end of an inference call whose response was recorded without its content.
fn respond_unknown(case: &mut Case, call: &str) {
    let body = case.body("inference_response", json!({ "gen_ai.response.id": "r" }));
    case.event(json!({ "type": "inference_completed", "inference_call_id": call, "response_payload": body }));
}

/// Returns what items contain: the arguments or the text.
fn texts(graph: &Graph, items: &[ItemId]) -> Vec<String> {
    let text = |part: &Part| match part.as_text() {
        Some(text) => text.to_owned(),
        None => {
            let Part::Json { summary } = part else { panic!("{part:?}") };
            serde_json::from_str::<Value>(summary).unwrap()["at"].as_str().unwrap().to_owned()
        }
    };
    items.iter().map(|id| text(&item(graph, id.number()).content.parts[0])).collect()
}

/// Checks the arguments and the outputs of a tool call.
#[track_caller]
fn check(graph: &Graph, id: &str, arguments: &[&str], outputs: &[&str]) {
    let tool = tool(graph, id);
    let seen = (texts(graph, &tool.call_item_ids), texts(graph, &tool.output_item_ids));
    assert_eq!(seen, (arguments.iter().map(|&at| at.into()).collect(), outputs.iter().map(|&at| at.into()).collect()));
}

#[track_caller]
fn check_requester(graph: &Graph, id: &str, inference: Option<&str>) {
    assert_eq!(tool(graph, id).requested_by.as_ref().map(|id| id.as_str()), inference, "{id}");
    for call in graph.inference_calls.iter() {
        let is_listed = call.tool_call_ids.iter().any(|listed| listed.as_str() == id);
        assert_eq!(is_listed, Some(call.inference_call_id.as_str()) == inference, "{}", call.inference_call_id);
    }
}

/// Records two rounds of one tool: `a` in the request and response `i1`, `b` in `i2`. Both tools run.
fn two_rounds() -> (Case, Vec<Value>) {
    let mut case = Case::new();
    let mut history = vec![user("go")];
    exchange(&mut case, "i1", &history, &[look("a")]);
    run(&mut case, "t1");
    history.extend([look("a"), out("of a")]);
    exchange(&mut case, "i2", &history, &[look("b")]);
    run(&mut case, "t2");
    history.extend([look("b"), out("of b")]);
    (case, history)
}
