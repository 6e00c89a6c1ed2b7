//! The resource of a bundle's spans.

use opentelemetry::{Key, KeyValue};
use opentelemetry_sdk::Resource;

use super::options::ExportOptions;
use crate::graph::Graph;
use crate::otlp::resource_json;
use crate::otlp::send::error::OtlpError;
use crate::otlp::send::resource::resolve as resolve_resource;
use crate::otlp::send::variables::Variables;
use crate::semconv;

/// The service name for a root agent without a name, if neither the options nor the environment name a service.
const NAMELESS: &str = "otel-trace";

/// Returns the resource of a bundle: the one that its spans were sent with while the program ran, or else the environment's
/// attributes and the service name. A service name in the options takes precedence.
pub(super) fn resource(options: &ExportOptions, graph: &Graph) -> Result<Resource, OtlpError> {
    if let Some(sent) = &graph.otel_resource {
        let service = options.service_name.iter().map(|name| KeyValue::new(semconv::SERVICE_NAME, name.clone()));
        let attributes = resource_json::from_json(sent).into_iter().chain(service);
        return Ok(attributes.fold(Resource::builder_empty(), |builder, it| builder.with_attribute(it)).build());
    }
    let variables = Variables::from_process();
    let mut resource = resolve_resource(options.service_name.as_deref(), &[], &variables)?;
    let name = resource.get(&Key::from_static_str(semconv::SERVICE_NAME)).map(|name| name.to_string());
    // The SDK's default names this program, but another one recorded the bundle.
    if name.is_none_or(|name| name.starts_with("unknown_service")) {
        resource = resolve_resource(Some(root_agent(graph).unwrap_or(NAMELESS)), &[], &variables)?;
    }
    Ok(resource)
}

/// Returns the name of the root agent. Returns `None` if it has none.
fn root_agent(graph: &Graph) -> Option<&str> {
    graph.threads.get(&graph.root_thread_id)?.nickname.as_deref().filter(|name| !name.is_empty())
}
