//! The chat of Cohere, version 2. Its messages are those of Chat Completions, with the plan and the citations of the
//! model beside the content.

mod members;
mod stream;

use super::api::{Api, Field, ListField};
use super::assembler::{Assembler, Event};
use super::entries::EntryFormat;
use super::members::Members;
use super::object::{Object, list_or_one, text};
use super::output::{Choice, Output, stopped_answer};
use super::part::{NonContentParts, Part, PartContent, Recognized};
use super::reasoning::Reasoning;
use super::settings::{Settings, number, texts};
use super::usage::{CountReader, TokenCounts};

pub(super) struct Cohere;

impl Api for Cohere {
    fn members(&self) -> &'static Members {
        &members::MEMBERS
    }

    fn list_field(&self) -> ListField {
        ListField { name: "messages", format: EntryFormat::Messages, precedence: 3 }
    }

    fn tools(&self) -> &'static [Field] {
        &[Field { pointer: "/tools" }]
    }

    fn documents(&self) -> Option<&'static str> {
        Some("documents")
    }

    fn settings<'a>(&self, body: &Object<'a>) -> Settings<'a> {
        Settings {
            top_p: number(body, &["p"]),
            top_k: number(body, &["k"]),
            stop_sequences: texts(body, &["stop_sequences"]),
            ..Settings::default()
        }
    }

    /// The plan is what the model thinks before it calls tools.
    fn add_parts_beside_content<'a>(&self, message: &Object<'a>, parts: &mut NonContentParts<'a>) {
        if let Some(plan) = message.non_null("tool_plan").filter(|plan| text(plan).is_some_and(|plan| !plan.is_empty()))
        {
            let content = PartContent::Reasoning(vec![Reasoning::from_value(plan)]);
            parts.before.push(Part::beside_content(plan, content));
        }
        parts.annotations.extend(list_or_one(message, "citations").into_iter().map(Part::read_citation));
    }

    /// Outputs of tools are documents.
    fn part<'a>(&self, kind: Option<&str>, part: &Object<'a>) -> Option<Recognized<'a>> {
        let data = part.object("document").filter(|_| kind == Some("document"))?.non_null("data")?;
        let content = if text(data).is_some() { PartContent::Text(Some(data)) } else { PartContent::Json(data) };
        Some(Recognized::new(content, &["document"]))
    }

    /// The finish reason, or the id if a stream was cut before its end, tells a response from one of Ollama's. Of a
    /// stream that was cut at both ends, the message does.
    fn output<'a>(&self, body: &Object<'a>) -> Option<Output<'a>> {
        let message = body.object("message")?;
        let has_marks = || message.list("content").is_some() || message.first(&["citations", "tool_plan"]).is_some();
        if body.first(&["finish_reason", "id"]).is_none() && !has_marks() {
            return None;
        }
        let finish_reason = body.non_null("finish_reason");
        Some(Output::Choices(vec![Choice { message: body.non_null("message"), reasoning: None, finish_reason }]))
    }

    fn answer_problem(&self, body: &Object<'_>) -> Option<String> {
        let reason = body.text("finish_reason").filter(|reason| reason.starts_with("ERROR"))?;
        Some(stopped_answer(&reason, None))
    }

    /// Billed tokens exclude what the provider adds to the prompt.
    fn usage(&self, _: &Object<'_>, usage: Option<&Object<'_>>, reader: &mut CountReader) -> Option<TokenCounts> {
        let usage = usage?;
        let input = reader.first(usage, &["tokens/input_tokens", "billed_units/input_tokens"]);
        let output = reader.first(usage, &["tokens/output_tokens", "billed_units/output_tokens"]);
        Some(TokenCounts { input, cached: reader.count(usage, "cached_tokens"), output, ..TokenCounts::default() })
    }

    fn assembler(&self, event: &Event<'_>) -> Option<Box<dyn Assembler>> {
        stream::is_event(event).then(|| -> Box<dyn Assembler> { Box::<stream::StreamedCohere>::default() })
    }
}
