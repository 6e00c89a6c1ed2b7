//! One run of the agent, from the endpoint to the graph of what happened.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32};

use anyhow::{Context, Result};
use example_model_server::ModelServer;
use otel_trace::bundle::Reader;
use otel_trace::graph::{Snapshots, write_state_file};
use otel_trace::reduce::{Options, reduce};
use otel_trace::{AgentThread, Operation, ThreadMeta};
use uuid::Uuid;

use crate::agent::{Agent, Ended};
use crate::cell::Cells;
use crate::client::{Client, Endpoint};
use crate::config::Config;
use crate::crew::{Crew, Identity};
use crate::desk::Desk;
use crate::hook::Hook;
use crate::scratch::Scratch;
use crate::screen::Screen;
use crate::setup::{Reaper, Setup};
use crate::stop::{Stop, Stopper};
use crate::terminals::Terminals;
use crate::tree;

pub(crate) async fn run(config: Config, stopper: Stopper, stop: Stop) -> Result<ExitCode> {
    let screen = Screen::new();

    // 1. A model: the endpoint the environment names, or one of our own.
    let endpoint = match &config.endpoint {
        Some(endpoint) => endpoint.clone(),
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

    // 3. One thread, with one turn for each thing the user says. The agents it spawns are threads of the same bundle.
    let me = Identity {
        path: "/root".to_owned(),
        name: "coder".to_owned(),
        role: "default",
        thread_id: Uuid::new_v4().to_string(),
    };
    let about = ThreadMeta::new().id(&me.thread_id).agent_path(&me.path).agent_name(&me.name).session_source("cli");
    let about = about.cwd(&project).model(&config.model, "openai");
    let thread = AgentThread::start(about.approval_policy("never").sandbox_policy("danger-full-access"));
    let bundle = thread.bundle().context("the run is not recorded")?;

    let setup = Arc::new(setup(&config, &endpoint, &scratch)?);
    // Behind the project: its processes end before it is cleared away.
    let _reaper = Reaper(Arc::clone(&setup));
    let seat = setup.crew.join(&me, stopper)?;
    let desk = Desk { setup: Arc::clone(&setup), me, screen: screen.clone(), cells: Cells::default() };
    let mut agent = Agent::new(Arc::new(desk), thread.clone(), seat, stop.clone());
    let mut ended = Ended::Said(String::new());
    for prompt in &config.prompts {
        ended = agent.turn(prompt).await;
        if !matches!(ended, Ended::Said(_)) {
            break;
        }
    }
    let reason = if let Ended::Stopped(reason) = &ended { reason } else { "the run is over" };
    agent.leave_all(reason).await;
    match &ended {
        Ended::Said(_) => thread.complete(),
        Ended::Failed(error) => thread.fail(format!("{error:#}")),
        Ended::Stopped(reason) => thread.cancel(reason),
    }

    // 4. What happened, from the evidence alone, also where it went wrong.
    show(&screen, &bundle)?;
    if let Ended::Failed(error) = ended {
        return Err(error);
    }
    if stop.reason().is_some() {
        return Ok(ExitCode::FAILURE);
    }

    // 5. The model has had its say; whether the tests pass is for the tests to tell.
    let verdict = tokio::select! {
        verdict = scratch.verify() => verdict?,
        _ = stop.requested() => return Ok(ExitCode::FAILURE),
    };
    screen.heading("result");
    screen.line(&verdict.to_string());
    let must_pass = config.is_default_task;
    Ok(if verdict.is_fixed() || !must_pass { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
        crew: Crew::default(),
        last_cell: AtomicU32::new(0),
    })
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
