//! Tests of facts that a program reports through fields and events of `tracing`, or after the end of an operation.

use otel_trace::graph::Code;
use otel_trace::{AgentThread, Exact, Inference, Json, Model, Operation, PayloadKind, ThreadMeta, Usage};
use serde_json::{Value, json};
use tracing::field::Empty;
use tracing::{Level, Span, event, info_span};

use crate::common::{bundles, graph, record_one, recorder, run_recorded};

const MODEL: Model<'_> = Model { name: "m", provider: "p" };

#[test]
fn plain_spans_can_report_everything_that_handles_can() {
    let bundle = record_one(|| {
        let _thread = info_span!(
            "t",
            otel_trace.kind = "thread",
            gen_ai.conversation.id = "t",
            otel_trace.agent.role = "explorer",
            otel_trace.task.name = "look",
        )
        .entered();
        event!(
            target: "otel_trace", Level::INFO, otel_trace.event = "other", otel_trace.other.kind = "weather",
            otel_trace.message = "it rains", otel_trace.payload = r#"{"mm": 3}"#,
        );
        let tool = info_span!(
            "tool",
            gen_ai.operation.name = "execute_tool",
            gen_ai.tool.name = "find",
            gen_ai.tool.call.id = "c",
            otel_trace.mcp.server = "docs",
        );
        tool.in_scope(|| {
            event!(
                target: "otel_trace", Level::INFO, otel_trace.event = "mcp_tool_call_correlation_assigned",
                otel_trace.mcp_call_id = "7",
            );
        });
        let chat = info_span!("chat", gen_ai.operation.name = "chat", otel_trace.upstream_request_id = "req-1");
        chat.in_scope(|| {});
    });
    let metadata = bundle.payload_json(&bundle.event("thread_started")["metadata_payload"]);
    assert_eq!((&metadata["agent_role"], &metadata["task_name"]), (&json!("explorer"), &json!("look")));
    let other = bundle.event("other");
    assert_eq!([&other["kind"], &other["summary"]], ["weather", "it rains"]);
    assert_eq!(other["metadata"], json!({ "mm": 3 }));
    let kind = &bundle.event("tool_call_started")["kind"];
    assert_eq!(kind, &json!({ "type": "mcp", "server": "docs", "tool": "find" }));
    assert_eq!(bundle.event("mcp_tool_call_correlation_assigned")["mcp_call_id"], "7");
    assert_eq!(bundle.event("inference_failed")["upstream_request_id"], "req-1");
}

#[test]
fn target_that_only_shares_a_prefix_is_ignored() {
    let bundle = record_one(|| {
        let _thread = info_span!("t", otel_trace.kind = "thread").entered();
        event!(target: "otel_trace_like", Level::INFO, otel_trace.event = "other", otel_trace.message = "no");
        event!(target: "otel_trace::mine", Level::INFO, otel_trace.event = "other", otel_trace.message = "yes");
    });
    assert_eq!(bundle.event("other")["summary"], "yes");
}

#[test]
fn facts_reported_after_the_end_of_a_call_are_kept() {
    let bundle = record_one(|| {
        let inference = AgentThread::start(ThreadMeta::new()).turn(None).inference(MODEL);
        inference.request(Json(&json!({ "input": [] })));
        inference.cancel("enough");
        inference.response_id("resp-1");
        inference.upstream_request_id("req-1");
        inference.usage(Usage { input_tokens: 7, ..Usage::default() });
        inference.first_token();
    });
    let call = &bundle.event("inference_started")["inference_call_id"];
    let facts = bundle.events("other");
    assert!(facts.iter().all(|other| &other["metadata"]["inference_call_id"] == call), "{facts:?}");
    let facts: Vec<_> = facts.iter().map(|other| other["metadata"]["said"].clone()).collect();
    assert_eq!(facts[..2], [json!({ "response_id": "resp-1" }), json!({ "upstream_request_id": "req-1" })]);
    assert_eq!((facts.len(), &facts[2]["usage"]["input_tokens"]), (3, &json!(7)));
}

