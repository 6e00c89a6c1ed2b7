//! `otel-trace pack` and `unpack` from the outside, and archives in place of bundles.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tar::{EntryType, Header};
use tempfile::TempDir;

/// A temporary directory with `bundle`, a copy of the conformance case `chat`, and `tmp`, the `TMPDIR` of commands.
struct Workspace(TempDir);

impl Workspace {
    fn new() -> Self {
        let workspace = Self(tempfile::tempdir().unwrap());
        let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/chat");
        fs::create_dir_all(workspace.path("bundle/payloads")).unwrap();
        fs::create_dir(workspace.path("tmp")).unwrap();
        for name in ["manifest.json", "trace.jsonl"] {
            fs::copy(case.join(name), workspace.path("bundle").join(name)).unwrap();
        }
        for entry in case.join("payloads").read_dir().unwrap().map(|entry| entry.unwrap()) {
            fs::copy(entry.path(), workspace.path("bundle/payloads").join(entry.file_name())).unwrap();
        }
        workspace
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs the command in the workspace and checks that it leaves no temporary file.
    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_otel-trace"));
        let output = command.args(args).current_dir(self.0.path()).env("TMPDIR", self.path("tmp")).output().unwrap();
        assert_eq!(self.path("tmp").read_dir().unwrap().count(), 0, "{}", stderr(&output));
        let hidden = self.names().into_iter().find(|name| name.starts_with('.'));
        assert_eq!(hidden, None, "{}", stderr(&output));
        output
    }

    /// Runs the command, checks that it succeeds and returns its stdout.
    #[track_caller]
    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs the command, checks its exit status and returns its stderr.
    #[track_caller]
    fn fails(&self, status: i32, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(status), "{}", stderr(&output));
        stderr(&output)
    }

    fn names(&self) -> Vec<String> {
        let entries = self.0.path().read_dir().unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Returns all files below a directory as (path, content).
fn tree(path: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in path.read_dir().unwrap().map(|entry| entry.unwrap().path()) {
        match entry.is_dir() {
            true => files.extend(tree(&entry)),
            false => files.push((entry.clone(), fs::read(&entry).unwrap())),
        }
    }
    files.sort();
    files
}

/// Returns all files below a directory as (path relative to the directory, content).
fn content(path: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    tree(path).into_iter().map(|(file, bytes)| (file.strip_prefix(path).unwrap().to_owned(), bytes)).collect()
}

#[test]
fn packed_bundle_is_readable_and_unpacks_unchanged() {
    let workspace = Workspace::new();
    assert_eq!(workspace.ok(&["pack", "bundle", "packed"]), "packed\n");
    let files: Vec<_> = content(&workspace.path("packed")).into_iter().map(|(name, _)| name).collect();
    assert_eq!(files, ["manifest.json", "payloads.pack", "trace.jsonl"].map(PathBuf::from));
    assert_eq!(workspace.ok(&["check", "packed"]), "");
    assert_eq!(workspace.ok(&["reduce", "--strict", "packed"]), "packed/state.json\n");
    assert_eq!(workspace.ok(&["unpack", "packed", "unpacked"]), "unpacked\n");
    assert_eq!(content(&workspace.path("unpacked")), content(&workspace.path("bundle")));
    #[cfg(unix)]
    for path in
        tree(&workspace.path("packed")).into_iter().map(|(path, _)| path).filter(|it| !it.ends_with("state.json"))
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    }
}

#[test]
fn pack_reports_the_size_before_and_after() {
    let workspace = Workspace::new();
    let size = |bundle: &str| content(&workspace.path(bundle)).iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
    let before = size("bundle");
    workspace.ok(&["reduce", "bundle"]);
    let report = stderr(&workspace.run(&["pack", "bundle", "packed"]));
    let payloads = workspace.path("bundle/payloads").read_dir().unwrap().count();
    let sizes = format!("{before} bytes before, {} bytes after", size("packed"));
    assert_eq!(report, format!("bundle: {payloads} payloads; {sizes}\n"));
    let report = stderr(&workspace.run(&["pack", "--zstd", "bundle", "run.otz"]));
    let archive = fs::metadata(workspace.path("run.otz")).unwrap().len();
    assert!(report.ends_with(&format!("; {before} bytes before, {archive} bytes after\n")), "{report}");
}

