//! Pieces of streams that servers send in ways of their own: names of events, several answers, whole values in each
//! piece, values of another type.

use otel_trace::graph::Code;
use serde_json::{Value, json};

use crate::case::codes;
use crate::shapes::{render_item, usage};
use crate::stream_unread::{named_events, reduce_received, texts};
use crate::streams::Stream;
use crate::unread_fields::unread;

/// Returns a stream of Chat Completions with these deltas.
fn chat(deltas: &[Value]) -> String {
    let chunk = |delta: &Value| format!("data: {}\n\n", json!({ "choices": [{ "index": 0, "delta": delta }] }));
    let end = json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] });
    format!("{}data: {end}\n\ndata: [DONE]\n\n", deltas.iter().map(chunk).collect::<String>())
}

/// Returns a stream of Gemini with these candidates, one each piece.
fn gemini(candidates: &[Value]) -> String {
    candidates.iter().map(|candidate| format!("data: {}\n\n", json!({ "candidates": [candidate] }))).collect()
}

#[test]
fn stream_is_recognized_by_its_data_whatever_its_events_are_named() {
    for name in [
        "chat-tools.sse",
        "gemini-tools.sse",
        "gemini-args.sse",
        "anthropic-tools.sse",
        "responses-tools.sse",
        "cohere-text.sse",
    ] {
        let stream = Stream::named(name);
        let text = String::from_utf8(stream.bytes.clone()).unwrap();
        let data: Vec<_> = text.lines().filter(|line| line.starts_with("data:")).collect();
        for event in ["message", "response.output_text.delta", "message-start", "message_start", "chunk"] {
            let named: String = data.iter().map(|data| format!("event: {event}\n{data}\n\n")).collect();
            let graph = reduce_received(&named, &[]);
            assert_eq!(texts(&graph), texts(&stream.whole_graph()), "{name} {event}");
        }
    }
    for name in ["converse-tools.ndjson", "ollama-tools.ndjson"] {
        let stream = Stream::named(name);
        let text = String::from_utf8(stream.bytes.clone()).unwrap();
        let named: String = text.lines().map(|line| format!("event: message\ndata: {line}\n\n")).collect();
        assert_eq!(texts(&reduce_received(&named, &[])), texts(&stream.whole_graph()), "{name}");
    }
}

#[test]
fn sources_of_gemini_in_several_pieces_are_joined() {
    let chunk = |uri: &str| json!({ "web": { "uri": uri } });
    let support = |index: u8| json!({ "segment": { "endIndex": index }, "groundingChunkIndices": [index] });
    let pieces = [
        json!({
            "content": { "role": "model", "parts": [{ "text": "a" }] },
            "citationMetadata": { "citationSources": [{ "endIndex": 1, "uri": "u" }] },
            "groundingMetadata": { "groundingChunks": [chunk("x")], "groundingSupports": [support(0)], "webSearchQueries": ["q"] },
            "urlContextMetadata": { "urlMetadata": [{ "retrievedUrl": "x" }] },
        }),
        json!({
            "content": { "parts": [{ "text": "b" }] },
            "citationMetadata": { "citationSources": [{ "endIndex": 2, "uri": "v" }] },
            "groundingMetadata": { "groundingChunks": [chunk("x"), chunk("y")], "groundingSupports": [support(1)], "webSearchQueries": ["q"] },
        }),
        json!({
            "finishReason": "STOP",
            "citationMetadata": null,
            "groundingMetadata": { "searchEntryPoint": { "renderedContent": "s" }, "webSearchQueries": ["q"] },
            "urlContextMetadata": { "urlMetadata": [{ "retrievedUrl": "x" }] },
        }),
    ];
    let whole = json!({
        "content": { "role": "model", "parts": [{ "text": "ab" }] },
        "finishReason": "STOP",
        "citationMetadata": { "citationSources": [{ "endIndex": 1, "uri": "u" }, { "endIndex": 2, "uri": "v" }] },
        "groundingMetadata": {
            "groundingChunks": [chunk("x"), chunk("y")], "groundingSupports": [support(0), support(1)],
            "searchEntryPoint": { "renderedContent": "s" }, "webSearchQueries": ["q"],
        },
        "urlContextMetadata": { "urlMetadata": [{ "retrievedUrl": "x" }] },
    });
    let (streamed, whole) = (reduce_received(&gemini(&pieces), &[]), reduce_received(&gemini(&[whole]), &[]));
    assert_eq!(texts(&streamed), texts(&whole));
    let text = texts(&streamed).concat();
    for found in ["citation_metadata", "grounding_metadata", "url_context_metadata"] {
        assert!(text.contains(found), "{text}");
    }
}