#[test]
fn id_of_a_response_is_taken_from_its_body() {
    let check = |expected: Value, record: &dyn Fn(&Inference)| {
        let bundle = record_one(|| {
            let inference = AgentThread::start(ThreadMeta::new()).turn(None).inference(MODEL);
            inference.request(Json(&json!({ "input": [] })));
            record(&inference);
        });
        assert_eq!(bundle.event("inference_completed")["response_id"], expected);
    };
    let body = json!({ "output": [], "id": "from the body" });
    check(json!("from the body"), &|inference| inference.response(Json(&body)));
    check(json!("from the body"), &|inference| inference.record_payload(PayloadKind::InferenceResponse, Json(&body)));
    check(json!("from the body"), &|inference| inference.response(Exact(body.to_string().as_bytes())));
    check(json!("from the body"), &|inference| inference.response(Json(&json!({ "responseId": "from the body" }))));
    // The program knows better, whenever it says so.
    check(json!("given"), &|inference| {
        inference.response_id("given");
        inference.response(Json(&body));
    });
    check(json!("given"), &|inference| {
        inference.response(Json(&body));
        inference.response_id("given");
    });
    check(Value::Null, &|inference| inference.response(Json(&json!({ "output": [{ "id": "of an item" }] }))));
}

/// Opens the span of a call with every setting that the conventions define, in the types in which programs record them.
fn chat_with_settings(messages: Option<&str>) -> Span {
    let chat = info_span!(
        "chat",
        gen_ai.operation.name = "chat",
        gen_ai.input.messages = messages,
        gen_ai.request.temperature = 0.5,
        gen_ai.request.top_p = Some(0.9),
        gen_ai.request.top_k = 40,
        gen_ai.request.max_tokens = 64_u64,
        gen_ai.request.seed = -7,
        gen_ai.request.stop_sequences = r#"["END"]"#,
        gen_ai.request.frequency_penalty = Empty,
        gen_ai.request.presence_penalty = Empty,
        gen_ai.request.choice.count = %2,
        gen_ai.request.reasoning.level = "1",
        gen_ai.request.stream = true,
        gen_ai.output.type = "json",
    );
    chat.record("gen_ai.request.presence_penalty", "0.25");
    chat
}

#[test]
fn settings_in_span_fields_are_part_of_the_request() {
    let settings = json!({
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.top_p": 0.9,
        "gen_ai.request.top_k": 40,
        "gen_ai.request.max_tokens": 64,
        "gen_ai.request.seed": -7,
        "gen_ai.request.stop_sequences": ["END"],
        "gen_ai.request.presence_penalty": 0.25,
        "gen_ai.request.choice.count": 2,
        "gen_ai.request.reasoning.level": "1",
        "gen_ai.request.stream": true,
        "gen_ai.output.type": "json",
    });
    let bundle = record_one(|| chat_with_settings(Some("[]")).in_scope(|| {}));
    let mut with_messages = settings.clone();
    with_messages["gen_ai.input.messages"] = json!([]);
    assert_eq!(bundle.payload_json(&bundle.event("inference_started")["request_payload"]), with_messages);

    // Settings alone do not tell what the model saw.
    let (root, recorder, guard) = recorder();
    run_recorded(&recorder, || chat_with_settings(None).in_scope(|| {}));
    drop(guard);
    let bundle = &bundles(root.path())[0];
    assert_eq!(bundle.payload_json(&bundle.event("inference_started")["request_payload"]), settings);
    let diagnostics = graph(&bundle.path).diagnostics;
    assert_eq!(diagnostics.iter().map(|found| found.code).collect::<Vec<_>>(), [Code::RequestUnknown]);
}

#[test]
fn plain_call_with_a_sign_of_an_answer_is_completed() {
    let record = |field: &'static str, value: &dyn tracing::Value| {
        record_one(|| {
            let chat = info_span!(
                "chat",
                gen_ai.operation.name = "chat",
                gen_ai.input.messages = "[]",
                gen_ai.response.model = Empty,
                gen_ai.response.finish_reasons = Empty,
                gen_ai.response.time_to_first_chunk = Empty,
            );
            chat.in_scope(|| chat.record(field, value));
        })
    };
    let signs: [(&str, &dyn tracing::Value); 3] = [
        ("gen_ai.response.model", &"m"),
        ("gen_ai.response.finish_reasons", &r#"["stop"]"#),
        ("gen_ai.response.time_to_first_chunk", &0.5),
    ];
    for (field, value) in signs {
        assert_eq!(record(field, value).event("codex_turn_ended")["status"], "completed", "{field}");
    }
    assert_eq!(record("gen_ai.request.model", &"m").event("codex_turn_ended")["status"], "cancelled");
}

