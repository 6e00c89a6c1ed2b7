//! Tests of plain spans with the fields of the GenAI semantic conventions, as frameworks open them.

use otel_trace::{AgentThread, Exact, Json, Operation, PayloadKind, SpanExt, ThreadMeta};
use serde_json::{Value, json};
use tracing::field::Empty;
use tracing::{Level, Span, event, info_span, instrument};

use crate::common::{Bundle, record, record_one};

/// Opens the span of an agent, optionally with the id of its conversation.
fn agent(conversation: Option<&str>) -> Span {
    info_span!("agent", gen_ai.operation.name = "invoke_agent", gen_ai.conversation.id = conversation)
}

/// Opens the span of an inference call.
fn chat() -> Span {
    info_span!("chat", gen_ai.operation.name = "chat", gen_ai.request.model = "m", gen_ai.provider.name = "p")
}

/// Opens the span of a tool call.
fn tool(name: &str) -> Span {
    info_span!("tool", gen_ai.operation.name = "execute_tool", gen_ai.tool.name = name)
}

/// Returns the ids in a field of all events with this name.
fn ids<'a>(bundle: &'a Bundle, name: &str, id: &str) -> Vec<&'a str> {
    bundle.events(name).iter().map(|event| event[id].as_str().unwrap()).collect()
}

#[test]
fn framework_without_threads_and_turns_gets_implicit_ones() {
    let bundle = record_one(|| chat().in_scope(|| {}));
    let names = ["rollout_started", "thread_started", "codex_turn_started", "inference_started", "inference_cancelled"];
    assert_eq!(bundle.event_names()[..5], names);
    assert_eq!(bundle.event_names()[5..], ["codex_turn_ended", "thread_ended", "rollout_ended"]);
    assert_eq!(bundle.event("thread_ended")["status"], "aborted");
    assert_eq!(bundle.payload_json(&bundle.event("inference_started")["request_payload"]), json!({}));
    assert_eq!(bundle.events("other").len(), 0, "a notice for a framework that cannot describe threads");
}

