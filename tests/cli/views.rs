//! Views of every conformance case, whole and cut: nothing is missing, nothing is told twice, and every line fits.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use otel_trace::bundle::Reader;
use otel_trace::reduce::{Options, Reduction, reduce};
use otel_trace::view::{CostTable, Entry, Filter, Layout, NodeKind, Page, PriceList, Run};
use serde_json::Value;

use crate::copy;

/// Returns the directories of the conformance cases.
pub(crate) fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let mut cases: Vec<_> = root.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|case| case.join("manifest.json").exists());
    cases.sort();
    assert!(cases.len() >= 8, "{cases:?}");
    cases
}

fn view(bundle: &Path, prices: &PriceList) -> (Reduction, Run) {
    let reader = Reader::open(bundle).unwrap();
    let reduction = reduce(&reader, &Options::default()).unwrap();
    let run = Run::new(&reader, &reduction, prices);
    (reduction, run)
}

/// Checks that each operation of the graph is one node, in a tree.
#[track_caller]
fn assert_whole(reduction: &Reduction, run: &Run) {
    let graph = &reduction.graph;
    let count = |kind| run.nodes.iter().filter(|node| node.kind == kind).count();
    assert_eq!(count(NodeKind::Agent), graph.threads.len());
    assert_eq!(count(NodeKind::Turn), graph.turns.len());
    assert_eq!(count(NodeKind::Call), graph.inference_calls.len());
    assert_eq!(count(NodeKind::Tool), graph.tool_calls.len());
    assert_eq!(count(NodeKind::Script), graph.code_cells.len());
    assert_eq!(count(NodeKind::Compaction), graph.compactions.len() + graph.compaction_requests.len());
    let names: HashSet<_> = run.nodes.iter().map(|node| (node.kind, &node.id)).collect();
    assert_eq!(names.len(), run.nodes.len(), "a node is there twice");
    for (place, node) in run.nodes.iter().enumerate() {
        assert!(node.parent.is_none_or(|parent| parent < place), "{node:?}");
        assert_eq!(node.depth, node.parent.map_or(0, |parent| run.nodes[parent].depth + 1), "{node:?}");
    }
}

/// Checks that every line of a view fits and has no character that controls a terminal.
#[track_caller]
fn assert_fits(reduction: &Reduction, run: &Run, prices: &PriceList, widths: &[usize]) {
    let selected = Filter::default().select(run, &reduction.graph).unwrap();
    for &columns in widths {
        for full in [false, true] {
            let lines = run.show(&selected, Layout { columns, full });
            let summary = lines.iter().position(|line| line.pieces.is_empty()).unwrap();
            assert!(summary <= 8, "the summary has {summary} lines");
            for line in &lines {
                let text = line.to_string();
                assert!(unicode_width::UnicodeWidthStr::width(&*text) <= columns, "{columns} columns: {text}");
                assert!(!text.contains(char::is_control), "{text:?}");
            }
        }
        CostTable::new(&reduction.graph, prices).lines(columns);
    }
}

/// Reads all pages of a run's JSON, and checks that together they are the nodes.
#[track_caller]
fn assert_pages(reduction: &Reduction, run: &Run) {
    let selected = Filter::default().select(run, &reduction.graph).unwrap();
    let mut page = Page { limit: 7, after: None };
    let mut ids = Vec::new();
    loop {
        let json: Value = serde_json::from_str(&run.to_json(&selected, &page).unwrap()).unwrap();
        let nodes = json["nodes"].as_array().unwrap();
        assert!(nodes.len() <= 7);
        ids.extend(nodes.iter().map(|node| node["id"].as_str().unwrap().to_owned()));
        let Some(next) = json["next"].as_str() else { break };
        page.after = Some(next.to_owned());
    }
    assert_eq!(ids, run.nodes.iter().map(|node| node.id.clone()).collect::<Vec<_>>());
}

#[test]
fn each_operation_is_one_node_and_each_line_fits() {
    let prices = PriceList::embedded();
    for case in cases() {
        let (reduction, run) = view(&case, &prices);
        assert_whole(&reduction, &run);
        assert_fits(&reduction, &run, &prices, &[20, 60, 100, 160]);
        assert_pages(&reduction, &run);
        assert_eq!(Entry::new(&reduction.graph, &run).trace_id, reduction.graph.trace_id);
    }
}

#[test]
fn a_run_that_is_cut_at_any_place_is_shown_as_far_as_it_goes() {
    let prices = PriceList::embedded();
    let root = tempfile::tempdir().unwrap();
    for case in cases() {
        let bundle = root.path().join(case.file_name().unwrap());
        copy(&case, &bundle);
        let log = fs::read_to_string(case.join("trace.jsonl")).unwrap();
        let lines: Vec<_> = log.lines().collect();
        for kept in (1..lines.len()).step_by(10) {
            // The last line of a killed process may be cut in its middle.
            let cut = lines[kept].len() / 2;
            let text = format!("{}\n{}", lines[..kept].join("\n"), lines[kept].get(..cut).unwrap_or_default());
            fs::write(bundle.join("trace.jsonl"), text).unwrap();
            let (reduction, run) = view(&bundle, &prices);
            assert_whole(&reduction, &run);
            assert_fits(&reduction, &run, &prices, &[60]);
        }
    }
}

#[test]
fn filters_keep_what_contains_the_selected_nodes() {
    let prices = PriceList::embedded();
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/everything");
    let (reduction, run) = view(&case, &prices);
    let select = |filter: Filter| -> Vec<(NodeKind, String)> {
        let selected = filter.select(&run, &reduction.graph).unwrap();
        selected.into_iter().map(|place| (run.nodes[place].kind, run.nodes[place].label.clone())).collect()
    };
    let kinds = |selected: &[(NodeKind, String)]| selected.iter().map(|(kind, _)| *kind).collect::<HashSet<_>>();

    let agents = select(Filter { depth: Some(1), ..Filter::default() });
    assert_eq!(kinds(&agents), HashSet::from([NodeKind::Agent]));
    assert_eq!(agents.len(), reduction.graph.threads.len());

    let one = select(Filter { agents: vec!["W1".to_owned()], ..Filter::default() });
    assert!(one[0].1.starts_with("W1 ") && one.iter().filter(|(kind, _)| *kind == NodeKind::Agent).count() == 1);
    let by_path = select(Filter { agents: vec!["/root/worker_1".to_owned()], ..Filter::default() });
    assert_eq!(one, by_path);

    let turn = select(Filter { turns: vec!["2".to_owned()], agents: vec!["/root".to_owned()], ..Filter::default() });
    let turns: Vec<_> = turn.iter().filter(|(kind, _)| *kind == NodeKind::Turn).collect();
    assert!(turns.len() == 1 && turns[0].1 == "turn 2" && turn.len() > 3, "{turn:?}");

    let scripts = select(Filter { kinds: vec![NodeKind::Script], ..Filter::default() });
    let expected = [NodeKind::Agent, NodeKind::Turn, NodeKind::Call, NodeKind::Script];
    assert_eq!(kinds(&scripts), HashSet::from(expected));

    let unknown = Filter { turns: vec!["99".to_owned()], ..Filter::default() }.select(&run, &reduction.graph);
    let error = unknown.unwrap_err().to_string();
    assert!(error.contains("\"99\"") && error.contains("turn 1"), "{error}");
}
