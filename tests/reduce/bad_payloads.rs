//! Payloads that are missing, malformed, not regular files, or outside the bundle.

use std::fs::{self, File};
use std::path::Path;

use otel_trace::bundle::Reader;
use otel_trace::graph::{Code, Graph};
use otel_trace::reduce::{Options, reduce};
use serde_json::{Value, json};

use crate::case::{Case, call, codes, item, parts, request_items, session, state, user};

/// Returns the file of every payload of the session.
fn payloads(case: &Case) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(case.path().join("payloads")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), 8);
    files
}

/// Replaces each payload in turn by the result of `damage` and passes the graph and the file name to `check`.
fn for_each_payload(damage: impl Fn(&Path, &[u8]), check: impl Fn(&Graph, &str)) {
    let case = session();
    case.check(&[]);
    for path in payloads(&case) {
        let body = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        damage(&path, &body);
        let name = path.file_name().unwrap().to_str().unwrap();
        check(&reduce(&Reader::open(case.path()).unwrap(), &Options::default()).unwrap().graph, name);
        if path.symlink_metadata().is_ok_and(|found| found.is_dir()) {
            fs::remove_dir(&path).unwrap();
        } else if path.symlink_metadata().is_ok() {
            fs::remove_file(&path).unwrap();
        }
        fs::write(&path, body).unwrap();
    }
    case.check(&[]);
}

/// Returns a check that a damaged payload is reported exactly once, under its id, and that all objects stay.
///
/// The exception is payload 3: an invocation that no rule reads.
fn reports_once(code: Code) -> impl Fn(&Graph, &str) {
    move |graph, name| {
        let expected = if name == "3.json" { vec![] } else { vec![code] };
        // If a request is missing, the next request continues the response, which is still there.
        assert_eq!(codes(graph), expected, "{name}: {:#?}", graph.diagnostics);
        for found in &graph.diagnostics {
            let number = name.strip_suffix(".json").unwrap();
            assert_eq!(found.raw_payload_id.as_ref().unwrap().as_str(), format!("raw_payload:{number}"));
        }
        let state = state(graph);
        let count = |table: &str| state[table].as_object().unwrap().len();
        let tables = ["threads", "codex_turns", "inference_calls", "tool_calls", "raw_payloads"];
        assert_eq!(tables.map(count), [1, 1, 2, 1, 8], "{name}");
    }
}

#[test]
fn missing_payload_is_reported_once() {
    for_each_payload(|_, _| {}, reports_once(Code::BadPayload));
}

#[test]
fn empty_payload_is_reported_once() {
    for_each_payload(|path, _| fs::write(path, "").unwrap(), reports_once(Code::BadPayload));
}

#[test]
fn truncated_payload_is_reported_once() {
    for_each_payload(|path, body| fs::write(path, &body[..body.len() / 2]).unwrap(), reports_once(Code::BadPayload));
    for_each_payload(|path, body| fs::write(path, &body[..body.len() - 1]).unwrap(), reports_once(Code::BadPayload));
}

#[test]
fn binary_payload_is_reported_once() {
    for_each_payload(|path, _| fs::write(path, b"\xff\xfe\x00\x01{}").unwrap(), reports_once(Code::BadPayload));
    for_each_payload(|path, body| fs::write(path, [body, b"\0"].concat()).unwrap(), reports_once(Code::BadPayload));
}

#[test]
fn payload_of_another_json_type_is_reported_once() {
    for other in ["[]", "null", "7", "\"text\"", "true"] {
        for_each_payload(|path, _| fs::write(path, other).unwrap(), reports_once(Code::BadPayload));
    }
}

#[test]
fn directory_in_place_of_a_payload_is_refused() {
    for_each_payload(|path, _| fs::create_dir(path).unwrap(), reports_once(Code::RefusedPath));
}

#[test]
#[cfg(unix)]
fn fifo_in_place_of_a_payload_is_refused_without_blocking() {
    let mkfifo = |path: &Path| assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    for_each_payload(|path, _| mkfifo(path), reports_once(Code::RefusedPath));
}

