//! Token usage: of every dialect, of compaction requests, and of responses of which only a part is known.

use otel_trace::event::Usage;
use otel_trace::graph::{Code, Graph};
use otel_trace::reduce::Options;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::case::{Case, assistant, call, codes, state, user};

/// A response of a provider, with the usage and the notices that it must give.
#[derive(Deserialize)]
struct Dialect {
    name: String,
    response: Value,
    usage: Counts,
    notices: Vec<String>,
}

#[derive(Deserialize)]
struct Counts {
    input: u64,
    cached: u64,
    cache_write: u64,
    cache_write_1h: u64,
    output: u64,
    reasoning: u64,
}

impl From<Counts> for Usage {
    fn from(counts: Counts) -> Self {
        let Counts { input, cached, cache_write, cache_write_1h, output, reasoning } = counts;
        Self {
            input_tokens: input,
            cached_input_tokens: cached,
            cache_write_input_tokens: cache_write,
            cache_write_1h_input_tokens: cache_write_1h,
            output_tokens: output,
            reasoning_output_tokens: reasoning,
        }
    }
}

fn dialects() -> Vec<Dialect> {
    serde_json::from_str(include_str!("usage/dialects.json")).unwrap()
}

/// Returns the names of the notices about usage, and about members that no rule reads.
fn usage_notices(graph: &Graph) -> Vec<&'static str> {
    let about_usage = [Code::BadUsage, Code::UsageDiffers, Code::PartialUsage, Code::UnreadField];
    codes(graph).into_iter().filter(|code| about_usage.contains(code)).map(Code::name).collect()
}

#[test]
fn usage_of_every_dialect_adds_up() {
    for Dialect { name, response, usage, notices } in dialects() {
        let mut case = Case::new();
        case.request("a", [user("hi")]);
        case.response_body("a", response);
        let graph = case.try_reduce(&Options::default()).unwrap().graph;
        assert_eq!(call(&graph, "a").usage, Some(Usage::from(usage)), "{name}");
        assert_eq!(usage_notices(&graph), notices, "{name}: {:#?}", graph.diagnostics);
        assert!(case.try_reduce(&Options::default().strict(true)).is_ok(), "{name}");
    }
}

#[test]
fn compaction_has_the_usage_of_every_dialect() {
    for Dialect { name, response, usage, notices } in dialects() {
        let mut case = Case::new();
        compaction(&mut case, "a", &response);
        let graph = case.try_reduce(&Options::default()).unwrap().graph;
        let request = graph.compaction_requests.iter().next().unwrap();
        assert_eq!(request.usage, Some(Usage::from(usage)), "{name}");
        assert_eq!(usage_notices(&graph), notices, "{name}: {:#?}", graph.diagnostics);
    }
}

/// Records a compaction request with this response.
fn compaction(case: &mut Case, id: &str, response: impl ToString) {
    let body = case.body("compaction_request", json!({ "input": [] }));
    case.event(json!({
        "type": "compaction_request_started", "compaction_id": "c", "compaction_request_id": id, "thread_id": "t",
        "codex_turn_id": "u", "model": "m", "provider_name": "p", "request_payload": body,
    }));
    let body = case.body("compaction_response", response);
    case.event(json!({
        "type": "compaction_request_completed", "compaction_id": "c", "compaction_request_id": id,
        "response_payload": body,
    }));
}

#[test]
fn totals_count_calls_and_compaction_requests() {
    let mut case = Case::new();
    let tokens = |input: u64, output: u64| {
        json!({ "input_tokens": input, "output_tokens": output,
        "cache_read_input_tokens": 1, "cache_creation": { "ephemeral_1h_input_tokens": 2 } })
    };
    case.request("a", [user("hi")]);
    case.response_body("a", json!({ "content": "ok", "usage": tokens(10, 3) }));
    compaction(&mut case, "b", json!({ "content": "ok", "usage": tokens(100, 30) }));
    compaction(&mut case, "text", json!("a text has no usage"));
    let graph = case.check(&[]);
    let (thread, turn) = (graph.threads.get("t").unwrap(), graph.turns.get("u").unwrap());
    for totals in [graph.totals, thread.totals, turn.totals] {
        assert_eq!((totals.inference_calls, totals.input_tokens, totals.output_tokens), (1, 116, 33));
        assert_eq!((totals.cached_input_tokens, totals.cache_write_input_tokens), (2, 4));
        assert_eq!(totals.cache_write_1h_input_tokens, 4);
    }
}

