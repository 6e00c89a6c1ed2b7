//! Tests of spans that stand in no thread or turn of their own: which agent's thread, and which turn, they belong to.

use std::fs::DirEntry;
use std::path::Path;
use std::time::Duration;

use otel_trace::event::ExecutionStatus;
use otel_trace::graph::{Graph, Origin};
use otel_trace::{AgentThread, Bounds, Json, Limits, Operation, PayloadKind, Recorder, SpanExt, ThreadMeta};
use serde_json::{Value, json};
use tracing::field::Empty;
use tracing::{Span, info_span};

use crate::common::{Bundle, bundles, graph as reduced, recorder, run_recorded, wait_until};

/// Records a program and reduces its only bundle.
pub(crate) fn graph(program: impl FnOnce()) -> Graph {
    let (root, recorder, guard) = recorder();
    run_recorded(&recorder, program);
    drop(guard);
    assert_eq!(recorder.stats().lost(), 0);
    let bundles = bundles(root.path());
    assert_eq!(bundles.len(), 1);
    reduced(&bundles[0].path)
}

pub(crate) fn message(role: &str, text: &str) -> Value {
    json!({"role": role, "parts": [{"type": "text", "content": text}]})
}

/// Records a call of a model by an agent, with its request and its answer.
pub(crate) fn ask(agent: Option<&str>, request: &[Value], answer: &Value) {
    let span = info_span!(
        "chat",
        gen_ai.operation.name = "chat",
        gen_ai.agent.name = agent,
        gen_ai.request.model = "m",
        gen_ai.input.messages = json!(request).to_string(),
        gen_ai.output.messages = Empty,
    );
    span.in_scope(|| span.record("gen_ai.output.messages", json!([answer]).to_string()));
}

/// Opens the span of an agent's run.
pub(crate) fn agent(name: &str) -> Span {
    info_span!("invoke_agent", gen_ai.operation.name = "invoke_agent", gen_ai.agent.name = name)
}

/// Returns each thread with its agent's name, that of its parent, and the number of its turns and calls of models.
pub(crate) fn threads(graph: &Graph) -> Vec<(&str, &str, usize, usize)> {
    let name = |id| graph.threads.get(id).and_then(|thread| thread.nickname.as_deref()).unwrap_or("-");
    let threads = graph.threads.iter().map(|thread| {
        let parent = match &thread.origin {
            Origin::Spawned { parent_thread_id, .. } => name(parent_thread_id),
            Origin::Root => "",
        };
        let turns = graph.turns.iter().filter(|turn| turn.thread_id == thread.thread_id).count();
        let calls = graph.inference_calls.iter().filter(|call| call.thread_id == thread.thread_id).count();
        (name(&thread.thread_id), parent, turns, calls)
    });
    threads.collect()
}

#[test]
fn agents_below_one_span_have_a_thread_each() {
    let graph = graph(|| {
        info_span!("request").in_scope(|| {
            for name in ["planner", "coder", "planner", "coder", "reviewer"] {
                agent(name).in_scope(|| {
                    ask(Some(name), &[message("user", "go")], &message("assistant", "done"));
                });
            }
        });
    });
    assert_eq!(threads(&graph), [("planner", "", 2, 2), ("coder", "planner", 2, 2), ("reviewer", "planner", 1, 1)]);
    assert!(graph.threads.iter().all(|thread| thread.execution.status == ExecutionStatus::Completed));
    assert!(graph.diagnostics.is_empty(), "{:?}", graph.diagnostics);
}

#[test]
fn calls_that_name_their_agents_have_a_thread_for_each() {
    let graph = graph(|| {
        info_span!("request").in_scope(|| {
            for name in ["planner", "coder", "planner"] {
                ask(Some(name), &[message("user", name)], &message("assistant", "done"));
            }
        });
    });
    assert_eq!(threads(&graph), [("planner", "", 2, 2), ("coder", "planner", 1, 1)]);
}