#[test]
fn sources_beside_the_choices_in_several_pieces_are_joined() {
    let chunk = |text: &str, found: &[&str]| {
        let results: Vec<_> = found.iter().map(|url| json!({ "url": url })).collect();
        json!({ "choices": [{ "index": 0, "delta": { "content": text } }], "citations": found, "search_results": results })
    };
    let end = json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] });
    let stream =
        |chunks: &[Value]| format!("{}data: [DONE]\n\n", named_events(&[chunks, std::slice::from_ref(&end)].concat()));
    let whole = texts(&reduce_received(&stream(&[chunk("ab", &["x", "y"])]), &[]));
    assert_eq!(texts(&reduce_received(&stream(&[chunk("a", &["x"]), chunk("b", &["y"])]), &[])), whole);
    assert_eq!(texts(&reduce_received(&stream(&[chunk("a", &["x"]), chunk("b", &["x", "y"])]), &[])), whole);
}

#[test]
fn counts_that_a_later_piece_leaves_out_are_kept() {
    let stream = concat!(
        "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}],\"usageMetadata\":{\"promptTokenCount\":9,\"candidatesTokenCount\":1}}\n\n",
        "data: {\"candidates\":[{\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"candidatesTokenCount\":4,\"thoughtsTokenCount\":2}}\n\n",
    );
    assert_eq!(usage(&reduce_received(stream, &[]), "a"), [9, 0, 6, 2]);
}

#[test]
fn whole_object_in_each_piece_is_taken_once() {
    let unread = &[Code::UnreadField];
    let extra = json!({ "google": { "thought_signature": "c2ln", "scores": [1, 1] } });
    let call = json!({ "index": 0, "id": "c", "type": "function", "function": { "name": "f", "arguments": "{\"a\":" }, "extra_content": extra });
    let rest = json!({ "index": 0, "id": "c", "function": { "name": "f", "arguments": "1}" }, "extra_content": extra });
    let deltas = [
        json!({ "role": "assistant", "content": "a", "extra_content": extra, "annotations": [{ "type": "url_citation", "url_citation": { "url": "u" } }] }),
        json!({ "content": "b", "extra_content": extra, "annotations": [{ "type": "url_citation", "url_citation": { "url": "u" } }] }),
        json!({ "tool_calls": [call] }),
        json!({ "tool_calls": [rest] }),
    ];
    let whole_call = json!({ "index": 0, "id": "c", "type": "function", "function": { "name": "f", "arguments": "{\"a\":1}" }, "extra_content": extra });
    let whole = json!({ "role": "assistant", "content": "ab", "extra_content": extra, "annotations": deltas[0]["annotations"], "tool_calls": [whole_call] });
    let (streamed, whole) = (reduce_received(&chat(&deltas), unread), reduce_received(&chat(&[whole]), unread));
    assert_eq!((texts(&streamed), codes(&streamed)), (texts(&whole), codes(&whole)));
    assert!(texts(&streamed).concat().matches("c2ln").count() > 0, "{:?}", texts(&streamed));
}

#[test]
fn whole_arguments_in_each_piece_are_taken_once() {
    let call =
        json!({ "index": 0, "id": "c", "type": "function", "function": { "name": "f", "arguments": "{\"a\":1}" } });
    let twice = chat(&[json!({ "tool_calls": [call] }), json!({ "tool_calls": [call] })]);
    assert_eq!(texts(&reduce_received(&twice, &[])), ["assistant function_call c f: json {\"a\":1}"]);
    let mut object = call;
    object["function"]["arguments"] = json!({ "a": 1 });
    let twice = chat(&[json!({ "tool_calls": [object] }), json!({ "tool_calls": [object] })]);
    assert_eq!(texts(&reduce_received(&twice, &[])), ["assistant function_call c f: json {\"a\":1}"]);
}

