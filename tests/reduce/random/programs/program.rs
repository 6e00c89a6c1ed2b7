//! Simulated programs: agents that ask a model, run tools and keep a conversation, and the truth about what they did.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::body::{Call, Entry, NameForm, Shape, TOOLS, Token, Tool, tokens};
use super::rng::Rng;
use super::settings::{Evidence, Ids, Labels, Memory, Settings};
use crate::case::Case;

/// A tool that ran.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) token: Token,
    /// The inference call whose response requested the tool.
    pub(super) inference: String,
}

/// What a program did.
#[derive(Debug, Default)]
pub(super) struct Truth {
    /// The tools that ran, by id.
    pub(super) runs: BTreeMap<String, Run>,
    /// The tokens of the calls and outputs in each request, with all that it continues.
    pub(super) requests: BTreeMap<String, Vec<Token>>,
    /// The tokens of the calls in each response that was recorded.
    pub(super) responses: BTreeMap<String, Vec<Token>>,
    /// The tokens of the histories before and after each compaction.
    pub(super) compactions: BTreeMap<String, [Vec<Token>; 2]>,
}

/// An agent of a program.
#[derive(Debug)]
struct Agent {
    thread: String,
    turn: String,
    /// The instructions in the items of each request.
    instructions: Vec<Entry>,
    /// The instructions beside the items of each request.
    instructions_beside: Option<String>,
    history: Vec<Entry>,
    /// Number of entries up to the last response, and its inference call, if a request may continue the response.
    continues: Option<(usize, String)>,
    /// Number of calls in the turn.
    calls: usize,
}

/// The end of an inference call.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Complete,
    /// The response is recorded without its content.
    Lost,
    Cut,
}

/// A program while it runs.
pub(super) struct Program {
    pub(super) case: Case,
    pub(super) settings: Settings,
    pub(super) truth: Truth,
    rng: Rng,
    agents: Vec<Agent>,
    count: usize,
}

impl Program {
    /// Runs a program of two agents.
    pub(super) fn run(seed: u64, evidence: Evidence, steps: usize) -> Self {
        let mut rng = Rng::new(seed);
        let settings = Settings::new(&mut rng, evidence);
        let mut case = Case::new();
        case.thread("t2", "/root/w");
        let threads = if settings.shares_thread { ["t", "t"] } else { ["t", "t2"] };
        for thread in threads.iter().collect::<BTreeSet<_>>() {
            case.turn(&format!("{thread}-turn"), thread);
        }
        let instructions = |agent: &str| settings.shares_thread.then(|| format!("be {agent}"));
        let agents = [(threads[0], "one"), (threads[1], "another")].map(|(thread, name)| Agent {
            thread: thread.to_owned(),
            turn: format!("{thread}-turn"),
            instructions: instructions(name)
                .filter(|_| !settings.instructs_beside)
                .map(Entry::System)
                .into_iter()
                .collect(),
            instructions_beside: instructions(name).filter(|_| settings.instructs_beside),
            history: vec![Entry::User("go".to_owned())],
            continues: None,
            calls: 0,
        });
        let mut program =
            Self { case, settings, truth: Truth::default(), rng, agents: agents.into_iter().collect(), count: 0 };
        for _ in 0..steps {
            let agent = program.rng.below(3) / 2;
            program.step(agent);
        }
        program
    }

    fn next(&mut self) -> usize {
        self.count += 1;
        self.count
    }

    fn step(&mut self, agent: usize) {
        match self.rng.below(16) {
            0 => self.ask_for_title(agent),
            1 => self.rewind(agent),
            _ => self.round(agent),
        }
        self.forget(agent);
    }

    /// Asks the model, runs the tools that it requests, and adds their outputs to the conversation.
    fn round(&mut self, agent: usize) {
        let slower = self.rng.one_in(12).then(|| self.ask(agent));
        let inference = self.ask(agent);
        if self.rng.one_in(12) {
            return self.end(agent, &inference, None, End::Cut);
        }
        let calls = self.generate(agent);
        let eager = if self.settings.is_eager { self.rng.below(calls.len() + 1) } else { 0 };
        for call in &calls[..eager] {
            self.start_tool(agent, call, &inference);
        }
        if self.rng.one_in(8) {
            // The program drops what has arrived, and asks again.
            let arrived = eager + self.rng.below(calls.len() - eager + 1);
            return self.end(agent, &inference, Some(&answer(None, &calls[..arrived])), End::Cut);
        }
        let text = self.rng.one_in(2).then(|| format!("text {}", self.next()));
        let answer = answer(text, &calls);
        let end =
            if self.settings.evidence == Evidence::Lossy && self.rng.one_in(4) { End::Lost } else { End::Complete };
        self.end(agent, &inference, Some(&answer), end);
        if let Some(slower) = slower {
            // Another attempt at the same time, which the program stops.
            let calls = self.generate(agent);
            self.end(agent, &slower, Some(&self::answer(None, &calls)), End::Cut);
        }
        self.remember(agent, answer, &inference);
        if calls.is_empty() {
            return self.next_turn(agent, "completed");
        }
        self.run_tools(agent, &calls, eager, &inference);
    }

