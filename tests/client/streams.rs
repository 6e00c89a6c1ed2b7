//! Streamed responses of which the program records nothing: their bytes are enough for the graph.

use otel_trace::client::RecordExchange;
use otel_trace::event::ExecutionStatus;
use otel_trace::{Exchange, Operation, Reply};
use tracing::Instrument;

use super::http_client::{HttpClient, post};
use super::server::{CHAT, GEMINI};
use super::{REQUEST, Recording, read, record_call};

/// Returns status, input and output tokens of the only call.
fn end_of(recording: &Recording) -> (ExecutionStatus, Option<(u64, u64)>) {
    let call = recording.graph.inference_calls.iter().next().unwrap();
    (call.execution.status, call.usage.map(|usage| (usage.input_tokens, usage.output_tokens)))
}

#[test]
fn stream_alone_is_the_response() {
    for http_client in HttpClient::ALL {
        for path in ["/chat", "/gemini"] {
            let (recording, _) = record_call(async |server, inference| {
                read(http_client, &server.url(path)).instrument(inference.span().clone()).await;
                inference.complete();
            });
            assert_eq!(recording.response_texts()[0], "It is café.");
            assert_eq!(recording.response_texts()[1..], if path == "/chat" { vec!["call_1"] } else { vec![] });
            assert_eq!(end_of(&recording), (ExecutionStatus::Completed, Some((9, 3))));
            let call = recording.graph.inference_calls.iter().next().unwrap();
            assert_eq!(call.response_id.as_ref().unwrap().as_str(), "c1");
            assert_eq!(recording.codes(), [""; 0]);
        }
    }
}

#[test]
fn broken_or_dropped_stream_is_a_partial_response() {
    for http_client in HttpClient::ALL {
        for path in ["/chat/broken", "/chat/paced"] {
            let (recording, _) = record_call(async |server, inference| {
                let work = async {
                    let url = server.url(path);
                    let mut response = post(http_client, RecordExchange::new().chunks(), &url, REQUEST).await.unwrap();
                    assert!(response.next().await.unwrap().is_ok());
                    if path == "/chat/broken" {
                        while response.next().await.unwrap().is_ok() {}
                    }
                };
                work.instrument(inference.span().clone()).await;
                drop(inference);
            });
            let expected = if path == "/chat/broken" { "It is café." } else { "It is " };
            assert_eq!(recording.response_texts(), [expected]);
            assert_eq!(end_of(&recording), (ExecutionStatus::Cancelled, None));
            assert_eq!(recording.codes(), ["partial_stream"]);
        }
    }
}

#[test]
fn list_may_be_recorded_without_a_client() {
    let (recording, _) = record_call(async |_, inference| {
        let exchange = Exchange::for_span(inference.span()).unwrap();
        exchange.request(REQUEST);
        exchange.reply(Reply::Whole, GEMINI.as_bytes());
        inference.complete();
    });
    assert_eq!(recording.response_texts(), ["It is café."]);
    assert!(recording.codes().is_empty(), "{:?}", recording.graph.diagnostics);
}

#[test]
fn chunks_alone_are_the_response_of_a_cancelled_call() {
    let (recording, _) = record_call(async |_, inference| {
        let exchange = Exchange::for_span(inference.span()).unwrap();
        exchange.request(REQUEST);
        (1..).zip(CHAT).for_each(|(number, chunk)| exchange.chunk(number, chunk));
        inference.cancel("enough");
    });
    assert_eq!(recording.response_texts(), ["It is café.", "call_1"]);
    assert!(recording.codes().is_empty(), "{:?}", recording.graph.diagnostics);
}
