//! Tests that the reader accepts bundles of any origin and in any state, and never opens a file outside of a bundle.
#![cfg(unix)]

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use otel_trace::bundle::{BundleError, ErrorKind, LineError, Manifest, PayloadError, Reader};
use otel_trace::event::{PayloadKind, PayloadRef, RawPayloadId, UnixMillis};
use tempfile::TempDir;

/// Creates a bundle with this log and an empty payload directory.
fn bundle(log: &[u8]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let manifest = Manifest::new("trace".into(), "r".into(), "t".into(), UnixMillis(0));
    fs::write(directory.path().join("manifest.json"), serde_json::to_vec(&manifest).unwrap()).unwrap();
    fs::write(directory.path().join("trace.jsonl"), log).unwrap();
    fs::create_dir(directory.path().join("payloads")).unwrap();
    directory
}

/// Returns a valid line with this seq.
fn line(seq: u64) -> String {
    format!(
        r#"{{"schema_version":1,"seq":{seq},"wall_time_unix_ms":0,"rollout_id":"r","payload":{{"type":"rollout_ended","status":"completed"}}}}"#
    )
}

/// Reads a log. Returns the number of each line in the file, with its seq or the error.
fn lines(log: &[u8]) -> Vec<(u64, Result<u64, LineError>)> {
    let directory = bundle(log);
    let lines = Reader::open(directory.path()).unwrap().lines().unwrap();
    lines.map(|line| line.unwrap()).map(|line| (line.number, line.content.map(|record| record.seq.0))).collect()
}

#[track_caller]
fn check_seqs(log: &[u8], expected: &[(u64, u64)]) {
    let read: Vec<_> = lines(log).into_iter().map(|(number, seq)| (number, seq.unwrap())).collect();
    assert_eq!(read, expected);
}

fn reference(path: &str) -> PayloadRef {
    PayloadRef {
        raw_payload_id: RawPayloadId::numbered(1),
        kind: PayloadKind::ToolResult.into(),
        path: path.to_owned(),
        offset: None,
        length: None,
        hash: None,
        truncated: None,
    }
}

/// Reads the payload of a bundle at this path.
fn payload(bundle: &Path, path: &str) -> Result<Vec<u8>, PayloadError> {
    Reader::open(bundle).unwrap().payload(&reference(path))
}

#[test]
fn byte_order_mark_crlf_and_blank_lines_are_skipped() {
    let [one, two] = [line(1), line(2)];
    check_seqs(format!("{one}\n{two}\n").as_bytes(), &[(1, 1), (2, 2)]);
    check_seqs(format!("\u{feff}{one}\r\n{two}\r\n").as_bytes(), &[(1, 1), (2, 2)]);
    check_seqs(format!("\n{one}\n\n  \r\n{two}\n\n").as_bytes(), &[(2, 1), (5, 2)]);
    check_seqs(format!("{one}\n{two}").as_bytes(), &[(1, 1), (2, 2)]);
    check_seqs(b"", &[]);
    check_seqs("\u{feff}".as_bytes(), &[]);
}

#[test]
fn truncated_last_line_is_torn_and_earlier_lines_are_read() {
    let whole = line(2);
    for cut in 1..whole.len() {
        let log = format!("{}\n{}", line(1), &whole[..cut]);
        let read = lines(log.as_bytes());
        assert!(matches!(read[..], [(1, Ok(1)), (2, Err(LineError::Torn))]), "{cut}: {read:?}");
    }
    let multi_byte = [line(1).as_bytes(), b"\n{\"schema_version\":1,\"x\":\"\xc3"].concat();
    assert!(matches!(lines(&multi_byte)[..], [(1, Ok(1)), (2, Err(LineError::Torn))]));
}

#[test]
fn rest_of_a_line_that_is_being_written_is_no_line() {
    let whole = format!("{}\n", line(2));
    let (written, rest) = whole.split_at(40);
    let bundle = bundle(format!("{}\n{written}", line(1)).as_bytes());
    let reader = Reader::open(bundle.path()).unwrap();
    let mut lines = reader.lines().unwrap();
    assert_eq!(lines.next().unwrap().unwrap().content.unwrap().seq.0, 1);
    assert!(matches!(lines.next().unwrap().unwrap().content, Err(LineError::Torn)));
    let mut log = fs::OpenOptions::new().append(true).open(bundle.path().join("trace.jsonl")).unwrap();
    log.write_all(rest.as_bytes()).unwrap();
    assert!(lines.next().is_none(), "the rest was read as a line");
    let read: Vec<_> = reader.lines().unwrap().map(|line| line.unwrap().content.unwrap().seq.0).collect();
    assert_eq!(read, [1, 2]);
}

#[test]
fn trailing_nul_bytes_are_a_torn_line() {
    let log = [line(1).as_bytes(), b"\n", &[0; 4096]].concat();
    assert!(matches!(lines(&log)[..], [(1, Ok(1)), (2, Err(LineError::Torn))]));
}

#[test]
fn broken_inner_line_is_unreadable_and_others_are_read() {
    let log = format!("{}\nnonsense\n{}\n", line(1), line(3));
    let read = lines(log.as_bytes());
    assert!(matches!(read[..], [(1, Ok(1)), (2, Err(LineError::Unreadable(_))), (3, Ok(3))]), "{read:?}");
    let log = format!("{}\nnonsense\nmore", line(1));
    let read = lines(log.as_bytes());
    assert!(matches!(read[..], [_, (2, Err(LineError::Unreadable(_))), (3, Err(LineError::Torn))]), "{read:?}");
}

