//! A small coding agent: a model that streams its answers, a shell it may use, and the loop
//! between the two.
//!
//! Start at [`run`]; [`agent`] is the loop, [`client`] the HTTP, [`tools`] the shell. Nothing
//! here knows whether the model is a real one or the embedded one of [`example_model_server`].

mod agent;
mod client;
mod config;
mod failure;
mod process;
mod recording;
mod scratch;
mod screen;
mod stream;
mod tools;
mod tree;

use std::path::Path;
use std::pin::pin;
use std::process::ExitCode;

use anyhow::{Context, Result};
use otel_trace::bundle::Reader;
use otel_trace::graph::{Snapshots, write_state_file};
use otel_trace::reduce::{Options, reduce};
use otel_trace::{Recorder, Thread, ThreadMeta, Window};
use tracing_subscriber::prelude::*;

use agent::Agent;
use client::{Client, Endpoint};
use config::{Command, Config};
use example_model_server::ModelServer;
use scratch::Scratch;
use screen::Screen;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let outcome = match config::from_environment() {
        Ok(Command::Help) => {
            Screen::new().line(config::HELP);
            return ExitCode::SUCCESS;
        }
        Ok(Command::Run(config)) => record(config).await,
        Err(error) => {
            complain(&error);
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// A run with the recorder on: three lines, and whatever happens leaves a bundle.
async fn record(config: Config) -> Result<ExitCode> {
    let (recorder, guard) = Recorder::builder().root(&config.traces).build()?;
    let layer = recorder.layer().with_filter(recorder.filter());
    tracing_subscriber::registry().with(layer).init();

    let mut run = pin!(run(config));
    tokio::select! {
        outcome = &mut run => outcome,
        _ = tokio::signal::ctrl_c() => {
            // First the recording, so that what is dropped next is aborted there, not completed. Dropping the run
            // also ends the command it has running, see `process`.
            drop(guard);
            Err(anyhow::anyhow!("interrupted"))
        }
    }
}

/// One run of the agent, from the endpoint to the graph of what happened.
async fn run(config: Config) -> Result<ExitCode> {
    let screen = Screen::new();

    // 1. A model: the endpoint the environment names, or one of our own.
    let endpoint = match config.endpoint {
        Some(endpoint) => endpoint,
        None => {
            let server = ModelServer::start().await?;
            Endpoint { base_url: server.base_url().to_owned(), api_key: Some(server.api_key().to_owned()) }
        }
    };
    screen.note(&format!("model     {} at {}", config.model, endpoint.base_url));

    // 2. Something to work on, where nothing can be broken.
    let scratch = Scratch::create().context("could not write the scratch project")?;
    let project = scratch.project().display().to_string();
    screen.note(&format!("project   {project}"));

    // 3. One thread, with one turn for each thing the user says.
    let client = Client::new(&endpoint)?;
    let about = ThreadMeta::new().agent_name("coder").session_source("cli").cwd(&project);
    let about = about.model(&config.model, "openai").approval_policy("never").sandbox_policy("danger-full-access");
    let thread = Thread::start(about);
    let bundle = thread.bundle().context("the run is not recorded")?;
    let mut agent = Agent {
        client,
        model: config.model,
        reasoning: config.reasoning,
        workspace: scratch.workspace(),
        history: Vec::new(),
        screen,
        thread,
        turns: 0,
    };
    let mut outcome = Ok(());
    for prompt in &config.prompts {
        outcome = agent.turn(prompt).await;
        if outcome.is_err() {
            break;
        }
    }
    match &outcome {
        Ok(()) => agent.thread.completed(),
        Err(error) => agent.thread.failed(format!("{error:#}")),
    }

    // 4. What happened, from the evidence alone, also where it went wrong.
    show(&screen, &bundle)?;
    outcome?;

    // 5. The model has had its say; whether the tests pass is for the tests to tell.
    let verdict = scratch.verify().await?;
    screen.heading("result");
    screen.line(&verdict.to_string());
    let must_pass = config.is_default_task;
    Ok(if verdict.is_fixed() || !must_pass { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Reduces the bundle and shows its graph.
fn show(screen: &Screen, bundle: &Path) -> Result<()> {
    let reduction = reduce(&Reader::open(bundle)?, &Options::default())?;
    let state = bundle.join("state.json");
    write_state_file(&reduction.graph, &state, Snapshots::Expanded)?;

    screen.heading("what happened");
    screen.line(tree::of(&reduction.graph).trim_end());
    for diagnostic in &reduction.graph.diagnostics {
        screen.warning(&diagnostic.to_string());
    }
    screen.heading("look further");
    let here = std::env::current_dir().unwrap_or_default();
    let bundle = bundle.strip_prefix(here).unwrap_or(bundle).display();
    screen.line(&format!("the evidence  less {bundle}/trace.jsonl; ls {bundle}/payloads"));
    screen.line(&format!("the graph     less {bundle}/state.json"));
    screen.line(&format!("once more     cargo run -q --features cli -- reduce {bundle}"));
    Ok(())
}

#[expect(clippy::print_stderr, reason = "where a program's errors belong")]
fn complain(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}
