//! The spans of small runs, compared with golden files.

use serde_json::Value;

use crate::export::{Run, case, comparable};
use otel_trace::otlp::ContentPolicy;

#[track_caller]
fn check(name: &str, expected: &str) {
    let expected: Vec<Value> = serde_json::from_str(expected).unwrap();
    let spans = comparable::named_by_object(&Run::open(&case(name)).spans(ContentPolicy::Omit));
    for (span, expected) in spans.iter().zip(&expected) {
        assert_eq!(span, expected);
    }
    assert_eq!(spans.len(), expected.len());
}

#[test]
fn chat_with_tools_matches_the_golden_file() {
    check("chat", include_str!("chat.json"));
}

#[test]
fn code_cells_match_the_golden_file() {
    check("code-cells", include_str!("code-cells.json"));
}

#[test]
fn calls_link_to_reporting_turns_and_agents_to_nothing() {
    let spans = comparable::named_by_object(&Run::open(&case("agents")).spans(ContentPolicy::Omit));
    let is_shown = |span: &&Value| {
        let links = span["links"].as_array().unwrap();
        let reports = links.iter().any(|link| link["attributes"]["otel_trace.link"] == "agent_result");
        span["attributes"]["otel_trace.kind"] == "thread" || reports
    };
    let links = spans.iter().filter(is_shown).map(|span| {
        let describe = |link: &Value| {
            let to = link["to"].as_str().unwrap().replace("019d0000-0000-7000-8000-00000000000", "");
            format!("{} {to}", link["attributes"]["otel_trace.link"].as_str().unwrap())
        };
        let links: Vec<_> = span["links"].as_array().unwrap().iter().map(describe).collect();
        let parent = span["parent"].as_str().unwrap_or("-");
        format!("{} in {parent}: {}", span["name"].as_str().unwrap(), links.join(", "))
    });
    assert_eq!(
        links.collect::<Vec<_>>(),
        [
            "invoke_agent in -: ",
            "invoke_agent W1 in tool call_1_1: ",
            "chat gpt-gen in turn turn-1-1: agent_result turn turn-2-1",
            "chat gpt-gen in turn turn-1-1: agent_result turn turn-2-2",
            "invoke_agent W2 in tool call_1_6: ",
            "chat gpt-gen in turn turn-1-2: agent_result turn turn-3-1",
            "chat gpt-gen in turn turn-1-2: agent_result turn turn-3-2",
        ]
    );
}