#[test]
fn every_command_reads_archives() {
    let workspace = Workspace::new();
    assert_eq!(workspace.ok(&["pack", "--zstd", "bundle", "run.otz"]), "run.otz\n");
    assert!(fs::metadata(workspace.path("run.otz")).unwrap().len() < 10_000);
    assert_eq!(workspace.ok(&["check", "run.otz"]), "");
    assert_eq!(workspace.ok(&["reduce", "run.otz"]), "run.state.json\n");
    workspace.ok(&["reduce", "bundle", "--output", "expected.json"]);
    let state = |name: &str| {
        let mut state: serde_json::Value = serde_json::from_slice(&fs::read(workspace.path(name)).unwrap()).unwrap();
        state.as_object_mut().unwrap().remove("raw_payloads");
        state
    };
    assert_eq!(state("run.state.json"), state("expected.json"));
    assert_eq!(workspace.ok(&["unpack", "run.otz", "unpacked"]), "unpacked\n");
    assert_eq!(content(&workspace.path("unpacked")), content(&workspace.path("bundle")));
    workspace.ok(&["pack", "run.otz", "packed"]);
    workspace.ok(&["pack", "--zstd", "packed", "again.otz"]);
    assert_eq!(fs::read(workspace.path("again.otz")).unwrap(), fs::read(workspace.path("run.otz")).unwrap());
    for from in ["run.otz", "packed"] {
        let copy = format!("redacted-{from}");
        assert_eq!(workspace.ok(&["redact", from, &copy]), format!("{copy}\n"));
        assert_eq!(workspace.ok(&["check", &copy]), "");
        let bodies = |bundle: &str| content(&workspace.path(bundle).join("payloads"));
        assert_eq!(bodies(&copy), bodies("bundle"));
        fs::remove_dir_all(workspace.path(&copy)).unwrap();
    }
    let expected = ["again.otz", "bundle", "expected.json", "packed", "run.otz", "run.state.json", "tmp", "unpacked"];
    assert_eq!(workspace.names(), expected);
}

#[test]
fn unreadable_payload_is_reported_and_left_unchanged() {
    let workspace = Workspace::new();
    fs::remove_file(workspace.path("bundle/payloads/2.json")).unwrap();
    for (args, dest) in [(&["pack", "bundle", "packed"][..], "packed"), (&["unpack", "packed", "unpacked"], "unpacked")]
    {
        let stderr = workspace.fails(3, args);
        assert!(stderr.contains("skipped: line ") && stderr.contains("\"payloads/2.json\" cannot be read"), "{stderr}");
        assert!(stderr.contains(", 1 not readable"), "{stderr}");
        assert!(workspace.path(dest).is_dir());
    }
    assert_eq!(content(&workspace.path("unpacked")), content(&workspace.path("bundle")));
    assert!(workspace.fails(3, &["pack", "--zstd", "bundle", "run.otz"]).contains("1 not readable"));
    workspace.fails(3, &["check", "run.otz"]);
}

#[test]
fn existing_destination_or_missing_bundle_is_an_error() {
    let workspace = Workspace::new();
    for args in [["pack", "bundle", "tmp"], ["unpack", "bundle", "tmp"]] {
        let expected = "error: cannot create the copy at tmp: the path already exists; \
                        the last argument is the destination and must not exist\n";
        assert_eq!(workspace.fails(1, &args), expected, "{args:?}");
    }
    let stderr = workspace.fails(1, &["pack", "--zstd", "bundle", "bundle/manifest.json"]);
    assert!(stderr.contains("the copy at bundle/manifest.json: the path already exists"), "{stderr}");
    assert!(workspace.fails(1, &["pack", "nothing", "dest"]).contains("does not exist"));
    assert!(workspace.fails(1, &["pack", "--zstd", "nothing", "dest"]).contains("does not exist"));
    assert!(workspace.fails(1, &["unpack", "bundle/manifest.json", "dest"]).contains("is a file, not a bundle"));
    assert_eq!(workspace.run(&["pack", "bundle"]).status.code(), Some(2));
    assert_eq!(workspace.names(), ["bundle", "tmp"]);
}