#[test]
fn unusable_compaction_response_has_no_usage() {
    let mut case = Case::new();
    compaction(&mut case, "a", "{\"usage\":");
    let graph = case.check(&[Code::BadPayload]);
    assert_eq!(graph.compaction_requests.iter().next().unwrap().usage, None);
    assert_eq!(state(&graph)["compaction_requests"]["a"].get("usage"), None);
    assert!(graph.diagnostics[0].message.starts_with("the response of compaction request a is treated as absent"));
}

#[test]
fn payload_of_two_compaction_requests_counts_once() {
    let mut case = Case::new();
    compaction(&mut case, "a", json!({ "usage": { "input_tokens": 5, "output_tokens": 1 } }));
    compaction(&mut case, "b", json!({}));
    let log = String::from_utf8(case.log()).unwrap().replace("payloads/4.json", "payloads/2.json");
    let graph = case.with_log(log.as_bytes());
    assert_eq!((codes(&graph), graph.totals.input_tokens), (vec![Code::BadPayload], 5));
}

#[test]
fn cache_writes_are_in_the_state_even_if_none() {
    let mut case = Case::new();
    for (id, usage) in [
        ("none", json!({ "input_tokens": 5, "output_tokens": 1 })),
        (
            "some",
            json!({ "input_tokens": 5, "output_tokens": 1, "cache_creation": { "ephemeral_1h_input_tokens": 2 } }),
        ),
    ] {
        case.request(id, [user(id)]);
        case.response_body(id, json!({ "content": "ok", "usage": usage }));
    }
    compaction(&mut case, "a", json!({ "output": [], "usage": { "input_tokens": 5, "output_tokens": 1 } }));
    let state = state(&case.check(&[]));
    let none = json!({ "input_tokens": 5, "cached_input_tokens": 0, "cache_write_input_tokens": 0, "output_tokens": 1,
        "reasoning_output_tokens": 0 });
    assert_eq!(state["inference_calls"]["none"]["usage"], none);
    assert_eq!(state["compaction_requests"]["a"]["usage"], none);
    let some = json!({ "input_tokens": 7, "cached_input_tokens": 0, "cache_write_input_tokens": 2,
        "cache_write_1h_input_tokens": 2, "output_tokens": 1, "reasoning_output_tokens": 0 });
    assert_eq!(state["inference_calls"]["some"]["usage"], some);
    assert_eq!(state["totals"]["cache_write_1h_input_tokens"], 2);
    let mut unused = Case::new();
    unused.end_turn("u", "completed");
    let state = self::state(&unused.check(&[]));
    assert_eq!(state["totals"]["cache_write_input_tokens"], 0);
    assert_eq!(state["totals"].get("cache_write_1h_input_tokens"), None);
}

/// Records the end of a call, with its partial response if there is one, and further fields.
fn end(case: &mut Case, call: &str, kind: &str, partial: Option<Value>, more: &Value) {
    let body = partial.map(|body| case.body("inference_response", body));
    let mut event = json!({ "type": kind, "inference_call_id": call, "error": "e", "reason": "r",
        "partial_response_payload": body });
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    case.event(event);
}

#[test]
fn usage_of_a_call_that_ended_early_is_kept() {
    let usage = json!({ "input_tokens": 25, "output_tokens": 1 });
    let partial = json!({ "content": "so f", "usage": usage });
    for kind in ["inference_failed", "inference_cancelled"] {
        for (partial, more) in [
            (Some(partial.clone()), json!({})),
            (None, json!({ "usage": usage })),
            (Some(json!({ "content": "so f" })), json!({ "usage": usage })),
        ] {
            let mut case = Case::new();
            case.request("a", [user("hi")]);
            end(&mut case, "a", kind, partial, &more);
            let graph = case.check(&[Code::PartialUsage]);
            let expected = Usage { input_tokens: 25, output_tokens: 1, ..Usage::default() };
            assert_eq!((call(&graph, "a").usage, graph.totals.input_tokens), (Some(expected), 25));
            assert!(case.try_reduce(&Options::default().strict(true)).is_ok());
        }
        let mut case = Case::new();
        case.request("a", [user("hi")]);
        end(&mut case, "a", kind, Some(json!({ "content": "so f" })), &json!({}));
        assert_eq!(call(&case.check(&[]), "a").usage, None);
    }
}

#[test]
fn usage_of_a_first_end_is_reported_once() {
    let mut case = Case::new();
    case.request("a", [user("hi")]);
    let usage = json!({ "usage": { "input_tokens": 25, "output_tokens": 1 } });
    end(&mut case, "a", "inference_cancelled", None, &usage);
    end(&mut case, "a", "inference_failed", None, &usage);
    // A late end with a response provides the call's usage.
    case.response_body("a", json!({ "content": "ok", "usage": { "input_tokens": 25, "output_tokens": 7 } }));
    let graph = case.check(&[Code::PartialUsage, Code::LateEnd, Code::LateEnd]);
    assert_eq!(call(&graph, "a").usage.unwrap().output_tokens, 7);
}

