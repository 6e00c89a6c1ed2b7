//! The program: a coding agent that goes through each of its call sites once, by the public API alone.

use std::cell::RefCell;

use otel_trace::event::{CellStatus, ExecutionStatus, RawJson, RolloutStatus};
use otel_trace::graph::EdgeKind;
use otel_trace::{AgentThread, CodeCell, CompactionMeta, Json, Operation, ToolCallMeta, ToolInvocation, ToolKind};
use serde_json::{Value, json};
use tracing::info_span;

use super::agent::{Agent, Answer, MODEL, RunningTurn, Sending};
use super::bodies::{self, Command, Passing};
use super::deeds::{CompactionDeed, Deeds, TerminalDeed};
use super::worker::{add_edge, check_patch, work};

const ROOT: &str = "019d0000-0000-7000-8000-000000000001";
const WORKER: &str = "019d0000-0000-7000-8000-000000000002";

/// What the program records.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// What every reader of format 1 knows.
    FormatOne,
    /// Also what was added to the format later, and what only this crate records: ids of an MCP client, interrupted
    /// requests and child processes.
    Everything,
}

/// Runs the program, and returns what it did.
pub(super) fn run(extent: Extent) -> Deeds {
    let deeds = RefCell::default();
    let mut root = start_root(&deeds);
    first_turn(&mut root, extent);
    compacted_turn(&mut root);
    interrupted_turn(&mut root, extent);
    root.thread().protocol_event("shutdown_complete", Json(&json!({})));
    root.end(RolloutStatus::Completed);
    drop(root);
    deeds.into_inner()
}

fn start_root(deeds: &RefCell<Deeds>) -> Agent<'_> {
    let further = json!({ "cli_version": "1.0.0" });
    let root = Agent::start(deeds, (ROOT, "/root", None), |meta| {
        let meta = meta.agent_name("coder").agent_role("lead").session_source("cli").cwd("/repo");
        let meta = meta.rollout_path("/home/me/sessions/1.jsonl").model(MODEL.name, MODEL.provider);
        let meta = meta.approval_policy("on-request").sandbox_policy("workspace-write");
        AgentThread::start(meta.further(further.as_object().unwrap()))
    });
    root.thread().protocol_event("session_configured", Json(&json!({ "session_id": ROOT })));
    root
}

/// Retries, tools, a script that yields, terminals, and an agent that works meanwhile.
fn first_turn(root: &mut Agent<'_>, extent: Extent) {
    let turn = root.start_turn("turn-1");
    warm_up(&turn);
    root.add(bodies::user("The tests fail. Fix them."));
    root.ask(&turn, Sending::Whole, Answer::Failure("429 Too Many Requests"));
    let script = "await tools.exec_command('ls'); yield_control();";
    let spawn = json!({ "task_name": "review", "message": "Review the tests." });
    let items = vec![
        bodies::reasoning("look first"),
        bodies::function_call("call_exec", "exec_command", &json!({ "cmd": "sh ./serve" })),
        bodies::function_call("call_spawn", "spawn_agent", &spawn),
        bodies::custom_call("call_script", "exec", script),
    ];
    root.ask(&turn, Sending::Whole, Answer::Items("resp-1", items));
    start_server(root, &turn);
    let mut worker = spawn_worker(root, &turn, &spawn);
    let cell = run_script(root, &turn, script, extent);
    work(&mut worker);

    let items = vec![
        bodies::function_call("call_wait", "wait", &json!({ "cell_id": "1" })),
        bodies::function_call("call_stdin", "write_stdin", &json!({ "session_id": 5, "chars": "y\n" })),
        bodies::custom_call("call_patch", "apply_patch", "*** Begin Patch"),
        bodies::function_call("call_mcp", "mcp__docs__find", &json!({ "query": "retry" })),
        bodies::function_call("call_blocked", "exec_command", &json!({ "cmd": "rm -rf /" })),
        json!({ "type": "local_shell_call", "call_id": "call_shell", "status": "completed",
                "action": { "type": "exec", "command": ["pwd"] } }),
        json!({ "type": "tool_search_call", "call_id": "call_search", "execution": "client",
                "arguments": { "query": "files" } }),
        json!({ "type": "web_search_call", "status": "completed", "action": { "type": "search", "query": "q" } }),
    ];
    root.ask(&turn, Sending::Delta, Answer::Items("resp-2", items));
    wait_for_script(root, &turn, &cell);
    type_into_server(root, &turn);
    patch(root, &turn);
    call_mcp_server(root, &turn, extent);
    run_into_hook(root, &turn);
    run_local_shell(root, &turn);
    search_tools(root, &turn);

    root.ask(&turn, Sending::Delta, Answer::Failure("503 Service Unavailable"));
    let message = json!({ "target": "/root/review", "message": "The server runs." });
    let task = json!({ "target": "/root/review", "message": "Check the patch." });
    let items = vec![
        bodies::function_call("call_message", "send_message", &message),
        bodies::function_call("call_task", "followup_task", &task),
        bodies::function_call("call_await", "wait_agent", &json!({ "timeout_ms": 1000 })),
    ];
    root.ask(&turn, Sending::Delta, Answer::Items("resp-3", items));
    pass(root, &turn, ("call_message", "send_message"), (EdgeKind::SendMessage, &message), &mut worker);
    pass(root, &turn, ("call_task", "followup_task"), (EdgeKind::AssignAgentTask, &task), &mut worker);
    check_patch(&mut worker);
    await_worker(root, &turn);

    root.ask(
        &turn,
        Sending::Delta,
        Answer::Items(
            "resp-4",
            vec![bodies::function_call("call_close", "close_agent", &json!({ "target": "review" }))],
        ),
    );
    interrupt_worker(root, &turn, worker, extent);
    root.ask(&turn, Sending::Delta, Answer::Items("resp-5", vec![bodies::answer("Fixed.")]));
    root.complete_turn(&turn);
}

