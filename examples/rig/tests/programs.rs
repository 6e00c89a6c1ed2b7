//! Programs that use rig in other ways than the example: each leaves the graphs that its author would draw.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../src/agents.rs"]
mod agents;
#[path = "../src/options.rs"]
#[expect(dead_code, reason = "the tests have no command line")]
mod options;
#[path = "../../../tests/common/recorded_programs.rs"]
mod recorded_programs;
#[path = "../src/tools.rs"]
mod tools;
#[path = "../../../tests/layer/lifetimes/tree.rs"]
mod tree;

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::Result;
use example_model_server::ModelServer;
use futures_util::future::join_all;
use otel_trace::graph::Severity;
use otel_trace::{AgentThread, Operation, Recorder, ThreadMeta};
use rig::Agent;
use rig::agent::WithBuilderTools;
use rig::completion::Message;
use rig::prelude::*;
use rig::providers::openai::{OpenAI, OpenAIConfig, Route};
use tracing::{Instrument, info_span, instrument};

const PRICE: &str = "What do 12 crates cost, delivered, with the voucher SPRING?";
const LEFT: &str = "How many are left after those 12?";

/// The turn of the desk in which it answers [`PRICE`].
const PRICE_TURN: &str = concat!(
    "  turn completed\n",
    "    call completed\n",
    "      price completed\n",
    "      stock completed\n",
    "    call completed\n",
    "      voucher failed\n",
    "    call completed\n",
    "      auditor completed\n",
    "    call completed\n",
);

/// The turn in which an agent answers [`LEFT`].
const LEFT_TURN: &str =
    concat!("  turn completed\n", "    call completed\n", "      stock completed\n", "    call completed\n",);

/// The thread of the auditor, which the desk asks.
const AUDITOR: &str = concat!(
    "auditor completed\n",
    "  turn completed\n",
    "    call completed\n",
    "      multiply completed\n",
    "    call completed\n",
    "      add completed\n",
    "    call completed\n",
);

fn options() -> options::Options {
    options::Options {
        responses: false,
        content: true,
        wire: false,
        span: false,
        model: "gpt-5-mini".to_owned(),
        endpoint: None,
        traces: PathBuf::new(),
    }
}

fn desk(base_url: &str, api_key: &str) -> Agent {
    agents::desk(base_url, api_key, &options()).unwrap()
}

/// Creates an agent that looks the stock up.
fn clerk(base_url: &str, api_key: &str, name: &str) -> Agent {
    clerk_builder(base_url, api_key).name(name).build()
}

/// Creates the builder of an agent without a name that looks the stock up.
fn clerk_builder(base_url: &str, api_key: &str) -> AgentBuilder<WithBuilderTools> {
    let client: OpenAI = OpenAIConfig::new(api_key).with_base_url(base_url).with_route(Route::Chat).client();
    let builder = AgentBuilder::new(client.completion("gpt-5-mini")).default_max_turns(4);
    builder.record_content_telemetry(true).tool(tools::Price).tool(tools::Stock)
}

/// Records a program that uses the embedded server, behind its rate limit. Returns the drawings of its runs, in the order
/// of their starts.
async fn record(program: impl AsyncFnOnce(&ModelServer, &Recorder)) -> Vec<String> {
    let server = ModelServer::start().await.unwrap();
    // The server rejects its first request.
    assert!(desk(server.base_url(), server.api_key()).prompt(PRICE).await.is_err());
    let graphs = recorded_programs::record_program(async |recorder| program(&server, recorder).await).await;
    for graph in &graphs {
        let problems: Vec<_> = graph.diagnostics.iter().filter(|found| found.severity != Severity::Notice).collect();
        assert!(problems.is_empty(), "{problems:?}");
    }
    graphs.iter().map(tree::draw).collect()
}

/// The drawing of a run of the desk that answers [`PRICE`].
fn price_run() -> String {
    format!("desk completed\n{PRICE_TURN}{AUDITOR}")
}

#[tokio::test]
async fn a_span_for_each_request_is_a_run() {
    let drawings = record(async |server, _| {
        let desk = desk(server.base_url(), server.api_key());
        for question in [PRICE, LEFT] {
            let request = info_span!("request", path = "/ask");
            desk.prompt(question).await_in(request).await.unwrap();
        }
    })
    .await;
    assert_eq!(drawings, [price_run(), format!("desk completed\n{LEFT_TURN}")]);
}

#[tokio::test]
async fn joined_requests_are_runs_of_their_own() {
    let drawings = record(async |server, _| {
        let desk = desk(server.base_url(), server.api_key());
        let requests = (0..3).map(|number| desk.prompt(PRICE).await_in(info_span!("request", number)));
        assert!(join_all(requests).await.iter().all(Result::is_ok));
    })
    .await;
    assert_eq!(drawings, [price_run(), price_run(), price_run()]);
}

