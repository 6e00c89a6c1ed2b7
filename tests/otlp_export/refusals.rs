//! Receivers that are unreachable or busy, or that refuse spans.

use std::fmt::Write;
use std::net::TcpListener;
use std::process::Output;

use crate::log::{Live, Log, RECORDING};
use crate::scripted::{ACCEPTED, Receiver, Response};
use crate::{case, otel_trace, stderr, stdout};

fn export(bundle: &str, receiver: &Receiver) -> Output {
    otel_trace(&["export", bundle, "--endpoint", &receiver.url])
}

fn chat() -> String {
    case("chat").to_str().unwrap().to_owned()
}

/// Creates a bundle with more spans than fit into one message.
fn long_run() -> Log {
    let mut log = Log::new();
    log.thread(Live::No);
    log.turn(Live::No);
    let mut lines = std::fs::read_to_string(log.path.join("trace.jsonl")).unwrap();
    for n in 0..1200 {
        let (seq, at) = (n + 4, crate::log::STARTED_AT_MS + 4 + n);
        let event = format!(
            r#"{{"type":"tool_call_started","tool_call_id":"C{n}","requester":{{"type":"model"}},"kind":{{"type":"web"}},"summary":{{"type":"generic","label":"web"}}}}"#
        );
        writeln!(
            lines,
            r#"{{"schema_version":1,"seq":{seq},"wall_time_unix_ms":{at},"rollout_id":"R","thread_id":"T","codex_turn_id":"U","payload":{event}}}"#
        )
        .unwrap();
    }
    std::fs::write(log.path.join("trace.jsonl"), lines).unwrap();
    log
}

#[test]
fn busy_receiver_is_retried() {
    for busy in ["503 Service Unavailable\r\nretry-after: 0", "429 Too Many Requests\r\nretry-after: 0"] {
        let respond = move |n, _: &_| if n < 2 { (busy, Vec::new()) } else { ACCEPTED };
        let receiver = Receiver::new(respond);
        let output = export(&chat(), &receiver);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let received = receiver.received();
        assert_eq!(received.len(), 3);
        assert!(received.iter().all(|message| message.body == received[0].body));
        assert_eq!(received[0].head[0], "post /v1/traces http/1.1");
    }
}

#[test]
fn busy_receiver_is_given_up_after_six_attempts() {
    let receiver = Receiver::new(|_, _| ("503 Service Unavailable\r\nretry-after: 0", Vec::new()));
    let output = export(&chat(), &receiver);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(receiver.received().len(), 6);
    let expected = format!(
        "error: {}: {}/v1/traces: the receiver answered with HTTP status 503 Service Unavailable; \
         0 of 9 spans were sent; try again when the receiver is less busy; it is safe to run again: spans keep their ids\n",
        chat(),
        receiver.url
    );
    assert_eq!(stderr(&output), expected);
    assert_eq!(stdout(&output), "");
}

#[test]
fn refusing_receiver_is_not_retried() {
    let receiver = Receiver::new(|_, _| ("401 Unauthorized", b"who are you?".to_vec()));
    let output = export(&chat(), &receiver);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(receiver.received().len(), 1);
    let expected = format!(
        "error: {}: {}/v1/traces: the receiver answered with HTTP status 401 Unauthorized; 0 of 9 spans were sent; \
         check endpoint, protocol and headers, and the receiver's log; it is safe to run again: spans keep their ids\n",
        chat(),
        receiver.url
    );
    assert_eq!(stderr(&output), expected);
}

#[test]
fn unreachable_receiver_is_reported_with_advice() {
    // Binding and closing a port yields an address where nothing listens.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for protocol in ["http/protobuf", "grpc"] {
        let output = otel_trace(&["export", &chat(), "--endpoint", &url, "--protocol", protocol]);
        assert_eq!(output.status.code(), Some(1), "{protocol}");
        let stderr = stderr(&output);
        assert!(stderr.contains("no response: ") && stderr.contains("Connection refused"), "{stderr}");
        let advice = format!(
            "check that an OTLP receiver for {protocol} listens there; it is safe to run again: spans keep their ids\n"
        );
        assert!(stderr.ends_with(&advice) && !stderr.contains("io: "), "{stderr}");
    }
}

#[test]
fn long_run_is_sent_in_bounded_messages() {
    let log = long_run();
    let receiver = Receiver::new(|_, _| ACCEPTED);
    let output = export(log.arg(), &receiver);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stderr(&output), format!("{}: 1202 spans sent to {}/v1/traces\n", log.arg(), receiver.url));
    assert_eq!(stdout(&output), format!("{}\n", RECORDING.replace('-', "")));
    let counts: Vec<_> = receiver.received().iter().map(|message| spans_in(&message.body)).collect();
    assert_eq!(counts, [512, 512, 178]);
}

