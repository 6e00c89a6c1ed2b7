//! Several HTTP exchanges of one compaction request: attempts, each a request of its own of the same compaction.

use otel_trace::client::RecordExchange;
use otel_trace::event::ExecutionStatus::{self, Completed, Failed};
use otel_trace::{AgentThread, Compaction, Exact, Exchange, Json, Operation, Reply, ThreadMeta};
use serde_json::json;
use tracing::Instrument;

use crate::attempts::FAILED_STREAMS;
use crate::common::recorder;
use crate::http_client::{HttpClient, post};
use crate::server::{CHAT, ERROR, JSON, Server};
use crate::{MODEL, REQUEST, Recording, read, run_recorded};

const EARLY: &str = "the stream ended early";

/// Records a program that makes a compaction request.
fn record(program: impl AsyncFnOnce(&Server, Compaction)) -> Recording {
    let (root, recorder, guard) = recorder();
    run_recorded(&recorder, async {
        let server = Server::start().await;
        let thread = AgentThread::start(ThreadMeta::new());
        program(&server, thread.turn(None).compaction(MODEL)).await;
    });
    drop(guard);
    assert_eq!(recorder.stats().lost(), 0, "{:?}", recorder.stats());
    Recording::in_directory(root.path())
}

/// Asserts that the graph has these requests of one compaction, in the order of their starts, in a log that a strict
/// reduction takes.
#[track_caller]
fn check(recording: &Recording, expected: &[(ExecutionStatus, Option<&str>)]) {
    let requests = recording.graph.compaction_requests.iter();
    let requests: Vec<_> = requests.map(|request| (request.execution.status, request.error.as_deref())).collect();
    assert_eq!(requests, expected, "{:#?}", recording.bundle.event_names());
    let compactions: Vec<_> =
        recording.graph.compaction_requests.iter().map(|request| &request.compaction_id).collect();
    assert!(compactions.windows(2).all(|pair| pair[0] == pair[1]), "{compactions:?}");
    let stopping = recording.graph.diagnostics.iter().filter(|diagnostic| diagnostic.code.stops_strict());
    assert_eq!(stopping.count(), 0, "{:?}", recording.graph.diagnostics);
}

#[test]
fn retries_are_requests_of_their_own() {
    for http_client in HttpClient::ALL {
        let recording = record(async |server, compaction| {
            let work = async {
                for _ in 0..3 {
                    read(http_client, &server.url("/flaky")).await;
                }
            };
            work.instrument(compaction.span().clone()).await;
            compaction.complete();
        });
        let expected = [
            (Failed, Some("the provider answered with HTTP status 429")),
            (Failed, Some("the provider answered with HTTP status 503")),
            (Completed, None),
        ];
        check(&recording, &expected);
        let started = recording.bundle.events("compaction_request_started");
        assert!(started.iter().all(|started| recording.payload_bytes(&started["request_payload"]) == REQUEST));
        let failed = recording.bundle.events("compaction_request_failed");
        let error_types: Vec<_> = failed.iter().map(|failed| &failed["error_type"]).collect();
        assert_eq!(error_types, ["429", "503"]);
        let completed = recording.bundle.event("compaction_request_completed");
        assert_eq!(recording.payload_bytes(&completed["response_payload"]), JSON.as_bytes());
        // Each refusal belongs to its own request.
        let refusals = recording.bundle.events("other");
        let of_refusals: Vec<_> =
            refusals.iter().map(|refusal| &refusal["metadata"]["compaction_request_id"]).collect();
        let of_failed: Vec<_> = failed.iter().map(|failed| &failed["compaction_request_id"]).collect();
        assert_eq!(of_refusals, of_failed);
    }
}

#[test]
fn end_by_the_program_is_that_of_the_last_attempt() {
    let recording = record(async |server, compaction| {
        let work = async {
            read(HttpClient::Tower, &server.url("/down")).await;
            read(HttpClient::Tower, &server.url("/down")).await;
        };
        work.instrument(compaction.span().clone()).await;
        compaction.fail("gave up");
    });
    check(&recording, &[(Failed, Some("the provider answered with HTTP status 503")), (Failed, Some("gave up"))]);
}

#[test]
fn what_a_handle_records_belongs_to_the_attempt_that_was_answered() {
    let recording = record(async |_, compaction| {
        let (first, second) =
            (Exchange::for_span(compaction.span()).unwrap(), Exchange::for_span(compaction.span()).unwrap());
        first.request(REQUEST);
        second.request(REQUEST);
        first.reply(Reply::Whole, &CHAT.concat());
        drop(second);
        compaction.response(Json(&json!({ "output_items": [] })));
        compaction.complete();
    });
    check(&recording, &[(Completed, None), (Failed, Some("closed without an answer or an error"))]);
    let completed = recording.bundle.event("compaction_request_completed");
    assert_eq!(recording.bundle.payload_json(&completed["response_payload"]), json!({ "output_items": [] }));
}

