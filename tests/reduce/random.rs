//! Random sessions of two independent agents: undamaged sessions reduce without diagnostics, and damage to the evidence
//! of one agent leaves the graph of the other agent unchanged.

mod programs;
mod reuse;
mod reuse_model;
mod reuse_session;
mod session;

use std::collections::BTreeMap;
use std::fs;

use otel_trace::graph::{Code, Diagnostic, Graph, ItemId, Snapshots, Totals};
use otel_trace::reduce::Reduction;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;
use session::{AGENTS, Session, step};

/// Renders all objects of an agent, by id, without the item numbers, which count over both agents.
fn describe_agent(graph: &Graph, agent: &str) -> BTreeMap<String, String> {
    let item = |id: &ItemId| {
        let item = graph.items().nth(usize::try_from(id.number() - 1).unwrap()).unwrap();
        (item.content.role, item.content.kind, item.content.parts.to_vec(), item.produced_by.clone())
    };
    let items = |ids: &[ItemId]| ids.iter().map(item).collect::<Vec<_>>();
    let mut description = BTreeMap::new();
    for thread in graph.threads.iter().filter(|thread| thread.thread_id.as_str() == agent) {
        description.insert("thread".to_owned(), format!("{:?} {:?}", thread.execution, items(&thread.item_ids)));
    }
    for turn in graph.turns.iter().filter(|turn| turn.thread_id.as_str() == agent) {
        // An open turn lasts as long as the whole log.
        let totals = Totals { wall_ms: 0, ..turn.totals };
        let text = format!("{:?} {:?} {totals:?}", turn.execution, items(&turn.input_item_ids));
        description.insert(turn.turn_id.to_string(), text);
    }
    for call in graph.inference_calls.iter().filter(|call| call.thread_id.as_str() == agent) {
        let request: Vec<ItemId> = graph.snapshot(&call.inference_call_id).collect();
        let response = items(&call.response_item_ids);
        let text = format!(
            "{:?} {:?} {response:?} {:?} {:?} {:?}",
            call.execution,
            items(&request),
            call.usage,
            call.error,
            call.tool_call_ids
        );
        description.insert(call.inference_call_id.to_string(), text);
    }
    for tool in graph.tool_calls.iter().filter(|tool| tool.thread_id.as_str() == agent) {
        let linked = [&tool.call_item_ids, &tool.output_item_ids].map(|ids| items(ids));
        let operation = graph.terminal_operations().find(|operation| operation.tool_call_id == tool.tool_call_id);
        let operation =
            operation.map(|operation| (operation.execution, operation.request.clone(), operation.result.clone()));
        let text = format!("{:?} {linked:?} {:?} {operation:?}", tool.execution, tool.requested_by);
        description.insert(tool.tool_call_id.to_string(), text);
    }
    description
}

/// Returns the item ids of every request in a written state, by call id.
///
/// Shared snapshots are expanded.
fn requests(graph: &Graph, form: Snapshots) -> BTreeMap<String, Vec<Value>> {
    let mut state = Vec::new();
    graph.write_state(&mut state, form).unwrap();
    let state: Value = serde_json::from_slice(&state).unwrap();
    let calls = state["inference_calls"].as_object().unwrap();
    let ids = |call: &Value, name: &str| call[name].as_array().unwrap().clone();
    let mut requests: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    // A request prefix refers to an earlier call, so calls are expanded in order of their starts.
    let mut in_order: Vec<_> = calls.iter().collect();
    in_order.sort_by_key(|(_, call)| call["execution"]["started_seq"].as_u64());
    for (id, call) in in_order {
        let mut items = Vec::new();
        if let Some(prefix) = call.get("request_prefix") {
            let earlier = prefix["inference_call_id"].as_str().unwrap();
            let count = usize::try_from(prefix["items"].as_u64().unwrap()).unwrap();
            items.extend_from_slice(&requests[earlier][..count]);
            if prefix["with_response"] == true {
                items.extend(ids(&calls[earlier], "response_item_ids"));
            }
        }
        items.extend(ids(call, "request_item_ids"));
        requests.insert(id.clone(), items);
    }
    requests
}

/// A change to a log line or a payload of the left agent.
#[derive(Debug, Clone)]
enum Damage {
    DropLine,
    CutLine(Index),
    SwapByte(Index, u8),
    RepeatLine,
    ReplaceLine(Vec<u8>),
    DropPayload,
    CutPayload(Index),
    SwapPayloadByte(Index, u8),
    ReplacePayload(Vec<u8>),
}

/// Generates bytes that turn JSON into other JSON more often than uniformly random bytes do.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        any::<u8>().prop_filter("a newline makes two lines", |byte| *byte != b'\n'),
        prop::sample::select(b"\"{}[]:,0-e\\u".to_vec())
    ]
}

