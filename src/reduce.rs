//! Reduces a finished bundle to a graph, offline.
//!
//! ```text
//! bundle ──► decode ──► facts ──► fold ──► tables ──► link ──► graph
//!            bytes to             each domain         hash joins over
//!            typed facts,         in order of seq     complete tables
//!            on every core
//! ```
//!
//! The log is complete when it is reduced, so it is not replayed like a live stream. `decode` reads every line, and
//! every payload that a reduction rule opens, once; no JSON is parsed after it. `fold` builds the tables of each domain
//! from its facts: threads and turns first, because they decide which events are valid and to which thread an event
//! belongs, then the conversation, tool calls, terminal operations and code cells. `link` joins the finished tables, so
//! the result does not depend on whether a tool call or its conversation item was recorded first.
//!
//! The conversation is built only from the bodies that a model was sent or returned; observations of tool runtimes are
//! attached to it and never rewrite it. An object that cannot be linked stays unlinked. A bundle is untrusted and may
//! be damaged: each problem becomes a [`Diagnostic`] and costs only the smallest object that carries it. The result is
//! a function of the bundle's bytes.
//!
//! Agents in other processes record separate bundles; [`Join`] connects their graphs.

mod decode;
mod diagnostics;
mod error;
mod fold;
mod join;
mod link;
mod options;
pub(crate) mod requested_calls;
pub(crate) mod tool_name;
mod work;

use crate::bundle::Reader;
use crate::graph::{Code, Diagnostic, Graph};

use diagnostics::{Diagnostics, LogPosition};
pub use error::ReduceError;
pub use join::Join;
pub use options::Options;
pub use work::Work;

/// The result of a reduction: the graph and counters of the work done.
#[derive(Debug)]
#[non_exhaustive]
pub struct Reduction {
    /// The reduced graph. Problems with the evidence are listed in [`Graph::diagnostics`].
    pub graph: Graph,
    /// Counters of the work that the reduction did.
    pub work: Work,
}

impl Reduction {
    /// Returns the problems with the evidence, ordered by seq, then by code.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.graph.diagnostics
    }
}

/// Revision of the reducer. It is raised whenever the graph of some bundle may come out in another way, so that what was
/// made from an earlier graph can be made again.
pub const REVISION: u32 = 1;

/// Reduces a bundle to a graph.
///
/// Damaged or unknown evidence is not an error by default: each problem is reported in [`Graph::diagnostics`], and
/// everything else is reduced as if the skipped object were absent.
///
/// # Errors
/// Returns a [`ReduceError`] if the log cannot be read at all or, with [`Options::strict`], if a rule is broken; the
/// error then carries the broken rule with the lowest seq.
pub fn reduce(bundle: &Reader, options: &Options) -> Result<Reduction, ReduceError> {
    let mut diagnostics = Diagnostics::new(options);
    let mut work = Work::default();
    let facts = decode::decode(bundle, options, &mut diagnostics, &mut work).map_err(ReduceError::unreadable)?;
    // Drop the facts of each domain as soon as it is folded, to keep a low peak of memory: its tables hold most of the
    // same data.
    let thread_tables = fold::ThreadTables::fold(&facts.threads, &facts.turns, &facts.mentions, &mut diagnostics);
    let mut unread_fields = fold::UnreadFields::default();
    let conversations = fold::conversations(
        facts.conversation,
        &thread_tables,
        &facts.decoded_items,
        &mut unread_fields,
        &mut diagnostics,
        &mut work,
    );
    drop(facts.decoded_items);
    let tools = fold::tools(&facts.tools, &thread_tables, &mut diagnostics);
    let child_processes = fold::processes(facts.processes, &thread_tables, &tools, &mut diagnostics);
    let is_reused = |thread: &_, call: &_| conversations.shown.is_reused(thread, call);
    let folded = link::Folded {
        rollout: fold::rollout(&facts.rollout, bundle.manifest(), &mut diagnostics),
        compaction_requests: fold::compaction_requests(
            &facts.compaction_requests,
            &thread_tables,
            &mut unread_fields,
            &mut diagnostics,
        ),
        operations: fold::operations(&facts.tools, &tools, &mut diagnostics),
        cells: fold::cells(&facts.cells, &thread_tables, is_reused, &mut diagnostics),
        claims: fold::claims(&facts.threads, &facts.tools, &tools, &thread_tables, &mut diagnostics),
        child_processes,
        tools,
        conversations,
        thread_tables,
    };
    work.unread_members += unread_fields.looked_up;
    unread_fields.report_rest(&mut diagnostics);
    drop(facts.tools);
    let unfolded =
        link::Unfolded { agent_results: facts.agent_results, payloads: facts.payloads, last_at: facts.last_at };
    let mut graph = link::link(unfolded, folded, bundle.manifest(), &mut diagnostics, &mut work);
    if let Some(error) = bundle.parent_error() {
        let message =
            format!("cannot read `parent` of the manifest, so the run is treated as having no parent: {error}");
        diagnostics.add(LogPosition { seq: None, line: 0, after: None }, Code::BadProcess, message, None);
    }
    decode::report_unreported(facts.unreported, &mut diagnostics);
    if let Some(broken) = diagnostics.strict_failure() {
        return Err(ReduceError::strict(bundle.path(), broken.clone()));
    }
    graph.diagnostics = diagnostics.into_diagnostics();
    Ok(Reduction { graph, work })
}