#[test]
fn too_large_message_is_sent_in_halves() {
    let log = long_run();
    let respond = |_, message: &crate::scripted::Received| -> Response {
        if message.body.len() > 60_000 { ("413 Content Too Large", Vec::new()) } else { ACCEPTED }
    };
    let receiver = Receiver::new(respond);
    let output = export(log.arg(), &receiver);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let taken = receiver.received().into_iter().filter(|message| message.body.len() <= 60_000);
    assert_eq!(taken.map(|message| spans_in(&message.body)).sum::<usize>(), 1202);
}

/// Maximum size of a message with one span of [`long_run`], in bytes.
const MAX_SPAN_BYTES: usize = 1000;

#[test]
fn too_large_span_is_reported_and_the_others_are_sent() {
    let log = long_run();
    let name = "x".repeat(2 * MAX_SPAN_BYTES);
    let lines = std::fs::read_to_string(log.path.join("trace.jsonl")).unwrap();
    let (before, after) = lines.split_once(r#""label":"web""#).unwrap();
    std::fs::write(log.path.join("trace.jsonl"), format!(r#"{before}"label":"{name}"{after}"#)).unwrap();
    let respond = |_, message: &crate::scripted::Received| -> Response {
        if message.body.windows(2 * MAX_SPAN_BYTES).any(|text| text.iter().all(|byte| *byte == b'x')) {
            ("413 Content Too Large", Vec::new())
        } else {
            ACCEPTED
        }
    };
    let receiver = Receiver::new(respond);
    let output = export(log.arg(), &receiver);
    assert_eq!(output.status.code(), Some(3));
    let stderr = stderr(&output);
    let [sent, large] = stderr.lines().collect::<Vec<_>>()[..] else { panic!("{stderr}") };
    assert_eq!(sent, format!("{}: 1201 spans sent to {}/v1/traces", log.arg(), receiver.url));
    let (which, why) = large.split_once("`: ").unwrap();
    assert!(which.starts_with(&format!("{}: span ", log.arg())) && which.contains(", `execute_tool xxx"), "{which}");
    let expected = "the receiver answered with HTTP status 413 Payload Too Large; it is larger than the receiver \
                    accepts: raise the receiver's limit, or export without --content";
    assert_eq!(why, expected);
    let taken = receiver.received().into_iter().filter(|message| respond(0, message) == ACCEPTED);
    assert_eq!(taken.map(|message| spans_in(&message.body)).sum::<usize>(), 1201);
}

#[test]
fn failure_midway_reports_the_number_of_sent_spans() {
    let log = long_run();
    let receiver = Receiver::new(|n, _| if n == 0 { ACCEPTED } else { ("400 Bad Request", Vec::new()) });
    let output = export(log.arg(), &receiver);
    assert_eq!(output.status.code(), Some(1));
    let stderr = stderr(&output);
    assert!(stderr.contains("HTTP status 400 Bad Request; 512 of 1202 spans were sent; "), "{stderr}");
}

#[test]
fn rejected_spans_are_counted_with_the_reason() {
    // ExportTraceServiceResponse { partial_success: { rejected_spans: 2, error_message: "too old" } }
    let body = [&[0x0a, 0x0b, 0x08, 0x02, 0x12, 0x07][..], b"too old"].concat();
    let receiver = Receiver::new(move |_, _| ("200 OK", body.clone()));
    let output = export(&chat(), &receiver);
    assert_eq!(output.status.code(), Some(3));
    let (chat, url) = (chat(), &receiver.url);
    let expected =
        format!("{chat}: 7 spans sent to {url}/v1/traces\n{chat}: 2 spans rejected: the receiver reported: too old\n");
    assert_eq!(stderr(&output), expected);
}

#[test]
fn html_response_is_an_error() {
    let receiver = Receiver::new(|_, _| ("200 OK\r\ncontent-type: text/html", b"<html>".to_vec()));
    let output = export(&chat(), &receiver);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(receiver.received().len(), 1);
    let expected = format!(
        "error: {}: {}/v1/traces: the response is not OTLP; the URL may belong to another server, such as a proxy; \
         0 of 9 spans were sent; check endpoint, protocol and headers, and the receiver's log; \
         it is safe to run again: spans keep their ids\n",
        chat(),
        receiver.url
    );
    assert_eq!(stderr(&output), expected);
}

/// Counts the spans of an `ExportTraceServiceRequest`: each starts with its trace id, 16 bytes in field 1.
fn spans_in(message: &[u8]) -> usize {
    let trace: Vec<u8> =
        (0..32).step_by(2).map(|at| u8::from_str_radix(&hex_trace()[at..at + 2], 16).unwrap()).collect();
    let mut needle = vec![0x0a, 16];
    needle.extend(trace);
    message.windows(needle.len()).filter(|window| *window == needle).count()
}

fn hex_trace() -> String {
    RECORDING.replace('-', "")
}
