//! Configuration from the command line and the environment.

use std::env::{self, VarError};
use std::path::PathBuf;

use anyhow::{Result, bail};
use otel_trace::layer::ROOT_VARIABLE;

use crate::client::Endpoint;

pub(crate) const HELP: &str = "\
A small coding agent. It is given a scratch project whose tests fail.

Usage: example-agent [PROMPT]

  PROMPT   The task for a real model, in quotes. Without a prompt the agent is asked to fix
           the failing tests, and then to explain its change.

Options:
  -h, --help   Print help

Environment:
  OPENAI_BASE_URL    Base URL of a Responses API [default: https://api.openai.com/v1]
  OPENAI_API_KEY     API key
  OPENAI_MODEL       Name of the model [default: gpt-5-mini]
  OPENAI_REASONING   Set to `off` for a model or an endpoint without reasoning
  OPENAI_SCRIPTS     Set to `off` for an endpoint that supports function tools only, no custom tools
  OTEL_TRACE_ROOT    Directory in which the run is recorded [default: traces]
  OTEL_EXPORTER_OTLP_ENDPOINT
                     OpenTelemetry backend to export the spans to, for example http://localhost:4318;
                     the other OTEL_* variables configure the export

If neither OPENAI_BASE_URL nor OPENAI_API_KEY is set, the agent uses an embedded model server
on 127.0.0.1, which needs no key and no network and implements the same protocol.

Examples:
  example-agent
  OPENAI_API_KEY=sk-... example-agent \"why does the test fail? do not change anything\"
  OPENAI_BASE_URL=http://localhost:11434/v1 OPENAI_MODEL=gpt-oss:20b example-agent";

const DEFAULT_PROMPTS: [&str; 2] = [
    "The tests fail. Find the bug, fix it, and run them again.",
    "What exactly did you change, and is anything else wrong with it?",
];

/// Context limit in tokens for real models: below what they accept, and small enough that they still answer well.
const CONTEXT_LIMIT: u64 = 200_000;
/// Context limit in tokens for the embedded model: low enough that its one short task includes a compaction.
const EMBEDDED_CONTEXT_LIMIT: u64 = 3_800;

/// The action that the command line selects.
#[derive(Debug)]
pub(crate) enum Command {
    Help,
    Run(Config),
}

/// The configuration of one run.
#[derive(Debug)]
pub(crate) struct Config {
    /// The endpoint of the model; `None` selects the embedded server.
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) model: String,
    /// `true` if the model is asked to reason and to stream a summary of its reasoning.
    pub(crate) reasoning: bool,
    /// `true` if the endpoint supports tools that take a script instead of JSON.
    pub(crate) scripts: bool,
    /// Number of tokens above which the history is compacted.
    pub(crate) context_limit: u64,
    /// The root directory of the recorded bundles.
    pub(crate) traces: PathBuf,
    /// The prompts of the user, one turn each.
    pub(crate) prompts: Vec<String>,
    /// `true` if no prompt was given: a run that does not fix the tests has then failed.
    pub(crate) is_default_task: bool,
}

/// Reads the arguments and the environment variables of the process.
pub(crate) fn from_environment() -> Result<Command> {
    let args = env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    parse(args, |name| match env::var(name) {
        // An empty variable counts as unset: `OPENAI_API_KEY= example-agent` is how a shell user unsets it.
        Ok(value) => Ok(Some(value.trim().to_owned()).filter(|value| !value.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => bail!("{name} is not valid UTF-8"),
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
            "the embedded model supports its built-in task only: set OPENAI_API_KEY or OPENAI_BASE_URL to use a \
             prompt of your own, or omit the prompt"
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

/// Parses the arguments. Returns `None` if help is requested, otherwise the prompt if there is one.
fn parse_prompt(args: Vec<String>) -> Result<Option<Option<String>>> {
    let mut prompt = None;
    let mut flags = true;
    for arg in args {
        match arg.as_str() {
            "-h" | "--help" if flags => return Ok(None),
            "--" if flags => flags = false,
            flag if flags && flag.starts_with('-') => {
                bail!("unknown option {flag:?}; `example-agent --help` lists the options")
            }
            "" => bail!("the prompt is empty"),
            _ if prompt.is_some() => bail!("more than one prompt: put the prompt in quotes"),
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
        assert!(run(&["a prompt"], &[]).is_err(), "the embedded model accepts no prompt");
        assert!(run(&["--", "--not-a-flag"], &keyed).is_ok());
    }
}
