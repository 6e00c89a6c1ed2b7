//! Tests of the guarantees of the bundle writer.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use otel_trace::bundle::{ErrorKind, LineError, Manifest, Reader, Tally, Writer, WriterOptions};
use otel_trace::event::{
    Event, EventContext, Other, ProtocolEventObserved, RawJson, RolloutEnded, RolloutStatus, ThreadEnded, Timestamp,
    TurnStarted, UnixMillis,
};
use otel_trace::{Body, BodyBuf, BodyError, Exact, Json, Limits, Lost, PayloadKind, Redactor, Store};
use serde_json::{Value, json};

use crate::common::{Bundle, child, role};

/// Creates a bundle in `root`.
fn create(root: &Path, options: WriterOptions) -> Writer {
    let manifest = Manifest::new("trace".into(), "rollout".into(), "thread".into(), UnixMillis(5));
    Writer::create(root, manifest, options).unwrap()
}

/// Returns an event with a unique id.
fn numbered(thread: usize, n: usize) -> Event {
    TurnStarted { turn_id: format!("{thread}/{n}").into(), thread_id: "t".into() }.into()
}

/// Appends an event with the current time and returns its seq.
fn append(writer: &Writer, event: &Event) -> Result<u64, Lost> {
    writer.append(Timestamp::now(), &EventContext::default(), event).map(|seq| seq.0)
}

#[test]
fn seq_equals_line_number_under_concurrent_writes() {
    let root = tempfile::tempdir().unwrap();
    let writer = create(root.path(), WriterOptions::default());
    let seqs: Vec<(u64, String)> = thread::scope(|scope| {
        let threads = (0..8).map(|thread| {
            let writer = &writer;
            scope.spawn(move || {
                let append_one = |n| (append(writer, &numbered(thread, n)).unwrap(), format!("{thread}/{n}"));
                (0..500).map(append_one).collect::<Vec<_>>()
            })
        });
        let threads: Vec<_> = threads.collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let bundle = Bundle::read(writer.path());
    assert_eq!(bundle.lines.len(), 4000);
    for (seq, id) in seqs {
        assert_eq!(bundle.lines[seq as usize - 1]["payload"]["codex_turn_id"], id);
    }
}

#[test]
fn last_request_of_an_ended_thread_is_released() {
    let root = tempfile::tempdir().unwrap();
    let mut options = WriterOptions::default();
    options.store = Store::Pack;
    let writer = create(root.path(), options);
    let grown_by = || {
        let length = || fs::metadata(writer.path().join("payloads.pack")).map_or(0, |pack| pack.len());
        let before = length();
        writer.put(&"t".into(), PayloadKind::InferenceRequest, &Json(&"x".repeat(50_000))).unwrap();
        length() - before
    };
    assert!(grown_by() > 50_000 && grown_by() < 1_000, "a repeated request is stored as a difference");
    let ended = ThreadEnded {
        thread_id: "t".into(),
        status: RolloutStatus::Completed,
        error: None,
        ended_by: None,
        error_type: None,
        attributes: None,
    };
    append(&writer, &ended.into()).unwrap();
    assert!(grown_by() > 50_000, "after the end of its thread a request is stored whole");
}

#[test]
fn payload_is_complete_before_its_event_is_readable() {
    let root = tempfile::tempdir().unwrap();
    let writer = create(root.path(), WriterOptions::default());
    let done = AtomicBool::new(false);
    let body = json!({ "text": "x".repeat(100_000) });
    let read_while_writing = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let reader = Reader::open(writer.path()).unwrap();
            let mut lines = reader.lines().unwrap();
            let mut lines_read = 0;
            while !done.load(Ordering::Acquire) {
                let content = lines.next().map(|line| line.unwrap().content);
                // The log grows while it is read: at its current end, which may be inside of a line, the reader starts
                // again and skips the lines seen.
                let Some(Ok(record)) = content else {
                    assert!(matches!(content, None | Some(Err(LineError::Torn))), "{content:?}");
                    lines = reader.lines().unwrap();
                    lines.by_ref().take(lines_read).for_each(drop);
                    continue;
                };
                lines_read += 1;
                record.event.for_each_payload(|reference| {
                    let read: Value = serde_json::from_slice(&reader.payload(reference).unwrap()).unwrap();
                    assert_eq!(read, body);
                });
            }
            lines_read
        });
        let writers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let stored = writer.put(&"t".into(), PayloadKind::ProtocolEvent, &Json(&body)).unwrap();
                        let event_payload = stored.reference;
                        let event = ProtocolEventObserved { event_type: "e".into(), event_payload };
                        append(&writer, &event.into()).unwrap();
                    }
                })
            })
            .collect();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        done.store(true, Ordering::Release);
        reader.join().unwrap()
    });
    assert!(read_while_writing > 0, "the reader read no line while the writers ran");
    assert_eq!(Bundle::read(writer.path()).lines.len(), 200);
}

