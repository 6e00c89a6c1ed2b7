//! Interruption of a run by Ctrl-C.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use otel_trace::bundle::Reader;
use otel_trace::event::{CellStatus, ExecutionStatus, RolloutStatus};
use otel_trace::graph::{Code, Graph, Requester};
use otel_trace::reduce::{Options, reduce};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::endpoint::{Endpoint, call, delta, function, hanging, message_added, response, script, started};
use super::{SpawnPiped as _, stderr, stdout};

const TIMEOUT: Duration = Duration::from_secs(30);

/// A directory for the run, its recording and the files of its commands.
struct RunDirectory(tempfile::TempDir);

impl RunDirectory {
    fn new() -> Result<Self> {
        let directory = Self(tempfile::tempdir()?);
        fs::create_dir(directory.scratch())?;
        Ok(directory)
    }

    fn scratch(&self) -> PathBuf {
        self.0.path().join("scratch")
    }

    fn start(&self, endpoint: &Endpoint) -> Result<Child> {
        let mut command = endpoint.agent("wait");
        command.env("TMPDIR", self.scratch()).env("OTEL_TRACE_ROOT", self.0.path().join("traces")).spawn_piped()
    }

    /// Returns the arguments of a command that writes its process id to the file `name` and sleeps.
    fn sleep_command(&self, name: &str) -> Value {
        let file = self.0.path().join(name);
        json!({"cmd": format!("echo $$ > {0}.new && mv {0}.new {0} && exec sleep 600", file.display()), "yield_time_ms": 60000})
    }

    /// Waits for the process id of the command `name`.
    fn pid(&self, name: &str) -> Result<String> {
        let file = self.0.path().join(name);
        wait_until("the command never ran", || fs::read_to_string(&file).ok())
    }

    /// Checks that only the recording is left of the run, and reduces it in strict mode.
    fn graph(&self) -> Result<Graph> {
        assert_eq!(fs::read_dir(self.scratch())?.count(), 0, "the scratch project is still there");
        let mut bundles = self.0.path().join("traces").read_dir()?;
        let bundle = bundles.next().context("no bundle")??.path();
        let graph = reduce(&Reader::open(&bundle)?, &Options::default().strict(true))?.graph;
        // The stream of the response ends where the run was interrupted, maybe inside of its first event.
        let is_cut = |code: Code| matches!(code, Code::PartialStream | Code::ResponseUnknown);
        let mut others = graph.diagnostics.iter().filter(|found| !is_cut(found.code));
        assert_eq!(others.next(), None);
        assert_eq!(graph.status, RolloutStatus::Aborted);
        Ok(graph)
    }
}

