//! Tests of spans that never close: a connection pool, a task or a struct holds a clone of them, and may enter it again.

use std::sync::mpsc;
use std::thread;

use otel_trace::{AgentThread, Json, Operation, PayloadKind, SpanExt, ThreadMeta, event::Timestamp};
use serde_json::{Value, json};
use tracing::field::Empty;
use tracing::{Instrument, Span, info_span};
use tracing_subscriber::prelude::*;

use crate::common::{Bundle, bundles, graph, record_one, recorder, run_recorded};

const ANSWER: &str = r#"[{"role":"assistant","parts":[{"type":"text","content":"answer"}],"finish_reason":"stop"}]"#;
const REQUEST_FOR_A_TOOL: &str =
    r#"[{"role":"assistant","parts":[{"type":"tool_call","id":"call_1","name":"look","arguments":{}}]}]"#;

/// Opens the span of a call of a model.
fn chat(question: &str) -> Span {
    info_span!(
        "chat",
        gen_ai.operation.name = "chat",
        gen_ai.provider.name = "openai",
        gen_ai.request.model = "m",
        gen_ai.input.messages = json!([{"role": "user", "parts": [{"type": "text", "content": question}]}]).to_string(),
        gen_ai.output.messages = Empty,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
    )
}

/// Opens the span of an agent's run.
fn agent() -> Span {
    info_span!("invoke_agent", gen_ai.operation.name = "invoke_agent", gen_ai.agent.name = "coder")
}

/// Opens the span of a tool call.
fn tool(id: &str) -> Span {
    info_span!(
        "execute_tool",
        gen_ai.operation.name = "execute_tool",
        gen_ai.tool.name = "look",
        gen_ai.tool.call.id = id,
        gen_ai.tool.call.arguments = "{}",
        gen_ai.tool.call.result = Empty,
    )
}

/// Answers a call of a model inside its span. Returns the time after the exit.
fn answer(span: &Span, messages: &str) -> Timestamp {
    span.in_scope(|| {
        span.record("gen_ai.output.messages", messages);
        span.record("gen_ai.usage.input_tokens", 5_u64).record("gen_ai.usage.output_tokens", 2_u64);
    });
    Timestamp::now()
}

/// Returns the time of an event.
fn time(event: &Value) -> (i64, u64) {
    (event["wall_time_unix_ms"].as_i64().unwrap(), event["wall_time_sub_ms_ns"].as_u64().unwrap_or(0))
}

/// Returns the lines of the log of one type.
fn lines<'a>(bundle: &'a Bundle, name: &str) -> Vec<&'a Value> {
    bundle.lines.iter().filter(|line| line["payload"]["type"] == name).collect()
}

/// Returns the statuses of turns, threads and the run, in the order of their ends.
fn statuses(bundle: &Bundle) -> Vec<&str> {
    let names = ["codex_turn_ended", "thread_ended", "rollout_ended"];
    let ends = names.iter().flat_map(|name| bundle.events(name));
    ends.map(|end| end["status"].as_str().unwrap()).collect()
}

#[test]
fn calls_whose_spans_a_pool_holds_are_answered_when_their_answers_came() {
    let mut pool = Vec::new();
    let (root, recorder, guard) = recorder();
    let answered = run_recorded(&recorder, || {
        let mut answered = Vec::new();
        for run in 0..2 {
            agent().in_scope(|| {
                for n in 0..2 {
                    let span = chat(&format!("question {run} {n}"));
                    // A connection's task holds the span that was current when the connection was made.
                    pool.push(span.in_scope(Span::current));
                    answered.push(answer(&span, ANSWER));
                }
            });
        }
        answered
    });
    drop(guard);
    drop(pool);
    let bundles = bundles(root.path());
    assert_eq!(bundles.len(), 2);
    let mut ends = Vec::new();
    for bundle in &bundles {
        assert_eq!(statuses(bundle), ["completed"; 3]);
        let names: Vec<_> = bundle.event_names().into_iter().filter(|name| name.starts_with("inference")).collect();
        assert_eq!(
            names,
            ["inference_started", "inference_completed", "inference_started", "inference_completed"],
            "each call ends before the next one starts"
        );
        for end in lines(bundle, "inference_completed") {
            let response = bundle.payload_json(&end["payload"]["response_payload"]);
            assert_eq!(response["gen_ai.output.messages"][0]["parts"][0]["content"], "answer");
            assert_eq!(end["payload"]["usage"]["output_tokens"], 2);
            ends.push(time(end));
        }
    }
    ends.sort_unstable();
    let mut answered: Vec<_> = answered.iter().map(|at| (at.unix_ms().0, u64::from(at.sub_ms_ns()))).collect();
    answered.sort_unstable();
    for (end, answered) in ends.iter().zip(answered) {
        assert!(*end <= answered, "a call ended at {end:?}, after its answer of {answered:?}");
    }
}

