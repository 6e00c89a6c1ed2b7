//! Random programs of plain spans: they are opened below each other, entered, recorded in, held and closed in any order, and
//! the recording ends at any time. Whatever they do, each operation starts once and ends once, inside of what encloses it.

use std::collections::BTreeMap;

use otel_trace::{Operation, SpanExt};
use proptest::prelude::*;
use serde_json::{Value, json};
use tracing::field::Empty;
use tracing::{Level, Span, error, event, info_span};

use crate::common::{Bundle, bundles, graph, recorder, run_recorded};

/// What a program does next. Numbers select one of the spans that are open.
#[derive(Debug, Clone)]
enum Step {
    /// Opens a span below another one, or a root span.
    Open {
        kind: Kind,
        below: Option<usize>,
        is_complete: bool,
    },
    Enter(usize),
    Exit(usize),
    /// Records the fields that a span of its kind starts with.
    Name(usize),
    /// Records an answer or a result.
    Answer(usize),
    /// Records an error.
    Fail(usize),
    /// Emits an error event, or one for the run, inside of the span.
    Event(usize, bool),
    /// Holds a clone of the span, which outlives it.
    Hold(usize),
    Close(usize),
    /// Ends the operation of the span, which stays open.
    End(usize),
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Plain,
    Thread,
    Turn,
    Agent,
    Workflow,
    Call,
    Tool,
    Cell,
    Compaction,
}

const KINDS: [Kind; 9] = [
    Kind::Plain,
    Kind::Thread,
    Kind::Turn,
    Kind::Agent,
    Kind::Workflow,
    Kind::Call,
    Kind::Tool,
    Kind::Cell,
    Kind::Compaction,
];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let open = (0..KINDS.len(), prop::option::weighted(0.9, 0..8_usize), any::<bool>());
    let open = open.prop_map(|(kind, below, is_complete)| Step::Open { kind: KINDS[kind], below, is_complete });
    let span = 0..8_usize;
    let step = prop_oneof![
        6 => open,
        3 => span.clone().prop_map(Step::Enter),
        3 => span.clone().prop_map(Step::Exit),
        1 => span.clone().prop_map(Step::Name),
        2 => span.clone().prop_map(Step::Answer),
        1 => span.clone().prop_map(Step::Fail),
        1 => (span.clone(), any::<bool>()).prop_map(|(span, is_error)| Step::Event(span, is_error)),
        1 => span.clone().prop_map(Step::Hold),
        3 => span.clone().prop_map(Step::Close),
        1 => span.prop_map(Step::End),
    ];
    prop::collection::vec(step, 0..40)
}

/// Opens a span. One that is not complete gets its name and ids later, or never.
fn open(kind: Kind, parent: &Span, number: usize, is_complete: bool) -> Span {
    let now = |value: String| is_complete.then_some(value);
    // Several tool calls may have one id, as providers number them, but no two scripts.
    let call = if matches!(kind, Kind::Cell) { number } else { number % 3 };
    let (id, name) = (now(format!("c{call}")), now(format!("agent {}", number % 2)));
    let (operation, kind) = match kind {
        Kind::Plain => (None, None),
        Kind::Thread => (None, Some("thread")),
        Kind::Turn => (None, Some("turn")),
        Kind::Agent => (Some("invoke_agent"), None),
        Kind::Workflow => (Some("invoke_workflow"), None),
        Kind::Call => (Some("chat"), None),
        Kind::Tool => (Some("execute_tool"), None),
        Kind::Cell => (None, Some("code_cell")),
        Kind::Compaction => (None, Some("compaction")),
    };
    info_span!(parent: parent, "span", otel_trace.kind = kind, gen_ai.operation.name = operation,
        gen_ai.agent.name = name, gen_ai.tool.name = now("look".to_owned()), gen_ai.tool.call.id = id,
        gen_ai.request.model = now("m".to_owned()), gen_ai.provider.name = now("p".to_owned()),
        gen_ai.input.messages = now(json!([{ "role": "user", "parts": [] }]).to_string()),
        gen_ai.output.messages = Empty, gen_ai.tool.call.result = Empty, error.type = Empty)
}

