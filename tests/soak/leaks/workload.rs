//! Workloads of agents. Every function ends all operations that it starts, except conversations.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Waker};

use otel_trace::{
    AgentThread, Body, BodyBuf, BodyError, CellStatus, CodeCellMeta, Exchange, ExecutionStatus, Json, Model, Operation,
    Reply, ThreadMeta, ToolCallMeta, Turn, Usage,
};
use serde_json::json;
use tracing::field::Empty;
use tracing::{Instrument, Level, Span, event, info_span};

const MODEL: Model<'_> = Model { name: "m", provider: "p" };

static PLANNED_LOSSES: AtomicU64 = AtomicU64::new(0);

/// Returns the number of planned losses: each call of [`loss`] is one.
pub(crate) fn planned_losses() -> u64 {
    PLANNED_LOSSES.load(Ordering::Relaxed)
}

/// Records a run with typed handles: turns with every kind of operation, and a spawned agent.
pub(crate) fn handles(n: u64) {
    let id = format!("handles-{n}");
    let thread = AgentThread::start(ThreadMeta::new().id(&id).agent_name("coder").cwd("/work"));
    let turn = thread.turn(None);
    turn_of_handles(&turn, n);
    let spawning = turn.tool_call(ToolCallMeta::new("spawn_agent").id("spawn"));
    let child = spawning.spawn_thread(ThreadMeta::new().id("child").task_name("look"));
    turn_of_handles(&child.turn(Some("child's".into())), n);
    child.complete();
    spawning.complete();
    let failing = thread.turn(None);
    failing.tool_call(ToolCallMeta::new("n")).fail("planted");
    failing.fail("planted");
    thread.protocol_event("warning", Json(&json!({ "message": "slow" })));
}

/// Records every kind of operation in a turn.
fn turn_of_handles(turn: &Turn, n: u64) {
    let inference = turn.inference(MODEL);
    inference.request(Json(&json!({ "input": [{ "role": "user", "content": format!("go {n}") }] })));
    inference.first_token();
    inference.usage(Usage { input_tokens: 9, output_tokens: 3, ..Usage::default() });
    let call_id = format!("call-{n}");
    let call = json!({ "type": "function_call", "call_id": call_id, "name": "bash", "arguments": "{}" });
    inference.response(Json(&json!({ "response_id": format!("resp-{n}"), "output_items": [call] })));
    inference.complete();
    let tool = turn.tool_call(ToolCallMeta::new("bash").id(&call_id).arguments("{}"));
    tool.runtime_started(Json(&json!({ "call_id": call_id, "command": ["ls"], "cwd": "/work" })));
    tool.runtime_ended(ExecutionStatus::Completed, Json(&json!({ "exit_code": 0, "stdout": "", "stderr": "" })));
    tool.output("ok");
    tool.complete();
    let cell = turn.code_cell(CodeCellMeta::new("run()").id("1").call_id("script"));
    drop(cell.tool_call(ToolCallMeta::new("web_search").id("inner")));
    cell.responded(CellStatus::Yielded, Json(&json!({ "response": {} })));
    cell.ended(CellStatus::Completed, Json(&json!({ "response": {} })));
    let compaction = turn.compaction(MODEL);
    compaction.request(Json(&json!({ "input": [] })));
    compaction.fail("503");
    let again = compaction.again(MODEL);
    again.request(Json(&json!({ "input": [] })));
    again.response(Json(&json!({ "output_items": [] })));
    again.installed(Json(&json!({ "input_history": [], "replacement_history": [] })));
    drop(turn.inference(MODEL));
    exchange(turn);
    // A registered child process that is never spawned.
    drop(tool.child_process());
}

