use std::path::{Path, PathBuf};

use crate::bundle::Reader;
use crate::event::{RawPayloadId, ResponseId};
use crate::graph::{Graph, OperationKind};
use crate::otlp::ContentPolicy::Omit;
use crate::otlp::span::digest::{ResponseDigest, RuntimeDigest};
use crate::provider::CallWithId;
use crate::reduce::{Options, reduce};

fn bundles() -> Vec<(Reader, Graph)> {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let paths = std::fs::read_dir(cases).expect("the cases").map(|case| case.expect("a case").path());
    let open = |path: PathBuf| {
        let reader = Reader::open(&path).expect("a bundle");
        let graph = reduce(&reader, &Options::default()).expect("a graph").graph;
        (reader, graph)
    };
    paths.map(open).collect()
}

fn body(bundle: &Reader, graph: &Graph, id: &RawPayloadId) -> Vec<u8> {
    bundle.payload(graph.raw_payloads.get(id).expect("its reference")).expect("its body")
}

#[test]
fn response_digests_agree_with_the_graph() {
    let mut calls = 0;
    for (bundle, graph) in bundles() {
        for call in graph.inference_calls.iter() {
            let Some(payload) = &call.raw_response_payload_id else { continue };
            let digest = ResponseDigest::parse(&body(&bundle, &graph, payload), Omit);
            let items = call.response_item_ids.iter().filter_map(|&id| graph.item(id));
            let requested: Vec<_> = items
                .filter(|item| item.content.kind.is_call())
                .filter_map(|item| {
                    let id = item.content.call_id.as_ref()?.to_string();
                    let text = |text: &Option<Box<str>>| text.as_deref().map(str::to_owned);
                    Some(CallWithId { id, name: text(&item.content.name), namespace: text(&item.content.namespace) })
                })
                .collect();
            assert_eq!((digest.usage, digest.calls, digest.has_known_items), (call.usage, requested, true));
            assert_eq!(digest.response_id.as_deref(), call.response_id.as_ref().map(ResponseId::as_str));
            calls += 1;
        }
    }
    assert!(calls > 100, "{calls} calls");
}

#[test]
fn runtime_digests_agree_with_the_graph() {
    let mut exits = 0;
    for (bundle, graph) in bundles() {
        for operation in graph.terminal_operations().filter(|one| one.kind == OperationKind::ExecCommand) {
            let digests = operation.raw_payload_ids.iter().map(|id| RuntimeDigest::parse(&body(&bundle, &graph, id)));
            let exit_code = digests.filter_map(|digest| digest.exit_code).last();
            assert_eq!(exit_code, operation.result.as_ref().and_then(|result| result.exit_code));
            exits += usize::from(exit_code.is_some());
        }
    }
    assert!(exits > 10, "{exits} exits");
}
