//! Agents in separate processes, recorded into one root and joined by `otel-trace reduce`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod family;
mod one_parent;
mod roots;
#[path = "../common/trace_tree.rs"]
mod trace_tree;
mod trace_views;

use std::io::{Read, Write};
use std::process::Command;

use common::{child, role};
use otel_trace::{AgentThread, ChildProcess, Operation, Recorder, ThreadMeta, ToolCallMeta};
use tracing::info_span;
use tracing_subscriber::prelude::*;

/// The test function that every child process runs.
const CHILD: &str = "child_process_role";

fn agent(role: &str, process: &ChildProcess) -> Command {
    let mut command = child(CHILD, role);
    command.envs(process.env());
    command
}

#[track_caller]
fn finish(mut command: Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(!stderr.lines().any(|line| line.starts_with("otel-trace:")), "{stderr}");
}

#[test]
#[should_panic(expected = "this binary has no test")]
fn child_process_without_a_test_is_refused() {
    child("no_such_test", "handles");
}

#[test]
fn child_process_role() {
    let Some(role) = role() else { return };
    if role == "does not record" {
        return;
    }
    let (recorder, _guard) = Recorder::from_env().unwrap().unwrap();
    tracing_subscriber::registry().with(recorder.layer().with_filter(recorder.filter())).init();
    let thread = || AgentThread::start(ThreadMeta::new().agent_name("child"));
    let spawn = || thread().turn(None).tool_call(ToolCallMeta::new("delegate").id("deeper")).child_process();
    match &*role {
        "handles" => {
            let tool = thread().turn(None).tool_call(ToolCallMeta::new("look").id("own"));
            tool.output("seen");
        }
        "plain spans" => {
            let chat = info_span!(
                "chat",
                gen_ai.operation.name = "chat",
                gen_ai.request.model = "m",
                gen_ai.input.messages = "[]",
                gen_ai.output.messages = "[]"
            );
            chat.in_scope(|| {});
        }
        "names itself" => {
            drop(AgentThread::start(ThreadMeta::new().id("mine")));
            drop(thread());
        }
        "spawns" => finish(agent("handles", &spawn())),
        "passes on" => {
            drop(thread());
            // `child` removes the variables that other processes inherit.
            let mut command = child(CHILD, "handles");
            for name in ["OTEL_TRACE_ROOT", "OTEL_TRACE_PARENT"] {
                command.env(name, std::env::var_os(name).unwrap());
            }
            finish(command);
        }
        "waits" => {
            let thread = thread();
            let _turn = thread.turn(None);
            writeln!(std::io::stdout(), "\nrecording").unwrap();
            std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
        }
        unknown => panic!("unknown role {unknown:?}"),
    }
}
