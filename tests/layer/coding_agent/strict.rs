//! What a strict reader of format 1 asks for, point by point, over the events and payloads of the program's bundle.

use std::collections::BTreeSet;

use serde_json::Value;

use super::play;
use super::program::Extent;
use crate::common::Bundle;

/// Checks a point for both extents of the program.
fn check(point: impl Fn(&Bundle)) {
    for extent in [Extent::FormatOne, Extent::Everything] {
        point(&play(extent).0);
    }
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_else(|| panic!("no text `{member}` in {value}"))
}

/// Returns the payloads of one kind, each once, in the order of the log.
fn payloads(bundle: &Bundle, kind: &str) -> Vec<Value> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for line in &bundle.lines {
        for reference in references(&line["payload"]) {
            if reference["kind"]["type"] == kind && seen.insert(text(reference, "raw_payload_id").to_owned()) {
                found.push(bundle.payload_json(reference));
            }
        }
    }
    found
}

/// Returns the references to payloads in an event.
fn references(event: &Value) -> Vec<&Value> {
    let inside = event.as_object().into_iter().flat_map(|members| members.values());
    let listed = event["payloads"].as_array().into_iter().flatten();
    inside.chain(listed).filter(|value| value["raw_payload_id"].is_string()).collect()
}

#[test]
fn variants_are_those_of_the_first_version() {
    let bundle = play(Extent::FormatOne).0;
    let first = [
        "rollout_started",
        "rollout_ended",
        "thread_started",
        "thread_ended",
        "codex_turn_started",
        "codex_turn_ended",
        "inference_started",
        "inference_completed",
        "inference_failed",
        "tool_call_started",
        "tool_call_runtime_started",
        "tool_call_runtime_ended",
        "tool_call_ended",
        "code_cell_started",
        "code_cell_initial_response",
        "code_cell_ended",
        "compaction_request_started",
        "compaction_request_completed",
        "compaction_request_failed",
        "compaction_installed",
        "agent_result_observed",
        "protocol_event_observed",
    ];
    let written: BTreeSet<_> = bundle.event_names().into_iter().collect();
    assert_eq!(written, BTreeSet::from(first));
}

#[test]
fn newer_variants_are_written_only_for_what_only_they_report() {
    let bundle = play(Extent::Everything).0;
    let kinds: Vec<_> = bundle.events("other").iter().map(|other| text(other, "kind")).collect();
    assert_eq!(kinds, ["process_spawned"]);
    assert_eq!(bundle.events("mcp_tool_call_correlation_assigned").len(), 2);
    assert_eq!(bundle.event("inference_cancelled")["reason"], "interrupted");
}

#[test]
fn everything_starts_before_its_use() {
    let starts = [
        ("thread_started", "thread_id"),
        ("codex_turn_started", "codex_turn_id"),
        ("inference_started", "inference_call_id"),
        ("tool_call_started", "tool_call_id"),
        ("code_cell_started", "runtime_cell_id"),
        ("compaction_request_started", "compaction_request_id"),
    ];
    check(|bundle| {
        let mut started = BTreeSet::new();
        for line in &bundle.lines {
            let event = &line["payload"];
            for (start, id) in starts {
                let names = [&event[id], &event["requester"][id]].into_iter().filter_map(Value::as_str);
                for name in names {
                    let is_start = event["type"] == start;
                    let is_new = started.insert((id, name));
                    assert_eq!(is_new, is_start, "{event}");
                }
            }
            for context in ["thread_id", "codex_turn_id"] {
                let name = line[context].as_str();
                assert!(name.is_none_or(|name| started.contains(&(context, name))), "{line}");
            }
        }
        assert!(started.len() > 30);
    });
}