#[test]
fn existing_bundle_is_not_overwritten() {
    let root = tempfile::tempdir().unwrap();
    let first = create(root.path(), WriterOptions::default());
    append(&first, &numbered(0, 0)).unwrap();
    let manifest = first.manifest().clone();
    let refused = Writer::create(root.path(), manifest.clone(), WriterOptions::default()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Exists);
    assert!(refused.to_string().contains("a bundle is already here"), "{refused}");
    append(&first, &numbered(0, 1)).unwrap();
    assert_eq!(Bundle::read(first.path()).lines.len(), 2);
    drop(first);
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1, "a temporary directory is left");

    let path = root.path().join(manifest.directory_name());
    fs::remove_dir_all(&path).unwrap();
    fs::write(&path, "a file").unwrap();
    let refused = Writer::create(root.path(), manifest, WriterOptions::default()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Exists);
}

#[test]
#[cfg(unix)]
fn bundle_is_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let above = tempfile::tempdir().unwrap();
    let root = above.path().join("created/on/the/way");
    let writer = create(&root, WriterOptions::default());
    writer.put(&"t".into(), PayloadKind::ToolResult, &Json(&1)).unwrap();
    for directory in [&root, writer.path(), &writer.path().join("payloads")] {
        assert_eq!(mode(directory), 0o700, "{}", directory.display());
    }
    for file in ["manifest.json", "trace.jsonl", "payloads/1.json"] {
        assert_eq!(mode(&writer.path().join(file)), 0o600, "{file}");
    }
    let (_recorder, _guard) =
        otel_trace::Recorder::builder().root(above.path().join("built")).no_parent().build().unwrap();
    assert_eq!(mode(&above.path().join("built")), 0o700);
}

#[test]
fn events_of_returned_calls_survive_a_kill() {
    if role().is_some() {
        let writer = create(Path::new(&std::env::var_os("OTEL_TRACE_ROOT").unwrap()), WriterOptions::default());
        for n in 0.. {
            let seq = append(&writer, &numbered(0, n)).unwrap();
            let mut stdout = std::io::stdout().lock();
            writeln!(stdout, "seq {seq}").unwrap();
        }
    }
    let root = tempfile::tempdir().unwrap();
    let mut command = child("writer::events_of_returned_calls_survive_a_kill", "write");
    let mut process = command.env("OTEL_TRACE_ROOT", root.path()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(process.stdout.take().unwrap());
    let seq_of = |line: &str| line.trim_end().strip_prefix("seq ")?.parse::<u64>().ok();
    let mut last = 0;
    while last < 300 {
        let mut line = String::new();
        assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "the child process ended before it was killed");
        last = seq_of(&line).unwrap_or(last);
    }
    process.kill().unwrap();
    process.wait().unwrap();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    let whole = rest.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    last = whole.filter_map(seq_of).next_back().unwrap_or(last);

    let mut entries = fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().path());
    let bundle = entries.find(|path| path.is_dir()).unwrap();
    let lines: Vec<_> = Reader::open(&bundle).unwrap().lines().unwrap().map(|line| line.unwrap().content).collect();
    assert!(lines.len() as u64 >= last, "{} lines, {last} reported", lines.len());
    for (line, seq) in lines.iter().take(last as usize).zip(1..) {
        assert_eq!(line.as_ref().unwrap().seq.0, seq);
    }
}

