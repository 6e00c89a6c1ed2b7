//! Gemini, in the spelling of its JSON or of its protocol buffers. Its parts have no type and are recognized by their
//! fields.

mod members;
mod stream;

use std::borrow::Cow;

use super::api::{Api, Field, ListField};
use super::assembler::{Assembler, Event};
use super::entries::EntryFormat;
use super::members::Members;
use super::object::{Object, list_or_one};
use super::output::{Choice, Output, stopped_answer};
use super::part::{PartContent, Problem, Recognized};
use super::settings::{Settings, number, texts};
use super::sources::{self, Source};
use super::stored_content::StoredContent;
use super::tool::{ToolCall, ToolResult};
use super::usage::{CountReader, TokenCounts, sum};

pub(super) struct Gemini;

const CALL_FIELDS: [&str; 2] = ["functionCall", "function_call"];
const RESULT_FIELDS: [&str; 2] = ["functionResponse", "function_response"];

/// Fields with the tokens of the candidates, which the live API calls the response.
const CANDIDATE_COUNTS: [&str; 4] =
    ["candidatesTokenCount", "candidates_token_count", "responseTokenCount", "response_token_count"];

/// Fields of a candidate with the reason why it ended.
const FINISH_REASONS: [&str; 2] = ["finishReason", "finish_reason"];

/// Fields of a candidate that explain the reason.
const FINISH_MESSAGES: [&str; 2] = ["finishMessage", "finish_message"];

/// Fields of a response that report why there is no candidate.
const FEEDBACK_FIELDS: [&str; 2] = ["promptFeedback", "prompt_feedback"];

impl Api for Gemini {
    fn members(&self) -> &'static Members {
        &members::MEMBERS
    }

    fn list_field(&self) -> ListField {
        ListField { name: "contents", format: EntryFormat::Messages, precedence: 2 }
    }

    fn instructions(&self) -> &'static [Field] {
        &[Field { pointer: "/systemInstruction" }, Field { pointer: "/system_instruction" }]
    }

    fn tools(&self) -> &'static [Field] {
        &[Field { pointer: "/tools" }]
    }

    /// Cached messages, instructions and tools.
    fn server_side_content<'a>(&self, body: &Object<'a>) -> Option<StoredContent<'a>> {
        ["cachedContent", "cached_content"].into_iter().find_map(|field| StoredContent::named(body, field))
    }

    /// A conversation of one message may omit the role.
    fn default_role(&self) -> Option<&'static str> {
        Some("user")
    }

    fn settings<'a>(&self, body: &Object<'a>) -> Settings<'a> {
        let config = ["generationConfig", "generation_config"].iter().find_map(|name| body.object(name));
        let config = config.unwrap_or_default();
        Settings {
            temperature: number(&config, &["temperature"]),
            top_p: number(body, &["topP"]).or_else(|| number(&config, &["topP", "top_p"])),
            max_tokens: number(body, &["maxOutputTokens"])
                .or_else(|| number(&config, &["maxOutputTokens", "max_output_tokens"])),
            top_k: number(&config, &["topK", "top_k"]),
            frequency_penalty: number(&config, &["frequencyPenalty", "frequency_penalty"]),
            presence_penalty: number(&config, &["presencePenalty", "presence_penalty"]),
            choice_count: number(&config, &["candidateCount", "candidate_count"]),
            seed: config.number("seed"),
            stop_sequences: texts(&config, &["stopSequences", "stop_sequences"]),
            reasoning_level: reasoning_level(&config),
            ..Settings::default()
        }
    }

    fn part<'a>(&self, kind: Option<&str>, part: &Object<'a>) -> Option<Recognized<'a>> {
        if kind.is_some() {
            return None;
        }
        let (content, read_fields): (_, &[&str]) = if let Some(call) = part.first(&CALL_FIELDS) {
            match Object::from_value(call) {
                Some(call) => (PartContent::Call(ToolCall::read_gemini(call)), &CALL_FIELDS),
                None => (PartContent::Malformed(Problem::CallNotAnObject), &[]),
            }
        } else if let Some(response) = part.first(&RESULT_FIELDS) {
            match Object::from_value(response) {
                Some(response) => {
                    let result = ToolResult::read_value(&response);
                    let is_error = result.is_error || is_failure(&response);
                    (PartContent::Result(ToolResult { is_error, response: Some(response), ..result }), &RESULT_FIELDS)
                }
                None => (PartContent::Malformed(Problem::ResultNotAnObject), &[]),
            }
        } else if part.number("thought") == Some(true) {
            (PartContent::Thought(part.non_null("text")), &["text", "thought"])
        } else if let Some(text) = part.non_null("text") {
            (PartContent::Text(Some(text)), &["text"])
        } else {
            (PartContent::Other, &[])
        };
        Some(Recognized::new(content, read_fields))
    }

    fn output<'a>(&self, body: &Object<'a>) -> Option<Output<'a>> {
        let choice = |raw| {
            let candidate = Object::from_value(raw)?;
            // A candidate that was blocked has no content.
            Some(Choice {
                message: candidate.non_null("content"),
                reasoning: None,
                finish_reason: candidate.first(&FINISH_REASONS),
            })
        };
        Some(Output::Choices(body.list("candidates")?.into_iter().map_while(choice).collect()))
    }

    fn answer_problem(&self, body: &Object<'_>) -> Option<String> {
        blocked_prompt(body).or_else(|| first_candidate(body).as_ref().and_then(stopped_candidate))
    }

    fn unread_output(&self, body: &Object<'_>) -> Vec<&'static str> {
        let candidates = body.list("candidates").unwrap_or_default();
        let alternatives = (candidates.len() > 1).then_some("candidates[1..]");
        let history = ["automaticFunctionCallingHistory", "automatic_function_calling_history"].into_iter();
        let history = history.filter(|name| body.list(name).is_some_and(|calls| !calls.is_empty()));
        // Clients parse the text. Without a text, nothing else has what they parsed.
        let parsed = body.non_null("parsed").filter(|_| !has_parts(body)).map(|_| "parsed");
        alternatives.into_iter().chain(history).chain(parsed).collect()
    }

    fn sources<'a>(&self, body: &Object<'a>) -> Vec<Source<'a>> {
        first_candidate(body).iter().flat_map(sources::of_candidate).collect()
    }

    /// A prompt that was refused has no candidates.
    fn fields_without_output(&self) -> &'static [&'static str] {
        &FEEDBACK_FIELDS
    }

    fn response_id_fields(&self) -> &'static [&'static str] {
        &["responseId"]
    }

    fn model_fields(&self) -> &'static [&'static str] {
        &["modelVersion", "model_version"]
    }

    /// In the API, input tokens exclude the results of the provider's own tools, and output tokens exclude thoughts.
    fn usage(&self, body: &Object<'_>, _: Option<&Object<'_>>, reader: &mut CountReader) -> Option<TokenCounts> {
        let usage = body.object("usageMetadata").or_else(|| body.object("usage_metadata"))?;
        let mut count = |names: &[&str]| reader.first(&usage, names);
        let prompt = count(&["promptTokenCount", "prompt_token_count"]);
        let tool_results = count(&["toolUsePromptTokenCount", "tool_use_prompt_token_count"]);
        let candidates = count(&CANDIDATE_COUNTS);
        let thoughts = count(&["thoughtsTokenCount", "thoughts_token_count"]);
        Some(TokenCounts {
            input: sum([prompt, tool_results]),
            cached: count(&["cachedContentTokenCount", "cached_content_token_count"]),
            output: sum([candidates, thoughts]),
            reasoning: thoughts,
            total: count(&["totalTokenCount", "total_token_count"]),
            ..TokenCounts::default()
        })
    }

    fn assembler(&self, event: &Event<'_>) -> Option<Box<dyn Assembler>> {
        stream::is_piece(event).then(|| -> Box<dyn Assembler> { Box::<stream::StreamedGemini>::default() })
    }
}

