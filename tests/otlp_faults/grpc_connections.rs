//! gRPC connections that break at the level of HTTP/2.

use std::io::{Read, Result, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use otel_trace::otlp::Protocol;

use crate::grpc_receiver::GrpcReceiver;
use crate::program::{build, by_reason, emit_spans, names, patient_builder};

const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
/// A HEADERS frame with `:status 200` that does not end the stream.
const HEADERS: &[u8] = b"\0\0\x01\x01\x04\0\0\0\x01\x88";
/// An empty DATA frame that ends the stream without a gRPC status.
const EMPTY: &[u8] = b"\0\0\0\0\x01\0\0\0\x01";
/// A RST_STREAM frame with INTERNAL_ERROR.
const RESET: &[u8] = b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x02";
/// A GOAWAY frame with INTERNAL_ERROR; no stream was processed.
const GOAWAY: &[u8] = b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x02";
/// A GOAWAY frame with NO_ERROR; no stream was processed.
const GOAWAY_GRACEFULLY: &[u8] = b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// Starts a proxy before a receiver: the first connection gets `answer` in reply to its first message and is closed;
/// later connections are forwarded.
fn faulty_proxy(receiver: SocketAddr, answer: &'static [&'static [u8]]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let mut first = listener.accept().unwrap().0;
        reply_and_close(&mut first, answer).unwrap();
        drop(first);
        for connection in listener.incoming() {
            forward(connection.unwrap(), receiver);
        }
    });
    address
}

fn reply_and_close(connection: &mut TcpStream, answer: &[&[u8]]) -> Result<()> {
    connection.read_exact(&mut [0; b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len()])?;
    connection.write_all(SETTINGS)?;
    loop {
        let mut head = [0; 9];
        connection.read_exact(&mut head)?;
        let [a, b, c, kind, flags, ..] = head;
        let length = u32::from_be_bytes([0, a, b, c]);
        connection.read_exact(&mut vec![0; length.try_into().unwrap()])?;
        // A DATA frame with END_STREAM ends the message.
        if kind == 0 && flags & 1 == 1 {
            return connection.write_all(&answer.concat());
        }
    }
}

fn forward(client: TcpStream, receiver: SocketAddr) {
    let server = TcpStream::connect(receiver).unwrap();
    for (from, to) in [(client.try_clone(), server.try_clone()), (Ok(server), Ok(client))] {
        let (mut from, mut to) = (from.unwrap(), to.unwrap());
        thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
        });
    }
}

#[track_caller]
fn assert_all_arrive_after(answer: &'static [&'static [u8]]) {
    let receiver = GrpcReceiver::start(|_| Ok(ExportTraceServiceResponse::default()));
    let endpoint = format!("http://{}", faulty_proxy(receiver.address(), answer));
    let (otlp, guard, drops) = build(patient_builder().endpoint(endpoint).protocol(Protocol::Grpc));
    emit_spans(&otlp, 0..3);
    let _ = otlp.flush();
    emit_spans(&otlp, 3..5);
    drop(guard);
    assert_eq!(by_reason(&drops), []);
    let received: Vec<_> = receiver.stop().into_iter().map(|message| message.spans).collect();
    assert_eq!(received, [names(0..3), names(3..5)]);
    assert_eq!((otlp.stats().exported, otlp.stats().dropped()), (5, 0));
}

#[test]
fn closed_connection_is_reopened() {
    assert_all_arrive_after(&[]);
    assert_all_arrive_after(&[HEADERS]);
}

#[test]
fn reset_message_is_sent_again() {
    assert_all_arrive_after(&[RESET]);
    assert_all_arrive_after(&[HEADERS, RESET]);
    assert_all_arrive_after(&[HEADERS, EMPTY]);
}

#[test]
fn receiver_that_sends_goaway_is_reconnected() {
    assert_all_arrive_after(&[GOAWAY]);
    assert_all_arrive_after(&[HEADERS, GOAWAY]);
    assert_all_arrive_after(&[GOAWAY_GRACEFULLY]);
}
