//! An agent as people write it with plain spans.

use serde_json::{Value, json};
use tracing::field::Empty;
use tracing::{Instrument, Span, info_span, instrument};

/// What the model answers.
#[derive(Clone, Copy)]
pub(super) enum Answer {
    Text,
    /// Calls of the tool `add`, by their ids.
    Tools(&'static [&'static str]),
}

impl Answer {
    fn messages(self) -> Value {
        let parts: Vec<_> = match self {
            Self::Text => vec![json!({ "type": "text", "content": "done" })],
            Self::Tools(ids) => {
                let call = |id| json!({ "type": "tool_call", "id": id, "name": "add", "arguments": {} });
                ids.iter().map(call).collect()
            }
        };
        json!([{ "role": "assistant", "parts": parts }])
    }
}

/// Asks the model. `transport` sends the request and awaits the answer, inside the span of the call.
pub(super) async fn ask(answer: Answer, transport: impl Future<Output = ()>) {
    let question = json!([{ "role": "user", "parts": [{ "type": "text", "content": "go on" }] }]).to_string();
    let span = info_span!(
        "chat",
        gen_ai.operation.name = "chat",
        gen_ai.provider.name = "openai",
        gen_ai.request.model = "gpt-5-mini",
        gen_ai.input.messages = question,
        gen_ai.output.messages = Empty,
    );
    let work = async {
        transport.await;
        Span::current().record("gen_ai.output.messages", answer.messages().to_string());
    };
    work.instrument(span).await;
}

/// A tool, which awaits `work`.
#[instrument(skip(work), fields(gen_ai.operation.name = "execute_tool", gen_ai.tool.name = "add", gen_ai.tool.call.id = id,
    gen_ai.tool.call.result))]
pub(super) async fn add(id: &'static str, work: impl Future<Output = ()>) {
    work.await;
    Span::current().record("gen_ai.tool.call.result", "3");
}

/// An agent that asks its model once.
#[instrument(skip(transport), fields(gen_ai.operation.name = "invoke_agent", gen_ai.agent.name = "coder"))]
pub(super) async fn run_once(transport: impl Future<Output = ()>) {
    ask(Answer::Text, transport).await;
}

/// An agent that asks its model, runs the tools that it asked for, and asks again.
#[instrument(skip(tools), fields(gen_ai.operation.name = "invoke_agent", gen_ai.agent.name = "coder"))]
pub(super) async fn run_tools(ids: &'static [&'static str], tools: impl Future<Output = ()>) {
    ask(Answer::Tools(ids), async {}).await;
    tools.await;
    ask(Answer::Text, async {}).await;
}
