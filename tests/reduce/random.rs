//! Random sessions of two agents that know nothing of each other: sound ones have nothing to be told, and whatever is
//! done to the evidence of the one, the other's graph is what it was.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use otel_trace::bundle::Reader;
use otel_trace::graph::{Code, Diagnostic, Graph, ItemId, Snapshots, Totals};
use otel_trace::reduce::{Options, Reduction, reduce};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use tempfile::TempDir;

/// What an agent does next.
#[derive(Debug, Clone)]
enum Step {
    /// Asks a model and has its answer.
    Call { full: bool, says: String, asks_for_tool: bool },
    /// Asks for something beside the conversation: a title.
    Aside,
    /// Goes on from an answer of before.
    Branch { back: usize },
    /// Runs the tool that was asked for, if one was.
    Tool { prints: String, fails: bool },
    /// Asks, and has no answer.
    Fail { error: String },
    /// Begins another turn.
    Turn,
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z ]{0,20}",
        any::<String>().prop_map(|text| text.chars().take(12).collect()),
        "é測".prop_map(String::from)
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (any::<bool>(), text(), any::<bool>())
            .prop_map(|(full, says, asks_for_tool)| Step::Call { full, says, asks_for_tool }),
        4 => (text(), any::<bool>()).prop_map(|(prints, fails)| Step::Tool { prints, fails }),
        1 => text().prop_map(|error| Step::Fail { error }),
        1 => Just(Step::Turn),
        1 => Just(Step::Aside),
        1 => (0..8_usize).prop_map(|back| Step::Branch { back }),
    ]
}

const AGENTS: [&str; 2] = ["left", "right"];

/// An agent, as its program knows it.
#[derive(Default)]
struct Agent {
    turns: usize,
    calls: usize,
    tools: usize,
    history: Vec<Value>,
    /// What is new since the last answer.
    new: Vec<Value>,
    last_response: Option<String>,
    /// Of all calls.
    responses: Vec<String>,
    asked: Option<String>,
}

/// A session as it is recorded.
struct Session {
    dir: TempDir,
    /// Each line, and whose it is; nobody's are those of the whole run.
    lines: Vec<(Option<usize>, String)>,
    /// Whose each payload is.
    payloads: Vec<usize>,
    agents: [Agent; 2],
}

impl Session {
    fn of(steps: &[(usize, Step)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("payloads")).unwrap();
        let manifest = json!({
            "schema_version": 1, "trace_id": "random", "rollout_id": "r", "root_thread_id": "left",
            "started_at_unix_ms": 0, "raw_event_log": "trace.jsonl", "payloads_dir": "payloads",
        });
        fs::write(dir.path().join("manifest.json"), manifest.to_string()).unwrap();
        let mut session = Self { dir, lines: vec![], payloads: vec![], agents: Default::default() };
        session.event(None, json!({ "type": "rollout_started", "trace_id": "random", "root_thread_id": "left" }));
        for (agent, name) in AGENTS.iter().enumerate() {
            session.event(
                Some(agent),
                json!({ "type": "thread_started", "thread_id": name, "agent_path": format!("/{name}") }),
            );
            session.turn(agent);
        }
        for (agent, step) in steps {
            session.step(*agent, step);
        }
        session
    }

    fn turn_id(&self, agent: usize) -> String {
        format!("{}-turn-{}", AGENTS[agent], self.agents[agent].turns)
    }

    fn turn(&mut self, agent: usize) {
        if self.agents[agent].turns > 0 {
            let ended =
                json!({ "type": "codex_turn_ended", "codex_turn_id": self.turn_id(agent), "status": "completed" });
            self.event(Some(agent), ended);
        }
        self.agents[agent].turns += 1;
        let started =
            json!({ "type": "codex_turn_started", "codex_turn_id": self.turn_id(agent), "thread_id": AGENTS[agent] });
        self.event(Some(agent), started);
    }