#[test]
fn ids_of_tool_calls_and_scripts_are_unique() {
    check(|bundle| {
        let tools = bundle.events("tool_call_started");
        let ids: BTreeSet<_> = tools.iter().map(|tool| text(tool, "tool_call_id")).collect();
        assert_eq!(ids.len(), tools.len());
        let cells = bundle.events("code_cell_started");
        let of_model = tools.iter().chain(&cells).filter_map(|start| start["model_visible_call_id"].as_str());
        let of_model: Vec<_> = of_model.collect();
        assert_eq!(of_model.iter().collect::<BTreeSet<_>>().len(), of_model.len());
        assert!(of_model.len() > 10);
    });
}

#[test]
fn requests_have_input_and_responses_output_items() {
    check(|bundle| {
        let requests = payloads(bundle, "inference_request");
        assert!(requests.len() > 8 && requests.iter().all(|request| request["input"].is_array()));
        let responses = [payloads(bundle, "inference_response"), payloads(bundle, "compaction_response")].concat();
        assert!(responses.len() > 8 && responses.iter().all(|response| response["output_items"].is_array()));
        for checkpoint in payloads(bundle, "compaction_checkpoint") {
            assert!(checkpoint["input_history"].is_array() && checkpoint["replacement_history"].is_array());
        }
    });
}

/// Types of items that the first version of the format defines.
const ITEMS: [&str; 14] = [
    "message",
    "reasoning",
    "function_call",
    "custom_tool_call",
    "function_call_output",
    "custom_tool_call_output",
    "tool_search_call",
    "web_search_call",
    "image_generation_call",
    "local_shell_call",
    "tool_search_output",
    "mcp_tool_call_output",
    "compaction",
    "compaction_summary",
];

#[test]
fn items_have_known_types_and_roles_and_reasoning_is_not_empty() {
    check(|bundle| {
        let kinds = ["inference_request", "inference_response", "compaction_response", "compaction_checkpoint"];
        let bodies: Vec<_> = kinds.iter().flat_map(|kind| payloads(bundle, kind)).collect();
        let lists = ["input", "output_items", "input_history", "replacement_history"];
        let items = bodies.iter().flat_map(|body| lists.iter().filter_map(|list| body[*list].as_array()).flatten());
        let mut types = BTreeSet::new();
        for item in items {
            let kind = text(item, "type");
            types.insert(kind);
            assert!(ITEMS.contains(&kind), "{item}");
            if kind == "message" {
                assert!(["user", "assistant", "system", "developer"].contains(&text(item, "role")), "{item}");
            }
            if kind == "reasoning" {
                let has_text = |list: &Value| list.as_array().is_some_and(|parts| !parts.is_empty());
                assert!(has_text(&item["summary"]) || has_text(&item["content"]), "{item}");
            }
        }
        assert!(types.len() > 8, "{types:?}");
    });
}

/// The required members of a runtime body, and the optional ones, for the begin or the end of a kind of tool. Returns
/// `None` for kinds whose bodies no reader examines.
fn runtime_members(kind: &str, is_end: bool) -> Option<(&'static [&'static str], &'static [&'static str])> {
    Some(match (kind, is_end) {
        ("exec_command" | "write_stdin", false) => {
            (&["call_id", "turn_id", "command", "cwd"], &["process_id", "interaction_input"])
        }
        ("exec_command" | "write_stdin", true) => (
            &["call_id", "turn_id", "command", "cwd", "stdout", "stderr", "exit_code", "formatted_output", "status"],
            &["process_id", "interaction_input"],
        ),
        ("spawn_agent", false) => (&["call_id", "sender_thread_id", "prompt"], &[]),
        ("spawn_agent", true) => (
            &["call_id", "sender_thread_id", "prompt", "model", "reasoning_effort", "status"],
            &["new_thread_id", "new_agent_nickname", "new_agent_role"],
        ),
        ("send_message" | "assign_agent_task", false) => {
            (&["call_id", "sender_thread_id", "receiver_thread_id", "prompt"], &[])
        }
        ("send_message" | "assign_agent_task", true) => (
            &["call_id", "sender_thread_id", "receiver_thread_id", "prompt", "status"],
            &["receiver_agent_nickname", "receiver_agent_role"],
        ),
        ("close_agent", false) => (&["call_id", "sender_thread_id", "receiver_thread_id"], &[]),
        ("close_agent", true) => (
            &["call_id", "sender_thread_id", "receiver_thread_id", "status"],
            &["receiver_agent_nickname", "receiver_agent_role"],
        ),
        _ => return None,
    })
}