#[test]
fn complete_last_line_of_unknown_kind_is_not_torn() {
    let log = line(4).replace("rollout_ended", "brand_new");
    let read = lines(log.as_bytes());
    let [(1, Err(error @ LineError::Unreadable(_)))] = &read[..] else { panic!("{read:?}") };
    assert_eq!(error.seq().unwrap().0, 4);
    assert!(error.to_string().contains("brand_new"), "{error}");
}

#[test]
fn payload_is_read_whole() {
    let directory = bundle(b"");
    fs::write(directory.path().join("payloads/1.json"), "{}").unwrap();
    for path in ["payloads/1.json", "./payloads/1.json", "payloads/./1.json", "payloads//1.json"] {
        assert_eq!(payload(directory.path(), path).unwrap(), b"{}", "{path}");
    }
}

#[test]
fn payload_path_out_of_the_bundle_is_refused() {
    let directory = bundle(b"");
    let outside = tempfile::NamedTempFile::new().unwrap();
    let climbing = format!("../{}", outside.path().file_name().unwrap().display());
    for path in [&*outside.path().to_string_lossy(), &climbing, "payloads/../manifest.json", "", ".", "/", "a\0b"] {
        let refused = payload(directory.path(), path).unwrap_err();
        assert!(refused.is_refused() || (path == "a\0b" && !refused.is_missing()), "{path:?}: {refused}");
    }
}

#[test]
fn payload_path_through_a_symbolic_link_is_refused() {
    let directory = bundle(b"");
    let inside = |name: &str| directory.path().join(name);
    fs::write(inside("payloads/1.json"), "{}").unwrap();
    symlink("1.json", inside("payloads/link.json")).unwrap();
    symlink("payloads", inside("linked")).unwrap();
    symlink("/nowhere/at/all", inside("payloads/dangling.json")).unwrap();
    for path in ["payloads/link.json", "linked/1.json", "payloads/dangling.json"] {
        let refused = payload(directory.path(), path).unwrap_err();
        assert!(refused.is_refused() && refused.to_string().contains("symbolic link"), "{path}: {refused}");
    }
}

#[test]
fn special_file_is_refused_as_payload_without_blocking() {
    let directory = bundle(b"");
    fs::create_dir(directory.path().join("payloads/2.json")).unwrap();
    assert!(Command::new("mkfifo").arg(directory.path().join("payloads/3.json")).status().unwrap().success());
    for path in ["payloads/2.json", "payloads/3.json", "payloads"] {
        let refused = payload(directory.path(), path).unwrap_err();
        assert!(refused.is_refused() && refused.to_string().contains("not a regular file"), "{path}: {refused}");
    }
}

#[test]
fn absent_payload_is_missing() {
    let directory = bundle(b"");
    for path in ["payloads/9.json", "nowhere/9.json"] {
        let missing = payload(directory.path(), path).unwrap_err();
        assert!(missing.is_missing() && !missing.is_refused() && missing.to_string().contains(path), "{missing}");
    }
}

#[track_caller]
fn check_refused(path: &Path, kind: ErrorKind, texts: &[&str]) {
    let error: BundleError = Reader::open(path).unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    for text in texts {
        assert!(error.to_string().contains(text), "{text:?} is not in: {error}");
    }
}

#[test]
fn error_for_a_non_bundle_names_the_expected_files() {
    let not_a_bundle = ErrorKind::NotABundle;
    let hint = "a bundle is a directory with manifest.json and trace.jsonl";
    let directory = tempfile::tempdir().unwrap();
    check_refused(&directory.path().join("no"), not_a_bundle, &["does not exist", hint]);
    check_refused(directory.path(), not_a_bundle, &["is empty: nothing was recorded here", hint]);
    fs::write(directory.path().join("notes"), "").unwrap();
    check_refused(directory.path(), not_a_bundle, &["has no manifest.json and contains no bundle", hint]);
    let file = tempfile::NamedTempFile::new().unwrap();
    check_refused(file.path(), not_a_bundle, &["is a file, not a bundle", hint]);

    let whole = bundle(b"");
    fs::remove_file(whole.path().join("trace.jsonl")).unwrap();
    check_refused(whole.path(), not_a_bundle, &["has no trace.jsonl", hint]);
    fs::create_dir(whole.path().join("trace.jsonl")).unwrap();
    check_refused(whole.path(), not_a_bundle, &["trace.jsonl: is not a regular file"]);
}

#[test]
fn error_for_a_root_directory_lists_its_bundles() {
    let root = tempfile::tempdir().unwrap();
    for name in ["trace-a-t", "trace-b-t", "trace-c-t", "trace-d-t"] {
        let made = bundle(b"");
        fs::create_dir(root.path().join(name)).unwrap();
        fs::copy(made.path().join("manifest.json"), root.path().join(name).join("manifest.json")).unwrap();
    }
    check_refused(root.path(), ErrorKind::NotABundle, &["contains 4 bundles", "trace-a-t", "trace-c-t"]);
}

#[test]
fn invalid_or_newer_manifest_is_refused() {
    let directory = bundle(b"");
    let manifest = directory.path().join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("\"schema_version\":1", "\"schema_version\":2")).unwrap();
    check_refused(directory.path(), ErrorKind::Version, &["schema_version is 2", "reads only version 1"]);
    fs::write(&manifest, "{}").unwrap();
    check_refused(directory.path(), ErrorKind::NotABundle, &["manifest.json: is not a valid manifest"]);
    fs::write(&manifest, "{\"half\":").unwrap();
    check_refused(directory.path(), ErrorKind::NotABundle, &["manifest.json: is not a valid manifest"]);
}
