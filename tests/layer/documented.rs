//! The examples of the documentation, run: each leaves a bundle that a strict reduction takes.
//!
//! The code between `// <file>` and `// end` is that of an example, without its hidden lines and apart from white space. A
//! test compares both, in both directions.

use futures_executor::block_on;
use otel_trace::bundle::Reader;
use otel_trace::reduce::{Options, reduce};

use crate::common::{Bundle, bundles, recorder, run_recorded};
use crate::strict_reader;

const SOURCE: &str = include_str!("documented.rs");

/// The files with examples.
const FILES: [(&str, &str); 12] = [
    ("README.md", include_str!("../../README.md")),
    ("src/lib.rs", include_str!("../../src/lib.rs")),
    ("src/layer.rs", include_str!("../../src/layer.rs")),
    ("any_operation.rs", include_str!("../../src/layer/handle/any_operation.rs")),
    ("code_cell.rs", include_str!("../../src/layer/handle/code_cell.rs")),
    ("compaction.rs", include_str!("../../src/layer/handle/compaction.rs")),
    ("exchange.rs", include_str!("../../src/layer/handle/exchange.rs")),
    ("inference.rs", include_str!("../../src/layer/handle/inference.rs")),
    ("thread.rs", include_str!("../../src/layer/handle/thread.rs")),
    ("tool.rs", include_str!("../../src/layer/handle/tool.rs")),
    ("turn.rs", include_str!("../../src/layer/handle/turn.rs")),
    ("tool_invocation.rs", include_str!("../../src/layer/operation/tool_invocation.rs")),
];

fn readme_handles() {
    // README.md
    use otel_trace::{AgentThread, ExecutionStatus, Json, Model, Operation, ThreadMeta, ToolCallMeta};
    use serde_json::json;

    let thread = AgentThread::start(ThreadMeta::new().agent_name("coder").cwd("/repo"));
    let turn = thread.turn(Some("turn-1".into()));
    let model = Model { name: "gpt-5-mini", provider: "openai" };

    let inference = turn.inference(model);
    let question = json!([{ "type": "input_text", "text": "Which tests fail?" }]);
    inference.request(Json(&json!({ "input": [{ "type": "message", "role": "user", "content": question }] })));
    // … send it, stream the answer …
    inference.first_token();
    let arguments = r#"{"cmd":"cargo test"}"#;
    let call = json!({ "type": "function_call", "call_id": "call_1", "name": "exec_command", "arguments": arguments });
    inference.response(Json(&json!({ "response_id": "resp_1", "output_items": [call] })));
    inference.complete();

    // The call's id links it to the item that asked for it, and to the one that will show its output to the model.
    let tool = turn.tool_call(ToolCallMeta::new("exec_command").id("call_1").arguments(arguments));
    let mut command = json!({ "call_id": "call_1", "turn_id": "turn-1", "command": ["cargo", "test"], "cwd": "/repo" });
    tool.runtime_started(Json(&command));
    // … run it …
    command["exit_code"] = json!(0);
    command["stdout"] = json!("all tests pass");
    command["stderr"] = json!("");
    command["formatted_output"] = json!("all tests pass");
    command["status"] = json!("completed");
    tool.runtime_ended(ExecutionStatus::Completed, Json(&command));
    tool.output("all tests pass");
    tool.complete();

    let next = turn.inference(model);
    let output = json!({ "type": "function_call_output", "call_id": "call_1", "output": "all tests pass" });
    next.request(Json(&json!({ "input": [output], "previous_response_id": "resp_1" })));
    next.fail("503 Service Unavailable");
    // end
}

