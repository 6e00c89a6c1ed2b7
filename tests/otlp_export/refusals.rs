//! Receivers that are not there, busy, or have reasons.

use std::fmt::Write;
use std::net::TcpListener;
use std::process::Output;

use crate::log::{Live, Log, RECORDING};
use crate::scripted::{Answer, Receiver, TAKEN};
use crate::{case, otel_trace, stderr, stdout};

fn export(bundle: &str, receiver: &Receiver) -> Output {
    otel_trace(&["export", bundle, "--endpoint", &receiver.url])
}

fn chat() -> String {
    case("chat").to_str().unwrap().to_owned()
}

/// A bundle of more spans than a message has.
fn long() -> Log {
    let mut log = Log::new();
    log.thread(Live::No);
    log.turn(Live::No);
    let mut lines = std::fs::read_to_string(log.path.join("trace.jsonl")).unwrap();
    for n in 0..1200 {
        let (seq, at) = (n + 4, crate::log::BEGAN + 4 + n);
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
fn a_receiver_that_asks_to_wait_is_waited_for() {
    for busy in ["503 Service Unavailable\r\nretry-after: 0", "429 Too Many Requests\r\nretry-after: 0"] {
        let answer = move |n, _: &_| if n < 2 { (busy, Vec::new()) } else { TAKEN };
        let receiver = Receiver::new(answer);
        let output = export(&chat(), &receiver);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let received = receiver.received();
        assert_eq!(received.len(), 3);
        assert!(received.iter().all(|message| message.body == received[0].body));
        assert_eq!(received[0].head[0], "post /v1/traces http/1.1");
    }
}

#[test]
fn a_receiver_that_stays_busy_is_given_up() {
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
fn a_receiver_that_refuses_is_asked_once() {
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
fn nobody_there_is_said_with_what_to_do() {
    // Bound, so that nobody else listens there, and closed.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for protocol in ["http/protobuf", "grpc"] {
        let output = otel_trace(&["export", &chat(), "--endpoint", &url, "--protocol", protocol]);
        assert_eq!(output.status.code(), Some(1), "{protocol}");
        let told = stderr(&output);
        assert!(told.contains("no response: ") && told.contains("Connection refused"), "{told}");
        let advice = "check that a receiver listens there and speaks that protocol; \
                      it is safe to run again: spans keep their ids\n";
        assert!(told.ends_with(advice), "{told}");
    }
}

#[test]
fn a_long_run_goes_in_messages_of_bounded_size() {
    let log = long();
    let receiver = Receiver::new(|_, _| TAKEN);
    let output = export(log.arg(), &receiver);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stderr(&output), format!("{}: 1202 spans sent to {}/v1/traces\n", log.arg(), receiver.url));
    assert_eq!(stdout(&output), format!("{}\n", RECORDING.replace('-', "")));
    let counts: Vec<_> = receiver.received().iter().map(|message| spans_in(&message.body)).collect();
    assert_eq!(counts, [512, 512, 178]);
}

#[test]
fn what_a_receiver_finds_too_large_is_sent_in_halves() {
    let log = long();
    let answer = |_, message: &crate::scripted::Received| -> Answer {
        if message.body.len() > 60_000 { ("413 Content Too Large", Vec::new()) } else { TAKEN }
    };
    let receiver = Receiver::new(answer);
    let output = export(log.arg(), &receiver);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let taken = receiver.received().into_iter().filter(|message| message.body.len() <= 60_000);
    assert_eq!(taken.map(|message| spans_in(&message.body)).sum::<usize>(), 1202);
}

/// How large a message of one span of [`long`] is at most.
const ONE: usize = 1000;

#[test]
fn one_span_that_is_too_large_is_said_and_the_others_are_sent() {
    let log = long();
    let name = "x".repeat(2 * ONE);
    let lines = std::fs::read_to_string(log.path.join("trace.jsonl")).unwrap();
    let (before, after) = lines.split_once(r#""label":"web""#).unwrap();
    std::fs::write(log.path.join("trace.jsonl"), format!(r#"{before}"label":"{name}"{after}"#)).unwrap();
    let answer = |_, message: &crate::scripted::Received| -> Answer {
        if message.body.windows(2 * ONE).any(|text| text.iter().all(|byte| *byte == b'x')) {
            ("413 Content Too Large", Vec::new())
        } else {
            TAKEN
        }
    };
    let receiver = Receiver::new(answer);
    let output = export(log.arg(), &receiver);
    assert_eq!(output.status.code(), Some(3));
    let told = stderr(&output);
    let [sent, large] = told.lines().collect::<Vec<_>>()[..] else { panic!("{told}") };
    assert_eq!(sent, format!("{}: 1201 spans sent to {}/v1/traces", log.arg(), receiver.url));
    let (which, why) = large.split_once("`: ").unwrap();
    assert!(which.starts_with(&format!("{}: span ", log.arg())) && which.contains(", `execute_tool xxx"), "{which}");
    let expected = "the receiver answered with HTTP status 413 Payload Too Large; it is larger than the receiver \
                    accepts: raise the receiver's limit, or export without --content";
    assert_eq!(why, expected);
    let taken = receiver.received().into_iter().filter(|message| answer(0, message) == TAKEN);
    assert_eq!(taken.map(|message| spans_in(&message.body)).sum::<usize>(), 1201);
}

#[test]
fn a_failure_in_the_middle_says_how_many_were_sent() {
    let log = long();
    let receiver = Receiver::new(|n, _| if n == 0 { TAKEN } else { ("400 Bad Request", Vec::new()) });
    let output = export(log.arg(), &receiver);
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(told.contains("HTTP status 400 Bad Request; 512 of 1202 spans were sent; "), "{told}");
}

#[test]
fn spans_that_a_receiver_rejects_are_counted_and_its_reason_told() {
    // ExportTraceServiceResponse { partial_success: { rejected_spans: 2, error_message: "too old" } }
    let answer = [&[0x0a, 0x0b, 0x08, 0x02, 0x12, 0x07][..], b"too old"].concat();
    let receiver = Receiver::new(move |_, _| ("200 OK", answer.clone()));
    let output = export(&chat(), &receiver);
    assert_eq!(output.status.code(), Some(3));
    let (chat, url) = (chat(), &receiver.url);
    let expected =
        format!("{chat}: 7 spans sent to {url}/v1/traces\n{chat}: 2 spans rejected: the receiver reported: too old\n");
    assert_eq!(stderr(&output), expected);
}

#[test]
fn a_page_for_an_answer_is_no_success() {
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

/// How many spans an ExportTraceServiceRequest has: each begins with its trace id, 16 bytes in field 1.
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