#[test]
#[cfg(unix)]
fn socket_or_device_in_place_of_a_payload_is_refused() {
    let socket = |path: &Path| drop(std::os::unix::net::UnixListener::bind(path).unwrap());
    for_each_payload(|path, _| socket(path), reports_once(Code::RefusedPath));
    // Only root can create a device node.
    let device = |path: &Path| std::process::Command::new("mknod").arg(path).args(["c", "1", "5"]).output().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    if device(&scratch.path().join("zero")).status.success() {
        for_each_payload(|path, _| drop(device(path)), reports_once(Code::RefusedPath));
    }
}

#[test]
#[cfg(unix)]
fn symlink_in_place_of_a_payload_is_refused() {
    use std::os::unix::fs::symlink;
    let outside = tempfile::NamedTempFile::new().unwrap();
    fs::write(outside.path(), "{}").unwrap();
    for target in [
        outside.path(),
        Path::new("/etc/passwd"),
        Path::new("/dev/zero"),
        Path::new("../manifest.json"),
        Path::new("nowhere"),
    ] {
        for_each_payload(|path, _| symlink(target, path).unwrap(), reports_once(Code::RefusedPath));
    }
}

/// Records a request whose body is at this path.
fn request_at(path: &str) -> Case {
    let mut case = Case::new();
    let body = json!({ "raw_payload_id": "raw_payload:1", "kind": { "type": "inference_request" }, "path": path });
    case.event(json!({ "type": "inference_started", "inference_call_id": "a", "thread_id": "t", "codex_turn_id": "u",
        "model": "m", "provider_name": "p", "request_payload": body }));
    case
}

#[test]
fn path_outside_the_bundle_is_refused() {
    for path in [
        "/etc/passwd",
        "/dev/zero",
        "/dev/stdin",
        "../manifest.json",
        "payloads/../../x",
        "payloads/..",
        "",
        ".",
        "./",
        "payloads",
        "payloads/",
        "a\u{0}b",
        "//etc/passwd",
    ] {
        let case = request_at(path);
        let graph = case.check(&[Code::RefusedPath]);
        assert!(
            graph.diagnostics[0].message.contains("only regular files inside the bundle"),
            "{}",
            graph.diagnostics[0]
        );
        assert!(request_items(&graph, "a").is_empty());
    }
}

#[test]
#[cfg(unix)]
fn symlinked_directory_in_a_path_is_refused() {
    let case = request_at("elsewhere/1.json");
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("1.json"), r#"{"input":"secret"}"#).unwrap();
    std::os::unix::fs::symlink(outside.path(), case.path().join("elsewhere")).unwrap();
    case.check(&[Code::RefusedPath]);
}

