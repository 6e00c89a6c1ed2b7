//! Options from the command line and the environment.

use std::env;
use std::path::PathBuf;

use anyhow::{Result, bail};
use otel_trace::layer::ROOT_VARIABLE;

pub(crate) const HELP: &str = "\
An order desk written with rig, recorded without a change to its code.

Usage: example-rig [OPTIONS]

Options:
      --responses   Use the Responses API [default: Chat Completions]
      --no-content  Disable the recording of content on rig's spans
      --span        Ask inside a span of the program; rig then opens no spans for its agents
      --wire        Record the requests that rig logs at TRACE
  -h, --help        Print help

Environment:
  OPENAI_BASE_URL   Base URL of either API [default: https://api.openai.com/v1]
  OPENAI_API_KEY    API key
  OPENAI_MODEL      Name of the model [default: gpt-5-mini]
  OTEL_TRACE_ROOT   Directory in which the runs are recorded [default: traces]
  OTEL_EXPORTER_OTLP_ENDPOINT
                    OpenTelemetry backend to export the spans to

If neither OPENAI_BASE_URL nor OPENAI_API_KEY is set, the program uses an embedded model server
on 127.0.0.1, which needs no key and no network and implements the same protocol.";

/// The options of one run.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) responses: bool,
    pub(crate) content: bool,
    pub(crate) wire: bool,
    pub(crate) span: bool,
    pub(crate) model: String,
    /// Base URL and API key of the endpoint; `None` selects the embedded server.
    pub(crate) endpoint: Option<(String, String)>,
    pub(crate) traces: PathBuf,
}

impl Options {
    /// Parses the arguments and reads the environment variables. Returns `None` if help is requested.
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
                other => bail!("unknown option {other:?}; `example-rig --help` lists the options"),
            }
        }
        Ok(Some(options))
    }
}