/// Answers a question, as programs write it.
#[instrument(err, skip(desk))]
async fn answer(desk: &Agent, question: &str) -> Result<String> {
    Ok(desk.prompt(question).await?.output())
}

#[tokio::test]
async fn an_instrumented_caller_is_a_run() {
    let drawings = record(async |server, _| {
        let desk = desk(server.base_url(), server.api_key());
        answer(&desk, PRICE).await.unwrap();
        answer(&desk, LEFT).await.unwrap();
    })
    .await;
    assert_eq!(drawings, [price_run(), format!("desk completed\n{LEFT_TURN}")]);
}

#[tokio::test]
async fn joined_agents_below_one_span_have_a_thread_each() {
    let drawings = record(async |server, _| {
        let clerks = ["north", "south"].map(|name| clerk(server.base_url(), server.api_key(), name));
        let survey = async {
            // A span for each agent inside of the join makes no difference: the span around them is the run.
            let asked = clerks.iter().map(|clerk| clerk.prompt(LEFT).await_in(info_span!("ask"))).collect::<Vec<_>>();
            join_all(asked).await.iter().all(Result::is_ok)
        };
        assert!(survey.instrument(info_span!("survey")).await);
    })
    .await;
    assert_eq!(drawings, [format!("north completed\n{LEFT_TURN}south completed\n{LEFT_TURN}")]);
}

/// A workflow of agents, as programs write it: a span of the GenAI conventions, which rig puts the spans of all its agents
/// into.
#[instrument(skip_all, fields(gen_ai.operation.name = "invoke_workflow"))]
async fn order(desk: &Agent, clerks: &[Agent]) -> bool {
    let price = desk.prompt(PRICE).await.is_ok();
    let left = join_all(clerks.iter().map(|clerk| async move { clerk.prompt(LEFT).await })).await;
    price && left.iter().all(Result::is_ok)
}

#[tokio::test]
async fn agents_of_a_workflow_have_a_thread_each() {
    let drawings = record(async |server, _| {
        let clerks = ["north", "south"].map(|name| clerk(server.base_url(), server.api_key(), name));
        assert!(order(&desk(server.base_url(), server.api_key()), &clerks).await);
    })
    .await;
    let clerks = format!("north completed\n{LEFT_TURN}south completed\n{LEFT_TURN}");
    assert_eq!(drawings, [format!("/root completed\n  turn completed\ndesk completed\n{PRICE_TURN}{AUDITOR}{clerks}")]);
}

/// Asks an agent in a span of the GenAI conventions, as programs write it.
#[instrument(err, skip_all, fields(gen_ai.operation.name = "invoke_agent", gen_ai.agent.name = name))]
async fn run_agent(name: &str, agent: &Agent, question: &str) -> Result<String> {
    Ok(agent.prompt(question).await?.output())
}

#[tokio::test]
async fn joined_runs_of_one_agent_have_a_thread_each() {
    let drawings = record(async |server, _| {
        let clerk = clerk(server.base_url(), server.api_key(), "clerk");
        let runs = join_all((0..3).map(|_| run_agent("clerk", &clerk, LEFT)));
        assert!(runs.instrument(info_span!("survey")).await.iter().all(Result::is_ok));
    })
    .await;
    let clerk = format!("clerk completed\n{LEFT_TURN}");
    assert_eq!(drawings, [[clerk.as_str(); 3].concat()]);
}

#[tokio::test]
async fn an_agent_without_a_name_has_that_of_the_span_around_it() {
    let drawings = record(async |server, _| {
        let agent = clerk_builder(server.base_url(), server.api_key()).build();
        run_agent("clerk", &agent, LEFT).await.unwrap();
        agent.prompt(LEFT).await.unwrap();
    })
    .await;
    assert_eq!(drawings, [format!("clerk completed\n{LEFT_TURN}"), format!("/root completed\n{LEFT_TURN}")]);
}

#[tokio::test]
async fn each_question_of_a_chat_loop_is_a_turn() {
    let drawings = record(async |server, _| {
        let clerk = clerk(server.base_url(), server.api_key(), "clerk");
        let chat = async {
            let mut history = Vec::<Message>::new();
            for question in [LEFT, "How many are left after 5?", "How many are left after 40?"] {
                let response = clerk.prompt(question).history(history.clone()).await.unwrap();
                history.extend(response.messages().iter().cloned());
            }
        };
        chat.instrument(info_span!("chat_loop")).await;
    })
    .await;
    let [drawing] = &drawings[..] else { panic!("{drawings:#?}") };
    assert_eq!(drawing.lines().filter(|line| line.trim_start().starts_with("turn")).count(), 3, "{drawing}");
    assert!(drawing.starts_with(&format!("clerk completed\n{LEFT_TURN}")), "{drawing}");
}

