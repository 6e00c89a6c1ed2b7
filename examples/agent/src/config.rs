//! What the command line and the environment ask for.

use std::env::{self, VarError};
use std::path::PathBuf;

use anyhow::{Result, bail};
use otel_trace::layer::ROOT_VARIABLE;

use crate::client::Endpoint;

pub(crate) const HELP: &str = "\
A small coding agent. It is given a scratch project whose tests fail.

Usage: example-agent [PROMPT]

  PROMPT   What to ask of a real model, in quotes. Without one the agent is asked to fix
           the failing tests, and then what it did.

Options:
  -h, --help   Print this

Environment:
  OPENAI_BASE_URL    Any endpoint of the Responses API [default: https://api.openai.com/v1]
  OPENAI_API_KEY     Its key
  OPENAI_MODEL       The model [default: gpt-5-mini]
  OPENAI_REASONING   `off` for a model or an endpoint that knows no reasoning
  OPENAI_SCRIPTS     `off` for an endpoint that knows functions only, and no tool that takes a script
  OTEL_TRACE_ROOT    Where the run is recorded [default: traces]
  OTEL_EXPORTER_OTLP_ENDPOINT
                     A backend of OpenTelemetry that gets the spans too, as http://localhost:4318;
                     the other OTEL_* variables say how

With neither OPENAI_BASE_URL nor OPENAI_API_KEY set, an embedded model server on 127.0.0.1
answers: no key, no network, the same protocol.

Examples:
  example-agent
  OPENAI_API_KEY=sk-... example-agent \"why does the test fail? do not change anything\"
  OPENAI_BASE_URL=http://localhost:11434/v1 OPENAI_MODEL=gpt-oss:20b example-agent";

const DEFAULT_PROMPTS: [&str; 2] = [
    "The tests fail. Find the bug, fix it, and run them again.",
    "What exactly did you change, and is anything else wrong with it?",
];

/// As much as models answer well to, and less than they take.
const CONTEXT_LIMIT: u64 = 200_000;
/// The embedded model is a small one: its one task is over before a larger context would be full.
const EMBEDDED_CONTEXT_LIMIT: u64 = 3_800;

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Command {
    Help,
    Run(Config),
}

/// One run.
#[derive(Debug)]
pub(crate) struct Config {
    /// `None` is the embedded server.
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) model: String,
    /// Whether the model is asked to reason and to stream a summary of it.
    pub(crate) reasoning: bool,
    /// Whether the endpoint knows tools that take a script.
    pub(crate) scripts: bool,
    /// A history with more tokens is compacted.
    pub(crate) context_limit: u64,
    /// The directory of bundles.
    pub(crate) traces: PathBuf,
    /// What the user says, one turn each.
    pub(crate) prompts: Vec<String>,
    /// The user asked for nothing else, so a run that fixes nothing has failed.
    pub(crate) is_default_task: bool,
}

pub(crate) fn from_environment() -> Result<Command> {
    let args = env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    parse(args, |name| match env::var(name) {
        // `OPENAI_API_KEY= example-agent` is how a shell user says "without".
        Ok(value) => Ok(Some(value.trim().to_owned()).filter(|value| !value.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => bail!("{name} is not UTF-8"),
    })
}

fn parse(args: Vec<String>, var: impl Fn(&str) -> Result<Option<String>>) -> Result<Command> {
    let Some(prompt) = parse_prompt(args)? else {
        return Ok(Command::Help);
    };
    let base_url = var("OPENAI_BASE_URL")?;
    let api_key = var("OPENAI_API_KEY")?;
    let endpoint = (base_url.is_some() || api_key.is_some())
        .then(|| Endpoint { base_url: base_url.unwrap_or_else(|| "https://api.openai.com/v1".to_owned()), api_key });
    if endpoint.is_none() && prompt.is_some() {
        bail!(
            "the embedded model knows one task only: to give it a prompt of yours, set \
             OPENAI_API_KEY, or OPENAI_BASE_URL, or leave the prompt out"
        );
    }
    let context_limit = if endpoint.is_some() { CONTEXT_LIMIT } else { EMBEDDED_CONTEXT_LIMIT };
    let default_model = if endpoint.is_some() { "gpt-5-mini" } else { "embedded" };
    Ok(Command::Run(Config {
        endpoint,
        model: var("OPENAI_MODEL")?.unwrap_or_else(|| default_model.to_owned()),
        reasoning: var("OPENAI_REASONING")?.as_deref() != Some("off"),
        scripts: var("OPENAI_SCRIPTS")?.as_deref() != Some("off"),
        context_limit,
        traces: var(ROOT_VARIABLE)?.map_or_else(|| PathBuf::from("traces"), PathBuf::from),
        is_default_task: prompt.is_none(),
        prompts: prompt.map_or_else(|| DEFAULT_PROMPTS.map(str::to_owned).to_vec(), |it| vec![it]),
    }))
}

/// The prompt if there is one; `None` when help is wanted instead.
fn parse_prompt(args: Vec<String>) -> Result<Option<Option<String>>> {
    let mut prompt = None;
    let mut flags = true;
    for arg in args {
        match arg.as_str() {
            "-h" | "--help" if flags => return Ok(None),
            "--" if flags => flags = false,
            flag if flags && flag.starts_with('-') => {
                bail!("unknown option {flag:?}; `example-agent --help` lists what there is")
            }
            "" => bail!("the prompt is empty"),
            _ if prompt.is_some() => bail!("more than one prompt: put it in quotes"),
            _ => prompt = Some(arg),
        }
    }
    Ok(Some(prompt))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(args: &[&str], vars: &[(&str, &str)]) -> Result<Config> {
        let args = args.iter().map(|&arg| arg.to_owned()).collect();
        let var = |name: &str| Ok(vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()));
        match parse(args, var)? {
            Command::Run(config) => Ok(config),
            Command::Help => bail!("help"),
        }
    }

    #[test]
    fn environment_selects_the_endpoint() -> Result<()> {
        assert!(run(&[], &[])?.endpoint.is_none());

        let keyed = run(&[], &[("OPENAI_API_KEY", "sk-1")])?;
        let endpoint = keyed.endpoint.unwrap_or_else(|| panic!("no endpoint"));
        assert_eq!(endpoint.base_url, "https://api.openai.com/v1");

        let local = run(&["hello"], &[("OPENAI_BASE_URL", "http://localhost:1/v1")])?;
        assert_eq!(local.prompts, ["hello"]);
        assert!(local.endpoint.is_some_and(|it| it.api_key.is_none()));
        Ok(())
    }

    #[test]
    fn invalid_arguments_are_rejected() {
        let keyed = [("OPENAI_API_KEY", "sk-1")];
        for args in [&["--turns"][..], &["fix", "it"], &[""]] {
            assert!(run(args, &keyed).is_err(), "{args:?}");
        }
        assert!(run(&["a prompt"], &[]).is_err(), "the embedded model cannot follow it");
        assert!(run(&["--", "--not-a-flag"], &keyed).is_ok());
    }
}