fn wait_until<T>(message: &'static str, mut poll: impl FnMut() -> Option<T>) -> Result<T> {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        match poll() {
            Some(value) => return Ok(value),
            None if Instant::now() > deadline => bail!(message),
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

fn interrupt(run: Child) -> Result<Output> {
    let pid = i32::try_from(run.id()).ok().and_then(Pid::from_raw).context("no pid")?;
    kill_process(pid, Signal::INT)?;
    let output = run.wait_with_output()?;
    assert_eq!(output.status.code(), Some(130), "{}\n{}", stdout(&output), stderr(&output));
    assert!(stderr(&output).contains("interrupted"), "{}", stderr(&output));
    Ok(output)
}

fn wait_until_dead(pid: &str) -> Result<()> {
    wait_until("the process was not killed", || {
        let ps = Command::new("ps").args(["-o", "stat=", "-p", pid.trim()]).output().ok()?;
        let state = stdout(&ps);
        (state.trim().is_empty() || state.trim().starts_with('Z')).then_some(())
    })
}

#[test]
fn interrupted_command_is_killed_and_cancelled() -> Result<()> {
    let directory = RunDirectory::new()?;
    let endpoint = Endpoint::start(vec![call(&directory.sleep_command("pid").to_string())])?;
    let run = directory.start(&endpoint)?;
    let pid = directory.pid("pid")?;
    let output = interrupt(run)?;
    wait_until_dead(&pid)?;
    // The tree is printed although the run was interrupted.
    assert!(stdout(&output).contains("turn 1  cancelled  "), "{}", stdout(&output));

    let graph = directory.graph()?;
    let turn = graph.turns.iter().next().context("no turn")?;
    assert_eq!(turn.execution.status, ExecutionStatus::Cancelled);
    let tool = graph.tool_calls.iter().next().context("no tool")?;
    assert_eq!(tool.execution.status, ExecutionStatus::Cancelled);
    let operation = tool.operation_id.and_then(|id| graph.terminal_operation(id)).context("no operation")?;
    assert_eq!(operation.execution.status, ExecutionStatus::Cancelled);
    assert_eq!(operation.result.as_ref().and_then(|result| result.exit_code), Some(128 + 9));
    Ok(())
}

#[test]
fn interrupted_stream_is_cancelled() -> Result<()> {
    let directory = RunDirectory::new()?;
    let endpoint = Endpoint::start(vec![hanging(&[started(), message_added(), delta("Let me think about\n")])])?;
    let mut run = directory.start(&endpoint)?;
    // Waits until the text is printed.
    let mut lines = BufReader::new(run.stdout.take().context("no stdout")?).lines();
    lines
        .find(|line| line.as_ref().is_ok_and(|line| line.contains("Let me think about")))
        .context("nothing was printed")??;
    interrupt(run)?;

    let graph = directory.graph()?;
    let inference = graph.inference_calls.iter().next().context("no call")?;
    assert_eq!(inference.execution.status, ExecutionStatus::Cancelled);
    assert!(inference.first_token_at.is_some());
    assert!(graph.turns.iter().all(|turn| turn.execution.status == ExecutionStatus::Cancelled));
    Ok(())
}

#[test]
fn interrupt_ends_scripts_agents_and_background_commands() -> Result<()> {
    let directory = RunDirectory::new()?;
    let mut left = directory.sleep_command("left");
    left["yield_time_ms"] = json!(1);
    let nested = format!("await tools.exec_command({})", directory.sleep_command("nested"));
    let endpoint = Endpoint::with_spawned_agents(
        vec![
            response(&[function("call_1", "exec_command", &left)], 10),
            response(
                &[
                    function("call_2", "spawn_agent", &json!({"task_name": "helper", "message": "help"})),
                    script("call_3", &nested),
                    function("call_4", "exec_command", &directory.sleep_command("called")),
                ],
                10,
            ),
        ],
        vec![response(&[function("call_5", "exec_command", &directory.sleep_command("helped"))], 10)],
    )?;
    let run = directory.start(&endpoint)?;
    let pids = ["left", "nested", "called", "helped"].map(|name| directory.pid(name));
    interrupt(run)?;
    for pid in pids {
        wait_until_dead(&pid?)?;
    }

    let graph = directory.graph()?;
    assert_eq!(graph.threads.len(), 2);
    for turn in graph.turns.iter() {
        assert_eq!(turn.execution.status, ExecutionStatus::Cancelled, "{}", turn.turn_id);
    }
    let cell = graph.code_cells.iter().next().context("no cell")?;
    assert_eq!(cell.runtime_status, CellStatus::Terminated);
    let nested = graph.tool_calls.iter().find(|tool| tool.requester != Requester::Model).context("no nested call")?;
    assert_eq!(nested.execution.status, ExecutionStatus::Cancelled);
    // The end of each process is recorded, also of the one whose call had returned.
    assert_eq!(graph.terminal_operations().len(), 4);
    for operation in graph.terminal_operations() {
        assert_eq!(operation.execution.status, ExecutionStatus::Cancelled);
        assert_eq!(operation.result.as_ref().and_then(|result| result.exit_code), Some(128 + 9));
    }
    let returned = graph.tool_calls.iter().find(|tool| tool.tool_call_id.as_str() == "call_1").context("no call")?;
    assert_eq!(returned.execution.status, ExecutionStatus::Completed);
    Ok(())
}

#[test]
fn second_interrupt_ends_the_run_at_once() -> Result<()> {
    let directory = RunDirectory::new()?;
    let endpoint = Endpoint::start(vec![hanging(&[started(), message_added(), delta("…\n")])])?;
    let mut command = endpoint.agent("wait");
    command.env("TMPDIR", directory.scratch()).env("OTEL_TRACE_ROOT", directory.0.path().join("traces"));
    let run = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    wait_until("the agent sent no request", || (!endpoint.requests().is_empty()).then_some(()))?;
    let pid = i32::try_from(run.id()).ok().and_then(Pid::from_raw).context("no pid")?;
    for _ in 0..2 {
        kill_process(pid, Signal::INT)?;
    }
    assert_eq!(run.wait_with_output()?.status.code(), Some(130));
    directory.graph()?;
    Ok(())
}
