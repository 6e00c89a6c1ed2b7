//! Tests of how plain spans end by what programs report of their functions: `#[instrument(err)]`, `#[instrument(ret)]`,
//! logged errors, and fields with an error.

use std::fmt;
use std::sync::{Arc, Mutex};

use otel_trace::{AgentThread, Operation, SpanExt, ThreadMeta, ToolCallMeta};
use serde_json::{Value, json};
use tracing::field::Empty;
use tracing::{Event, Instrument, Metadata, Span, Subscriber, debug, error, info, info_span, instrument, warn};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Filter};
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Layer, Registry};

use crate::common::{Bundle, record_one, recorder};

/// Returns status and error of each tool call that ended, by the id of its call.
fn tools(bundle: &Bundle) -> Vec<(String, String, Option<String>)> {
    let starts = bundle.events("tool_call_started");
    let ends = bundle.events("tool_call_ended");
    let end = |start: &&Value| ends.iter().find(|end| end["tool_call_id"] == start["tool_call_id"]).copied();
    let row = |start: &Value| {
        let end = end(&start).unwrap();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        (text(&start["model_visible_call_id"]).unwrap(), text(&end["status"]).unwrap(), text(&end["error"]))
    };
    starts.into_iter().map(row).collect()
}

#[track_caller]
fn check_tool(expected: (&str, Option<&str>), program: impl FnOnce(Span)) {
    let bundle = record_one(|| {
        let tool = info_span!(
            "tool",
            gen_ai.operation.name = "execute_tool",
            gen_ai.tool.name = "t",
            gen_ai.tool.call.id = "c",
            gen_ai.tool.call.result = Empty,
            error = Empty,
            error.message = Empty,
            exception.message = Empty,
            error.type = Empty,
            otel.status_code = Empty,
            otel.status_description = Empty,
        );
        program(tool);
    });
    let (_, status, error) = &tools(&bundle)[0];
    assert_eq!((status.as_str(), error.as_deref()), expected);
}

/// The error of a test.
#[derive(Debug)]
struct NoFile;

impl fmt::Display for NoFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such file")
    }
}

impl std::error::Error for NoFile {}

#[instrument(err, skip_all, fields(gen_ai.operation.name = "execute_tool", gen_ai.tool.name = "read", gen_ai.tool.call.id = "err"))]
fn read() -> Result<String, NoFile> {
    Err(NoFile)
}

#[instrument(err(Debug, level = "warn"), skip_all, fields(gen_ai.operation.name = "execute_tool", gen_ai.tool.name = "read", gen_ai.tool.call.id = "err_debug"))]
fn read_debug() -> Result<String, NoFile> {
    Err(NoFile)
}

#[instrument(err(level = "info"), skip_all, fields(gen_ai.operation.name = "execute_tool", gen_ai.tool.name = "read", gen_ai.tool.call.id = "err_info"))]
fn read_info() -> Result<String, NoFile> {
    Err(NoFile)
}

#[instrument(ret, err, skip_all, fields(gen_ai.operation.name = "execute_tool", gen_ai.tool.name = "add", gen_ai.tool.call.id = "ret"))]
fn add() -> Result<u32, NoFile> {
    Ok(4)
}

#[instrument(ret, skip_all, fields(gen_ai.operation.name = "execute_tool", gen_ai.tool.name = "add", gen_ai.tool.call.id = id))]
fn add_without_err(id: &str, sum: Result<&'static str, NoFile>) -> Result<&'static str, NoFile> {
    sum
}

#[instrument(ret, skip_all, fields(gen_ai.operation.name = "execute_tool", gen_ai.tool.name = "add", gen_ai.tool.call.id = "ret_and_result", gen_ai.tool.call.result))]
fn add_with_result() -> &'static str {
    Span::current().record("gen_ai.tool.call.result", "recorded");
    "returned"
}

#[instrument(err(Debug), skip_all, fields(gen_ai.operation.name = "chat", gen_ai.provider.name = "openai", gen_ai.request.model = "m"))]
async fn ask() -> Result<String, String> {
    Err("429 Too Many Requests".to_owned())
}

