//! Recording of a stream whose process is killed.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use otel_trace::client::RecordExchange;
use otel_trace::event::ExecutionStatus;
use otel_trace::{AgentThread, Operation, Recorder, ThreadMeta};
use tracing::Instrument;

use super::common::{child, role};
use super::http_client::{HttpClient, post};
use super::server::{SSE, Server};
use super::{MODEL, REQUEST, Recording, run_recorded};

/// Reads two chunks of a response, prints a marker, and waits for a third chunk, which the server never sends.
fn read_until_killed(path: &str) {
    let (recorder, _guard) = Recorder::from_env().unwrap().unwrap();
    run_recorded(&recorder, async {
        let server = Server::start().await;
        let thread = AgentThread::start(ThreadMeta::new());
        let inference = thread.turn(None).inference(MODEL);
        let work = async {
            let middleware = RecordExchange::new().chunks();
            let mut response = post(HttpClient::Reqwest, middleware, &server.url(path), REQUEST).await.unwrap();
            response.next().await.unwrap().unwrap();
            server.release_chunk();
            response.next().await.unwrap().unwrap();
            // The test harness left an unfinished line on stdout.
            let mut out = std::io::stdout();
            writeln!(out, "\ntwo chunks were read").unwrap();
            response.next().await.unwrap().unwrap();
        };
        work.instrument(inference.span().clone()).await;
    });
}

/// Records a process that reads a response until it is killed. `test` is the name of the test that reads it.
fn recording_of_killed(test: &str) -> Recording {
    let root = tempfile::tempdir().unwrap();
    let mut command = child(test, "reader");
    let mut run = command.env("OTEL_TRACE_ROOT", root.path()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(run.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line == "two chunks were read"));
    run.kill().unwrap();
    run.wait().unwrap();
    Recording::in_directory(root.path())
}

#[test]
fn received_chunks_survive_a_kill() {
    if role().is_some() {
        return read_until_killed("/paced");
    }
    let recording = recording_of_killed("killed::received_chunks_survive_a_kill");
    let call = recording.graph.inference_calls.iter().next().unwrap();
    assert_eq!(call.execution.status, ExecutionStatus::Running);
    let chunks: Vec<_> =
        recording.bundle.events("other").iter().map(|chunk| recording.payload_bytes(&chunk["payloads"][0])).collect();
    assert_eq!(chunks, [SSE[0].as_bytes(), SSE[1].as_bytes()]);
    // The stream is of no known API.
    assert_eq!(recording.codes(), ["response_unknown"]);
}

#[test]
fn items_of_received_chunks_survive_a_kill() {
    if role().is_some() {
        return read_until_killed("/chat/paced");
    }
    let recording = recording_of_killed("killed::items_of_received_chunks_survive_a_kill");
    let call = recording.graph.inference_calls.iter().next().unwrap();
    assert_eq!(call.execution.status, ExecutionStatus::Running);
    // The second chunk ends inside of an event.
    assert_eq!(recording.response_texts(), ["It is "]);
    assert_eq!(recording.codes(), ["partial_stream"]);
}
