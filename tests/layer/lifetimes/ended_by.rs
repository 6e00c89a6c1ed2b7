//! What ends the operations of each lifetime: the program, the end of the recording, or nothing, because the process ends.

use std::fmt::Write as _;
use std::process::exit;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::post;
use futures_util::future::join_all;
use otel_trace::event::{EndDetail, EndedBy};
use otel_trace::graph::Graph;
use otel_trace::{Recorder, RecorderGuard};
use rustix::process::{Signal, getpid, kill_process};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tracing::Instrument;
use tracing_subscriber::prelude::*;

use super::agent::{add, run_once, run_tools};
use super::settled::{Record, open_connection, send};
use super::{runtime, server};
use crate::common::{bundles, child, graph, role};

/// What a program does while it still holds the spans of a lifetime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// It drops the guard of the recording.
    Guard,
    /// It calls [`exit`].
    Exit,
    /// It is killed.
    Kill,
}

const ENDINGS: [Ending; 3] = [Ending::Guard, Ending::Exit, Ending::Kill];

/// The recording of a program, which ends in one way.
struct Recording {
    guard: Mutex<Option<RecorderGuard>>,
    ending: Ending,
}

impl Recording {
    fn end(&self) {
        match self.ending {
            Ending::Guard => drop(self.guard.lock().unwrap().take()),
            Ending::Exit => exit(0),
            Ending::Kill => kill_process(getpid(), Signal::KILL).unwrap(),
        }
    }
}

/// The lifetimes, each with what ends its operations if the recording ends by its guard, and if the process ends: `-` for
/// nothing.
const LIFETIMES: [(&str, &str, &str); 9] = [
    ("pool", "coder shutdown, turn shutdown, call settled", "coder -, turn -, call -"),
    ("reqwest", "coder close, turn close, call close", "coder close, turn close, call close"),
    ("task", "coder shutdown, turn shutdown, call settled", "coder -, turn -, call -"),
    (
        "struct",
        "coder shutdown, turn shutdown, call close, add settled, call close",
        "coder -, turn -, call close, add settled, call close",
    ),
    (
        "join_all",
        "coder shutdown, turn shutdown, call close, add close, add shutdown",
        "coder -, turn -, call close, add close, add -",
    ),
    (
        "JoinSet",
        "coder shutdown, turn shutdown, call close, add close, add shutdown",
        "coder -, turn -, call close, add close, add -",
    ),
    ("axum", "coder shutdown, turn shutdown, call shutdown", "coder -, turn -, call -"),
    ("client that leaves", "coder close, turn close, call close", "coder close, turn close, call close"),
    (
        "panic",
        "coder shutdown, turn shutdown, call close, add close, add shutdown",
        "coder -, turn -, call close, add close, add -",
    ),
];

/// Runs a program until the recording has ended.
async fn live(lifetime: &str, recording: &Arc<Recording>) {
    match lifetime {
        "pool" => {
            let mut pool = None;
            run_once(async { send(pool.get_or_insert_with(open_connection)).await }).await;
            recording.end();
            drop(pool);
        }
        "reqwest" => {
            let client = reqwest::Client::new();
            let request = client.post(server::start_model().await).body("{}");
            run_once(async { drop(request.send().await.unwrap().bytes().await) }).await;
            recording.end();
            drop(client);
        }
        "task" => {
            run_once(async { drop(tokio::spawn(std::future::pending::<()>().in_current_span())) }).await;
            recording.end();
        }
        "struct" => {
            let mut record = None;
            run_tools(&["call_1"], async { record = Some(Record::new("call_1")) }).await;
            recording.end();
            drop(record);
        }
        "join_all" => {
            let end_in_second = |id: &'static str| async move {
                if id == "call_2" {
                    recording.end();
                }
            };
            let tools = async { drop(join_all(["call_1", "call_2"].map(|id| add(id, end_in_second(id)))).await) };
            run_tools(&["call_1", "call_2"], tools).await;
        }
        "JoinSet" => run_tools(&["call_1", "call_2"], join_set(recording)).await,
        "axum" => {
            let handled = Arc::clone(recording);
            let handler = move || {
                let recording = Arc::clone(&handled);
                run_once(async move { recording.end() })
            };
            let url = server::serve(Router::new().route("/", post(handler))).await;
            reqwest::Client::new().post(url).send().await.unwrap();
        }
        "client that leaves" => {
            let server = server::Server::start(1).await;
            let request = tokio::spawn(reqwest::Client::new().post(server.url("/abandoned")).send());
            server.wait_until_inside().await;
            request.abort();
            server.wait_until_dropped().await;
            recording.end();
        }
        "panic" => {
            let tools = async {
                let broken = add("call_1", async { panic!("a defect") }).in_current_span();
                assert!(tokio::spawn(broken).await.unwrap_err().is_panic());
                add("call_2", async { recording.end() }).await;
            };
            run_tools(&["call_1", "call_2"], tools).await;
        }
        _ => panic!("no lifetime {lifetime:?}"),
    }
}

