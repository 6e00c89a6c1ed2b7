//! Ways in which a process dies, and the child process that dies in one of them.

use std::hint::black_box;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio, abort, exit};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use otel_trace::{Durability, PayloadKind, Recorder, RecorderGuard, Redactor, SyncEvery};
use serde::{Serialize, Serializer};
use tempfile::TempDir;
use tracing_subscriber::prelude::*;

use crate::common::{child, wait_until};
use crate::random::Random;
use crate::reports::ReportReader;
use crate::workload;

/// The cause of death of a child process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Death {
    Killed,
    Aborts,
    Exits,
    OverflowsItsStack,
    RunsOutOfMemory,
}

impl Death {
    const ALL: [Self; 5] = [Self::Killed, Self::Aborts, Self::Exits, Self::OverflowsItsStack, Self::RunsOutOfMemory];

    /// Checks that an exit status has this cause.
    #[track_caller]
    fn check(self, status: ExitStatus) {
        const SIGKILL: i32 = 9;
        const SIGABRT: i32 = 6;
        match self {
            Self::Killed => assert_eq!(status.signal(), Some(SIGKILL), "{status}"),
            Self::Aborts | Self::OverflowsItsStack | Self::RunsOutOfMemory => {
                assert_eq!(status.signal(), Some(SIGABRT), "{self:?}: {status}");
            }
            Self::Exits => assert_eq!(status.code(), Some(7), "{status}"),
        }
    }
}

/// Parses the durability in the role of a child process.
fn durability(word: &str) -> Durability {
    match word {
        "kernel" => Durability::PageCache,
        "event" => Durability::Fsync(SyncEvery::Event),
        "millis" => Durability::Fsync(SyncEvery::Millis(5)),
        "buffered" => Durability::Buffered,
        other => panic!("unknown durability {other:?}"),
    }
}

/// A child process that records until it dies in a given way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Victim {
    pub(crate) death: Death,
    pub(crate) durability: &'static str,
    /// The payload store, as a value of `OTEL_TRACE_STORE`.
    pub(crate) store: &'static str,
    /// `true` if the redactor, the `on_loss` callback and some bodies panic.
    pub(crate) panics: bool,
    /// The seed of all random decisions.
    pub(crate) seed: u64,
}

/// The root directory and the reports of a dead child process.
pub(crate) struct Remains {
    pub(crate) root: TempDir,
    /// Reports of recorded events, as pairs of an event type and a text.
    pub(crate) reports: Vec<(String, String)>,
}

impl Victim {
    /// Formats this victim as the role of a child process.
    fn role(self) -> String {
        let Self { death, durability, store: _, panics, seed } = self;
        format!("{death:?} {durability} {panics} {seed}")
    }

    /// Runs the child process until it is dead.
    #[track_caller]
    pub(crate) fn run(self, test: &str) -> Remains {
        let root = tempfile::tempdir().unwrap();
        let this = child(test, &self.role());
        // A limit of the address space, in KiB, that suffices for the start of the process.
        let limits = if self.death == Death::RunsOutOfMemory { "ulimit -v 2000000; " } else { "" };
        let mut shell = Command::new("bash");
        shell.args(["-c", &format!("ulimit -c 0; {limits}exec \"$@\""), "bash"]);
        shell.arg(this.get_program()).args(this.get_args()).env_remove("OTEL_TRACE_PARENT");
        this.get_envs().filter_map(|(name, value)| Some((name, value?))).for_each(|(name, value)| {
            shell.env(name, value);
        });
        shell
            .env("OTEL_TRACE_STORE", self.store)
            .env("OTEL_TRACE_ROOT", root.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut process = shell.spawn().unwrap();
        let mut reader = ReportReader::new(process.stdout.take().unwrap());
        if self.death == Death::Killed {
            let mut random = Random::new(self.seed);
            reader.read_until(random.below(400) as usize);
            // Delays the kill, so that it also hits between and inside of calls.
            (0..random.below(200_000)).for_each(|n| _ = black_box(n));
            process.kill().unwrap();
        }
        let reports = reader.rest();
        self.death.check(process.wait().unwrap());
        Remains { root, reports }
    }
}

/// A value whose serialization recurses until the stack overflows. The optimizer must not see that the recursion never
/// ends, because it would turn the recursion into a loop.
struct EndlesslyNested(u64);

impl Serialize for EndlesslyNested {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if black_box(self.0) == u64::MAX {
            return serializer.serialize_unit();
        }
        let frame = black_box([self.0; 32]);
        let serialized = serializer.collect_seq([Self(self.0 + 1)]);
        black_box(&frame);
        serialized
    }
}

/// A value whose serialization panics.
struct PanicsWhenSerialized;

impl Serialize for PanicsWhenSerialized {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("planted")
    }
}

/// A redactor that panics at every second payload of a tool runtime event.
struct PanickingRedactor(AtomicBool);

impl Redactor for PanickingRedactor {
    fn redact(&self, kind: PayloadKind, _: &mut Vec<u8>, _: bool) {
        if kind == PayloadKind::ToolRuntimeEvent {
            assert!(self.0.fetch_not(Ordering::Relaxed), "planted");
        }
    }
}

/// Creates a recorder that panics in its callbacks if `panics` is set.
fn recorder(durability: Durability, panics: bool) -> (Recorder, RecorderGuard) {
    let builder = Recorder::builder().durability(durability);
    if !panics {
        return builder.build().unwrap();
    }
    std::panic::set_hook(Box::new(|_| {}));
    builder.redact(PanickingRedactor(AtomicBool::new(true))).on_loss(|_| panic!("planted")).build().unwrap()
}

/// Records in several threads until this process dies as its role demands.
pub(crate) fn victim(role: &str) {
    let words: Vec<_> = role.split(' ').collect();
    let [death, word, panics, seed] = words[..] else { panic!("{role}") };
    let death = Death::ALL.into_iter().find(|known| format!("{known:?}") == death).unwrap();
    let seed: u64 = seed.parse().unwrap();
    let (recorder, _guard) = recorder(durability(word), panics == "true");
    tracing_subscriber::registry().with(recorder.layer().with_filter(recorder.filter())).init();
    let recorder = Arc::new(recorder);
    workload::start(seed);
    if panics == "true" {
        thread::spawn(|| {
            loop {
                workload::record_body(&PanicsWhenSerialized);
            }
        });
    }
    let last = Random::new(seed).below(600);
    wait_until(|| recorder.stats().events.values().sum::<u64>() >= last);
    match death {
        Death::Killed => loop {
            thread::park();
        },
        Death::Aborts => abort(),
        Death::Exits => exit(7),
        Death::OverflowsItsStack => workload::record_body(&EndlesslyNested(0)),
        Death::RunsOutOfMemory => loop {
            // The memory is not touched: only the address space is exhausted.
            std::mem::forget(black_box(Vec::<u8>::with_capacity(1 << 20)));
        },
    }
}