fn damage() -> impl Strategy<Value = Damage> {
    let bytes = || prop::collection::vec(byte(), 0..40);
    prop_oneof![
        Just(Damage::DropLine),
        any::<Index>().prop_map(Damage::CutLine),
        (any::<Index>(), byte()).prop_map(|(at, byte)| Damage::SwapByte(at, byte)),
        Just(Damage::RepeatLine),
        bytes().prop_map(Damage::ReplaceLine),
        Just(Damage::DropPayload),
        any::<Index>().prop_map(Damage::CutPayload),
        (any::<Index>(), byte()).prop_map(|(at, byte)| Damage::SwapPayloadByte(at, byte)),
        bytes().prop_map(Damage::ReplacePayload),
    ]
}

/// Damages one line of the left agent in `lines`, or one of its payloads on disk.
fn apply(damage: &Damage, position: Index, session: &Session, lines: &mut Vec<(Option<usize>, Vec<u8>)>) {
    let of_left: Vec<usize> = (0..lines.len()).filter(|&line| lines[line].0 == Some(0)).collect();
    let payloads: Vec<usize> = (0..session.payloads.len()).filter(|&payload| session.payloads[payload] == 0).collect();
    let line = (!of_left.is_empty()).then(|| of_left[position.index(of_left.len())]);
    let payload = (!payloads.is_empty()).then(|| session.payload_path(payloads[position.index(payloads.len())]));
    let change = |change: &dyn Fn(&mut Vec<u8>)| {
        let Some(path) = &payload else { return };
        let Ok(mut body) = fs::read(path) else { return };
        change(&mut body);
        fs::write(path, body).unwrap();
    };
    match (damage, line) {
        (Damage::DropPayload, _) => drop(payload.map(fs::remove_file)),
        (Damage::CutPayload(at), _) => change(&|body| body.truncate(at.index(body.len() + 1))),
        (Damage::SwapPayloadByte(at, byte), _) => change(&|body| {
            if !body.is_empty() {
                *at.get_mut(body) = *byte;
            }
        }),
        (Damage::ReplacePayload(bytes), _) => change(&|body| body.clone_from(bytes)),
        (_, None) => {}
        (Damage::DropLine, Some(line)) => drop(lines.remove(line)),
        (Damage::CutLine(at), Some(line)) => {
            let length = at.index(lines[line].1.len() + 1);
            lines[line].1.truncate(length);
        }
        (Damage::SwapByte(at, byte), Some(line)) => {
            if !lines[line].1.is_empty() {
                *at.get_mut(&mut lines[line].1) = *byte;
            }
        }
        (Damage::RepeatLine, Some(line)) => {
            let again = lines[line].clone();
            lines.insert(line, again);
        }
        (Damage::ReplaceLine(bytes), Some(line)) => lines[line].1.clone_from(bytes),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sound_sessions_have_no_diagnostics(steps in prop::collection::vec((0..2_usize, step()), 0..40)) {
        let session = Session::from_steps(&steps);
        let reduction = session.reduce();
        // Continuing an older response branches the history, and what a provider keeps is not in the evidence.
        let expected = [Code::HistoryBranched, Code::ServerSideHistory];
        let others = reduction.diagnostics().iter().filter(|found| !expected.contains(&found.code));
        prop_assert_eq!(others.collect::<Vec<_>>(), Vec::<&Diagnostic>::new());
        let graph = reduction.graph;
        prop_assert_eq!(requests(&graph, Snapshots::Shared), requests(&graph, Snapshots::Expanded));
        for (agent, name) in session.agents.iter().zip(AGENTS) {
            let calls = graph.inference_calls.iter().filter(|call| call.thread_id.as_str() == name).count();
            let tools: Vec<_> = graph.tool_calls.iter().filter(|tool| tool.thread_id.as_str() == name).collect();
            prop_assert_eq!((calls, tools.len()), (agent.calls, agent.tools));
            // History that returns after an unrelated request creates new items, calls included.
            prop_assert!(tools.iter().all(|tool| tool.requested_by.is_some() && !tool.call_item_ids.is_empty()));
        }
    }

    #[test]
    fn damage_to_one_agent_leaves_the_other_agents_graph_unchanged(
        steps in prop::collection::vec((0..2_usize, step()), 1..40),
        damages in prop::collection::vec((damage(), any::<Index>()), 1..6),
    ) {
        let session = Session::from_steps(&steps);
        let whole = describe_agent(&session.reduce().graph, "right");
        let mut lines: Vec<_> = session.lines.iter().map(|(agent, line)| (*agent, line.clone().into_bytes())).collect();
        for (damage, position) in &damages {
            apply(damage, *position, &session, &mut lines);
        }
        let log: Vec<u8> = lines.iter().flat_map(|(_, line)| [line, &b"\n"[..]].concat()).collect();
        let Reduction { graph, .. } = session.reduce_log(&log);
        prop_assert_eq!(describe_agent(&graph, "right"), whole);
        let mut state = Vec::new();
        graph.write_state(&mut state, Snapshots::Shared).unwrap();
        prop_assert!(state.len() < 8 * session.bytes() + 4096, "{} bytes of {}", state.len(), session.bytes());
        prop_assert_eq!(requests(&graph, Snapshots::Shared), requests(&graph, Snapshots::Expanded));
    }
}
