//! Generated sessions with reused call ids.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use super::reuse_model::ListKind;
use crate::case::Case;

/// An entry of a conversation.
#[derive(Debug, Clone)]
enum Entry {
    User(String),
    Text(String),
    /// The calls of one response.
    Calls(Vec<Asked>),
    Output {
        id: String,
        text: String,
    },
}

/// A call that a response asks for.
#[derive(Debug, Clone)]
struct Asked {
    id: String,
    name: &'static str,
    /// A text that no other call has. The output of the call contains it.
    token: String,
    /// What the arguments contain: the token, unless all calls are equal.
    at: String,
    /// `true` if the program has changed the spelling of the arguments.
    is_rewritten: bool,
}

impl Asked {
    fn arguments(&self) -> String {
        let number = if self.is_rewritten { json!("1") } else { json!(1) };
        json!({ "at": self.at, "lines": number }).to_string()
    }
}

/// The end of an inference call.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Complete,
    /// It fails behind the calls, and the program drops them.
    FailAndDrop,
    /// It fails behind the calls, and the program continues with them.
    FailAndKeep,
    /// It completes, and its response is recorded without content.
    Unrecorded,
}

/// The time at which the tool of a call starts.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Run {
    BeforeTheResponse,
    AfterTheResponse,
    /// The program answers the call without a tool.
    Never,
}

/// The next action of an agent.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Round(Round),
    /// Adds a message of the user.
    Say,
    /// Sends a request outside the conversation.
    Title,
    /// Continues from an earlier message of the user.
    Rewind(Index),
    /// Drops the start of the history.
    Window(Index),
    /// Replaces the start of the history by a summary.
    Compact(Index),
    /// Ends the turn and starts another.
    Turn,
}

/// A request with its response and the tools that it asks for.
#[derive(Debug, Clone)]
pub(crate) struct Round {
    /// Call id, and time of the tool, of each call.
    calls: Vec<(usize, Run)>,
    is_full: bool,
    end: End,
    is_rewritten: bool,
    /// Where the calls of the tools are rotated, if no two of them have one id.
    rotation: Index,
}

/// What may happen in a session.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Evidence {
    /// Everything is recorded, and each call is answered before its history is dropped.
    Complete,
    Any,
}

fn round(evidence: Evidence) -> impl Strategy<Value = Step> {
    let run = prop_oneof![4 => Just(Run::AfterTheResponse), 2 => Just(Run::BeforeTheResponse), 1 => Just(Run::Never)];
    let unrecorded = u32::from(evidence == Evidence::Any);
    let end = prop_oneof![
        8 => Just(End::Complete),
        1 => Just(End::FailAndDrop),
        1 => Just(End::FailAndKeep),
        unrecorded => Just(End::Unrecorded)
    ];
    let calls = prop::collection::vec((0..4_usize, run), 0..4);
    let round = (calls, any::<bool>(), end, prop::bool::weighted(0.2), any::<Index>());
    round.prop_map(|(calls, is_full, end, is_rewritten, rotation)| {
        Step::Round(Round { calls, is_full, end, is_rewritten, rotation })
    })
}

pub(crate) fn step(evidence: Evidence) -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => round(evidence),
        1 => Just(Step::Say),
        1 => Just(Step::Title),
        1 => any::<Index>().prop_map(Step::Rewind),
        1 => any::<Index>().prop_map(Step::Window),
        1 => any::<Index>().prop_map(Step::Compact),
        1 => Just(Step::Turn),
    ]
}

/// The shape of the bodies of a session.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    Responses,
    Chat,
}

/// The settings of a session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    evidence: Evidence,
    shape: Shape,
    /// `true` if all calls of one tool are equal.
    has_equal_calls: bool,
}

pub(crate) fn settings(
    evidence: Evidence,
    has_equal_calls: impl Strategy<Value = bool>,
) -> impl Strategy<Value = Settings> {
    let shape = prop_oneof![Just(Shape::Responses), Just(Shape::Chat)];
    (shape, has_equal_calls).prop_map(move |(shape, has_equal_calls)| Settings { evidence, shape, has_equal_calls })
}