type Tar = tar::Builder<Vec<u8>>;

/// Adds a file under a name that `tar::Builder` would reject.
fn add(files: &mut Tar, name: &str, kind: EntryType, size: u64, body: &[u8]) {
    let mut header = Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o600);
    header.set_entry_type(kind);
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_cksum();
    files.append(&header, body).unwrap();
}

#[test]
fn malicious_archives_are_refused_and_leave_no_file() {
    let workspace = Workspace::new();
    let manifest = fs::read(workspace.path("bundle/manifest.json")).unwrap();
    let log = fs::read(workspace.path("bundle/trace.jsonl")).unwrap();
    let written = |add_more: &dyn Fn(&mut Tar)| {
        let mut files = Tar::new(Vec::new());
        add(&mut files, "manifest.json", EntryType::Regular, manifest.len() as u64, &manifest);
        add_more(&mut files);
        let bytes = zstd::encode_all(&files.into_inner().unwrap()[..], 3).unwrap();
        fs::write(workspace.path("run.otz"), bytes).unwrap();
    };
    let refused = |add_more: &dyn Fn(&mut Tar)| {
        written(add_more);
        workspace.fails(1, &["check", "run.otz"])
    };
    let regular = |name: &'static str| move |files: &mut Tar| add(files, name, EntryType::Regular, 1, b"x");
    for name in
        ["../x", "/x", "/tmp/x", "payloads/../../x", "payloads/..", "payloads/a/b", "state.json", "x", "payloads/"]
    {
        let stderr = refused(&regular(name));
        assert!(stderr.contains("which is not a file of a bundle"), "{name}: {stderr}");
    }
    // A sparse file of a few bytes would be extracted to any length.
    let sparse = EntryType::GNUSparse;
    for kind in [EntryType::Symlink, EntryType::Link, EntryType::Directory, EntryType::Fifo, EntryType::XHeader, sparse]
    {
        let stderr = refused(&|files: &mut Tar| add(files, "payloads/1.json", kind, 0, b""));
        assert!(stderr.contains("which is not a file of a bundle"), "{kind:?}: {stderr}");
    }
    let stderr = refused(&regular("manifest.json"));
    assert!(stderr.contains("cannot write its \"manifest.json\""), "{stderr}");
    let stderr = refused(&|files: &mut Tar| {
        let zeros = vec![0; 1 << 20];
        add(files, "trace.jsonl", EntryType::Regular, 1 << 40, &zeros);
    });
    assert!(stderr.contains("far more than its size allows"), "{stderr}");
    let stderr = refused(&|files: &mut Tar| {
        add(files, "trace.jsonl", EntryType::Regular, log.len() as u64 + 5000, &log);
    });
    assert!(stderr.contains("run.otz: cannot be read as an archive of a bundle"), "{stderr}");
    let stderr = refused(&|_| ());
    assert!(stderr.contains("has no trace.jsonl"), "{stderr}");

    written(&|files: &mut Tar| add(files, "trace.jsonl", EntryType::Regular, log.len() as u64, &log));
    workspace.fails(3, &["check", "run.otz"]);
    let whole = fs::read(workspace.path("run.otz")).unwrap();
    for end in [4, 5, whole.len() / 2, whole.len() - 1] {
        fs::write(workspace.path("run.otz"), &whole[..end]).unwrap();
        let stderr = workspace.fails(1, &["unpack", "run.otz", "dest"]);
        assert!(stderr.contains("cannot be read as an archive"), "{end}: {stderr}");
    }
    assert_eq!(workspace.names(), ["bundle", "run.otz", "tmp"]);
}
