//! A mock collector on its own runtime, so that the program under test does not share a runtime with it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;

use mock_collector::{MockCollector, MockServer, ServerHandle, TestSpan};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use otel_trace::otlp::Protocol;
use tokio::runtime::{Builder, Runtime};

/// A mock collector and the runtime that it runs on.
pub(crate) struct Collector {
    runtime: Runtime,
    server: ServerHandle,
}

impl Collector {
    pub(crate) fn start(protocol: Protocol) -> Self {
        let protocol = match protocol {
            Protocol::HttpProtobuf => mock_collector::Protocol::HttpBinary,
            Protocol::Grpc => mock_collector::Protocol::Grpc,
        };
        // A test may run inside a runtime, where `block_on` panics.
        on_a_thread(move || {
            let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            let server = runtime.block_on(MockServer::builder().protocol(protocol).start()).unwrap();
            Self { runtime, server }
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.addr()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Calls `look` with the state of the collector and returns its result.
    pub(crate) fn read<R>(&self, look: impl FnOnce(&MockCollector) -> R) -> R {
        let collector = self.server.collector();
        let guard = futures_executor::block_on(collector.read());
        look(&guard)
    }

    /// Returns the names of the received spans, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        self.read(|collector| collector.spans().iter().map(|span| span.span().name.clone()).collect())
    }

    pub(crate) fn spans(&self) -> Vec<TestSpan> {
        self.read(|collector| collector.spans().to_vec())
    }

    /// Shuts the collector down without blocking, which also works inside a runtime.
    pub(crate) fn stop(self) {
        self.runtime.shutdown_background();
    }
}

fn on_a_thread<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(work()));
    receiver.recv().unwrap()
}

/// Returns attributes as text, by key, and checks that every key occurs once.
pub(crate) fn attributes(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let pairs = attributes.iter().map(|attribute| (attribute.key.clone(), text(attribute)));
    let map: BTreeMap<_, _> = pairs.collect();
    assert_eq!(map.len(), attributes.len(), "{attributes:?}");
    map
}

fn text(attribute: &KeyValue) -> String {
    let value = attribute.value.as_ref().and_then(|value| value.value.as_ref());
    match value {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(truth)) => truth.to_string(),
        _ => panic!("{attribute:?}"),
    }
}