/// An agent of a session.
struct Agent {
    thread: String,
    turn: String,
    history: Vec<Entry>,
    /// Number of entries up to the last response, and the id of the response, if a request may continue it.
    continues: Option<(usize, String)>,
}

/// A session while it is recorded.
pub(crate) struct Session {
    pub(crate) case: Case,
    settings: Settings,
    agents: Vec<Agent>,
    count: usize,
    /// Ids of responses that were recorded without content.
    unrecorded: BTreeSet<String>,
    pub(crate) kinds: BTreeMap<String, ListKind>,
    /// Token of the call that each tool runs.
    pub(crate) tokens: BTreeMap<String, String>,
}

impl Session {
    pub(crate) fn record(settings: Settings, steps: &[(usize, Step)]) -> Self {
        let mut case = Case::new();
        case.thread("t2", "/root/w");
        let agent = |thread: &str| Agent {
            thread: thread.to_owned(),
            turn: format!("{thread}-turn"),
            history: vec![Entry::User(format!("begin in {thread}"))],
            continues: None,
        };
        let agents = vec![agent("t"), agent("t2")];
        agents.iter().for_each(|agent| case.turn(&agent.turn, &agent.thread));
        let (unrecorded, kinds, tokens) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        let mut session = Self { case, settings, agents, count: 0, unrecorded, kinds, tokens };
        for (agent, step) in steps {
            session.step(*agent, step);
        }
        (0..session.agents.len()).for_each(|agent| session.answer(agent));
        session
    }

    fn next(&mut self) -> usize {
        self.count += 1;
        self.count
    }

    fn step(&mut self, agent: usize, step: &Step) {
        let drops_history = matches!(step, Step::Rewind(_) | Step::Window(_) | Step::Compact(_));
        if drops_history && self.settings.evidence == Evidence::Complete {
            self.answer(agent);
        }
        match step {
            Step::Round(round) => self.round(agent, round),
            Step::Say => {
                let text = format!("say {}", self.next());
                self.agents[agent].history.push(Entry::User(text));
            }
            Step::Title => {
                let inference = format!("title{}", self.next());
                let body = self.request(&[Entry::User(inference.clone())], None);
                self.start(agent, &inference, body);
                self.end(agent, &inference, &[Entry::Text("a title".to_owned())], End::Complete);
            }
            Step::Rewind(to) => {
                let text = format!("instead {}", self.next());
                let Agent { history, continues, .. } = &mut self.agents[agent];
                let is_user = |at: &usize| matches!(history[*at], Entry::User(_));
                let users: Vec<_> = (0..history.len()).filter(is_user).collect();
                history.truncate(if users.is_empty() { 0 } else { users[to.index(users.len())] });
                history.push(Entry::User(text));
                *continues = None;
            }
            Step::Window(from) => {
                let Agent { history, continues, .. } = &mut self.agents[agent];
                history.drain(..start(history, *from));
                *continues = None;
            }
            Step::Compact(from) => self.compact(agent, *from),
            Step::Turn => {
                let turn = format!("turn{}", self.next());
                let Agent { thread, turn: current, .. } = &mut self.agents[agent];
                self.case.end_turn(current, "completed");
                self.case.turn(&turn, thread);
                *current = turn;
            }
        }
    }

