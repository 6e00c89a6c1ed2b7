//! Exports a finished bundle to a receiver that discards requests, and to a collector that parses them.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use otel_trace::bundle::Reader;
use otel_trace::graph::Graph;
use otel_trace::otlp::export::{ExportOptions, export};
use otel_trace::reduce::{Options, reduce};

use crate::Failure;
use crate::session::{Requests, Session};

const CALLS: usize = 10_000;
const SMOKE_CALLS: usize = 10;
const ROUNDS: usize = 5;

/// Measures reduction and export and returns the median times as a table.
pub(crate) fn table(scratch: &Path, collector: &str, is_bench: bool) -> Result<String, Failure> {
    let (calls, rounds) = if is_bench { (CALLS, ROUNDS) } else { (SMOKE_CALLS, 1) };
    let session = Session::create(scratch, Requests::Incremental, calls)?;
    let bundle = Reader::open(&session.path)?;
    let graph = reduce(&bundle, &Options::default())?.graph;
    let sink = sink()?;
    let mut shown =
        format!("| {calls} calls, {} MiB | median of {rounds} |\n| --- | --: |\n", session.bytes.div_ceil(1 << 20));
    let reduced = median(rounds, || {
        reduce(&bundle, &Options::default())?;
        Ok(())
    })?;
    writeln!(shown, "| reduce alone | {:.2} s |", reduced.as_secs_f64())?;
    for (receiver, url) in [("a receiver that only reads", sink.as_str()), ("a collector", collector)] {
        let took = median(rounds, || send(&bundle, &graph, url))?;
        writeln!(shown, "| export of the graph to {receiver} | {:.2} s |", took.as_secs_f64())?;
    }
    Ok(shown)
}

fn send(bundle: &Reader, graph: &Graph, url: &str) -> Result<(), Failure> {
    let exported = export(bundle, graph, &ExportOptions::new().endpoint(url), |_| {})?;
    assert!(exported.spans > graph.inference_calls.len() && exported.rejected == 0, "{exported:?}");
    Ok(())
}

fn median(rounds: usize, mut work: impl FnMut() -> Result<(), Failure>) -> Result<Duration, Failure> {
    let mut times = Vec::new();
    for _ in 0..rounds {
        let began = Instant::now();
        work()?;
        times.push(began.elapsed());
    }
    times.sort();
    Ok(times[times.len() / 2])
}

/// Starts a server that reads each request and responds with success. Returns its URL.
fn sink() -> Result<String, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            // An aborted connection is not an error.
            thread::spawn(move || drop(serve(connection)));
        }
    });
    Ok(url)
}

fn serve(connection: TcpStream) -> std::io::Result<()> {
    let mut requests = BufReader::new(connection.try_clone()?);
    let mut answers = connection;
    loop {
        let mut length = 0_u64;
        loop {
            let mut line = String::new();
            if requests.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let lower = line.trim().to_ascii_lowercase();
            if let Some(bytes) = lower.strip_prefix("content-length:") {
                length = bytes.trim().parse().unwrap_or(0);
            }
            if lower.is_empty() {
                break;
            }
        }
        std::io::copy(&mut requests.by_ref().take(length), &mut std::io::sink())?;
        answers.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n")?;
    }
}
