//! A small coding agent: a model that streams its answers, a shell it may use, and the loop
//! between the two.
//!
//! Start at [`run`]; [`agent`] is the loop, [`client`] the HTTP, [`tools`] the shell. Nothing
//! here knows whether the model is a real one or the embedded [`model_server`].

#![expect(dead_code, reason = "some fields are there for the recording, which comes next")]

mod agent;
mod client;
mod config;
mod failure;
mod model_server;
mod process;
mod scratch;
mod screen;
mod stream;
mod tools;

use std::process::ExitCode;

use anyhow::{Context, Result};

use agent::Agent;
use client::Client;
use config::{Command, Config};
use model_server::ModelServer;
use scratch::Scratch;
use screen::Screen;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let outcome = match config::from_environment() {
        Ok(Command::Help) => {
            Screen::new().line(config::HELP);
            return ExitCode::SUCCESS;
        }
        // Dropping the run on Ctrl-C also ends the command it has running, see `process`.
        Ok(Command::Run(config)) => tokio::select! {
            outcome = run(config) => outcome,
            _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
        },
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

/// One run of the agent, from the endpoint to the verdict.
async fn run(config: Config) -> Result<ExitCode> {
    let screen = Screen::new();

    // 1. A model: the endpoint the environment names, or one of our own.
    let endpoint = match config.endpoint {
        Some(endpoint) => endpoint,
        None => ModelServer::start().await?.endpoint(),
    };
    screen.note(&format!("model     {} at {}", config.model, endpoint.base_url));

    // 2. Something to work on, where nothing can be broken.
    let scratch = Scratch::create().context("could not write the scratch project")?;
    screen.note(&format!("project   {}", scratch.project().display()));

    // 3. One thread, with one turn for each thing the user says.
    let mut agent = Agent {
        client: Client::new(&endpoint)?,
        model: config.model,
        reasoning: config.reasoning,
        workspace: scratch.workspace(),
        history: Vec::new(),
        screen,
    };
    for prompt in &config.prompts {
        agent.turn(prompt).await?;
    }

    // 4. The model has had its say; whether the tests pass is for the tests to tell.
    let verdict = scratch.verify().await?;
    screen.heading("result");
    screen.line(&verdict.to_string());
    let must_pass = config.is_default_task;
    Ok(if verdict.is_fixed() || !must_pass { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[expect(clippy::print_stderr, reason = "where a program's errors belong")]
fn complain(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}