    fn round(&mut self, agent: usize, round: &Round) {
        let inference = self.ask(agent, round.is_full);
        let n = self.next();
        let equal = self.settings.has_equal_calls;
        let asked = |(at, (id, _)): (usize, &(usize, Run))| Asked {
            id: if *id == 3 { format!("only-{n}-{at}") } else { format!("look:{id}") },
            name: if *id == 1 { "write" } else { "look" },
            token: format!("{n}-{at}"),
            at: if equal { "here".to_owned() } else { format!("{n}-{at}") },
            is_rewritten: false,
        };
        let asked: Vec<Asked> = round.calls.iter().enumerate().map(asked).collect();
        let runs = runs(&asked, round);
        let run_at = |session: &mut Self, time: Run| {
            for (asked, _) in runs.iter().filter(|(_, run)| *run == time) {
                session.run(agent, asked);
            }
        };
        run_at(self, Run::BeforeTheResponse);
        let mut entries = vec![Entry::Text(format!("text {n}"))];
        entries.extend((!asked.is_empty()).then(|| Entry::Calls(asked.clone())));
        self.end(agent, &inference, &entries, round.end);
        if round.end == End::FailAndDrop {
            return;
        }
        run_at(self, Run::AfterTheResponse);
        if let Some(Entry::Calls(calls)) = entries.get_mut(1) {
            calls.iter_mut().for_each(|call| call.is_rewritten = round.is_rewritten);
        }
        let Agent { history, continues, .. } = &mut self.agents[agent];
        history.extend(entries);
        let may_continue = round.end != End::FailAndKeep && !round.is_rewritten;
        let may_continue = may_continue && self.settings.shape == Shape::Responses;
        *continues = may_continue.then(|| (history.len(), format!("resp-{inference}")));
        history
            .extend(asked.into_iter().map(|Asked { id, token, .. }| Entry::Output { id, text: format!("of {token}") }));
    }

    /// Records a request and a response without calls, after which each call of the agent is answered.
    fn answer(&mut self, agent: usize) {
        let inference = self.ask(agent, true);
        let text = Entry::Text(format!("text {}", self.next()));
        self.end(agent, &inference, std::slice::from_ref(&text), End::Complete);
        let Agent { history, continues, .. } = &mut self.agents[agent];
        history.push(text);
        *continues = None;
    }

    /// Records a request with the whole history, or with what follows the last response. Returns the inference call's
    /// id.
    fn ask(&mut self, agent: usize, is_full: bool) -> String {
        let inference = format!("call{}", self.next());
        let Agent { history, continues, .. } = &self.agents[agent];
        let (kind, body) = match continues.as_ref().filter(|_| !is_full) {
            Some((from, response)) => {
                let is_known = !self.unrecorded.contains(response);
                (ListKind::Continuation { is_known }, self.request(&history[*from..], Some(response)))
            }
            None => (ListKind::Request, self.request(history, None)),
        };
        self.kinds.insert(inference.clone(), kind);
        self.start(agent, &inference, body);
        inference
    }

    fn start(&mut self, agent: usize, inference: &str, body: Value) {
        let Agent { thread, turn, .. } = &self.agents[agent];
        self.case.request_in(inference, thread, turn, body);
    }

    /// Records the end of an inference call. Its response id is `resp-<inference call>`.
    fn end(&mut self, agent: usize, inference: &str, response: &[Entry], end: End) {
        let id = format!("resp-{inference}");
        let body = match (end, self.settings.shape) {
            (End::Unrecorded, _) => json!({}),
            (_, Shape::Responses) => json!({ "output_items": items(response) }),
            (_, Shape::Chat) => json!({ "choices": [{ "index": 0, "message": messages(response)[0] }] }),
        };
        let body = self.case.body("inference_response", body);
        let event = match end {
            End::Complete | End::Unrecorded => json!({
                "type": "inference_completed", "inference_call_id": inference, "response_id": id, "response_payload": body,
            }),
            End::FailAndDrop | End::FailAndKeep => json!({
                "type": "inference_failed", "inference_call_id": inference, "error": "cut",
                "partial_response_payload": body,
            }),
        };
        if end == End::Unrecorded {
            self.unrecorded.insert(id);
        }
        let Agent { thread, turn, .. } = &self.agents[agent];
        self.case.event_in(json!(thread), json!(turn), event);
    }

    /// Records the start of the tool that runs a call.
    fn run(&mut self, agent: usize, asked: &Asked) {
        let id = format!("tool-{}", asked.token);
        let Agent { thread, turn, .. } = &self.agents[agent];
        let event = json!({
            "type": "tool_call_started", "tool_call_id": id, "model_visible_call_id": asked.id,
            "requester": { "type": "model" }, "kind": { "type": "web" },
            "summary": { "type": "generic", "label": asked.name },
        });
        self.case.event_in(json!(thread), json!(turn), event);
        self.tokens.insert(id, asked.token.clone());
    }

