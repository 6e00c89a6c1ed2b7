//! A program that `fork`s while it records, for the tests of this package.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::Context;
use otel_trace::{
    AgentThread, Durability, Json, Model, Operation, Recorder, Store, SyncEvery, ThreadMeta, ToolCallMeta, Turn,
};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Number of calls that each process records in each of its threads.
const CALLS: usize = 40;

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let root = PathBuf::from(args.next().context("the root directory is missing")?);
    let (durability, store) = match args.next().as_deref() {
        Some("files") => (Durability::PageCache, Store::Files),
        Some("pack") => (Durability::PageCache, Store::Pack),
        Some("buffered") => (Durability::Buffered, Store::Pack),
        Some("fsync") => (Durability::Fsync(SyncEvery::Millis(5)), Store::Files),
        other => anyhow::bail!("{other:?} is no way of writing"),
    };
    let (recorder, guard) = Recorder::builder().root(root).durability(durability).store(store).build()?;
    tracing_subscriber::registry().with(recorder.layer()).init();
    let agent = AgentThread::start(ThreadMeta::new().agent_name("forker"));
    let turn = agent.turn(None);
    record(&turn, "before");
    let is_over = AtomicBool::new(false);
    let forked = thread::scope(|scope| {
        // Recorded while the process is copied: its locks may be held at that moment.
        let busy = scope.spawn(|| {
            let other = AgentThread::start(ThreadMeta::new().agent_name("busy"));
            let turn = other.turn(None);
            while !is_over.load(Ordering::Relaxed) {
                record(&turn, "meanwhile");
            }
        });
        let children: Vec<_> = (0..8).map(|_| fork(|| record_in_copy(&agent, &turn, &recorder))).collect();
        record(&turn, "after");
        let forked = children.into_iter().try_for_each(wait_for);
        is_over.store(true, Ordering::Relaxed);
        busy.join().map_err(|_| anyhow::anyhow!("the other thread panicked")).and(forked)
    });
    turn.complete();
    agent.complete();
    drop(guard);
    forked
}

/// Records calls of a model and of tools, by handles and by spans.
fn record(turn: &Turn, name: &str) {
    for number in 0..CALLS {
        let call = turn.inference(Model { name: "model", provider: "provider" });
        let text = format!("{name} {number} {}", "x".repeat(300));
        call.request(Json(&BTreeMap::from([("input", &text)])));
        call.response(Json(&BTreeMap::from([(
            "output",
            [BTreeMap::from([("role", "assistant"), ("content", &text)])],
        )])));
        call.complete();
        let tool = turn.tool_call(ToolCallMeta::new("look").arguments(text.as_str()));
        tool.output(text.as_str());
        tool.complete();
        let _in_turn = turn.span().enter();
        tracing::info_span!("chat", gen_ai.operation.name = "chat", gen_ai.output.messages = text).in_scope(|| {});
    }
}

/// What a copy of the process does: it goes on with what was open, and starts what is new.
fn record_in_copy(agent: &AgentThread, turn: &Turn, recorder: &Recorder) {
    record(turn, "copy");
    let own = AgentThread::start(ThreadMeta::new().agent_name("copy"));
    record(&own.turn(None), "copy of the copy");
    let _ = recorder.stats();
    turn.complete();
    agent.complete();
}

/// Runs a function in a copy of this process, which then ends as one whose `main` returns, and returns its process id.
fn fork(run: impl FnOnce()) -> libc::pid_t {
    // SAFETY: the copy has this thread alone. It runs code that must not wait for what other threads held, which is what
    // this program is there to test.
    let child = unsafe { libc::fork() };
    if child == 0 {
        run();
        std::process::exit(0);
    }
    child
}

/// Waits for a copy, at most a minute, and fails unless it ended by itself.
fn wait_for(child: libc::pid_t) -> anyhow::Result<()> {
    let mut status = 0;
    // SAFETY: `status` lives until the call returns, and `child` is a child of this process.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    anyhow::ensure!(waited == child, "the copy cannot be waited for");
    anyhow::ensure!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "the copy ended with status {status}");
    Ok(())
}
