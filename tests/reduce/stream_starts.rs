//! Streams of which the event that starts an item did not arrive, as from a client that joined late or dropped it.

use otel_trace::graph::{Code, Graph};
use serde_json::{Value, json};

use crate::shapes::render_item;
use crate::stream_unread::{named_events, reduce_received};

fn render(graph: &Graph) -> Vec<String> {
    graph.items().map(render_item).collect()
}

/// Reduces a stream of the Responses API that has these events after its start, and is cut.
fn responses(events: &[Value], codes: &[Code]) -> Vec<String> {
    let created =
        json!({ "type": "response.created", "response": { "id": "r", "status": "in_progress", "output": [] } });
    let events = [&[created], events].concat();
    render(&reduce_received(&named_events(&events), codes))
}

#[test]
fn item_of_a_response_without_its_start_is_what_its_events_are_about() {
    let event = |name: &str, member: &str, value: Value| {
        let mut event = json!({ "type": format!("response.{name}"), "output_index": 0, "item_id": "i" });
        event[member] = value;
        event
    };
    let delta = |name: &str, delta: &str| event(&format!("{name}.delta"), "delta", json!(delta));
    let part = |name: &str, part: Value| event(&format!("{name}.added"), "part", part);
    let cut = [Code::PartialStream];
    for (events, item) in [
        (vec![delta("output_text", "So"), delta("output_text", " it is")], "assistant message: So it is"),
        (vec![delta("refusal", "No")], "assistant message: (refusal) No"),
        (vec![part("content_part", json!({ "type": "output_text", "text": "So" }))], "assistant message: So"),
        (vec![part("content_part", json!({ "type": "reasoning_text", "text": "Hm" }))], "assistant reasoning: Hm"),
        (
            vec![part("reasoning_summary_part", json!({ "type": "summary_text", "text": "Hm" }))],
            "assistant reasoning: summary Hm",
        ),
        (vec![delta("reasoning_summary_text", "Hm")], "assistant reasoning: summary Hm"),
        (vec![delta("reasoning_text", "Hm")], "assistant reasoning: Hm"),
        (
            vec![delta("code_interpreter_call_code", "1+1")],
            r#"assistant function_call: json {"code":"1+1","id":"i","type":"code_interpreter_call"}"#,
        ),
        (
            vec![delta("mcp_call_arguments", "{}")],
            r#"assistant function_call: json {"arguments":"{}","id":"i","type":"mcp_call"}"#,
        ),
    ] {
        assert_eq!(responses(&events, &cut), [item], "{events:?}");
    }
    // The id of a call is in its start alone.
    let without_id = [Code::CallWithoutId, Code::PartialStream];
    let events = [delta("custom_tool_call_input", "ls")];
    assert_eq!(responses(&events, &without_id), ["assistant custom_tool_call: ls"]);
    let mut done = event("function_call_arguments.done", "arguments", json!("{\"a\":1}"));
    done["name"] = json!("find");
    for events in [vec![delta("function_call_arguments", "{\"a\":"), done.clone()], vec![done]] {
        assert_eq!(responses(&events, &without_id), [r#"assistant function_call find: json {"a":1}"#], "{events:?}");
    }
}

#[test]
fn last_event_has_what_the_start_of_an_item_would_have_said() {
    let call = json!({ "type": "function_call", "id": "i", "call_id": "c", "name": "find", "arguments": "{}" });
    let delta = json!({ "type": "response.function_call_arguments.delta", "output_index": 0, "item_id": "i",
        "delta": "{}" });
    let done = json!({ "type": "response.output_item.done", "output_index": 0, "item": call });
    let completed = json!({ "type": "response.completed", "response": { "id": "r", "status": "completed",
        "output": [call] } });
    let expected = ["assistant function_call c find: json {}"];
    assert_eq!(responses(&[delta.clone(), done], &[Code::PartialStream]), expected);
    assert_eq!(responses(&[delta, completed], &[]), expected);
}
