//! A run as people read it: its summary, and its tree.

use crate::bundle::Reader;
use crate::event::RawPayloadId;
use crate::reduce::Reduction;

use super::costs::Costs;
use super::price::Pricing;
use super::{Node, PriceList, Summary, tree};

/// A run as people read it: its summary, and the nodes of its tree, each behind the node that contains it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Run {
    /// What was asked, how it ended, what failed, and what it took.
    pub summary: Summary,
    /// What happened, as a tree.
    pub nodes: Vec<Node>,
}

impl Run {
    /// Creates the view of a run that was reduced from this bundle. Reads the few payloads of which the graph does not
    /// contain enough.
    pub fn new(bundle: &Reader, reduction: &Reduction, prices: &PriceList) -> Self {
        let graph = &reduction.graph;
        let payload = |id: &RawPayloadId| bundle.payload(graph.raw_payloads.get(id)?).ok();
        let costs = Costs::new(graph, &mut Pricing::new(prices));
        let nodes = tree::nodes(graph, &costs, &payload);
        let summary = Summary::new(reduction, &costs, &nodes, &payload);
        Self { summary, nodes }
    }
}