#[test]
fn agent_directly_inside_another_has_a_thread() {
    let graph = graph(|| {
        agent("boss").in_scope(|| {
            ask(Some("boss"), &[message("user", "go")], &message("assistant", "I ask"));
            agent("helper").in_scope(|| {
                ask(Some("helper"), &[message("user", "help")], &message("assistant", "done"));
                let tool = info_span!(
                    "execute_tool",
                    gen_ai.operation.name = "execute_tool",
                    gen_ai.tool.name = "look",
                    gen_ai.tool.call.result = "r",
                );
                tool.in_scope(|| {});
            });
            // The same agent again, by a span that only repeats its name.
            agent("boss").in_scope(|| ask(Some("boss"), &[message("user", "go")], &message("assistant", "so")));
        });
    });
    assert_eq!(threads(&graph), [("boss", "", 1, 2), ("helper", "boss", 1, 1)]);
    let helper = graph.threads.iter().nth(1).unwrap();
    assert_eq!(graph.tool_calls.iter().next().unwrap().thread_id, helper.thread_id);
}

#[test]
fn joined_agents_keep_to_their_threads() {
    let graph = graph(|| {
        let request = info_span!("request");
        let spans = request.in_scope(|| ["a", "b"].map(agent));
        for round in 0..2 {
            for (span, name) in spans.iter().zip(["a", "b"]) {
                span.in_scope(|| ask(Some(name), &[message("user", &format!("{round}"))], &message("assistant", "x")));
            }
        }
        drop(spans);
        drop(request);
    });
    assert_eq!(threads(&graph), [("a", "", 1, 2), ("b", "a", 1, 2)]);
}

/// Asks a model of this name in the span of an agent that other runs may interrupt: begins the call, and returns what ends it.
fn begin_call(span: &Span, model: &str) -> impl FnOnce() + use<> {
    let chat = span.in_scope(|| {
        info_span!(
            "chat",
            gen_ai.operation.name = "chat",
            gen_ai.request.model = model,
            gen_ai.input.messages = json!([message("user", model)]).to_string(),
            gen_ai.output.messages = Empty
        )
    });
    chat.in_scope(|| {});
    move || {
        let answer = json!([message("assistant", "done")]).to_string();
        chat.in_scope(|| chat.record("gen_ai.output.messages", answer));
    }
}

/// Runs an agent three times at once, and a fourth time when these are over, and asserts that each run of the three has a
/// thread.
#[track_caller]
fn check_runs_at_the_same_time(around: impl FnOnce() -> Span, run: impl Fn() -> Span) {
    let graph = graph(|| {
        around().in_scope(|| {
            let spans = [(); 3].map(|()| run());
            let [first, second, third] = &spans;
            let ends = [begin_call(first, "a"), begin_call(second, "b"), begin_call(third, "c")];
            ends.into_iter().for_each(|end| end());
            begin_call(second, "b2")();
            drop(spans);
            let last = run();
            begin_call(&last, "d")();
        });
    });
    let models = graph.threads.iter().map(|thread| {
        let calls = graph.inference_calls.iter().filter(|call| call.thread_id == thread.thread_id);
        calls.map(|call| call.model.as_ref()).collect::<Vec<&str>>()
    });
    let models: Vec<_> = models.filter(|models| !models.is_empty()).collect();
    assert_eq!(models, [vec!["a", "d"], vec!["b", "b2"], vec!["c"]]);
}

#[test]
fn runs_of_one_agent_at_the_same_time_have_a_thread_each() {
    let workflow = || info_span!("invoke_workflow", gen_ai.operation.name = "invoke_workflow");
    check_runs_at_the_same_time(|| info_span!("request"), || agent("researcher"));
    check_runs_at_the_same_time(workflow, || agent("researcher"));
    check_runs_at_the_same_time(
        || info_span!("request"),
        || info_span!("invoke_agent", gen_ai.operation.name = "invoke_agent"),
    );
}

#[test]
fn runs_at_the_same_time_of_one_conversation_share_its_thread() {
    let graph = graph(|| {
        let open = || {
            info_span!(
                "invoke_agent",
                gen_ai.operation.name = "invoke_agent",
                gen_ai.agent.name = "bot",
                gen_ai.conversation.id = "user 7"
            )
        };
        let spans = [open(), open()];
        let ends = [begin_call(&spans[0], "a"), begin_call(&spans[1], "b")];
        ends.into_iter().for_each(|end| end());
    });
    assert_eq!(threads(&graph), [("bot", "", 2, 2)]);
}