fn readme_spans() {
    // README.md
    use tracing::{Instrument, Span, info_span, instrument};

    #[instrument(fields(gen_ai.operation.name = "execute_tool", gen_ai.tool.name = "add", gen_ai.tool.call.id = call_id,
        gen_ai.tool.call.result))]
    fn add(call_id: &str, a: i32, b: i32) -> i32 {
        Span::current().record("gen_ai.tool.call.result", a + b);
        a + b
    }

    async fn ask(messages: &str) {
        let span = info_span!(
            "chat",
            gen_ai.operation.name = "chat",
            gen_ai.provider.name = "openai",
            gen_ai.request.model = "gpt-5-mini",
            gen_ai.input.messages = messages,
            gen_ai.output.messages = tracing::field::Empty,
            gen_ai.response.id = tracing::field::Empty,
        );
        let work = async {
            // … ask the model …
            let answer = r#"[{"role":"assistant","parts":[{"type":"text","content":"It is 3."}]}]"#;
            Span::current().record("gen_ai.output.messages", answer).record("gen_ai.response.id", "resp_1");
        };
        work.instrument(span).await;
    }
    // end
    assert_eq!(add("call_1", 1, 2), 3);
    block_on(ask(r#"[{"role":"user","parts":[{"type":"text","content":"What is 1 + 2?"}]}]"#));
}

fn crate_handles() {
    // src/lib.rs
    use otel_trace::{AgentThread, Json, Model, Operation, ThreadMeta, ToolCallMeta};
    use serde_json::json;

    let thread = AgentThread::start(ThreadMeta::new().agent_name("coder"));
    let turn = thread.turn(None);

    let inference = turn.inference(Model { name: "gpt-5-mini", provider: "openai" });
    let question = json!({ "type": "message", "role": "user", "content": "Which tests fail?" });
    inference.request(Json(&json!({ "model": "gpt-5-mini", "input": [question] })));
    let arguments = r#"{"cmd":"cargo test"}"#;
    let call = json!({ "type": "function_call", "call_id": "call_1", "name": "exec_command", "arguments": arguments });
    inference.response(Json(&json!({ "response_id": "resp_1", "output_items": [call] })));
    inference.complete();

    let tool = turn.tool_call(ToolCallMeta::new("exec_command").id("call_1").arguments(arguments));
    tool.output("test result: ok");
    tool.complete();
    // end
}

fn instants() {
    // src/layer.rs
    let tool = tracing::info_span!(
        "bash",
        gen_ai.operation.name = "execute_tool",
        gen_ai.tool.name = "bash",
        gen_ai.tool.call.id = "call_1",
        gen_ai.tool.call.result = tracing::field::Empty,
    );
    tool.in_scope(|| {
        tracing::event!(
            target: "otel_trace",
            tracing::Level::INFO,
            otel_trace.event = "tool_call_runtime_started",
            otel_trace.payload = r#"{"call_id":"call_1","turn_id":"turn-1","command":["pwd"],"cwd":"/repo"}"#,
        );
        // … run it …
        tracing::Span::current().record("gen_ai.tool.call.result", "/repo");
    });
    // end
}

fn any_operation() {
    // any_operation.rs
    use otel_trace::{Json, Operation, PayloadKind, SpanExt};
    use serde_json::json;

    let span = tracing::info_span!("chat", gen_ai.operation.name = "chat", gen_ai.request.model = "m");
    let question = json!({ "type": "message", "role": "user", "content": "hi" });
    span.otel_trace().record_payload(PayloadKind::InferenceRequest, Json(&json!({ "input": [question] })));
    // … send it …
    let answer = json!({ "type": "message", "role": "assistant", "content": "hello" });
    let response = json!({ "response_id": "resp_1", "output_items": [answer] });
    span.otel_trace().record_payload(PayloadKind::InferenceResponse, Json(&response));
    // end
}

fn code_cell() {
    // code_cell.rs
    use otel_trace::{AgentThread, CellStatus, CodeCellMeta, Json, Operation, ThreadMeta, ToolCallMeta};
    use serde_json::{Value, json};

    let turn = AgentThread::start(ThreadMeta::new()).turn(None);
    let cell = turn.code_cell(CodeCellMeta::new("await tools.exec_command('cargo test')").id("1").call_id("call_1"));
    let nested = cell.tool_call(ToolCallMeta::new("exec_command").id("exec-1").runtime_id("tool-1"));
    cell.responded(
        CellStatus::Yielded,
        Json(&json!({ "response": { "Yielded": { "cell_id": "1", "content_items": [] } } })),
    );
    nested.output("ok");
    nested.complete();
    let result = json!({ "cell_id": "1", "content_items": [], "stored_values": {}, "error_text": Value::Null });
    cell.ended(CellStatus::Completed, Json(&json!({ "response": { "Result": result } })));
    // end
}

fn compaction() {
    // compaction.rs
    use otel_trace::{AgentThread, CompactionMeta, Json, Model, Operation, ThreadMeta};
    use serde_json::json;

    let turn = AgentThread::start(ThreadMeta::new()).turn(None);
    let model = Model { name: "gpt-5-mini", provider: "openai" };
    let history = json!([{ "type": "message", "role": "user", "content": "a long story" }]);
    let first = turn.compaction(CompactionMeta::new(model).id("compaction-1"));
    first.request(Json(&json!({ "input": history })));
    first.fail("503 Service Unavailable");
    let second = first.again(model);
    second.request(Json(&json!({ "input": history })));
    let summary = json!([{ "type": "message", "role": "user", "content": "in short" }]);
    second.response(Json(&json!({ "output_items": summary })));
    second.complete();
    second.installed(Json(&json!({ "input_history": history, "replacement_history": summary })));
    // end
}

fn exchange() {
    fn post(_: &[u8]) -> (u16, Vec<u8>) {
        (200, br#"{"id":"resp_1","output":[]}"#.to_vec())
    }
    // exchange.rs
    use otel_trace::{Exchange, Reply};

    fn ask(request: &[u8]) -> Vec<u8> {
        let exchange = Exchange::current();
        exchange.iter().for_each(|exchange| exchange.request(request));
        let (status, body) = post(request);
        let reply = if status == 200 { Reply::Whole } else { Reply::Refusal };
        exchange.iter().for_each(|exchange| exchange.reply(reply, &body));
        body
    }
    // end
    let span = tracing::info_span!("chat", gen_ai.operation.name = "chat", gen_ai.request.model = "m");
    span.in_scope(|| ask(br#"{"input":[]}"#));
}

fn inference() {
    // inference.rs
    use otel_trace::{AgentThread, Json, Model, Operation, ThreadMeta, Usage};
    use serde_json::json;

    let turn = AgentThread::start(ThreadMeta::new()).turn(None);
    let inference = turn.inference(Model { name: "gpt-5-mini", provider: "openai" });
    inference.request(Json(&json!({ "input": [{ "type": "message", "role": "user", "content": "hi" }] })));
    inference.first_token();
    inference.usage(Usage { input_tokens: 9, output_tokens: 3, ..Usage::default() });
    inference.response_id("resp_1");
    let answer = json!({ "type": "message", "role": "assistant", "content": "hello" });
    inference.response(Json(&json!({ "output_items": [answer] })));
    inference.complete();
    // end
}

fn thread() {
    // thread.rs
    use otel_trace::{AgentThread, Json, Operation, ThreadMeta};
    use serde_json::json;

    let thread = AgentThread::start(ThreadMeta::new().agent_name("coder").cwd("/repo").model("gpt-5-mini", "openai"));
    let turn = thread.turn(Some("turn-1".into()));
    thread.protocol_event("warning", Json(&json!({ "message": "the context is nearly full" })));
    thread.other("feedback", "the user liked it", &json!({ "stars": 5 }));
    turn.complete();
    thread.complete();
    // end
}

fn root_thread() {
    // thread.rs
    use otel_trace::{AgentThread, Operation, ThreadMeta};

    let tester = AgentThread::start(ThreadMeta::new().agent_name("tester"));
    tester.span().in_scope(|| {
        // A run of its own, with a bundle of its own.
        let tested = AgentThread::start_root(ThreadMeta::new().agent_name("coder"));
        tested.complete();
    });
    tester.complete();
    // end
}

fn tool() {
    // tool.rs
    use otel_trace::{AgentThread, Json, Operation, ThreadMeta, ToolCallMeta};
    use serde_json::json;

    let turn = AgentThread::start(ThreadMeta::new()).turn(None);
    let tool = turn.tool_call(ToolCallMeta::new("spawn_agent").id("call_1").arguments(r#"{"task":"look"}"#));
    // An agent that the call spawns: in the same bundle, with this thread as its parent.
    let child = tool.spawn_thread(ThreadMeta::new().task_name("look"));
    let work = child.turn(None);
    let (path, message) = ("/root/look", "nothing there");
    let result = json!({ "child_agent_path": path, "message": message, "status": { "completed": message } });
    work.agent_result(message, Json(&result));
    work.complete();
    child.complete();
    tool.output(message);
    tool.complete();
    // end
}

fn turn() {
    // turn.rs
    use otel_trace::{AgentThread, Operation, ThreadMeta};
    use tracing::Instrument;

    async fn answer() {
        let turn = AgentThread::start(ThreadMeta::new()).turn(None);
        let work = async {
            // … spans opened here become children of the turn …
        };
        work.instrument(turn.span().clone()).await;
        turn.complete();
    }
    // end
    block_on(answer());
}

fn tool_invocation() {
    // tool_invocation.rs
    use otel_trace::{AgentThread, Operation, ThreadMeta, ToolCallMeta, ToolInvocation};

    let turn = AgentThread::start(ThreadMeta::new()).turn(None);
    let patch = ToolInvocation::Custom { input: "*** Begin Patch\n*** End Patch".into() };
    let tool = turn.tool_call(ToolCallMeta::new("apply_patch").id("call_1").invocation(patch));
    tool.output("patched");
    tool.complete();
    // end
}

/// What the bundle of an example is read by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bodies {
    /// All bodies have the shapes that every reader of format 1 knows.
    FormatOne,
    /// Bodies, or an event, that only newer readers know.
    Newer,
}

const EXAMPLES: [(fn(), Bodies); 14] = [
    (readme_handles, Bodies::FormatOne),
    (readme_spans, Bodies::Newer),
    (crate_handles, Bodies::FormatOne),
    (instants, Bodies::FormatOne),
    (any_operation, Bodies::FormatOne),
    (code_cell, Bodies::FormatOne),
    (compaction, Bodies::FormatOne),
    (exchange, Bodies::Newer),
    (inference, Bodies::FormatOne),
    (thread, Bodies::Newer),
    (root_thread, Bodies::FormatOne),
    (tool, Bodies::FormatOne),
    (turn, Bodies::FormatOne),
    (tool_invocation, Bodies::FormatOne),
];

#[test]
fn each_example_leaves_a_bundle_that_a_strict_reduction_takes() {
    for (example, bodies) in EXAMPLES {
        let (root, recorder, guard) = recorder();
        run_recorded(&recorder, example);
        drop(guard);
        assert_eq!((recorder.stats().lost(), recorder.stats().late), (0, 0));
        let recorded = bundles(root.path());
        assert!(!recorded.is_empty());
        for bundle in &recorded {
            let graph = reduce(&Reader::open(&bundle.path).unwrap(), &Options::default().strict(true)).unwrap().graph;
            // An example shows one operation, not what lets a model ask for it or see it.
            let is_of_an_excerpt = |name: &str| ["undelivered_message", "cell_without_source"].contains(&name);
            let found: Vec<_> = graph.diagnostics.iter().filter(|found| !is_of_an_excerpt(found.code.name())).collect();
            assert!(found.is_empty(), "{found:?}");
            assert_eq!(crate::common::count_running(&graph), 0);
            if bodies == Bodies::FormatOne {
                check_strictly(bundle);
            }
        }
    }
}

fn check_strictly(bundle: &Bundle) {
    let names = bundle.event_names();
    assert!(names.iter().all(|name| strict_reader::VARIANTS.contains(name)), "{names:?}");
    for point in strict_reader::POINTS {
        point(bundle);
    }
}

/// Returns the code of a file's examples that record something and run, without their hidden lines.
fn documented(file: &str) -> Vec<String> {
    let mut examples = Vec::new();
    let mut current: Option<Vec<&str>> = None;
    for line in file.lines() {
        let line = line.trim_start();
        let text = line.strip_prefix("///").or_else(|| line.strip_prefix("//!")).unwrap_or(line);
        match (text.trim(), &mut current) {
            ("```" | "```rust", None) => current = Some(Vec::new()),
            (fence, None) if fence.starts_with("```") => current = Some(vec![NOT_RUN]),
            ("```", Some(lines)) => {
                examples.push(lines.join("\n"));
                current = None;
            }
            (hidden, Some(_)) if hidden.starts_with("# ") => {}
            (_, Some(lines)) => lines.push(text),
            (_, None) => {}
        }
    }
    let records = |example: &&String| {
        let signs = ["AgentThread::start", "gen_ai.operation.name", "Exchange::current"];
        !example.starts_with(NOT_RUN) && signs.iter().any(|sign| example.contains(sign))
    };
    examples.iter().filter(records).map(|example| without_white_space(example)).collect()
}

/// The first line of an example that is not run.
const NOT_RUN: &str = "not run";

/// Returns the code of the examples in this file that are those of `file`.
fn written_here(file: &str) -> Vec<String> {
    let begin = format!("    // {file}\n");
    let code = |rest: &str| without_white_space(rest.split("    // end\n").next().unwrap());
    SOURCE.split(&begin).skip(1).map(code).collect()
}

/// Returns code without white space, and without the commas that stand at the end of lists that are broken into lines.
fn without_white_space(code: &str) -> String {
    let dense: String = code.split_whitespace().collect();
    dense.replace(",)", ")").replace(",}", "}").replace(",]", "]")
}

#[test]
fn the_documentation_has_these_examples_and_no_others() {
    for (name, file) in FILES {
        let (documented, here) = (documented(file), written_here(name));
        assert_eq!(documented, here, "examples of {name}");
        assert!(!here.is_empty(), "{name} has no example that records something");
    }
    let all: usize = FILES.iter().map(|(name, _)| written_here(name).len()).sum();
    assert_eq!(all, EXAMPLES.len());
}
