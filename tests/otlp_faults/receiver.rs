//! An OTLP receiver over HTTP with scripted responses.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver as Channel, Sender};
use std::thread;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;

use crate::gate::Gate;

/// A received HTTP request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// The request line, then the headers with their names in lower case.
    pub(crate) head: Vec<String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// Returns the names of the spans. The body must not be compressed.
    pub(crate) fn spans(&self) -> Vec<String> {
        names(&self.body)
    }
}

/// Returns the names of the spans in an `ExportTraceServiceRequest`.
pub(crate) fn names(message: &[u8]) -> Vec<String> {
    let message = ExportTraceServiceRequest::decode(message).unwrap();
    let scopes = message.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    scopes.flat_map(|scope| scope.spans).map(|span| span.name).collect()
}

/// The reaction to a request.
pub(crate) enum Response {
    /// Sends these bytes and closes the connection.
    Bytes(Vec<u8>),
    /// Waits until the gate opens, then accepts the request.
    Held(Arc<Gate>),
}

impl Response {
    pub(crate) fn accepted() -> Self {
        Self::status("200 OK", "")
    }

    /// Creates a response with an empty body. `headers` are complete header lines.
    pub(crate) fn status(status: &str, headers: &str) -> Self {
        Self::with_body(status, headers, b"")
    }

    pub(crate) fn with_body(status: &str, headers: &str, body: &[u8]) -> Self {
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n");
        Self::Bytes([head.as_bytes(), body].concat())
    }
}

type Script = Arc<dyn Fn(usize, &Request) -> Response + Send + Sync>;

/// A receiver on a loopback address, with one thread per connection.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    received: Channel<Request>,
}

impl Receiver {
    /// Starts a receiver. `script` gets the number of earlier requests and the request.
    pub(crate) fn start(script: impl Fn(usize, &Request) -> Response + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, received) = mpsc::channel();
        let script: Script = Arc::new(script);
        let count = Arc::new(AtomicUsize::new(0));
        thread::spawn(move || {
            for connection in listener.incoming() {
                let (script, sender, count) = (Arc::clone(&script), sender.clone(), Arc::clone(&count));
                thread::spawn(move || serve(&connection.unwrap(), &*script, &sender, &count));
            }
        });
        Self { address, received }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits for the next request and returns it.
    pub(crate) fn next(&self) -> Request {
        self.received.recv().unwrap()
    }

    /// Returns the requests that arrived and were not returned yet.
    pub(crate) fn rest(&self) -> Vec<Request> {
        self.received.try_iter().collect()
    }
}

fn serve(
    connection: &TcpStream,
    script: &dyn Fn(usize, &Request) -> Response,
    received: &Sender<Request>,
    count: &AtomicUsize,
) {
    let Some(request) = read(&mut BufReader::new(connection)) else { return };
    let number = count.fetch_add(1, Ordering::Relaxed);
    let response = script(number, &request);
    // A test that has ended does not receive any more.
    let _ = received.send(request);
    let bytes = match response {
        Response::Bytes(bytes) => bytes,
        Response::Held(gate) => {
            gate.wait();
            let Response::Bytes(bytes) = Response::accepted() else { unreachable!() };
            bytes
        }
    };
    let mut connection = connection;
    let _ = connection.write_all(&bytes);
}

fn read(connection: &mut impl BufRead) -> Option<Request> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if connection.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        head.push(match line.split_once(": ") {
            Some((name, value)) => format!("{}: {value}", name.to_ascii_lowercase()),
            None => line.to_owned(),
        });
    }
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    connection.read_exact(&mut body).ok()?;
    Some(Request { head, body })
}