#[test]
fn manifest_is_written_first_and_identifies_the_bundle() {
    let root = tempfile::tempdir().unwrap();
    let writer = create(root.path(), WriterOptions::default());
    assert_eq!(writer.path().file_name().unwrap(), "trace-trace-thread");
    let manifest: Value = serde_json::from_slice(&fs::read(writer.path().join("manifest.json")).unwrap()).unwrap();
    assert_eq!(
        manifest,
        json!({ "schema_version": 1, "trace_id": "trace", "rollout_id": "rollout", "root_thread_id": "thread",
                "started_at_unix_ms": 5, "raw_event_log": "trace.jsonl", "payloads_dir": "payloads" })
    );
}

#[test]
fn exact_bytes_are_stored_unchanged_as_json_or_bin() {
    let root = tempfile::tempdir().unwrap();
    let writer = create(root.path(), WriterOptions::default());
    let check = |bytes: &[u8], is_json: bool, path: &str| {
        let stored = writer.put(&"t".into(), PayloadKind::InferenceResponse, &Exact(bytes)).unwrap();
        assert_eq!((stored.is_json, stored.reference.path.as_str()), (is_json, path));
        assert_eq!(fs::read(writer.path().join(path)).unwrap(), bytes);
    };
    check(b" {\"a\" : 1.0}\n", true, "payloads/1.json");
    check(b"data: {}\n\ndata: [DONE]\n", false, "payloads/2.bin");
    check(b"{} {}", false, "payloads/3.bin");
    check(b"\"\xff\"", false, "payloads/4.bin");
    check(b"", false, "payloads/5.bin");
}

/// A body whose encoding fails.
enum FailingBody {
    ReturnsError,
    Panics,
}

impl Body for FailingBody {
    fn encode(&self, out: &mut BodyBuf) -> Result<(), BodyError> {
        out.write_all(b"{\"half\":").map_err(BodyError::new)?;
        match self {
            Self::ReturnsError => Err(BodyError::new("no such body")),
            Self::Panics => panic!("planted"),
        }
    }
}

#[test]
fn unserializable_body_is_replaced_by_the_error() {
    let root = tempfile::tempdir().unwrap();
    let tally = Arc::<Tally>::default();
    let mut options = WriterOptions::default();
    options.tally = Arc::clone(&tally);
    let writer = create(root.path(), options);
    for (body, reason) in
        [(FailingBody::ReturnsError, "no such body"), (FailingBody::Panics, "`Body::encode` panicked: planted")]
    {
        let stored = writer.put(&"t".into(), PayloadKind::ToolResult, &body).unwrap();
        let content: Value =
            serde_json::from_slice(&fs::read(writer.path().join(stored.reference.path)).unwrap()).unwrap();
        assert_eq!(content, json!({ "otel_trace.lost": reason }));
    }
    assert_eq!(tally.stats().lost_bodies, [("tool_result", 2)].into());
}

/// A redactor that masks the word `secret` and panics for tool results.
struct Mask;

impl Redactor for Mask {
    fn redact(&self, kind: PayloadKind, body: &mut Vec<u8>, _: bool) {
        assert_ne!(kind, PayloadKind::ToolResult, "planted");
        let masked = String::from_utf8(std::mem::take(body)).unwrap().replace("secret", "******");
        *body = masked.into_bytes();
    }
}

#[test]
fn unmasked_text_is_never_written() {
    let root = tempfile::tempdir().unwrap();
    let mut options = WriterOptions::default();
    options.redact = Some(Arc::new(Mask));
    options.limits = Limits::default().body_bytes(64);
    let writer = create(root.path(), options);
    for kind in [PayloadKind::InferenceRequest, PayloadKind::ToolResult] {
        writer.put(&"t".into(), kind, &Json(&"a secret")).unwrap();
        writer.put(&"t".into(), kind, &Exact(b"a secret that is no JSON")).unwrap();
        writer.put(&"t".into(), kind, &Json(&"secret ".repeat(100))).unwrap();
    }
    for entry in fs::read_dir(writer.path().join("payloads")).unwrap() {
        let body = fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!body.contains("secret"), "{body}");
    }
}

