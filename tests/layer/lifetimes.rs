//! Lifetimes of spans in real programs: connection pools, spawned tasks, servers, clients that leave, panics, and processes
//! that end. Each test names the graph that the author of the program would draw.

mod agent;
mod ended_by;
mod server;
mod settled;
mod tree;
mod unsettled;

use std::process::exit;

use futures_util::future::join_all;
use otel_trace::bundle::Reader;
use otel_trace::reduce::{Options, reduce};
use otel_trace::{Recorder, RecorderGuard};
use rustix::process::{Signal, getpid, kill_process};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tracing::{Instrument, info_span};
use tracing_subscriber::prelude::*;

use self::agent::{Answer, add, ask, run_once, run_tools};
use crate::common::{bundles, child, role, run_alone};

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_io().build().unwrap()
}

/// Draws the runs of a root directory, each behind its status.
fn drawings(root: &TempDir) -> Vec<String> {
    let draw = |bundle: &crate::common::Bundle| {
        let graph = reduce(&Reader::open(&bundle.path).unwrap(), &Options::default()).unwrap().graph;
        let status = format!("{:?}", graph.status).to_lowercase();
        format!("run {status}\n{}", tree::draw(&graph))
    };
    bundles(root.path()).iter().map(draw).collect()
}

/// The drawing of a run whose agent asked its model once.
const ONE_CALL: &str = "run completed\ncoder completed\n  turn completed\n    call completed\n";

/// The drawing of a run whose agent ran two tools.
const TWO_TOOLS: &str = "run completed\ncoder completed\n  turn completed\n    call completed\n      add completed\n      \
                         add completed\n    call completed\n";

#[test]
fn a_client_that_outlives_its_runs_ends_none_of_them() {
    let test = "lifetimes::a_client_that_outlives_its_runs_ends_none_of_them";
    let root = run_alone(test, |_recorder, guard| {
        let runtime = runtime();
        let client = reqwest::Client::new();
        runtime.block_on(async {
            let url = server::start_model().await;
            for _ in 0..2 {
                run_once(async { drop(client.post(&url).body("{}").send().await.unwrap().bytes().await) }).await;
            }
        });
        drop(guard);
        drop(client);
    });
    if let Some(root) = root {
        assert_eq!(drawings(&root), [ONE_CALL, ONE_CALL]);
    }
}

#[test]
fn joined_tools_belong_to_their_turn() {
    let root = run_alone("lifetimes::joined_tools_belong_to_their_turn", |_recorder, guard| {
        let tools = async { drop(join_all(["call_1", "call_2"].map(|id| add(id, tokio::task::yield_now()))).await) };
        runtime().block_on(run_tools(&["call_1", "call_2"], tools));
        drop(guard);
    });
    if let Some(root) = root {
        assert_eq!(drawings(&root), [TWO_TOOLS]);
    }
}

#[test]
fn instrumented_tasks_belong_to_their_turn() {
    let root = run_alone("lifetimes::instrumented_tasks_belong_to_their_turn", |_recorder, guard| {
        let tools = async {
            let mut tasks = JoinSet::new();
            for id in ["call_1", "call_2"] {
                tasks.spawn(add(id, tokio::task::yield_now()).in_current_span());
            }
            tasks.join_all().await;
        };
        runtime().block_on(run_tools(&["call_1", "call_2"], tools));
        drop(guard);
    });
    if let Some(root) = root {
        assert_eq!(drawings(&root), [TWO_TOOLS]);
    }
}

#[test]
fn a_panic_in_a_tool_fails_the_tool_alone() {
    let root = run_alone("lifetimes::a_panic_in_a_tool_fails_the_tool_alone", |_recorder, guard| {
        let tools = async {
            let broken = add("call_1", async { panic!("a defect") }).in_current_span();
            assert!(tokio::spawn(broken).await.unwrap_err().is_panic());
            add("call_2", async {}).await;
        };
        runtime().block_on(run_tools(&["call_1", "call_2"], tools));
        drop(guard);
    });
    if let Some(root) = root {
        assert_eq!(drawings(&root), [TWO_TOOLS.replacen("add completed", "add failed", 1)]);
    }
}