#[test]
fn agent_whose_span_stays_open_after_its_answer_is_over() {
    let call_without_content = |span: &Span| {
        let chat = info_span!(parent: span, "chat", gen_ai.operation.name = "chat", gen_ai.request.model = "m",
            gen_ai.usage.output_tokens = 3);
        chat.in_scope(|| {});
    };
    let call_with_content = |span: &Span| begin_call(span, "m")();
    let calls: [&dyn Fn(&Span); 2] = [&call_with_content, &call_without_content];
    for call in calls {
        let graph = graph(|| {
            // A connection pool holds the span of the first run.
            let request = info_span!("request");
            let spans = request.in_scope(|| [agent("bot"), agent("bot")]);
            spans.iter().for_each(call);
        });
        assert_eq!(threads(&graph), [("bot", "", 2, 2)]);
    }
}

#[test]
fn agent_that_waits_for_a_tool_or_after_a_failure_is_at_work() {
    let ask_for_tool = |span: &Span| {
        span.in_scope(|| ask(Some("bot"), &[message("user", "go")], &request_tools(&["call_1"])));
    };
    let fail = |span: &Span| {
        let chat = info_span!(parent: span, "chat", gen_ai.operation.name = "chat", gen_ai.request.model = "m",
            error.type = "429");
        chat.in_scope(|| {});
    };
    let calls: [&dyn Fn(&Span); 2] = [&ask_for_tool, &fail];
    for call in calls {
        let graph = graph(|| {
            let request = info_span!("request");
            let spans = request.in_scope(|| [agent("bot"), agent("bot")]);
            spans.iter().for_each(call);
        });
        assert_eq!(threads(&graph), [("bot", "", 1, 1), ("bot", "bot", 1, 1)]);
    }
}

#[test]
fn agent_that_a_framework_has_named_for_want_of_a_name_is_that_of_its_span() {
    let graph = graph(|| {
        agent("coder").in_scope(|| ask(Some("Unnamed Agent"), &[message("user", "go")], &message("assistant", "done")));
    });
    assert_eq!(threads(&graph), [("coder", "", 1, 1)]);
}

#[test]
fn threads_of_handles_stay_those_of_their_agents() {
    let graph = graph(|| {
        let thread = AgentThread::start(ThreadMeta::new().agent_name("coder"));
        let turn = thread.turn(None);
        turn.span().in_scope(|| {
            ask(Some("rig agent"), &[message("user", "go")], &message("assistant", "done"));
            agent("rig agent").in_scope(|| ask(None, &[message("user", "go")], &message("assistant", "done")));
        });
        turn.complete();
        thread.complete();
    });
    assert_eq!(threads(&graph), [("coder", "", 1, 2)]);
}

#[test]
fn each_question_of_a_conversation_below_one_span_is_a_turn() {
    let call =
        json!({"role": "assistant", "parts": [{"type": "tool_call", "id": "c", "name": "look", "arguments": {}}]});
    let output = json!({"role": "user", "parts": [{"type": "tool_call_response", "id": "c", "result": "r"}]});
    let graph = graph(|| {
        info_span!("chat loop").in_scope(|| {
            let mut history = vec![message("user", "first")];
            ask(None, &history, &call);
            history.extend([call.clone(), output]);
            ask(None, &history, &message("assistant", "found"));
            history.extend([message("assistant", "found"), message("user", "second")]);
            ask(None, &history, &message("assistant", "so"));
            history.extend([message("assistant", "so"), message("user", "third")]);
            ask(None, &history, &message("assistant", "bye"));
        });
    });
    assert_eq!(threads(&graph), [("-", "", 3, 4)]);
    let calls: Vec<_> = graph
        .turns
        .iter()
        .map(|turn| graph.inference_calls.iter().filter(|call| call.turn_id == turn.turn_id).count())
        .collect();
    assert_eq!(calls, [2, 1, 1]);
    assert!(graph.turns.iter().all(|turn| turn.execution.status == ExecutionStatus::Completed));
    // Each turn has the question that the user asked in it.
    assert!(graph.turns.iter().all(|turn| turn.input_item_ids.len() == 1), "{:?}", graph.turns);
}