#[test]
fn oversized_body_keeps_head_tail_length_and_hash() {
    let root = tempfile::tempdir().unwrap();
    let mut options = WriterOptions::default();
    options.limits = Limits::default().body_bytes(100);
    let writer = create(root.path(), options);
    let put = |bytes: &[u8]| writer.put(&"t".into(), PayloadKind::InferenceResponse, &Exact(bytes)).unwrap();
    assert_eq!(put(&[b' '; 100]).reference.truncated, None);
    let text = format!("\"{}é{}\"", "a".repeat(60), "z".repeat(60));
    let stored = put(text.as_bytes());
    let truncated = stored.reference.truncated.unwrap();
    assert_eq!((truncated.length, truncated.hash.len()), (text.len() as u64, 32));
    let content: Value = serde_json::from_slice(&fs::read(writer.path().join(stored.reference.path)).unwrap()).unwrap();
    let (head, tail) = (format!("\"{}", "a".repeat(24)), format!("{}\"", "z".repeat(24)));
    assert_eq!(content, json!({ "otel_trace.truncated": { "head": head, "tail": tail } }));
    assert!(!put(format!("data: {text}").as_bytes()).is_json, "a truncated stream is still not a JSON value");
}

#[test]
fn losses_are_counted_reported_and_logged_as_a_gap() {
    let root = tempfile::tempdir().unwrap();
    let reported = Arc::new(Mutex::new(Vec::new()));
    let mut options = WriterOptions::default();
    let (tally, on_loss) = (Arc::clone(&options.tally), Arc::clone(&reported));
    options.on_loss = Some(Arc::new(move |loss| {
        on_loss.lock().unwrap().push(loss.kind);
        panic!("planted: a panic of the callback must not reach the host");
    }));
    let writer = create(root.path(), options);
    fs::remove_dir_all(writer.path().join("payloads")).unwrap();
    let put = |kind| writer.put(&"t".into(), kind, &Json(&1));
    let lost = [PayloadKind::ToolResult, PayloadKind::ToolResult, PayloadKind::InferenceRequest];
    assert_eq!(lost.map(|kind| put(kind).unwrap_err()), lost.map(Lost::Payload));
    assert_eq!(*reported.lock().unwrap(), lost.map(Lost::Payload));

    append(&writer, &numbered(0, 0)).unwrap();
    fs::create_dir(writer.path().join("payloads")).unwrap();
    put(PayloadKind::ToolResult).unwrap();
    append(&writer, &numbered(0, 1)).unwrap();
    let bundle = Bundle::read(writer.path());
    assert_eq!(bundle.event_names(), ["codex_turn_started", "other", "codex_turn_started"]);
    let gap = bundle.event("other");
    assert_eq!(gap["kind"], "recording_gap");
    assert_eq!(gap["metadata"], json!({ "lost": 3, "by": { "inference_request": 1, "tool_result": 2 } }));
    let stats = tally.stats();
    assert_eq!(stats.lost_payloads, [("inference_request", 1), ("tool_result", 2)].into());
    assert_eq!(stats.payloads, [("tool_result", 1)].into());
    assert_eq!(stats.events, [("codex_turn_started", 2), ("other", 1)].into());
    assert_eq!(stats.to_string(), "1 inference_request, 2 tool_result");
}

#[test]
fn multi_line_json_is_written_as_one_line() {
    let root = tempfile::tempdir().unwrap();
    let writer = create(root.path(), WriterOptions::default());
    let metadata: RawJson = serde_json::from_str("{\n  \"a\": 1\n}").unwrap();
    append(&writer, &Other { kind: "k\n".into(), summary: "s\r\n".into(), payloads: vec![], metadata }.into()).unwrap();
    append(&writer, &RolloutEnded { status: RolloutStatus::Completed }.into()).unwrap();
    assert_eq!(Bundle::read(writer.path()).event_names(), ["other", "rollout_ended"]);
}