/// Records a call as a client middleware does: a refused request, then a stream that breaks.
fn exchange(turn: &Turn) {
    let inference = turn.inference(MODEL);
    let Some(exchange) = Exchange::for_span(inference.span()) else { return };
    exchange.request(br#"{ "input": [] }"#);
    exchange.reply(Reply::Refusal, br#"{ "error": {} }"#);
    exchange.chunk(1, b"data: {}\n\n");
    exchange.reply(Reply::Cut, b"data: {}\n\n");
    inference.fail("cut");
}

/// Drops a pending future while its operations are open.
pub(crate) fn dropped_future(n: u64) {
    let thread = AgentThread::start(ThreadMeta::new().id(&format!("dropped-{n}")));
    let turn = thread.turn(None);
    let unfinished = turn.inference(MODEL);
    let call = async {
        let inference = turn.inference(MODEL);
        inference.request(Json(&json!({ "input": [] })));
        let _tool = turn.tool_call(ToolCallMeta::new("n"));
        let chat = info_span!("chat", gen_ai.operation.name = "chat", gen_ai.input.messages = "[]");
        std::future::pending::<()>().instrument(chat).await;
    };
    let mut call = pin!(call.instrument(turn.span().clone()));
    assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(unfinished);
}

/// A body whose encoding fails.
struct Fails;

impl Body for Fails {
    fn encode(&self, _: &mut BodyBuf) -> Result<(), BodyError> {
        Err(BodyError::new("planted"))
    }
}

/// Records a payload that is lost.
pub(crate) fn loss(n: u64) {
    PLANNED_LOSSES.fetch_add(1, Ordering::Relaxed);
    AgentThread::start(ThreadMeta::new().id(&format!("loss-{n}")))
        .turn(None)
        .tool_call(ToolCallMeta::new("n"))
        .result(Fails);
}

/// Unwinds a panic through open operations, without printing a message.
pub(crate) fn panic(n: u64) {
    let result = std::panic::catch_unwind(|| {
        let thread = AgentThread::start(ThreadMeta::new().id(&format!("panic-{n}")));
        let turn = thread.turn(None);
        let tool = turn.tool_call(ToolCallMeta::new("n"));
        tool.span().in_scope(|| std::panic::resume_unwind(Box::new(())));
    });
    assert!(result.is_err());
}

/// Records a run of a framework that opens neither threads nor turns.
pub(crate) fn framework(n: u64) {
    info_span!("request").in_scope(|| agent(None, Some(&format!("call-{n}"))));
}

/// Number of conversations. Each is a thread in its own bundle until the shutdown.
pub(crate) const CONVERSATIONS: u64 = 8;

/// Returns the id of the conversation that `n` selects.
pub(crate) fn conversation_id(n: u64) -> String {
    format!("conversation-{}", n % CONVERSATIONS)
}

/// Records a turn of one of the conversations. Its calls have no ids, because given ids are kept until the bundle ends.
pub(crate) fn conversation(n: u64) {
    agent(Some(&conversation_id(n)), None);
}

/// Records the spans of a framework: an agent with calls and tool calls.
fn agent(conversation: Option<&str>, call_id: Option<&str>) {
    let agent = info_span!(
        "agent",
        gen_ai.operation.name = "invoke_agent",
        gen_ai.conversation.id = conversation,
        error.type = Empty
    );
    agent.in_scope(|| {
        let chat = info_span!(
            "chat",
            gen_ai.operation.name = "chat",
            gen_ai.provider.name = "p",
            gen_ai.request.model = "m",
            gen_ai.input.messages = r#"[{"role":"user","parts":[{"type":"text","content":"go"}]}]"#,
            gen_ai.output.messages = Empty,
            gen_ai.usage.output_tokens = Empty,
        );
        chat.in_scope(|| info_span!("http").in_scope(|| tracing::debug!("not recorded")));
        chat.record("gen_ai.output.messages", "[]").record("gen_ai.usage.output_tokens", 3);
        // Frameworks chain tool spans to the call that requested them.
        if call_id.is_some() {
            // An agent run as a tool. Its path, like an id, is kept until the bundle ends.
            tool(call_id).in_scope(|| {
                let chat = info_span!("chat", gen_ai.operation.name = "chat", gen_ai.agent.name = "auditor");
                chat.in_scope(|| {});
                tool(None).in_scope(|| {});
            });
        }
        let next = tool(call_id);
        next.follows_from(&chat);
        drop(chat);
        next.in_scope(|| event!(target: "otel_trace", Level::INFO, otel_trace.event = "tool_call_runtime_started"));
        next.record("gen_ai.tool.call.result", "ok");
        info_span!("warm-up", otel_trace.kind = "none", gen_ai.operation.name = "chat").in_scope(|| {});
        // A tool call without a result, and an agent that fails.
        tool(None).in_scope(|| {});
        agent.record("error.type", "planted");
    });
}

/// Opens the span of a tool call.
fn tool(call_id: Option<&str>) -> Span {
    info_span!(
        "tool",
        gen_ai.operation.name = "execute_tool",
        gen_ai.tool.name = "bash",
        gen_ai.tool.call.id = call_id,
        gen_ai.tool.call.arguments = "{}",
        gen_ai.tool.call.result = Empty,
    )
}

/// Records one of the workloads in turn.
pub(crate) fn anything(n: u64) {
    const ALL: [fn(u64); 6] = [handles, dropped_future, loss, panic, framework, conversation];
    let kind = usize::try_from(n).unwrap() % ALL.len();
    // Selects the conversations in turn.
    ALL[kind](if kind == ALL.len() - 1 { n / ALL.len() as u64 } else { n });
}