#[test]
fn fields_of_an_attempt_do_not_count_for_the_next() {
    let (root, recorder, guard) = recorder();
    run_recorded(&recorder, async {
        let turn = AgentThread::start(ThreadMeta::new()).turn(None);
        let span = tracing::info_span!(parent: turn.span(), "compaction", otel_trace.kind = "compaction",
            gen_ai.request.model = "m", gen_ai.provider.name = "openai", error.type = tracing::field::Empty);
        let _entered = span.enter();
        let exchange = Exchange::current().unwrap();
        exchange.request(REQUEST);
        exchange.reply(Reply::Refusal, ERROR.as_bytes());
        span.record("error.type", "overloaded");
        exchange.request(REQUEST);
        exchange.reply(Reply::Whole, JSON.as_bytes());
    });
    drop(guard);
    check(&Recording::in_directory(root.path()), &[(Failed, Some("overloaded")), (Completed, None)]);
}

#[test]
fn attempt_in_flight_ends_with_the_recording() {
    let (root, recorder, guard) = recorder();
    run_recorded(&recorder, async {
        let compaction = AgentThread::start(ThreadMeta::new()).turn(None).compaction(MODEL);
        let exchange = Exchange::for_span(compaction.span()).unwrap();
        exchange.request(REQUEST);
        exchange.status(429);
        exchange.reply(Reply::Refusal, ERROR.as_bytes());
        exchange.request(REQUEST);
        drop(guard);
        drop(exchange);
    });
    let expected = [
        (Failed, Some("the provider answered with HTTP status 429")),
        (Failed, Some("recording was shut down before it ended")),
    ];
    check(&Recording::in_directory(root.path()), &expected);
}

#[test]
fn stream_without_its_last_event_is_no_answer() {
    for http_client in HttpClient::ALL {
        for path in ["/chat/early", "/chat/broken"] {
            let recording = record(async |server, compaction| {
                let work = async {
                    let url = server.url(path);
                    let mut response = post(http_client, RecordExchange::new(), &url, REQUEST).await.unwrap();
                    while let Some(Ok(_)) = response.next().await {}
                };
                work.instrument(compaction.span().clone()).await;
            });
            check(&recording, &[(Failed, Some(EARLY))]);
        }
        let recording = record(async |server, compaction| {
            read(http_client, &server.url("/chat")).instrument(compaction.span().clone()).await;
        });
        check(&recording, &[(Completed, None)]);
    }
}

#[test]
fn end_by_the_program_wins_over_a_stream_that_ended_early() {
    let check_end = |expected, end: fn(&Compaction)| {
        let recording = record(async |_, compaction| {
            compaction.request(Json(&json!({ "input": [] })));
            compaction.response(Exact(&CHAT[..2].concat()));
            end(&compaction);
        });
        check(&recording, &[expected]);
    };
    check_end((Failed, Some(EARLY)), |_| {});
    check_end((Completed, None), |compaction| compaction.complete());
    check_end((Failed, Some("no")), |compaction| compaction.fail("no"));
    // What the program has put together counts.
    check_end((Completed, None), |compaction| compaction.response(Json(&json!({ "output_items": [] }))));
}

#[test]
fn stream_with_an_error_of_the_provider_fails_the_request() {
    for (stream, error) in FAILED_STREAMS {
        for reply in [Reply::Whole, Reply::Cut] {
            let recording = record(async |_, compaction| {
                let exchange = Exchange::for_span(compaction.span()).unwrap();
                exchange.request(REQUEST);
                exchange.reply(reply, stream.as_bytes());
            });
            let told = recording.bundle.event("compaction_request_failed")["error"].as_str().unwrap();
            assert!(told.contains(error), "{stream}: {told}");
        }
    }
}

#[test]
fn exchange_of_a_plain_span_that_was_never_entered_is_found() {
    let (root, recorder, guard) = recorder();
    run_recorded(&recorder, async {
        let turn = AgentThread::start(ThreadMeta::new()).turn(None);
        let span = tracing::info_span!(parent: turn.span(), "compaction", otel_trace.kind = "compaction",
            gen_ai.request.model = "m", gen_ai.provider.name = "openai");
        let exchange = Exchange::for_span(&span).unwrap();
        exchange.request(REQUEST);
        exchange.reply(Reply::Whole, JSON.as_bytes());
    });
    drop(guard);
    check(&Recording::in_directory(root.path()), &[(Completed, None)]);
}