#[test]
fn completed_compaction_needs_no_response() {
    let bundle = record_one(|| {
        let compaction = AgentThread::start(ThreadMeta::new()).turn(None).compaction(MODEL);
        compaction.request(Json(&json!({ "input": [] })));
        compaction.complete();
    });
    let completed = bundle.event("compaction_request_completed");
    assert_eq!(bundle.payload_json(&completed["response_payload"]), json!({}));
    assert_eq!(bundle.events("compaction_request_failed"), Vec::<&Value>::new());
}

#[test]
fn absent_ids_and_names_tell_nothing() {
    let (root, recorder, guard) = recorder();
    run_recorded(&recorder, || {
        // Two requests of programs that do not know their conversation.
        for id in [Some(""), None] {
            let name: Option<&str> = None;
            let agent = info_span!("invoke_agent", gen_ai.operation.name = "invoke_agent", gen_ai.agent.name = ?name,
                gen_ai.conversation.id = Empty, otel_trace.turn.id = "");
            match id {
                Some(empty) => agent.record("gen_ai.conversation.id", empty),
                None => agent.record("gen_ai.conversation.id", tracing::field::debug(id)),
            };
            agent.in_scope(|| {
                let tool = info_span!("execute_tool", gen_ai.operation.name = "execute_tool",
                    gen_ai.tool.name = ?Some("look"), gen_ai.tool.call.id = "", error.type = "",
                    gen_ai.tool.call.result = %"None");
                tool.in_scope(|| {});
            });
        }
    });
    drop(guard);
    let bundles = bundles(root.path());
    assert_eq!(bundles.len(), 2);
    for bundle in &bundles {
        assert_ne!(bundle.manifest["root_thread_id"], "None");
        assert_eq!(bundle.event("thread_started")["conversation_id"], Value::Null);
        let started = bundle.event("tool_call_started");
        assert_eq!([&started["model_visible_call_id"], &started["summary"]["label"]], [&Value::Null, &json!("look")]);
        let ended = bundle.event("tool_call_ended");
        assert_eq!(ended["status"], "completed");
        let result = bundle.payload_json(&ended["result_payload"]);
        assert_eq!(result["response_item"]["output"], "None", "content stays as it is");
    }
}

#[test]
fn ids_in_options_are_those_in_them() {
    let bundle = record_one(|| {
        let agent = info_span!("invoke_agent", gen_ai.operation.name = "invoke_agent",
            gen_ai.agent.name = ?Some("coder"), gen_ai.conversation.id = ?Some("user \"7\""));
        agent.in_scope(|| {
            let chat = info_span!("chat", gen_ai.operation.name = "chat", gen_ai.request.model = ?Some("m"),
                gen_ai.provider.name = ?None::<&str>, gen_ai.request.max_tokens = ?Some(5),
                gen_ai.response.id = ?Some("r1"));
            chat.in_scope(|| {});
            info_span!("execute_tool", gen_ai.operation.name = "execute_tool", gen_ai.tool.call.id = ?Some("c1"))
                .in_scope(|| {});
        });
        event!(target: "otel_trace", Level::INFO, otel_trace.event = "mcp_tool_call_correlation_assigned",
            gen_ai.tool.call.id = ?Some("c1"), otel_trace.mcp_call_id = ?Some(8), otel_trace.turn.id = "");
    });
    assert_eq!(bundle.manifest["root_thread_id"], "user \"7\"");
    let request = bundle.event("inference_started");
    assert_eq!([&request["model"], &request["provider_name"]], ["m", ""]);
    assert_eq!(bundle.payload_json(&request["request_payload"])["gen_ai.request.max_tokens"], 5);
    assert_eq!(bundle.event("inference_completed")["response_id"], "r1");
    assert_eq!(bundle.event("mcp_tool_call_correlation_assigned")["mcp_call_id"], "8");
}