    fn compact(&mut self, agent: usize, from: Index) {
        let n = self.next();
        let Agent { thread, turn, history, continues } = &mut self.agents[agent];
        let before = items(history);
        history.splice(..start(history, from), [Entry::User(format!("summary {n}"))]);
        *continues = None;
        if self.settings.shape == Shape::Responses {
            let checkpoint = json!({ "input_history": before, "replacement_history": items(history) });
            let body = self.case.body("compaction_checkpoint", checkpoint);
            let event =
                json!({ "type": "compaction_installed", "compaction_id": n.to_string(), "checkpoint_payload": body });
            self.case.event_in(json!(thread), json!(turn), event);
        }
    }

    /// Returns the body of a request.
    fn request(&self, entries: &[Entry], previous: Option<&String>) -> Value {
        match self.settings.shape {
            Shape::Responses => json!({ "input": items(entries), "previous_response_id": previous }),
            Shape::Chat => json!({ "messages": messages(entries) }),
        }
    }
}

/// Returns the calls of a round with the times of their tools, in the order of the tools. Tools with one id start
/// together, in the order of their calls.
fn runs(asked: &[Asked], round: &Round) -> Vec<(Asked, Run)> {
    let first = |id: &str| asked.iter().position(|other| other.id == id).unwrap_or_default();
    let run = |asked: &Asked| (asked.clone(), round.calls[first(&asked.id)].1);
    let mut runs: Vec<_> = asked.iter().map(run).collect();
    let ids: BTreeSet<_> = asked.iter().map(|asked| &asked.id).collect();
    if ids.len() == asked.len() {
        runs.rotate_left(round.rotation.index(asked.len() + 1));
    }
    runs
}

/// Returns a position of a history at which no output stands.
fn start(history: &[Entry], at: Index) -> usize {
    let is_start = |at: &usize| !matches!(history[*at], Entry::Output { .. });
    let starts: Vec<_> = (0..history.len()).filter(is_start).collect();
    if starts.is_empty() { 0 } else { starts[at.index(starts.len())] }
}

/// Returns entries as items of the Responses API.
fn items(entries: &[Entry]) -> Vec<Value> {
    let message = |role: &str, text: &str| json!({ "type": "message", "role": role, "content": text });
    let item = |entry: &Entry| match entry {
        Entry::User(text) => vec![message("user", text)],
        Entry::Text(text) => vec![message("assistant", text)],
        Entry::Calls(calls) => {
            let call = |call: &Asked| {
                let Asked { id, name, .. } = call;
                json!({ "type": "function_call", "call_id": id, "name": name, "arguments": call.arguments() })
            };
            calls.iter().map(call).collect()
        }
        Entry::Output { id, text } => vec![json!({ "type": "function_call_output", "call_id": id, "output": text })],
    };
    entries.iter().flat_map(item).collect()
}

/// Returns entries as messages of Chat Completions. A text and the calls behind it are one message.
fn messages(entries: &[Entry]) -> Vec<Value> {
    let mut messages: Vec<Value> = Vec::new();
    for entry in entries {
        match entry {
            Entry::User(text) => messages.push(json!({ "role": "user", "content": text })),
            Entry::Text(text) => messages.push(json!({ "role": "assistant", "content": text })),
            Entry::Calls(calls) => {
                let call = |call: &Asked| json!({ "id": call.id, "type": "function", "function": { "name": call.name, "arguments": call.arguments() } });
                let calls: Vec<_> = calls.iter().map(call).collect();
                match messages.last_mut().filter(|last| last["role"] == "assistant" && last.get("tool_calls").is_none())
                {
                    Some(last) => last["tool_calls"] = json!(calls),
                    None => messages.push(json!({ "role": "assistant", "content": null, "tool_calls": calls })),
                }
            }
            Entry::Output { id, text } => {
                messages.push(json!({ "role": "tool", "tool_call_id": id, "content": text }));
            }
        }
    }
    messages
}