/// Returns what a recorder stores in place of a body of which it keeps `kept` bytes at each end.
fn truncated(body: &Value, kept: usize) -> Value {
    let text = body.to_string();
    json!({ "otel_trace.truncated": { "head": text[..kept], "tail": text[text.len() - kept..] } })
}

#[test]
fn usage_of_a_truncated_response_is_kept() {
    let long = "x".repeat(2000);
    let bodies = [
        json!({ "content": [{ "type": "text", "text": long }], "id": "msg_1", "usage": { "cache_read_input_tokens": 5,
            "input_tokens": 20, "output_tokens": 1 } }),
        json!({ "choices": [{ "message": { "role": "assistant", "content": long } }], "id": "c",
            "usage": { "completion_tokens": 1, "prompt_tokens": 25, "prompt_tokens_details": { "cached_tokens": 5 } } }),
        json!({ "candidates": [{ "content": { "parts": [{ "text": long }] } }],
            "usageMetadata": { "candidatesTokenCount": 1, "promptTokenCount": 25, "cachedContentTokenCount": 5 } }),
        json!({ "gen_ai.output.messages": [{ "role": "assistant", "content": long }], "gen_ai.usage.input_tokens": 25,
            "gen_ai.usage.cache_read.input_tokens": 5, "gen_ai.usage.output_tokens": 1 }),
        // Keys in order of format 1's first producer: the usage is in the head.
        json!({ "a_token_usage": 0, "output_items": [assistant(&long)] }),
    ];
    let expected = Usage { input_tokens: 25, cached_input_tokens: 5, output_tokens: 1, ..Usage::default() };
    for mut body in bodies {
        let mut stored = truncated(&body, 250);
        if body.as_object_mut().unwrap().remove("a_token_usage").is_some() {
            let usage = json!({ "input_tokens": 25, "cached_input_tokens": 5, "output_tokens": 1 });
            let head = format!(r#"{{"response_id":"r","token_usage":{usage},"output_items":[{{"type":"#);
            stored["otel_trace.truncated"]["head"] = json!(head);
        }
        let mut case = Case::new();
        case.request("a", [user("hi")]);
        let mut reference = case.body("inference_response", &stored);
        reference["truncated"] = json!({ "length": 5000, "hash": "0" });
        case.event(json!({ "type": "inference_completed", "inference_call_id": "a", "response_payload": reference }));
        let graph = case.check(&[Code::BadPayload, Code::PartialUsage]);
        assert_eq!(call(&graph, "a").usage, Some(expected), "{stored}");
        assert!(graph.diagnostics[0].message.contains("is truncated to head and tail: its 5000 bytes"));

        let mut case = Case::new();
        compaction(&mut case, "a", &stored);
        let truncated = r#""path":"payloads/2.json","truncated":{"length":5000,"hash":"0"}"#;
        let log = String::from_utf8(case.log()).unwrap().replace(r#""path":"payloads/2.json""#, truncated);
        let graph = case.with_log(log.as_bytes());
        assert_eq!(codes(&graph), [Code::PartialUsage]);
        assert_eq!(graph.compaction_requests.iter().next().unwrap().usage, Some(expected), "{stored}");
    }
}

#[test]
fn usage_of_the_span_stands_in_for_a_truncated_response() {
    let mut case = Case::new();
    case.request("a", [user("hi")]);
    let mut reference = case.body("inference_response", truncated(&json!({ "content": "x".repeat(2000) }), 250));
    reference["truncated"] = json!({ "length": 2000, "hash": "0" });
    case.event(json!({ "type": "inference_completed", "inference_call_id": "a", "response_payload": reference,
        "usage": { "input_tokens": 25, "cached_input_tokens": 0, "output_tokens": 1, "reasoning_output_tokens": 0 } }));
    assert_eq!(call(&case.check(&[Code::BadPayload]), "a").usage.unwrap().input_tokens, 25);
}

#[test]
fn problems_of_usage_name_field_value_and_numbers() {
    let message = |usage: Value| {
        let mut case = Case::new();
        case.request("a", [user("hi")]);
        case.response_body("a", json!({ "choices": [{ "message": { "content": "ok" } }], "usage": usage }));
        case.try_reduce(&Options::default()).unwrap().graph.diagnostics[0].message.clone()
    };
    let message_of_a = "the response of inference call a ";
    let details = json!({ "prompt_tokens": 4, "prompt_tokens_details": { "cached_tokens": "s".repeat(1000) } });
    let shortened = format!("\"{}…", "s".repeat(63));
    assert_eq!(
        message(details),
        format!(
            "{message_of_a}has {shortened} in its usage field \"prompt_tokens_details/cached_tokens\", which is no \
             count of tokens; it is read as absent"
        )
    );
    assert_eq!(
        message(json!({ "prompt_tokens": 40, "completion_tokens": 10, "total_tokens": 60 })),
        format!(
            "{message_of_a}reports 40 input tokens, 10 output tokens and 60 tokens in total; the other 10 are counted \
             as output tokens"
        )
    );
}

#[test]
fn log_without_cache_writes_is_read() {
    let mut case = Case::new();
    case.request("a", [user("hi")]);
    let body = case.body("inference_response", "{}");
    case.event(json!({ "type": "inference_completed", "inference_call_id": "a", "response_payload": body,
        "usage": { "input_tokens": 25, "cached_input_tokens": 5, "output_tokens": 1, "reasoning_output_tokens": 0 } }));
    let expected = Usage { input_tokens: 25, cached_input_tokens: 5, output_tokens: 1, ..Usage::default() };
    assert_eq!(call(&case.check(&[Code::ResponseUnknown]), "a").usage, Some(expected));
}

#[test]
fn total_alone_is_reported() {
    let check = |body: Value, expected: &[Code]| {
        let mut case = Case::new();
        case.request_body("a", json!({ "messages": [] }));
        case.response_body("a", body);
        let graph = case.check(expected);
        assert_eq!(call(&graph, "a").usage, None);
        if let Some(notice) = graph.diagnostics.first() {
            assert!(notice.message.contains("reports 5 tokens in total"), "{notice}");
        }
    };
    let message = json!({ "role": "assistant", "content": "x" });
    let usage = |counts: Value| json!({ "choices": [{ "message": message }], "usage": counts });
    for counts in
        [json!({ "total_tokens": 5 }), json!({ "prompt_tokens": null, "completion_tokens": null, "total_tokens": "5" })]
    {
        check(usage(counts), &[Code::PartialUsage]);
    }
    check(usage(json!({ "total_tokens": 0 })), &[]);
    check(usage(json!({ "total_tokens": null })), &[]);
    check(json!({ "output": [], "usage": { "total_tokens": 5 } }), &[Code::PartialUsage]);
    check(json!({ "output_items": [], "token_usage": { "total_tokens": 5 } }), &[Code::PartialUsage]);
    check(json!({ "candidates": [], "usageMetadata": { "totalTokenCount": 5 } }), &[Code::PartialUsage]);
    check(json!({ "candidates": [], "usage_metadata": { "total_token_count": 5 } }), &[Code::PartialUsage]);
    let converse = json!({ "output": { "message": { "role": "assistant", "content": [{ "text": "x" }] } }, "stopReason": "end_turn" });
    let mut total = converse;
    total["usage"] = json!({ "totalTokens": 5 });
    check(total, &[Code::PartialUsage]);
}

#[test]
fn cache_hits_beside_the_input_are_added_to_it() {
    let counts = |prompt: u64, cached: u64, total: u64| {
        let mut case = Case::new();
        case.request("a", [user("hi")]);
        let usage = json!({ "prompt_tokens": prompt, "completion_tokens": 5, "total_tokens": total, "prompt_tokens_details": { "cached_tokens": cached } });
        case.response_body(
            "a",
            json!({ "choices": [{ "message": { "role": "assistant", "content": "x" } }], "usage": usage }),
        );
        crate::shapes::usage(&case.check(&[]), "a")
    };
    assert_eq!(counts(30, 70, 105), [100, 70, 5, 0]);
    assert_eq!(counts(100, 70, 105), [100, 70, 5, 0]);
}

#[test]
fn usage_that_is_no_object_is_reported() {
    for usage in [json!("10"), json!([]), json!(7)] {
        for name in ["usage", "usageMetadata"] {
            let mut case = Case::new();
            case.request("a", [user("hi")]);
            let candidates = json!([{ "content": { "role": "model", "parts": [{ "text": "x" }] } }]);
            case.response_body("a", json!({ "candidates": candidates, name: usage }));
            let graph = case.try_reduce(&Options::default()).unwrap().graph;
            assert!(codes(&graph).contains(&Code::BadUsage), "{name} {usage}");
        }
    }
}