/// Returns the name and the arguments of each call in a stream.
fn calls(deltas: &[Value], without_ids: usize) -> Vec<String> {
    let graph = reduce_received(&chat(deltas), &vec![Code::CallWithoutId; without_ids.min(1)]);
    let call = |item: String| {
        let (head, arguments) = item.split_once(": ").unwrap();
        format!("{}: {arguments}", head.rsplit(' ').next().unwrap())
    };
    graph.items().map(|item| call(render_item(item))).collect()
}

#[test]
fn whole_calls_with_one_index_are_kept_apart() {
    let call = |id: Value, name: &str, arguments: Value| json!({ "index": 0, "id": id, "type": "function", "function": { "name": name, "arguments": arguments } });
    let check = |deltas: &[Value], expected: &[&str]| {
        let has_ids = deltas[0]["tool_calls"][0]["id"].as_str().is_some_and(|id| !id.is_empty());
        let expected: Vec<_> = expected.iter().map(|call| call.replacen(' ', ": json ", 1)).collect();
        assert_eq!(calls(deltas, if has_ids { 0 } else { expected.len() }), expected);
    };
    let in_two_deltas =
        |first: &Value, second: &Value| [json!({ "tool_calls": [first] }), json!({ "tool_calls": [second] })];
    for id in [json!(""), json!(null), json!("c")] {
        let of = |name: &str, arguments: &str| call(id.clone(), name, json!(arguments));
        let (first, same_name) = (of("f", "{\"a\":1}"), of("f", "{\"a\":2}"));
        check(&in_two_deltas(&first, &same_name), &["f {\"a\":1}", "f {\"a\":2}"]);
        check(&in_two_deltas(&first, &of("g", "{\"a\":1}")), &["f {\"a\":1}", "g {\"a\":1}"]);
        check(&[json!({ "tool_calls": [first, same_name] })], &["f {\"a\":1}", "f {\"a\":2}"]);
        let text = of("f", "{\"a\":\"}\\\"}{\"}");
        check(&in_two_deltas(&text, &same_name), &["f {\"a\":\"}\\\"}{\"}", "f {\"a\":2}"]);
        let objects = [1, 2].map(|value| call(id.clone(), "f", json!({ "a": value })));
        check(&in_two_deltas(&objects[0], &objects[1]), &["f {\"a\":1}", "f {\"a\":2}"]);
        // The second call in pieces.
        let rest = json!({ "index": 0, "function": { "arguments": "2}" } });
        let pieces = [of("f", "{\"a\":1}"), of("f", "{\"a\":"), rest].map(|piece| json!({ "tool_calls": [piece] }));
        check(&pieces, &["f {\"a\":1}", "f {\"a\":2}"]);
    }
    let other_ids = [json!("c"), json!("d")].map(|id| call(id, "f", json!("{\"a\":1}")));
    check(&in_two_deltas(&other_ids[0], &other_ids[1]), &["f {\"a\":1}"; 2]);
    let without_id = call(json!(""), "f", json!("{}"));
    check(&[json!({ "tool_calls": [without_id, without_id] })], &["f {}"; 2]);
}

#[test]
fn name_repeated_in_each_piece_of_a_call_begins_no_other() {
    for id in [json!("c"), json!("")] {
        let piece = |arguments: &str| json!({ "tool_calls": [{ "index": 0, "id": id, "function": { "name": "f", "arguments": arguments } }] });
        let pieces = ["", "{\"a\":", "{\"b\":\"}", "{", "\"}", "}", "", "\n"].map(piece);
        assert_eq!(calls(&pieces, usize::from(id == "")), ["f: json {\"a\":{\"b\":\"}{\"}}"]);
    }
}

