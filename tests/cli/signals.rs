//! Signals that end the command: what an archive was extracted to is removed.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tar::Header;
use tempfile::TempDir;

/// Sizes of the largest file in an archive, in bytes. The command may be faster than the signal for all but the last ones.
const SIZES: [u64; 3] = [32 << 20, 128 << 20, 512 << 20];

/// A directory with an archive, and with `tmp`, the `TMPDIR` of commands.
struct Workspace(TempDir);

impl Workspace {
    /// Creates an archive of the conformance case `chat` and a payload of this size, which comes last.
    fn with_payload(size: u64) -> Self {
        let workspace = Self(tempfile::tempdir().unwrap());
        fs::create_dir(workspace.path("tmp")).unwrap();
        let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/chat");
        let file = File::create(workspace.path("run.otz")).unwrap();
        let mut files = tar::Builder::new(zstd::Encoder::new(file, 1).unwrap());
        for name in ["manifest.json", "trace.jsonl"] {
            files.append_path_with_name(case.join(name), name).unwrap();
        }
        let mut header = Header::new_gnu();
        header.set_size(size);
        header.set_cksum();
        files.append_data(&mut header, "payloads/last.json", io::repeat(b' ').take(size)).unwrap();
        files.into_inner().unwrap().finish().unwrap();
        workspace
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn extracted(&self) -> usize {
        self.path("tmp").read_dir().unwrap().count()
    }

    fn start(&self, args: &[&str]) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_otel-trace"));
        command.args(args).current_dir(self.0.path()).env("TMPDIR", self.path("tmp"));
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Sends a signal to a command as soon as it extracts an archive. Returns how the command ended.
    fn signalled(&self, args: &[&str], signal: Signal) -> ExitStatus {
        let mut command = self.start(args);
        loop {
            if self.extracted() > 0 {
                // The command may have ended meanwhile.
                let _ = kill_process(Pid::from_child(&command), signal);
                return command.wait().unwrap();
            }
            if let Some(status) = command.try_wait().unwrap() {
                return status;
            }
            std::thread::yield_now();
        }
    }
}

/// Checks that a command ends with the status that shells give a process which the signal ended, and leaves nothing.
#[track_caller]
fn check(args: &[&str], signal: Signal) {
    for size in SIZES {
        let workspace = Workspace::with_payload(size);
        let status = workspace.signalled(args, signal);
        assert_eq!(workspace.extracted(), 0, "{args:?}");
        if status.code() == Some(128 + signal.as_raw()) {
            return;
        }
        // It was faster than the signal.
        assert!(matches!(status.code(), Some(0 | 1 | 3)), "{args:?}: {status:?}");
    }
    panic!("{args:?} is never slower than a signal");
}

#[test]
fn every_command_that_extracts_an_archive_removes_it_at_ctrl_c() {
    for args in [
        &["reduce", "run.otz"][..],
        &["check", "run.otz"],
        &["pack", "run.otz", "packed"],
        &["unpack", "run.otz", "unpacked"],
        &["redact", "run.otz", "redacted"],
        &["export", "run.otz", "--dry-run"],
        &["locate", "00000000000000000000000000000001", "run.otz"],
    ] {
        check(args, Signal::INT);
    }
}

#[test]
fn termination_and_a_closed_terminal_remove_extracted_files() {
    check(&["check", "run.otz"], Signal::TERM);
    check(&["check", "run.otz"], Signal::HUP);
}