#[test]
fn conversations_of_a_server_are_runs_of_their_own() {
    const CONVERSATIONS: usize = 8;
    let root = run_alone("lifetimes::conversations_of_a_server_are_runs_of_their_own", |_recorder, guard| {
        runtime().block_on(async {
            let (server, client) = (server::Server::start(CONVERSATIONS).await, reqwest::Client::new());
            let ask = |number: usize| {
                let request = client.post(server.url(&format!("/conversations/{number}")));
                async move { assert!(request.send().await.unwrap().status().is_success()) }
            };
            // Every handler waits until all of them are inside of their calls.
            join_all((0..CONVERSATIONS).map(ask)).await;
            join_all((0..CONVERSATIONS).map(ask)).await;
        });
        drop(guard);
    });
    if let Some(root) = root {
        let two_turns = format!("{ONE_CALL}  turn completed\n    call completed\n");
        assert_eq!(drawings(&root), vec![two_turns; CONVERSATIONS]);
    }
}

#[test]
fn a_client_that_leaves_cancels_the_call() {
    let root = run_alone("lifetimes::a_client_that_leaves_cancels_the_call", |_recorder, guard| {
        runtime().block_on(async {
            let server = server::Server::start(1).await;
            let client = reqwest::Client::new();
            let request = tokio::spawn(client.post(server.url("/abandoned")).send());
            server.wait_until_inside().await;
            request.abort();
            drop(client);
            server.wait_until_dropped().await;
        });
        drop(guard);
    });
    if let Some(root) = root {
        let cancelled = "run aborted\ncoder aborted\n  turn cancelled\n    call cancelled\n";
        assert_eq!(drawings(&root), [cancelled]);
    }
}

/// Ends the process in the middle of the second call of a run, by `end`.
fn end_amid_a_run(root: &str, end: fn()) {
    let (recorder, guard) = Recorder::builder().root(root).no_parent().build().unwrap();
    tracing_subscriber::registry().with(recorder.layer().with_filter(recorder.filter())).init();
    let last: (Recorder, RecorderGuard) = (recorder, guard);
    runtime().block_on(async {
        run_tools(&["call_1"], add("call_1", async {})).await;
        let run = async {
            ask(Answer::Tools(&["call_2"]), async {}).await;
            add("call_2", async { end() }).await;
        };
        run.instrument(info_span!("agent", gen_ai.operation.name = "invoke_agent", gen_ai.agent.name = "coder")).await;
    });
    drop(last);
}

/// The drawings of [`end_amid_a_run`], the first run and the one that was interrupted.
const INTERRUPTED: [&str; 2] = [
    "run completed\ncoder completed\n  turn completed\n    call completed\n      add completed\n    call completed\n",
    "run running\ncoder running\n  turn running\n    call completed\n      add running\n",
];

/// Runs [`end_amid_a_run`] in a child process, and draws what it left.
fn draw_interrupted(test: &str) -> Vec<String> {
    let root = tempfile::tempdir().unwrap();
    child(test, root.path().to_str().unwrap()).output().unwrap();
    let mut drawings = drawings(&root);
    drawings.sort();
    drawings
}

#[test]
fn exit_leaves_open_what_was_open() {
    match role() {
        Some(root) => end_amid_a_run(&root, || exit(0)),
        None => assert_eq!(draw_interrupted("lifetimes::exit_leaves_open_what_was_open"), INTERRUPTED),
    }
}

#[test]
fn a_kill_leaves_open_what_was_open() {
    let kill = || kill_process(getpid(), Signal::KILL).unwrap();
    match role() {
        Some(root) => end_amid_a_run(&root, kill),
        None => assert_eq!(draw_interrupted("lifetimes::a_kill_leaves_open_what_was_open"), INTERRUPTED),
    }
}