    fn step(&mut self, agent: usize, step: &Step) {
        match step {
            Step::Call { full, says, asks_for_tool } => {
                let call = self.start(agent, *full);
                let mut said = vec![json!({ "type": "message", "role": "assistant", "content": says })];
                if *asks_for_tool {
                    let id = format!("{call}-tool");
                    said.push(json!({ "type": "function_call", "call_id": id, "name": "sh", "arguments": "{}" }));
                    self.agents[agent].asked = Some(id);
                }
                let id = self.answer(agent, &call, &said);
                let agent = &mut self.agents[agent];
                agent.history.extend(said);
                agent.last_response = Some(id);
                agent.new.clear();
            }
            Step::Fail { error } => {
                let call = self.start(agent, true);
                self.event(
                    Some(agent),
                    json!({ "type": "inference_failed", "inference_call_id": call, "error": error }),
                );
            }
            Step::Aside => {
                self.agents[agent].calls += 1;
                let call = format!("{}-call-{}", AGENTS[agent], self.agents[agent].calls);
                let title = json!({ "type": "message", "role": "user", "content": format!("a title for {call}") });
                self.ask(agent, &call, &json!({ "input": [title] }));
                self.answer(agent, &call, &[json!({ "type": "message", "role": "assistant", "content": "a title" })]);
            }
            Step::Branch { back } => {
                let responses = &self.agents[agent].responses;
                let Some(previous) = responses.iter().rev().nth(*back).cloned() else { return };
                self.agents[agent].calls += 1;
                let call = format!("{}-call-{}", AGENTS[agent], self.agents[agent].calls);
                let said = json!({ "type": "message", "role": "user", "content": format!("{call}, otherwise") });
                self.ask(agent, &call, &json!({ "input": [said], "previous_response_id": previous }));
                self.answer(agent, &call, &[json!({ "type": "message", "role": "assistant", "content": call })]);
            }
            Step::Tool { prints, fails } => self.tool(agent, prints, *fails),
            Step::Turn => self.turn(agent),
        }
    }

    /// Sends what the user says, and what is known.
    fn start(&mut self, agent: usize, full: bool) -> String {
        let it = &mut self.agents[agent];
        it.calls += 1;
        let call = format!("{}-call-{}", AGENTS[agent], it.calls);
        let said = json!({ "type": "message", "role": "user", "content": format!("{call}, please") });
        it.history.push(said.clone());
        it.new.push(said);
        let body = match it.last_response.clone().filter(|_| !full) {
            Some(previous) => json!({ "input": it.new, "previous_response_id": previous }),
            None => json!({ "input": it.history }),
        };
        self.ask(agent, &call, &body);
        call
    }

    fn ask(&mut self, agent: usize, call: &str, body: &Value) {
        let body = self.payload(agent, "inference_request", body);
        let event = json!({
            "type": "inference_started", "inference_call_id": call, "thread_id": AGENTS[agent],
            "codex_turn_id": self.turn_id(agent), "model": "m", "provider_name": "p", "request_payload": body,
        });
        self.event(Some(agent), event);
    }

    /// The response of a call, complete. Gives its id.
    fn answer(&mut self, agent: usize, call: &str, said: &[Value]) -> String {
        let id = format!("{call}-response");
        let usage = json!({ "input_tokens": 2, "output_tokens": 1 });
        let body = json!({ "response_id": id, "token_usage": usage, "output_items": said });
        let body = self.payload(agent, "inference_response", &body);
        let event = json!({
            "type": "inference_completed", "inference_call_id": call, "response_id": id, "response_payload": body,
        });
        self.event(Some(agent), event);
        self.agents[agent].responses.push(id.clone());
        id
    }

    fn tool(&mut self, agent: usize, prints: &str, fails: bool) {
        let Some(asked) = self.agents[agent].asked.take() else { return };
        self.agents[agent].tools += 1;
        let tool = format!("{asked}-run");
        self.event(
            Some(agent),
            json!({
                "type": "tool_call_started", "tool_call_id": tool, "model_visible_call_id": asked, "requester": { "type": "model" },
                "kind": { "type": "exec_command" }, "summary": { "type": "generic", "label": "sh" },
            }),
        );
        let mut command =
            json!({ "call_id": asked, "process_id": tool, "turn_id": "?", "command": ["sh"], "cwd": "/" });
        let begin = self.payload(agent, "tool_runtime_event", &command);
        self.event(
            Some(agent),
            json!({ "type": "tool_call_runtime_started", "tool_call_id": tool, "runtime_payload": begin }),
        );
        for (name, value) in [("stdout", json!(prints)), ("stderr", json!("")), ("exit_code", json!(i32::from(fails)))]
        {
            command[name] = value;
        }
        let end = self.payload(agent, "tool_runtime_event", &command);
        let status = if fails { "failed" } else { "completed" };
        self.event(
            Some(agent),
            json!({ "type": "tool_call_runtime_ended", "tool_call_id": tool, "status": status, "runtime_payload": end }),
        );
        let output = json!({ "type": "function_call_output", "call_id": asked, "output": prints });
        let result = self.payload(agent, "tool_result", &json!({ "type": "direct_response", "response_item": output }));
        self.event(
            Some(agent),
            json!({ "type": "tool_call_ended", "tool_call_id": tool, "status": status, "result_payload": result }),
        );
        let agent = &mut self.agents[agent];
        agent.history.push(output.clone());
        agent.new.push(output);
    }

