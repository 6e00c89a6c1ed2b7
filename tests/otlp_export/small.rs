//! Small runs, span by span.

use serde_json::Value;

use crate::{Run, case, seen};
use otel_trace::otlp::ContentPolicy;

#[track_caller]
fn check(name: &str, expected: &str) {
    let expected: Vec<Value> = serde_json::from_str(expected).unwrap();
    let spans = seen::of_data(&Run::of(&case(name)).spans(ContentPolicy::Omit));
    for (span, expected) in spans.iter().zip(&expected) {
        assert_eq!(span, expected);
    }
    assert_eq!(spans.len(), expected.len());
}

#[test]
fn a_chat_with_tools_is_these_spans() {
    check("chat", include_str!("chat.json"));
}

#[test]
fn scripts_that_call_tools_are_these_spans() {
    check("code-cells", include_str!("code-cells.json"));
}

#[test]
fn agents_are_linked_with_who_asked_for_them_and_whom_they_told() {
    let spans = seen::of_data(&Run::of(&case("agents")).spans(ContentPolicy::Omit));
    let agents = spans.iter().filter(|span| span["attributes"]["otel_trace.kind"] == "thread");
    let links = agents.map(|span| {
        let of = |link: &Value| {
            let to = link["to"].as_str().unwrap().replace("019d0000-0000-7000-8000-00000000000", "");
            format!("{} {to}", link["attributes"]["otel_trace.link"].as_str().unwrap())
        };
        let links: Vec<_> = span["links"].as_array().unwrap().iter().map(of).collect();
        let parent = span["parent"].as_str().unwrap_or("-");
        format!("{} in {parent}: {}", span["name"].as_str().unwrap(), links.join(", "))
    });
    assert_eq!(
        links.collect::<Vec<_>>(),
        [
            "invoke_agent in -: agent_result thread 2, agent_result thread 2, agent_result thread 3, agent_result thread 3",
            "invoke_agent W1 in tool call_1_1: spawned_by tool call_1_1",
            "invoke_agent W2 in tool call_1_6: spawned_by tool call_1_6",
        ]
    );
}