#[test]
fn turn_whose_span_is_held_is_completed_by_its_answer() {
    let mut held = Vec::new();
    let bundle = record_one(|| {
        let agent = agent();
        agent.in_scope(|| {
            let span = chat("q");
            answer(&span, ANSWER);
            held.push(span);
        });
        held.push(agent);
    });
    assert_eq!(statuses(&bundle), ["completed"; 3]);
}

#[test]
fn turn_whose_span_is_held_is_aborted_while_something_is_left_to_do() {
    // The model waits for a tool.
    let mut held = Vec::new();
    let waiting = record_one(|| {
        let agent = agent();
        agent.in_scope(|| {
            let span = chat("q");
            answer(&span, REQUEST_FOR_A_TOOL);
            held.push(span);
        });
        held.push(agent);
    });
    waiting.event("inference_completed");
    assert_eq!(statuses(&waiting), ["aborted"; 3]);
    // A tool has run since the answer.
    let worked = record_one(|| {
        let agent = agent();
        agent.in_scope(|| {
            answer(&chat("q"), ANSWER);
            let span = tool("call_1");
            span.in_scope(|| span.record("gen_ai.tool.call.result", "found"));
        });
        held.push(agent);
    });
    assert_eq!(worked.event("tool_call_ended")["status"], "completed");
    assert_eq!(statuses(&worked), ["aborted"; 3]);
    // A call is open.
    let asked = record_one(|| {
        let agent = agent();
        agent.in_scope(|| {
            answer(&chat("q"), ANSWER);
            let span = chat("r");
            span.in_scope(|| {});
            held.push(span);
        });
        held.push(agent);
    });
    assert_eq!(asked.event("inference_cancelled")["reason"], "recording was shut down before it ended");
    assert_eq!(statuses(&asked), ["aborted"; 3]);
}

#[test]
fn tools_whose_spans_are_held_end_with_their_results() {
    let mut held = Vec::new();
    let bundle = record_one(|| {
        agent().in_scope(|| {
            answer(&chat("q"), REQUEST_FOR_A_TOOL);
            // Ended by the next call of a model.
            let span = tool("call_1");
            span.in_scope(|| span.record("gen_ai.tool.call.result", "found"));
            held.push(span);
            answer(&chat("found"), ANSWER);
            // Its result is recorded outside of the span.
            let span = tool("call_2");
            span.in_scope(|| {});
            span.record("gen_ai.tool.call.result", "half");
            held.push(span);
            answer(&chat("half"), ANSWER);
        });
    });
    let ends: Vec<_> = bundle.event_names().into_iter().filter(|name| name.ends_with("_ended")).collect();
    assert_eq!(ends, ["tool_call_ended", "tool_call_ended", "codex_turn_ended", "thread_ended", "rollout_ended"]);
    let second_call = lines(&bundle, "inference_started")[1]["seq"].as_u64().unwrap();
    let tools = lines(&bundle, "tool_call_ended");
    assert!(tools[0]["seq"].as_u64().unwrap() < second_call, "the first tool ended before the next call");
    let results = tools.iter().map(|end| bundle.payload_json(&end["payload"]["result_payload"]));
    let outputs: Vec<_> = results.map(|result| result["response_item"]["output"].clone()).collect();
    assert_eq!(outputs, ["found", "half"]);
    assert_eq!(statuses(&bundle), ["completed"; 3]);
}

#[test]
fn later_enters_change_nothing_and_later_fields_do() {
    let mut held = Vec::new();
    let bundle = record_one(|| {
        agent().in_scope(|| {
            let span = chat("q");
            let answered = answer(&span, ANSWER);
            // The pool's task is polled, on this thread and on another.
            span.in_scope(|| {});
            thread::scope(|scope| {
                scope.spawn(|| span.in_scope(|| {}));
            });
            answer(&chat("r"), ANSWER);
            held.push((span, answered));
            // This one is recorded in again, after its span was entered by the pool.
            let span = chat("s");
            answer(&span, REQUEST_FOR_A_TOOL);
            span.in_scope(|| {});
            let answered = answer(&span, ANSWER);
            held.push((span, answered));
        });
    });
    let ends = lines(&bundle, "inference_completed");
    let first = &held[0].1;
    assert!(time(ends[0]) <= (first.unix_ms().0, u64::from(first.sub_ms_ns())));
    let last = bundle.payload_json(&ends[2]["payload"]["response_payload"]);
    assert_eq!(last["gen_ai.output.messages"][0]["parts"][0]["content"], "answer");
    assert_eq!(bundle.events("other").len(), 0, "a replaced answer is no event");
}

