//! A small coding agent: a model that streams its responses, terminals and scripts that it may use, agents that it may
//! spawn, and the loop that connects them.
//!
//! Start at [`run`]. [`agent`] is the turn loop; [`inference`] and [`compaction`] build its requests to the model, and
//! [`client`] sends them. A tool call arrives at the [`context`] of its agent, passes the [`hook`], and is executed by
//! one of the [`tools`]; scripts run as [`cell`]s. The code is the same for a real model and for the embedded one of
//! [`example_model_server`].

mod agent;
mod bounded_output;
mod cell;
mod client;
mod compaction;
mod config;
mod context;
mod failure;
mod hook;
mod http;
mod inference;
mod message;
mod process;
mod recording;
mod registry;
mod run;
mod scratch;
mod screen;
mod script;
mod setup;
mod stop;
mod stream;
mod terminal;
mod terminals;
mod tools;
mod workspace;

use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use otel_trace::Recorder;
use otel_trace::otlp::Otlp;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;

use config::{Command, Config};
use screen::Screen;
use stop::StopHandle;

/// Exit status by which a shell reports a program that Ctrl-C ended.
const EXIT_INTERRUPTED: u8 = 130;
/// Maximum time that an interrupted run may take to stop its processes and to close its recording.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let outcome = match config::from_environment() {
        Ok(Command::Help) => {
            Screen::new().print(config::HELP);
            return ExitCode::SUCCESS;
        }
        Ok(Command::Run(config)) => record(config).await,
        Err(error) => {
            print_error(&error);
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            print_error(&error);
            ExitCode::FAILURE
        }
    }
}

/// Runs the agent with the recorder enabled. Three lines set up recording: with them, every run leaves a bundle,
/// however it ends. Two more export the spans to an OpenTelemetry backend if the environment names one.
async fn record(config: Config) -> Result<ExitCode> {
    let exporting = Otlp::from_env()?;
    let (recorder, guard) = Recorder::builder().root(&config.traces).build()?;
    let bridge = exporting.as_ref().map(|(otlp, _guard)| otlp.bridge(&recorder).with_filter(LevelFilter::INFO));
    let layer = recorder.layer().with_filter(recorder.filter());
    tracing_subscriber::registry().with(bridge).with(layer).init();

    let (stop_handle, stop) = StopHandle::new();
    let mut run = pin!(run::run(config, stop_handle.clone(), stop));
    tokio::select! {
        outcome = &mut run => return outcome,
        _ = tokio::signal::ctrl_c() => stop_handle.stop("interrupted"),
    }
    // The run stops its processes and records that it was cancelled.
    tokio::select! {
        outcome = &mut run => {
            outcome?;
        }
        () = tokio::time::sleep(SHUTDOWN_TIMEOUT) => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    // The recording ends first, so that whatever is dropped next is recorded as aborted instead of completed.
    drop(guard);
    print_error(&anyhow::anyhow!("interrupted"));
    Ok(ExitCode::from(EXIT_INTERRUPTED))
}

#[expect(clippy::print_stderr, reason = "errors of the program go to stderr")]
fn print_error(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}
