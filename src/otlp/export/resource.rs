//! What all spans of a bundle say of where they come from.

use opentelemetry::Key;
use opentelemetry_sdk::Resource;

use super::ExportOptions;
use crate::graph::Graph;
use crate::otlp::pipeline::{OtlpError, Variables, resolve_resource};

/// The name of a service that nobody named and whose root agent has no name.
const NAMELESS: &str = "otel-trace";

/// The resource of a bundle: what the environment says, and the service by name.
pub(super) fn resource(options: &ExportOptions, graph: &Graph) -> Result<Resource, OtlpError> {
    let variables = Variables::of_process();
    let mut resource = resolve_resource(options.service_name.as_deref(), &[], &variables)?;
    let name = resource.get(&Key::from_static_str("service.name")).map(|name| name.to_string());
    // This program is not the one that did it.
    if name.is_none_or(|name| name.starts_with("unknown_service")) {
        resource = resolve_resource(Some(root_agent(graph).unwrap_or(NAMELESS)), &[], &variables)?;
    }
    Ok(resource)
}

fn root_agent(graph: &Graph) -> Option<&str> {
    graph.threads.get(&graph.root_thread_id)?.nickname.as_deref().filter(|name| !name.is_empty())
}
