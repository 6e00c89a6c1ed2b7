//! What the middlewares record of real HTTP exchanges, byte for byte.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod killed;
mod server;
mod via;

use std::path::Path;

use common::{Bundle, bundles, recorder};
use otel_trace::bundle::Reader;
use otel_trace::client::RecordExchange;
use otel_trace::graph::Graph;
use otel_trace::reduce::{Options, reduce};
use otel_trace::{
    AgentThread, Exchange, Inference, Json, Model, Operation, Recorder, Reply, ThreadMeta, ToolCallMeta, Turn,
};
use serde_json::{Value, json};
use tracing::Instrument;
use tracing_subscriber::prelude::*;

use server::{ERROR, JSON, SSE, Server};
use via::{Via, post};

/// Bytes as no serializer would write them.
const REQUEST: &[u8] = b"{ \"input\" : [ ],\n\"model\":\"m\" , \"n\": 1.50 }";

const MODEL: Model<'_> = Model { name: "m", provider: "openai" };

/// Runs `program` on a runtime of its own, recorded.
fn under<F: Future<Output = ()>>(recorder: &Recorder, program: F) {
    let subscriber = tracing_subscriber::registry().with(recorder.layer().with_filter(recorder.filter()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tracing::subscriber::with_default(subscriber, || runtime.block_on(program));
}

/// What a program leaves that has a call of a model, and a server to ask.
fn recorded(program: impl AsyncFnOnce(&Server, Inference)) -> (Left, Vec<Vec<u8>>) {
    let (root, recorder, guard) = recorder();
    let mut received = Vec::new();
    under(&recorder, async {
        let server = Server::start().await;
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = thread.turn(None);
        program(&server, turn.inference(MODEL)).await;
        received = server.received();
    });
    drop(guard);
    assert_eq!(recorder.stats().lost(), 0, "{:?}", recorder.stats());
    (Left::in_directory(root.path()), received)
}

/// What a program left, and what comes of it.
struct Left {
    bundle: Bundle,
    graph: Graph,
}

impl Left {
    fn in_directory(root: &Path) -> Self {
        let mut bundles = bundles(root);
        assert_eq!(bundles.len(), 1);
        let bundle = bundles.remove(0);
        let graph = reduce(&Reader::open(&bundle.path).unwrap(), &Options::default()).unwrap().graph;
        Self { bundle, graph }
    }

    /// The bytes that an event names here.
    fn bytes(&self, reference: &Value) -> &[u8] {
        self.bundle.bytes(reference)
    }

    fn codes(&self) -> Vec<&str> {
        self.graph.diagnostics.iter().map(|diagnostic| diagnostic.code.name()).collect()
    }
}

/// Reads an answer to its end.
async fn read(via: Via, url: &str) -> (u16, Vec<u8>) {
    let mut reply = post(via, RecordExchange::new(), url, REQUEST).await.unwrap();
    let mut bytes = Vec::new();
    while let Some(piece) = reply.next().await {
        bytes.extend_from_slice(&piece.unwrap());
    }
    (reply.status(), bytes)
}

#[test]
fn a_request_and_a_json_response_are_kept_as_they_went_over_the_wire() {
    for via in Via::ALL {
        let (left, received) = recorded(async |server, inference| {
            let url = server.url("/json");
            let (status, bytes) = read(via, &url).instrument(inference.span().clone()).await;
            assert_eq!((status, bytes.as_slice()), (200, JSON.as_bytes()));
            inference.complete();
        });
        assert_eq!(received, [REQUEST]);
        assert_eq!(left.bytes(&left.bundle.one("inference_started")["request_payload"]), REQUEST);
        let completed = left.bundle.one("inference_completed");
        assert_eq!(left.bytes(&completed["response_payload"]), JSON.as_bytes());
        assert_eq!(completed["upstream_request_id"], "req-7");
        assert!(left.bundle.all("other").is_empty());
    }
}

#[test]
fn a_stream_is_kept_beside_what_the_program_makes_of_it() {
    for via in Via::ALL {
        let (left, _) = recorded(async |server, inference| {
            let url = server.url("/sse");
            let (_, bytes) = read(via, &url).instrument(inference.span().clone()).await;
            assert_eq!(bytes, SSE.concat().as_bytes());
            inference.response(Json(&json!({ "output_items": [] })));
            inference.complete();
        });
        let completed = left.bundle.one("inference_completed");
        assert_eq!(left.bytes(&completed["wire_payload"]), SSE.concat().as_bytes());
        assert_eq!(left.bundle.body(&completed["response_payload"]), json!({ "output_items": [] }));
        assert!(left.bundle.all("other").is_empty());
    }
}

#[test]
fn pieces_of_a_stream_are_written_as_they_come() {
    for via in Via::ALL {
        let (left, _) = recorded(async |server, inference| {
            let url = server.url("/paced");
            let work = async {
                let mut reply = post(via, RecordExchange::new().chunks(), &url, REQUEST).await.unwrap();
                for _ in SSE {
                    // The server sends the next one when this one was read.
                    assert!(reply.next().await.unwrap().is_ok());
                    server.go_on();
                }
                assert!(reply.next().await.is_none());
            };
            work.instrument(inference.span().clone()).await;
            inference.complete();
        });
        let pieces = left.bundle.all("other");
        let chunks: Vec<_> = pieces.iter().map(|piece| piece["metadata"]["chunk"].as_u64().unwrap()).collect();
        assert_eq!(chunks, (1..=SSE.len() as u64).collect::<Vec<_>>());
        let call = &left.bundle.one("inference_started")["inference_call_id"];
        assert!(pieces.iter().all(|piece| &piece["metadata"]["inference_call_id"] == call));
        let bytes: Vec<u8> = pieces.iter().flat_map(|piece| left.bytes(&piece["payloads"][0])).copied().collect();
        assert_eq!(bytes, SSE.concat().as_bytes());
        assert_eq!(left.bytes(&left.bundle.one("inference_completed")["wire_payload"]), bytes);
    }
}

#[test]
fn an_error_is_no_response_and_is_kept_all_the_same() {
    for via in Via::ALL {
        let (left, _) = recorded(async |server, inference| {
            let (status, _) = read(via, &server.url("/error")).instrument(inference.span().clone()).await;
            inference.fail(format!("{status}"));
        });
        let failed = left.bundle.one("inference_failed");
        assert_eq!(left.bytes(&failed["wire_payload"]), ERROR.as_bytes());
        assert_eq!(failed["partial_response_payload"], Value::Null);
        assert_eq!(failed["upstream_request_id"], "req-7");
        assert!(left.codes().is_empty(), "{:?}", left.graph.diagnostics);
    }
}

#[test]
fn a_stream_that_breaks_or_is_dropped_leaves_what_had_come() {
    for via in Via::ALL {
        for breaks in [true, false] {
            let (left, _) = recorded(async |server, inference| {
                let url = server.url(if breaks { "/broken" } else { "/paced" });
                let work = async {
                    let mut reply = post(via, RecordExchange::new(), &url, REQUEST).await.unwrap();
                    assert!(reply.next().await.unwrap().is_ok());
                    if breaks {
                        assert!(reply.next().await.unwrap().is_err());
                    }
                };
                work.instrument(inference.span().clone()).await;
                drop(inference);
            });
            let cancelled = left.bundle.one("inference_cancelled");
            assert_eq!(left.bytes(&cancelled["wire_payload"]), SSE[0].as_bytes());
            assert_eq!(cancelled["partial_response_payload"], Value::Null);
        }
    }
}

#[test]
fn an_endpoint_that_is_not_there_costs_the_call_and_no_evidence() {
    for via in Via::ALL {
        let (left, _) = recorded(async |_, inference| {
            let nowhere = "http://127.0.0.1:1/";
            let sent = post(via, RecordExchange::new(), nowhere, REQUEST).instrument(inference.span().clone()).await;
            assert!(sent.is_err());
            inference.fail("no answer");
        });
        assert_eq!(left.bytes(&left.bundle.one("inference_started")["request_payload"]), REQUEST);
        assert_eq!(left.bundle.one("inference_failed")["error"], "no answer");
    }
}

#[test]
fn without_a_call_the_exchange_passes_and_nothing_is_recorded() {
    for via in Via::ALL {
        let (root, recorder, guard) = recorder();
        let mut received = Vec::new();
        under(&recorder, async {
            let server = Server::start().await;
            let (_, bytes) = read(via, &server.url("/sse")).await;
            assert_eq!(bytes, SSE.concat().as_bytes());
            let thread = AgentThread::start(ThreadMeta::new());
            // Inside a tool call it is the tool's own business.
            let tool = thread.turn(None).tool_call(ToolCallMeta::new("curl"));
            read(via, &server.url("/json")).instrument(tool.span().clone()).await;
            received = server.received();
        });
        drop(guard);
        assert_eq!(received, [REQUEST, REQUEST]);
        assert_eq!(Left::in_directory(root.path()).graph.raw_payloads.len(), 0);
    }
}

#[test]
fn spans_of_the_conventions_have_their_exchanges_too_through_the_spans_of_the_client() {
    for via in Via::ALL {
        let (root, recorder, guard) = recorder();
        under(&recorder, async {
            let server = Server::start().await;
            let chat = tracing::info_span!(
                "chat",
                gen_ai.operation.name = "chat",
                gen_ai.provider.name = "openai",
                gen_ai.request.model = "m",
            );
            let url = server.url("/json");
            async { read(via, &url).instrument(tracing::info_span!("POST")).await }.instrument(chat).await;
        });
        drop(guard);
        let left = Left::in_directory(root.path());
        assert_eq!(left.bytes(&left.bundle.one("inference_started")["request_payload"]), REQUEST);
        assert_eq!(left.bytes(&left.bundle.one("inference_completed")["response_payload"]), JSON.as_bytes());
        assert!(left.codes().is_empty(), "{:?}", left.graph.diagnostics);
    }
}

#[test]
fn a_request_to_compact_has_its_exchange() {
    for via in Via::ALL {
        let (root, recorder, guard) = recorder();
        under(&recorder, async {
            let server = Server::start().await;
            let thread = AgentThread::start(ThreadMeta::new());
            let turn: Turn = thread.turn(None);
            for path in ["/json", "/error"] {
                let compaction = turn.compaction(MODEL);
                read(via, &server.url(path)).instrument(compaction.span().clone()).await;
            }
        });
        drop(guard);
        let left = Left::in_directory(root.path());
        let started = left.bundle.all("compaction_request_started");
        assert_eq!(started.len(), 2);
        assert!(started.iter().all(|started| left.bytes(&started["request_payload"]) == REQUEST));
        let completed = left.bundle.one("compaction_request_completed");
        assert_eq!(left.bytes(&completed["response_payload"]), JSON.as_bytes());
        left.bundle.one("compaction_request_failed");
        let refusal = &left.bundle.one("other")["payloads"][0];
        assert_eq!(left.bytes(refusal), ERROR.as_bytes());
    }
}

#[test]
fn what_a_tool_fetches_is_no_part_of_the_call_around_it() {
    let (left, _) = recorded(async |server, inference| {
        let work = async {
            read(Via::Tower, &server.url("/json")).await;
            let tool = tracing::info_span!("fetch", gen_ai.operation.name = "execute_tool", gen_ai.tool.name = "fetch");
            read(Via::Tower, &server.url("/error")).instrument(tool).await;
        };
        work.instrument(inference.span().clone()).await;
        inference.complete();
    });
    let completed = left.bundle.one("inference_completed");
    assert_eq!(left.bytes(&completed["response_payload"]), JSON.as_bytes());
    assert_eq!(completed["wire_payload"], Value::Null);
    assert!(left.bundle.all("other").is_empty());
}

#[test]
fn what_came_before_the_answer_of_one_call_is_not_said_to_be_its_stream() {
    let (left, _) = recorded(async |server, inference| {
        let work = async {
            read(Via::Tower, &server.url("/error")).await;
            read(Via::Tower, &server.url("/json")).await;
        };
        work.instrument(inference.span().clone()).await;
        inference.complete();
    });
    let completed = left.bundle.one("inference_completed");
    assert_eq!(left.bytes(&completed["response_payload"]), JSON.as_bytes());
    assert_eq!(completed["wire_payload"], Value::Null);
    let beside: Vec<_> = left.bundle.all("other").iter().map(|other| left.bytes(&other["payloads"][0])).collect();
    // The second request of the call, and what the first one came to.
    assert!(beside.contains(&ERROR.as_bytes()) && beside.contains(&REQUEST), "{}", beside.len());
}

#[test]
fn a_piece_of_a_compaction_says_which() {
    let (root, recorder, guard) = recorder();
    under(&recorder, async {
        let thread = AgentThread::start(ThreadMeta::new());
        let compaction = thread.turn(None).compaction(MODEL);
        let exchange = Exchange::of(compaction.span()).unwrap();
        exchange.chunk(1, b"data: a\n\n");
        exchange.reply(Reply::Cut, b"data: a\n\n");
    });
    drop(guard);
    let left = Left::in_directory(root.path());
    let request = &left.bundle.one("compaction_request_started")["compaction_request_id"];
    let beside = left.bundle.all("other");
    assert_eq!(beside.len(), 2);
    assert!(beside.iter().all(|other| &other["metadata"]["compaction_request_id"] == request), "{beside:?}");
}

#[test]
fn there_is_no_exchange_where_nobody_records() {
    assert!(Exchange::current().is_none());
    let subscriber = tracing_subscriber::registry();
    tracing::subscriber::with_default(subscriber, || {
        let thread = AgentThread::start(ThreadMeta::new());
        let inference = thread.turn(None).inference(MODEL);
        assert!(Exchange::of(inference.span()).is_none());
    });
}
