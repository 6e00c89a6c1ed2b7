//! Links that are swapped in for parts of a bundle while a command reads it: nothing of what they lead to comes along.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use tempfile::TempDir;

/// Text of every file outside of the bundle.
const OUTSIDE: &str = "from-outside-of-the-bundle";

/// How often each command runs.
const ROUNDS: usize = 60;

/// The root `traces` with one bundle, the bundle `outside`, and `aside`, with a link to a part of `outside` for each part of
/// the bundle that is swapped.
struct Workspace {
    directory: TempDir,
    swaps: Vec<(PathBuf, PathBuf)>,
}

impl Workspace {
    fn new(is_root: bool) -> Self {
        let mut workspace = Self { directory: tempfile::tempdir().unwrap(), swaps: Vec::new() };
        let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/chat");
        let (bundle, outside) = (workspace.path("traces/trace-1"), workspace.path("outside"));
        let marked = |text: &str| text.replace('{', &format!("{{\"{OUTSIDE}\":\"{OUTSIDE}\",")).replace(",}", "}");
        for place in [&bundle, &outside] {
            fs::create_dir_all(place.join("payloads")).unwrap();
            for path in files(&case) {
                let text = fs::read_to_string(case.join(&path)).unwrap();
                let text = if *place == outside { marked(&text) } else { text };
                fs::write(place.join(path), text).unwrap();
            }
        }
        fs::create_dir_all(workspace.path("aside")).unwrap();
        // The path that an argument names may be a link, so only a bundle of a root is swapped as a whole.
        if is_root {
            workspace.swap("traces/trace-1", "outside");
        }
        for name in ["payloads", "manifest.json", "trace.jsonl"] {
            workspace.swap(&format!("traces/trace-1/{name}"), &format!("outside/{name}"));
        }
        let payloads = files(&case).into_iter().filter(|path| path.starts_with("payloads"));
        payloads.for_each(|path| workspace.swap(&format!("traces/trace-1/{path}"), &format!("outside/{path}")));
        workspace
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Prepares a link to `outside` that changes places with `part`.
    fn swap(&mut self, part: &str, outside: &str) {
        let link = self.path("aside").join(self.swaps.len().to_string());
        symlink(self.path(outside), &link).unwrap();
        self.swaps.push((self.path(part), link));
    }

    /// Swaps the links in and out until `is_done`, and counts.
    fn keep_swapping(&self, is_done: &AtomicBool, count: &AtomicU64) {
        for (part, link) in self.swaps.iter().cycle() {
            if is_done.load(Ordering::Relaxed) {
                break;
            }
            for _ in 0..2 {
                renameat_with(CWD, part, CWD, link, RenameFlags::EXCHANGE).unwrap();
                thread::yield_now();
            }
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_otel-trace"));
        command.args(args).current_dir(self.directory.path()).output().unwrap()
    }
}

/// Returns the files of a case that are part of a bundle.
fn files(case: &Path) -> Vec<String> {
    let payloads = case.join("payloads").read_dir().unwrap().map(|entry| entry.unwrap().file_name());
    let mut files: Vec<_> = payloads.map(|name| format!("payloads/{}", name.into_string().unwrap())).collect();
    files.extend(["manifest.json", "trace.jsonl"].map(str::to_owned));
    files
}

/// Returns all files below a directory as (path, content).
fn tree(path: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in path.read_dir().into_iter().flatten().map(|entry| entry.unwrap().path()) {
        assert!(!entry.is_symlink(), "{entry:?} is a link");
        match entry.is_dir() {
            true => found.extend(tree(&entry)),
            false => found.push((entry.clone(), fs::read(&entry).unwrap())),
        }
    }
    found.sort();
    found
}

fn is_from_outside(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, OUTSIDE.as_bytes()).is_some()
}

/// Runs the command again and again while links are swapped. Checks that nothing from outside is in its output or in `copy`,
/// which it may write, and that nothing outside has changed.
#[track_caller]
fn check(args: &[&str], copy: Option<&str>) {
    let workspace = Workspace::new(args.contains(&"traces"));
    let outside = tree(&workspace.path("outside"));
    assert!(workspace.run(&["check", "outside"]).status.code() != Some(1), "the bundle outside can be read");
    let (is_done, swapped) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut complete = 0;
    thread::scope(|scope| {
        scope.spawn(|| workspace.keep_swapping(&is_done, &swapped));
        for _ in 0..ROUNDS {
            let output = workspace.run(args);
            let copied = copy.map(|copy| tree(&workspace.path(copy))).unwrap_or_default();
            let leaked = copied.iter().find(|(_, bytes)| is_from_outside(bytes)).map(|(path, _)| path);
            // An id that stands in the output is no more than a file that stands in the copy.
            let is_leaked = is_from_outside(&output.stdout) || is_from_outside(&output.stderr) || leaked.is_some();
            if is_leaked || String::from_utf8_lossy(&output.stderr).contains("panicked") {
                is_done.store(true, Ordering::Relaxed);
                panic!("{leaked:?} {output:?}");
            }
            complete += u32::from(output.status.success());
            if let Some(copy) = copy {
                let _ = fs::remove_dir_all(workspace.path(copy));
            }
        }
        is_done.store(true, Ordering::Relaxed);
    });
    assert!(tree(&workspace.path("outside")) == outside, "a file was written or changed outside");
    assert!(tree(&workspace.path("traces")).iter().all(|(_, bytes)| !is_from_outside(bytes)));
    assert!(swapped.into_inner() > ROUNDS as u64 && workspace.run(args).status.success(), "{complete} complete");
}

#[test]
fn unpack_copies_nothing_from_outside() {
    check(&["unpack", "traces/trace-1", "copy"], Some("copy"));
}

#[test]
fn pack_copies_nothing_from_outside() {
    check(&["pack", "traces/trace-1", "copy"], Some("copy"));
}

#[test]
fn redact_copies_nothing_from_outside() {
    check(&["redact", "traces/trace-1", "copy"], Some("copy"));
}

#[test]
fn reduce_reads_and_writes_nothing_outside() {
    check(&["reduce", "traces/trace-1"], None);
}

#[test]
fn reduce_of_a_root_reads_and_writes_nothing_outside() {
    check(&["reduce", "traces"], None);
}

#[test]
fn check_reads_nothing_from_outside() {
    check(&["check", "--json", "traces"], None);
}

#[test]
fn export_sends_nothing_from_outside() {
    check(&["export", "traces", "--content", "--format", "otlp-json", "-"], None);
}
