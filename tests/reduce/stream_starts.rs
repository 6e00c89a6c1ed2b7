//! Streams of which the event that starts an item did not arrive, as from a client that joined late or dropped it.

use otel_trace::graph::{Code, Graph};
use otel_trace::reduce::Options;
use serde_json::{Value, json};

use crate::case::Case;
use crate::shapes::render_item;
use crate::stream_unread::{named_events, reduce_received};
use crate::unread_fields::unread;

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

/// Reduces a stream that has these events alone.
fn events(events: &[Value], codes: &[Code]) -> Vec<String> {
    render(&reduce_received(&named_events(events), codes))
}

/// Checks a stream without the events that start it and its parts: cut, and with its last events.
fn check(pieces: &[Value], last: &[Value], expected: &str) {
    assert_eq!(events(pieces, &[Code::PartialStream]), [expected], "{pieces:?}");
    assert_eq!(events(&[pieces, last].concat(), &[]), [expected], "{pieces:?}");
}

#[test]
fn message_of_anthropic_without_its_start_is_what_its_deltas_are_about() {
    let delta = |kind: &str, member: &str, value: Value| {
        let mut delta = json!({ "type": kind });
        delta[member] = value;
        json!({ "type": "content_block_delta", "index": 0, "delta": delta })
    };
    let text = |text: &str| delta("text_delta", "text", json!(text));
    let start = |block: Value| json!({ "type": "content_block_start", "index": 0, "content_block": block });
    let last = [
        json!({ "type": "content_block_stop", "index": 0 }),
        json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" }, "usage": { "output_tokens": 2 } }),
        json!({ "type": "message_stop" }),
    ];
    let citation = json!({ "type": "char_location", "cited_text": "it is" });
    for (pieces, expected) in [
        (vec![start(json!({ "type": "text", "text": "" })), text("So"), text(" it is")], "assistant message: So it is"),
        (vec![text("So"), text(" it is")], "assistant message: So it is"),
        (vec![delta("citations_delta", "citation", citation), text("So")], "assistant message: So | [char_location]"),
        (vec![delta("thinking_delta", "thinking", json!("Hm"))], "assistant reasoning: Hm"),
        (
            vec![
                start(json!({ "type": "tool_use", "id": "c", "name": "find", "input": {} })),
                delta("input_json_delta", "partial_json", json!("{\"a\":1}")),
            ],
            r#"assistant function_call c find: json {"a":1}"#,
        ),
    ] {
        check(&pieces, &last, expected);
    }
    let input = [delta("input_json_delta", "partial_json", json!("{\"a\":1}"))];
    let calls = events(&input, &[Code::CallWithoutId, Code::PartialStream]);
    assert_eq!(calls, [r#"assistant function_call: json {"a":1}"#]);
}

#[test]
fn message_of_cohere_without_its_start_is_what_its_deltas_are_about() {
    let piece = |kind: &str, message: Value| json!({ "type": kind, "index": 0, "delta": { "message": message } });
    let content = |content: Value| piece("content-delta", json!({ "content": content }));
    let last = [
        json!({ "type": "content-end", "index": 0 }),
        json!({ "type": "message-end", "delta": { "finish_reason": "COMPLETE" } }),
    ];
    let call = json!({ "id": "c", "type": "function", "function": { "name": "find", "arguments": "" } });
    let arguments = json!({ "function": { "arguments": "{\"a\":1}" } });
    for (pieces, expected) in [
        (vec![content(json!({ "text": "So" })), content(json!({ "text": " it is" }))], "assistant message: So it is"),
        (
            vec![
                piece("content-start", json!({ "content": { "type": "text", "text": "" } })),
                content(json!({ "text": "So" })),
            ],
            "assistant message: So",
        ),
        (vec![content(json!({ "thinking": "Hm" }))], "assistant reasoning: Hm"),
        (vec![piece("tool-plan-delta", json!({ "tool_plan": "I look." }))], "assistant reasoning: I look."),
        (
            vec![
                piece("tool-call-start", json!({ "tool_calls": call })),
                piece("tool-call-delta", json!({ "tool_calls": arguments })),
            ],
            r#"assistant function_call c find: json {"a":1}"#,
        ),
    ] {
        check(&pieces, &last, expected);
    }
    let arguments = [piece("tool-call-delta", json!({ "tool_calls": arguments }))];
    let calls = events(&arguments, &[Code::CallWithoutId, Code::PartialStream]);
    assert_eq!(calls, [r#"assistant function_call: json {"a":1}"#]);
}

#[test]
fn message_of_converse_without_its_start_is_what_its_deltas_are_about() {
    let delta = |delta: Value| json!({ "contentBlockDelta": { "contentBlockIndex": 0, "delta": delta } });
    let last = [
        json!({ "contentBlockStop": { "contentBlockIndex": 0 } }),
        json!({ "messageStop": { "stopReason": "end_turn" } }),
        json!({ "metadata": { "usage": { "inputTokens": 1, "outputTokens": 1 } } }),
    ];
    let start = json!({ "contentBlockStart": { "contentBlockIndex": 0,
        "start": { "toolUse": { "toolUseId": "c", "name": "find" } } } });
    let input = delta(json!({ "toolUse": { "input": "{\"a\":1}" } }));
    for (pieces, expected) in [
        (vec![delta(json!({ "text": "So" })), delta(json!({ "text": " it is" }))], "assistant message: So it is"),
        (vec![delta(json!({ "reasoningContent": { "text": "Hm" } }))], "assistant reasoning: Hm"),
        (vec![start, input.clone()], r#"assistant function_call c find: json {"a":1}"#),
    ] {
        check(&pieces, &last, expected);
    }
    let calls = events(&[input], &[Code::CallWithoutId, Code::PartialStream]);
    assert_eq!(calls, [r#"assistant function_call: json {"a":1}"#]);
}

#[test]
fn interaction_without_its_start_is_what_its_deltas_are_about() {
    let delta = |name: &str, delta: Value| json!({ "event_type": format!("{name}.delta"), "index": 0, "delta": delta });
    let last = [json!({ "event_type": "interaction.completed", "interaction": { "id": "i", "status": "completed" } })];
    let thought = json!({ "type": "thought_summary", "content": { "type": "text", "text": "Hm" } });
    for name in ["step", "content"] {
        let text = |text: &str| delta(name, json!({ "type": "text", "text": text }));
        check(&[text("So"), text(" it is")], &last, "assistant message: So it is");
        check(&[delta(name, thought.clone())], &last, "assistant reasoning: summary Hm");
    }
}

#[test]
fn transcript_of_a_response_that_is_cut_is_read() {
    let item = json!({ "type": "message", "id": "i", "role": "assistant", "content": [] });
    let added = json!({ "type": "response.output_item.added", "output_index": 0, "item": item });
    let delta = |kind: &str, delta: &str| json!({ "type": format!("response.{kind}.delta"), "delta": delta });
    let events = [added, delta("audio.transcript", "So"), delta("audio", "AAAA"), delta("audio.transcript", " it is")];
    assert_eq!(
        responses(&events, &[Code::PartialStream]),
        ["assistant message: [output_audio] | (transcript) So it is"]
    );
}

#[test]
fn commands_and_patches_of_a_response_that_is_cut_are_read() {
    let event = |kind: &str, members: Value| {
        let mut event = json!({ "type": format!("response.{kind}"), "output_index": 0 });
        event.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        event
    };
    let command = |step: &str, index: u64, member: &str, text: &str| {
        event(&format!("shell_call_command.{step}"), json!({ "command_index": index, member: text }))
    };
    let output = |delta: Value| {
        event("shell_call_output_content.delta", json!({ "item_id": "i", "command_index": 0, "delta": delta }))
    };
    let whole = json!({ "item_id": "i", "command_index": 0,
        "output": [{ "stdout": "ab", "stderr": "c", "outcome": { "type": "exit", "exit_code": 0 } }] });
    let diff = |delta: &str| event("apply_patch_call_operation_diff.delta", json!({ "item_id": "i", "delta": delta }));
    let commands = [
        command("added", 0, "command", ""),
        command("delta", 0, "delta", "l"),
        command("delta", 0, "delta", "s"),
        command("added", 1, "command", "pw"),
        command("done", 1, "command", "pwd"),
    ];
    let outputs = [output(json!({ "stdout": "a" })), output(json!({ "stdout": "b", "stderr": "c" }))];
    let added = |item: Value| event("output_item.added", json!({ "item": item }));
    let call = added(
        json!({ "type": "shell_call", "id": "i", "call_id": "c", "action": { "commands": [], "timeout_ms": 9 } }),
    );
    let patch = added(json!({ "type": "apply_patch_call", "id": "i", "call_id": "c",
        "operation": { "type": "update_file", "path": "p", "diff": "" } }));
    for (events, texts) in [
        (commands.to_vec(), &[r#"{"commands":["ls","pwd"]}"#][..]),
        ([&[call], &commands[..]].concat(), &[r#"{"commands":["ls","pwd"],"timeout_ms":9}"#]),
        (outputs.to_vec(), &[r#"[{"stderr":"c","stdout":"ab"}]"#]),
        (
            [&outputs[..], &[event("shell_call_output_content.done", whole)]].concat(),
            &[r#"[{"outcome":{"exit_code":0,"type":"exit"},"stderr":"c","stdout":"ab"}]"#],
        ),
        (vec![patch, diff("+a"), diff("b")], &[r#""diff":"+ab""#, r#""path":"p""#]),
        (vec![diff("+a")], &[r#""diff":"+a""#]),
    ] {
        let graph = received_graph(&events);
        let items = render(&graph);
        assert!(items.len() == 1 && texts.iter().all(|text| items[0].contains(text)), "{events:?}: {items:?}");
        assert!(unread(&graph).is_empty(), "{:?}", unread(&graph));
    }
}

/// Reduces a stream that is cut, whatever its notices are.
fn received_graph(events: &[Value]) -> Graph {
    let mut case = Case::new();
    case.request_body("a", json!({ "input": [] }));
    case.received("a", named_events(events).as_bytes());
    case.try_reduce(&Options::default()).unwrap().graph
}