/// Sends a request that is not recorded: what follows it is recorded whole.
fn warm_up(turn: &RunningTurn) {
    let span = info_span!(
        parent: turn.turn.span(),
        "chat",
        otel_trace.kind = "none",
        gen_ai.operation.name = "chat",
        gen_ai.request.model = MODEL.name,
        gen_ai.response.id = "resp-0",
    );
    span.in_scope(|| {});
}

/// Starts a command that outlives its tool call, in a terminal.
fn start_server(root: &mut Agent<'_>, turn: &RunningTurn) {
    let tool = root.tool(turn, "call_exec", ToolCallMeta::new("exec_command").arguments(r#"{"cmd":"sh ./serve"}"#));
    let command = Command { call: "call_exec", turn: turn.id, words: &["sh", "./serve"], process: Some("5") };
    tool.runtime_started(Json(&command.begin()));
    tool.runtime_ended(ExecutionStatus::Completed, Json(&command.end(0, "Proceed?")));
    let tools = vec!["call_exec".to_owned()];
    root.deeds().borrow_mut().terminals.push(TerminalDeed { process: "5".to_owned(), tools });
    root.finish_tool("call_exec", &tool, bodies::function_output("call_exec", "Proceed?"));
}

fn spawn_worker<'a>(root: &mut Agent<'a>, turn: &RunningTurn, arguments: &Value) -> Agent<'a> {
    let prompt = arguments["message"].as_str().unwrap();
    let arguments = arguments.to_string();
    let tool = root.tool(turn, "call_spawn", ToolCallMeta::new("spawn_agent").arguments(&arguments));
    let passing = Passing { call: "call_spawn", sender: ROOT, receiver: WORKER, prompt };
    tool.runtime_started(Json(&passing.spawn_begin()));
    let mut worker = Agent::start(root.deeds(), (WORKER, "/root/review", Some("/root")), |meta| {
        let meta = meta.task_name("review").agent_name("Ada").agent_role("worker").cwd("/repo");
        tool.spawn_thread(meta.model(MODEL.name, MODEL.provider))
    });
    tool.runtime_ended(ExecutionStatus::Completed, Json(&passing.spawn_end("Ada")));
    worker.add(bodies::delivered("/root", worker.path(), prompt));
    add_edge(root, EdgeKind::SpawnAgent, Some("call_spawn"), "/root/review");
    root.finish_tool("call_spawn", &tool, bodies::function_output("call_spawn", "/root/review"));
    worker
}

