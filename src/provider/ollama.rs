//! The chat of Ollama. Its messages are those of Chat Completions, with arguments as JSON, with images as text, and
//! mostly without ids of calls: outputs follow the calls in their order.

pub(super) mod members;
mod stream;

use super::api::{Api, Field, ListField};
use super::assembler::{Assembler, Event};
use super::entries::EntryFormat;
use super::members::Members;
use super::object::Object;
use super::output::{Choice, Output};
use super::part::Recognized;
use super::settings::{Settings, number, texts};
use super::usage::{CountReader, TokenCounts};

pub(super) struct Ollama;

impl Api for Ollama {
    fn members(&self) -> &'static Members {
        &members::MEMBERS
    }

    fn list_field(&self) -> ListField {
        ListField { name: "messages", format: EntryFormat::Messages, precedence: 3 }
    }

    fn tools(&self) -> &'static [Field] {
        &[Field { pointer: "/tools" }]
    }

    fn settings<'a>(&self, body: &Object<'a>) -> Settings<'a> {
        let options = body.object("options").unwrap_or_default();
        Settings {
            temperature: number(&options, &["temperature"]),
            top_p: number(&options, &["top_p"]),
            max_tokens: number(&options, &["num_predict"]),
            top_k: number(&options, &["top_k"]),
            frequency_penalty: number(&options, &["frequency_penalty"]),
            presence_penalty: number(&options, &["presence_penalty"]),
            seed: options.number("seed"),
            stop_sequences: texts(&options, &["stop"]),
            reasoning_level: body.text("think"),
            ..Settings::default()
        }
    }

    /// Parts stand beside the content alone.
    fn part<'a>(&self, _: Option<&str>, _: &Object<'a>) -> Option<Recognized<'a>> {
        None
    }

    fn output<'a>(&self, body: &Object<'a>) -> Option<Output<'a>> {
        body.object("message")?;
        let choice =
            Choice { message: body.non_null("message"), reasoning: None, finish_reason: body.non_null("done_reason") };
        Some(Output::Choices(vec![choice]))
    }

    fn usage(&self, body: &Object<'_>, _: Option<&Object<'_>>, reader: &mut CountReader) -> Option<TokenCounts> {
        Some(TokenCounts {
            input: reader.count(body, "prompt_eval_count"),
            output: reader.count(body, "eval_count"),
            ..TokenCounts::default()
        })
    }

    fn assembler(&self, event: &Event<'_>) -> Option<Box<dyn Assembler>> {
        stream::is_line(event).then(assembler)
    }
}

/// Returns the assembler of a streamed response, which is a message or, of a completion, a text.
pub(super) fn assembler() -> Box<dyn Assembler> {
    Box::<stream::StreamedOllama>::default()
}
