//! When a message is sent again.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use opentelemetry_sdk::Resource;

use super::*;
use crate::otlp::pipeline::connection::{Connection, Said};
use crate::otlp::pipeline::signal::Signal;
use crate::otlp::pipeline::variables::Variables;

/// Never waits, and keeps until when it should have.
struct Impatient {
    asked: RefCell<Vec<Instant>>,
    /// How often it is tried again.
    times: usize,
    is_closing: bool,
}

impl Pace for Impatient {
    fn wait_until(&self, moment: Instant) -> bool {
        let mut asked = self.asked.borrow_mut();
        asked.push(moment);
        asked.len() <= self.times
    }

    fn is_closing(&self) -> bool {
        self.is_closing
    }
}

/// A delivery to a receiver that gives all messages this answer.
fn delivery(answer: &'static str, patience: Duration) -> Delivery {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let _ = connection.read(&mut [0; 4096]);
            let _ = connection.write_all(answer.as_bytes());
        }
    });
    let said = Said { endpoint: Some(endpoint), ..Said::default() };
    let connection = Connection::resolve(Signal::Traces, &said, &Variables::default()).unwrap();
    Delivery::new(
        SpanSender::new(&connection, &Resource::builder_empty().build()).unwrap(),
        connection.shown_url(),
        patience,
    )
}

/// The moments, from the start of a delivery that is tried again so often, when that should be.
fn moments(answer: &'static str, patience: u64, times: usize, is_closing: bool) -> Vec<Duration> {
    let pace = Impatient { asked: RefCell::default(), times, is_closing };
    let delivery = delivery(answer, Duration::from_secs(patience));
    let start = Instant::now();
    let delivered = delivery.deliver(Vec::new(), &pace);
    assert_eq!((delivered.exported, delivered.dropped.len()), (0, 1));
    pace.asked.into_inner().iter().map(|moment| *moment - start).collect()
}

const BUSY: &str = "HTTP/1.1 503 Busy\r\nretry-after: 77\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const GONE: &str = "HTTP/1.1 200";

#[test]
fn a_receiver_that_asks_for_time_gets_it() {
    for is_closing in [false, true] {
        let moments = moments(BUSY, 30, 2, is_closing);
        assert_eq!(moments.len(), 3);
        assert!(moments.iter().all(|moment| *moment >= Duration::from_secs(77)), "{moments:?}");
    }
}

#[test]
fn a_receiver_that_always_asks_for_time_gets_so_much_of_it() {
    // Longer each than a pause, so that none of it is patience.
    assert_eq!(moments(BUSY, 30, 20, false).len(), 7);
}

#[test]
fn pauses_double_up_to_a_limit() {
    let moments = moments(GONE, 100, 7, false);
    let least = [250, 500, 1000, 2000, 4000, 5000, 5000, 5000].map(Duration::from_millis);
    assert_eq!(moments.len(), least.len());
    assert!(moments.iter().zip(least).all(|(moment, least)| *moment >= least), "{moments:?}");
}

#[test]
fn it_is_tried_again_only_while_that_makes_sense() {
    assert_eq!(moments(GONE, 0, 7, false).len(), 0);
    // Once more at the end, as the connection may have been an old one.
    assert_eq!(moments(GONE, 100, 7, true).len(), 1);
}
