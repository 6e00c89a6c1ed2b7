//! Files of any length that take nearly nothing on the disk, and copies that do not fit: what is refused is refused alone, at
//! once and in little memory, and nothing of it is copied.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use otel_trace::bundle::{Manifest, Writer, WriterOptions};
use otel_trace::event::{EventContext, PayloadKind, ProtocolEventObserved, UnixMillis};
use otel_trace::{Body, BodyBuf, BodyError, Store};
use tempfile::TempDir;

/// Length of a hole in bytes: a copy would take hours and fill the disk.
const HOLE: u64 = 200 << 30;

/// Limits of a command: 3 GB of memory, of which threads reserve a part, files of 64 MB, 20 seconds of the processor.
const LIMITS: &str = "ulimit -v 3000000 -f 62500 -t 20; exec \"$@\"";

/// A root `traces` with two copies of the conformance case `chat`, of which a test changes `trace-1`.
struct Workspace(TempDir);

impl Workspace {
    fn new() -> Self {
        let workspace = Self(tempfile::tempdir().unwrap());
        let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/chat");
        for bundle in ["trace-1", "trace-2"].map(|name| workspace.path("traces").join(name)) {
            fs::create_dir_all(bundle.join("payloads")).unwrap();
            for name in ["manifest.json", "trace.jsonl"] {
                fs::copy(case.join(name), bundle.join(name)).unwrap();
            }
            for entry in case.join("payloads").read_dir().unwrap().map(|entry| entry.unwrap()) {
                fs::copy(entry.path(), bundle.join("payloads").join(entry.file_name())).unwrap();
            }
        }
        workspace
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("traces/trace-2/trace.jsonl")).unwrap()
    }

    /// Opens a file of the bundle `trace-1` for writing at its end.
    fn open(&self, name: &str) -> File {
        File::options().append(true).create(true).open(self.path("traces/trace-1").join(name)).unwrap()
    }

    fn run(&self, shell: &str, args: &[&str]) -> Output {
        let mut command = Command::new("bash");
        command.args(["-c", shell, "bash", env!("CARGO_BIN_EXE_otel-trace")]).args(args);
        command.current_dir(self.0.path()).output().unwrap()
    }

    /// Runs a command within [`LIMITS`], and checks its exit status. Returns its output.
    #[track_caller]
    fn exits(&self, status: i32, args: &[&str]) -> String {
        let output = self.run(LIMITS, args);
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(status), "{args:?}: {:?} {text}", output.status);
        text
    }

    /// Copies `trace-1` by every command that does, each of which leaves something out. Returns what they reported, and checks
    /// that the copies are small.
    fn copy_by_all(&self) -> Vec<String> {
        let commands: [&[&str]; 5] = [
            &["pack", "traces/trace-1", "packed"],
            &["pack", "--zstd", "traces/trace-1", "packed.otz"],
            &["unpack", "traces/trace-1", "unpacked"],
            &["redact", "traces/trace-1", "redacted"],
            &["redact", "--content", "traces/trace-1", "without"],
        ];
        let reports = commands.map(|args| self.exits(3, args));
        for copy in ["packed", "packed.otz", "unpacked", "redacted", "without"] {
            assert!(length(&self.path(copy)) < 1 << 20, "{copy} has {} bytes", length(&self.path(copy)));
        }
        reports.into()
    }
}

/// Returns the total length of all files at or below a path.
fn length(path: &Path) -> u64 {
    if !path.is_dir() {
        return path.metadata().unwrap().len();
    }
    path.read_dir().unwrap().map(|entry| length(&entry.unwrap().path())).sum()
}

/// Makes a hole at the end of a file, and writes `rest` behind it.
fn add_hole(mut file: File, hole: u64, rest: &str) {
    file.set_len(file.metadata().unwrap().len() + hole).unwrap();
    file.write_all(rest.as_bytes()).unwrap();
}

