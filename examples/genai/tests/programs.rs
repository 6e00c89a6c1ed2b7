//! Programs that use genai in other ways than the example: each leaves the graphs that its author would draw.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../../tests/common/recorded_programs.rs"]
mod recorded_programs;
#[path = "../src/tools.rs"]
mod tools;
#[path = "../../../tests/layer/lifetimes/tree.rs"]
mod tree;

use std::collections::HashMap;
use std::process::Command;

use example_model_server::ModelServer;
use futures_util::StreamExt;
use genai::adapter::AdapterKind;
use genai::chat::{ChatMessage, ChatOptions, ChatRequest, ChatStreamEvent};
use genai::otel::agent::{AgentSpan, ExecuteToolSpan, execute_tool_span};
use genai::resolver::{AuthData, Endpoint, ServiceTargetResolver};
use genai::{Client, ModelIden, ServiceTarget};
use otel_trace::graph::{Code, Graph};
use otel_trace::{AgentThread, Operation, Recorder, ThreadMeta};
use tracing::Instrument;

const MODEL: &str = "gpt-5-mini";
const LEFT: &str = "How many are left after those 12?";

/// The turn in which [`LEFT`] is answered.
const LEFT_TURN: &str =
    concat!("  turn completed\n", "    call completed\n", "      stock completed\n", "    call completed\n",);

/// The variable with which genai records content.
const CAPTURE: &str = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT";

/// Returns `true` in a process in which genai records content. Otherwise runs this test in such a process.
fn has_content(test: &str) -> bool {
    if std::env::var_os(CAPTURE).is_some() {
        return true;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.args(["--exact", test, "--nocapture"]).env(CAPTURE, "true").output().unwrap();
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success() && stdout.contains("1 passed"), "{stdout}{stderr}");
    false
}

/// Creates a client of the embedded server.
fn client(server: &ModelServer) -> Client {
    let (endpoint, key) = (format!("{}/", server.base_url()), server.api_key());
    let resolver = ServiceTargetResolver::from_resolver_fn(move |target: ServiceTarget| {
        let model = ModelIden::new(AdapterKind::OpenAI, target.model.model_name);
        let (endpoint, auth) = (Endpoint::from_owned(endpoint.clone()), AuthData::from_single(key));
        Ok::<_, genai::resolver::Error>(ServiceTarget { endpoint, auth, model })
    });
    Client::builder().with_service_target_resolver(resolver).build().unwrap()
}

fn request() -> ChatRequest {
    ChatRequest::new(vec![ChatMessage::user(LEFT)]).with_tools(tools::definitions())
}

/// The options with which genai keeps what it streams.
fn capturing() -> ChatOptions {
    ChatOptions::default().with_capture_content(true).with_capture_tool_calls(true).with_capture_usage(true)
}

/// Answers the question with streams that genai keeps: asks, runs the tools, and asks again.
async fn answer(client: &Client) {
    let mut request = request();
    loop {
        let mut stream = client.exec_chat_stream(MODEL, request.clone(), Some(&capturing())).await.unwrap().stream;
        let mut content = None;
        while let Some(event) = stream.next().await {
            if let ChatStreamEvent::End(end) = event.unwrap() {
                content = end.captured_content;
            }
        }
        let content = content.unwrap();
        let calls: Vec<_> = content.tool_calls().into_iter().cloned().collect();
        if calls.is_empty() {
            return;
        }
        request = request.append_message(ChatMessage::assistant(content));
        for call in calls {
            let span = execute_tool_span(&call);
            let output = span.in_scope(|| tools::run(&call.fn_name, &call.fn_arguments)).unwrap();
            ExecuteToolSpan::record_result(&span, &output);
            request = request.append_message(genai::chat::ToolResponse::new(call.call_id.clone(), output));
        }
    }
}

/// Records a program that uses the embedded server, behind its rate limit. Returns its graphs, in the order of their
/// starts.
async fn record(program: impl AsyncFnOnce(Client, &Recorder)) -> Vec<Graph> {
    let server = ModelServer::start().await.unwrap();
    // The server rejects its first request.
    assert!(client(&server).exec_chat(MODEL, request(), None).await.is_err());
    recorded_programs::record_program(async |recorder| program(client(&server), recorder).await).await
}

fn drawings(graphs: &[Graph]) -> Vec<String> {
    graphs.iter().map(tree::draw).collect()
}

