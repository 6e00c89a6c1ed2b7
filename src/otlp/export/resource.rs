//! What all spans of a bundle say of where they come from.

use opentelemetry::{KeyValue, Value};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_sdk::Resource;

use super::ExportOptions;
use crate::graph::Graph;

const SERVICE_NAME: &str = "service.name";

/// The name of a service that nobody named and whose root agent has no name.
const NAMELESS: &str = "otel-trace";

/// The resource of a bundle: what the environment says, and the service by name.
pub(super) fn resource(options: &ExportOptions, graph: &Graph) -> ResourceAttributesWithSchema {
    let of_environment = Resource::builder().build();
    let is_named = of_environment.iter().any(|(key, value)| key.as_str() == SERVICE_NAME && !is_unknown(value));
    let name = match &options.service_name {
        Some(name) => Some(name.clone()),
        None if is_named => None,
        None => Some(root_agent(graph).unwrap_or(NAMELESS).to_owned()),
    };
    // What is said last wins.
    let named = name.map(|name| Resource::builder().with_attribute(KeyValue::new(SERVICE_NAME, name)).build());
    (&named.unwrap_or(of_environment)).into()
}

/// What the SDK says where the environment says nothing.
fn is_unknown(name: &Value) -> bool {
    name.as_str().starts_with("unknown_service")
}

fn root_agent(graph: &Graph) -> Option<&str> {
    graph.threads.get(&graph.root_thread_id)?.nickname.as_deref().filter(|name| !name.is_empty())
}