#[test]
fn function_that_returns_an_error_fails_its_operation() {
    let bundle = record_one(|| {
        let run = info_span!("run", gen_ai.operation.name = "invoke_agent", gen_ai.agent.name = "coder");
        run.in_scope(|| {
            drop(read());
            drop(read_debug());
            drop(read_info());
            drop(add());
            add_with_result();
        });
        let asked = ask().instrument(run);
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(asked).unwrap_err();
    });
    let failed = |id: &str, error: &str| (id.to_owned(), "failed".to_owned(), Some(error.to_owned()));
    let completed = |id: &str| (id.to_owned(), "completed".to_owned(), None);
    let expected = [
        failed("err", "no such file"),
        failed("err_debug", "NoFile"),
        failed("err_info", "no such file"),
        completed("ret"),
        completed("ret_and_result"),
    ];
    assert_eq!(tools(&bundle), expected);
    assert_eq!(bundle.event("inference_failed")["error"], "429 Too Many Requests");
    let results: Vec<_> = bundle.events("tool_call_ended").iter().map(|end| end["result_payload"].clone()).collect();
    let text = |index: usize| bundle.payload_json(&results[index])["response_item"]["output"].clone();
    assert_eq!([text(3), text(4)], [json!("4"), json!("recorded")]);
    // The errors of tools are handled by the agent, and that of its last call is its own.
    let turn = bundle.event("codex_turn_ended");
    assert_eq!([&turn["status"], &turn["error"]], ["failed", "429 Too Many Requests"]);
}

#[test]
fn returned_error_fails_operations_of_every_kind() {
    let fail = |span: Span| span.in_scope(|| error!(error = "broken"));
    let bundle = record_one(|| {
        let thread = info_span!("thread", otel_trace.kind = "thread");
        let turn = info_span!(parent: &thread, "turn", otel_trace.kind = "turn");
        let compaction = info_span!(parent: &turn, "compaction", otel_trace.kind = "compaction");
        let cell = info_span!(parent: &turn, "cell", otel_trace.kind = "code_cell", otel_trace.code_cell.id = "cell");
        [compaction, cell, turn, thread].into_iter().for_each(fail);
    });
    assert_eq!(bundle.event("compaction_request_failed")["error"], "broken");
    assert_eq!(bundle.event("code_cell_ended")["status"], "failed");
    for end in ["codex_turn_ended", "thread_ended"] {
        assert_eq!((&bundle.event(end)["status"], &bundle.event(end)["error"]), (&json!("failed"), &json!("broken")));
    }
}

#[test]
fn logged_error_fails_a_call_that_has_no_result() {
    check_tool(("failed", Some("no route")), |tool| tool.in_scope(|| error!(error = "no route", "connect failed")));
    check_tool(("failed", Some("no route")), |tool| tool.in_scope(|| warn!(exception.message = "no route")));
    check_tool(("failed", Some("second")), |tool| {
        tool.in_scope(|| {
            warn!(error = "first", attempt = 1);
            warn!(error = "second", attempt = 2);
        });
    });
    // An error that is returned to the function of the tool need not be the tool's.
    check_tool(("failed", Some("inner")), |tool| {
        tool.in_scope(|| info_span!("helper").in_scope(|| error!(error = "inner")));
    });
}

#[test]
fn logged_error_of_a_call_with_a_result_was_handled() {
    check_tool(("completed", None), |tool| {
        tool.in_scope(|| {
            warn!(error = "first", "trying again");
            info_span!("helper").in_scope(|| error!(error = "inner"));
            tool.record("gen_ai.tool.call.result", "done");
        });
    });
}

#[test]
fn event_without_an_error_or_below_warn_fails_nothing() {
    let cancelled = ("cancelled", Some("closed without a result or an error"));
    check_tool(cancelled, |tool| {
        tool.in_scope(|| {
            info!(error = "expected", "skipped");
            info_span!("helper").in_scope(|| info!(error = "inner"));
            error!(error = false, "fine");
            error!(error = ?None::<NoFile>);
            error!("a message");
        });
    });
    check_tool(cancelled, |tool| {
        drop(tool);
        error!(error = "outside");
    });
}

#[test]
fn logged_error_fails_no_turn_and_no_thread() {
    let bundle = record_one(|| {
        info_span!("run", gen_ai.operation.name = "invoke_agent", gen_ai.agent.name = "coder").in_scope(|| {
            error!(error = "a tool is missing", "going on without it");
        });
    });
    assert_eq!(bundle.event("codex_turn_ended")["status"], "completed");
    assert_eq!(bundle.event("thread_ended")["status"], "completed");
}