/// Returns the runtime bodies of a bundle, each with the kind of its tool and whether it reports an end.
fn runtime_bodies(bundle: &Bundle) -> Vec<(String, bool, Value)> {
    let starts = bundle.events("tool_call_started");
    let kind = |event: &Value| {
        let start = starts.iter().find(|start| start["tool_call_id"] == event["tool_call_id"]).unwrap();
        text(&start["kind"], "type").to_owned()
    };
    let of = |name: &str, is_end: bool| {
        let events = bundle.events(name);
        let bodies = events.iter().map(|event| (kind(event), is_end, bundle.payload_json(&event["runtime_payload"])));
        bodies.collect::<Vec<_>>()
    };
    [of("tool_call_runtime_started", false), of("tool_call_runtime_ended", true)].concat()
}

#[test]
fn runtime_bodies_have_their_members() {
    check(|bundle| {
        let mut examined = BTreeSet::new();
        for (kind, is_end, body) in runtime_bodies(bundle) {
            let Some((required, optional)) = runtime_members(&kind, is_end) else { continue };
            examined.insert((kind, is_end));
            assert!(required.iter().all(|member| !body[*member].is_null()), "{body}");
            let is_known = |name: &&String| required.contains(&name.as_str()) || optional.contains(&name.as_str());
            assert_eq!(body.as_object().unwrap().keys().find(|name| !is_known(name)), None, "{body}");
        }
        assert_eq!(examined.len(), 10, "{examined:?}");
    });
}

#[test]
fn thread_ids_in_bodies_of_agents_are_uuids() {
    check(|bundle| {
        let members = ["sender_thread_id", "receiver_thread_id", "new_thread_id"];
        let bodies = runtime_bodies(bundle);
        let ids: Vec<_> =
            bodies.iter().flat_map(|(_, _, body)| members.iter().filter_map(|member| body[*member].as_str())).collect();
        assert!(ids.len() > 6);
        assert!(ids.iter().all(|id| uuid::Uuid::parse_str(id).is_ok()), "{ids:?}");
    });
}

#[test]
fn statuses_of_agents_are_known() {
    let words = ["pending_init", "running", "interrupted", "shutdown", "not_found"];
    let is_status = |status: &Value| {
        if let Some(word) = status.as_str() {
            return words.contains(&word);
        }
        let members = status.as_object().unwrap();
        let (name, value) = members.iter().next().unwrap();
        let fits = value.is_string() || name == "completed" && value.is_null();
        members.len() == 1 && ["completed", "errored"].contains(&name.as_str()) && fits
    };
    check(|bundle| {
        let results = payloads(bundle, "agent_result");
        assert_eq!(results.len(), 2);
        let of_tools = runtime_bodies(bundle);
        let of_tools = of_tools.iter().filter(|(kind, is_end, _)| *is_end && kind.contains("agent"));
        let statuses: Vec<_> =
            results.iter().chain(of_tools.map(|(_, _, body)| body)).map(|body| &body["status"]).collect();
        assert!(statuses.len() > 3 && statuses.iter().all(|status| is_status(status)), "{statuses:?}");
    });
}