/// Returns how much the model is asked to think.
fn reasoning_level<'a>(config: &Object<'a>) -> Option<Cow<'a, str>> {
    let thinking = ["thinkingConfig", "thinking_config"].iter().find_map(|name| config.object(name))?;
    ["thinkingLevel", "thinking_level"].iter().find_map(|name| thinking.text(name))
}

/// Returns `true` if the value of a result has the member that the API documents for failures, and no output.
fn is_failure(response: &Object<'_>) -> bool {
    let value = response.object("response").filter(|value| value.get("output").is_none());
    let error = value.and_then(|value| value.non_null("error"));
    error.is_some_and(|error| !matches!(error.get(), "\"\"" | "false"))
}

/// Returns the first candidate, with which the conversation continues.
fn first_candidate<'a>(body: &Object<'a>) -> Option<Object<'a>> {
    Object::from_value(body.list("candidates")?.first()?)
}

/// Returns `true` if the first candidate has parts.
fn has_parts(body: &Object<'_>) -> bool {
    let content = first_candidate(body).and_then(|candidate| candidate.object("content"));
    content.is_some_and(|content| !list_or_one(&content, "parts").is_empty())
}

/// Returns the reason why a candidate was stopped. Returns `None` if it ended by itself or at a limit.
fn stopped_candidate(candidate: &Object<'_>) -> Option<String> {
    let reason = FINISH_REASONS.iter().find_map(|name| candidate.text(name))?;
    if matches!(&*reason, "STOP" | "MAX_TOKENS") || is_unspecified(&reason) {
        return None;
    }
    let explanation = FINISH_MESSAGES.iter().find_map(|name| candidate.text(name));
    Some(stopped_answer(&reason, explanation.as_deref()))
}

/// Returns `true` for the value with which the API sets a reason that there is none for.
fn is_unspecified(reason: &str) -> bool {
    reason.ends_with("_REASON_UNSPECIFIED")
}

/// Returns the reason why a prompt was blocked, as a clause. Returns `None` if it was not blocked.
fn blocked_prompt(body: &Object<'_>) -> Option<String> {
    let feedback = Object::from_value(body.first(&FEEDBACK_FIELDS)?)?;
    let reason = feedback.text("blockReason").or_else(|| feedback.text("block_reason"))?;
    (!is_unspecified(&reason)).then(|| format!("the prompt was blocked: {reason}"))
}