    /// Runs the tools of a response that have not started yet.
    fn run_tools(&mut self, agent: usize, calls: &[Call], eager: usize, inference: &str) {
        let mut open: Vec<&Call> = calls[eager..].iter().collect();
        // The program answers some calls without a tool.
        if self.may_start_in_any_order(&calls.iter().collect::<Vec<_>>()) {
            open.retain(|_| !self.rng.one_in(8));
            if self.settings.is_parallel {
                self.rng.shuffle(&mut open);
            }
        } else if self.rng.one_in(8) {
            open.pop();
        }
        match self.rng.below(16) {
            0 => {
                // The user interrupts the turn.
                open.truncate(self.rng.below(open.len() + 1));
                open.iter().for_each(|call| self.start_tool(agent, call, inference));
                if self.rng.one_in(2) {
                    self.answer_calls(agent, calls);
                } else {
                    let Agent { history, continues, .. } = &mut self.agents[agent];
                    history.pop();
                    *continues = None;
                }
                self.next_turn(agent, "cancelled");
            }
            1 => {
                // The user approves the calls in the next turn.
                let next = format!("{}+", self.agents[agent].turn);
                self.start_turn(agent, &next, "completed");
                open.iter().for_each(|call| self.start_tool(agent, call, inference));
                self.answer_calls(agent, calls);
            }
            _ => {
                open.iter().for_each(|call| self.start_tool(agent, call, inference));
                self.answer_calls(agent, calls);
            }
        }
    }

    /// Returns `true` if the trace tells the calls apart whatever the order of their tools.
    fn may_start_in_any_order(&self, calls: &[&Call]) -> bool {
        let name = |call: &&Call| (call.tool.server, call.tool.name);
        let ids: BTreeSet<_> = calls.iter().map(|call| &call.id).collect();
        let names: BTreeSet<_> = calls.iter().map(name).collect();
        ids.len() == calls.len() || (names.len() == calls.len() && self.settings.has_distinct_names())
    }

    /// Adds outputs of calls to the conversation.
    fn answer_calls(&mut self, agent: usize, calls: &[Call]) {
        let has_equal = self.settings.has_equal_outputs;
        let text = |token: &Token| if has_equal { "ok".to_owned() } else { format!("of {token}") };
        let outputs = calls.iter().map(|Call { id, token, .. }| Entry::Output {
            id: id.clone(),
            token: *token,
            text: text(token),
        });
        let outputs: Vec<_> = outputs.collect();
        if self.settings.has_results {
            outputs.iter().for_each(|output| self.end_tool(output));
        }
        self.agents[agent].history.extend(outputs);
    }

    /// Records the result of the tool that an output belongs to, if a tool ran.
    fn end_tool(&mut self, output: &Entry) {
        let Entry::Output { id, token, text } = output else { return };
        let tool = format!("tool-{token}");
        if self.truth.runs.contains_key(&tool) {
            let result = match self.settings.api.shape {
                Shape::Responses => json!({
                    "type": "direct_response",
                    "response_item": { "type": "function_call_output", "call_id": id, "output": text },
                }),
                Shape::Chat => json!({ "content": [{ "type": "text", "text": text }] }),
            };
            self.case.end_tool(&tool, "completed", Some(result));
        }
    }

    /// Makes up the calls of a response.
    fn generate(&mut self, agent: usize) -> Vec<Call> {
        let count = self.rng.choose(&[0, 1, 1, 1, 2, 3]);
        let is_unique = self.settings.ids == Ids::Mixed && self.rng.one_in(2);
        let mut calls: Vec<Call> = Vec::new();
        for at in 0..count {
            let (token, tool) = (self.next(), &TOOLS[self.rng.below(TOOLS.len())]);
            let of_tool = calls.iter().filter(|call| call.tool.name == tool.name).count();
            let id = match self.settings.ids {
                Ids::Mixed if is_unique => format!("call_of_{token}"),
                Ids::PerMessage | Ids::Mixed => format!("call_{at}"),
                Ids::PerTool => format!("{}:{of_tool}", tool.name),
                Ids::PerTurn => format!("call_{}", self.agents[agent].calls + at),
                Ids::Constant => "call".to_owned(),
            };
            let at = if self.settings.has_equal_calls { json!("here") } else { json!(token) };
            calls.push(Call { id, tool, token, arguments: json!({ "at": at, "lines": 1 }).to_string() });
        }
        self.agents[agent].calls += count;
        calls
    }