#[test]
fn questions_in_recorded_bodies_begin_turns_too() {
    let graph = graph(|| {
        info_span!("chat loop").in_scope(|| {
            let mut input = Vec::new();
            for question in ["first", "second"] {
                input.push(json!({"role": "user", "content": question}));
                let span = info_span!("chat", gen_ai.operation.name = "chat", gen_ai.request.model = "m");
                let answer = json!({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": question}]});
                span.otel_trace().record_payload(PayloadKind::InferenceRequest, Json(&json!({ "input": input })));
                span.otel_trace().record_payload(PayloadKind::InferenceResponse, Json(&json!({"id": question, "output": [answer]})));
                input.push(answer);
            }
        });
    });
    assert_eq!(threads(&graph), [("-", "", 2, 2)]);
}

#[test]
fn retries_and_calls_beside_an_open_one_stay_in_their_turn() {
    let graph = graph(|| {
        info_span!("request").in_scope(|| {
            let question = [message("user", "q")];
            // A retry of a call that failed.
            let failed = info_span!("chat", gen_ai.operation.name = "chat", gen_ai.input.messages = json!(question).to_string(), error.type = "429");
            failed.in_scope(|| {});
            drop(failed);
            // A title, asked for while the answer is on its way.
            let open = info_span!("chat", gen_ai.operation.name = "chat", gen_ai.input.messages = json!(question).to_string(), gen_ai.output.messages = Empty);
            open.in_scope(|| {
                ask(None, &[message("user", "title")], &message("assistant", "T"));
                ask(None, &[message("user", "tags")], &message("assistant", "a, b"));
                open.record("gen_ai.output.messages", json!([message("assistant", "x")]).to_string());
            });
        });
    });
    assert_eq!(threads(&graph), [("-", "", 1, 4)]);
}

#[test]
fn turn_of_an_agent_is_one_turn_whatever_is_asked_in_it() {
    let graph = graph(|| {
        agent("coder").in_scope(|| {
            ask(None, &[message("user", "a")], &message("assistant", "x"));
            ask(None, &[message("user", "b")], &message("assistant", "y"));
        });
    });
    assert_eq!(threads(&graph), [("coder", "", 1, 2)]);
}

/// Asks for calls of tools with these ids.
pub(crate) fn request_tools(ids: &[&str]) -> Value {
    let calls = ids.iter().map(|id| json!({"type": "tool_call", "id": id, "name": "look", "arguments": {}}));
    json!({"role": "assistant", "parts": calls.collect::<Vec<_>>()})
}

/// Runs a tool in a thread of the program's pool, outside of all spans.
fn run_tool(id: &'static str) {
    let run = move || {
        let span = info_span!(
            parent: None,
            "execute_tool",
            gen_ai.operation.name = "execute_tool",
            gen_ai.tool.name = "look",
            gen_ai.tool.call.id = id,
            gen_ai.tool.call.result = Empty,
        );
        span.in_scope(|| span.record("gen_ai.tool.call.result", "found"));
    };
    let dispatch = tracing::dispatcher::get_default(Clone::clone);
    std::thread::spawn(move || tracing::dispatcher::with_default(&dispatch, run)).join().unwrap();
}

#[test]
fn tool_outside_of_all_spans_is_in_the_turn_that_asked_for_it() {
    let graph = graph(|| {
        agent("coder").in_scope(|| {
            ask(None, &[message("user", "go")], &request_tools(&["call_1", "call_2"]));
            run_tool("call_1");
            run_tool("call_2");
            ask(None, &[message("user", "go")], &message("assistant", "done"));
        });
    });
    assert_eq!(threads(&graph), [("coder", "", 1, 2)]);
    let turn = graph.turns.iter().next().unwrap();
    assert!(graph.tool_calls.iter().all(|tool| tool.turn_id.as_ref() == Some(&turn.turn_id)));
    assert_eq!(graph.inference_calls.iter().next().unwrap().tool_call_ids.len(), 2);
}

#[test]
fn tool_that_two_turns_asked_for_or_none_is_in_no_turn_of_them() {
    let (root, recorder, guard) = recorder();
    run_recorded(&recorder, || {
        let [first, second] = ["a", "b"].map(agent);
        for span in [&first, &second] {
            span.in_scope(|| ask(None, &[message("user", "go")], &request_tools(&["call_0"])));
        }
        run_tool("call_0");
        run_tool("unknown");
    });
    drop(guard);
    let bundles = bundles(root.path());
    let tools = |bundle: &Bundle| bundle.events("tool_call_started").len();
    let calls = |bundle: &Bundle| bundle.events("inference_started").len();
    let mut found: Vec<_> = bundles.iter().map(|bundle| (calls(bundle), tools(bundle))).collect();
    found.sort_unstable();
    assert_eq!(found, [(0, 1), (0, 1), (1, 0), (1, 0)]);
}

#[test]
fn tool_of_an_ended_turn_or_a_second_time_is_in_no_turn() {
    let (root, recorder, guard) = recorder();
    run_recorded(&recorder, || {
        let span = agent("a");
        span.in_scope(|| ask(None, &[message("user", "go")], &request_tools(&["call_1", "call_2"])));
        run_tool("call_1");
        run_tool("call_1");
        drop(span);
        run_tool("call_2");
    });
    drop(guard);
    let bundles = bundles(root.path());
    let mut tools: Vec<_> = bundles.iter().map(|bundle| bundle.events("tool_call_started").len()).collect();
    tools.sort_unstable();
    assert_eq!(tools, [1, 1, 1]);
}

/// Records a call of a model in a conversation.
fn ask_in(conversation: &str) {
    let span = info_span!(
        "chat",
        gen_ai.operation.name = "chat",
        gen_ai.conversation.id = conversation,
        gen_ai.request.model = "m",
        gen_ai.input.messages = json!([message("user", "q")]).to_string(),
        gen_ai.output.messages = Empty,
    );
    span.in_scope(|| span.record("gen_ai.output.messages", json!([message("assistant", "a")]).to_string()));
}

/// Returns the ids of the conversations whose runs have ended, sorted.
fn ended(root: &Path) -> Vec<String> {
    let is_ended = |bundle: &Bundle| !bundle.events("rollout_ended").is_empty();
    let ids = bundles(root)
        .into_iter()
        .filter(is_ended)
        .map(|bundle| bundle.manifest["root_thread_id"].as_str().unwrap().to_owned());
    let mut ids: Vec<_> = ids.collect();
    ids.sort_unstable();
    ids
}

#[test]
fn idle_conversations_end_and_go_on_in_new_bundles() {
    let root = tempfile::tempdir().unwrap();
    let idle = Duration::from_millis(400);
    let (recorder, guard) = Recorder::builder().root(root.path()).no_parent().conversation_idle(idle).build().unwrap();
    run_recorded(&recorder, || {
        // A conversation in which a turn is open is not idle, however long that takes.
        let busy = info_span!("invoke_agent", gen_ai.operation.name = "invoke_agent", gen_ai.conversation.id = "busy");
        busy.in_scope(|| {});
        for id in ["a", "b"] {
            ask_in(id);
        }
        wait_until(|| ended(root.path()) == ["a", "b"]);
        ask_in("a");
        wait_until(|| ended(root.path()) == ["a", "a", "b"]);
        assert!(!ended(root.path()).contains(&"busy".to_owned()));
        drop(busy);
        wait_until(|| ended(root.path()) == ["a", "a", "b", "busy"]);
    });
    drop(guard);
    assert_eq!(recorder.stats().lost(), 0);
    for bundle in bundles(root.path()) {
        assert_eq!(bundle.event("rollout_ended")["status"], "completed", "{}", bundle.path.display());
    }
}

#[test]
fn bounds_of_the_root_hold_for_a_server_with_many_conversations() {
    let root = tempfile::tempdir().unwrap();
    let idle = Duration::from_millis(8);
    let limits = Limits::default().root(Bounds::new().count(10));
    let builder = Recorder::builder().root(root.path()).no_parent().conversation_idle(idle).limits(limits);
    let (recorder, guard) = builder.build().unwrap();
    let is_bundle = |entry: &DirEntry| entry.file_name().to_string_lossy().starts_with("trace-");
    let count = || std::fs::read_dir(root.path()).unwrap().map(Result::unwrap).filter(is_bundle).count();
    run_recorded(&recorder, || {
        for n in 0..200 {
            ask_in(&format!("conversation {n}"));
        }
        // The bundles that are over are removed as others begin.
        wait_until(|| {
            ask_in("again");
            count() <= 11
        });
    });
    drop(guard);
}
