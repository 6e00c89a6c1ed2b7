//! A run that is killed in the middle of a stream.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use otel_trace::client::RecordExchange;
use otel_trace::event::ExecutionStatus;
use otel_trace::{AgentThread, Operation, Recorder, ThreadMeta};
use tracing::Instrument;

use super::common::{child, role};
use super::server::{SSE, Server};
use super::via::{Via, post};
use super::{Left, MODEL, REQUEST, under};

/// Reads two pieces, says so, and waits for a third that never comes.
fn read_on_and_on() {
    let (recorder, _guard) = Recorder::from_env().unwrap().unwrap();
    under(&recorder, async {
        let server = Server::start().await;
        let thread = AgentThread::start(ThreadMeta::new());
        let inference = thread.turn(None).inference(MODEL);
        let work = async {
            let middleware = RecordExchange::new().chunks();
            let mut reply = post(Via::Reqwest, middleware, &server.url("/paced"), REQUEST).await.unwrap();
            reply.next().await.unwrap().unwrap();
            server.go_on();
            reply.next().await.unwrap().unwrap();
            // The harness has begun a line of its own.
            let mut out = std::io::stdout();
            writeln!(out, "\ntwo pieces are here").unwrap();
            reply.next().await.unwrap().unwrap();
        };
        work.instrument(inference.span().clone()).await;
    });
}

#[test]
fn a_run_that_is_killed_in_the_middle_of_a_stream_has_what_had_arrived() {
    if role().is_some() {
        return read_on_and_on();
    }
    let root = tempfile::tempdir().unwrap();
    let mut command = child("killed::a_run_that_is_killed_in_the_middle_of_a_stream_has_what_had_arrived", "reader");
    let mut run = command.env("OTEL_TRACE_ROOT", root.path()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(run.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line == "two pieces are here"));
    run.kill().unwrap();
    run.wait().unwrap();

    let left = Left::in_directory(root.path());
    let call = left.graph.inference_calls.iter().next().unwrap();
    assert_eq!(call.execution.status, ExecutionStatus::Running);
    let pieces: Vec<_> = left.bundle.all("other").iter().map(|piece| left.bytes(&piece["payloads"][0])).collect();
    assert_eq!(pieces, [SSE[0].as_bytes(), SSE[1].as_bytes()]);
    assert!(left.codes().is_empty(), "{:?}", left.graph.diagnostics);
}
