//! Bodies of Gemini inside of a wrapper, as Code Assist, the API of the Gemini CLI, has them.

use super::members::{EMPTY, Reason, Shape};
use super::object::Object;

/// The member of the wrapper that holds a request.
pub(super) const REQUEST: &str = "request";

/// The member of the wrapper that holds a response.
pub(super) const RESPONSE: &str = "response";

/// Members of a response that mark it as one of Gemini.
const RESPONSE_FIELDS: [&str; 5] =
    ["candidates", "usageMetadata", "usage_metadata", "promptFeedback", "prompt_feedback"];

/// The wrapper of a request.
pub(super) static REQUEST_WRAPPER: Shape = Shape {
    name: "request",
    read: &[REQUEST],
    unread: &[
        (Reason::Repeated, &["model"]),
        (
            Reason::Bookkeeping,
            &["enabled_credit_types", "project", "requestId", "requestType", "userAgent", "user_prompt_id"],
        ),
    ],
    ..EMPTY
};

/// The wrapper of a response.
pub(super) static RESPONSE_WRAPPER: Shape = Shape {
    name: "response",
    read: &[RESPONSE],
    unread: &[
        (Reason::Bookkeeping, &["metadata", "traceId"]),
        (Reason::Breakdown, &["consumedCredits", "remainingCredits"]),
    ],
    ..EMPTY
};

/// Returns `true` if an object is a response of Gemini, or a piece of one.
pub(super) fn is_response(body: &Object<'_>) -> bool {
    body.first(&RESPONSE_FIELDS).is_some()
}

/// Returns the response in a wrapper. Returns `None` if the body is no wrapper.
pub(super) fn response<'a>(body: &Object<'a>) -> Option<Object<'a>> {
    body.object(RESPONSE).filter(is_response)
}
