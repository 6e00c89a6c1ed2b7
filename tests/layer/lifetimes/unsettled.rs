//! Operations whose spans a process still holds when it is killed.

use otel_trace::Recorder;
use otel_trace::bundle::Reader;
use otel_trace::event::RolloutStatus;
use otel_trace::graph::Code;
use otel_trace::reduce::{Options, reduce};
use rustix::process::{Signal, getpid, kill_process};
use tokio::task::JoinSet;
use tracing_subscriber::prelude::*;

use super::agent::{add, run_once, run_tools};
use super::settled::{open_connection, send};
use super::{TWO_TOOLS, drawings, runtime};
use crate::common::{bundles, child, role, run_alone};

#[test]
fn tasks_without_a_span_belong_to_the_turn_that_asked_for_them() {
    let test = "lifetimes::unsettled::tasks_without_a_span_belong_to_the_turn_that_asked_for_them";
    let root = run_alone(test, |_recorder, guard| {
        let tools = async {
            let mut tasks = JoinSet::new();
            for id in ["call_1", "call_2"] {
                tasks.spawn(add(id, tokio::task::yield_now()));
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

/// Runs an agent whose call keeps its span beyond the end of the process.
fn end_with_a_pool(root: &str, end: fn()) {
    let (recorder, guard) = Recorder::builder().root(root).no_parent().build().unwrap();
    tracing_subscriber::registry().with(recorder.layer().with_filter(recorder.filter())).init();
    runtime().block_on(async {
        let mut pool = None;
        run_once(async { send(pool.get_or_insert_with(open_connection)).await }).await;
        end();
    });
    drop(guard);
}

#[test]
fn an_answer_is_kept_by_a_killed_process_whose_pool_has_the_span() {
    let test = "lifetimes::unsettled::an_answer_is_kept_by_a_killed_process_whose_pool_has_the_span";
    if let Some(root) = role() {
        return end_with_a_pool(&root, || kill_process(getpid(), Signal::KILL).unwrap());
    }
    let root = tempfile::tempdir().unwrap();
    child(test, root.path().to_str().unwrap()).output().unwrap();
    let bundle = &bundles(root.path())[0];
    let graph = reduce(&Reader::open(&bundle.path).unwrap(), &Options::default()).unwrap().graph;
    let codes: Vec<_> = graph.diagnostics.iter().map(|found| found.code).collect();
    assert_eq!(codes, [Code::UnnamedPayload]);
    let call = graph.inference_calls.iter().next().unwrap();
    assert_eq!(call.response_item_ids.len(), 1);
    assert_eq!(graph.status, RolloutStatus::Running);
}
