//! Random sessions with reused call ids: the reducer gives the links of a naive model, and no tool has the arguments or
//! the output of another tool's call.

use std::collections::BTreeMap;

use otel_trace::graph::{Code, Graph, ItemId, Part};
use otel_trace::reduce::Options;
use proptest::prelude::*;
use serde_json::Value;

use super::reuse_model::{Links, Model};
use super::reuse_session::{Evidence, Session, settings, step};

/// Returns the token of an item: what its arguments or its output contain.
fn token(graph: &Graph, id: ItemId) -> String {
    let item = graph.items().nth(usize::try_from(id.number() - 1).unwrap()).unwrap();
    let part = &item.content.parts[0];
    match part.as_text() {
        Some(text) => text.strip_prefix("of ").unwrap().to_owned(),
        None => {
            let Part::Json { summary } = part else { panic!("{part:?}") };
            serde_json::from_str::<Value>(summary).unwrap()["at"].as_str().unwrap().to_owned()
        }
    }
}

/// Returns the links of the tools with reused ids as the graph has them.
fn links(graph: &Graph, of_model: &BTreeMap<String, Links>) -> BTreeMap<String, Links> {
    let reused = graph.tool_calls.iter().filter(|tool| of_model.contains_key(tool.tool_call_id.as_str()));
    let links = reused.map(|tool| {
        let requester = tool.requested_by.as_ref().filter(|_| !tool.call_item_ids.is_empty()).map(ToString::to_string);
        (tool.tool_call_id.to_string(), (tool.call_item_ids.clone(), tool.output_item_ids.clone(), requester))
    });
    links.collect()
}

/// Checks that the reducer gives the links of the model.
fn check_model(session: &Session, graph: &Graph) -> Result<(), TestCaseError> {
    let expected = Model::new(graph, &session.kinds).links();
    let mut found = links(graph, &expected);
    for (tool, (.., requester)) in &mut found {
        // A tool of a call that no response made may be attributed to a response without content.
        if expected[tool].2.is_none() {
            *requester = None;
        }
    }
    prop_assert_eq!(found, expected);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn links_are_those_of_the_naive_model(
        settings in settings(Evidence::Any, any::<bool>()),
        steps in prop::collection::vec((0..2_usize, step(Evidence::Any)), 0..24),
    ) {
        let session = Session::record(settings, &steps);
        let graph = session.case.try_reduce(&Options::default()).unwrap().graph;
        check_model(&session, &graph)?;
    }

    #[test]
    fn outputs_of_equal_calls_are_kept_apart(
        settings in settings(Evidence::Complete, Just(true)),
        steps in prop::collection::vec((0..2_usize, step(Evidence::Complete)), 0..24),
    ) {
        let session = Session::record(settings, &steps);
        let graph = session.case.try_reduce(&Options::default()).unwrap().graph;
        for tool in graph.tool_calls.iter() {
            let token_of_tool = &session.tokens[tool.tool_call_id.as_str()];
            let all = graph.items().filter(|item| item.content.kind.is_output() && token(&graph, item.item_id) == *token_of_tool);
            let all: Vec<_> = all.map(|item| item.item_id).collect();
            prop_assert_eq!(&tool.output_item_ids, &all, "{}", tool.tool_call_id);
        }
    }

    #[test]
    fn no_tool_has_the_items_of_another_tools_call(
        settings in settings(Evidence::Complete, Just(false)),
        steps in prop::collection::vec((0..2_usize, step(Evidence::Complete)), 0..24),
    ) {
        let session = Session::record(settings, &steps);
        let graph = session.case.try_reduce(&Options::default()).unwrap().graph;
        check_model(&session, &graph)?;
        for tool in graph.tool_calls.iter() {
            let token_of_tool = &session.tokens[tool.tool_call_id.as_str()];
            let items = [&*tool.call_item_ids, &*tool.output_item_ids].concat();
            for item in items {
                prop_assert_eq!(&token(&graph, item), token_of_tool, "{}", tool.tool_call_id);
            }
            // Every output that a model saw is linked, and each call of a recorded response.
            let all = graph.items().filter(|item| item.content.kind.is_output() && token(&graph, item.item_id) == *token_of_tool);
            let all: Vec<_> = all.map(|item| item.item_id).collect();
            prop_assert_eq!(&tool.output_item_ids, &all, "{}", tool.tool_call_id);
            prop_assert!(!tool.call_item_ids.is_empty() && tool.requested_by.is_some(), "{}", tool.tool_call_id);
        }
        // The program answers some calls without running a tool.
        let expected = |code| matches!(code, Code::HistoryBranched | Code::UnseenTool);
        let unexpected: Vec<_> = graph.diagnostics.iter().filter(|found| !expected(found.code)).collect();
        prop_assert!(unexpected.is_empty(), "{unexpected:?}");
    }
}
