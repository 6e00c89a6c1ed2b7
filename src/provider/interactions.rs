//! The Interactions API of Gemini. Its steps are items: they are read in [`item`](super::item).

mod members;
mod stream;

use super::api::{Api, Field, ListField};
use super::assembler::{Assembler, Event};
use super::entries::EntryFormat;
use super::members::Members;
use super::object::Object;
use super::output::{Output, error_message};
use super::part::{Content, Recognized};
use super::settings::{Settings, number, texts};
use super::stored_content::StoredContent;
use super::usage::{CountReader, TokenCounts, sum};

pub(super) struct Interactions;

/// Field of a response with the steps that the model took.
const STEPS: &str = "steps";

/// Field of a request with the id of the interaction that it continues.
pub(super) const PREVIOUS_INTERACTION: &str = "previous_interaction_id";

impl Api for Interactions {
    fn members(&self) -> &'static Members {
        &members::MEMBERS
    }

    fn list_field(&self) -> ListField {
        ListField { name: "input", format: EntryFormat::Items, precedence: 0 }
    }

    fn instructions(&self) -> &'static [Field] {
        &[Field { pointer: "/system_instruction" }]
    }

    /// The instructions are no item: they are not carried over to the request that continues this one.
    fn instructions_are_message(&self) -> bool {
        false
    }

    fn tools(&self) -> &'static [Field] {
        &[Field { pointer: "/tools" }]
    }

    fn server_side_content<'a>(&self, body: &Object<'a>) -> Option<StoredContent<'a>> {
        StoredContent::named(body, "cached_content")
    }

    fn settings<'a>(&self, body: &Object<'a>) -> Settings<'a> {
        let config = body.object("generation_config").unwrap_or_default();
        Settings {
            temperature: number(&config, &["temperature"]),
            top_p: number(&config, &["top_p"]),
            max_tokens: number(&config, &["max_output_tokens"]),
            seed: config.number("seed"),
            stop_sequences: texts(&config, &["stop_sequences"]),
            stream: body.number("stream"),
            reasoning_level: config.text("thinking_level"),
            ..Settings::default()
        }
    }

    fn part<'a>(&self, kind: Option<&str>, part: &Object<'a>) -> Option<Recognized<'a>> {
        match kind? {
            "thought" => Some(Recognized::reasoning(part)),
            "function_call" => Some(Recognized::call(part)),
            _ => None,
        }
    }

    /// The first version of the API returned the parts of one message.
    fn output<'a>(&self, body: &Object<'a>) -> Option<Output<'a>> {
        if let Some(steps) = body.list(STEPS) {
            return Some(Output::Items(steps));
        }
        if body.text("object").as_deref() != Some("interaction") {
            return None;
        }
        Some(body.non_null("outputs").map_or(Output::Empty, |parts| Output::Content(Content(parts))))
    }

    fn answer_problem(&self, body: &Object<'_>) -> Option<String> {
        body.text("status").filter(|status| *status == "failed")?;
        body.list("errors")?.first().map(|error| error_message(error))
    }

    fn response_id_fields(&self) -> &'static [&'static str] {
        &["id"]
    }

    fn model_fields(&self) -> &'static [&'static str] {
        &["model"]
    }

    fn finish_reasons(&self, body: &Object<'_>) -> Vec<String> {
        body.string("status").into_iter().collect()
    }

    /// Input tokens exclude the results of the provider's own tools, and output tokens exclude thoughts.
    fn usage(&self, _: &Object<'_>, usage: Option<&Object<'_>>, reader: &mut CountReader) -> Option<TokenCounts> {
        let usage = usage?;
        let thoughts = reader.count(usage, "total_thought_tokens");
        let tool_results = reader.count(usage, "total_tool_use_tokens");
        Some(TokenCounts {
            input: sum([reader.count(usage, "total_input_tokens"), tool_results]),
            cached: reader.count(usage, "total_cached_tokens"),
            output: sum([reader.count(usage, "total_output_tokens"), thoughts]),
            reasoning: thoughts,
            total: reader.count(usage, "total_tokens"),
            ..TokenCounts::default()
        })
    }

    fn assembler(&self, event: &Event<'_>) -> Option<Box<dyn Assembler>> {
        stream::is_event(event).then(|| -> Box<dyn Assembler> { Box::<stream::StreamedInteraction>::default() })
    }
}
