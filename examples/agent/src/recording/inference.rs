//! Responses of the model, recorded as `inference_response` bodies.

use otel_trace::{Inference, Json, Operation, Usage};
use serde_json::json;

use crate::failure::Failure;
use crate::stream::Response;

/// Records a complete response and completes its inference call.
pub(crate) fn response(inference: &Inference, response: &Response) {
    inference.response_id(&response.response_id);
    if let Some(id) = &response.request_id {
        inference.upstream_request_id(id);
    }
    if let Some(usage) = &response.usage {
        inference.usage(Usage {
            input_tokens: usage.input_tokens,
            cached_input_tokens: usage.cached_input_tokens(),
            output_tokens: usage.output_tokens,
            reasoning_output_tokens: usage.reasoning_output_tokens(),
            ..Usage::default()
        });
    }
    let token_usage = response.usage.as_ref().map(|usage| {
        json!({
            "input_tokens": usage.input_tokens,
            "cached_input_tokens": usage.cached_input_tokens(),
            "output_tokens": usage.output_tokens,
            "reasoning_output_tokens": usage.reasoning_output_tokens(),
            "total_tokens": usage.total_tokens,
        })
    });
    inference.response(Json(&json!({
        "response_id": response.response_id,
        "token_usage": token_usage,
        "output_items": response.output_items,
    })));
    inference.complete();
}

/// Records the items that were received before a failure, if any, and fails the inference call.
pub(crate) fn failure(inference: &Inference, failure: &Failure) {
    if let Some(id) = &failure.request_id {
        inference.upstream_request_id(id);
    }
    if !failure.output_items.is_empty() {
        inference.response(Json(&json!({
            "response_id": failure.response_id,
            "output_items": failure.output_items,
        })));
    }
    inference.fail(&failure.message);
}
