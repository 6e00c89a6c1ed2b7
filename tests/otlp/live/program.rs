//! Programs that record every kind of operation.

use otel_trace::{
    AgentThread, CellStatus, CodeCellMeta, Exchange, ExecutionStatus, Inference, Json, Model, Operation, Reply,
    ThreadMeta, ToolCallMeta, ToolKind, Turn, TurnId, Usage,
};
use serde_json::{Value, json};

const MODEL: Model<'static> = Model { name: "gpt-5-mini", provider: "openai" };

fn request(text: &str) -> Value {
    json!({
        "model": "gpt-5-mini",
        "temperature": 0.5,
        "max_output_tokens": 100,
        "stream": true,
        "reasoning": { "effort": "low" },
        "instructions": "Be brief.",
        "input": [{ "type": "message", "role": "user", "content": [{ "type": "input_text", "text": text }] }],
    })
}

fn response(id: &str, items: &[Value]) -> Value {
    let usage = json!({
        "input_tokens": 12, "cached_input_tokens": 4, "output_tokens": 3, "reasoning_output_tokens": 1, "total_tokens": 15,
    });
    json!({ "response_id": id, "token_usage": usage, "output_items": items })
}

fn call(id: &str, name: &str) -> Value {
    json!({ "type": "function_call", "call_id": id, "name": name, "arguments": "{}" })
}

fn call_model(turn: &Turn, text: &str, id: &str, items: &[Value]) -> Inference {
    let inference = turn.inference(MODEL);
    inference.request(Json(&request(text)));
    inference.first_token();
    inference.response(Json(&response(id, items)));
    inference.complete();
    inference
}

/// Records a call and a compaction request for the response of every dialect of token usage.
pub(crate) fn usages() {
    let thread = AgentThread::start(ThreadMeta::new().id("thread-1"));
    let turn = thread.turn(Some(TurnId::from("turn-1")));
    let dialects: Vec<Value> =
        serde_json::from_str(include_str!("../../reduce/usage/dialects.json")).expect("a list of dialects");
    for dialect in &dialects {
        let inference = turn.inference(MODEL);
        inference.request(Json(&request("How much?")));
        inference.response(Json(&dialect["response"]));
        inference.complete();
        let compaction = turn.compaction(MODEL);
        compaction.request(Json(&json!({ "input": [] })));
        compaction.response(Json(&dialect["response"]));
        compaction.complete();
    }
    turn.complete();
    thread.complete();
}