/// Runs a script that makes tool calls, and yields. Returns the script, which runs on.
fn run_script(root: &mut Agent<'_>, turn: &RunningTurn, source: &str, extent: Extent) -> CodeCell {
    let cell = root.script(turn, ("call_script", "1"), source);
    let script = (&cell, "call_script");
    let list = ToolCallMeta::new("exec_command").arguments(r#"{"cmd":"ls"}"#);
    let tool = root.nested_tool(turn, script, ("nested-1", "tool-1"), list);
    let command = Command { call: "nested-1", turn: turn.id, words: &["ls"], process: None };
    tool.runtime_started(Json(&command.begin()));
    tool.runtime_ended(ExecutionStatus::Completed, Json(&command.end(0, "src")));
    tool.result(Json(&json!({ "type": "code_mode_response", "value": { "output": "src", "exit_code": 0 } })));
    tool.complete();
    root.set_tool_status("nested-1", ExecutionStatus::Completed);

    let search = ToolCallMeta::new("web_search").arguments(r#"{"query":"q"}"#);
    let tool = root.nested_tool(turn, script, ("nested-2", "tool-2"), search);
    tool.fail("no network");
    root.set_tool_status("nested-2", ExecutionStatus::Failed);

    let docs = ToolKind::Mcp { server: "docs".to_owned(), tool: "find".to_owned() };
    let find = ToolCallMeta::new("find").namespace("mcp__docs").kind(docs);
    let tool = root.nested_tool(turn, script, ("nested-3", "tool-3"), find);
    if extent == Extent::Everything {
        tool.mcp_call_id("mcp-3");
    }
    tool.output("found");
    tool.complete();
    root.set_tool_status("nested-3", ExecutionStatus::Completed);

    cell.responded(CellStatus::Yielded, Json(&bodies::cell_response("Yielded", "1", "running")));
    root.deeds().borrow_mut().cells.last_mut().unwrap().has_yielded = true;
    root.add(bodies::custom_output("call_script", "running"));
    cell
}

fn wait_for_script(root: &mut Agent<'_>, turn: &RunningTurn, cell: &CodeCell) {
    let tool = root.tool(turn, "call_wait", ToolCallMeta::new("wait").arguments(r#"{"cell_id":"1"}"#));
    cell.ended(CellStatus::Completed, Json(&bodies::cell_response("Result", "1", "src")));
    let mut deeds = root.deeds().borrow_mut();
    let deed = deeds.cells.last_mut().unwrap();
    deed.status = CellStatus::Completed;
    deed.waits.push("call_wait".to_owned());
    drop(deeds);
    root.finish_tool("call_wait", &tool, bodies::function_output("call_wait", "src"));
}

fn type_into_server(root: &mut Agent<'_>, turn: &RunningTurn) {
    let arguments = r#"{"session_id":5,"chars":"y\n"}"#;
    let tool = root.tool(turn, "call_stdin", ToolCallMeta::new("write_stdin").arguments(arguments));
    root.deeds().borrow_mut().terminals.last_mut().unwrap().tools.push("call_stdin".to_owned());
    root.finish_tool("call_stdin", &tool, bodies::function_output("call_stdin", "listening"));
}

fn patch(root: &mut Agent<'_>, turn: &RunningTurn) {
    let invocation = ToolInvocation::Custom { input: "*** Begin Patch".into() };
    let tool = root.tool(turn, "call_patch", ToolCallMeta::new("apply_patch").invocation(invocation));
    let begin = json!({ "call_id": "call_patch", "turn_id": turn.id, "auto_approved": true, "changes": {} });
    tool.runtime_started(Json(&begin));
    let end = json!({ "call_id": "call_patch", "turn_id": turn.id, "stdout": "", "stderr": "", "success": true,
                      "changes": {}, "status": "completed" });
    tool.runtime_ended(ExecutionStatus::Completed, Json(&end));
    root.finish_tool("call_patch", &tool, bodies::custom_output("call_patch", "patched"));
}

fn call_mcp_server(root: &mut Agent<'_>, turn: &RunningTurn, extent: Extent) {
    let kind = ToolKind::Mcp { server: "docs".to_owned(), tool: "find".to_owned() };
    let arguments = r#"{"query":"retry"}"#;
    let invocation =
        ToolInvocation::Mcp { server: "docs".into(), tool: "find".into(), raw_arguments: arguments.into() };
    let meta = ToolCallMeta::new("find").namespace("mcp__docs").kind(kind).invocation(invocation);
    let tool = root.tool(turn, "call_mcp", meta);
    if extent == Extent::Everything {
        tool.mcp_call_id("mcp-1");
    }
    let invocation = json!({ "server": "docs", "tool": "find", "arguments": { "query": "retry" } });
    tool.runtime_started(Json(&json!({ "call_id": "call_mcp", "invocation": invocation })));
    let end = json!({ "call_id": "call_mcp", "invocation": invocation, "result": { "Ok": { "content": [] } } });
    tool.runtime_ended(ExecutionStatus::Completed, Json(&end));
    root.finish_tool("call_mcp", &tool, bodies::function_output("call_mcp", "see page 3"));
}

/// Runs a command that a hook blocks: the runtime never starts it, and the model sees why.
fn run_into_hook(root: &mut Agent<'_>, turn: &RunningTurn) {
    let tool = root.tool(turn, "call_blocked", ToolCallMeta::new("exec_command").arguments(r#"{"cmd":"rm -rf /"}"#));
    let hook = |state: &str| json!({ "turn_id": turn.id, "call_id": "call_blocked", "state": state });
    root.thread().protocol_event("hook_started", Json(&hook("running")));
    root.thread().protocol_event("hook_completed", Json(&hook("blocked")));
    tool.fail("blocked by the approval hook");
    root.set_tool_status("call_blocked", ExecutionStatus::Failed);
    root.add(bodies::function_output("call_blocked", "blocked by the approval hook"));
}

fn run_local_shell(root: &mut Agent<'_>, turn: &RunningTurn) {
    let invocation = ToolInvocation::LocalShell {
        command: vec!["pwd".to_owned()],
        workdir: Some("/repo".into()),
        timeout_ms: Some(1000),
    };
    let tool = root.tool(turn, "call_shell", ToolCallMeta::new("local_shell").invocation(invocation));
    let command = Command { call: "call_shell", turn: turn.id, words: &["pwd"], process: None };
    tool.runtime_started(Json(&command.begin()));
    tool.runtime_ended(ExecutionStatus::Failed, Json(&command.end(1, "")));
    root.finish_tool("call_shell", &tool, bodies::function_output("call_shell", "exit code 1"));
}

fn search_tools(root: &mut Agent<'_>, turn: &RunningTurn) {
    let invocation = ToolInvocation::ToolSearch { arguments: RawJson::from_value(&json!({ "query": "files" })) };
    let tool = root.tool(turn, "call_search", ToolCallMeta::new("tool_search").invocation(invocation));
    let item = json!({ "type": "tool_search_output", "call_id": "call_search", "status": "completed",
                       "execution": "client", "tools": [] });
    tool.result(Json(&json!({ "type": "direct_response", "response_item": item })));
    tool.complete();
    root.set_tool_status("call_search", ExecutionStatus::Completed);
    root.add(item);
}

/// Passes a message or a task to the worker.
fn pass(
    root: &mut Agent<'_>,
    turn: &RunningTurn,
    (call, name): (&str, &str),
    (kind, arguments): (EdgeKind, &Value),
    worker: &mut Agent<'_>,
) {
    let prompt = arguments["message"].as_str().unwrap();
    let arguments = arguments.to_string();
    let tool = root.tool(turn, call, ToolCallMeta::new(name).arguments(&arguments));
    let passing = Passing { call, sender: ROOT, receiver: worker.id(), prompt };
    tool.runtime_started(Json(&passing.message_begin()));
    tool.runtime_ended(ExecutionStatus::Completed, Json(&passing.message_end("Ada")));
    worker.add(bodies::delivered("/root", worker.path(), prompt));
    add_edge(root, kind, Some(call), worker.path());
    root.finish_tool(call, &tool, bodies::function_output(call, "delivered"));
}

fn await_worker(root: &mut Agent<'_>, turn: &RunningTurn) {
    let tool = root.tool(turn, "call_await", ToolCallMeta::new("wait_agent").arguments(r#"{"timeout_ms":1000}"#));
    root.finish_tool("call_await", &tool, bodies::function_output("call_await", "completed"));
    for text in ["The tests expect 3.", "The patch is right."] {
        root.add(bodies::delivered("/root/review", "/root", text));
    }
}

/// Interrupts the worker in its third turn, and closes it.
fn interrupt_worker(root: &mut Agent<'_>, turn: &RunningTurn, mut worker: Agent<'_>, extent: Extent) {
    let interrupted = worker.start_turn("worker-3");
    worker.add(bodies::user("Go on."));
    if extent == Extent::Everything {
        let call = worker.open_call(&interrupted, Sending::Whole);
        call.cancel("interrupted");
        let mut deeds = root.deeds().borrow_mut();
        let deed = deeds.calls.last_mut().unwrap();
        (deed.status, deed.error) = (ExecutionStatus::Cancelled, Some("interrupted".to_owned()));
    }
    let tool = root.tool(turn, "call_close", ToolCallMeta::new("close_agent").arguments(r#"{"target":"review"}"#));
    let passing = Passing { call: "call_close", sender: ROOT, receiver: WORKER, prompt: "" };
    tool.runtime_started(Json(&passing.close_begin()));
    worker.interrupt_turn(&interrupted);
    worker.end(RolloutStatus::Aborted);
    tool.runtime_ended(ExecutionStatus::Completed, Json(&passing.close_end("Ada")));
    add_edge(root, EdgeKind::CloseAgent, Some("call_close"), "/root/review");
    root.finish_tool("call_close", &tool, bodies::function_output("call_close", "closed"));
}

/// A turn whose history is compacted: by a model, whose first request fails, and then by the program.
fn compacted_turn(root: &mut Agent<'_>) {
    let turn = root.start_turn("turn-2");
    let before = root.history().to_vec();
    let request = json!({ "model": MODEL.name, "input": before });
    let first = turn.turn.compaction(CompactionMeta::new(MODEL).id("compaction-1"));
    first.request(Json(&request));
    first.fail("500 Internal Server Error");
    let second = first.again(MODEL);
    second.request(Json(&request));
    let summary = json!({ "type": "compaction", "encrypted_content": "encrypted: all of it" });
    second.response(Json(&json!({ "output_items": [summary] })));
    second.complete();
    let after = vec![bodies::user("The tests fail. Fix them."), summary];
    second.installed(Json(&json!({ "input_history": before, "replacement_history": after })));
    let requests = vec![ExecutionStatus::Failed, ExecutionStatus::Completed];
    add_compaction(root, "compaction-1", requests, (before.len(), after.len()));
    root.replace_history(after);
    root.add(bodies::user("What did you change?"));
    root.ask(&turn, Sending::Whole, Answer::Items("resp-6", vec![bodies::answer("One line.")]));

    let before = root.history().to_vec();
    let after = vec![bodies::user("Summary: one line was changed.")];
    turn.turn.compaction_installed(
        Some("compaction-2"),
        Json(&json!({ "input_history": before, "replacement_history": after })),
    );
    add_compaction(root, "compaction-2", Vec::new(), (before.len(), after.len()));
    root.replace_history(after);
    root.complete_turn(&turn);
}

fn add_compaction(root: &Agent<'_>, id: &str, requests: Vec<ExecutionStatus>, items: (usize, usize)) {
    root.deeds().borrow_mut().compactions.push(CompactionDeed { id: id.to_owned(), requests, items });
}

/// A turn that the user interrupts while a tool runs, which may be another program with a recording of its own.
fn interrupted_turn(root: &mut Agent<'_>, extent: Extent) {
    let turn = root.start_turn("turn-3");
    root.add(bodies::user("Run the benchmarks."));
    let items = vec![bodies::function_call("call_bench", "exec_command", &json!({ "cmd": "cargo bench" }))];
    root.ask(&turn, Sending::Whole, Answer::Items("resp-7", items));
    let tool = root.tool(&turn, "call_bench", ToolCallMeta::new("exec_command").arguments(r#"{"cmd":"cargo bench"}"#));
    if extent == Extent::Everything {
        let child = tool.child_process();
        assert!(child.parent().is_some());
        root.deeds().borrow_mut().processes.push("call_bench".to_owned());
    }
    let command = Command { call: "call_bench", turn: turn.id, words: &["cargo", "bench"], process: None };
    tool.runtime_started(Json(&command.begin()));
    tool.cancel("interrupted");
    root.set_tool_status("call_bench", ExecutionStatus::Cancelled);
    root.interrupt_turn(&turn);
}
