//! The limits of one span's attributes and links.

use opentelemetry_sdk::trace::TracerProviderBuilder;

use crate::otlp::send::error::OtlpError;
use crate::otlp::send::variables::Variables;

/// Default limit of attributes and of links per span, instead of the SDK's 128.
///
/// The SDK counts a key each time it is recorded and drops the attributes beyond the limit. These are the latest ones,
/// which describe how the operation ended.
const DEFAULT_COUNT_LIMIT: u32 = 1024;

/// Raises the limits of attributes and links to [`DEFAULT_COUNT_LIMIT`], unless a variable sets them.
///
/// # Errors
/// Returns an error if a variable has an invalid value.
pub(super) fn apply(
    mut provider: TracerProviderBuilder,
    variables: &Variables,
) -> Result<TracerProviderBuilder, OtlpError> {
    if variables.count("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT")?.is_none() {
        provider = provider.with_max_attributes_per_span(DEFAULT_COUNT_LIMIT);
    }
    if variables.count("OTEL_SPAN_LINK_COUNT_LIMIT")?.is_none() {
        provider = provider.with_max_links_per_span(DEFAULT_COUNT_LIMIT);
    }
    Ok(provider)
}