#[test]
fn piece_of_another_type_keeps_the_text_before_it() {
    let graph = reduce_received(
        &chat(&[
            json!({ "content": "a" }),
            json!({ "content": { "type": "image_url", "image_url": { "url": "u" } } }),
            json!({ "content": "b" }),
        ]),
        &[],
    );
    assert_eq!(texts(&graph), ["assistant message: a | [image_url] | b"]);
    let graph = reduce_received(
        &chat(&[json!({ "content": "a", "reasoning": "r" }), json!({ "reasoning": 7 })]),
        &[Code::UnreadField],
    );
    assert_eq!(
        (unread(&graph), texts(&graph)),
        (
            vec!["events[].choices[].delta.reasoning"],
            vec!["assistant reasoning: r".to_owned(), "assistant message: a".to_owned()]
        )
    );

    let anthropic = |delta: Value| {
        named_events(&[
            json!({ "type": "message_start", "message": { "role": "assistant", "content": [] } }),
            json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } }),
            json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": "a" } }),
            json!({ "type": "content_block_delta", "index": 0, "delta": delta }),
            json!({ "type": "content_block_stop", "index": 0 }),
            json!({ "type": "message_stop" }),
        ])
    };
    let graph = reduce_received(&anthropic(json!({ "type": "text_delta", "text": ["b"] })), &[Code::UnreadField]);
    assert_eq!(
        (unread(&graph), texts(&graph)),
        (vec!["events[content_block_delta].delta.text"], vec!["assistant message: a".to_owned()])
    );

    let pieces = [
        json!({ "content": { "parts": [{ "text": "a" }] } }),
        json!({ "content": { "parts": [{ "text": 7 }] }, "finishReason": "STOP" }),
    ];
    let graph = reduce_received(&gemini(&pieces), &[Code::UnreadField]);
    assert_eq!(
        (unread(&graph), texts(&graph)),
        (vec!["events[].candidates[].content.parts[].text"], vec!["assistant message: a".to_owned()])
    );

    let lines = [
        json!({ "message": { "content": "a" }, "done": false }),
        json!({ "message": { "content": { "b": 1 } }, "done": true }),
    ];
    let graph = reduce_received(&lines.map(|line| format!("{line}\n")).concat(), &[Code::UnreadField]);
    assert_eq!(
        (unread(&graph), texts(&graph)),
        (vec!["events[].message.content"], vec!["assistant message: a".to_owned()])
    );

    let delta = |delta: Value| json!({ "type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": delta });
    let created = json!({ "type": "response.created", "response": { "id": "r" } });
    let end = json!({ "type": "response.completed", "response": { "id": "r" } });
    let graph = reduce_received(
        &named_events(&[created, delta(json!("a")), delta(json!({ "b": 1 })), end]),
        &[Code::UnreadField; 2],
    );
    assert_eq!(texts(&graph), ["assistant message: a"]);

    let delta = |delta: Value| json!({ "contentBlockDelta": { "contentBlockIndex": 0, "delta": delta } });
    let events = [
        json!({ "messageStart": { "role": "assistant" } }),
        delta(json!({ "text": "a" })),
        delta(json!({ "text": 7 })),
        json!({ "metadata": {} }),
    ];
    let graph = reduce_received(&named_events(&events), &[Code::UnreadField]);
    assert_eq!(
        (unread(&graph), texts(&graph)),
        (vec!["events[contentBlockDelta].delta.text"], vec!["assistant message: a".to_owned()])
    );

    let delta = |text: Value| json!({ "type": "content-delta", "index": 0, "delta": { "message": { "content": { "type": "text", "text": text } } } });
    let events = [
        json!({ "type": "message-start", "delta": {} }),
        delta(json!("a")),
        delta(json!([7])),
        json!({ "type": "message-end", "delta": {} }),
    ];
    let graph = reduce_received(&named_events(&events), &[Code::UnreadField]);
    assert_eq!(
        (unread(&graph), texts(&graph)),
        (vec!["events[].delta.message.content"], vec!["assistant message: a".to_owned()])
    );
}

