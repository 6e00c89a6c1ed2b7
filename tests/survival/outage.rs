//! Outages during which a child process cannot write all or any of its events, and the losses that it reports.

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
use crate::recovered::{Recovered, bundles};
use crate::reports::ReportReader;
use crate::workload::REPORT_PREFIX;

/// The variable with the directory to which a child process with its own disk copies its bundles.
const COPY: &str = "OTEL_TRACE_TEST_COPY";

/// An outage: the script that starts the child process, and the role that selects its behavior.
pub(crate) struct Outage {
    /// A Bash script that ends with `exec "$@"`.
    pub(crate) shell: &'static str,
    pub(crate) role: &'static str,
}

impl Outage {
    /// Runs the child process. Checks that its log names exactly the losses that it reported, and that the graph has a
    /// diagnostic for the gap.
    #[track_caller]
    pub(crate) fn check(&self, test: &str) {
        let (root, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let reports = self.run(test, &root, &copy);
        let root = if bundles(copy.path()).is_empty() { &root } else { &copy };
        let recovered = Recovered::read(root.path());
        let lost: Vec<(String, String)> = reports.iter().filter(|(kind, _)| kind == "lost").cloned().collect();
        assert!(!lost.is_empty(), "nothing was lost");
        let gaps = recovered.gaps.iter().map(|(name, count)| ("lost".to_owned(), format!("{name}:{count}")));
        assert_eq!(gaps.collect::<Vec<_>>(), lost);
        assert!(recovered.gaps_in_graphs > 0);
        let recorded: Vec<_> = reports.into_iter().filter(|(kind, _)| kind != "lost").collect();
        assert!(!recorded.is_empty());
        recovered.assert_contains(&recorded);
    }

    /// Runs the child process to its end and returns its reports.
    fn run(&self, test: &str, root: &TempDir, copy: &TempDir) -> Vec<(String, String)> {
        let this = child(test, self.role);
        let mut shell = Command::new("bash");
        shell.args(["-c", self.shell, "bash"]).arg(this.get_program()).args(this.get_args());
        shell.env_remove("OTEL_TRACE_PARENT").env("OTEL_TRACE_ROOT", root.path()).env(COPY, copy.path());
        this.get_envs().filter_map(|(name, value)| Some((name, value?))).for_each(|(name, value)| {
            shell.env(name, value);
        });
        let mut process = shell.env("OTEL_TRACE_ROOT", root.path()).stdout(Stdio::piped()).spawn().unwrap();
        let reports = ReportReader::new(process.stdout.take().unwrap()).rest();
        assert!(process.wait().unwrap().success());
        reports
    }
}

/// Returns `true` if a process can mount its own file system on this machine.
pub(crate) fn can_mount() -> bool {
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/tmp"]).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Reports an event type, or a loss, with a text to the parent process.
fn report(kind: &str, text: &str) {
    use std::io::Write;
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "\n{REPORT_PREFIX}{kind} {text}").unwrap();
}

/// A recording that is interrupted by an outage.
struct Interrupted {
    recorder: Recorder,
    turn: Turn,
    thread: AgentThread,
    last: u32,
}

impl Interrupted {
    /// Records tool calls with payloads, reports them, and panics if anything is lost.
    fn record_whole(&mut self, calls: u32) {
        let lost = self.recorder.stats().lost();
        for _ in 0..calls {
            let name = self.record();
            report("tool_call_started", &name);
            report("tool_call_ended", &name);
        }
        assert_eq!(self.recorder.stats().lost(), lost, "{:?}", self.recorder.stats());
    }

    /// Records tool calls with payloads until several losses have occurred.
    fn record_until_lost(&mut self) {
        for _ in 0..100_000 {
            self.record();
            if self.recorder.stats().lost() > 3 {
                return;
            }
        }
        panic!("nothing was lost");
    }

