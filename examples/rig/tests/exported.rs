//! Live export of the spans that rig creates, compared with the export of the bundles.

#[path = "../../../tests/common/example_export.rs"]
mod example_export;
#[path = "../../../tests/common/trace_tree.rs"]
mod trace_tree;

use std::collections::{BTreeMap, BTreeSet};

use example_export::ExampleSpans;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::process::Command;

/// Returns the attributes that must be equal live and exported. Attributes named `rig.*` exist on live spans only,
/// because no event has a field for them.
fn attributes(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let common = attributes.iter().filter(|it| !it.key.starts_with("rig."));
    common.map(|it| (it.key.clone(), format!("{:?}", it.value))).collect()
}

/// Returns the id of a span, and all its data except times.
fn comparable(span: &Span) -> (Vec<u8>, impl PartialEq + std::fmt::Debug + use<>) {
    let link_key = |link: &opentelemetry_proto::tonic::trace::v1::span::Link| {
        (link.trace_id.clone(), link.span_id.clone(), attributes(&link.attributes))
    };
    // Links without attributes are rig's own: they connect successive spans and do not express which call requested
    // which.
    let links_of_the_recorder = span.links.iter().filter(|link| !link.attributes.is_empty());
    let links: BTreeSet<_> = links_of_the_recorder.map(link_key).collect();
    let status = span.status.clone().unwrap_or_default();
    let comparable = (
        (span.trace_id.clone(), span.parent_span_id.clone(), span.name.clone(), span.kind),
        (status.code, status.message),
        attributes(&span.attributes),
        links,
    );
    (span.span_id.clone(), comparable)
}

async fn check(arguments: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_example-rig"));
    for name in ["OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_MODEL"] {
        command.env_remove(name);
    }
    command.args(arguments);
    let ExampleSpans { live, exported } = example_export::run(command, "example-rig").await;
    assert!(live.iter().flat_map(|span| &span.links).any(|link| link.attributes.is_empty()), "rig's own links");
    for received in [&live, &exported] {
        let drawings = trace_tree::assert_drawn(received);
        assert!(drawings.iter().any(|drawing| drawing.levels() == 3), "an agent that is another's tool: {drawings:?}");
    }
    let exported: BTreeMap<_, _> = exported.iter().map(comparable).collect();
    let is_of_a_run = |span: &&Span| span.attributes.iter().any(|it| it.key == "otel_trace.object_id");
    let live: BTreeMap<_, _> = live.iter().filter(is_of_a_run).map(comparable).collect();
    assert!(live.len() > 10, "{}", live.len());
    assert_eq!(live.keys().collect::<Vec<_>>(), exported.keys().collect::<Vec<_>>());
    for (id, live) in &live {
        assert_eq!(Some(live), exported.get(id), "live, then exported");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_match_their_export() {
    check(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn responses_runs_without_content_match_their_export() {
    check(&["--responses", "--no-content"]).await;
}
