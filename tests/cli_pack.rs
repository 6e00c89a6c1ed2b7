//! `otel-trace pack` and `unpack` as a shell sees them, and archives in place of bundles.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tar::{EntryType, Header};
use tempfile::TempDir;

/// A directory with a copy of the conformance case `chat`, `bundle`, and one for what commands extract, `tmp`.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/chat");
        fs::create_dir_all(place.path("bundle/payloads")).unwrap();
        fs::create_dir(place.path("tmp")).unwrap();
        for name in ["manifest.json", "trace.jsonl"] {
            fs::copy(case.join(name), place.path("bundle").join(name)).unwrap();
        }
        for entry in case.join("payloads").read_dir().unwrap().map(|entry| entry.unwrap()) {
            fs::copy(entry.path(), place.path("bundle/payloads").join(entry.file_name())).unwrap();
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs the command there. Nothing temporary may stay.
    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_otel-trace"));
        let output = command.args(args).current_dir(self.0.path()).env("TMPDIR", self.path("tmp")).output().unwrap();
        assert_eq!(self.path("tmp").read_dir().unwrap().count(), 0, "{}", stderr(&output));
        let hidden = self.names().into_iter().find(|name| name.starts_with('.'));
        assert_eq!(hidden, None, "{}", stderr(&output));
        output
    }

    #[track_caller]
    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What it says on stderr.
    #[track_caller]
    fn ends(&self, status: i32, args: &[&str]) -> String {
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

/// All files below, as (path, content).
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

/// The same, relative.
fn content(path: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    tree(path).into_iter().map(|(file, bytes)| (file.strip_prefix(path).unwrap().to_owned(), bytes)).collect()
}

#[test]
fn a_bundle_is_packed_read_and_unpacked_to_what_it_was() {
    let place = Place::new();
    assert_eq!(place.ok(&["pack", "bundle", "packed"]), "packed\n");
    let files: Vec<_> = content(&place.path("packed")).into_iter().map(|(name, _)| name).collect();
    assert_eq!(files, ["manifest.json", "payloads.pack", "trace.jsonl"].map(PathBuf::from));
    assert_eq!(place.ok(&["check", "packed"]), "");
    assert_eq!(place.ok(&["reduce", "--strict", "packed"]), "packed/state.json\n");
    assert_eq!(place.ok(&["unpack", "packed", "unpacked"]), "unpacked\n");
    assert_eq!(content(&place.path("unpacked")), content(&place.path("bundle")));
    #[cfg(unix)]
    for path in tree(&place.path("packed")).into_iter().map(|(path, _)| path).filter(|it| !it.ends_with("state.json")) {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    }
}

#[test]
fn every_command_reads_an_archive_in_place_of_a_bundle() {
    let place = Place::new();
    assert_eq!(place.ok(&["pack", "--zstd", "bundle", "run.otz"]), "run.otz\n");
    assert!(fs::metadata(place.path("run.otz")).unwrap().len() < 10_000);
    assert_eq!(place.ok(&["check", "run.otz"]), "");
    assert_eq!(place.ok(&["reduce", "run.otz"]), "run.state.json\n");
    place.ok(&["reduce", "bundle", "--output", "expected.json"]);
    let state = |name: &str| {
        let mut state: serde_json::Value = serde_json::from_slice(&fs::read(place.path(name)).unwrap()).unwrap();
        state.as_object_mut().unwrap().remove("raw_payloads");
        state
    };
    assert_eq!(state("run.state.json"), state("expected.json"));
    assert_eq!(place.ok(&["unpack", "run.otz", "unpacked"]), "unpacked\n");
    assert_eq!(content(&place.path("unpacked")), content(&place.path("bundle")));
    place.ok(&["pack", "run.otz", "packed"]);
    place.ok(&["pack", "--zstd", "packed", "again.otz"]);
    assert_eq!(fs::read(place.path("again.otz")).unwrap(), fs::read(place.path("run.otz")).unwrap());
    for from in ["run.otz", "packed"] {
        let copy = format!("redacted-{from}");
        assert_eq!(place.ok(&["redact", from, &copy]), format!("{copy}\n"));
        assert_eq!(place.ok(&["check", &copy]), "");
        let bodies = |bundle: &str| content(&place.path(bundle).join("payloads"));
        assert_eq!(bodies(&copy), bodies("bundle"));
        fs::remove_dir_all(place.path(&copy)).unwrap();
    }
    let expected = ["again.otz", "bundle", "expected.json", "packed", "run.otz", "run.state.json", "tmp", "unpacked"];
    assert_eq!(place.names(), expected);
}

#[test]
fn what_can_not_be_read_is_told_and_left_as_it_is() {
    let place = Place::new();
    fs::remove_file(place.path("bundle/payloads/2.json")).unwrap();
    for (args, dest) in [(&["pack", "bundle", "packed"][..], "packed"), (&["unpack", "packed", "unpacked"], "unpacked")]
    {
        let said = place.ends(3, args);
        assert!(said.contains("skipped: line ") && said.contains("\"payloads/2.json\" cannot be read"), "{said}");
        assert!(said.contains(", 1 not readable"), "{said}");
        assert!(place.path(dest).is_dir());
    }
    assert_eq!(content(&place.path("unpacked")), content(&place.path("bundle")));
    assert!(place.ends(3, &["pack", "--zstd", "bundle", "run.otz"]).contains("1 not readable"));
    place.ends(3, &["check", "run.otz"]);
}

#[test]
fn what_is_no_bundle_or_is_there_already_ends_it() {
    let place = Place::new();
    for args in [["pack", "bundle", "tmp"], ["unpack", "bundle", "tmp"]] {
        assert!(place.ends(1, &args).contains("tmp: something is already here"), "{args:?}");
    }
    assert!(place.ends(1, &["pack", "--zstd", "bundle", "bundle/manifest.json"]).contains("already here"));
    assert!(place.ends(1, &["pack", "nothing", "dest"]).contains("does not exist"));
    assert!(place.ends(1, &["pack", "--zstd", "nothing", "dest"]).contains("does not exist"));
    assert!(place.ends(1, &["unpack", "bundle/manifest.json", "dest"]).contains("is a file, not a bundle"));
    assert_eq!(place.run(&["pack", "bundle"]).status.code(), Some(2));
    assert_eq!(place.names(), ["bundle", "tmp"]);
}

type Tar = tar::Builder<Vec<u8>>;

/// Adds a file under a name that no builder would let through.
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
fn archives_of_ill_will_are_refused_and_leave_nothing() {
    let place = Place::new();
    let manifest = fs::read(place.path("bundle/manifest.json")).unwrap();
    let log = fs::read(place.path("bundle/trace.jsonl")).unwrap();
    let written = |add_more: &dyn Fn(&mut Tar)| {
        let mut files = Tar::new(Vec::new());
        add(&mut files, "manifest.json", EntryType::Regular, manifest.len() as u64, &manifest);
        add_more(&mut files);
        let bytes = zstd::encode_all(&files.into_inner().unwrap()[..], 3).unwrap();
        fs::write(place.path("run.otz"), bytes).unwrap();
    };
    let refused = |add_more: &dyn Fn(&mut Tar)| {
        written(add_more);
        place.ends(1, &["check", "run.otz"])
    };
    let regular = |name: &'static str| move |files: &mut Tar| add(files, name, EntryType::Regular, 1, b"x");
    for name in
        ["../x", "/x", "/tmp/x", "payloads/../../x", "payloads/..", "payloads/a/b", "state.json", "x", "payloads/"]
    {
        let said = refused(&regular(name));
        assert!(said.contains("which is not a file of a bundle"), "{name}: {said}");
    }
    for kind in [EntryType::Symlink, EntryType::Link, EntryType::Directory, EntryType::Fifo, EntryType::XHeader] {
        let said = refused(&|files: &mut Tar| add(files, "payloads/1.json", kind, 0, b""));
        assert!(said.contains("which is not a file of a bundle"), "{kind:?}: {said}");
    }
    let said = refused(&regular("manifest.json"));
    assert!(said.contains("cannot write its \"manifest.json\""), "{said}");
    let said = refused(&|files: &mut Tar| {
        let zeros = vec![0; 1 << 20];
        add(files, "trace.jsonl", EntryType::Regular, 1 << 40, &zeros);
    });
    assert!(said.contains("far more than its size allows"), "{said}");
    let said = refused(&|files: &mut Tar| {
        add(files, "trace.jsonl", EntryType::Regular, log.len() as u64 + 5000, &log);
    });
    assert!(said.contains("run.otz: cannot be read as an archive of a bundle"), "{said}");
    let said = refused(&|_| ());
    assert!(said.contains("has no trace.jsonl"), "{said}");

    written(&|files: &mut Tar| add(files, "trace.jsonl", EntryType::Regular, log.len() as u64, &log));
    place.ends(3, &["check", "run.otz"]);
    let whole = fs::read(place.path("run.otz")).unwrap();
    for end in [4, 5, whole.len() / 2, whole.len() - 1] {
        fs::write(place.path("run.otz"), &whole[..end]).unwrap();
        let said = place.ends(1, &["unpack", "run.otz", "dest"]);
        assert!(said.contains("cannot be read as an archive"), "{end}: {said}");
    }
    assert_eq!(place.names(), ["bundle", "run.otz", "tmp"]);
}