/// Records a run with every kind of operation through typed handles.
pub(crate) fn typed() {
    let thread = AgentThread::start(ThreadMeta::new().id("thread-1").agent_name("coder").model("gpt-5-mini", "openai"));
    let turn = thread.turn(Some(TurnId::from("turn-1")));
    let asked = [call("call_1", "exec_command"), call("call_2", "exec"), call("call_3", "spawn_agent")];
    call_model(&turn, "Do it.", "resp_1", &asked);

    let tool = turn.tool_call(ToolCallMeta::new("exec_command").id("call_1").arguments(r#"{"cmd":"ls"}"#));
    let command = json!({ "call_id": "call_1", "turn_id": "turn-1", "command": ["/bin/ls", "-l"], "cwd": "/" });
    tool.runtime_started(Json(&command));
    let mut ended = command;
    ended["stdout"] = json!("a");
    ended["stderr"] = json!("");
    ended["exit_code"] = json!(2);
    ended["formatted_output"] = json!("a");
    ended["status"] = json!("failed");
    tool.runtime_ended(ExecutionStatus::Failed, Json(&ended));
    tool.output("exit 2");
    tool.fail("exit_status: the command failed");

    let cell = turn.code_cell(CodeCellMeta::new("tools.web_search()").id("1").call_id("call_2"));
    let nested = cell.tool_call(ToolCallMeta::new("web_search").id("nested-1").arguments("{}"));
    nested.output("found");
    nested.complete();
    cell.responded(CellStatus::Completed, Json(&json!({ "type": "code_mode_response", "value": "done" })));

    let spawn = turn.tool_call(ToolCallMeta::new("spawn_agent").id("call_3").arguments(r#"{"message":"look"}"#));
    let child = spawn.spawn_thread(ThreadMeta::new().id("thread-2").agent_name("scout"));
    spawn.output("spawned");
    spawn.complete();
    let child_turn = child.turn(Some(TurnId::from("turn-2")));
    let message =
        json!({ "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": "seen" }] });
    call_model(&child_turn, "look", "resp_2", &[message]);
    child_turn
        .agent_result("seen", Json(&json!({ "child_agent_path": "/root/scout", "message": "seen", "status": "x" })));
    child_turn.complete();
    child.complete();
    // The result reaches the parent with its next request.
    let report = json!({
        "author": "/root/scout", "recipient": "/root", "other_recipients": [], "content": "seen", "trigger_turn": false,
    });
    let delivered = json!({
        "type": "message",
        "role": "assistant",
        "content": [{ "type": "output_text", "text": report.to_string() }],
    });
    let informed = turn.inference(MODEL);
    let mut body = request("Do it.");
    body["input"].as_array_mut().expect("a list").push(delivered);
    informed.request(Json(&body));
    informed.response(Json(&response("resp_3", &[])));
    informed.complete();

    let compaction = turn.compaction(MODEL);
    compaction.request(Json(&json!({ "input": [] })));
    compaction.response(Json(&json!({ "output_items": [] })));
    compaction.complete();

    let dropped = turn.inference(MODEL);
    dropped.request(Json(&request("Never mind.")));
    dropped.cancel("the user stopped it");
    let refused = turn.inference(Model { name: "gpt-5", provider: "openai" });
    refused.request(Json(&request("Again.")));
    refused.usage(Usage { input_tokens: 1, ..Usage::default() });
    refused.fail("429: too many requests");
    turn.complete();
    thread.complete();
}

/// Records tool calls that use MCP servers, as the kind, the label or an id of the MCP client states.
pub(crate) fn mcp_tools() {
    let thread = AgentThread::start(ThreadMeta::new().id("thread-1"));
    let turn = thread.turn(Some(TurnId::from("turn-1")));
    let kind = ToolKind::Mcp { server: "docs".to_owned(), tool: "find".to_owned() };
    for meta in [
        ToolCallMeta::new("find").kind(kind),
        ToolCallMeta::new("mcp__docs.find").arguments("{}"),
        ToolCallMeta::new("mcp__docs__find"),
        ToolCallMeta::new("find"),
    ] {
        let tool = turn.tool_call(meta);
        tool.mcp_call_id("7");
        tool.output("found");
        tool.complete();
    }
}

/// Records a run through plain spans, as a framework does.
pub(crate) fn plain() {
    let agent = tracing::info_span!(
        "invoke_agent",
        gen_ai.operation.name = "invoke_agent",
        gen_ai.agent.name = "helper",
        gen_ai.conversation.id = "conversation-1",
        gen_ai.usage.input_tokens = 1000,
    );
    let _in_agent = agent.enter();
    let chat = tracing::info_span!(
        "chat",
        gen_ai.operation.name = "chat",
        gen_ai.request.model = "m",
        gen_ai.provider.name = "p",
        gen_ai.input.messages = r#"[{"role":"user","parts":[{"type":"text","content":"hello"}]}]"#,
        gen_ai.output.messages = tracing::field::Empty,
        gen_ai.response.model = "m-1",
        gen_ai.response.finish_reasons = ?["tool_calls"],
        gen_ai.usage.cache_creation.input_tokens = 3,
        gen_ai.usage.input_tokens = tracing::field::Empty,
        gen_ai.usage.output_tokens = tracing::field::Empty,
    );
    chat.in_scope(|| {
        let asks =
            r#"[{"role":"assistant","parts":[{"type":"tool_call","id":"c1","name":"add","arguments":{"x":1}}]}]"#;
        chat.record("gen_ai.output.messages", asks);
        chat.record("gen_ai.usage.input_tokens", 7);
        chat.record("gen_ai.usage.output_tokens", 2);
    });
    drop(chat);
    let tool = tracing::info_span!(
        "execute_tool",
        gen_ai.operation.name = "execute_tool",
        gen_ai.tool.name = "add",
        gen_ai.tool.call.id = "c1",
        gen_ai.tool.call.arguments = r#"{"x":1}"#,
        gen_ai.tool.call.result = tracing::field::Empty,
    );
    tool.in_scope(|| {
        tracing::info_span!("http request", url.full = "http://localhost/").in_scope(|| {});
        tool.record("gen_ai.tool.call.result", "2");
    });
}

/// Runs an agent whose spans a connection pool holds for ever: each call of a model, and so the run above them.
pub(crate) fn held_spans() {
    const ANSWER: &str =
        r#"[{"role":"assistant","parts":[{"type":"text","content":"answer"}],"finish_reason":"stop"}]"#;
    let agent =
        tracing::info_span!("invoke_agent", gen_ai.operation.name = "invoke_agent", gen_ai.agent.name = "coder");
    agent.in_scope(|| {
        for _ in 0..2 {
            let chat = tracing::info_span!(
                "chat",
                gen_ai.operation.name = "chat",
                gen_ai.request.model = "m",
                gen_ai.input.messages = "[]",
                gen_ai.output.messages = tracing::field::Empty,
            );
            chat.in_scope(|| chat.record("gen_ai.output.messages", ANSWER));
            std::mem::forget(chat);
        }
    });
}

/// Runs two calls of a model whose client sends several requests: one retries, and the other sends a second request before
/// the first one is answered. Then it retries a request for a compaction.
pub(crate) fn attempts() {
    let body = |text: &str| serde_json::to_vec(&request(text)).expect("JSON");
    let answer = serde_json::to_vec(&response("resp-1", &[])).expect("JSON");
    let exchange = |inference: &Inference| Exchange::for_span(inference.span()).expect("recorded");
    let thread = AgentThread::start(ThreadMeta::new().id("thread-1"));
    let turn = thread.turn(Some(TurnId::from("turn-1")));
    let inference = turn.inference(MODEL);
    for _ in 0..2 {
        let refused = exchange(&inference);
        refused.request(&body("again"));
        refused.status(429);
        refused.reply(Reply::Refusal, b"{}");
    }
    let answered = exchange(&inference);
    answered.request(&body("again"));
    answered.reply(Reply::Whole, &answer);
    inference.usage(Usage { input_tokens: 9, output_tokens: 1, ..Usage::default() });
    drop(inference);

    let inference = turn.inference(MODEL);
    let (first, second) = (exchange(&inference), exchange(&inference));
    first.request(&body("first"));
    second.request(&body("second"));
    first.reply(Reply::Whole, &answer);
    drop(second);
    drop(inference);

    let compaction = turn.compaction(MODEL);
    let exchange = Exchange::for_span(compaction.span()).expect("recorded");
    exchange.request(&body("too long"));
    exchange.status(429);
    exchange.reply(Reply::Refusal, b"{}");
    exchange.request(&body("too long"));
    exchange.reply(Reply::Whole, &answer);
}

/// Runs a tool whose span has fields that only the program knows, one of them a secret, in a turn that has such fields, too.
pub(crate) fn own_fields() {
    let secret: String = (0..40).map(|n: u8| char::from(b'a' + n % 26 * 7 % 26)).collect();
    let turn = tracing::info_span!("turn", otel_trace.kind = "turn", tenant = "acme", retries = 3_u64);
    turn.in_scope(|| {
        let tool = tracing::info_span!(
            "execute_tool",
            gen_ai.operation.name = "execute_tool",
            gen_ai.tool.name = "bash",
            gen_ai.tool.call.id = "call-1",
            gen_ai.tool.description = "runs a command",
            attempt = 2_u64,
            ticket.path = ?Some("/p"),
            password = secret,
            otel_trace.typo = "t",
            level = "high",
            error.type = tracing::field::Empty,
        );
        tool.in_scope(|| {});
        tool.record("error.type", "timeout");
    });
}
