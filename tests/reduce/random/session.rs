//! Generated sessions, recorded step by step as a program would record them.

use std::fs;
use std::path::PathBuf;

use otel_trace::bundle::Reader;
use otel_trace::reduce::{Options, Reduction, reduce};
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The next action of an agent.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Sends a request to a model and receives a complete response.
    Call { list: History, reply: String, requests_tool: bool },
    /// Adds to a conversation that the provider keeps.
    Converse { reply: String },
    /// Sends a request outside the conversation, such as for a title.
    Aside,
    /// Continues an older response.
    Branch { back: usize },
    /// Runs the requested tool, if the last response requested one.
    Tool { output_text: String, fails: bool },
    /// Sends a request that fails.
    Fail { error: String },
    /// Ends the turn and starts another.
    Turn,
}

/// The form in which a request has the earlier conversation.
#[derive(Debug, Clone, Copy)]
pub(crate) enum History {
    /// The id of the last response.
    PreviousResponse,
    /// All items.
    Items,
    /// All items, those of models by their ids.
    References,
}

fn history() -> impl Strategy<Value = History> {
    prop_oneof![
        2 => Just(History::PreviousResponse),
        1 => Just(History::Items),
        1 => Just(History::References),
    ]
}

/// The id of a conversation that the provider keeps. Each agent has its own with this id.
const CONVERSATION: &str = "conv_1";

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z ]{0,20}",
        any::<String>().prop_map(|text| text.chars().take(12).collect()),
        "é測".prop_map(String::from)
    ]
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (history(), text(), any::<bool>())
            .prop_map(|(list, reply, requests_tool)| Step::Call { list, reply, requests_tool }),
        1 => text().prop_map(|reply| Step::Converse { reply }),
        4 => (text(), any::<bool>()).prop_map(|(output_text, fails)| Step::Tool { output_text, fails }),
        1 => text().prop_map(|error| Step::Fail { error }),
        1 => Just(Step::Turn),
        1 => Just(Step::Aside),
        1 => (0..8_usize).prop_map(|back| Step::Branch { back }),
    ]
}

pub(crate) const AGENTS: [&str; 2] = ["left", "right"];

/// The state that the recorded program keeps of an agent.
#[derive(Default)]
pub(crate) struct Agent {
    turns: usize,
    pub(crate) calls: usize,
    pub(crate) tools: usize,
    history: Vec<Value>,
    /// Items added since the last response.
    new: Vec<Value>,
    last_response: Option<String>,
    /// Ids of all responses.
    responses: Vec<String>,
    requested_call: Option<String>,
}

/// Creates the message of a response. Both agents have messages with this id.
fn assistant(number: usize, reply: &str) -> Value {
    json!({ "type": "message", "id": format!("msg_{number}"), "role": "assistant", "content": reply })
}

/// Returns a reference to an item, or the item if it has no id.
fn by_id(item: &Value) -> Value {
    item.get("id").map_or_else(|| item.clone(), |id| json!({ "type": "item_reference", "id": id }))
}

/// A recorded session in a temporary bundle.
pub(crate) struct Session {
    pub(crate) dir: TempDir,
    /// Each line with the index of its agent; `None` for lines of the whole run.
    pub(crate) lines: Vec<(Option<usize>, String)>,
    /// The index of the agent that each payload belongs to.
    pub(crate) payloads: Vec<usize>,
    pub(crate) agents: [Agent; 2],
}

