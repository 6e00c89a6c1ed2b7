//! Tests with the spans of agent frameworks that are not aware of this crate.

use std::path::Path;

use otel_trace::bundle::Reader;
use otel_trace::event::{ExecutionStatus, ThreadId, Timestamp, UnixMillis};
use otel_trace::graph::{Anchor, Execution, Graph, Origin};
use otel_trace::reduce::{Options, reduce};
use serde_json::json;
use tracing::field::Empty;
use tracing::{Span, info_span};

use crate::common::{bundles, record_one, recorder, run_recorded};

/// Reduces the only bundle in a root directory.
fn graph_in(root: &Path) -> Graph {
    let bundles = bundles(root);
    assert_eq!(bundles.len(), 1);
    reduce(&Reader::open(&bundles[0].path).unwrap(), &Options::default()).unwrap().graph
}

/// Records `program` and reduces its only bundle.
fn graph(program: impl FnOnce()) -> Graph {
    let (root, recorder, guard) = recorder();
    run_recorded(&recorder, program);
    drop(guard);
    assert_eq!(recorder.stats().lost(), 0);
    graph_in(root.path())
}

/// Opens the span of an inference call as rig does: with its operation name, and with empty fields that are recorded
/// later.
fn chat(agent: Option<&str>) -> Span {
    info_span!(
        target: "rig::agent_chat",
        "chat",
        gen_ai.operation.name = "chat",
        gen_ai.agent.name = agent,
        gen_ai.provider.name = Empty,
        gen_ai.request.model = Empty,
        gen_ai.response.id = Empty,
        rig.provider_request_id = Empty,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
        gen_ai.usage.reasoning_tokens = Empty,
        gen_ai.response.time_to_first_chunk = Empty,
        gen_ai.input.messages = Empty,
        gen_ai.output.messages = Empty,
    )
}

/// Opens the span of a tool call with empty fields.
fn tool() -> Span {
    info_span!(
        "execute_tool",
        gen_ai.operation.name = "execute_tool",
        gen_ai.tool.name = Empty,
        gen_ai.tool.call.id = Empty,
        gen_ai.tool.call.result = Empty,
        gen_ai.tool.call.outcome = Empty,
        gen_ai.tool.error.type = Empty,
    )
}

/// Opens the span of an agent.
fn agent() -> Span {
    info_span!("invoke_agent", gen_ai.operation.name = "invoke_agent", gen_ai.agent.name = "desk")
}

/// Records an inference call with a response.
fn answered_call(agent: Option<&str>) {
    let span = chat(agent);
    let _entered = span.enter();
    span.record("gen_ai.provider.name", "openai").record("gen_ai.request.model", "m");
    span.record("gen_ai.response.id", "r").record("gen_ai.usage.input_tokens", 7_u64);
}

#[test]
fn late_fields_of_a_call_are_in_its_start_and_end_events() {
    let graph = graph(|| {
        let _agent = agent().entered();
        let span = chat(Some("desk"));
        span.record("gen_ai.input.messages", r#"[{"role":"user","parts":[{"type":"text","content":"hi"}]}]"#);
        let _entered = span.enter();
        span.record("gen_ai.provider.name", "openai").record("gen_ai.request.model", "m");
        span.record("rig.provider_request_id", "req-1").record("gen_ai.response.id", "resp-1");
        for _ in 0..2 {
            // The span of a streamed response records its usage twice.
            span.record("gen_ai.usage.input_tokens", 7_u64).record("gen_ai.usage.output_tokens", 5_u64);
            span.record("gen_ai.usage.reasoning_tokens", 3_u64);
        }
        span.record("gen_ai.response.time_to_first_chunk", 0.25);
        span.record("gen_ai.output.messages", r#"[{"role":"assistant","parts":[{"type":"text","content":"ho"}]}]"#);
    });
    assert!(graph.diagnostics.is_empty(), "{:?}", graph.diagnostics);
    let call = graph.inference_calls.iter().next().unwrap();
    assert_eq!((call.model.as_str(), call.provider_name.as_str()), ("m", "openai"));
    assert_eq!(call.upstream_request_id.as_ref().map(|id| id.as_str()), Some("req-1"));
    assert_eq!(call.response_id.as_ref().map(|id| id.as_str()), Some("resp-1"));
    let usage = call.usage.unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens, usage.reasoning_output_tokens), (7, 5, 3));
    let delay = call.first_token_at.unwrap().millis_since(call.execution.started.at.unix_ms());
    assert!((200..=250).contains(&delay), "{delay}");
    assert_eq!((call.request_len(), call.response_item_ids.len()), (1, 1));
}