    fn payload(&mut self, agent: usize, kind: &str, body: &Value) -> Value {
        self.payloads.push(agent);
        let number = self.payloads.len();
        fs::write(self.payload_path(number - 1), body.to_string()).unwrap();
        json!({ "raw_payload_id": format!("raw_payload:{number}"), "kind": { "type": kind }, "path": format!("payloads/{number}.json") })
    }

    fn payload_path(&self, index: usize) -> PathBuf {
        self.dir.path().join(format!("payloads/{}.json", index + 1))
    }

    fn event(&mut self, agent: Option<usize>, event: Value) {
        let seq = self.lines.len() + 1;
        let carries = !["thread_started", "rollout_started"].contains(&event["type"].as_str().unwrap());
        let context = agent.filter(|_| carries);
        let line = json!({
            "schema_version": 1, "seq": seq, "wall_time_unix_ms": seq, "rollout_id": "r",
            "thread_id": context.map(|agent| AGENTS[agent]), "codex_turn_id": context.map(|agent| self.turn_id(agent)),
            "payload": event,
        });
        self.lines.push((agent, line.to_string()));
    }

    fn reduce(&self) -> Reduction {
        let log: Vec<u8> = self.lines.iter().flat_map(|(_, line)| [line.as_bytes(), b"\n"].concat()).collect();
        self.reduce_log(&log)
    }

    fn reduce_log(&self, log: &[u8]) -> Reduction {
        fs::write(self.dir.path().join("trace.jsonl"), log).unwrap();
        reduce(&Reader::open(self.dir.path()).unwrap(), &Options::default()).unwrap()
    }

    /// How large all of it is, in bytes.
    fn bytes(&self) -> usize {
        let payloads = (0..self.payloads.len()).filter_map(|index| fs::metadata(self.payload_path(index)).ok());
        let log = fs::metadata(self.dir.path().join("trace.jsonl")).unwrap().len();
        usize::try_from(log + payloads.map(|found| found.len()).sum::<u64>()).unwrap()
    }
}

/// Everything that the graph says of an agent, without the numbers that count over both.
fn about(graph: &Graph, agent: &str) -> BTreeMap<String, String> {
    let item = |id: &ItemId| {
        let item = graph.items().nth(usize::try_from(id.number() - 1).unwrap()).unwrap();
        (item.content.role, item.content.kind, item.content.parts.to_vec(), item.produced_by.clone())
    };
    let items = |ids: &[ItemId]| ids.iter().map(item).collect::<Vec<_>>();
    let mut about = BTreeMap::new();
    for thread in graph.threads.iter().filter(|thread| thread.thread_id.as_str() == agent) {
        about.insert("thread".to_owned(), format!("{:?} {:?}", thread.window, items(&thread.item_ids)));
    }
    for turn in graph.turns.iter().filter(|turn| turn.thread_id.as_str() == agent) {
        // An open turn lasts as long as the whole log.
        let totals = Totals { wall_ms: 0, ..turn.totals };
        let told = format!("{:?} {:?} {totals:?}", turn.window, items(&turn.input_item_ids));
        about.insert(turn.turn_id.to_string(), told);
    }
    for call in graph.inference_calls.iter().filter(|call| call.thread_id.as_str() == agent) {
        let seen: Vec<ItemId> = graph.snapshot(&call.inference_call_id).collect();
        let said = items(&call.response_item_ids);
        let told = format!(
            "{:?} {:?} {said:?} {:?} {:?} {:?}",
            call.window,
            items(&seen),
            call.usage,
            call.error,
            call.tool_call_ids
        );
        about.insert(call.inference_call_id.to_string(), told);
    }
    for tool in graph.tool_calls.iter().filter(|tool| tool.thread_id.as_str() == agent) {
        let linked = [&tool.call_item_ids, &tool.output_item_ids].map(|ids| items(ids));
        let operation = graph.terminal_operations().find(|operation| operation.tool_call_id == tool.tool_call_id);
        let operation =
            operation.map(|operation| (operation.window, operation.request.clone(), operation.result.clone()));
        let told = format!("{:?} {linked:?} {:?} {operation:?}", tool.window, tool.requested_by);
        about.insert(tool.tool_call_id.to_string(), told);
    }
    about
}