#[test]
fn content_fields_of_a_call_become_its_payloads() {
    let bundle = record_one(|| {
        let span = info_span!(
            "chat",
            gen_ai.operation.name = "chat",
            gen_ai.request.model = "m",
            gen_ai.system = "p",
            gen_ai.input.messages = Empty,
            gen_ai.system_instructions = "not JSON",
            gen_ai.output.messages = Empty,
            gen_ai.response.id = Empty,
            gen_ai.usage.input_tokens = Empty,
            gen_ai.usage.output_tokens = Empty,
        );
        span.record("gen_ai.input.messages", r#"[{"role":"user"}]"#);
        let _entered = span.enter();
        span.record("gen_ai.output.messages", "[1]").record("gen_ai.response.id", tracing::field::display("r-1"));
        span.record("gen_ai.usage.input_tokens", 7_u32).record("gen_ai.usage.output_tokens", 2_i64);
    });
    let started = bundle.event("inference_started");
    assert_eq!([&started["model"], &started["provider_name"]], ["m", "p"]);
    assert_eq!(
        bundle.payload_json(&started["request_payload"]),
        json!({ "gen_ai.input.messages": [{ "role": "user" }], "gen_ai.system_instructions": "not JSON" })
    );
    let completed = bundle.event("inference_completed");
    assert_eq!(completed["response_id"], "r-1");
    assert_eq!([&completed["usage"]["input_tokens"], &completed["usage"]["output_tokens"]], [7, 2]);
    assert_eq!(
        bundle.payload_json(&completed["response_payload"]),
        json!({
            "gen_ai.output.messages": [1],
            "gen_ai.response.id": "r-1",
            "gen_ai.usage.input_tokens": 7,
            "gen_ai.usage.output_tokens": 2,
        })
    );
}

#[test]
fn fields_of_a_tool_become_its_invocation_and_result() {
    let bundle = record_one(|| {
        let span = info_span!(
            "tool",
            gen_ai.operation.name = "execute_tool",
            gen_ai.tool.name = %"web_search",
            gen_ai.tool.call.id = ?"c \"1\"\n",
            gen_ai.tool.call.arguments = "{}",
            gen_ai.tool.call.result = Empty,
        );
        span.record("gen_ai.tool.call.result", "found");
    });
    let started = bundle.event("tool_call_started");
    assert_eq!([&started["kind"]["type"], &started["tool_call_id"]], ["web", "c \"1\"\n"]);
    assert_eq!(bundle.payload_json(&started["invocation_payload"])["payload"]["arguments"], "{}");
    let ended = bundle.event("tool_call_ended");
    assert_eq!(ended["status"], "completed");
    assert_eq!(bundle.payload_json(&ended["result_payload"])["response_item"]["output"], "found");
}

#[test]
fn tool_kind_follows_from_its_name() {
    let kinds = [
        ("exec_command", "exec_command"),
        ("local_shell", "exec_command"),
        ("shell", "exec_command"),
        ("shell_command", "exec_command"),
        ("bash", "exec_command"),
        ("write_stdin", "write_stdin"),
        ("apply_patch", "apply_patch"),
        ("web_search", "web"),
        ("web_search_preview", "web"),
        ("image_generation", "image_generation"),
        ("image_query", "image_generation"),
        ("imagegen", "image_generation"),
        ("spawn_agent", "spawn_agent"),
        ("send_message", "send_message"),
        ("followup_task", "assign_agent_task"),
        ("assign_task", "assign_agent_task"),
        ("wait_agent", "wait_agent"),
        ("close_agent", "close_agent"),
        ("interrupt_agent", "close_agent"),
        ("anything", "other"),
    ];
    let bundle = record_one(|| {
        agent(None).in_scope(|| kinds.map(|(name, _)| tool(name).in_scope(|| {}))).map(drop).into_iter().collect()
    });
    let recorded: Vec<_> =
        bundle.events("tool_call_started").iter().map(|event| event["kind"]["type"].clone()).collect();
    assert_eq!(recorded, kinds.map(|(_, kind)| kind));
}

#[test]
fn conversation_is_one_thread_until_shutdown() {
    let bundles = record(|| {
        for conversation in ["a", "b", "a"] {
            agent(Some(conversation)).in_scope(|| chat().in_scope(|| {}));
        }
    });
    assert_eq!(bundles.len(), 2);
    for (bundle, id, turns) in [(&bundles[0], "a", 2), (&bundles[1], "b", 1)] {
        assert_eq!(bundle.event("thread_started")["thread_id"], id);
        assert_eq!(bundle.events("codex_turn_ended").len(), turns);
        assert!(bundle.events("codex_turn_ended").iter().all(|ended| ended["status"] == "cancelled"));
        // No operation of the thread was open at the shutdown.
        assert_eq!(
            [bundle.event("thread_ended"), bundle.event("rollout_ended")].map(|end| &end["status"]),
            ["completed"; 2]
        );
    }
}

#[test]
fn conversation_active_at_shutdown_is_aborted() {
    let (root, recorder, guard) = crate::common::recorder();
    crate::common::run_recorded(&recorder, || {
        let _agent = agent(Some("a")).entered();
        chat().in_scope(|| drop(guard));
    });
    let bundle = &crate::common::bundles(root.path())[0];
    assert_eq!(
        [bundle.event("thread_ended"), bundle.event("codex_turn_ended")].map(|end| &end["status"]),
        ["aborted"; 2]
    );
    // The request was not recorded before the shutdown.
    assert_eq!(bundle.payload_json(&bundle.event("inference_started")["request_payload"]), json!({}));
    assert_eq!(bundle.event("inference_cancelled")["reason"], "recording was shut down before it ended");
}

#[test]
#[cfg(target_os = "linux")]
fn many_conversations_keep_few_files_open() {
    let (root, recorder, guard) = crate::common::recorder();
    let open = || {
        std::fs::read_dir("/proc/self/fd")
            .unwrap()
            .filter(|entry| {
                let target = std::fs::read_link(entry.as_ref().unwrap().path());
                target.is_ok_and(|target| target.starts_with(root.path()))
            })
            .count()
    };
    crate::common::run_recorded(&recorder, || {
        let converse = |n: usize| {
            agent(Some(&n.to_string())).in_scope(|| {
                chat().in_scope(|| {});
                open()
            })
        };
        for n in (0..150).chain(0..150) {
            let open = converse(n);
            // One more for the file that marks the bundles in use.
            assert!(open <= 64 + 1, "{open} files are open");
        }
        // Ended threads hold no file open.
        let before = open();
        let ended: Vec<_> =
            (0..20).map(|_| AgentThread::start(ThreadMeta::new())).inspect(|thread| thread.complete()).collect();
        assert!(open() <= before && ended.len() == 20);
    });
    // The shutdown reopens each log, one after the other.
    drop(guard);
    assert_eq!(recorder.stats().lost(), 0);
    let bundles = crate::common::bundles(root.path());
    assert_eq!(bundles.len(), 170);
    for bundle in bundles {
        assert!([0, 2].contains(&bundle.events("inference_started").len()));
        assert_eq!(*bundle.event_names().last().unwrap(), "rollout_ended");
    }
}

#[test]
fn root_span_is_a_thread_and_outermost_agent_a_turn() {
    let bundles = record(|| {
        for _ in 0..2 {
            info_span!("http request").in_scope(|| {
                agent(None).in_scope(|| agent(None).in_scope(|| chat().in_scope(|| {})));
                agent(None).in_scope(|| chat().in_scope(|| {}));
                chat().in_scope(|| {});
            });
        }
    });
    assert_eq!(bundles.len(), 2);
    for bundle in bundles {
        let turns = ids(&bundle, "codex_turn_started", "codex_turn_id");
        assert_eq!(turns.len(), 3);
        assert_eq!(ids(&bundle, "inference_started", "codex_turn_id"), turns);
    }
}

#[test]
fn agent_below_a_tool_is_a_child_thread_with_one_turn() {
    for (given, id) in [(Some("child"), Some("child")), (Some("root"), None), (None, None)] {
        let bundle = record_one(|| {
            agent(Some("root")).in_scope(|| {
                tool("ask_expert").in_scope(|| agent(given).in_scope(|| chat().in_scope(|| {})));
            });
        });
        let threads = ids(&bundle, "thread_started", "thread_id");
        assert_eq!((threads.len(), threads[0]), (2, "root"));
        assert!(id.is_none_or(|id| threads[1] == id) && threads[1] != "root", "{given:?}: {threads:?}");
        assert_eq!(ids(&bundle, "codex_turn_started", "thread_id"), threads);
        assert_eq!(ids(&bundle, "inference_started", "thread_id"), threads[1..]);
        let metadata = bundle.payload_json(&bundle.events("thread_started")[1]["metadata_payload"]);
        assert_eq!(metadata["session_source"]["subagent"]["thread_spawn"]["parent_thread_id"], "root");
        let statuses = bundle.events("thread_ended").iter().map(|ended| ended["status"].clone()).collect::<Vec<_>>();
        // The model did not answer the child. The parent called no model.
        assert_eq!(statuses, ["aborted", "completed"]);
    }
}

#[test]
fn ids_on_a_span_select_its_open_thread_and_turn() {
    let bundles = record(|| {
        let [a, b] = ["a", "b"].map(|id| AgentThread::start(ThreadMeta::new().id(id)));
        let (in_a, in_b) = (a.turn(Some("1".into())), b.turn(Some("2".into())));
        in_a.span().in_scope(|| {
            info_span!("chat", otel_trace.kind = "inference", gen_ai.conversation.id = "b", otel_trace.turn.id = "2")
                .in_scope(|| {});
            info_span!("chat", otel_trace.kind = "inference", gen_ai.conversation.id = "a").in_scope(|| {});
            info_span!("chat", otel_trace.kind = "inference", gen_ai.conversation.id = "unknown").in_scope(|| {});
        });
        drop((in_a, in_b));
    });
    let turns = |bundle| ids(bundle, "inference_started", "codex_turn_id");
    assert_eq!([turns(&bundles[0]), turns(&bundles[1])], [vec!["1", "1"], vec!["2"]]);
}

#[test]
fn numeric_id_is_recorded_as_its_digits() {
    let bundle = record_one(|| {
        info_span!("tool", otel_trace.kind = "tool", gen_ai.tool.call.id = 17, error.type = 404_u16).in_scope(|| {});
    });
    assert_eq!(bundle.event("tool_call_started")["tool_call_id"], "17");
    assert_eq!(bundle.event("tool_call_ended")["error"], "404");
}

#[test]
fn operation_without_a_thread_is_reported_as_an_orphan_span() {
    let bundle = record_one(|| info_span!("orphan", otel_trace.kind = "tool").in_scope(|| {}));
    let notice = bundle.event("other");
    assert_eq!([&notice["kind"], &notice["metadata"]["span"]], ["orphan_span", "orphan"]);
    assert_eq!(bundle.event_names()[..4], ["rollout_started", "thread_started", "other", "codex_turn_started"]);
}

#[instrument(fields(gen_ai.operation.name = "execute_tool", gen_ai.tool.name = "add", gen_ai.tool.call.result = Empty))]
fn add(a: i32, b: i32) -> i32 {
    let sum = a + b;
    Span::current().record("gen_ai.tool.call.result", sum);
    sum
}

#[test]
fn instrumented_function_is_a_tool_call() {
    let bundle = record_one(|| assert_eq!(add(1, 2), 3));
    assert_eq!(bundle.event("tool_call_started")["kind"], json!({ "type": "other", "name": "add" }));
    let ended = bundle.event("tool_call_ended");
    assert_eq!(bundle.payload_json(&ended["result_payload"])["response_item"]["output"], "3");
}

#[test]
fn span_extension_records_payloads_instants_and_the_end() {
    let bundle = record_one(|| {
        let _root = info_span!("root").entered();
        let span = chat();
        let operation = span.otel_trace();
        assert!(operation.is_recording() && !info_span!("unrelated").otel_trace().is_recording());
        operation.record_payload(PayloadKind::InferenceRequest, Json(&json!({ "input": [] })));
        operation.record_payload(PayloadKind::InferenceResponse, Exact(b"{}"));
        operation.fail("overloaded");
        operation.complete();
        let tool = tool("n");
        tool.in_scope(|| {
            let target = "otel_trace";
            event!(target: "otel_trace", Level::INFO, otel_trace.event = "tool_call_runtime_started", otel_trace.payload = r#"{"a":1}"#);
            event!(target: "otel_trace", Level::INFO, otel_trace.event = %"tool_call_runtime_ended", otel_trace.status = %"failed", otel_trace.payload = ?target);
            event!(target: "elsewhere", Level::INFO, otel_trace.event = "tool_call_runtime_started");
            event!(target: "otel_trace", Level::INFO, otel_trace.event = "unknown");
        });
    });
    assert_eq!(bundle.event("inference_failed")["error"], "overloaded");
    assert!(bundle.event("inference_failed")["partial_response_payload"].is_object());
    assert_eq!(bundle.payload_json(&bundle.event("tool_call_runtime_started")["runtime_payload"]), json!({ "a": 1 }));
    let ended = bundle.event("tool_call_runtime_ended");
    assert_eq!(
        (&ended["status"], bundle.payload_json(&ended["runtime_payload"])),
        (&json!("failed"), Value::from("otel_trace"))
    );
}

#[test]
fn explicit_end_includes_the_fields_recorded_so_far() {
    let bundle = record_one(|| {
        let _root = info_span!("root").entered();
        let span = info_span!(
            "chat",
            otel_trace.kind = "inference",
            gen_ai.output.messages = "[1]",
            gen_ai.usage.output_tokens = 5
        );
        span.otel_trace().complete();
        let tool = info_span!("tool", otel_trace.kind = "tool", gen_ai.tool.call.result = "r", error.type = "e");
        tool.otel_trace().cancel("by the user");
        tool.record("gen_ai.tool.call.result", "too late");
    });
    let completed = bundle.event("inference_completed");
    assert_eq!(completed["usage"]["output_tokens"], 5);
    assert_eq!(
        bundle.payload_json(&completed["response_payload"]),
        json!({ "gen_ai.output.messages": [1], "gen_ai.usage.output_tokens": 5 })
    );
    let ended = bundle.event("tool_call_ended");
    assert_eq!([&ended["status"], &ended["error"]], ["cancelled", "by the user"]);
    assert_eq!(bundle.payload_json(&ended["result_payload"])["response_item"]["output"], "r");
}
