//! A coding agent that records each of its call sites: its bundle, as the strictest reader of format 1 reads it, and its
//! graph, compared with what the program did.

mod agent;
mod bodies;
mod deeds;
mod program;
mod strict;
mod worker;

use std::path::Path;

use otel_trace::bundle::Reader;
use otel_trace::graph::Graph;
use otel_trace::reduce::{Options, reduce};

use self::deeds::Deeds;
use self::program::{Extent, run};
use crate::common::{Bundle, bundles, recorder, run_recorded};

/// Records the program. Returns its bundle, its strictly reduced graph and what the program did.
fn play(extent: Extent) -> (Bundle, Graph, Deeds) {
    let (root, recorder, guard) = recorder();
    let deeds = run_recorded(&recorder, || run(extent));
    drop(guard);
    assert_eq!((recorder.stats().lost(), recorder.stats().late), (0, 0));
    let bundle = bundles(root.path()).remove(0);
    let graph = reduce_strictly(&bundle.path);
    (bundle, graph, deeds)
}

fn reduce_strictly(bundle: &Path) -> Graph {
    reduce(&Reader::open(bundle).unwrap(), &Options::default().strict(true)).unwrap().graph
}

#[test]
fn the_graph_has_what_the_program_did_and_nothing_else() {
    for extent in [Extent::FormatOne, Extent::Everything] {
        let (_bundle, graph, mut did) = play(extent);
        let mut read = Deeds::from_graph(&graph);
        did.edges.sort_by_key(|edge| format!("{edge:?}"));
        read.edges.sort_by_key(|edge| format!("{edge:?}"));
        let Deeds { threads, turns, calls, tools, cells, edges, terminals, compactions, processes } = read;
        assert_eq!(threads, did.threads);
        assert_eq!(turns, did.turns);
        assert_eq!(calls, did.calls);
        assert_eq!(tools, did.tools);
        assert_eq!(cells, did.cells);
        assert_eq!(edges, did.edges);
        assert_eq!(terminals, did.terminals);
        assert_eq!(compactions, did.compactions);
        assert_eq!(processes, did.processes);
    }
}

#[test]
fn a_strict_reduction_has_no_diagnostic() {
    for extent in [Extent::FormatOne, Extent::Everything] {
        let (_bundle, graph, _) = play(extent);
        assert_eq!(graph.diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>(), Vec::<String>::new());
    }
}
