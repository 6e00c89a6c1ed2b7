//! Tests that the HTTP client middlewares record exchanges byte for byte.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod attempts;
#[path = "../common/mod.rs"]
mod common;
mod compaction_attempts;
mod http_client;
mod killed;
mod server;
mod streams;

use std::path::Path;

use common::{Bundle, bundles, recorder};
use otel_trace::bundle::Reader;
use otel_trace::client::RecordExchange;
use otel_trace::graph::{Graph, Part};
use otel_trace::reduce::{Options, reduce};
use otel_trace::{
    AgentThread, Exchange, Inference, Json, Model, Operation, Recorder, Reply, ThreadMeta, ToolCallMeta, Turn,
};
use serde_json::{Value, json};
use tracing::Instrument;
use tracing_subscriber::prelude::*;

use http_client::{HttpClient, post};
use server::{ERROR, JSON, SSE, Server};

/// Request body with whitespace and number formats that no serializer produces.
const REQUEST: &[u8] = b"{ \"input\" : [ ],\n\"model\":\"m\" , \"temperature\": 1.50 }";

const MODEL: Model<'_> = Model { name: "m", provider: "openai" };

/// Runs `program` on a new runtime under a subscriber that records it.
fn run_recorded<F: Future<Output = ()>>(recorder: &Recorder, program: F) {
    let subscriber = tracing_subscriber::registry().with(recorder.layer().with_filter(recorder.filter()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tracing::subscriber::with_default(subscriber, || runtime.block_on(program));
}

/// Records a program that makes an inference call to a server. Returns its recording and the request bodies that the
/// server received.
fn record_call(program: impl AsyncFnOnce(&Server, Inference)) -> (Recording, Vec<Vec<u8>>) {
    let (root, recorder, guard) = recorder();
    let mut received = Vec::new();
    run_recorded(&recorder, async {
        let server = Server::start().await;
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = thread.turn(None);
        program(&server, turn.inference(MODEL)).await;
        received = server.received();
    });
    drop(guard);
    assert_eq!(recorder.stats().lost(), 0, "{:?}", recorder.stats());
    (Recording::in_directory(root.path()), received)
}

/// The only bundle of a program and its graph.
struct Recording {
    bundle: Bundle,
    graph: Graph,
}

impl Recording {
    /// Reads the only bundle in a root directory.
    fn in_directory(root: &Path) -> Self {
        let mut bundles = bundles(root);
        assert_eq!(bundles.len(), 1);
        let bundle = bundles.remove(0);
        let graph = reduce(&Reader::open(&bundle.path).unwrap(), &Options::default()).unwrap().graph;
        Self { bundle, graph }
    }

    /// Returns the bytes of the payload behind a reference.
    fn payload_bytes(&self, reference: &Value) -> &[u8] {
        self.bundle.payload_bytes(reference)
    }

    /// Returns the texts and the call ids of the items of the only response.
    fn response_texts(&self) -> Vec<String> {
        let call = self.graph.inference_calls.iter().next().unwrap();
        let mut texts = Vec::new();
        for item in self.graph.items().filter(|item| call.response_item_ids.contains(&item.item_id)) {
            texts.extend(item.content.call_id.as_ref().map(ToString::to_string));
            let parts = item.content.parts.iter();
            texts.extend(
                parts.filter_map(|part| if let Part::Text(text) = part { Some(text.to_string()) } else { None }),
            );
        }
        texts
    }

    /// Returns the codes of all diagnostics.
    fn codes(&self) -> Vec<&str> {
        self.graph.diagnostics.iter().map(|diagnostic| diagnostic.code.name()).collect()
    }
}

/// Sends [`REQUEST`] and reads the response to its end. Returns the status and the body.
async fn read(http_client: HttpClient, url: &str) -> (u16, Vec<u8>) {
    let mut response = post(http_client, RecordExchange::new(), url, REQUEST).await.unwrap();
    let mut bytes = Vec::new();
    while let Some(chunk) = response.next().await {
        bytes.extend_from_slice(&chunk.unwrap());
    }
    (response.status(), bytes)
}

#[test]
fn request_and_json_response_are_kept_byte_for_byte() {
    for http_client in HttpClient::ALL {
        let (recording, received) = record_call(async |server, inference| {
            let url = server.url("/json");
            let (status, bytes) = read(http_client, &url).instrument(inference.span().clone()).await;
            assert_eq!((status, bytes.as_slice()), (200, JSON.as_bytes()));
            inference.complete();
        });
        assert_eq!(received, [REQUEST]);
        assert_eq!(recording.payload_bytes(&recording.bundle.event("inference_started")["request_payload"]), REQUEST);
        let completed = recording.bundle.event("inference_completed");
        assert_eq!(recording.payload_bytes(&completed["response_payload"]), JSON.as_bytes());
        assert_eq!(completed["upstream_request_id"], "req-7");
        assert!(recording.bundle.events("other").is_empty());
    }
}

#[test]
fn stream_is_kept_beside_the_assembled_response() {
    for http_client in HttpClient::ALL {
        let (recording, _) = record_call(async |server, inference| {
            let url = server.url("/sse");
            let (_, bytes) = read(http_client, &url).instrument(inference.span().clone()).await;
            assert_eq!(bytes, SSE.concat().as_bytes());
            inference.response(Json(&json!({ "output_items": [] })));
            inference.complete();
        });
        let completed = recording.bundle.event("inference_completed");
        assert_eq!(recording.payload_bytes(&completed["wire_payload"]), SSE.concat().as_bytes());
        assert_eq!(recording.bundle.payload_json(&completed["response_payload"]), json!({ "output_items": [] }));
        assert_eq!(completed.get("upstream_request_id"), Some(&Value::Null), "the response has no id of the request");
        assert!(recording.bundle.events("other").is_empty());
    }
}

#[test]
fn stream_chunks_are_written_as_they_arrive() {
    for http_client in HttpClient::ALL {
        let (recording, _) = record_call(async |server, inference| {
            let url = server.url("/paced");
            let work = async {
                let mut response = post(http_client, RecordExchange::new().chunks(), &url, REQUEST).await.unwrap();
                for _ in SSE {
                    // The server sends the next chunk only after this one was read.
                    assert!(response.next().await.unwrap().is_ok());
                    server.release_chunk();
                }
                assert!(response.next().await.is_none());
            };
            work.instrument(inference.span().clone()).await;
            inference.complete();
        });
        let chunks = recording.bundle.events("other");
        let numbers: Vec<_> = chunks.iter().map(|chunk| chunk["metadata"]["chunk"].as_u64().unwrap()).collect();
        assert_eq!(numbers, (1..=SSE.len() as u64).collect::<Vec<_>>());
        let call = &recording.bundle.event("inference_started")["inference_call_id"];
        assert!(chunks.iter().all(|chunk| &chunk["metadata"]["inference_call_id"] == call));
        let bytes: Vec<u8> =
            chunks.iter().flat_map(|chunk| recording.payload_bytes(&chunk["payloads"][0])).copied().collect();
        assert_eq!(bytes, SSE.concat().as_bytes());
        assert_eq!(recording.payload_bytes(&recording.bundle.event("inference_completed")["wire_payload"]), bytes);
    }
}

#[test]
fn error_body_is_kept_but_is_not_a_response() {
    for http_client in HttpClient::ALL {
        let (recording, _) = record_call(async |server, inference| {
            let (status, _) = read(http_client, &server.url("/error")).instrument(inference.span().clone()).await;
            inference.fail(format!("{status}"));
        });
        let failed = recording.bundle.event("inference_failed");
        assert_eq!(recording.payload_bytes(&failed["wire_payload"]), ERROR.as_bytes());
        assert_eq!(failed["partial_response_payload"], Value::Null);
        assert_eq!(failed["upstream_request_id"], "req-7");
        assert!(recording.codes().is_empty(), "{:?}", recording.graph.diagnostics);
    }
}

#[test]
fn broken_or_dropped_stream_keeps_the_received_bytes() {
    for http_client in HttpClient::ALL {
        for breaks in [true, false] {
            let (recording, _) = record_call(async |server, inference| {
                let url = server.url(if breaks { "/broken" } else { "/paced" });
                let work = async {
                    let mut response = post(http_client, RecordExchange::new(), &url, REQUEST).await.unwrap();
                    assert!(response.next().await.unwrap().is_ok());
                    if breaks {
                        assert!(response.next().await.unwrap().is_err());
                    }
                };
                work.instrument(inference.span().clone()).await;
                drop(inference);
            });
            let cancelled = recording.bundle.event("inference_cancelled");
            assert_eq!(recording.payload_bytes(&cancelled["wire_payload"]), SSE[0].as_bytes());
            assert_eq!(cancelled["partial_response_payload"], Value::Null);
        }
    }
}

#[test]
fn unreachable_endpoint_fails_the_call_and_keeps_its_request() {
    for http_client in HttpClient::ALL {
        let (recording, _) = record_call(async |_, inference| {
            let nowhere = "http://127.0.0.1:1/";
            let sent =
                post(http_client, RecordExchange::new(), nowhere, REQUEST).instrument(inference.span().clone()).await;
            assert!(sent.is_err());
            inference.fail("no response");
        });
        assert_eq!(recording.payload_bytes(&recording.bundle.event("inference_started")["request_payload"]), REQUEST);
        assert_eq!(recording.bundle.event("inference_failed")["error"], "no response");
    }
}

#[test]
fn exchange_outside_a_call_is_forwarded_unrecorded() {
    for http_client in HttpClient::ALL {
        let (root, recorder, guard) = recorder();
        let mut received = Vec::new();
        run_recorded(&recorder, async {
            let server = Server::start().await;
            let (_, bytes) = read(http_client, &server.url("/sse")).await;
            assert_eq!(bytes, SSE.concat().as_bytes());
            let thread = AgentThread::start(ThreadMeta::new());
            // An exchange inside a tool call belongs to the tool, not to an inference call.
            let tool = thread.turn(None).tool_call(ToolCallMeta::new("curl"));
            read(http_client, &server.url("/json")).instrument(tool.span().clone()).await;
            received = server.received();
        });
        drop(guard);
        assert_eq!(received, [REQUEST, REQUEST]);
        assert_eq!(Recording::in_directory(root.path()).graph.raw_payloads.len(), 0);
    }
}

#[test]
fn semantic_convention_span_records_its_exchange() {
    for http_client in HttpClient::ALL {
        let (root, recorder, guard) = recorder();
        run_recorded(&recorder, async {
            let server = Server::start().await;
            let chat = tracing::info_span!(
                "chat",
                gen_ai.operation.name = "chat",
                gen_ai.provider.name = "openai",
                gen_ai.request.model = "m",
            );
            let url = server.url("/json");
            async { read(http_client, &url).instrument(tracing::info_span!("POST")).await }.instrument(chat).await;
        });
        drop(guard);
        let recording = Recording::in_directory(root.path());
        assert_eq!(recording.payload_bytes(&recording.bundle.event("inference_started")["request_payload"]), REQUEST);
        assert_eq!(
            recording.payload_bytes(&recording.bundle.event("inference_completed")["response_payload"]),
            JSON.as_bytes()
        );
        assert!(recording.codes().is_empty(), "{:?}", recording.graph.diagnostics);
    }
}

#[test]
fn compaction_request_records_its_exchange() {
    for http_client in HttpClient::ALL {
        let (root, recorder, guard) = recorder();
        run_recorded(&recorder, async {
            let server = Server::start().await;
            let thread = AgentThread::start(ThreadMeta::new());
            let turn: Turn = thread.turn(None);
            for path in ["/json", "/error"] {
                let compaction = turn.compaction(MODEL);
                read(http_client, &server.url(path)).instrument(compaction.span().clone()).await;
            }
        });
        drop(guard);
        let recording = Recording::in_directory(root.path());
        let started = recording.bundle.events("compaction_request_started");
        assert_eq!(started.len(), 2);
        assert!(started.iter().all(|started| recording.payload_bytes(&started["request_payload"]) == REQUEST));
        let completed = recording.bundle.event("compaction_request_completed");
        assert_eq!(recording.payload_bytes(&completed["response_payload"]), JSON.as_bytes());
        recording.bundle.event("compaction_request_failed");
        let refusal = &recording.bundle.event("other")["payloads"][0];
        assert_eq!(recording.payload_bytes(refusal), ERROR.as_bytes());
    }
}

#[test]
fn exchange_of_a_nested_tool_is_not_part_of_the_call() {
    let (recording, _) = record_call(async |server, inference| {
        let work = async {
            read(HttpClient::Tower, &server.url("/json")).await;
            let tool = tracing::info_span!("fetch", gen_ai.operation.name = "execute_tool", gen_ai.tool.name = "fetch");
            read(HttpClient::Tower, &server.url("/error")).instrument(tool).await;
        };
        work.instrument(inference.span().clone()).await;
        inference.complete();
    });
    let completed = recording.bundle.event("inference_completed");
    assert_eq!(recording.payload_bytes(&completed["response_payload"]), JSON.as_bytes());
    assert_eq!(completed["wire_payload"], Value::Null);
    assert!(recording.bundle.events("other").is_empty());
}

#[test]
fn compaction_chunk_names_its_request() {
    let (root, recorder, guard) = recorder();
    run_recorded(&recorder, async {
        let thread = AgentThread::start(ThreadMeta::new());
        let compaction = thread.turn(None).compaction(MODEL);
        let exchange = Exchange::for_span(compaction.span()).unwrap();
        exchange.chunk(1, b"data: a\n\n");
        exchange.reply(Reply::Cut, b"data: a\n\n");
    });
    drop(guard);
    let recording = Recording::in_directory(root.path());
    let request = &recording.bundle.event("compaction_request_started")["compaction_request_id"];
    let other_events = recording.bundle.events("other");
    assert_eq!(other_events.len(), 2);
    assert!(
        other_events.iter().all(|other| &other["metadata"]["compaction_request_id"] == request),
        "{other_events:?}"
    );
}

#[test]
fn exchange_is_absent_without_a_recorder() {
    assert!(Exchange::current().is_none());
    let subscriber = tracing_subscriber::registry();
    tracing::subscriber::with_default(subscriber, || {
        let thread = AgentThread::start(ThreadMeta::new());
        let inference = thread.turn(None).inference(MODEL);
        assert!(Exchange::for_span(inference.span()).is_none());
    });
}