#[test]
fn answered_call_without_a_response_fails() {
    let bundle = record_one(|| {
        let _agent = agent().entered();
        chat(None).in_scope(|| {
            Span::current().record("rig.provider_request_id", "req-1");
        });
        chat(None).in_scope(|| {});
    });
    let failed = bundle.event("inference_failed");
    assert_eq!(failed["upstream_request_id"], "req-1");
    assert!(failed["error"].as_str().unwrap().contains("answered request req-1 with no response"), "{failed}");
    bundle.event("inference_cancelled");
}

#[test]
fn tool_status_follows_its_outcome_field() {
    let graph = graph(|| {
        let _agent = agent().entered();
        for (id, outcome, error) in [
            ("a", "success", None),
            ("b", "error", Some("other")),
            ("c", "denied", None),
            ("d", "error", None),
            ("e", "", None),
        ] {
            let span = tool();
            let _entered = span.enter();
            span.record("gen_ai.tool.name", "add").record("gen_ai.tool.call.id", tracing::field::display(id));
            span.record("gen_ai.tool.call.outcome", outcome);
            if let Some(error) = error {
                span.record("gen_ai.tool.error.type", error);
            }
        }
    });
    let ends: Vec<_> = graph.tool_calls.iter().map(|tool| (tool.execution.status, tool.error.as_deref())).collect();
    assert_eq!(
        ends,
        [
            (ExecutionStatus::Completed, None),
            (ExecutionStatus::Failed, Some("other")),
            (ExecutionStatus::Failed, Some("denied by a hook")),
            (ExecutionStatus::Failed, Some("error")),
            (ExecutionStatus::Cancelled, Some("closed without a result or an error")),
        ]
    );
}

#[test]
fn agent_run_as_a_tool_gets_an_implicit_thread() {
    let graph = graph(|| {
        let _agent = agent().entered();
        answered_call(Some("desk"));
        let auditor = tool();
        let _entered = auditor.enter();
        auditor.record("gen_ai.tool.name", "auditor").record("gen_ai.tool.call.id", "call-1");
        answered_call(Some("auditor"));
        let add = tool();
        add.in_scope(|| {
            Span::current().record("gen_ai.tool.name", "add").record("gen_ai.tool.call.id", "call-2");
            Span::current().record("gen_ai.tool.call.outcome", "success");
        });
        drop(add);
        answered_call(Some("auditor"));
        auditor.record("gen_ai.tool.call.outcome", "success");
    });
    let names: Vec<_> = graph.threads.iter().map(|thread| thread.nickname.as_deref()).collect();
    assert_eq!(names, [Some("desk"), Some("auditor")]);
    let [desk, auditor] = [0, 1].map(|index| graph.threads.iter().nth(index).unwrap());
    assert_eq!(auditor.agent_path.as_str(), "/root/auditor");
    let Origin::Spawned { parent_thread_id, spawn_edge_id, .. } = &auditor.origin else { panic!("{auditor:?}") };
    assert_eq!(parent_thread_id, &desk.thread_id);
    let edge = graph.edges.get(spawn_edge_id).unwrap();
    assert_eq!(edge.source, Anchor::ToolCall { tool_call_id: "call-1".into() });
    assert_eq!(edge.target, Anchor::Thread { thread_id: auditor.thread_id.clone() });

    let threads: Vec<_> = graph.inference_calls.iter().map(|call| &call.thread_id).collect();
    assert_eq!(threads, [&desk.thread_id, &auditor.thread_id, &auditor.thread_id]);
    let threads: Vec<_> = graph.tool_calls.iter().map(|tool| &tool.thread_id).collect();
    assert_eq!(threads, [&desk.thread_id, &auditor.thread_id]);
    assert_eq!(graph.turns.iter().count(), 2);
    assert!(graph.threads.iter().all(|thread| thread.execution.status == ExecutionStatus::Completed));
    // Without content, the last response of the turn counts as the requester of a tool call.
    let requested: Vec<_> = graph.inference_calls.iter().map(|call| call.tool_call_ids.len()).collect();
    assert_eq!(requested, [1, 1, 0]);
}