/// Records a question that is asked of the API at this address, and fails. Returns the drawing of its run.
async fn record_failure(base_url: &str, api_key: &str) -> String {
    let drawings = record(async |server, _| {
        let base_url = if base_url.is_empty() { server.base_url() } else { base_url };
        assert!(answer(&desk(base_url, api_key), PRICE).await.is_err());
    })
    .await;
    let [drawing] = &drawings[..] else { panic!("{drawings:#?}") };
    drawing.clone()
}

const FAILED: &str = "desk failed\n  turn failed\n    call failed\n";

/// A run whose call could not be sent: rig tells only its caller why.
const NOT_SENT: &str = "desk failed\n  turn failed\n    call cancelled\n";

#[tokio::test]
async fn a_refused_connection_fails_the_run() {
    // Bound and closed again: nothing listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    assert_eq!(record_failure(&format!("http://127.0.0.1:{port}/v1"), "key").await, NOT_SENT);
}

/// A workflow of one agent, which returns the error of that.
#[instrument(err, skip_all, fields(gen_ai.operation.name = "invoke_workflow"))]
async fn ask_in_workflow(desk: &Agent) -> Result<String> {
    Ok(desk.prompt(PRICE).await?.output())
}

#[tokio::test]
async fn a_refused_connection_fails_the_workflow_and_its_agent() {
    let drawings = record(async |_, _| {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let desk = desk(&format!("http://127.0.0.1:{port}/v1"), "key");
        assert!(ask_in_workflow(&desk).await.is_err());
    })
    .await;
    assert_eq!(drawings, [format!("/root failed\n  turn failed\n{NOT_SENT}")]);
}

#[tokio::test]
async fn a_rate_limit_fails_the_run() {
    // The first request to a server.
    let fresh = ModelServer::start().await.unwrap();
    assert_eq!(record_failure(fresh.base_url(), fresh.api_key()).await, FAILED);
}

#[tokio::test]
async fn a_missing_key_fails_the_run() {
    assert_eq!(record_failure("", "").await, FAILED);
}

#[tokio::test]
async fn handles_in_a_map_are_the_conversations_of_users() {
    let drawings = record(async |server, recorder| {
        let clerk = clerk(server.base_url(), server.api_key(), "clerk");
        let mut users = HashMap::<&str, AgentThread>::new();
        for user in ["ann", "bob", "ann"] {
            let new = || AgentThread::start(ThreadMeta::new().id(user).agent_name("clerk"));
            let turn = users.entry(user).or_insert_with(new).turn(None);
            clerk.prompt(LEFT).await_in(turn.span().clone()).await.unwrap();
            turn.complete();
        }
        drop(users);
        // The same with a recorder that keeps the conversations.
        for user in ["cem", "dot", "cem"] {
            let turn = recorder.conversation(user, ThreadMeta::new().agent_name("clerk")).turn(None);
            clerk.prompt(LEFT).await_in(turn.span().clone()).await.unwrap();
            turn.complete();
        }
    })
    .await;
    let twice = format!("clerk completed\n{LEFT_TURN}{LEFT_TURN}");
    let once = format!("clerk completed\n{LEFT_TURN}");
    assert_eq!(drawings, [twice.clone(), once.clone(), twice, once]);
}

#[tokio::test]
async fn spawned_tasks_without_a_span_are_runs_of_their_own() {
    let drawings = record(async |server, _| {
        let spawn = |question: &'static str| {
            let desk = desk(server.base_url(), server.api_key());
            tokio::spawn(async move { desk.prompt(question).await.is_ok() })
        };
        let request = info_span!("request");
        let tasks = request.in_scope(|| [PRICE, LEFT].map(spawn));
        for task in tasks {
            assert!(task.await.unwrap());
        }
    })
    .await;
    let mut sorted = drawings;
    sorted.sort();
    let mut expected = [price_run(), format!("desk completed\n{LEFT_TURN}")];
    expected.sort();
    assert_eq!(sorted, expected);
}

/// Awaits a prompt inside of a span.
trait AwaitIn: IntoFuture + Sized {
    fn await_in(self, span: tracing::Span) -> impl Future<Output = Self::Output> {
        async { self.await }.instrument(span)
    }
}

impl<F: IntoFuture> AwaitIn for F {}
