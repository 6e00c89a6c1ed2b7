//! One run of the agent, from the setup of the model endpoint to the graph of the recorded run.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32};

use anyhow::{Context, Result};
use example_model_server::ModelServer;
use otel_trace::bundle::Reader;
use otel_trace::graph::{Snapshots, write_state_file};
use otel_trace::reduce::{Options, reduce};
use otel_trace::view::{self, Layout, PriceList};
use otel_trace::{AgentThread, Operation, ThreadMeta};
use uuid::Uuid;

use crate::agent::{Agent, TurnOutcome};
use crate::cell::Cells;
use crate::client::{Client, Endpoint};
use crate::config::Config;
use crate::context::AgentContext;
use crate::hook::Hook;
use crate::registry::{AgentRegistry, Identity};
use crate::scratch::Scratch;
use crate::screen::Screen;
use crate::setup::{Reaper, Setup};
use crate::stop::{StopHandle, StopSignal};
use crate::terminals::Terminals;

/// Runs the prompts of `config` and prints the graph of the run. Stops early when `stop` is requested.
pub(crate) async fn run(config: Config, stop_handle: StopHandle, stop: StopSignal) -> Result<ExitCode> {
    let screen = Screen::new();

    // 1. The model: the endpoint that the environment names, or the embedded server.
    let endpoint = match &config.endpoint {
        Some(endpoint) => endpoint.clone(),
        None => {
            let server = ModelServer::start().await?;
            Endpoint { base_url: server.base_url().to_owned(), api_key: Some(server.api_key().to_owned()) }
        }
    };
    screen.print_note(&format!("model     {} at {}", config.model, endpoint.base_url));

    // 2. A scratch project, in which the agent can do no harm.
    let scratch = Scratch::create().context("could not write the scratch project")?;
    let project = scratch.project().display().to_string();
    screen.print_note(&format!("project   {project}"));

    // 3. One thread, with one turn for each prompt. Spawned agents are recorded as threads of the same bundle.
    let identity = Identity {
        path: "/root".to_owned(),
        name: "coder".to_owned(),
        role: "default",
        thread_id: Uuid::new_v4().to_string(),
    };
    let meta = ThreadMeta::new()
        .id(&identity.thread_id)
        .agent_path(&identity.path)
        .agent_name(&identity.name)
        .session_source("cli");
    let meta = meta.cwd(&project).model(&config.model, "openai");
    let thread = AgentThread::start(meta.approval_policy("never").sandbox_policy("danger-full-access"));
    let bundle = thread.bundle().context("the run is not recorded")?;

    let setup = Arc::new(setup(&config, &endpoint, &scratch)?);
    // Declared after `scratch`, so that it is dropped first: the processes end before the project is removed.
    let _reaper = Reaper(Arc::clone(&setup));
    let mailbox = setup.agents.register(&identity, stop_handle)?;
    let ctx = AgentContext { setup: Arc::clone(&setup), identity, screen: screen.clone(), cells: Cells::default() };
    let mut agent = Agent::new(Arc::new(ctx), thread.clone(), mailbox, stop.clone());
    let mut outcome = TurnOutcome::Answered(String::new());
    for prompt in &config.prompts {
        outcome = agent.turn(prompt).await;
        if !matches!(outcome, TurnOutcome::Answered(_)) {
            break;
        }
    }
    let reason = if let TurnOutcome::Stopped(reason) = &outcome { reason } else { "the run is over" };
    agent.shut_down(reason).await;
    match &outcome {
        TurnOutcome::Answered(_) => thread.complete(),
        TurnOutcome::Failed(error) => thread.fail(format!("{error:#}")),
        TurnOutcome::Stopped(reason) => thread.cancel(reason),
    }

    // 4. The graph of the run, reduced from the bundle, also if the run has failed.
    print_graph(&screen, &bundle)?;
    if let TurnOutcome::Failed(error) = outcome {
        return Err(error);
    }
    if stop.reason().is_some() {
        return Ok(ExitCode::FAILURE);
    }

    // 5. The verification: whether the bug is fixed is decided by the tests, not by the answer of the model.
    let verification = tokio::select! {
        verification = scratch.verify() => verification?,
        _ = stop.requested() => return Ok(ExitCode::FAILURE),
    };
    screen.print_heading("result");
    screen.print(&verification.to_string());
    let must_pass = config.is_default_task;
    Ok(if verification.is_fixed() || !must_pass { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn setup(config: &Config, endpoint: &Endpoint, scratch: &Scratch) -> Result<Setup> {
    let workspace = scratch.workspace();
    Ok(Setup {
        client: Client::new(endpoint)?,
        model: config.model.clone(),
        reasoning: config.reasoning,
        scripts: config.scripts,
        context_limit: config.context_limit,
        can_compact: AtomicBool::new(true),
        hook: Hook::new(workspace.dir()),
        workspace,
        terminals: Terminals::default(),
        agents: AgentRegistry::default(),
        last_cell: AtomicU32::new(0),
    })
}

/// Reduces the bundle, writes `state.json` and prints the graph.
fn print_graph(screen: &Screen, bundle: &Path) -> Result<()> {
    let reader = Reader::open(bundle)?;
    let reduction = reduce(&reader, &Options::default())?;
    let state = bundle.join("state.json");
    write_state_file(&reduction.graph, &state, Snapshots::Expanded)?;

    screen.print_heading("what happened");
    let run = view::Run::new(&reader, &reduction, &PriceList::embedded());
    let all: Vec<_> = (0..run.nodes.len()).collect();
    screen.print_lines(&run.show(&all, Layout { columns: Screen::columns(), full: false }));
    for diagnostic in &reduction.graph.diagnostics {
        screen.print_warning(&diagnostic.to_string());
    }
    screen.print_heading("look further");
    let here = std::env::current_dir().unwrap_or_default();
    let bundle = bundle.strip_prefix(here).unwrap_or(bundle);
    let root = bundle.parent().unwrap_or(bundle);
    let bundle = bundle.display();
    screen.print(&format!("what failed         otel-trace show --failed {bundle}"));
    screen.print(&format!("what one agent did  otel-trace show --thread coder {bundle}"));
    screen.print(&format!("what it cost        otel-trace cost {bundle}"));
    screen.print(&format!("what was lost       otel-trace check {bundle}"));
    screen.print(&format!("all runs            otel-trace ls {}", root.display()));
    screen.print(&format!("the graph           less {bundle}/state.json"));
    screen.print(&format!("the evidence        less {bundle}/trace.jsonl; ls {bundle}/payloads"));
    screen.print_note("in this repository, otel-trace is: cargo run -q --features cli --");
    Ok(())
}
