//! An agent written with [rig](https://docs.rs/rig), recorded by three lines and otherwise unchanged.
//!
//! [`agents`] and [`tools`] are plain rig. [`run`] asks the desk two questions and streams the answer to the second.
//! Each question is a separate run, so each leaves a bundle; [`report`] reads the bundles.

mod agents;
mod options;
mod report;
mod tools;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Result, bail};
use example_model_server::ModelServer;
use futures_util::StreamExt;
use otel_trace::Recorder;
use otel_trace::otlp::Otlp;
use rig::Agent;
use rig::agent::MultiTurnStreamItem;
use tracing::{Instrument, Span, info_span};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;

use options::{HELP, Options};

const ATTEMPTS: usize = 3;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = match Options::from_environment() {
        Ok(Some(options)) => options,
        Ok(None) => {
            print(HELP);
            return ExitCode::SUCCESS;
        }
        Err(error) => return print_error(&error, 2),
    };
    match record(&options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => print_error(&error, 1),
    }
}

/// Runs the program with the recorder enabled, and prints a report of the bundles.
async fn record(options: &Options) -> Result<()> {
    let (recorder, guard) = Recorder::builder().root(&options.traces).build()?;
    let filter = if options.wire { recorder.filter().wire_events() } else { recorder.filter() };
    // Exports the spans too, if the environment names an OpenTelemetry backend.
    let exporting = Otlp::from_env()?;
    let bridge = exporting.as_ref().map(|(otlp, _guard)| otlp.bridge(&recorder).with_filter(LevelFilter::INFO));
    tracing_subscriber::registry().with(bridge).with(recorder.layer().with_filter(filter)).init();

    let before = report::bundles(&options.traces)?;
    let span = if options.span { info_span!("shop") } else { Span::none() };
    let outcome = run(options).instrument(span).await;
    drop(guard);
    for bundle in report::bundles(&options.traces)?.difference(&before) {
        print(&report::render(bundle)?);
    }
    outcome
}

async fn run(options: &Options) -> Result<()> {
    let desk = match &options.endpoint {
        Some((base_url, api_key)) => agents::desk(base_url, api_key, options)?,
        None => {
            let server = ModelServer::start().await?;
            agents::desk(server.base_url(), server.api_key(), options)?
        }
    };
    print(&ask(&desk, "What do 12 crates cost, delivered, with the voucher SPRING?").await?);
    stream(&desk, "How many are left after those 12?").await
}

/// Asks a question, and retries if the endpoint fails: rig does not retry.
async fn ask(desk: &Agent, question: &str) -> Result<String> {
    for attempt in 1..ATTEMPTS {
        match desk.prompt(question).await {
            Ok(answer) => return Ok(answer.output()),
            Err(error) => print(&format!("! {error} (attempt {attempt} of {ATTEMPTS})")),
        }
    }
    Ok(desk.prompt(question).await?.output())
}

/// Asks a question with a streamed answer.
async fn stream(desk: &Agent, question: &str) -> Result<()> {
    let mut answer = desk.prompt(question).stream();
    while let Some(item) = answer.next().await {
        if let MultiTurnStreamItem::FinalResponse(response) = item? {
            print(&response.output());
            return Ok(());
        }
    }
    bail!("the answer to {question:?} ended before it was complete")
}

fn print(text: &str) {
    // Ignores errors: a closed pipe must not end the run.
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn print_error(error: &anyhow::Error, status: u8) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "error: {error:#}");
    ExitCode::from(status)
}
