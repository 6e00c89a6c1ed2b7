//! Several HTTP exchanges in the span of one call: attempts, each a call of its own.

use std::pin::pin;

use futures_util::future::{Either, join, select};
use otel_trace::client::RecordExchange;
use otel_trace::event::ExecutionStatus::{self, Cancelled, Completed, Failed};
use otel_trace::{AgentThread, Exchange, Inference, Json, Operation, Reply, ThreadMeta, Usage};
use serde_json::json;
use tracing::{Instrument, Span, info_span};

use crate::common::recorder;
use crate::http_client::{HttpClient, post};
use crate::server::{CHAT, ERROR, JSON, Server};
use crate::{MODEL, REQUEST, Recording, read, record_call, run_recorded};

/// The error of a call that the provider refused.
fn refusal(status: u16) -> Option<String> {
    Some(format!("the provider answered with HTTP status {status}"))
}

/// Asserts that the graph has these calls of models, in the order of their starts, in a log that a strict reduction takes.
#[track_caller]
fn check(recording: &Recording, expected: &[(ExecutionStatus, Option<String>)]) {
    let calls = recording.graph.inference_calls.iter();
    let calls: Vec<_> = calls.map(|call| (call.execution.status, call.error.clone())).collect();
    assert_eq!(calls, expected, "{:#?}", recording.bundle.event_names());
    let stopping = recording.graph.diagnostics.iter().filter(|diagnostic| diagnostic.code.stops_strict());
    assert_eq!(stopping.count(), 0, "{:?}", recording.graph.diagnostics);
    assert_eq!(recording.bundle.events("other"), Vec::<&serde_json::Value>::new(), "everything has its event");
}

/// Sends the request until it is answered, at most `attempts` times, as a middleware that retries does.
async fn retry(http_client: HttpClient, url: &str, attempts: u32) {
    for _ in 0..attempts {
        let response = post(http_client, RecordExchange::new(), url, REQUEST).await.unwrap();
        if response.status() == 200 {
            let mut response = response;
            while response.next().await.is_some() {}
            return;
        }
    }
}

/// Records a program inside of a plain span of a call. Returns the recording.
fn record_span(program: impl AsyncFnOnce(&Server, Span)) -> Recording {
    let (root, recorder, guard) = recorder();
    run_recorded(&recorder, async {
        let server = Server::start().await;
        let chat = info_span!("chat", gen_ai.operation.name = "chat", gen_ai.provider.name = "openai",
            gen_ai.request.model = "m", gen_ai.usage.output_tokens = tracing::field::Empty,
            error.type = tracing::field::Empty, gen_ai.response.id = tracing::field::Empty);
        program(&server, chat.clone()).instrument(chat).await;
    });
    drop(guard);
    assert_eq!(recorder.stats().lost(), 0, "{:?}", recorder.stats());
    Recording::in_directory(root.path())
}

#[test]
fn retries_are_calls_of_their_own() {
    let expected = [(Failed, refusal(429)), (Failed, refusal(503)), (Completed, None)];
    for http_client in HttpClient::ALL {
        let (recording, received) = record_call(async |server, inference| {
            retry(http_client, &server.url("/flaky"), 3).instrument(inference.span().clone()).await;
            inference.usage(Usage { input_tokens: 7, ..Usage::default() });
            inference.complete();
        });
        assert_eq!(received.len(), 3);
        check(&recording, &expected);
        let failed = recording.bundle.events("inference_failed");
        assert!(failed.iter().all(|failed| recording.payload_bytes(&failed["wire_payload"]).is_empty()));
        let started = recording.bundle.events("inference_started");
        assert!(started.iter().all(|started| recording.payload_bytes(&started["request_payload"]) == REQUEST));
        assert_eq!(recording.bundle.event("inference_completed")["usage"]["input_tokens"], 7);

        let recording = record_span(async |server, chat| {
            retry(http_client, &server.url("/flaky"), 3).await;
            chat.record("gen_ai.usage.output_tokens", 5);
        });
        check(&recording, &expected);
        assert_eq!(recording.bundle.event("inference_completed")["usage"]["output_tokens"], 5);
    }
}

#[test]
fn retries_that_are_all_refused_fail() {
    for http_client in HttpClient::ALL {
        let recording = record_span(async |server, _| retry(http_client, &server.url("/down"), 2).await);
        check(&recording, &[(Failed, refusal(503)), (Failed, refusal(503))]);
        let (recording, _) = record_call(async |server, inference| {
            retry(http_client, &server.url("/down"), 2).instrument(inference.span().clone()).await;
        });
        check(&recording, &[(Failed, refusal(503)), (Failed, refusal(503))]);
    }
}

#[test]
fn end_by_the_program_is_that_of_the_last_attempt() {
    let (recording, _) = record_call(async |server, inference| {
        retry(HttpClient::Reqwest, &server.url("/down"), 2).instrument(inference.span().clone()).await;
        inference.fail("gave up");
    });
    check(&recording, &[(Failed, refusal(503)), (Failed, Some("gave up".to_owned()))]);
}

