//! Completions of a prompt: the legacy API of OpenAI and of compatible servers, and Ollama's `generate`. The prompt is a
//! text in place of a conversation, and so is the answer.

mod members;

use serde_json::value::RawValue;

use super::api::{Api, Field, ListField};
use super::assembler::{Assembler, Event};
use super::entries::EntryFormat;
use super::members::Members;
use super::object::Object;
use super::ollama;
use super::output::{Choice, Output};
use super::part::Recognized;

pub(super) struct Completions;

/// The field that holds the prompt.
pub(super) const PROMPT: &str = "prompt";

/// The field of a response of Ollama that holds the answer. The choices of other servers are read as those of Chat
/// Completions.
const ANSWER: &str = "response";

impl Api for Completions {
    fn members(&self) -> &'static Members {
        &members::MEMBERS
    }

    fn list_field(&self) -> ListField {
        ListField { name: PROMPT, format: EntryFormat::Messages, precedence: 4 }
    }

    fn instructions(&self) -> &'static [Field] {
        &[Field { pointer: "/system" }]
    }

    /// A prompt has no role.
    fn default_role(&self) -> Option<&'static str> {
        Some("user")
    }

    fn part<'a>(&self, _: Option<&str>, _: &Object<'a>) -> Option<Recognized<'a>> {
        None
    }

    fn output<'a>(&self, body: &Object<'a>) -> Option<Output<'a>> {
        let answer = body.non_null(ANSWER).filter(|answer| answer.get().starts_with('"') && is_line(body))?;
        let reasoning = body.non_null("thinking").filter(|thinking| thinking.get() != "\"\"");
        Some(Output::Choices(vec![Choice {
            message: Some(answer),
            reasoning,
            finish_reason: body.non_null("done_reason"),
        }]))
    }

    fn assembler(&self, event: &Event<'_>) -> Option<Box<dyn Assembler>> {
        is_line(&event.data).then(ollama::assembler)
    }
}

/// Returns `true` if an object is a response of Ollama, or a line of a streamed one.
fn is_line(body: &Object<'_>) -> bool {
    body.text(ANSWER).is_some() && body.number::<bool>("done").is_some()
}

/// Returns `true` if the value of the field is a prompt. Other APIs have the name of a stored prompt there.
pub(super) fn is_prompt(value: &RawValue) -> bool {
    let json = value.get();
    let is_list_of_texts = || json.strip_prefix('[').is_some_and(|list| list.trim_start().starts_with('"'));
    json.starts_with('"') || is_list_of_texts()
}