#[test]
fn payload_may_be_anywhere_in_the_bundle() {
    let case = request_at("./deep/er/body.json");
    fs::create_dir_all(case.path().join("deep/er")).unwrap();
    fs::write(case.path().join("deep/er/body.json"), r#"{"input":"hi"}"#).unwrap();
    assert_eq!(request_items(&case.check(&[]), "a"), [1]);
}

#[test]
fn sparse_payload_of_a_gibibyte_is_reported() {
    let case = request_at("payloads/1.json");
    // A sparse file takes no space on the disk.
    File::create(case.path().join("payloads/1.json")).unwrap().set_len(1 << 30).unwrap();
    case.check(&[Code::BadPayload]);
    File::create(case.path().join("payloads/1.json")).unwrap().set_len(1 << 40).unwrap();
    let graph = case.check(&[Code::BadPayload]);
    assert!(graph.diagnostics[0].message.contains("at most 2147483648 are read"), "{}", graph.diagnostics[0]);
}

/// Reduces a request with this body and checks the codes of the diagnostics.
fn body(body: &str, expected: &[Code]) -> Graph {
    let mut case = Case::new();
    case.request_body("a", body);
    case.check(expected)
}

#[test]
fn deeply_nested_item_is_left_out() {
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    // A field that no rule reads may have any depth.
    assert_eq!(request_items(&body(&format!(r#"{{"metadata":{deep},"input":"hi"}}"#), &[]), "a"), [1]);
    let message = |content: &str| format!(r#"{{"role":"user","content":[{content}]}}"#);
    let input = format!(
        r#"{{"input":[{},{}]}}"#,
        message(&format!(r#"{{"type":"x","y":{deep}}}"#)),
        message(r#"{"type":"text","text":"hi"}"#)
    );
    assert_eq!(request_items(&body(&input, &[Code::BadItem]), "a"), [1]);
    let call = format!(r#"{{"type":"function_call","call_id":"c","name":"n","arguments":{deep}}}"#);
    body(&format!(r#"{{"input":[{call}]}}"#), &[Code::BadItem]);
    // Arguments in a string are kept as text.
    let call = format!(r#"{{"type":"function_call","call_id":"c","name":"n","arguments":"{deep}"}}"#);
    let graph = body(&format!(r#"{{"input":[{call}]}}"#), &[]);
    assert_eq!(item(&graph, 1).content.text(), deep);
    // The body itself.
    body(&format!(r#"{{"input":{deep}}}"#), &[Code::BadItem]);
    body(&deep, &[Code::BadPayload]);
    body(&"[".repeat(1_000_000), &[Code::BadPayload]);
    body(&(r#"{"input":[{"a":"#.repeat(10_000)), &[Code::BadPayload]);
}

#[test]
fn deeply_nested_tool_arguments_link_nothing() {
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    for arguments in
        [json!(deep), json!(format!("{{\"session_id\":{deep}}}")), json!("{\"session_id\":"), json!(7), Value::Null]
    {
        let mut case = Case::new();
        let invocation =
            json!({ "tool_name": "write_stdin", "payload": { "type": "function", "arguments": arguments } });
        case.tool("x", None, json!({ "type": "write_stdin" }), Some(invocation));
        let expected = if arguments.as_str().is_some_and(|text| text.starts_with("{\"session_id\":[")) {
            // An id of another JSON type counts as absent.
            vec![]
        } else {
            vec![Code::BadArguments]
        };
        case.check(&expected);
    }
}

#[test]
fn deeply_nested_event_metadata_is_kept() {
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    let mut case = Case::new();
    case.line(format!(
        r#"{{"schema_version":1,"seq":4,"wall_time_unix_ms":1,"rollout_id":"r","payload":{{"type":"other","kind":"k","summary":"s","payloads":[],"metadata":{deep}}}}}"#
    ));
    case.check(&[]);
}

#[test]
fn item_with_a_lone_surrogate_is_left_out() {
    for lone in [r"\ud800", r"\udc00", r"\ud800x", r"\ud800\u0041"] {
        let input = format!(r#"{{"input":[{{"role":"user","content":"{lone}"}},{{"role":"user","content":"hi"}}]}}"#);
        let graph = body(&input, &[Code::BadItem]);
        assert_eq!(request_items(&graph, "a"), [1], "{lone}");
        for item in [
            format!(r#"{{"role":"user","content":[{{"type":"input_text","text":"{lone}"}}]}}"#),
            format!(r#"{{"type":"function_call","call_id":"{lone}","name":"n","arguments":"{{}}"}}"#),
            format!(r#"{{"type":"reasoning","summary":[{{"type":"summary_text","text":"{lone}"}}]}}"#),
            format!(r#"{{"type":"reasoning","encrypted_content":"{lone}"}}"#),
            format!(r#"{{"type":"custom_tool_call","call_id":"c","name":"exec","input":"{lone}"}}"#),
        ] {
            body(&format!(r#"{{"input":[{item}]}}"#), &[Code::BadItem]);
        }
        // A field that no rule reads is not decoded.
        assert_eq!(
            request_items(&body(&format!(r#"{{"{lone}":"{lone}","input":"hi"}}"#), &[]), "a").len(),
            1,
            "{lone}"
        );
    }
    // This item is compared as a whole value, so all of it is decoded.
    body(r#"{"input":[{"type":"local_shell_call","\ud800":1}]}"#, &[Code::BadItem]);
    assert_eq!(parts(&body(r#"{"input":"\ud83d\ude00"}"#, &[]), 1).len(), 1);
}

#[test]
fn body_without_messages_is_reported() {
    for request in
        [json!({ "model": "m" }), json!({ "input": 7 }), json!({ "messages": true }), json!({ "input": { "a": 1 } })]
    {
        body(&request.to_string(), &[Code::BadPayload]);
    }
    let graph = body("{}", &[Code::RequestUnknown]);
    assert_eq!(call(&graph, "a").raw_request_payload_id.as_str(), "raw_payload:1");
    let mut case = Case::new();
    case.request("a", [user("1")]);
    case.response_body("a", "{\"usage\":{}}");
    case.check(&[Code::BadPayload]);
}
