//! `inference_response` bodies.

use super::bodies::{NOT_AN_OBJECT, Shape};
use super::contents::{ContentId, Contents};
use super::items;
use super::object::Object;
use crate::event::{ResponseId, Usage};

/// What a model returned.
#[derive(Debug)]
pub(in crate::reduce) struct ResponseBody {
    pub(in crate::reduce) response_id: Option<ResponseId>,
    /// `None` where the body is of no shape whose items are known.
    pub(in crate::reduce) items: Option<Vec<ContentId>>,
    pub(in crate::reduce) usage: Option<Usage>,
}

impl Shape for ResponseBody {
    fn read(text: &str, contents: &Contents) -> Result<Self, String> {
        let body = Object::parse(text).ok_or(NOT_AN_OBJECT)?;
        // Other providers' shapes are told apart here, by the first field that only they have.
        let listed = body.get("output_items").or_else(|| body.get("output"));
        let response_id = body.string("response_id").or_else(|| body.string("id"));
        Ok(Self {
            response_id: response_id.map(ResponseId::from),
            items: listed.and_then(|items| items::responses(items, contents)),
            usage: recorded_usage(&body).or_else(|| responses_usage(&body)),
        })
    }
}

/// `token_usage`, as the format has it.
fn recorded_usage(body: &Object<'_>) -> Option<Usage> {
    let usage = body.object("token_usage")?;
    let cached = count(&usage, "cached_input_tokens");
    let reasoning = count(&usage, "reasoning_output_tokens");
    counted(count(&usage, "input_tokens"), cached, count(&usage, "output_tokens"), reasoning)
}

/// `usage`, as the Responses API has it.
fn responses_usage(body: &Object<'_>) -> Option<Usage> {
    let usage = body.object("usage")?;
    let detail = |of: &str, name: &str| count(&usage.object(of)?, name);
    let cached = detail("input_tokens_details", "cached_tokens");
    let reasoning = detail("output_tokens_details", "reasoning_tokens");
    counted(count(&usage, "input_tokens"), cached, count(&usage, "output_tokens"), reasoning)
}

/// Usage, where input or output were counted at all.
fn counted(input: Option<u64>, cached: Option<u64>, output: Option<u64>, reasoning: Option<u64>) -> Option<Usage> {
    input.or(output)?;
    Some(Usage {
        input_tokens: input.unwrap_or(0),
        cached_input_tokens: cached.unwrap_or(0),
        output_tokens: output.unwrap_or(0),
        reasoning_output_tokens: reasoning.unwrap_or(0),
    })
}

/// A count of tokens; 0 where it is negative.
fn count(usage: &Object<'_>, name: &str) -> Option<u64> {
    usage.number(name).or_else(|| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` stays within u64's bounds")]
        usage.number(name).map(|number: f64| number as u64)
    })
}
