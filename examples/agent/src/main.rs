//! A small coding agent: a model that streams its answers, terminals and scripts it may use, other agents it may spawn,
//! and the loop between them.
//!
//! Start at [`run`]; [`agent`] is the loop, [`inference`] and [`compaction`] what it asks of the model, [`client`] the
//! HTTP. A tool call arrives at the [`desk`], passes the [`hook`], and is one of [`tools`]; scripts are [`cell`]s.
//! Nothing here knows whether the model is a real one or the embedded one of [`example_model_server`].

mod agent;
mod cell;
mod client;
mod compaction;
mod config;
mod registry;
mod context;
mod failure;
mod hook;
mod http;
mod inference;
mod bounded_output;
mod message;
mod process;
mod recording;
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
mod tree;
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

/// What a shell says of a program that Ctrl-C ended.
const EXIT_INTERRUPTED: u8 = 130;
/// How long a run may take to end what it has running.
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

/// A run with the recorder on: three lines, and whatever happens leaves a bundle. Two more, and a backend of
/// OpenTelemetry has it too, where the environment names one.
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
    // The run ends what it has running, and says so in its recording.
    tokio::select! {
        outcome = &mut run => {
            outcome?;
        }
        () = tokio::time::sleep(SHUTDOWN_TIMEOUT) => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    // First the recording, so that what is dropped next is aborted there, not completed.
    drop(guard);
    print_error(&anyhow::anyhow!("interrupted"));
    Ok(ExitCode::from(EXIT_INTERRUPTED))
}

#[expect(clippy::print_stderr, reason = "where a program's errors belong")]
fn print_error(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}
