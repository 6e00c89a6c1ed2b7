//! The metrics of the GenAI conventions: token usage, duration and time to first chunk of inference calls.

use std::time::Duration;

use opentelemetry::KeyValue;

use super::attribute;
use super::facts::InferenceFacts;

/// Histogram boundaries of token counts, as the conventions define them.
pub(crate) const TOKEN_BOUNDARIES: [f64; 14] = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];
/// Histogram boundaries of durations in seconds, as the conventions define them.
pub(crate) const SECOND_BOUNDARIES: [f64; 14] =
    [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];

/// Returns the attributes of the metrics of an inference call.
pub(crate) fn attributes(inference: &InferenceFacts) -> Vec<KeyValue> {
    let response_model = inference.response.as_ref().and_then(|response| response.model.as_deref());
    let known = [
        (attribute::OPERATION_NAME, Some("chat")),
        (attribute::PROVIDER_NAME, Some(inference.provider.as_str())),
        (attribute::REQUEST_MODEL, Some(inference.model.as_str())),
        (attribute::RESPONSE_MODEL, response_model),
    ];
    let known = known.into_iter().filter_map(|(key, value)| Some((key, value.filter(|value| !value.is_empty())?)));
    known.map(|(key, value)| KeyValue::new(key, value.to_owned())).collect()
}

/// Returns the time to first chunk. Returns `None` for a response that was not streamed: the conventions define the
/// metric for streams only.
pub(crate) fn first_chunk(inference: &InferenceFacts) -> Option<Duration> {
    let milliseconds = inference.time_to_first_chunk_ms?;
    (inference.request.stream != Some(false)).then(|| Duration::from_millis(milliseconds))
}