/// Runs two tools in tasks. The recording ends in the second one, while both tasks have started and the first is over.
async fn join_set(recording: &Arc<Recording>) {
    let (is_first_over, first_over) = oneshot::channel();
    let recording = Arc::clone(recording);
    let mut tasks = JoinSet::new();
    tasks.spawn(add("call_1", async {}).in_current_span());
    let second = add("call_2", async move {
        first_over.await.unwrap();
        recording.end();
    });
    tasks.spawn(second.in_current_span());
    tasks.join_next().await.unwrap().unwrap();
    is_first_over.send(()).unwrap();
    tasks.join_all().await;
}

/// Records a lifetime in this process, up to the end of the recording.
fn record(lifetime: &str, ending: Ending, root: &str) {
    let (recorder, guard) = Recorder::builder().root(root).no_parent().build().unwrap();
    tracing_subscriber::registry().with(recorder.layer().with_filter(recorder.filter())).init();
    let recording = Arc::new(Recording { guard: Mutex::new(Some(guard)), ending });
    runtime().block_on(live(lifetime, &recording));
    assert_eq!(ending, Ending::Guard, "the process should have ended");
}

/// Lists what ended the operations of a run: each thread, its turns, and their calls of a model, with the tools that each
/// call asked for, in the order of their call ids: tasks start them in any order.
fn list(graph: &Graph) -> String {
    let mut list = String::new();
    let mut push = |name: &str, end: &Option<Box<EndDetail>>| {
        let ended_by = end.as_ref().and_then(|end| end.ended_by).map_or("-", EndedBy::name);
        let comma = if list.is_empty() { "" } else { ", " };
        write!(list, "{comma}{name} {ended_by}").unwrap();
    };
    for thread in graph.threads.iter() {
        push(thread.nickname.as_deref().unwrap(), &thread.end);
        for turn in graph.turns.iter().filter(|turn| turn.thread_id == thread.thread_id) {
            push("turn", &turn.end);
            for call in graph.inference_calls.iter().filter(|call| call.turn_id == turn.turn_id) {
                push("call", &call.end);
                let mut tools: Vec<_> = call.tool_call_ids.iter().map(|id| graph.tool_calls.get(id).unwrap()).collect();
                tools.sort_by_key(|tool| tool.model_visible_call_id.clone());
                tools.iter().for_each(|tool| push("add", &tool.end));
            }
        }
    }
    list
}

/// Records a lifetime in a process of its own, by executing `test` again. Returns the [list] of what ended its
/// operations.
fn record_in_child(test: &str, lifetime: &str, ending: Ending) -> String {
    let root = tempfile::tempdir().unwrap();
    let role = format!("{lifetime}\n{ending:?}\n{}", root.path().display());
    let output = child(test, &role).output().unwrap();
    let is_killed = output.status.code().is_none();
    assert_eq!(is_killed, ending == Ending::Kill, "{lifetime}, {ending:?}: {output:?}");
    assert!(is_killed || output.status.success(), "{lifetime}, {ending:?}: {output:?}");
    let [bundle] = &bundles(root.path())[..] else { panic!("{lifetime}, {ending:?}: not one run") };
    list(&graph(&bundle.path))
}

#[test]
fn each_lifetime_ends_as_its_table_states() {
    if let Some(role) = role() {
        let [lifetime, ending, root] = role.split('\n').collect::<Vec<_>>()[..] else { panic!("{role:?}") };
        let ending = ENDINGS.into_iter().find(|known| format!("{known:?}") == ending).unwrap();
        return record(lifetime, ending, root);
    }
    let test = "lifetimes::ended_by::each_lifetime_ends_as_its_table_states";
    let mut differences = Vec::new();
    for (lifetime, by_guard, by_process) in LIFETIMES {
        for ending in ENDINGS {
            let expected = if ending == Ending::Guard { by_guard } else { by_process };
            let found = record_in_child(test, lifetime, ending);
            if found != expected {
                differences.push(format!("{lifetime}, {ending:?}: {found}"));
            }
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
}