/// Runs a program. Returns the spans that are open at its end.
fn run(steps: Vec<Step>) -> Vec<Span> {
    let (mut open_spans, mut held) = (Vec::<Span>::new(), Vec::new());
    for (number, step) in steps.into_iter().enumerate() {
        let find = |index: usize| (!open_spans.is_empty()).then(|| open_spans[index % open_spans.len()].clone());
        let enter = |span: &Span| span.with_subscriber(|(id, subscriber)| subscriber.enter(id)).unwrap_or_default();
        let exit = |span: &Span| span.with_subscriber(|(id, subscriber)| subscriber.exit(id)).unwrap_or_default();
        match step {
            Step::Open { kind, below, is_complete } => {
                let parent = below.and_then(find).unwrap_or_else(Span::none);
                open_spans.push(open(kind, &parent, number, is_complete));
            }
            Step::Enter(index) => find(index).iter().for_each(enter),
            Step::Exit(index) => find(index).iter().for_each(exit),
            Step::Name(index) => find(index).iter().for_each(|span| {
                span.record("gen_ai.tool.name", "late").record("gen_ai.tool.call.id", "late");
                span.record("gen_ai.request.model", "late").record("gen_ai.agent.name", "late");
            }),
            Step::Answer(index) => find(index).iter().for_each(|span| {
                let answer = json!([{ "role": "assistant", "parts": [{ "type": "text", "content": "a" }] }]);
                span.record("gen_ai.output.messages", answer.to_string()).record("gen_ai.tool.call.result", "r");
            }),
            Step::Fail(index) => find(index).iter().for_each(|span| {
                span.record("error.type", "defect");
            }),
            Step::Event(index, true) => find(index).iter().for_each(|span| span.in_scope(|| error!(error = "broken"))),
            Step::Event(index, false) => find(index).iter().for_each(|span| {
                span.in_scope(|| event!(target: "otel_trace", Level::INFO, otel_trace.event = "other"));
            }),
            Step::Hold(index) => held.extend(find(index)),
            Step::Close(index) => {
                if !open_spans.is_empty() {
                    open_spans.swap_remove(index % open_spans.len());
                }
            }
            Step::End(index) => find(index).iter().for_each(|span| span.otel_trace().complete()),
        }
    }
    open_spans.append(&mut held);
    open_spans
}

/// The start and the end of an operation in the log: the index of the line, and the turn and thread of the operation.
#[derive(Debug, Default)]
struct Life {
    started: Option<usize>,
    ended: Option<usize>,
    turn: Option<String>,
    thread: Option<String>,
}

/// The members of events that name an operation, with the names of its events.
const OPERATIONS: [(&str, &str, &[&str]); 6] = [
    ("thread_id", "thread_started", &["thread_ended"]),
    ("codex_turn_id", "codex_turn_started", &["codex_turn_ended"]),
    ("inference_call_id", "inference_started", &["inference_completed", "inference_failed", "inference_cancelled"]),
    ("tool_call_id", "tool_call_started", &["tool_call_ended"]),
    ("runtime_cell_id", "code_cell_started", &["code_cell_ended"]),
    (
        "compaction_request_id",
        "compaction_request_started",
        &["compaction_request_completed", "compaction_request_failed"],
    ),
];

/// Returns the operations of a log by kind and id, and asserts that each starts once and ends once, later.
fn lives(bundle: &Bundle) -> BTreeMap<(&'static str, String), Life> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let mut lives = BTreeMap::<_, Life>::new();
    for (index, line) in bundle.lines.iter().enumerate() {
        let event = line["payload"]["type"].as_str().unwrap();
        for (id, start, ends) in OPERATIONS {
            let is_end = ends.contains(&event);
            if event != start && !is_end {
                continue;
            }
            let life = lives.entry((id, text(&line["payload"][id]).unwrap())).or_default();
            let place = if is_end { &mut life.ended } else { &mut life.started };
            assert_eq!(place.replace(index), None, "{event} twice");
            if !is_end {
                (life.turn, life.thread) = (text(&line["codex_turn_id"]), text(&line["thread_id"]));
            }
        }
    }
    for (id, life) in &lives {
        assert!(life.started.is_some() && life.started < life.ended, "{id:?}: {life:?}");
    }
    lives
}

/// Asserts that operations lie inside of what encloses them: they start later, and those that the shutdown ended had ended
/// before.
fn check_nesting(bundle: &Bundle) {
    let lives = lives(bundle);
    let is_shut_down = |life: &Life| bundle.lines[life.ended.unwrap()]["payload"]["ended_by"] == "shutdown";
    for ((kind, id), life) in &lives {
        let turn = life.turn.clone().filter(|_| *kind != "codex_turn_id").map(|turn| ("codex_turn_id", turn));
        let thread = life.thread.clone().filter(|_| *kind != "thread_id").map(|thread| ("thread_id", thread));
        for enclosing in turn.into_iter().chain(thread) {
            let around = &lives[&enclosing];
            assert!(around.started < life.started, "{kind} {id} starts before {enclosing:?}");
            if is_shut_down(life) && is_shut_down(around) {
                assert!(life.ended < around.ended, "{kind} {id} ends after {enclosing:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn operations_start_once_and_end_once_inside_of_each_other(steps in steps(), is_shut_down in any::<bool>()) {
        let (root, recorder, guard) = recorder();
        run_recorded(&recorder, || {
            let open = run(steps);
            if is_shut_down {
                drop(guard);
                drop(open);
            } else {
                drop(open);
                drop(guard);
            }
        });
        for bundle in bundles(root.path()) {
            check_nesting(&bundle);
            graph(&bundle.path);
        }
    }
}
