//! How much one span may have.

use opentelemetry_sdk::trace::TracerProviderBuilder;

use super::OtlpError;
use super::variables::Variables;

/// More than the SDK's 128: it counts a key again each time it is recorded, and what is above is dropped, the last first,
/// which would be what a span was in the end.
const MOST: u32 = 1024;

/// Raises the limits of attributes and links, unless a variable says one.
pub(super) fn raise(
    mut provider: TracerProviderBuilder,
    variables: &Variables,
) -> Result<TracerProviderBuilder, OtlpError> {
    if variables.count("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT")?.is_none() {
        provider = provider.with_max_attributes_per_span(MOST);
    }
    if variables.count("OTEL_SPAN_LINK_COUNT_LIMIT")?.is_none() {
        provider = provider.with_max_links_per_span(MOST);
    }
    Ok(provider)
}