#[test]
fn error_in_a_field_of_the_span_counts_like_a_status() {
    for name in ["error", "error.message", "exception.message"] {
        check_tool(("failed", Some("no route")), |tool| {
            tool.record(name, "no route");
        });
    }
    check_tool(("failed", Some("no such file")), |tool| {
        tool.record("error", &NoFile as &(dyn std::error::Error + 'static));
    });
    check_tool(("failed", Some("timeout: no route")), |tool| {
        tool.record("error.type", "timeout").record("error", "no route");
    });
    check_tool(("failed", Some("error")), |tool| {
        tool.record("error", true);
    });
    for none in ["", "None", "0", "false"] {
        check_tool(("completed", None), |tool| {
            tool.record("gen_ai.tool.call.result", "done").record("error", none);
        });
    }
    check_tool(("completed", None), |tool| {
        tool.record("gen_ai.tool.call.result", "done").record("error", false).record("error.message", 0);
    });
}

#[test]
fn end_given_by_a_handle_wins() {
    let bundle = record_one(|| {
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = thread.turn(None);
        let completed = turn.tool_call(ToolCallMeta::new("a").id("completed"));
        let dropped = turn.tool_call(ToolCallMeta::new("b").id("dropped"));
        completed.span().in_scope(|| error!(error = "handled"));
        completed.complete();
        dropped.span().in_scope(|| error!(error = "not handled"));
    });
    let expected = [
        ("completed".to_owned(), "completed".to_owned(), None),
        ("dropped".to_owned(), "failed".to_owned(), Some("not handled".to_owned())),
    ];
    assert_eq!(tools(&bundle), expected);
    check_tool(("completed", None), |tool| {
        tool.in_scope(|| error!(error = "handled"));
        tool.otel_trace().complete();
    });
}

#[test]
fn error_is_masked() {
    // In two pieces, so that this file holds nothing that looks like a secret.
    let header = concat!("Author", "ization: Basic c2VjcmV0OnNlY3JldA==");
    let bundle = record_one(|| {
        let tool = info_span!("tool", gen_ai.operation.name = "execute_tool", gen_ai.tool.call.id = "c");
        tool.in_scope(|| error!(error = format!("refused: {header}"), "failed"));
    });
    let error = bundle.event("tool_call_ended")["error"].as_str().unwrap();
    assert!(error.starts_with("refused: Authorization: Basic [masked:secret:"), "{error}");
}

/// A layer that keeps the callsites of all events.
#[derive(Default, Clone)]
struct Callsites(Arc<Mutex<Vec<&'static Metadata<'static>>>>);

impl<S: Subscriber> Layer<S> for Callsites {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.0.lock().unwrap().push(event.metadata());
    }
}

#[test]
fn filter_enables_only_events_that_may_report_an_outcome() {
    let (_root, recorder, _guard) = recorder();
    let callsites = Callsites::default();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(callsites.clone()), || {
        error!(error = "x");
        debug!(error = "x");
        warn!(error.message = "x", attempt = 1);
        info!(return = 1);
        // The rest report none.
        info!(error = "x", attempt = 1);
        error!(attempt = 1);
        info!(return = 1, attempt = 1);
        error!("x");
    });
    let filter = recorder.filter();
    let is_enabled =
        |callsite: &&'static Metadata<'static>| Filter::<Registry>::callsite_enabled(&filter, callsite).is_always();
    let enabled: Vec<_> = callsites.0.lock().unwrap().iter().map(is_enabled).collect();
    assert_eq!(enabled, [true, true, true, true, false, false, false, false]);
    assert_eq!(Filter::<Registry>::max_level_hint(&filter), Some(LevelFilter::INFO));
}

/// Asks a model, as a framework does that leaves nothing of a call that could not be sent, and returns an error.
#[instrument(err)]
fn ask_in_vain(is_answered: bool) -> Result<(), String> {
    let chat =
        info_span!("chat", gen_ai.operation.name = "chat", gen_ai.request.model = "m", gen_ai.output.messages = Empty,);
    chat.in_scope(|| {
        if is_answered {
            chat.record("gen_ai.output.messages", json!([{ "role": "assistant", "parts": [] }]).to_string());
        }
    });
    Err("connection refused".to_owned())
}

#[test]
fn error_of_a_function_around_an_unanswered_call_fails_the_run() {
    for (is_answered, status, error) in [(false, "failed", Some("connection refused")), (true, "completed", None)] {
        // The function is the root, or stands below one.
        for is_below in [false, true] {
            let bundle = record_one(|| match is_below {
                false => drop(ask_in_vain(is_answered)),
                true => info_span!("request").in_scope(|| drop(ask_in_vain(is_answered))),
            });
            for event in ["codex_turn_ended", "thread_ended"] {
                let ended = bundle.event(event);
                assert_eq!((ended["status"].as_str(), ended["error"].as_str()), (Some(status), error), "{event}");
            }
        }
    }
}