#[test]
fn span_that_another_thread_is_inside_settles_when_that_thread_leaves() {
    let (enter, entered) = mpsc::channel();
    let (leave, left) = mpsc::channel::<()>();
    let mut held = Vec::new();
    let bundle = record_one(|| {
        agent().in_scope(|| {
            let span = chat("q");
            let inside = span.clone();
            thread::scope(|scope| {
                scope.spawn(move || {
                    inside.in_scope(|| {
                        enter.send(()).unwrap();
                        left.recv().unwrap();
                    });
                });
                entered.recv().unwrap();
                answer(&span, ANSWER);
                // Not settled: the other thread may still record something.
                answer(&chat("r"), ANSWER);
                leave.send(()).unwrap();
            });
            answer(&chat("s"), ANSWER);
            held.push(span);
        });
    });
    let names: Vec<_> = bundle.event_names().into_iter().filter(|name| name.starts_with("inference")).collect();
    let (started, completed) = ("inference_started", "inference_completed");
    assert_eq!(names, [started, started, completed, completed, started, completed]);
}

#[test]
fn bodies_of_the_program_settle_a_span_too() {
    let mut held = Vec::new();
    let bundle = record_one(|| {
        agent().in_scope(|| {
            let span = info_span!("chat", gen_ai.operation.name = "chat", gen_ai.request.model = "m");
            let response = json!({"id": "r", "output": [{"type": "message", "role": "assistant", "content": []}]});
            span.otel_trace().record_payload(PayloadKind::InferenceRequest, Json(&json!({"input": []})));
            span.otel_trace().record_payload(PayloadKind::InferenceResponse, Json(&response));
            held.push(span);
        });
    });
    assert_eq!(bundle.event("inference_completed")["response_id"], "r");
    assert_eq!(statuses(&bundle), ["completed"; 3]);
}

#[test]
fn failed_call_whose_span_is_held_is_failed() {
    let mut held = Vec::new();
    let bundle = record_one(|| {
        agent().in_scope(|| {
            let span =
                info_span!("chat", gen_ai.operation.name = "chat", gen_ai.request.model = "m", error.type = Empty);
            span.in_scope(|| span.record("error.type", "timeout"));
            held.push(span);
            answer(&chat("q"), ANSWER);
        });
    });
    assert_eq!(bundle.event("inference_failed")["error"], "timeout");
    assert_eq!(statuses(&bundle), ["completed"; 3]);
}

#[test]
fn id_or_model_of_a_stream_does_not_settle_its_call() {
    let mut held = Vec::new();
    let bundle = record_one(|| {
        agent().in_scope(|| {
            let span = info_span!(
                "chat",
                gen_ai.operation.name = "chat",
                gen_ai.request.model = "m",
                gen_ai.response.id = Empty
            );
            span.in_scope(|| span.record("gen_ai.response.id", "r"));
            held.push(span);
        });
    });
    // The turn ended while its stream was open.
    assert_eq!(bundle.event("inference_cancelled")["reason"], "recording was shut down before it ended");
}

#[test]
fn turn_of_a_handle_ends_the_settled_calls_in_it() {
    let mut held = Vec::new();
    let bundle = record_one(|| {
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = thread.turn(None);
        turn.span().in_scope(|| {
            let span = chat("q");
            answer(&span, ANSWER);
            held.push(span);
        });
        turn.complete();
        thread.complete();
    });
    let ends: Vec<_> = bundle.event_names().split_off(3);
    assert_eq!(ends, ["inference_started", "inference_completed", "codex_turn_ended", "thread_ended", "rollout_ended"]);
}

#[test]
fn task_that_is_spawned_in_the_current_span_and_lives_on_delays_nothing() {
    // Of one thread: no task is inside its span when the run is over.
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let (root, recorder, guard) = recorder();
    let subscriber = tracing_subscriber::registry().with(recorder.layer().with_filter(recorder.filter()));
    let dispatch = tracing::Dispatch::new(subscriber);
    let run = async {
        for n in 0..3 {
            let span = chat(&format!("question {n}"));
            async {
                let mut stopped = stopped.clone();
                // Such a task is what a connection pool spawns for each connection.
                tokio::spawn(async move { drop(stopped.changed().await) }.in_current_span());
                tokio::task::yield_now().await;
                Span::current().record("gen_ai.output.messages", ANSWER);
            }
            .instrument(span)
            .await;
        }
    };
    tracing::dispatcher::with_default(&dispatch, || runtime.block_on(run.instrument(agent())));
    drop(guard);
    stop.send(true).unwrap();
    drop(runtime);
    let bundle = &bundles(root.path())[0];
    assert_eq!(lines(bundle, "inference_completed").len(), 3);
    assert_eq!(statuses(bundle), ["completed"; 3]);
    let graph = graph(&bundle.path);
    assert!(graph.diagnostics.is_empty(), "{:?}", graph.diagnostics);
}
