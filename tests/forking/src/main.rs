//! A program that `fork`s while it records, for the tests of this package.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::Context;
use otel_trace::{
    AgentThread, CellStatus, CodeCell, CodeCellMeta, Compaction, Durability, ExecutionStatus, Inference, Json, Model,
    Operation, PayloadKind, Recorder, Store, SyncEvery, ThreadMeta, ToolCall, ToolCallMeta, Turn,
};
use tracing::{Level, event};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

const MODEL: Model<'_> = Model { name: "model", provider: "provider" };

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
        let open = OpenOperations::start(&turn);
        let in_copy = || record_in_copy(&agent, &turn, &open, &recorder);
        let children: Vec<_> = (0..8).map(|_| fork(in_copy)).collect();
        record(&turn, "after");
        open.end("the end");
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
        let call = turn.inference(MODEL);
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

/// Operations that are open when the process is copied.
struct OpenOperations {
    call: Inference,
    tool: ToolCall,
    cell: CodeCell,
    compaction: Compaction,
}

impl OpenOperations {
    fn start(turn: &Turn) -> Self {
        let (call, compaction) = (turn.inference(MODEL), turn.compaction(MODEL));
        call.request(Json(&BTreeMap::from([("input", "open")])));
        compaction.request(Json(&BTreeMap::from([("input", "open")])));
        let tool = turn.tool_call(ToolCallMeta::new("open"));
        Self { call, tool, cell: turn.code_cell(CodeCellMeta::new("open")), compaction }
    }

    /// Ends the operations by ends that store payloads of their own.
    fn end(&self, text: &str) {
        self.call.complete();
        self.tool.fail(text);
        self.cell.ended(CellStatus::Completed, Json(&BTreeMap::from([("value", text)])));
        self.compaction.complete();
    }
}

/// What a copy of the process does: it goes on with what was open, and starts what is new, by every kind of call.
fn record_in_copy(agent: &AgentThread, turn: &Turn, open: &OpenOperations, recorder: &Recorder) {
    record(turn, "copy");
    record_details(agent, turn, open);
    open.end("a copy");
    let own = AgentThread::start(ThreadMeta::new().agent_name("copy"));
    record(&own.turn(None), "copy of the copy");
    let _ = recorder.stats();
    turn.complete();
    agent.complete();
}

/// Records what operations have beside their starts and ends, by handles and by events.
fn record_details(agent: &AgentThread, turn: &Turn, open: &OpenOperations) {
    let value = BTreeMap::from([("value", "copy")]);
    let body = || Json(&value);
    agent.protocol_event("copy", body());
    agent.other("copy", "copy", &"copy");
    turn.agent_result("copy", body());
    turn.compaction_installed(Some("copy"), body());
    open.call.record_payload(PayloadKind::InferenceResponse, body());
    open.call.response_id("copy");
    open.tool.runtime_started(body());
    open.tool.runtime_ended(ExecutionStatus::Completed, body());
    open.tool.mcp_call_id("copy");
    open.tool.record_payload(PayloadKind::ToolInvocation, body());
    open.cell.responded(CellStatus::Yielded, body());
    open.compaction.response(body());
    for process in [agent.child_process(), turn.child_process(), open.tool.child_process()] {
        assert_eq!(process.parent(), None, "a child process of a copy is linked to nothing");
    }
    let _in_turn = turn.span().enter();
    event!(target: "otel_trace", Level::INFO, otel_trace.event = "protocol_event_observed", otel_trace.protocol_event = "copy");
    event!(target: "otel_trace", Level::INFO, otel_trace.event = "copy");
    tracing::error!(error = "copy");
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