#[test]
fn hole_in_a_log_is_refused_as_one_line_by_every_command() {
    // At the end, as a line between others, and at the start of the log.
    let log = Workspace::new().log();
    let middle = log.match_indices('\n').nth(3).unwrap().0 + 1;
    for (before, after) in
        [(&*log, ""), (&log[..middle], &*format!("\n{}", &log[middle..])), ("", &*format!("\n{log}"))]
    {
        let workspace = Workspace::new();
        fs::write(workspace.path("traces/trace-1/trace.jsonl"), before).unwrap();
        add_hole(workspace.open("trace.jsonl"), HOLE, after);
        let checked = workspace.exits(3, &["check", "traces"]);
        let found: Vec<_> = checked.lines().filter(|line| line.contains("line_too_long")).collect();
        assert!(found.len() == 1 && found[0].contains("trace-1"), "{checked}");
        assert!(!checked.contains("seq_gap") && checked.contains("trace-2"), "a line was lost: {checked}");
        workspace.exits(3, &["reduce", "traces"]);
        workspace.exits(3, &["export", "traces", "--format", "otlp-json", "spans.json"]);
        workspace.exits(1, &["locate", "0123456789abcdef0123456789abcdef", "traces"]);
        let reports = workspace.copy_by_all();
        for report in reports {
            assert!(report.contains("line") && report.contains("not copied"), "{report}");
        }
        let copied = fs::read_to_string(workspace.path("unpacked/trace.jsonl")).unwrap();
        assert_eq!(copied, log, "every other line is in the copy");
    }
}

#[test]
fn many_holes_in_a_log_take_no_time() {
    let workspace = Workspace::new();
    for _ in 0..500 {
        // Each is short enough for a line, which holds no more than zeros.
        add_hole(workspace.open("trace.jsonl"), 63 << 20, "\n");
    }
    let checked = workspace.exits(3, &["check", "traces/trace-1"]);
    assert_eq!(checked.lines().filter(|line| line.contains("bad_line") || line.contains("torn_line")).count(), 500);
    workspace.exits(1, &["locate", "0123456789abcdef0123456789abcdef", "traces"]);
}

#[test]
fn hole_in_place_of_a_payload_is_refused_and_not_copied() {
    for hole in [HOLE, 1 << 30] {
        let workspace = Workspace::new();
        add_hole(workspace.open("payloads/1.json"), hole, "");
        // No event names this one.
        add_hole(workspace.open("payloads/999.json"), hole, "");
        let checked = workspace.exits(3, &["check", "traces"]);
        assert!(checked.contains("bad_payload") && !checked.contains("line_too_long"), "{checked}");
        workspace.exits(3, &["reduce", "traces"]);
        let reports = workspace.copy_by_all();
        assert!(reports[0].contains("payloads/999.json was not copied"), "{}", reports[0]);
        assert!(workspace.path("unpacked/payloads/2.json").exists());
        assert!(!workspace.path("unpacked/payloads/1.json").exists());
    }
}

#[test]
fn hole_at_the_end_of_a_pack_costs_no_payload() {
    let workspace = Workspace::new();
    workspace.exits(0, &["pack", "traces/trace-2", "packed"]);
    add_hole(File::options().append(true).open(workspace.path("packed/payloads.pack")).unwrap(), HOLE, "");
    workspace.exits(0, &["check", "packed"]);
    for args in [["unpack", "packed", "unpacked"], ["redact", "packed", "redacted"], ["pack", "packed", "again"]] {
        workspace.exits(0, &args);
        assert!(length(&workspace.path(args[2])) < 1 << 20);
    }
}