    /// Adds a response to the conversation.
    fn remember(&mut self, agent: usize, mut answer: Entry, inference: &str) {
        if let Entry::Answer { calls, .. } = &mut answer
            && self.settings.spells_anew
        {
            calls.iter_mut().for_each(|call| call.arguments = call.arguments.replace(":1", ":\"1\""));
        }
        let may_continue = self.settings.memory == Memory::Provider && !self.settings.spells_anew;
        let Agent { history, continues, .. } = &mut self.agents[agent];
        history.push(answer);
        *continues = may_continue.then(|| (history.len(), inference.to_owned()));
    }

    /// Records a request with the conversation, or with what follows the last response. Returns the inference call's id.
    fn ask(&mut self, agent: usize) -> String {
        let inference = format!("i{}", self.next());
        let Agent { history, continues, thread, turn, instructions_beside, .. } = &self.agents[agent];
        let (known, mut body) = match continues.as_ref().filter(|_| !self.rng.one_in(4)) {
            Some((from, previous)) => {
                let Truth { requests, responses, .. } = &self.truth;
                let response = responses.get(previous).cloned().unwrap_or_default();
                let known = [requests[previous].clone(), response, tokens(&history[*from..])].concat();
                (known, self.settings.api.request(&history[*from..], Some(&format!("resp-{previous}"))))
            }
            None => {
                let shown = self.settings.memory.shown(&self.agents[agent].instructions, history);
                (tokens(&shown), self.settings.api.request(&shown, None))
            }
        };
        if let Some(instructions) = instructions_beside {
            body["instructions"] = json!(instructions);
        }
        self.case.request_in(&inference, thread, turn, body);
        self.truth.requests.insert(inference.clone(), known);
        inference
    }

    /// Records the end of an inference call. `answer` is what arrived of the response.
    fn end(&mut self, agent: usize, inference: &str, answer: Option<&Entry>, end: End) {
        let body = match answer.filter(|_| end != End::Lost) {
            Some(answer) => {
                self.truth.responses.insert(inference.to_owned(), tokens(std::slice::from_ref(answer)));
                self.settings.api.response(answer)
            }
            None => json!({}),
        };
        let body = answer.map(|_| self.case.body("inference_response", body));
        let event = match end {
            End::Complete | End::Lost => json!({
                "type": "inference_completed", "inference_call_id": inference,
                "response_id": format!("resp-{inference}"), "response_payload": body,
            }),
            End::Cut => json!({
                "type": "inference_cancelled", "inference_call_id": inference, "reason": "cut",
                "partial_response_payload": body,
            }),
        };
        self.record(agent, event);
    }

    fn record(&mut self, agent: usize, event: Value) {
        let Agent { thread, turn, .. } = &self.agents[agent];
        self.case.event_in(json!(thread), json!(turn), event);
    }

    /// Records the start of the tool that runs a call.
    fn start_tool(&mut self, agent: usize, call: &Call, inference: &str) {
        let id = format!("tool-{}", call.token);
        let Call { tool, token, .. } = call;
        let Tool { server, name } = tool;
        let of_people = format!("Runs {name} for {}", server.unwrap_or("you"));
        let mcp = server.map(|server| json!({ "type": "mcp", "server": server, "tool": name }));
        let (label, kind) = match self.settings.labels {
            Labels::Calls => (tool.in_call(NameForm::Joined).1, None),
            Labels::Dotted => (tool.in_call(NameForm::Dotted).1, None),
            Labels::Kind if server.is_some() => (of_people, mcp),
            Labels::Kind | Labels::Bare => ((*name).to_owned(), None),
            Labels::People => (of_people, None),
        };
        let invocation = json!({ "tool_name": name, "payload": { "type": "function", "arguments": call.arguments } });
        let invocation = self.settings.has_invocations.then(|| self.case.body("tool_invocation", invocation));
        let event = json!({
            "type": "tool_call_started", "tool_call_id": id, "model_visible_call_id": call.id,
            "requester": { "type": "model" }, "kind": kind.unwrap_or(json!({ "type": "web" })),
            "summary": { "type": "generic", "label": label }, "invocation_payload": invocation,
        });
        self.record(agent, event);
        self.truth.runs.insert(id, Run { token: *token, inference: inference.to_owned() });
    }

