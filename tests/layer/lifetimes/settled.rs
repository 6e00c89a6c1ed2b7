//! Spans that do not close before the run ends, because a pool, a task or a value of the program holds a clone.

use tokio::sync::{mpsc, oneshot};
use tracing::{Instrument, Span, info_span};

use super::agent::{run_once, run_tools};
use super::{ONE_CALL, TWO_TOOLS, drawings, runtime};
use crate::common::run_alone;

/// A connection that is opened inside the first call, and stays in a pool. Its task has the span of that call.
pub(super) fn open_connection() -> mpsc::Sender<oneshot::Sender<()>> {
    let (requests, mut incoming) = mpsc::channel::<oneshot::Sender<()>>(1);
    let connection = async move {
        while let Some(reply) = incoming.recv().await {
            let _ = reply.send(());
        }
    };
    tokio::spawn(connection.in_current_span());
    requests
}

pub(super) async fn send(connection: &mpsc::Sender<oneshot::Sender<()>>) {
    let (reply, answer) = oneshot::channel();
    connection.send(reply).await.unwrap();
    answer.await.unwrap();
}

#[test]
fn a_pool_that_keeps_the_span_of_a_call_interrupts_no_run() {
    let test = "lifetimes::settled::a_pool_that_keeps_the_span_of_a_call_interrupts_no_run";
    let root = run_alone(test, |_recorder, guard| {
        let runtime = runtime();
        let pool = runtime.block_on(async {
            let mut pool = None;
            for _ in 0..2 {
                let transport = async { send(pool.get_or_insert_with(open_connection)).await };
                run_once(transport).await;
            }
            pool
        });
        drop(guard);
        drop(pool);
    });
    if let Some(root) = root {
        assert_eq!(drawings(&root), [ONE_CALL, ONE_CALL]);
    }
}

#[test]
fn a_task_in_the_span_of_a_call_may_outlive_it() {
    let test = "lifetimes::settled::a_task_in_the_span_of_a_call_may_outlive_it";
    let root = run_alone(test, |_recorder, guard| {
        let runtime = runtime();
        let mut background = None;
        runtime.block_on(run_once(async {
            background = Some(tokio::spawn(std::future::pending::<()>().in_current_span()));
        }));
        drop(guard);
        background.unwrap().abort();
    });
    if let Some(root) = root {
        assert_eq!(drawings(&root), [ONE_CALL]);
    }
}

/// A program's own record of a tool call, with the span of that call.
pub(super) struct Record {
    span: Span,
}

impl Record {
    /// Records a call of the tool `add` and its result.
    pub(super) fn new(id: &str) -> Self {
        let span = info_span!(
            "tool",
            gen_ai.operation.name = "execute_tool",
            gen_ai.tool.name = "add",
            gen_ai.tool.call.id = id,
            gen_ai.tool.call.result = tracing::field::Empty,
        );
        span.in_scope(|| span.record("gen_ai.tool.call.result", "3"));
        Self { span }
    }
}

#[test]
fn a_span_in_a_struct_ends_with_what_was_recorded() {
    let test = "lifetimes::settled::a_span_in_a_struct_ends_with_what_was_recorded";
    let root = run_alone(test, |_recorder, guard| {
        let mut records = Vec::new();
        let tools = async {
            records.extend(["call_1", "call_2"].map(Record::new));
        };
        runtime().block_on(run_tools(&["call_1", "call_2"], tools));
        drop(guard);
        assert!(records.iter().all(|record| !record.span.is_none()));
    });
    if let Some(root) = root {
        assert_eq!(drawings(&root), [TWO_TOOLS]);
    }
}