#[test]
fn agent_paths_begin_at_the_root() {
    let is_path = |path: &str| {
        let is_step = |step: &str| !step.is_empty() && step.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_'));
        path.strip_prefix("/root").is_some_and(|rest| rest.is_empty() || rest.split('/').skip(1).all(is_step))
    };
    check(|bundle| {
        let started = bundle.events("thread_started");
        assert_eq!(started.len(), 2);
        assert!(started.iter().all(|thread| is_path(text(thread, "agent_path"))));
        assert!(payloads(bundle, "session_metadata").iter().all(|metadata| is_path(text(metadata, "agent_path"))));
        assert!(payloads(bundle, "agent_result").iter().all(|result| is_path(text(result, "child_agent_path"))));
    });
}

#[test]
fn session_metadata_has_all_its_members() {
    let texts = ["thread_id", "agent_path", "cwd", "model", "provider_name", "approval_policy", "sandbox_policy"];
    check(|bundle| {
        let all = payloads(bundle, "session_metadata");
        assert_eq!(all.len(), 2);
        for metadata in &all {
            assert!(texts.iter().all(|member| metadata[*member].is_string()), "{metadata}");
        }
        assert_eq!(all[0]["session_source"], "cli");
        assert_eq!(all[0]["rollout_path"], "/home/me/sessions/1.jsonl");
        let spawn = &all[1]["session_source"]["subagent"]["thread_spawn"];
        assert_eq!((&spawn["parent_thread_id"], &spawn["depth"]), (&all[0]["thread_id"], &Value::from(1)));
    });
}

#[test]
fn waits_and_input_to_terminals_are_functions_with_their_ids() {
    check(|bundle| {
        let id_of = |name: &str| match name {
            "wait" => Some("cell_id"),
            "write_stdin" => Some("session_id"),
            _ => None,
        };
        let mut found = 0;
        for start in bundle.events("tool_call_started") {
            if start["invocation_payload"].is_null() {
                continue;
            }
            let invocation = bundle.payload_json(&start["invocation_payload"]);
            let Some(id) = id_of(text(&invocation, "tool_name")) else { continue };
            assert_eq!(invocation["payload"]["type"], "function");
            let arguments: Value = serde_json::from_str(text(&invocation["payload"], "arguments")).unwrap();
            assert!(!arguments[id].is_null(), "{arguments}");
            let has_start = |runtime: &&Value| runtime["tool_call_id"] == start["tool_call_id"];
            assert!(!bundle.events("tool_call_runtime_started").iter().any(has_start), "{start}");
            found += 1;
        }
        assert_eq!(found, 2);
    });
}

#[test]
fn invocations_have_the_shape_of_their_type() {
    let members = |kind: &str| match kind {
        "function" | "tool_search" => &["arguments"][..],
        "custom" => &["input"],
        "local_shell" => &["command"],
        "mcp" => &["server", "tool", "raw_arguments"],
        other => panic!("{other}"),
    };
    check(|bundle| {
        let mut types = BTreeSet::new();
        for invocation in payloads(bundle, "tool_invocation") {
            let payload = &invocation["payload"];
            let kind = text(payload, "type");
            types.insert(kind.to_owned());
            assert!(members(kind).iter().all(|member| !payload[*member].is_null()), "{payload}");
        }
        assert_eq!(types.len(), 5, "{types:?}");
    });
}

#[test]
fn json_is_nested_less_than_128_deep() {
    fn depth(value: &Value) -> usize {
        let inside = match value {
            Value::Array(elements) => elements.iter().map(depth).max(),
            Value::Object(members) => members.values().map(depth).max(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return 0,
        };
        1 + inside.unwrap_or_default()
    }
    check(|bundle| {
        let kinds = ["inference_request", "inference_response", "tool_invocation", "tool_result", "tool_runtime_event"];
        let more = ["compaction_request", "compaction_response", "compaction_checkpoint", "agent_result"];
        let bodies = kinds.iter().chain(&more).flat_map(|kind| payloads(bundle, kind));
        let deepest = bodies.map(|body| depth(&body)).max().unwrap();
        assert!((3..128).contains(&deepest), "{deepest}");
    });
}