#[test]
fn each_agent_inside_a_tool_call_gets_its_own_thread() {
    let graph = graph(|| {
        let _agent = agent().entered();
        let both = tool();
        let _entered = both.enter();
        both.record("gen_ai.tool.name", "both").record("gen_ai.tool.call.id", "call-1");
        for name in ["alice", "bob", "alice"] {
            answered_call(Some(name));
            tool().in_scope(|| {
                Span::current().record("gen_ai.tool.name", name).record("gen_ai.tool.call.outcome", "success");
            });
        }
        // An agent with its own span.
        agent().in_scope(|| answered_call(Some("desk")));
        both.record("gen_ai.tool.call.outcome", "success");
    });
    let name_of = |thread: &ThreadId| graph.threads.get(thread).unwrap().nickname.clone().unwrap();
    let callers: Vec<_> = graph.inference_calls.iter().map(|call| name_of(&call.thread_id)).collect();
    assert_eq!(callers, ["alice", "bob", "alice", "desk"]);
    let used: Vec<_> = graph.tool_calls.iter().skip(1).map(|tool| name_of(&tool.thread_id)).collect();
    assert_eq!(used, ["alice", "bob", "alice"]);
    let spawned: Vec<_> = graph.edges.iter().map(|edge| edge.source.clone()).collect();
    assert_eq!(spawned, vec![Anchor::ToolCall { tool_call_id: "call-1".into() }; 3]);
    assert_eq!((graph.threads.len(), graph.turns.len()), (4, 4));
}

#[test]
fn result_and_count_fields_may_have_any_type() {
    let bundle = record_one(|| {
        let _agent = agent().entered();
        for call in 0..3 {
            let span = tool();
            span.in_scope(|| {
                span.record("gen_ai.tool.name", "t").record("gen_ai.tool.call.id", call);
                match call {
                    0 => span.record("gen_ai.tool.call.result", true),
                    1 => span.record("gen_ai.tool.call.result", 1.5),
                    _ => span.record("gen_ai.tool.call.result", -7_i128),
                };
            });
        }
        chat(None).in_scope(|| {
            Span::current().record("gen_ai.usage.input_tokens", tracing::field::display(7));
            Span::current().record("gen_ai.usage.output_tokens", tracing::field::debug(5));
            Span::current().record("gen_ai.response.time_to_first_chunk", 1);
        });
    });
    let results = bundle.events("tool_call_ended");
    let results: Vec<_> = results
        .iter()
        .map(|end| bundle.payload_json(&end["result_payload"])["response_item"]["output"].clone())
        .collect();
    assert_eq!(results, ["true", "1.5", "-7"]);
    let completed = bundle.event("inference_completed");
    assert_eq!((&completed["usage"]["input_tokens"], &completed["usage"]["output_tokens"]), (&json!(7), &json!(5)));
    assert!(completed["first_token_at_unix_ms"].is_i64(), "{completed}");
}

