//! Handles and plain spans record the same: a table of what each calls it, and the log that both write.

mod sides;

use std::collections::BTreeSet;

use otel_trace::event::{CellStatus, ExecutionStatus};
use otel_trace::{
    AgentThread, CodeCellMeta, CompactionMeta, Json, Model, Operation, OperationIds, PayloadKind, SpanExt, ThreadMeta,
    ToolCallMeta, ToolInvocation, ToolKind, Usage,
};
use serde_json::{Value, json};
use tracing::{event, info_span};

use self::sides::SIDES;
use crate::common::{Bundle, record_one};

/// The files that declare handles and their attributes.
const HANDLES: [&str; 6] = [
    include_str!("../../src/layer/handle/thread.rs"),
    include_str!("../../src/layer/handle/turn.rs"),
    include_str!("../../src/layer/handle/inference.rs"),
    include_str!("../../src/layer/handle/tool.rs"),
    include_str!("../../src/layer/handle/code_cell.rs"),
    include_str!("../../src/layer/handle/compaction.rs"),
];

/// The files that read fields of spans and events.
const FIELD_READERS: [&str; 6] = [
    include_str!("../../src/layer/span/fields.rs"),
    include_str!("../../src/layer/span/tool_fields.rs"),
    include_str!("../../src/layer/span/session_fields.rs"),
    include_str!("../../src/layer/span/setting_fields.rs"),
    include_str!("../../src/layer/span/usage_fields.rs"),
    include_str!("../../src/layer/span/instant.rs"),
];

const SEMCONV: &str = include_str!("../../src/semconv.rs");

/// Returns the public methods of the types in a file, as `Type::method`.
fn public_methods(source: &str) -> BTreeSet<String> {
    let mut owner = "";
    let mut methods = BTreeSet::new();
    for line in source.lines() {
        if let Some(block) = line.strip_prefix("impl").and_then(|rest| rest.strip_suffix(" {")) {
            let block = block.trim_start_matches("<'a>").trim();
            owner = if block.contains(" for ") { "" } else { block.split('<').next().unwrap() };
        } else if let Some(method) = line.strip_prefix("    pub fn ")
            && !owner.is_empty()
        {
            methods.insert(format!("{owner}::{}", method.split(['(', '<']).next().unwrap()));
        }
    }
    methods
}

/// Returns the names of the fields that a file reads: those of the constants of `semconv` that it uses.
fn field_names(source: &'static str) -> BTreeSet<String> {
    let constant = |line: &'static str| line.strip_prefix("pub(crate) const ")?.split_once(": &str = ");
    let constants: Vec<_> = SEMCONV.lines().filter_map(constant).collect();
    let used = source.split("semconv::").skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_uppercase() && c != '_').unwrap();
        &rest[..end]
    });
    let (_, settings) = SEMCONV.split_once("REQUEST_SETTINGS: [").unwrap();
    let settings = settings.split("];").next().unwrap().lines().filter_map(|line| line.trim().strip_suffix(','));
    let used = used.flat_map(|name| if name == "REQUEST_SETTINGS" { settings.clone().collect() } else { vec![name] });
    let value = |name: &str| constants.iter().find(|(constant, _)| *constant == name).map(|(_, value)| *value);
    used.filter_map(value).map(|value| value.trim_matches(['"', ';']).to_owned()).collect()
}

#[test]
fn each_method_of_a_handle_has_its_fields_and_each_field_its_method() {
    let methods: BTreeSet<_> = HANDLES.into_iter().flat_map(public_methods).collect();
    assert!(methods.len() > 40, "{methods:?}");
    let listed: BTreeSet<_> =
        SIDES.iter().map(|(method, _)| (*method).to_owned()).filter(|name| !name.starts_with("Operation::")).collect();
    assert_eq!(methods, listed);

    let is_field = |name: &String| !name.ends_with('.');
    let fields: BTreeSet<_> = FIELD_READERS.into_iter().flat_map(field_names).filter(is_field).collect();
    let listed: BTreeSet<_> = SIDES.iter().flat_map(|(_, fields)| *fields).map(|name| (*name).to_owned()).collect();
    assert_eq!(fields, listed);
}

