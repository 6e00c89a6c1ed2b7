//! Ways to die, and the child that goes one of them.

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

use crate::common::{child, until};
use crate::random::Random;
use crate::said::Said;
use crate::work;

/// Why a child dies.
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

/// How much a child's recording is to survive, by the words of its role.
fn durability(word: &str) -> Durability {
    match word {
        "kernel" => Durability::PageCache,
        "event" => Durability::Fsync(SyncEvery::Event),
        "millis" => Durability::Fsync(SyncEvery::Millis(5)),
        "buffered" => Durability::Buffered,
        other => panic!("{other}"),
    }
}

/// A child that records, and how it is to die.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Victim {
    pub(crate) death: Death,
    pub(crate) durability: &'static str,
    /// How it keeps bodies, as `OTEL_TRACE_STORE` says it.
    pub(crate) store: &'static str,
    /// Whether the recording itself panics now and then.
    pub(crate) panics: bool,
    pub(crate) seed: u64,
}

/// What a dead child left.
pub(crate) struct Left {
    pub(crate) root: TempDir,
    /// What it said of what it recorded.
    pub(crate) said: Vec<(String, String)>,
}

impl Victim {
    fn role(self) -> String {
        let Self { death, durability, store: _, panics, seed } = self;
        format!("{death:?} {durability} {panics} {seed}")
    }

    /// Runs it until it is dead.
    #[track_caller]
    pub(crate) fn run(self, test: &str) -> Left {
        let root = tempfile::tempdir().unwrap();
        let this = child(test, &self.role());
        // In kilobytes of address space: enough to begin with.
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
        let mut said = Said::new(process.stdout.take().unwrap());
        if self.death == Death::Killed {
            let mut random = Random::new(self.seed);
            said.until(random.below(400) as usize);
            // Anywhere between two calls, too.
            (0..random.below(200_000)).for_each(|n| _ = black_box(n));
            process.kill().unwrap();
        }
        let said = said.rest();
        self.death.check(process.wait().unwrap());
        Left { root, said }
    }
}

/// Goes deeper with each step, for longer than any stack. An optimizer must not see that it never comes back: it would make
/// a loop of it.
struct Deep(u64);

impl Serialize for Deep {
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

struct PanicsWhenSerialized;

impl Serialize for PanicsWhenSerialized {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("planted")
    }
}

/// Panics at the second half of what the runtime saw.
struct PanickingRedactor(AtomicBool);

impl Redactor for PanickingRedactor {
    fn redact(&self, kind: PayloadKind, _: &mut Vec<u8>, _: bool) {
        if kind == PayloadKind::ToolRuntimeEvent {
            assert!(self.0.fetch_not(Ordering::Relaxed), "planted");
        }
    }
}

fn recorder(durability: Durability, panics: bool) -> (Recorder, RecorderGuard) {
    let builder = Recorder::builder().durability(durability);
    if !panics {
        return builder.build().unwrap();
    }
    std::panic::set_hook(Box::new(|_| {}));
    builder.redact(PanickingRedactor(AtomicBool::new(true))).on_loss(|_| panic!("planted")).build().unwrap()
}

/// Records with several threads, until it dies as its role says.
pub(crate) fn victim(role: &str) {
    let words: Vec<_> = role.split(' ').collect();
    let [death, word, panics, seed] = words[..] else { panic!("{role}") };
    let death = Death::ALL.into_iter().find(|known| format!("{known:?}") == death).unwrap();
    let seed: u64 = seed.parse().unwrap();
    let (recorder, _guard) = recorder(durability(word), panics == "true");
    tracing_subscriber::registry().with(recorder.layer().with_filter(recorder.filter())).init();
    let recorder = Arc::new(recorder);
    work::start(seed);
    if panics == "true" {
        thread::spawn(|| {
            loop {
                work::record_body(&PanicsWhenSerialized);
            }
        });
    }
    let last = Random::new(seed).below(600);
    until(|| recorder.stats().events.values().sum::<u64>() >= last);
    match death {
        Death::Killed => loop {
            thread::park();
        },
        Death::Aborts => abort(),
        Death::Exits => exit(7),
        Death::OverflowsItsStack => work::record_body(&Deep(0)),
        Death::RunsOutOfMemory => loop {
            // Not touched: what is used up is the address space.
            std::mem::forget(black_box(Vec::<u8>::with_capacity(1 << 20)));
        },
    }
}