#[tokio::test]
async fn streams_with_capture_options_give_the_whole_graph() {
    if !has_content("streams_with_capture_options_give_the_whole_graph") {
        return;
    }
    let graphs = record(async |client, _| {
        let agent = AgentSpan::invoke_agent().internal().with_name("desk").with_model(MODEL).start();
        answer(&client).instrument(agent).await;
    })
    .await;
    assert_eq!(drawings(&graphs), [format!("desk completed\n{LEFT_TURN}")]);
    assert!(graphs[0].diagnostics.is_empty(), "{:?}", graphs[0].diagnostics);
    assert!(graphs[0].inference_calls.iter().all(|call| call.usage.is_some() && !call.response_item_ids.is_empty()));
}

#[tokio::test]
async fn streams_without_capture_options_are_answered_calls() {
    for options in [None, Some(ChatOptions::default().with_capture_usage(true))] {
        let graphs = record(async |client, _| {
            let agent = AgentSpan::invoke_agent().internal().with_name("desk").with_model(MODEL).start();
            let ask = async {
                let mut stream = client.exec_chat_stream(MODEL, request(), options.as_ref()).await.unwrap().stream;
                while let Some(event) = stream.next().await {
                    event.unwrap();
                }
            };
            ask.instrument(agent).await;
        })
        .await;
        assert_eq!(drawings(&graphs), ["desk completed\n  turn completed\n    call completed\n"]);
        let codes: Vec<_> = graphs[0].diagnostics.iter().map(|found| found.code).collect();
        assert!(codes.iter().all(|code| [Code::RequestUnknown, Code::ResponseUnknown].contains(code)), "{codes:?}");
    }
}

#[tokio::test]
async fn a_stream_that_is_dropped_is_a_cancelled_call() {
    let graphs = record(async |client, _| {
        let agent = AgentSpan::invoke_agent().internal().with_name("desk").with_model(MODEL).start();
        let ask = async {
            let mut stream = client.exec_chat_stream(MODEL, request(), Some(&capturing())).await.unwrap().stream;
            // Only that the stream has started.
            stream.next().await.unwrap().unwrap();
        };
        ask.instrument(agent).await;
    })
    .await;
    assert_eq!(drawings(&graphs), ["desk aborted\n  turn cancelled\n    call cancelled\n"]);
}

#[tokio::test]
async fn handles_in_a_map_are_the_conversations_of_users() {
    if !has_content("handles_in_a_map_are_the_conversations_of_users") {
        return;
    }
    let graphs = record(async |client, recorder| {
        let mut users = HashMap::<&str, AgentThread>::new();
        for user in ["ann", "bob", "ann"] {
            let new = || AgentThread::start(ThreadMeta::new().id(user).agent_name("desk"));
            let turn = users.entry(user).or_insert_with(new).turn(None);
            answer(&client).instrument(turn.span().clone()).await;
            turn.complete();
        }
        drop(users);
        for user in ["cem", "cem"] {
            let turn = recorder.conversation(user, ThreadMeta::new().agent_name("desk")).turn(None);
            answer(&client).instrument(turn.span().clone()).await;
            turn.complete();
        }
    })
    .await;
    let twice = format!("desk completed\n{LEFT_TURN}{LEFT_TURN}");
    assert_eq!(drawings(&graphs), [twice.clone(), format!("desk completed\n{LEFT_TURN}"), twice]);
}

#[tokio::test]
async fn spawned_tasks_without_a_span_are_runs_of_their_own() {
    if !has_content("spawned_tasks_without_a_span_are_runs_of_their_own") {
        return;
    }
    let graphs = record(async |client, _| {
        let spawn = |number: usize| {
            let client = client.clone();
            let name = ["north", "south"][number];
            tokio::spawn(async move {
                let agent = AgentSpan::invoke_agent().internal().with_name(name).with_model(MODEL).start();
                answer(&client).instrument(agent).await;
            })
        };
        let request = tracing::info_span!("request");
        let tasks = request.in_scope(|| [0, 1].map(spawn));
        for task in tasks {
            task.await.unwrap();
        }
    })
    .await;
    let mut drawings = drawings(&graphs);
    drawings.sort();
    assert_eq!(drawings, ["north", "south"].map(|name| format!("{name} completed\n{LEFT_TURN}")));
}