#[test]
fn fields_of_an_attempt_do_not_count_for_the_next() {
    let recording = record_span(async |server, chat| {
        read(HttpClient::Reqwest, &server.url("/down")).await;
        chat.record("error.type", "overloaded");
        chat.record("gen_ai.response.id", "of the first");
        read(HttpClient::Reqwest, &server.url("/json")).await;
    });
    check(&recording, &[(Failed, Some("overloaded".to_owned())), (Completed, None)]);
    assert_eq!(recording.bundle.event("inference_completed")["response_id"], "r1");
}

#[test]
fn attempt_without_a_response_is_cancelled() {
    let unanswered = Some("closed without an answer or an error".to_owned());
    for http_client in HttpClient::ALL {
        let (recording, _) = record_call(async |server, inference| {
            let work = async {
                let nowhere = post(http_client, RecordExchange::new(), "http://127.0.0.1:1/", REQUEST).await;
                assert!(nowhere.is_err());
                read(http_client, &server.url("/json")).await;
            };
            work.instrument(inference.span().clone()).await;
        });
        check(&recording, &[(Cancelled, unanswered.clone()), (Completed, None)]);
    }
}

#[test]
fn two_answered_exchanges_are_two_calls() {
    let recording = record_span(async |server, _| {
        read(HttpClient::Tower, &server.url("/json")).await;
        read(HttpClient::Reqwest, &server.url("/json")).await;
    });
    check(&recording, &[(Completed, None), (Completed, None)]);
}

#[test]
fn hedged_request_that_is_dropped_is_cancelled() {
    for http_client in HttpClient::ALL {
        let (recording, _) = record_call(async |server, inference| {
            let url = server.url("/race");
            let work = async {
                let (slow, fast) = (
                    pin!(read(http_client, &url)),
                    pin!(async {
                        // The second request is sent once the first one has arrived.
                        while server.received().is_empty() {
                            tokio::task::yield_now().await;
                        }
                        read(http_client, &url).await
                    }),
                );
                assert!(matches!(select(slow, fast).await, Either::Right(_)), "the second request is answered");
            };
            work.instrument(inference.span().clone()).await;
            inference.usage(Usage { input_tokens: 7, ..Usage::default() });
        });
        let unanswered = Some("closed without an answer or an error".to_owned());
        check(&recording, &[(Cancelled, unanswered), (Completed, None)]);
        assert_eq!(recording.bundle.event("inference_completed")["usage"]["input_tokens"], 7);
    }
}

#[test]
fn hedged_request_whose_first_is_answered_belongs_to_that() {
    let (recording, _) = record_call(async |server, inference| {
        let url = server.url("/race");
        let work = async {
            let first = read(HttpClient::Tower, &url);
            let second = async {
                while server.received().is_empty() {
                    tokio::task::yield_now().await;
                }
                // Refused while the first is in flight.
                read(HttpClient::Tower, &server.url("/down")).await;
                server.finish_race();
            };
            join(first, second).await;
        };
        work.instrument(inference.span().clone()).await;
        inference.usage(Usage { input_tokens: 7, ..Usage::default() });
    });
    check(&recording, &[(Completed, None), (Failed, refusal(503))]);
    assert_eq!(recording.bundle.event("inference_completed")["usage"]["input_tokens"], 7);
}

/// Records two exchanges through one value.
fn exchange_twice(inference: &Inference) {
    let exchange = Exchange::for_span(inference.span()).unwrap();
    exchange.request(REQUEST);
    exchange.status(429);
    exchange.reply(Reply::Refusal, ERROR.as_bytes());
    exchange.request(REQUEST);
    exchange.status(200);
    exchange.reply(Reply::Whole, JSON.as_bytes());
}

#[test]
fn requests_of_one_exchange_are_attempts() {
    let (recording, _) = record_call(async |_, inference| exchange_twice(&inference));
    check(&recording, &[(Failed, refusal(429)), (Completed, None)]);
    assert_eq!(recording.payload_bytes(&recording.bundle.event("inference_failed")["wire_payload"]), ERROR.as_bytes());
}

#[test]
fn exchange_after_the_end_of_the_call_is_an_attempt() {
    let (recording, _) = record_call(async |_, inference| {
        exchange_twice(&inference);
        inference.complete();
        let exchange = Exchange::for_span(inference.span()).unwrap();
        exchange.request(REQUEST);
        exchange.reply(Reply::Whole, JSON.as_bytes());
    });
    check(&recording, &[(Failed, refusal(429)), (Completed, None), (Completed, None)]);
}

#[test]
fn refusal_without_a_status_fails_the_call() {
    let (recording, _) = record_call(async |_, inference| {
        let exchange = Exchange::for_span(inference.span()).unwrap();
        exchange.request(REQUEST);
        exchange.reply(Reply::Refusal, ERROR.as_bytes());
    });
    check(&recording, &[(Failed, Some("the provider refused the request".to_owned()))]);
}