    fn next_turn(&mut self, agent: usize, status: &str) {
        let n = self.next();
        self.start_turn(agent, &format!("turn{n}"), status);
        self.agents[agent].history.push(Entry::User(format!("next {n}")));
    }

    /// Ends the turn of an agent with a status, and starts another one for all agents of the thread.
    fn start_turn(&mut self, agent: usize, next: &str, status: &str) {
        let Agent { thread, turn, .. } = &self.agents[agent];
        let thread = thread.clone();
        self.case.end_turn(turn, status);
        self.case.turn(next, &thread);
        for agent in self.agents.iter_mut().filter(|agent| agent.thread == thread) {
            next.clone_into(&mut agent.turn);
            agent.calls = 0;
        }
    }

    /// Asks the model for something outside of the conversation.
    fn ask_for_title(&mut self, agent: usize) {
        let inference = format!("title{}", self.next());
        let Agent { thread, turn, .. } = &self.agents[agent];
        let body = self.settings.api.request(&[Entry::User(inference.clone())], None);
        self.case.request_in(&inference, thread, turn, body);
        self.truth.requests.insert(inference.clone(), Vec::new());
        self.end(agent, &inference, Some(&answer(Some("a title".to_owned()), &[])), End::Complete);
    }

    /// Continues from an earlier message of the user, which the user writes anew.
    fn rewind(&mut self, agent: usize) {
        let history = &self.agents[agent].history;
        let users: Vec<_> = (0..history.len()).filter(|at| matches!(history[*at], Entry::User(_))).collect();
        if let Some(&to) = users.get(self.rng.below(users.len().max(1))) {
            let Agent { history, continues, .. } = &mut self.agents[agent];
            history.truncate(to);
            *continues = None;
            self.next_turn(agent, "cancelled");
        }
    }

    /// Drops or shortens old entries, as the program does.
    fn forget(&mut self, agent: usize) {
        let is_due = self.rng.one_in(4);
        let from = self.boundary(agent);
        let n = self.next();
        let Agent { history, continues, .. } = &mut self.agents[agent];
        let old = history.len().saturating_sub(4);
        match self.settings.memory {
            Memory::Window if is_due => drop(history.drain(..from)),
            Memory::Summary if is_due => {
                let before = history.clone();
                history.splice(..from, [Entry::User(format!("summary {n}"))]);
                *continues = None;
                self.record_compaction(agent, &before);
            }
            Memory::ShortOutputs => {
                for entry in &mut history[..old] {
                    if let Entry::Output { text, .. } = entry {
                        *text = "cleared".to_owned();
                    }
                }
            }
            Memory::ShortArguments => {
                for entry in &mut history[..old] {
                    if let Entry::Answer { calls, .. } = entry {
                        calls.iter_mut().for_each(|call| call.arguments = "{}".to_owned());
                    }
                }
            }
            Memory::Everything | Memory::Provider | Memory::Window | Memory::Summary | Memory::LastExchanges(_) => {}
        }
    }

    /// Returns a position of an agent's history at which no output stands.
    fn boundary(&mut self, agent: usize) -> usize {
        let history = &self.agents[agent].history;
        let starts: Vec<_> = (0..history.len()).filter(|at| !matches!(history[*at], Entry::Output { .. })).collect();
        starts[self.rng.below(starts.len())]
    }

    fn record_compaction(&mut self, agent: usize, before: &[Entry]) {
        if self.settings.api.shape != Shape::Responses {
            return;
        }
        let id = format!("compaction{}", self.next());
        let after = &self.agents[agent].history;
        let items = |entries: &[Entry]| self.settings.api.items(entries);
        let checkpoint = json!({ "input_history": items(before), "replacement_history": items(after) });
        self.truth.compactions.insert(id.clone(), [tokens(before), tokens(after)]);
        let body = self.case.body("compaction_checkpoint", checkpoint);
        self.record(agent, json!({ "type": "compaction_installed", "compaction_id": id, "checkpoint_payload": body }));
    }
}

fn answer(text: Option<String>, calls: &[Call]) -> Entry {
    let text = text.or_else(|| calls.is_empty().then(|| "done".to_owned()));
    Entry::Answer { text, calls: calls.to_vec() }
}
