//! Times in which nothing, or not all, can be written: what a child loses then, and says of it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use otel_trace::{AgentThread, Json, Model, Operation, Recorder, RecorderGuard, ThreadMeta, ToolCallMeta, Turn};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tempfile::TempDir;
use tracing::subscriber::with_default;
use tracing_subscriber::prelude::*;

use crate::common::child;
use crate::said::Said;
use crate::verdict::{Verdict, bundles};
use crate::work::SAID;

/// Where a child that records to a disk of its own leaves a copy of what is there.
const COPY: &str = "OTEL_TRACE_TEST_COPY";

/// A child in trouble: how it is started, and what it does by its role.
pub(crate) struct Outage {
    /// A script of bash that ends with `exec "$@"`.
    pub(crate) shell: &'static str,
    pub(crate) role: &'static str,
}

impl Outage {
    /// Runs the child. What it lost is what its log says it lost, and the graph names the hole.
    #[track_caller]
    pub(crate) fn check(&self, test: &str) {
        let (root, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let said = self.run(test, &root, &copy);
        let read = if bundles(copy.path()).is_empty() { &root } else { &copy };
        let verdict = Verdict::of(read.path());
        let lost: Vec<(String, String)> = said.iter().filter(|(what, _)| what == "lost").cloned().collect();
        assert!(!lost.is_empty(), "nothing was lost");
        let gaps = verdict.gaps.iter().map(|(name, count)| ("lost".to_owned(), format!("{name}:{count}")));
        assert_eq!(gaps.collect::<Vec<_>>(), lost);
        assert!(verdict.gaps_in_graphs > 0);
        let recorded: Vec<_> = said.into_iter().filter(|(what, _)| what != "lost").collect();
        assert!(!recorded.is_empty());
        verdict.holds(&recorded);
    }

    fn run(&self, test: &str, root: &TempDir, copy: &TempDir) -> Vec<(String, String)> {
        let this = child(test, self.role);
        let mut shell = Command::new("bash");
        shell.args(["-c", self.shell, "bash"]).arg(this.get_program()).args(this.get_args());
        shell.env_remove("OTEL_TRACE_PARENT").env("OTEL_TRACE_ROOT", root.path()).env(COPY, copy.path());
        this.get_envs().filter_map(|(name, value)| Some((name, value?))).for_each(|(name, value)| {
            shell.env(name, value);
        });
        let mut process = shell.env("OTEL_TRACE_ROOT", root.path()).stdout(Stdio::piped()).spawn().unwrap();
        let said = Said::new(process.stdout.take().unwrap()).rest();
        assert!(process.wait().unwrap().success());
        said
    }
}

/// Whether a process may have a disk of its own here.
pub(crate) fn can_mount() -> bool {
    let mut tried = Command::new("unshare");
    tried.args(["--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/tmp"]).stderr(Stdio::null());
    tried.status().is_ok_and(|status| status.success())
}

fn say(what: &str, text: &str) {
    use std::io::Write;
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "\n{SAID}{what} {text}").unwrap();
}

/// A recording that meets trouble.
struct Troubled {
    recorder: Recorder,
    turn: Turn,
    thread: AgentThread,
    last: u32,
}

impl Troubled {
    /// Calls with bodies, of which nothing may be lost.
    fn record_whole(&mut self, calls: u32) {
        let lost = self.recorder.stats().lost();
        for _ in 0..calls {
            let name = self.record();
            say("tool_call_started", &name);
            say("tool_call_ended", &name);
        }
        assert_eq!(self.recorder.stats().lost(), lost, "{:?}", self.recorder.stats());
    }

    /// Calls with bodies until something is lost.
    fn record_until_lost(&mut self) {
        for _ in 0..100_000 {
            self.record();
            if self.recorder.stats().lost() > 3 {
                return;
            }
        }
        panic!("nothing is lost");
    }

    fn record(&mut self) -> String {
        self.last += 1;
        let name = format!("call-{}", self.last);
        let tool = self.turn.tool_call(ToolCallMeta::new("n").id(&name).arguments("{}"));
        tool.result(Json(&json!({ "type": "code_mode_response", "value": "x".repeat(2_000) })));
        tool.complete();
        name
    }

    fn payloads(&self) -> PathBuf {
        self.thread.bundle().unwrap().join("payloads")
    }
}

/// Records before, during and after the trouble, and says what was lost.
fn through(trouble: impl FnOnce(&mut Troubled)) {
    let (recorder, guard): (_, RecorderGuard) = Recorder::from_env().unwrap().unwrap();
    let layer = recorder.layer().with_filter(recorder.filter());
    with_default(tracing_subscriber::registry().with(layer), || {
        let thread = AgentThread::start(ThreadMeta::new().id("t"));
        let turn = thread.turn(None);
        // The host's own answers do not change.
        turn.inference(Model { name: "m", provider: "p" }).request(Json(&json!({ "input": [] })));
        let mut troubled = Troubled { recorder: recorder.clone(), turn, thread, last: 0 };
        troubled.record_whole(5);
        trouble(&mut troubled);
        troubled.record_whole(5);
    });
    drop(guard);
    let stats = recorder.stats();
    let mut lost = stats.lost_events;
    lost.extend(stats.lost_payloads);
    lost.iter().for_each(|(name, count)| say("lost", &format!("{name}:{count}")));
    if let Some(copy) = env::var_os(COPY) {
        copy_tree(recorder.root(), Path::new(&copy));
    }
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// What a child in trouble does.
pub(crate) fn troubled(role: &str) {
    match role {
        "its disk is full for a while" => through(|troubled| {
            let ballast = troubled.recorder.root().join(".ballast");
            // To the last byte, so that a line, too, is cut short.
            let mut file = fs::File::create(&ballast).unwrap();
            while std::io::Write::write(&mut file, &[0; 4096]).is_ok_and(|written| written > 0) {}
            troubled.record_until_lost();
            fs::remove_file(ballast).unwrap();
        }),
        "its files may not grow for a while" => through(|troubled| {
            let log = troubled.thread.bundle().unwrap().join("trace.jsonl");
            let Rlimit { current, maximum } = getrlimit(Resource::Fsize);
            // So that the next line is cut short, and so are bodies.
            let length = fs::metadata(log).unwrap().len() + 100;
            setrlimit(Resource::Fsize, Rlimit { current: Some(length), maximum }).unwrap();
            troubled.record_until_lost();
            setrlimit(Resource::Fsize, Rlimit { current, maximum }).unwrap();
        }),
        "its directory is read-only for a while" => through(|troubled| {
            use std::os::unix::fs::PermissionsExt;
            let set = |mode| fs::set_permissions(troubled.payloads(), fs::Permissions::from_mode(mode)).unwrap();
            set(0o500);
            assert!(fs::write(troubled.payloads().join("probe"), "").is_err(), "is not refused");
            let payloads = troubled.payloads();
            troubled.record_until_lost();
            fs::set_permissions(payloads, fs::Permissions::from_mode(0o700)).unwrap();
        }),
        "its directory is gone for a while" => through(|troubled| {
            let (payloads, away) = (troubled.payloads(), troubled.recorder.root().join(".away"));
            fs::rename(&payloads, &away).unwrap();
            troubled.record_until_lost();
            fs::rename(away, payloads).unwrap();
        }),
        "it has no file left for a while" => through(|troubled| {
            let mut files = Vec::new();
            while let Ok(file) = fs::File::open("/dev/null") {
                files.push(file);
            }
            troubled.record_until_lost();
        }),
        other => panic!("{other}"),
    }
}
