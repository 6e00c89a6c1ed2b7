//! What a strict reader of format 1 asks for, point by point. Each function checks one point over the events and payloads
//! of a bundle, and returns how much it examined.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::common::Bundle;

/// All points but that of the variants.
pub(crate) const POINTS: [fn(&Bundle) -> usize; 12] = [
    everything_starts_before_its_use,
    ids_are_unique,
    bodies_have_their_lists,
    items_are_known,
    runtime_bodies_have_their_members,
    thread_ids_of_agents_are_uuids,
    statuses_of_agents_are_known,
    agent_paths_begin_at_the_root,
    session_metadata_has_its_members,
    waits_and_input_are_functions,
    invocations_have_the_shape_of_their_type,
    nesting_is_bounded,
];

/// The variants of the first version of the format.
pub(crate) const VARIANTS: [&str; 22] = [
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

/// Returns a member that must be a text.
pub(crate) fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_else(|| panic!("no text `{member}` in {value}"))
}

/// Returns the payloads of one kind, each once, in the order of the log.
pub(crate) fn payloads(bundle: &Bundle, kind: &str) -> Vec<Value> {
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

/// Checks that every operation starts once, before the events that name it.
pub(crate) fn everything_starts_before_its_use(bundle: &Bundle) -> usize {
    let starts = [
        ("thread_started", "thread_id"),
        ("codex_turn_started", "codex_turn_id"),
        ("inference_started", "inference_call_id"),
        ("tool_call_started", "tool_call_id"),
        ("code_cell_started", "runtime_cell_id"),
        ("compaction_request_started", "compaction_request_id"),
    ];
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
    started.len()
}

/// Checks that the ids of tool calls, and the call ids of tool calls and scripts, are unique.
pub(crate) fn ids_are_unique(bundle: &Bundle) -> usize {
    let tools = bundle.events("tool_call_started");
    let ids: BTreeSet<_> = tools.iter().map(|tool| text(tool, "tool_call_id")).collect();
    assert_eq!(ids.len(), tools.len());
    let cells = bundle.events("code_cell_started");
    let of_model = tools.iter().chain(&cells).filter_map(|start| start["model_visible_call_id"].as_str());
    let of_model: Vec<_> = of_model.collect();
    assert_eq!(of_model.iter().collect::<BTreeSet<_>>().len(), of_model.len());
    of_model.len()
}

/// Checks that requests have `input`, responses `output_items`, and checkpoints both histories.
pub(crate) fn bodies_have_their_lists(bundle: &Bundle) -> usize {
    let requests = payloads(bundle, "inference_request");
    assert!(requests.iter().all(|request| request["input"].is_array()));
    let responses = [payloads(bundle, "inference_response"), payloads(bundle, "compaction_response")].concat();
    assert!(responses.iter().all(|response| response["output_items"].is_array()));
    for checkpoint in payloads(bundle, "compaction_checkpoint") {
        assert!(checkpoint["input_history"].is_array() && checkpoint["replacement_history"].is_array());
    }
    requests.len() + responses.len()
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

/// Checks the types of items, the roles of messages, and that reasoning is not empty. Returns the number of types.
pub(crate) fn items_are_known(bundle: &Bundle) -> usize {
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
    types.len()
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

/// Checks the members of runtime bodies. Returns the number of kinds of bodies.
pub(crate) fn runtime_bodies_have_their_members(bundle: &Bundle) -> usize {
    let mut examined = BTreeSet::new();
    for (kind, is_end, body) in runtime_bodies(bundle) {
        let Some((required, optional)) = runtime_members(&kind, is_end) else { continue };
        examined.insert((kind, is_end));
        assert!(required.iter().all(|member| !body[*member].is_null()), "{body}");
        let is_known = |name: &&String| required.contains(&name.as_str()) || optional.contains(&name.as_str());
        assert_eq!(body.as_object().unwrap().keys().find(|name| !is_known(name)), None, "{body}");
    }
    examined.len()
}

/// Checks the ids of threads in the bodies of agents.
pub(crate) fn thread_ids_of_agents_are_uuids(bundle: &Bundle) -> usize {
    let members = ["sender_thread_id", "receiver_thread_id", "new_thread_id"];
    let bodies = runtime_bodies(bundle);
    let ids: Vec<_> =
        bodies.iter().flat_map(|(_, _, body)| members.iter().filter_map(|member| body[*member].as_str())).collect();
    assert!(ids.iter().all(|id| uuid::Uuid::parse_str(id).is_ok()), "{ids:?}");
    ids.len()
}

/// Checks the statuses of agents.
pub(crate) fn statuses_of_agents_are_known(bundle: &Bundle) -> usize {
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
    let results = payloads(bundle, "agent_result");
    let of_tools = runtime_bodies(bundle);
    let of_tools = of_tools.iter().filter(|(kind, is_end, _)| *is_end && kind.contains("agent"));
    let statuses: Vec<_> =
        results.iter().chain(of_tools.map(|(_, _, body)| body)).map(|body| &body["status"]).collect();
    assert!(statuses.iter().all(|status| is_status(status)), "{statuses:?}");
    statuses.len()
}

/// Checks the paths of agents in starts, metadata and results.
pub(crate) fn agent_paths_begin_at_the_root(bundle: &Bundle) -> usize {
    let is_path = |path: &str| {
        let is_step = |step: &str| !step.is_empty() && step.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_'));
        path.strip_prefix("/root").is_some_and(|rest| rest.is_empty() || rest.split('/').skip(1).all(is_step))
    };
    let started = bundle.events("thread_started");
    assert!(started.iter().all(|thread| is_path(text(thread, "agent_path"))));
    assert!(payloads(bundle, "session_metadata").iter().all(|metadata| is_path(text(metadata, "agent_path"))));
    assert!(payloads(bundle, "agent_result").iter().all(|result| is_path(text(result, "child_agent_path"))));
    started.len()
}

/// Checks that the metadata of threads has all texts that a reader requires.
pub(crate) fn session_metadata_has_its_members(bundle: &Bundle) -> usize {
    let texts = ["thread_id", "agent_path", "cwd", "model", "provider_name", "approval_policy", "sandbox_policy"];
    let all = payloads(bundle, "session_metadata");
    for metadata in &all {
        assert!(texts.iter().all(|member| metadata[*member].is_string()), "{metadata}");
    }
    all.len()
}

/// Checks that waits for scripts and input to terminals are functions with their ids, which no runtime event starts.
pub(crate) fn waits_and_input_are_functions(bundle: &Bundle) -> usize {
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
    found
}

/// Checks the members of invocations. Returns the number of types.
pub(crate) fn invocations_have_the_shape_of_their_type(bundle: &Bundle) -> usize {
    let members = |kind: &str| match kind {
        "function" | "tool_search" => &["arguments"][..],
        "custom" => &["input"],
        "local_shell" => &["command"],
        "mcp" => &["server", "tool", "raw_arguments"],
        other => panic!("{other}"),
    };
    let mut types = BTreeSet::new();
    for invocation in payloads(bundle, "tool_invocation") {
        let payload = &invocation["payload"];
        let kind = text(payload, "type");
        types.insert(kind.to_owned());
        assert!(members(kind).iter().all(|member| !payload[*member].is_null()), "{payload}");
    }
    types.len()
}

/// Checks that JSON is nested less than 128 deep. Returns the depth.
pub(crate) fn nesting_is_bounded(bundle: &Bundle) -> usize {
    fn depth(value: &Value) -> usize {
        let inside = match value {
            Value::Array(elements) => elements.iter().map(depth).max(),
            Value::Object(members) => members.values().map(depth).max(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return 0,
        };
        1 + inside.unwrap_or_default()
    }
    let kinds = ["inference_request", "inference_response", "tool_invocation", "tool_result", "tool_runtime_event"];
    let more = ["compaction_request", "compaction_response", "compaction_checkpoint", "agent_result"];
    let bodies = kinds.iter().chain(&more).flat_map(|kind| payloads(bundle, kind));
    let deepest = bodies.map(|body| depth(&body)).max().unwrap_or_default();
    assert!(deepest < 128, "{deepest}");
    deepest
}
