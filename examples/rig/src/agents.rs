//! Two agents: an order desk, and the auditor that calculates for it and is a tool of the desk.

use anyhow::Result;
use rig::Agent;
use rig::prelude::*;
use rig::providers::openai::{OpenAI, OpenAIConfig, Route};

use crate::options::Options;
use crate::tools::{Add, Multiply, Price, Redeem, Stock};

const DESK: &str = "You are the order desk of a shop that sells crates. Look prices, stock and vouchers up with your \
                    tools, and have the auditor do every sum. Answer in one or two sentences.";
const AUDITOR: &str = "You do sums, one step at a time, with your tools. Answer with the result alone.";

/// Maximum number of rounds of tool calls per question.
const MAX_TURNS: usize = 8;

/// Creates the desk, with the auditor as one of its tools.
pub(crate) fn desk(base_url: &str, api_key: &str, options: &Options) -> Result<Agent> {
    let route = if options.responses { Route::Responses } else { Route::Chat };
    let client: OpenAI = OpenAIConfig::new(api_key).with_base_url(base_url).with_route(route).client();
    let auditor = AgentBuilder::new(client.completion(&options.model))
        .name("auditor")
        .description("Does sums.")
        .preamble(AUDITOR)
        .default_max_turns(MAX_TURNS)
        .record_content_telemetry(options.content)
        .tool(Multiply)
        .tool(Add)
        .build();
    Ok(AgentBuilder::new(client.completion(&options.model))
        .name("desk")
        .preamble(DESK)
        .default_max_turns(MAX_TURNS)
        .record_content_telemetry(options.content)
        .tool(Price)
        .tool(Stock)
        .tool(Redeem)
        .dynamic_tool(auditor.into_tool()?)
        .build())
}