#[test]
fn error_of_a_function_beside_the_call_fails_no_other_run() {
    let bundle = record_one(|| {
        let chat = info_span!("chat", gen_ai.operation.name = "chat", gen_ai.request.model = "m");
        chat.in_scope(|| {});
        // An event of a level that is not serious, with another field, or of another root.
        info!(error = "handled", attempt = 1);
        info_span!("other").in_scope(|| error!(error = "of another root"));
    });
    assert_eq!(bundle.event("codex_turn_ended")["status"], "cancelled");
}

#[test]
fn function_whose_result_is_returned_without_err_fails_by_its_error() {
    let bundle = record_one(|| {
        info_span!("run", gen_ai.operation.name = "invoke_agent").in_scope(|| {
            drop(add_without_err("ok", Ok("it is \"4\"")));
            drop(add_without_err("err", Err(NoFile)));
            // A text that only looks like an error.
            info_span!("tool", gen_ai.operation.name = "execute_tool", gen_ai.tool.call.id = "text")
                .in_scope(|| info!(return = ?"Err(\"b\")"));
        });
    });
    let expected = [("ok", "completed", None), ("err", "failed", Some("NoFile")), ("text", "completed", None)];
    let expected = expected.map(|(id, status, error)| (id.to_owned(), status.to_owned(), error.map(str::to_owned)));
    assert_eq!(tools(&bundle), expected);
    let result = |index: usize| {
        let ended = bundle.events("tool_call_ended")[index];
        bundle.payload_json(&ended["result_payload"])["response_item"]["output"].clone()
    };
    assert_eq!([result(0), result(2)], [json!("it is \"4\""), json!("Err(\"b\")")]);
}

/// Runs agents by calls that name them, of which the last one could not be sent, and returns an error.
#[instrument(err, fields(gen_ai.operation.name = operation, gen_ai.agent.name = "boss"))]
fn orchestrate(operation: &str) -> Result<(), String> {
    let chat = |agent: &str| {
        info_span!(
            "chat",
            gen_ai.operation.name = "chat",
            gen_ai.request.model = "m",
            gen_ai.agent.name = agent,
            gen_ai.output.messages = Empty
        )
    };
    let answered = chat("first");
    answered.in_scope(|| {
        answered.record("gen_ai.output.messages", json!([{ "role": "assistant", "parts": [] }]).to_string());
    });
    chat("second").in_scope(|| {});
    Err("connection refused".to_owned())
}

#[test]
fn error_of_a_function_around_agents_fails_the_one_that_got_no_answer() {
    for operation in ["invoke_workflow", "invoke_agent"] {
        let bundle = record_one(|| {
            let root = info_span!("request");
            root.in_scope(|| {
                // Agents of another function are not concerned.
                let other = info_span!("other", gen_ai.operation.name = "invoke_workflow", gen_ai.agent.name = "other");
                other.in_scope(|| {
                    info_span!(
                        "chat",
                        gen_ai.operation.name = "chat",
                        gen_ai.request.model = "m",
                        gen_ai.agent.name = "third"
                    )
                    .in_scope(|| {});
                });
                drop(orchestrate(operation));
            });
        });
        let names = bundle.events("thread_started").into_iter().map(|start| start["agent_path"].as_str().unwrap());
        let ends: Vec<_> = names
            .map(|path| {
                let start = bundle.events("thread_started").into_iter().find(|start| start["agent_path"] == path);
                let id = &start.unwrap()["thread_id"];
                let end = bundle.events("thread_ended").into_iter().find(|end| end["thread_id"] == *id).unwrap();
                (path, end["status"].as_str().unwrap(), end["error"].as_str().unwrap_or_default())
            })
            .collect();
        let end_of = |name: &str| {
            ends.iter().find(|(path, ..)| path.ends_with(name)).map(|(_, status, error)| (*status, *error))
        };
        assert_eq!(end_of("/first"), Some(("completed", "")), "{ends:?}");
        assert_eq!(end_of("/second"), Some(("failed", "connection refused")), "{ends:?}");
        assert_eq!(end_of("/third").map(|(status, _)| status), Some("aborted"), "{ends:?}");
    }
}