#[test]
fn attempt_in_flight_ends_with_the_recording() {
    let (root, recorder, guard) = recorder();
    run_recorded(&recorder, async {
        let server = Server::start().await;
        let inference = AgentThread::start(ThreadMeta::new()).turn(None).inference(MODEL);
        read(HttpClient::Tower, &server.url("/error")).instrument(inference.span().clone()).await;
        let exchange = Exchange::for_span(inference.span()).unwrap();
        exchange.request(REQUEST);
        drop(guard);
        drop(exchange);
    });
    let shut_down = Some("recording was shut down before it ended".to_owned());
    check(&Recording::in_directory(root.path()), &[(Failed, refusal(429)), (Cancelled, shut_down)]);
}

#[test]
fn stream_without_its_last_event_cancels_the_call() {
    let early = Some("the stream ended early".to_owned());
    for http_client in HttpClient::ALL {
        for path in ["/chat/early", "/chat/broken"] {
            let (recording, _) = record_call(async |server, inference| {
                let url = server.url(path);
                let work = async {
                    let mut response = post(http_client, RecordExchange::new(), &url, REQUEST).await.unwrap();
                    while let Some(Ok(_)) = response.next().await {}
                };
                work.instrument(inference.span().clone()).await;
            });
            check(&recording, &[(Cancelled, early.clone())]);
            assert_eq!(recording.response_texts(), ["It is caf\u{e9}."]);
        }
    }
    let recording = record_span(async |server, chat| {
        read(HttpClient::Tower, &server.url("/chat/early")).await;
        // Recorded from the first event. It does not tell that the last one came.
        chat.record("gen_ai.response.id", "c1");
        read(HttpClient::Tower, &server.url("/chat")).await;
    });
    check(&recording, &[(Cancelled, early), (Completed, None)]);
}

#[test]
fn end_by_the_program_wins_over_a_stream_that_ended_early() {
    let check_end = |expected, end: fn(&Inference)| {
        let (recording, _) = record_call(async |_, inference| {
            inference.request(Json(&json!({ "messages": [] })));
            inference.response(otel_trace::Exact(&CHAT[..2].concat()));
            end(&inference);
        });
        check(&recording, &[expected]);
    };
    check_end((Cancelled, Some("the stream ended early".to_owned())), |_| {});
    check_end((Completed, None), |inference| inference.complete());
    check_end((Failed, Some("no".to_owned())), |inference| inference.fail("no"));
    let answer = json!({ "choices": [{ "index": 0, "message": { "role": "assistant", "content": "It is." } }] });
    let (recording, _) = record_call(async |_, inference| {
        inference.request(Json(&json!({ "messages": [] })));
        inference.response(otel_trace::Exact(&CHAT[..2].concat()));
        // What the program has put together counts.
        inference.response(Json(&answer));
    });
    check(&recording, &[(Completed, None)]);
}

/// Streams in which a provider reports an error, each with the error: in place of a response, amid one, and as its end.
pub(crate) const FAILED_STREAMS: [(&str, &str); 4] = [
    ("data: {\"error\":{\"message\":\"overloaded\",\"code\":502}}\n\n", "overloaded"),
    (
        "data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"It is\"}}]}\n\n\
         data: {\"error\":{\"message\":\"overloaded\"}}\n\n",
        "overloaded",
    ),
    (
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m1\",\"type\":\"message\",\"role\":\"assistant\",\
         \"content\":[]}}\n\nevent: error\n\
         data: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n",
        "Overloaded",
    ),
    (
        "event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"id\":\"r1\",\"object\":\"response\",\
         \"status\":\"failed\",\"output\":[],\"error\":{\"code\":\"server_error\",\"message\":\"a fault\"}}}\n\n",
        "a fault",
    ),
];

#[test]
fn stream_with_an_error_of_the_provider_fails_the_call() {
    for (stream, error) in FAILED_STREAMS {
        for reply in [Reply::Whole, Reply::Cut] {
            let record = |end: fn(&Inference)| {
                let (recording, _) = record_call(async |_, inference| {
                    let exchange = Exchange::for_span(inference.span()).unwrap();
                    exchange.request(REQUEST);
                    exchange.reply(reply, stream.as_bytes());
                    end(&inference);
                });
                let call = recording.graph.inference_calls.iter().next().unwrap();
                (call.execution.status, call.error.clone().unwrap_or_default())
            };
            let (status, told) = record(|_| {});
            assert!(status == Failed && told.contains(error), "{stream}: {status:?}, {told}");
            assert_eq!(record(|inference| inference.complete()).0, Completed, "an end by the program wins");
            assert_eq!(record(|inference| inference.fail("no")), (Failed, "no".to_owned()));
        }
    }
}

#[test]
fn attempt_after_a_stream_with_an_error_is_a_call() {
    let recording = record_span(async |server, chat| {
        let exchange = Exchange::for_span(&chat).unwrap();
        exchange.request(REQUEST);
        exchange.reply(Reply::Whole, FAILED_STREAMS[0].0.as_bytes());
        drop(exchange);
        read(HttpClient::Tower, &server.url("/chat")).await;
    });
    let statuses = recording.graph.inference_calls.iter().map(|call| call.execution.status);
    assert_eq!(statuses.collect::<Vec<_>>(), [Failed, Completed]);
}