#[test]
fn manifest_that_is_a_hole_or_has_one_is_refused() {
    for name in ["manifest.json", "other"] {
        let workspace = Workspace::new();
        let manifest = workspace.path("traces/trace-1/manifest.json");
        if name == "manifest.json" {
            // Valid JSON up to the length that is read.
            let text = fs::read_to_string(&manifest).unwrap();
            fs::write(&manifest, format!("{text}{}", " ".repeat(2 << 20))).unwrap();
        } else {
            fs::write(&manifest, "").unwrap();
        }
        add_hole(workspace.open("manifest.json"), HOLE, "");
        let refused = workspace.exits(1, &["check", "traces"]);
        assert!(refused.contains("is not a valid manifest") && refused.contains("trace-2"), "{refused}");
        for command in ["pack", "unpack", "redact"] {
            workspace.exits(1, &[command, "traces/trace-1", "copy"]);
            assert!(!workspace.path("copy").exists());
        }
    }
}

#[test]
fn hole_in_place_of_a_graph_is_replaced() {
    let workspace = Workspace::new();
    add_hole(workspace.open("state.json"), HOLE, "");
    workspace.exits(0, &["reduce", "traces/trace-1"]);
    assert!(length(&workspace.path("traces/trace-1/state.json")) < 1 << 20);
    workspace.exits(0, &["pack", "traces/trace-1", "packed"]);
}

/// A body of pseudo-random text, which does not compress.
struct RandomText(usize);

impl Body for RandomText {
    fn encode(&self, out: &mut BodyBuf) -> Result<(), BodyError> {
        let mut state = 1_u64;
        let digits = (0..self.0 / 16).map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            format!("{:016x}", state.rotate_left(29) ^ state)
        });
        digits.into_iter().try_for_each(|text| out.write_all(text.as_bytes())).map_err(BodyError::new)
    }
}

/// Returns `true` if a process can mount its own file system on this machine.
fn can_mount() -> bool {
    let mount = ["--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/tmp"];
    Command::new("unshare").args(mount).output().is_ok_and(|output| output.status.success())
}

#[test]
fn copy_that_does_not_fit_is_refused_and_leaves_nothing() {
    if !can_mount() {
        return;
    }
    let workspace = Workspace::new();
    let manifest = Manifest::new("large".into(), "r".into(), "t".into(), UnixMillis(0));
    let mut options = WriterOptions::default();
    options.store = Store::Files;
    let writer = Writer::create(workspace.0.path(), manifest, options).unwrap();
    let stored = writer.put(&"t".into(), PayloadKind::ProtocolEvent, &RandomText(8 << 20)).unwrap();
    let event = ProtocolEventObserved { event_type: "large".into(), event_payload: stored.reference };
    writer.append(UnixMillis(0).into(), &EventContext::default(), &event.into()).unwrap();
    drop(writer);
    workspace.exits(0, &["pack", "--zstd", "trace-large-t", "large.otz"]);
    fs::create_dir(workspace.path("small")).unwrap();
    let small = "exec unshare --map-root-user --mount bash -c 'mount -t tmpfs -o size=2m none small && \"$@\"; \
                 status=$?; ls -A small >&2; exit $status' bash \"$@\"";
    let refused = |args: &[&str]| {
        let output = workspace.run(small, args);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {stderr}");
        // Only the error, and no name of a file that is left.
        assert_eq!(stderr.trim_end().lines().count(), 1, "{args:?}: {stderr}");
        stderr
    };
    for command in ["unpack", "redact"] {
        let stderr = refused(&[command, "trace-large-t", "small/copy"]);
        assert!(
            stderr.contains("small/copy: the copy needs 8") && stderr.contains("left; free some space"),
            "{stderr}"
        );
    }
    let stderr = refused(&["pack", "trace-large-t", "small/copy"]);
    assert!(stderr.contains("small/copy: cannot be written, because the file system or the quota is full"), "{stderr}");
    let stderr = refused(&["pack", "--zstd", "trace-large-t", "small/copy.otz"]);
    assert!(stderr.contains("is full; free some space"), "{stderr}");
    let extracted = format!("TMPDIR=small {small}");
    let output = workspace.run(&extracted.replace("\"$@\"; ", "TMPDIR=small \"$@\"; "), &["check", "large.otz"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("directory for temporary files has") && stderr.contains("TMPDIR"), "{stderr}");
}
