//! Fuzzes the reducer with arbitrary bytes as the payload of every event at once.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use otel_trace_fuzz::Bundle;

/// A bundle whose log references one payload in every event that can reference one, for every kind of tool call.
static BUNDLE: LazyLock<Bundle> = LazyLock::new(|| {
    let bundle = Bundle::new();
    let mut log = String::new();
    let mut seq = 0;
    let mut event = |event: &str| {
        seq += 1;
        let event = event.replace("\"ref\"", r#"{"raw_payload_id":"raw_payload:1","kind":{"type":"protocol_event"},"path":"payloads/1.json"}"#);
        log += &format!(
            r#"{{"schema_version":1,"seq":{seq},"wall_time_unix_ms":{seq},"rollout_id":"r","thread_id":"t","codex_turn_id":"u","payload":{event}}}"#
        );
        log.push('\n');
    };
    event(r#"{"type":"thread_started","thread_id":"t","agent_path":"/root","metadata_payload":"ref"}"#);
    event(r#"{"type":"codex_turn_started","codex_turn_id":"u","thread_id":"t"}"#);
    for call in ["a", "b"] {
        event(&format!(
            r#"{{"type":"inference_started","inference_call_id":"{call}","thread_id":"t","codex_turn_id":"u","model":"m","provider_name":"p","request_payload":"ref"}}"#
        ));
        event(&format!(r#"{{"type":"inference_completed","inference_call_id":"{call}","response_payload":"ref"}}"#));
    }
    event(r#"{"type":"compaction_installed","compaction_id":"k","checkpoint_payload":"ref"}"#);
    event(
        r#"{"type":"inference_started","inference_call_id":"c","thread_id":"t","codex_turn_id":"u","model":"m","provider_name":"p","request_payload":"ref","request_input_mode":{"type":"incremental_with_untraced_prefix","previous_response_id":"x","prefix_payload":"ref"}}"#,
    );
    event(r#"{"type":"inference_cancelled","inference_call_id":"c","reason":"r","partial_response_payload":"ref"}"#);
    for kind in ["exec_command", "write_stdin", "spawn_agent", "send_message", "close_agent", "web"] {
        event(&format!(
            r#"{{"type":"tool_call_started","tool_call_id":"{kind}","model_visible_call_id":"{kind}","requester":{{"type":"model"}},"kind":{{"type":"{kind}"}},"summary":{{"type":"generic","label":"l"}},"invocation_payload":"ref"}}"#
        ));
        event(&format!(r#"{{"type":"tool_call_runtime_started","tool_call_id":"{kind}","runtime_payload":"ref"}}"#));
        event(&format!(
            r#"{{"type":"tool_call_runtime_ended","tool_call_id":"{kind}","status":"completed","runtime_payload":"ref"}}"#
        ));
        event(&format!(r#"{{"type":"tool_call_ended","tool_call_id":"{kind}","status":"completed","result_payload":"ref"}}"#));
    }
    event(
        r#"{"type":"tool_call_started","tool_call_id":"w","requester":{"type":"model"},"kind":{"type":"other","name":"wait"},"summary":{"type":"generic","label":"l"},"invocation_payload":"ref"}"#,
    );
    event(r#"{"type":"codex_turn_ended","codex_turn_id":"u","status":"failed"}"#);
    bundle.log(log.as_bytes());
    bundle
});

fuzz_target!(|body: &[u8]| {
    BUNDLE.payload(1, body);
    BUNDLE.check();
});
