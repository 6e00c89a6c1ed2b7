//! A program that records the bytes of its streamed responses and nothing else of them.

use std::fs;
use std::path::Path;

use opentelemetry::trace::Status;
use opentelemetry_sdk::trace::Sampler;
use otel_trace::otlp::ContentPolicy;
use otel_trace::{AgentThread, Exchange, Inference, Model, Operation, Reply, ThreadMeta, ToolCallMeta, Turn};

use crate::live::exported::{Harness, Order, attributes};

/// Ids of calls that the streams contain.
const CALL_IDS: [&str; 6] = ["call_1", "toolu_1", "c1", "t1", "w1", "Oslo"];

/// Returns the streams that the tests of the reducer use, with the name of each.
fn streams() -> Vec<(String, String)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reduce/data/streams");
    let names = fs::read_dir(&directory).expect("a directory").map(|entry| entry.expect("an entry").file_name());
    let names = names.map(|name| name.into_string().expect("a name")).filter(|name| !name.ends_with(".whole.json"));
    names.map(|name| (name.clone(), fs::read_to_string(directory.join(name)).expect("a stream"))).collect()
}

/// Returns a stream whose calls have ids of their own, and the first of these ids.
fn with_call_ids(stream: &str, suffix: &str) -> (String, Option<String>) {
    // The member with an id is `id`, `call_id` or `toolUseId`.
    let is_id = |id: &&str| stream.replace(' ', "").contains(&format!("d\":\"{id}\""));
    let id = CALL_IDS.into_iter().find(is_id);
    let renamed = CALL_IDS
        .iter()
        .fold(stream.to_owned(), |stream, id| stream.replace(&format!("\"{id}\""), &format!("\"{id}-{suffix}\"")));
    (renamed, id.map(|id| format!("{id}-{suffix}")))
}

fn call_model(turn: &Turn, name: &str, reply: Reply, bytes: &[u8]) -> Inference {
    let inference = turn.inference(Model { name, provider: "p" });
    let exchange = Exchange::for_span(inference.span()).expect("a recorder");
    exchange.request(br#"{ "messages": [] }"#);
    exchange.reply(reply, bytes);
    inference
}

/// Records each stream in a turn of its own, whole and cut, with a tool call that it requests.
pub(crate) fn record() {
    let thread = AgentThread::start(ThreadMeta::new().agent_name("coder"));
    for (name, stream) in streams() {
        let turn = thread.turn(None);
        let (cut, _) = with_call_ids(&stream, &format!("{name}-cut"));
        call_model(&turn, &format!("{name} cut"), Reply::Cut, &cut.as_bytes()[..cut.len() * 2 / 3]).cancel("gone");
        let (stream, call_id) = with_call_ids(&stream, &name);
        call_model(&turn, &name, Reply::Whole, stream.as_bytes()).complete();
        if let Some(id) = call_id {
            turn.tool_call(ToolCallMeta::new("weather").id(&id)).complete();
        }
        turn.complete();
    }
    let turn = thread.turn(None);
    call_model(&turn, "refused", Reply::Refusal, br#"{"error":{"message":"slow down"}}"#).fail("429");
    let overloaded = format!(
        "{}data: {}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"So \"}}]}\n\n",
        r#"{"error":{"message":"overloaded\nwhat the user said"}}"#
    );
    call_model(&turn, "overloaded", Reply::Whole, overloaded.as_bytes()).fail("overloaded, says the client");
    call_model(&turn, "stopped", Reply::Whole, overloaded.as_bytes()).fail("stopped");
    call_model(&turn, "compressed", Reply::Whole, &[0x1f, 0x8b, 8, 0]).complete();
    call_model(&turn, "unknown", Reply::Whole, b"data: 1\n\n").complete();
}

#[test]
fn stream_has_the_attributes_of_its_response() {
    for content in [ContentPolicy::Omit, ContentPolicy::Capture] {
        let mut harness = Harness::with(content, Sampler::AlwaysOn);
        harness.run(Order::BridgeFirst, record);
        harness.finish();
        let spans = harness.spans();
        let of =
            |name: &str| attributes(spans.iter().find(|span| span.name == format!("chat {name}")).expect("a span"));
        let chat = of("chat-tools.sse");
        assert_eq!(chat["gen_ai.usage.output_tokens"], "38");
        assert_eq!(chat["gen_ai.response.id"], "chatcmpl-1");
        assert_eq!(chat["gen_ai.response.finish_reasons"], r#"["tool_calls"]"#);
        let is_captured = content == ContentPolicy::Capture;
        assert_eq!(chat.get("gen_ai.output.messages").is_some_and(|text| text.contains("Two cities")), is_captured);
        let cut = of("anthropic-tools.sse cut");
        assert_eq!((&*cut["gen_ai.usage.input_tokens"], &*cut["gen_ai.response.id"]), ("1125", "msg_1"));
        assert!(!of("refused").contains_key("gen_ai.output.messages"));
        let status = |name: &str| {
            let span = spans.iter().find(|span| span.name == format!("chat {name}"));
            span.expect("a span").status.clone()
        };
        assert_eq!(status("refused"), Status::error("429: slow down"));
        assert_eq!(status("overloaded"), Status::error("overloaded, says the client"));
        assert_eq!(status("stopped"), Status::error("stopped: overloaded"), "not what follows the first line");
    }
}
