//! Settings, who: the resource that exported spans and metrics belong to.

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;

use super::error::OtlpError;
use super::variables::{Variables, key_values};
use crate::semconv;

const SERVICE_NAME: &str = semconv::SERVICE_NAME;

/// Builds the resource from code and from `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`.
///
/// Values set by code take precedence over variables, and in each of the two a service name takes precedence over a
/// `service.name` attribute. Without any of them, the service is `unknown_service:<name of the executable>`.
///
/// # Errors
/// Returns an error if a variable has an invalid value.
pub(crate) fn resolve(
    service_name: Option<&str>,
    attributes: &[KeyValue],
    variables: &Variables,
) -> Result<Resource, OtlpError> {
    let from_variable = match variables.text("OTEL_RESOURCE_ATTRIBUTES")? {
        Some(text) => key_values("OTEL_RESOURCE_ATTRIBUTES", text)?,
        None => Vec::new(),
    };
    let from_variable = from_variable.into_iter().map(|(key, value)| KeyValue::new(key, value));
    let name_variable = variables.text("OTEL_SERVICE_NAME")?;
    let mut all = vec![KeyValue::new(SERVICE_NAME, unknown_service())];
    all.extend(from_variable);
    all.extend(name_variable.map(|name| KeyValue::new(SERVICE_NAME, name.to_owned())));
    all.extend(attributes.iter().cloned());
    all.extend(service_name.map(|name| KeyValue::new(SERVICE_NAME, name.to_owned())));
    let builder = Resource::builder_empty().with_detector(Box::new(TelemetryResourceDetector));
    Ok(all.into_iter().fold(builder, |builder, attribute| builder.with_attribute(attribute)).build())
}

/// Returns the default service name of the OpenTelemetry specification.
fn unknown_service() -> String {
    let program = std::env::current_exe().ok();
    let name = program.as_deref().and_then(|path| path.file_name()).and_then(|name| name.to_str());
    name.map_or_else(|| "unknown_service".to_owned(), |name| format!("unknown_service:{name}"))
}

#[cfg(test)]
#[path = "tests/resource.rs"]
mod tests;
