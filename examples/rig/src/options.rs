//! What the command line and the environment ask for.

use std::env;
use std::path::PathBuf;

use anyhow::{Result, bail};
use otel_trace::layer::ROOT_VARIABLE;

pub(crate) const HELP: &str = "\
An order desk, written with rig: recorded without a change to it.

Usage: example-rig [OPTIONS]

Options:
      --responses   Speak the Responses API [default: Chat Completions]
      --no-content  Don't have rig record content on its spans
      --span        Ask inside a span of the program's own: then rig opens none for its agents
      --wire        Let the recorder see what rig logs of its requests, at TRACE
  -h, --help        Print this

Environment:
  OPENAI_BASE_URL   Any endpoint of either API [default: https://api.openai.com/v1]
  OPENAI_API_KEY    Its key
  OPENAI_MODEL      The model [default: gpt-5-mini]
  OTEL_TRACE_ROOT   Where the runs are recorded [default: traces]
  OTEL_EXPORTER_OTLP_ENDPOINT
                    A backend of OpenTelemetry that gets the spans too

With neither OPENAI_BASE_URL nor OPENAI_API_KEY set, an embedded model server on 127.0.0.1
answers: no key, no network, the same protocol.";

/// One run.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) responses: bool,
    pub(crate) content: bool,
    pub(crate) wire: bool,
    pub(crate) span: bool,
    pub(crate) model: String,
    /// Its base URL and its key; `None` is the embedded server.
    pub(crate) endpoint: Option<(String, String)>,
    pub(crate) traces: PathBuf,
}

impl Options {
    /// `None` where the help is asked for.
    pub(crate) fn from_environment() -> Result<Option<Self>> {
        let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let (base_url, key) = (variable("OPENAI_BASE_URL"), variable("OPENAI_API_KEY"));
        let is_set = base_url.is_some() || key.is_some();
        let base_url = base_url.unwrap_or_else(|| "https://api.openai.com/v1".to_owned());
        let mut options = Self {
            responses: false,
            content: true,
            wire: false,
            span: false,
            model: variable("OPENAI_MODEL").unwrap_or_else(|| "gpt-5-mini".to_owned()),
            endpoint: is_set.then(|| (base_url, key.unwrap_or_default())),
            traces: variable(ROOT_VARIABLE).map_or_else(|| PathBuf::from("traces"), PathBuf::from),
        };
        for argument in env::args().skip(1) {
            match argument.as_str() {
                "--responses" => options.responses = true,
                "--no-content" => options.content = false,
                "--wire" => options.wire = true,
                "--span" => options.span = true,
                "-h" | "--help" => return Ok(None),
                other => bail!("unknown option {other:?}; --help lists them"),
            }
        }
        Ok(Some(options))
    }
}