#[test]
fn enclosing_program_span_gets_one_thread_and_one_turn() {
    let graph = graph(|| {
        let _request = info_span!("request").entered();
        answered_call(Some("desk"));
        tool().in_scope(|| {
            Span::current().record("gen_ai.tool.name", "price").record("gen_ai.tool.call.outcome", "success");
        });
        answered_call(Some("desk"));
    });
    assert_eq!((graph.threads.len(), graph.turns.len(), graph.inference_calls.len()), (1, 1, 2));
    assert_eq!(graph.threads.iter().next().unwrap().nickname.as_deref(), Some("desk"));
    let [first, second] = [0, 1].map(|index| graph.inference_calls.iter().nth(index).unwrap().tool_call_ids.len());
    assert_eq!((first, second), (1, 0));
}

#[test]
fn chained_tools_wait_for_their_names() {
    let bundle = record_one(|| {
        let _request = info_span!("request").entered();
        answered_call(Some("desk"));
        // All tool spans are opened first, each following from the previous one.
        let tools = [tool(), tool(), tool()];
        tools.windows(2).for_each(|pair| {
            pair[1].follows_from(&pair[0]);
        });
        for (name, span) in ["a", "b", "c"].iter().zip(&tools) {
            span.in_scope(|| {
                span.record("gen_ai.tool.name", *name).record("gen_ai.tool.call.id", *name);
                span.record("gen_ai.tool.call.outcome", "success");
            });
        }
        let next = chat(Some("desk"));
        next.follows_from(&tools[2]);
        next.in_scope(|| {});
    });
    let started = bundle.events("tool_call_started");
    let ids: Vec<_> = started.iter().map(|event| event["model_visible_call_id"].clone()).collect();
    assert_eq!(ids, ["a", "b", "c"]);
    assert_eq!(bundle.events("thread_started").len(), 1);
}

#[test]
fn agent_run_as_a_tool_fails_with_that_tool() {
    let bundle = record_one(|| {
        let _agent = agent().entered();
        let auditor = tool();
        let _entered = auditor.enter();
        answered_call(Some("auditor"));
        auditor.record("gen_ai.tool.call.outcome", "error").record("gen_ai.tool.error.type", "max_turns");
    });
    let ended = bundle.events("thread_ended");
    assert_eq!((&ended[0]["status"], &ended[0]["error"]), (&json!("failed"), &json!("max_turns")));
    assert_eq!(ended[1]["status"], "completed");
}

#[test]
fn tool_calling_a_model_without_an_agent_stays_in_its_turn() {
    let bundle = record_one(|| {
        let _agent = agent().entered();
        tool().in_scope(|| answered_call(None));
    });
    assert_eq!(bundle.events("thread_started").len(), 1);
}

#[test]
fn call_started_retroactively_has_a_duration() {
    let graph = graph(|| {
        let _agent = agent().entered();
        let call = chat(None);
        let opened = UnixMillis::now();
        while UnixMillis::now().millis_since(opened) < 2 {
            std::thread::yield_now();
        }
        call.in_scope(|| {
            Span::current().record("gen_ai.response.id", "r");
        });
    });
    let execution = graph.inference_calls.iter().next().unwrap().execution;
    assert!(execution.ended.unwrap().at > execution.started.at, "{execution:?}");
}

#[test]
fn implicit_turn_starts_no_later_than_its_first_call() {
    let graph = graph(|| {
        let call = chat(None);
        let opened = Timestamp::now();
        while Timestamp::now() == opened {
            std::thread::yield_now();
        }
        call.in_scope(|| {
            Span::current().record("gen_ai.response.id", "r");
        });
    });
    let started = |execution: &Execution| execution.started.at;
    let call = started(&graph.inference_calls.iter().next().unwrap().execution);
    let turn = started(&graph.turns.iter().next().unwrap().execution);
    let thread = started(&graph.threads.iter().next().unwrap().execution);
    assert!(thread <= turn && turn <= call, "{thread:?}, {turn:?}, {call:?}");
}