#[test]
fn alternatives_are_not_mixed_into_the_first_answer() {
    let chunks = [
        json!({ "choices": [{ "index": 0, "delta": { "content": "a" } }, { "index": 1, "delta": { "content": "x" } }] }),
        json!({ "choices": [{ "delta": { "content": "b" } }, { "delta": { "content": "y" } }] }),
        json!({ "choices": [{ "index": 1, "delta": { "content": "z" } }, { "delta": { "content": "c" } }] }),
        json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }, { "index": 1, "delta": {}, "finish_reason": "stop" }] }),
    ];
    let stream = format!("{}data: [DONE]\n\n", named_events(&chunks));
    assert_eq!(texts(&reduce_received(&stream, &[Code::UnreadField])), ["assistant message: abc"]);
    let part = |text: &str| json!({ "parts": [{ "text": text }] });
    let pieces = json!([
        { "candidates": [{ "content": part("a") }, { "content": part("x") }] },
        { "candidates": [{ "content": part("y"), "index": 1 }] },
        { "candidates": [{ "content": part("z"), "index": 1, "finishReason": "STOP" }, { "content": part("b"), "finishReason": "STOP" }] },
    ]);
    assert_eq!(texts(&reduce_received(&pieces.to_string(), &[Code::UnreadField])), ["assistant message: ab"]);
}

#[test]
fn empty_first_answer_is_not_replaced_by_another() {
    let chunk = json!({ "choices": [{ "index": 0, "delta": {} }, { "index": 1, "delta": { "content": "x" }, "finish_reason": "stop" }] });
    let graph =
        reduce_received(&format!("data: {chunk}\n\ndata: [DONE]\n\n"), &[Code::PartialStream, Code::UnreadField]);
    assert_eq!(texts(&graph), ["assistant message: [empty_content]"]);
    let cut = json!({ "candidates": [{ "index": 1, "content": { "parts": [{ "text": "x" }] } }] });
    let graph = reduce_received(&format!("data: {cut}\n\n"), &[Code::PartialStream]);
    assert_eq!(graph.items().count(), 0);
}

#[test]
fn whole_message_in_place_of_deltas_is_read() {
    let first = json!({ "choices": [{ "index": 0, "delta": {} }] });
    let last = json!({ "choices": [{ "index": 0, "message": { "role": "assistant", "content": "a" }, "finish_reason": "stop" }] });
    let stream = format!("{}data: [DONE]\n\n", named_events(&[first, last]));
    assert_eq!(texts(&reduce_received(&stream, &[])), ["assistant message: a"]);
}

#[test]
fn items_with_one_index_are_kept_apart() {
    let block = |kind: &str, text: &str| {
        [
            json!({ "type": "content_block_start", "index": 0, "content_block": { "type": kind, kind: "" } }),
            json!({ "type": "content_block_delta", "index": 0, "delta": { kind: text } }),
            json!({ "type": "content_block_stop", "index": 0 }),
        ]
    };
    let start = json!({ "type": "message_start", "message": { "role": "assistant", "content": [] } });
    let end = json!({ "type": "message_stop" });
    let events = [&[start][..], &block("thinking", "r"), &block("text", "a"), &block("text", "b"), &[end]].concat();
    let expected = ["assistant reasoning: r", "assistant message: a | b"];
    assert_eq!(texts(&reduce_received(&named_events(&events), &[])), expected);

    let item = |id: &str, text: &str| {
        let item = |text: &str| json!({ "type": "message", "id": id, "role": "assistant", "content": [{ "type": "output_text", "text": text }] });
        [
            json!({ "type": "response.output_item.added", "output_index": 0, "item": item("") }),
            json!({ "type": "response.output_text.delta", "output_index": 0, "item_id": id, "content_index": 0, "delta": text }),
            json!({ "type": "response.output_item.done", "output_index": 0, "item": item(text) }),
        ]
    };
    let start = json!({ "type": "response.created", "response": { "id": "r" } });
    let events = [&[start][..], &item("x", "a"), &item("y", "b"), &item("z", "c")[..2]].concat();
    let graph = reduce_received(&named_events(&events), &[Code::PartialStream]);
    assert_eq!(texts(&graph), ["assistant message: a", "assistant message: b", "assistant message: c"]);
}

#[test]
fn delta_of_an_unknown_type_is_told_by_its_type() {
    let events = [
        json!({ "type": "message_start", "message": { "role": "assistant", "content": [] } }),
        json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } }),
        json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": "a" } }),
        json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "new_delta", "text": "b" } }),
        json!({ "type": "content_block_stop", "index": 0 }),
        json!({ "type": "message_stop" }),
    ];
    let graph = reduce_received(&named_events(&events), &[Code::UnreadField]);
    assert_eq!(unread(&graph), ["events[content_block_delta].delta[new_delta]"]);
    assert_eq!(texts(&graph), ["assistant message: ab"]);
}

