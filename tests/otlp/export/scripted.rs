//! An HTTP receiver that responds as a test specifies.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A received message.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    /// Request line and headers, in lower case.
    pub(crate) head: Vec<String>,
    pub(crate) body: Vec<u8>,
}

/// Status line with headers, and a body.
pub(crate) type Response = (&'static str, Vec<u8>);

pub(crate) const ACCEPTED: Response = ("200 OK", Vec::new());

/// A receiver on a thread that runs until the test process ends.
pub(crate) struct Receiver {
    pub(crate) url: String,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    /// Starts a receiver. `respond` gets each message and the number of earlier messages.
    pub(crate) fn new(respond: impl Fn(usize, &Received) -> Response + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let received = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&received);
        thread::spawn(move || {
            for stream in listener.incoming() {
                serve(&stream.unwrap(), &log, &respond);
            }
        });
        Self { url, received }
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

/// Serves one message per connection.
fn serve(mut stream: &TcpStream, received: &Mutex<Vec<Received>>, respond: &impl Fn(usize, &Received) -> Response) {
    let mut reader = BufReader::new(stream);
    let lines = reader.by_ref().lines().map(Result::unwrap).take_while(|line| !line.is_empty());
    let head: Vec<_> = lines.map(|line| line.to_lowercase()).collect();
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let message = Received { head, body };
    let mut received = received.lock().unwrap();
    let (status, body) = respond(received.len(), &message);
    received.push(message);
    drop(received);
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), &body].concat()).unwrap();
}