/// What every call of a state saw, as the state says it.
fn requests(graph: &Graph, form: Snapshots) -> BTreeMap<String, Vec<Value>> {
    let mut state = Vec::new();
    graph.write_state(&mut state, form).unwrap();
    let state: Value = serde_json::from_slice(&state).unwrap();
    let calls = state["inference_calls"].as_object().unwrap();
    let ids = |call: &Value, name: &str| call[name].as_array().unwrap().clone();
    let mut requests: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    // A call goes on from an earlier one.
    let mut in_order: Vec<_> = calls.iter().collect();
    in_order.sort_by_key(|(_, call)| call["execution"]["started_seq"].as_u64());
    for (id, call) in in_order {
        let mut seen = Vec::new();
        if let Some(prefix) = call.get("request_prefix") {
            let earlier = prefix["inference_call_id"].as_str().unwrap();
            let items = usize::try_from(prefix["items"].as_u64().unwrap()).unwrap();
            seen.extend_from_slice(&requests[earlier][..items]);
            if prefix["with_response"] == true {
                seen.extend(ids(&calls[earlier], "response_item_ids"));
            }
        }
        seen.extend(ids(call, "request_item_ids"));
        requests.insert(id.clone(), seen);
    }
    requests
}

/// What is done to evidence.
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

/// Bytes that make JSON into other JSON more often than random ones do.
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

/// The log after damage to one line of the agent on the left, or damage done to one of its payloads.
fn apply(damage: &Damage, place: Index, session: &Session, lines: &mut Vec<(Option<usize>, Vec<u8>)>) {
    let of_left: Vec<usize> = (0..lines.len()).filter(|&line| lines[line].0 == Some(0)).collect();
    let payloads: Vec<usize> = (0..session.payloads.len()).filter(|&payload| session.payloads[payload] == 0).collect();
    let line = (!of_left.is_empty()).then(|| of_left[place.index(of_left.len())]);
    let payload = (!payloads.is_empty()).then(|| session.payload_path(payloads[place.index(payloads.len())]));
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
    fn sound_sessions_have_nothing_to_be_told(steps in prop::collection::vec((0..2_usize, step()), 0..40)) {
        let session = Session::of(&steps);
        let reduction = session.reduce();
        // Who goes on from an answer of before leaves the conversation.
        let told = reduction.diagnostics().iter().filter(|found| found.code != Code::HistoryBranched);
        prop_assert_eq!(told.collect::<Vec<_>>(), Vec::<&Diagnostic>::new());
        let graph = reduction.graph;
        prop_assert_eq!(requests(&graph, Snapshots::Shared), requests(&graph, Snapshots::Expanded));
        for (agent, name) in session.agents.iter().zip(AGENTS) {
            let calls = graph.inference_calls.iter().filter(|call| call.thread_id.as_str() == name).count();
            let tools: Vec<_> = graph.tool_calls.iter().filter(|tool| tool.thread_id.as_str() == name).collect();
            prop_assert_eq!((calls, tools.len()), (agent.calls, agent.tools));
            // A history that comes back after something else was asked is new, calls and all.
            prop_assert!(tools.iter().all(|tool| tool.requested_by.is_some() && !tool.call_item_ids.is_empty()));
        }
    }

    #[test]
    fn damage_to_one_agents_evidence_leaves_the_others_graph_as_it_was(
        steps in prop::collection::vec((0..2_usize, step()), 1..40),
        damages in prop::collection::vec((damage(), any::<Index>()), 1..6),
    ) {
        let session = Session::of(&steps);
        let whole = about(&session.reduce().graph, "right");
        let mut lines: Vec<_> = session.lines.iter().map(|(agent, line)| (*agent, line.clone().into_bytes())).collect();
        for (damage, place) in &damages {
            apply(damage, *place, &session, &mut lines);
        }
        let log: Vec<u8> = lines.iter().flat_map(|(_, line)| [line, &b"\n"[..]].concat()).collect();
        let Reduction { graph, .. } = session.reduce_log(&log);
        prop_assert_eq!(about(&graph, "right"), whole);
        let mut state = Vec::new();
        graph.write_state(&mut state, Snapshots::Shared).unwrap();
        prop_assert!(state.len() < 8 * session.bytes() + 4096, "{} bytes of {}", state.len(), session.bytes());
        prop_assert_eq!(requests(&graph, Snapshots::Shared), requests(&graph, Snapshots::Expanded));
    }
}
