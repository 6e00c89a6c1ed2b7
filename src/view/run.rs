//! A run as people read it: its summary, and its tree.

use crate::event::RawPayloadId;
use crate::reduce::Reduction;

use super::costs::Costs;
use super::{Node, Pricing, Summary, tree};

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
    /// Creates the view of a reduced run. `payload` reads a payload of its bundle; it is called for the few payloads of
    /// which the graph does not contain enough.
    pub fn new(
        reduction: &Reduction,
        pricing: &mut Pricing<'_>,
        payload: &dyn Fn(&RawPayloadId) -> Option<Vec<u8>>,
    ) -> Self {
        let costs = Costs::new(&reduction.graph, pricing);
        let nodes = tree::nodes(&reduction.graph, &costs, payload);
        let summary = Summary::new(reduction, &costs, &nodes, payload);
        Self { summary, nodes }
    }
}
