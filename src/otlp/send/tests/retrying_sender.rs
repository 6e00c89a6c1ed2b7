//! Tests of retries.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use opentelemetry_sdk::Resource;

use super::*;
use crate::otlp::send::connection::{Connection, ExporterSettings};
use crate::otlp::send::variables::Signal;
use crate::otlp::send::variables::Variables;

/// A retry control that never blocks and records the moments until which it should have.
struct InstantRetry {
    moments: RefCell<Vec<Instant>>,
    /// Number of permitted retries.
    times: usize,
    retries_unreachable_once: bool,
}

impl RetryControl for InstantRetry {
    fn wait_until(&self, moment: Instant) -> bool {
        let mut moments = self.moments.borrow_mut();
        moments.push(moment);
        moments.len() <= self.times
    }

    fn retries_unreachable_once(&self) -> bool {
        self.retries_unreachable_once
    }
}

/// Creates a sender to a receiver that gives every request this response.
fn retrying_sender(response: &'static str, retry_timeout: Duration) -> RetryingSender {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let _ = connection.read(&mut [0; 4096]);
            let _ = connection.write_all(response.as_bytes());
        }
    });
    let settings = ExporterSettings { endpoint: Some(endpoint), ..ExporterSettings::default() };
    let connection = Connection::resolve(Signal::Traces, &settings, &Variables::default()).unwrap();
    RetryingSender::new(
        SpanSender::new(&connection, &Resource::builder_empty().build()).unwrap(),
        connection.redacted_url(),
        connection.protocol,
        retry_timeout,
    )
}

/// Exports a batch with the given number of permitted retries, and returns when each retry was scheduled, from the
/// start.
fn moments(response: &'static str, retry_timeout: u64, times: usize, retries_unreachable_once: bool) -> Vec<Duration> {
    let retry = InstantRetry { moments: RefCell::default(), times, retries_unreachable_once };
    let retrying_sender = retrying_sender(response, Duration::from_secs(retry_timeout));
    let start = Instant::now();
    let outcome = retrying_sender.export_batch(Vec::new(), &retry);
    assert_eq!((outcome.exported, outcome.dropped.len()), (0, 1));
    retry.moments.into_inner().iter().map(|moment| *moment - start).collect()
}

const BUSY: &str = "HTTP/1.1 503 Busy\r\nretry-after: 77\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const GONE: &str = "HTTP/1.1 200";

#[test]
fn retry_after_is_respected() {
    for retries_unreachable_once in [false, true] {
        let moments = moments(BUSY, 30, 2, retries_unreachable_once);
        assert_eq!(moments.len(), 3);
        assert!(moments.iter().all(|moment| *moment >= Duration::from_secs(77)), "{moments:?}");
    }
}

#[test]
fn retry_after_is_bounded_in_total() {
    // Each requested delay exceeds the backoff, so that none of it counts towards the retry timeout.
    assert_eq!(moments(BUSY, 30, 20, false).len(), 7);
}

#[test]
fn delays_double_up_to_a_limit() {
    let moments = moments(GONE, 100, 7, false);
    let least = [250, 500, 1000, 2000, 4000, 5000, 5000, 5000].map(Duration::from_millis);
    assert_eq!(moments.len(), least.len());
    assert!(moments.iter().zip(least).all(|(moment, least)| *moment >= least), "{moments:?}");
}

#[test]
fn unreachable_receivers_are_retried_within_the_timeout() {
    assert_eq!(moments(GONE, 0, 7, false).len(), 0);
    // One retry during shutdown, because the connection may have been a stale one.
    assert_eq!(moments(GONE, 100, 7, true).len(), 1);
}
