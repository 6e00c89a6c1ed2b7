//! What a tool call is called with and what it returns: the forms of invocations and results, of handles and plain spans.

use otel_trace::event::RawJson;
use otel_trace::graph::Origin;
use otel_trace::{
    AgentThread, CodeCellMeta, Exact, Json, Operation, PayloadKind, SpanExt, ThreadMeta, ToolCallMeta, ToolInvocation,
};
use serde_json::{Value, json};
use tracing::info_span;

use crate::common::{Bundle, bundles, graph, record_one, recorder, run_recorded};

/// Returns the `tool_invocation` bodies of a bundle's tool calls.
fn invocations(bundle: &Bundle) -> Vec<Value> {
    let started = bundle.events("tool_call_started");
    started.iter().map(|started| bundle.payload_json(&started["invocation_payload"])).collect()
}

/// Returns the `tool_result` bodies of a bundle's tool calls.
fn results(bundle: &Bundle) -> Vec<Value> {
    let ended = bundle.events("tool_call_ended");
    ended.iter().map(|ended| bundle.payload_json(&ended["result_payload"])).collect()
}

#[test]
fn each_form_of_invocation_is_written_by_handles_and_by_spans() {
    let search = json!({ "query": "files", "limit": 3 });
    let shell = json!({ "command": ["ls", "-l"], "workdir": "/w", "timeout_ms": 9 });
    let forms = [
        ("function", "{}", ToolInvocation::Function { arguments: "{}".into() }),
        ("custom", "a patch", ToolInvocation::Custom { input: "a patch".into() }),
        (
            "tool_search",
            r#"{"limit":3,"query":"files"}"#,
            ToolInvocation::ToolSearch { arguments: RawJson::from_value(&search) },
        ),
        (
            "local_shell",
            r#"{"command":["ls","-l"],"workdir":"/w","timeout_ms":9}"#,
            ToolInvocation::LocalShell {
                command: vec!["ls".into(), "-l".into()],
                workdir: Some("/w".into()),
                timeout_ms: Some(9),
            },
        ),
        (
            "mcp",
            r#"{"q":1}"#,
            ToolInvocation::Mcp { server: "docs".into(), tool: "t".into(), raw_arguments: r#"{"q":1}"#.into() },
        ),
    ];
    let by_handles = record_one(|| {
        let turn = AgentThread::start(ThreadMeta::new()).turn(None);
        for (_, _, invocation) in &forms {
            drop(turn.tool_call(ToolCallMeta::new("t").namespace("n").invocation(invocation.clone())));
        }
    });
    let by_spans = record_one(|| {
        let _root = info_span!("root").entered();
        for (form, arguments, _) in &forms {
            let span = info_span!(
                "tool",
                gen_ai.operation.name = "execute_tool",
                gen_ai.tool.name = "t",
                gen_ai.tool.call.arguments = arguments,
                otel_trace.tool.namespace = "n",
                otel_trace.tool.invocation = form,
                otel_trace.mcp.server = "docs",
            );
            span.in_scope(|| {});
        }
    });
    let payloads = [
        json!({ "type": "function", "arguments": "{}" }),
        json!({ "type": "custom", "input": "a patch" }),
        json!({ "type": "tool_search", "arguments": search }),
        json!({ "type": "local_shell", "command": shell["command"], "workdir": "/w", "timeout_ms": 9 }),
        json!({ "type": "mcp", "server": "docs", "tool": "t", "raw_arguments": r#"{"q":1}"# }),
    ];
    let expected = payloads.map(|payload| json!({ "tool_name": "t", "tool_namespace": "n", "payload": payload }));
    assert_eq!(invocations(&by_handles), expected);
    assert_eq!(invocations(&by_spans), expected);
    let preview = &by_handles.events("tool_call_started")[3]["summary"]["input_preview"];
    assert_eq!(preview, "ls -l");
}

#[test]
fn arguments_of_no_known_shape_are_kept_as_text() {
    let bundle = record_one(|| {
        let _root = info_span!("root").entered();
        for form in ["tool_search", "local_shell", "unheard_of"] {
            let span = info_span!(
                "tool",
                gen_ai.operation.name = "execute_tool",
                gen_ai.tool.name = "t",
                gen_ai.tool.call.arguments = "{not json",
                otel_trace.tool.invocation = form,
            );
            span.in_scope(|| {});
        }
    });
    let payloads: Vec<_> = invocations(&bundle).iter().map(|body| body["payload"].clone()).collect();
    let expected = [
        json!({ "type": "tool_search", "arguments": "{not json" }),
        json!({ "type": "local_shell", "command": ["{not json"] }),
        json!({ "type": "function", "arguments": "{not json" }),
    ];
    assert_eq!(payloads, expected);
}

#[test]
fn an_invocation_body_of_the_program_is_that_of_the_start() {
    let own = json!({ "tool_name": "t", "payload": { "type": "computer", "action": "click" } });
    let bundle = record_one(|| {
        let turn = AgentThread::start(ThreadMeta::new()).turn(None);
        drop(turn.tool_call(ToolCallMeta::new("t").id("c").arguments("preview").invocation_body(&Json(&own))));
        let span = info_span!(
            parent: turn.span(),
            "tool",
            gen_ai.operation.name = "execute_tool",
            gen_ai.tool.name = "t",
            gen_ai.tool.call.arguments = "preview",
        );
        span.otel_trace().record_payload(PayloadKind::ToolInvocation, Json(&own));
    });
    assert_eq!(invocations(&bundle), [own.clone(), own]);
    assert_eq!(bundle.events("tool_call_started")[0]["summary"]["input_preview"], "preview");
    assert_eq!(bundle.events("other"), Vec::<&Value>::new());
}

#[test]
fn a_result_given_as_bytes_is_its_text() {
    let bundle = record_one(|| {
        let turn = AgentThread::start(ThreadMeta::new()).turn(None);
        let patch = ToolInvocation::Custom { input: "p".into() };
        turn.tool_call(ToolCallMeta::new("t").id("a")).result(Exact("é\n".as_bytes()));
        turn.tool_call(ToolCallMeta::new("t").id("b").invocation(patch)).result(Exact(b"done"));
        let cell = turn.code_cell(CodeCellMeta::new("run()").id("1").call_id("c"));
        cell.tool_call(ToolCallMeta::new("t").id("d")).result(Exact(b"nested"));
        turn.tool_call(ToolCallMeta::new("t").id("e")).result(Exact(br#"{"type":"error","error":"own"}"#));
        for bytes in [&b"field"[..], &[0xff, 0xfe][..]] {
            let span = info_span!(
                parent: turn.span(),
                "tool",
                gen_ai.operation.name = "execute_tool",
                gen_ai.tool.name = "t",
                gen_ai.tool.call.id = "f",
                gen_ai.tool.call.result = bytes,
            );
            span.in_scope(|| {});
        }
    });
    let output = |kind: &str, id: &str, text: &str| json!({ "type": "direct_response", "response_item": { "type": kind, "call_id": id, "output": text } });
    let expected = [
        output("function_call_output", "a", "é\n"),
        output("custom_tool_call_output", "b", "done"),
        json!({ "type": "code_mode_response", "value": "nested" }),
        json!({ "type": "error", "error": "own" }),
        output("function_call_output", "f", "field"),
        output("function_call_output", "f", "[255, 254]"),
    ];
    assert_eq!(results(&bundle), expected);
    assert_eq!(bundle.events("other"), Vec::<&Value>::new());
}

#[test]
fn a_result_that_is_no_text_is_kept_byte_for_byte() {
    let bundle = record_one(|| {
        let turn = AgentThread::start(ThreadMeta::new()).turn(None);
        turn.tool_call(ToolCallMeta::new("t").id("a")).result(Exact(&[0xff, 0xfe]));
    });
    let raw = &bundle.event("other")["payloads"][0];
    assert_eq!(bundle.payload_bytes(raw), [0xff, 0xfe]);
    assert_eq!(results(&bundle), [json!({ "otel_trace.bytes": raw["raw_payload_id"] })]);
}

#[test]
fn a_spawned_thread_with_a_source_of_its_own_keeps_its_parent() {
    let review = json!({ "subagent": "review" });
    let (root, recorder, guard) = recorder();
    run_recorded(&recorder, || {
        let root = AgentThread::start(ThreadMeta::new().id("root").session_source("cli"));
        let tool = root.turn(None).tool_call(ToolCallMeta::new("review").id("c"));
        drop(tool.spawn_thread(ThreadMeta::new().id("by-object").session_source(&review)));
        drop(tool.spawn_thread(ThreadMeta::new().id("by-word").session_source("cli")));
    });
    drop(guard);
    let bundle = bundles(root.path()).remove(0);
    let metadata: Vec<_> = bundle
        .events("thread_started")
        .iter()
        .map(|started| bundle.payload_json(&started["metadata_payload"]))
        .collect();
    assert_eq!(metadata[0]["session_source"], "cli");
    assert_eq!(metadata[1]["session_source"], review);
    assert_eq!(metadata[1]["thread_spawn"]["parent_thread_id"], "root");
    assert_eq!(metadata[2]["session_source"]["subagent"]["thread_spawn"]["parent_thread_id"], "root");
    assert_eq!(metadata[2]["thread_spawn"], Value::Null);
    let graph = graph(&bundle.path);
    let parents = graph.threads.iter().map(|thread| match &thread.origin {
        Origin::Root => None,
        Origin::Spawned { parent_thread_id, .. } => Some(parent_thread_id.as_str()),
    });
    assert_eq!(parents.collect::<Vec<_>>(), [None, Some("root"), Some("root")]);
}
