//! The sampler of exported traces.

use opentelemetry_sdk::trace::Sampler;

use crate::otlp::send::error::OtlpError;
use crate::otlp::send::variables::Variables;

const NAME: &str = "OTEL_TRACES_SAMPLER";
const ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";

/// Builds the sampler from `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`. Default: `parentbased_always_on`.
///
/// # Errors
/// Returns an error if a variable has an invalid value.
pub(super) fn from_variables(variables: &Variables) -> Result<Sampler, OtlpError> {
    let parent_based = |root| Sampler::ParentBased(Box::new(root));
    match variables.text(NAME)? {
        None | Some("parentbased_always_on") => Ok(parent_based(Sampler::AlwaysOn)),
        Some("always_on") => Ok(Sampler::AlwaysOn),
        Some("always_off") => Ok(Sampler::AlwaysOff),
        Some("traceidratio") => ratio(variables),
        Some("parentbased_always_off") => Ok(parent_based(Sampler::AlwaysOff)),
        Some("parentbased_traceidratio") => Ok(parent_based(ratio(variables)?)),
        Some(other) => {
            let allowed = "`always_on`, `always_off`, `traceidratio`, `parentbased_always_on`, \
                           `parentbased_always_off` or `parentbased_traceidratio`";
            Err(OtlpError::invalid_value(NAME, other, allowed))
        }
    }
}

/// Builds a ratio sampler from `OTEL_TRACES_SAMPLER_ARG`. Default: 1.
fn ratio(variables: &Variables) -> Result<Sampler, OtlpError> {
    let Some(text) = variables.text(ARGUMENT)? else { return Ok(Sampler::TraceIdRatioBased(1.0)) };
    let ratio = text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    ratio
        .map(Sampler::TraceIdRatioBased)
        .ok_or_else(|| OtlpError::invalid_value(ARGUMENT, text, "a number from 0 to 1"))
}

#[cfg(test)]
#[path = "tests/sampler.rs"]
mod tests;