#[test]
fn reasoning_among_the_members_of_a_provider_is_read() {
    let block = json!({ "type": "thinking", "thinking": "r", "signature": "c2ln" });
    let fields = json!({ "thinking_blocks": [block], "reasoning_content": "r" });
    for delta in [
        json!({ "content": "a", "provider_specific_fields": fields }),
        json!({ "content": "a", "thinking_blocks": [block], "reasoning_content": "r", "provider_specific_fields": fields }),
    ] {
        let expected = ["assistant reasoning: r | <signature c2ln>", "assistant message: a"];
        assert_eq!(texts(&reduce_received(&chat(&[delta]), &[])), expected);
    }
}

#[test]
fn blocks_of_converse_with_one_index_are_kept_apart() {
    let start = |id: &str| json!({ "contentBlockStart": { "contentBlockIndex": 0, "start": { "toolUse": { "toolUseId": id, "name": "f" } } } });
    let delta = |delta: Value| json!({ "contentBlockDelta": { "contentBlockIndex": 0, "delta": delta } });
    let input = |json: &str| delta(json!({ "toolUse": { "input": json } }));
    let text = |text: &str| delta(json!({ "text": text }));
    let stop = json!({ "contentBlockStop": { "contentBlockIndex": 0 } });
    let (role, end) = (
        json!({ "messageStart": { "role": "assistant" } }),
        [
            json!({ "messageStop": { "stopReason": "tool_use" } }),
            json!({ "metadata": { "usage": { "inputTokens": 1, "outputTokens": 1, "totalTokens": 2 } } }),
        ],
    );
    let expected = [
        "assistant message: One. | Two.",
        r#"assistant function_call c1 f: json {"a":1}"#,
        r#"assistant function_call c2 f: json {"a":2}"#,
    ];
    let stopped = vec![
        text("One."),
        stop.clone(),
        text("Two."),
        stop.clone(),
        start("c1"),
        input("{\"a\":"),
        input("1}"),
        stop.clone(),
        start("c2"),
        input("{\"a\":2}"),
        stop,
    ];
    for (events, expected) in [
        (stopped, &expected[..]),
        // A block starts where another one has not stopped.
        (vec![start("c1"), input("{\"a\":1}"), start("c2"), input("{\"a\":2}")], &expected[1..]),
    ] {
        let events = [vec![role.clone()], events, end.to_vec()].concat();
        let stream: String = events.iter().map(|event| format!("{event}\n")).collect();
        assert_eq!(texts(&reduce_received(&stream, &[])), expected);
    }
}

#[test]
fn elements_of_cohere_with_one_index_are_kept_apart() {
    let message = |kind: &str, message: Value| json!({ "type": kind, "index": 0, "delta": { "message": message } });
    let text = |kind: &str, text: &str| message(kind, json!({ "content": { "type": "text", "text": text } }));
    let start = |id: &str| {
        message(
            "tool-call-start",
            json!({ "tool_calls": { "id": id, "type": "function", "function": { "name": "f", "arguments": "" } } }),
        )
    };
    let arguments =
        |json: &str| message("tool-call-delta", json!({ "tool_calls": { "function": { "arguments": json } } }));
    let content_end = json!({ "type": "content-end", "index": 0 });
    let call_end = json!({ "type": "tool-call-end", "index": 0 });
    let events = [
        json!({ "type": "message-start", "id": "m", "delta": { "message": { "role": "assistant", "content": [], "tool_calls": [] } } }),
        text("content-start", ""),
        text("content-delta", "One."),
        content_end.clone(),
        text("content-start", ""),
        text("content-delta", "Two."),
        content_end,
        start("c1"),
        arguments("{\"a\":"),
        arguments("1}"),
        call_end.clone(),
        start("c2"),
        arguments("{\"a\":2}"),
        call_end,
        json!({ "type": "message-end", "delta": { "finish_reason": "TOOL_CALL" } }),
    ];
    let stream: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    let expected = [
        "assistant message: One. | Two.",
        r#"assistant function_call c1 f: json {"a":1}"#,
        r#"assistant function_call c2 f: json {"a":2}"#,
    ];
    assert_eq!(texts(&reduce_received(&stream, &[])), expected);
}