const MODEL: Model<'_> = Model { name: "m", provider: "p" };

/// The bodies that both programs record.
struct Bodies {
    source: Value,
    further: Value,
    request: Value,
    response: Value,
    runtime: Value,
    cell: Value,
    checkpoint: Value,
}

fn bodies() -> Bodies {
    Bodies {
        source: json!({ "subagent": "review" }),
        further: json!({ "cli_version": "1.2", "cwd": "ignored" }),
        request: json!({ "gen_ai.input.messages": [{ "role": "user", "parts": [] }], "gen_ai.request.temperature": 1 }),
        response: json!({ "gen_ai.output.messages": [], "gen_ai.response.id": "r",
                          "gen_ai.usage.input_tokens": 9, "gen_ai.usage.output_tokens": 3 }),
        runtime: json!({ "call_id": "c" }),
        cell: json!({ "response": { "Yielded": { "cell_id": "1", "content_items": [] } } }),
        checkpoint: json!({ "input_history": [], "replacement_history": [] }),
    }
}

/// Records one operation of each kind with handles, with all that a handle can tell of it. Returns the ids.
fn record_with_handles() -> Vec<OperationIds> {
    let Bodies { source, further, request, response, runtime, cell: cell_body, checkpoint } = bodies();
    let meta = ThreadMeta::new().id("t").agent_path("/root").task_name("task").agent_name("coder").agent_role("role");
    let meta = meta.session_source(&source).cwd("/w").rollout_path("/w/log").model("m", "p");
    let meta = meta.approval_policy("never").sandbox_policy("read-only").further(further.as_object().unwrap());
    let thread = AgentThread::start(meta);
    thread.protocol_event("warning", Json(&json!({ "text": "w" })));
    thread.other("feedback", "good", &json!({ "stars": 5 }));
    let turn = thread.turn(Some("u".into()));

    let inference = turn.inference(MODEL);
    inference.request(Json(&request));
    inference.first_token();
    inference.usage(Usage { input_tokens: 9, output_tokens: 3, ..Usage::default() });
    inference.response_id("r");
    inference.no_upstream_request_id();
    inference.response(Json(&response));
    let inference_ids = inference.ids();
    inference.complete();

    let mcp = ToolKind::Mcp { server: "docs".into(), tool: "find".into() };
    let invocation =
        ToolInvocation::Mcp { server: "docs".into(), tool: "find".into(), raw_arguments: r#"{"q":1}"#.into() };
    let meta = ToolCallMeta::new("find").namespace("mcp__docs").id("c").kind(mcp).invocation(invocation);
    let tool = turn.tool_call(meta);
    tool.mcp_call_id("mcp-1");
    tool.runtime_started(Json(&runtime));
    tool.runtime_ended(ExecutionStatus::Failed, Json(&runtime));
    tool.output("found");
    let tool_ids = tool.ids();
    tool.complete();

    let cell = turn.code_cell(CodeCellMeta::new("run()").id("1").call_id("x").tool_name("run_js"));
    let invocation = ToolInvocation::Custom { input: "patch".into() };
    let nested = ToolCallMeta::new("edit").id("exec-1").runtime_id("tool-1").kind(ToolKind::ApplyPatch);
    let nested = cell.tool_call(nested.invocation(invocation));
    nested.output("done");
    let nested_ids = nested.ids();
    nested.complete();
    cell.responded(CellStatus::Yielded, Json(&cell_body));
    cell.ended(CellStatus::Failed, Json(&cell_body));
    let cell_ids = cell.ids();

    let compaction = turn.compaction(CompactionMeta::new(MODEL).id("k"));
    compaction.request(Json(&json!({ "input": [] })));
    compaction.response(Json(&json!({ "output_items": [] })));
    let compaction_ids = compaction.ids();
    compaction.complete();
    compaction.installed(Json(&checkpoint));
    turn.compaction_installed(Some("l"), Json(&checkpoint));

    let spawn = turn.tool_call(ToolCallMeta::new("spawn_agent").id("s").arguments("{}"));
    let child = spawn.spawn_thread(ThreadMeta::new().id("child").agent_path("/root/child"));
    let work = child.turn(Some("v".into()));
    work.agent_result("done", Json(&json!({ "status": { "completed": "done" } })));
    work.complete();
    child.complete();
    spawn.fail("refused");
    turn.cancel("by the user");
    let thread_ids = [thread.ids(), turn.ids(), work.ids()];
    thread.complete();
    [inference_ids, tool_ids, nested_ids, cell_ids, compaction_ids].into_iter().chain(thread_ids).collect()
}

/// Emits an instant inside a span.
macro_rules! instant {
    ($span:expr, $name:expr, $($fields:tt)*) => {
        $span.in_scope(|| {
            event!(target: "otel_trace", tracing::Level::INFO, otel_trace.event = $name, $($fields)*)
        })
    };
}

/// Records the same as [`record_with_handles`], with plain spans.
fn record_with_spans() -> Vec<OperationIds> {
    let Bodies { source, further, request, response, runtime, cell: cell_body, checkpoint } = bodies();
    let messages = request["gen_ai.input.messages"].to_string();
    let thread = info_span!(
        "thread",
        otel_trace.kind = "thread",
        gen_ai.conversation.id = "t",
        otel_trace.agent.path = "/root",
        otel_trace.task.name = "task",
        gen_ai.agent.name = "coder",
        otel_trace.agent.role = "role",
        otel_trace.session.source = %source,
        otel_trace.session.cwd = "/w",
        otel_trace.session.rollout_path = "/w/log",
        gen_ai.request.model = "m",
        gen_ai.provider.name = "p",
        otel_trace.session.approval_policy = "never",
        otel_trace.session.sandbox_policy = "read-only",
        otel_trace.session.metadata = %further,
    );
    let warning = json!({ "text": "w" }).to_string();
    instant!(thread, "protocol_event_observed", otel_trace.protocol_event = "warning", otel_trace.payload = warning);
    let stars = json!({ "stars": 5 }).to_string();
    instant!(
        thread,
        "other",
        otel_trace.other.kind = "feedback",
        otel_trace.message = "good",
        otel_trace.payload = stars
    );
    let turn = info_span!(parent: &thread, "turn", otel_trace.kind = "turn", otel_trace.turn.id = "u");
    turn.in_scope(|| {});

    let inference = info_span!(
        parent: &turn,
        "chat",
        gen_ai.operation.name = "chat",
        gen_ai.request.model = "m",
        gen_ai.provider.name = "p",
        gen_ai.input.messages = messages,
        gen_ai.request.temperature = 1,
        gen_ai.output.messages = tracing::field::Empty,
        gen_ai.response.id = tracing::field::Empty,
        gen_ai.response.time_to_first_chunk = tracing::field::Empty,
        gen_ai.usage.input_tokens = tracing::field::Empty,
        gen_ai.usage.output_tokens = tracing::field::Empty,
        otel_trace.upstream_request_id = tracing::field::Empty,
    );
    inference.in_scope(|| {});
    let answer = response["gen_ai.output.messages"].to_string();
    inference.record("gen_ai.output.messages", answer).record("gen_ai.response.id", "r");
    inference.record("gen_ai.response.time_to_first_chunk", 0.5).record("otel_trace.upstream_request_id", "");
    inference.record("gen_ai.usage.input_tokens", 9).record("gen_ai.usage.output_tokens", 3);
    let inference_ids = inference.otel_trace().ids();
    drop(inference);

    let tool = info_span!(
        parent: &turn,
        "tool",
        gen_ai.operation.name = "execute_tool",
        gen_ai.tool.name = "find",
        gen_ai.tool.call.id = "c",
        gen_ai.tool.call.arguments = r#"{"q":1}"#,
        otel_trace.tool.namespace = "mcp__docs",
        otel_trace.tool.invocation = "mcp",
        otel_trace.mcp.server = "docs",
        gen_ai.tool.call.result = tracing::field::Empty,
    );
    instant!(tool, "mcp_tool_call_correlation_assigned", otel_trace.mcp_call_id = "mcp-1");
    let payload = runtime.to_string();
    instant!(tool, "tool_call_runtime_started", otel_trace.payload = payload);
    instant!(tool, "tool_call_runtime_ended", otel_trace.status = "failed", otel_trace.payload = payload);
    tool.record("gen_ai.tool.call.result", &b"found"[..]);
    let tool_ids = tool.otel_trace().ids();
    drop(tool);

    let cell = info_span!(
        parent: &turn,
        "cell",
        otel_trace.kind = "code_cell",
        otel_trace.code_cell.id = "1",
        gen_ai.tool.name = "run_js",
        otel_trace.code_cell.source = "run()",
        gen_ai.tool.call.id = "x",
    );
    let nested = info_span!(
        parent: &cell,
        "tool",
        gen_ai.operation.name = "execute_tool",
        gen_ai.tool.name = "edit",
        gen_ai.tool.call.id = "exec-1",
        otel_trace.tool.runtime_id = "tool-1",
        otel_trace.tool.kind = "apply_patch",
        otel_trace.tool.invocation = "custom",
        gen_ai.tool.call.arguments = "patch",
        gen_ai.tool.call.result = "done",
    );
    let nested_ids = nested.otel_trace().ids();
    drop(nested);
    let payload = cell_body.to_string();
    instant!(cell, "code_cell_initial_response", otel_trace.status = "yielded", otel_trace.payload = payload);
    instant!(cell, "code_cell_ended", otel_trace.status = "failed", otel_trace.payload = payload);
    let cell_ids = cell.otel_trace().ids();

    let compaction = info_span!(
        parent: &turn,
        "compaction",
        otel_trace.kind = "compaction",
        otel_trace.compaction.id = "k",
        gen_ai.request.model = "m",
        gen_ai.provider.name = "p",
    );
    let request = compaction.otel_trace();
    request.record_payload(PayloadKind::CompactionRequest, Json(&json!({ "input": [] })));
    request.record_payload(PayloadKind::CompactionResponse, Json(&json!({ "output_items": [] })));
    let compaction_ids = request.ids();
    request.complete();
    let payload = checkpoint.to_string();
    instant!(compaction, "compaction_installed", otel_trace.payload = payload);
    instant!(turn, "compaction_installed", otel_trace.compaction.id = "l", otel_trace.payload = payload);

    let spawn = info_span!(
        parent: &turn,
        "tool",
        gen_ai.operation.name = "execute_tool",
        gen_ai.tool.name = "spawn_agent",
        gen_ai.tool.call.id = "s",
        gen_ai.tool.call.arguments = "{}",
    );
    let child = info_span!(
        parent: &spawn,
        "thread",
        otel_trace.kind = "thread",
        gen_ai.conversation.id = "child",
        otel_trace.agent.path = "/root/child",
    );
    let work = info_span!(parent: &child, "turn", otel_trace.kind = "turn", otel_trace.turn.id = "v");
    let status = json!({ "status": { "completed": "done" } }).to_string();
    instant!(work, "agent_result_observed", otel_trace.message = "done", otel_trace.payload = status);
    work.otel_trace().complete();
    child.otel_trace().complete();
    spawn.otel_trace().fail("refused");
    turn.otel_trace().cancel("by the user");
    let thread_ids = [thread.otel_trace().ids(), turn.otel_trace().ids(), work.otel_trace().ids()];
    thread.otel_trace().complete();
    [inference_ids, tool_ids, nested_ids, cell_ids, compaction_ids].into_iter().chain(thread_ids).collect()
}

/// Returns the events of a bundle with their payloads in place of references, without times and the id of the recording.
fn comparable(bundle: &Bundle) -> Vec<Value> {
    let trace_id = bundle.manifest["trace_id"].as_str().unwrap();
    let comparable = |line: &Value| {
        let mut event = json!({ "thread": line["thread_id"], "turn": line["codex_turn_id"], "event": line["payload"] });
        expand(bundle, &mut event);
        serde_json::from_str(&event.to_string().replace(trace_id, "T")).unwrap()
    };
    bundle.lines.iter().map(comparable).collect()
}

/// Replaces references to payloads by the payloads, and the time of the first token by whether there was one.
fn expand(bundle: &Bundle, value: &mut Value) {
    if value["raw_payload_id"].is_string() {
        *value = bundle.payload_json(value);
    } else if let Some(members) = value.as_object_mut() {
        if let Some(time) = members.get_mut("first_token_at_unix_ms") {
            *time = json!(time.is_i64());
        }
        // A handle and a span end their operations in different ways, and only the fields of plain spans are attributes.
        ["ended_by", "attributes"].iter().for_each(|member| drop(members.remove(*member)));
        members.values_mut().for_each(|member| expand(bundle, member));
    } else if let Some(elements) = value.as_array_mut() {
        elements.iter_mut().for_each(|element| expand(bundle, element));
    }
}

#[test]
fn handles_and_spans_write_the_same_log() {
    let (mut by_handles, mut by_spans) = (Vec::new(), Vec::new());
    let handles = record_one(|| by_handles = record_with_handles());
    let spans = record_one(|| by_spans = record_with_spans());
    let (expected, actual) = (comparable(&handles), comparable(&spans));
    for (expected, actual) in expected.iter().zip(&actual) {
        assert_eq!(expected, actual);
    }
    assert_eq!(expected.len(), actual.len());

    let metadata = handles.payload_json(&handles.events("thread_started")[0]["metadata_payload"]);
    assert_eq!([&metadata["cwd"], &metadata["cli_version"]], ["/w", "1.2"]);
    assert_eq!([&metadata["rollout_path"], &metadata["session_source"]["subagent"]], ["/w/log", "review"]);
    let nested = &handles.events("tool_call_started")[1];
    assert_eq!([&nested["tool_call_id"], &nested["code_mode_runtime_tool_id"]], ["exec-1", "tool-1"]);

    // Ids that were generated contain the id of the recording.
    let text = |ids: &[OperationIds], bundle: &Bundle| {
        format!("{ids:?}").replace(bundle.manifest["trace_id"].as_str().unwrap(), "T")
    };
    assert_eq!(text(&by_handles, &handles), text(&by_spans, &spans));
    let logged = |name: &str, member: &str| handles.events(name)[0][member].as_str().unwrap().to_owned();
    let [inference, tool, _, cell, compaction, thread, turn, _] = &by_handles[..] else { panic!("{by_handles:?}") };
    let id = |id: Option<&str>| id.unwrap().to_owned();
    assert_eq!(id(inference.inference.as_ref().map(AsRef::as_ref)), logged("inference_started", "inference_call_id"));
    assert_eq!(id(tool.tool_call.as_ref().map(AsRef::as_ref)), logged("tool_call_started", "tool_call_id"));
    assert_eq!(id(cell.code_cell.as_ref().map(AsRef::as_ref)), logged("code_cell_started", "runtime_cell_id"));
    let started = "compaction_request_started";
    assert_eq!(id(compaction.compaction.as_ref().map(AsRef::as_ref)), logged(started, "compaction_id"));
    assert_eq!(id(compaction.compaction_request.as_ref().map(AsRef::as_ref)), logged(started, "compaction_request_id"));
    assert_eq!(id(thread.thread.as_ref().map(AsRef::as_ref)), logged("thread_started", "thread_id"));
    assert_eq!(id(turn.turn.as_ref().map(AsRef::as_ref)), logged("codex_turn_started", "codex_turn_id"));
}
