//! An agent written with [genai](https://docs.rs/genai), whose feature `otel` creates spans with the GenAI semantic
//! conventions.
//!
//! genai creates the spans of its model calls. The spans of the agent and of its tools are opened here with the
//! builders of genai, as for any OpenTelemetry backend: only [`record`] depends on the recorder. The spans carry
//! content if `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT` is `true`.

mod tools;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use example_model_server::ModelServer;
use futures_util::StreamExt;
use genai::adapter::AdapterKind;
use genai::chat::{ChatMessage, ChatOptions, ChatRequest, ChatStreamEvent, MessageContent, ToolCall, ToolResponse};
use genai::otel::agent::{AgentSpan, ExecuteToolSpan, execute_tool_span, set_error};
use genai::resolver::{AuthData, Endpoint, ServiceTargetResolver};
use genai::{Client, ModelIden, ServiceTarget};
use otel_trace::Recorder;
use otel_trace::layer::ROOT_VARIABLE;
use otel_trace::otlp::Otlp;
use tracing::Instrument;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;

const MODEL: &str = "gpt-5-mini";
const DESK: &str = "You are the order desk of a shop that sells crates. Have the auditor do every sum.";
const MAX_ROUNDS: usize = 8;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match record().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the program with the recorder enabled.
async fn record() -> Result<()> {
    let root = std::env::var_os(ROOT_VARIABLE).map_or_else(|| PathBuf::from("traces"), PathBuf::from);
    let (recorder, _guard) = Recorder::builder().root(root).build()?;
    // Exports the spans too, if the environment names an OpenTelemetry backend.
    let exporting = Otlp::from_env()?;
    let bridge = exporting.as_ref().map(|(otlp, _guard)| otlp.bridge(&recorder).with_filter(LevelFilter::INFO));
    tracing_subscriber::registry().with(bridge).with(recorder.layer().with_filter(recorder.filter())).init();

    let server = ModelServer::start().await?;
    let desk = Desk { client: client(server.base_url(), server.api_key())? };
    // The embedded server rejects the first request with a rate limit. genai reports the error and does not retry.
    let question = "What do 12 crates cost, delivered, with the voucher SPRING?";
    if let Err(error) = desk.ask(question, false).await {
        print(&format!("! {error:#}"));
    }
    print(&desk.ask(question, false).await?);
    print(&desk.ask("How many are left after those 12?", true).await?);
    Ok(())
}

/// Creates a client that uses one endpoint for all models.
fn client(base_url: &str, key: &str) -> Result<Client> {
    let (endpoint, key) = (format!("{base_url}/"), key.to_owned());
    let resolver = ServiceTargetResolver::from_resolver_fn(move |target: ServiceTarget| {
        let model = ModelIden::new(AdapterKind::OpenAI, target.model.model_name);
        let (endpoint, auth) = (Endpoint::from_owned(endpoint.clone()), AuthData::from_single(key.clone()));
        Ok::<_, genai::resolver::Error>(ServiceTarget { endpoint, auth, model })
    });
    Ok(Client::builder().with_service_target_resolver(resolver).build()?)
}

struct Desk {
    client: Client,
}

impl Desk {
    /// Asks one question, in a span of the agent.
    async fn ask(&self, question: &str, streamed: bool) -> Result<String> {
        let span = AgentSpan::invoke_agent().internal().with_name("desk").with_model(MODEL).start();
        let answer = self.answer(question, streamed).instrument(span.clone()).await;
        if answer.is_err() {
            set_error(&span, "no_answer");
        }
        answer
    }

    async fn answer(&self, question: &str, streamed: bool) -> Result<String> {
        let messages = vec![ChatMessage::system(DESK), ChatMessage::user(question)];
        let mut request = ChatRequest::new(messages).with_tools(tools::definitions());
        for _ in 0..MAX_ROUNDS {
            let content = if streamed { self.stream(&request).await? } else { self.call(&request).await? };
            let calls: Vec<ToolCall> = content.tool_calls().into_iter().cloned().collect();
            if calls.is_empty() {
                return content.first_text().map(str::to_owned).context("the answer has no text");
            }
            let outputs: Vec<_> = calls.iter().map(run_tool).collect();
            request = request.append_message(ChatMessage::assistant(content));
            for output in outputs {
                request = request.append_message(output);
            }
        }
        bail!("the model still requested tools after {MAX_ROUNDS} rounds")
    }

    async fn call(&self, request: &ChatRequest) -> Result<MessageContent> {
        Ok(self.client.exec_chat(MODEL, request.clone(), None).await?.content)
    }

    async fn stream(&self, request: &ChatRequest) -> Result<MessageContent> {
        let options = ChatOptions::default().with_capture_content(true).with_capture_tool_calls(true);
        let options = options.with_capture_usage(true);
        let mut stream = self.client.exec_chat_stream(MODEL, request.clone(), Some(&options)).await?.stream;
        while let Some(event) = stream.next().await {
            if let ChatStreamEvent::End(end) = event? {
                return end.captured_content.context("the stream had no content");
            }
        }
        bail!("the stream ended before the answer was complete")
    }
}

/// Executes one tool call in a separate span.
fn run_tool(call: &ToolCall) -> ToolResponse {
    let span = execute_tool_span(call);
    let output = span.in_scope(|| tools::run(&call.fn_name, &call.fn_arguments));
    let output = output.unwrap_or_else(|error| {
        set_error(&span, "tool_failed");
        format!("error: {error:#}")
    });
    ExecuteToolSpan::record_result(&span, &output);
    ToolResponse::new(call.call_id.clone(), output)
}

fn print(text: &str) {
    // Ignores errors: a closed pipe must not end the run.
    let _ = writeln!(std::io::stdout(), "{text}");
}
