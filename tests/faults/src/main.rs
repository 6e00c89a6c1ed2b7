//! A program that records a run of every kind of operation, for the tests of this package. It does not care whether it is
//! recorded, and prints `done` at its end.

use std::collections::BTreeMap;

use anyhow::Context;
use otel_trace::{
    AgentThread, Bounds, Durability, Json, Limits, Model, Operation, Recorder, Store, SyncEvery, ThreadMeta,
    ToolCallMeta,
};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Number of calls of a model, and of tools.
const CALLS: usize = 3;

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let root = args.next().context("the root directory is missing")?;
    let store: Store = args.next().context("the store is missing")?.parse()?;
    let durability = match args.next().as_deref() {
        Some("page-cache") => Durability::PageCache,
        Some("fsync") => Durability::Fsync(SyncEvery::Event),
        Some("fsync-later") => Durability::Fsync(SyncEvery::Millis(1)),
        Some("buffered") => Durability::Buffered,
        other => anyhow::bail!("{other:?} is no durability"),
    };
    // The bundle that is there already is over the bounds, so that it is removed.
    let limits = Limits::default().root(Bounds::new().count(1));
    let builder = Recorder::builder().root(root).no_parent().store(store).durability(durability).limits(limits);
    // A program goes on without its recorder.
    match builder.build() {
        Ok((recorder, guard)) => {
            tracing_subscriber::registry().with(recorder.layer()).init();
            run();
            drop(guard);
        }
        Err(error) => {
            eprintln!("otel-trace: {error}");
            run();
        }
    }
    println!("done");
    Ok(())
}

fn run() {
    let thread = AgentThread::start(ThreadMeta::new().agent_name("agent"));
    let turn = thread.turn(None);
    for number in 0..CALLS {
        let text = format!("{number} {}", "x".repeat(300));
        let call = turn.inference(Model { name: "model", provider: "provider" });
        let message = |role| BTreeMap::from([("type", "message"), ("role", role), ("content", &*text)]);
        call.request(Json(&BTreeMap::from([("input", [message("user")])])));
        call.response(Json(&BTreeMap::from([("output", [message("assistant")])])));
        call.complete();
        let tool = turn.tool_call(ToolCallMeta::new("look").arguments(text.as_str()));
        tool.output(text.as_str());
        tool.complete();
    }
    turn.complete();
    thread.complete();
}