    /// Records one tool call and returns its id.
    fn record(&mut self) -> String {
        self.last += 1;
        let name = format!("call-{}", self.last);
        let tool = self.turn.tool_call(ToolCallMeta::new("n").id(&name).arguments("{}"));
        tool.result(Json(&json!({ "type": "code_mode_response", "value": "x".repeat(2_000) })));
        tool.complete();
        name
    }

    /// Returns the payload directory of the bundle.
    fn payloads(&self) -> PathBuf {
        self.thread.bundle().unwrap().join("payloads")
    }
}

/// Records before, during and after the outage, and reports the losses.
fn record_through(outage: impl FnOnce(&mut Interrupted)) {
    let (recorder, guard): (_, RecorderGuard) = Recorder::from_env().unwrap().unwrap();
    let layer = recorder.layer().with_filter(recorder.filter());
    with_default(tracing_subscriber::registry().with(layer), || {
        let thread = AgentThread::start(ThreadMeta::new().id("t"));
        let turn = thread.turn(None);
        // An inference call that has ended before the outage.
        turn.inference(Model { name: "m", provider: "p" }).request(Json(&json!({ "input": [] })));
        let mut interrupted = Interrupted { recorder: recorder.clone(), turn, thread, last: 0 };
        interrupted.record_whole(5);
        outage(&mut interrupted);
        interrupted.record_whole(5);
    });
    drop(guard);
    let stats = recorder.stats();
    let mut lost = stats.lost_events;
    lost.extend(stats.lost_payloads);
    lost.iter().for_each(|(name, count)| report("lost", &format!("{name}:{count}")));
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

/// Runs the program of a child process with this role.
pub(crate) fn record_with_outage(role: &str) {
    match role {
        "its disk is full for a while" => record_through(|interrupted| {
            let ballast = interrupted.recorder.root().join(".ballast");
            // Fills the disk to the last byte, so that a line is truncated, too.
            let mut file = fs::File::create(&ballast).unwrap();
            while std::io::Write::write(&mut file, &[0; 4096]).is_ok_and(|written| written > 0) {}
            interrupted.record_until_lost();
            fs::remove_file(ballast).unwrap();
        }),
        "its files may not grow for a while" => record_through(|interrupted| {
            let log = interrupted.thread.bundle().unwrap().join("trace.jsonl");
            let Rlimit { current, maximum } = getrlimit(Resource::Fsize);
            // The next line and the payloads exceed this length and are truncated.
            let length = fs::metadata(log).unwrap().len() + 100;
            setrlimit(Resource::Fsize, Rlimit { current: Some(length), maximum }).unwrap();
            interrupted.record_until_lost();
            setrlimit(Resource::Fsize, Rlimit { current, maximum }).unwrap();
        }),
        "its directory is read-only for a while" => record_through(|interrupted| {
            use std::os::unix::fs::PermissionsExt;
            let set = |mode| fs::set_permissions(interrupted.payloads(), fs::Permissions::from_mode(mode)).unwrap();
            set(0o500);
            assert!(
                fs::write(interrupted.payloads().join("probe"), "").is_err(),
                "the read-only directory accepts a file"
            );
            let payloads = interrupted.payloads();
            interrupted.record_until_lost();
            fs::set_permissions(payloads, fs::Permissions::from_mode(0o700)).unwrap();
        }),
        "its directory is gone for a while" => record_through(|interrupted| {
            let (payloads, away) = (interrupted.payloads(), interrupted.recorder.root().join(".away"));
            fs::rename(&payloads, &away).unwrap();
            interrupted.record_until_lost();
            fs::rename(away, payloads).unwrap();
        }),
        "it has no file left for a while" => record_through(|interrupted| {
            let mut files = Vec::new();
            while let Ok(file) = fs::File::open("/dev/null") {
                files.push(file);
            }
            interrupted.record_until_lost();
        }),
        other => panic!("unknown role {other:?}"),
    }
}