impl Session {
    pub(crate) fn from_steps(steps: &[(usize, Step)]) -> Self {
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
            Step::Call { list, reply, requests_tool } => {
                let call = self.start(agent, *list);
                let number = self.agents[agent].calls;
                let mut items = vec![assistant(number, reply)];
                if *requests_tool {
                    let id = format!("{call}-tool");
                    items.push(json!({ "type": "function_call", "id": format!("fc_{number}"), "call_id": id, "name": "sh", "arguments": "{}" }));
                    self.agents[agent].requested_call = Some(id);
                }
                let id = self.write_response(agent, &call, &items);
                let agent = &mut self.agents[agent];
                agent.history.extend(items);
                agent.last_response = Some(id);
                agent.new.clear();
            }
            Step::Converse { reply } => {
                self.agents[agent].calls += 1;
                let number = self.agents[agent].calls;
                let call = format!("{}-call-{number}", AGENTS[agent]);
                let message = json!({ "type": "message", "role": "user", "content": format!("{call}, here") });
                self.write_request(agent, &call, &json!({ "input": [message], "conversation": CONVERSATION }));
                self.write_response(agent, &call, &[assistant(number, reply)]);
            }
            Step::Fail { error } => {
                let call = self.start(agent, History::Items);
                self.event(
                    Some(agent),
                    json!({ "type": "inference_failed", "inference_call_id": call, "error": error }),
                );
            }
            Step::Aside => {
                self.agents[agent].calls += 1;
                let call = format!("{}-call-{}", AGENTS[agent], self.agents[agent].calls);
                let title = json!({ "type": "message", "role": "user", "content": format!("a title for {call}") });
                self.write_request(agent, &call, &json!({ "input": [title] }));
                self.write_response(
                    agent,
                    &call,
                    &[json!({ "type": "message", "role": "assistant", "content": "a title" })],
                );
            }
            Step::Branch { back } => {
                let responses = &self.agents[agent].responses;
                let Some(previous) = responses.iter().rev().nth(*back).cloned() else { return };
                self.agents[agent].calls += 1;
                let call = format!("{}-call-{}", AGENTS[agent], self.agents[agent].calls);
                let message = json!({ "type": "message", "role": "user", "content": format!("{call}, otherwise") });
                self.write_request(agent, &call, &json!({ "input": [message], "previous_response_id": previous }));
                self.write_response(
                    agent,
                    &call,
                    &[json!({ "type": "message", "role": "assistant", "content": call })],
                );
            }
            Step::Tool { output_text, fails } => self.tool(agent, output_text, *fails),
            Step::Turn => self.turn(agent),
        }
    }

    /// Adds a user message and records a request with the history in this form. Returns the call id.
    fn start(&mut self, agent: usize, list: History) -> String {
        let state = &mut self.agents[agent];
        state.calls += 1;
        let call = format!("{}-call-{}", AGENTS[agent], state.calls);
        let message = json!({ "type": "message", "role": "user", "content": format!("{call}, please") });
        state.history.push(message.clone());
        state.new.push(message);
        let body = match (list, &state.last_response) {
            (History::PreviousResponse, Some(previous)) => {
                json!({ "input": state.new, "previous_response_id": previous })
            }
            (History::References, _) => json!({ "input": state.history.iter().map(by_id).collect::<Vec<_>>() }),
            (History::PreviousResponse | History::Items, _) => json!({ "input": state.history }),
        };
        self.write_request(agent, &call, &body);
        call
    }

    fn write_request(&mut self, agent: usize, call: &str, body: &Value) {
        let body = self.payload(agent, "inference_request", body);
        let event = json!({
            "type": "inference_started", "inference_call_id": call, "thread_id": AGENTS[agent],
            "codex_turn_id": self.turn_id(agent), "model": "m", "provider_name": "p", "request_payload": body,
        });
        self.event(Some(agent), event);
    }

    /// Records the complete response of a call. Returns the response id.
    fn write_response(&mut self, agent: usize, call: &str, items: &[Value]) -> String {
        let id = format!("{call}-response");
        let usage = json!({ "input_tokens": 2, "output_tokens": 1 });
        let body = json!({ "response_id": id, "token_usage": usage, "output_items": items });
        let body = self.payload(agent, "inference_response", &body);
        let event = json!({
            "type": "inference_completed", "inference_call_id": call, "response_id": id, "response_payload": body,
        });
        self.event(Some(agent), event);
        self.agents[agent].responses.push(id.clone());
        id
    }

    fn tool(&mut self, agent: usize, output_text: &str, fails: bool) {
        let Some(requested_call) = self.agents[agent].requested_call.take() else { return };
        self.agents[agent].tools += 1;
        let tool = format!("{requested_call}-run");
        self.event(
            Some(agent),
            json!({
                "type": "tool_call_started", "tool_call_id": tool, "model_visible_call_id": requested_call, "requester": { "type": "model" },
                "kind": { "type": "exec_command" }, "summary": { "type": "generic", "label": "sh" },
            }),
        );
        let mut command =
            json!({ "call_id": requested_call, "process_id": tool, "turn_id": "?", "command": ["sh"], "cwd": "/" });
        let begin = self.payload(agent, "tool_runtime_event", &command);
        self.event(
            Some(agent),
            json!({ "type": "tool_call_runtime_started", "tool_call_id": tool, "runtime_payload": begin }),
        );
        for (name, value) in
            [("stdout", json!(output_text)), ("stderr", json!("")), ("exit_code", json!(i32::from(fails)))]
        {
            command[name] = value;
        }
        let end = self.payload(agent, "tool_runtime_event", &command);
        let status = if fails { "failed" } else { "completed" };
        self.event(
            Some(agent),
            json!({ "type": "tool_call_runtime_ended", "tool_call_id": tool, "status": status, "runtime_payload": end }),
        );
        let output = json!({ "type": "function_call_output", "call_id": requested_call, "output": output_text });
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

    pub(crate) fn payload_path(&self, index: usize) -> PathBuf {
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

    pub(crate) fn reduce(&self) -> Reduction {
        let log: Vec<u8> = self.lines.iter().flat_map(|(_, line)| [line.as_bytes(), b"\n"].concat()).collect();
        self.reduce_log(&log)
    }

    pub(crate) fn reduce_log(&self, log: &[u8]) -> Reduction {
        fs::write(self.dir.path().join("trace.jsonl"), log).unwrap();
        reduce(&Reader::open(self.dir.path()).unwrap(), &Options::default()).unwrap()
    }

    /// Returns the total size of log and payloads, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let payloads = (0..self.payloads.len()).filter_map(|index| fs::metadata(self.payload_path(index)).ok());
        let log = fs::metadata(self.dir.path().join("trace.jsonl")).unwrap().len();
        usize::try_from(log + payloads.map(|found| found.len()).sum::<u64>()).unwrap()
    }
}
