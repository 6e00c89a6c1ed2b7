//! From bundle to graph, offline.
//!
//! ```text
//! bundle ──► decode ──► facts ──► fold ──► tables ──► link ──► graph
//!            bytes to             each domain         hash joins over
//!            typed facts,         in order of seq     complete tables
//!            on every core
//! ```
//!
//! The log is finished, so it is not replayed as if it were live. `decode` reads every line and every payload that a
//! rule opens, once, and JSON ends there. `fold` puts each domain's facts into tables: threads and turns first, which
//! say what counts and whose it is, then conversation, tools, terminals, cells. `link` joins the tables, so that
//! it plays no part whether a tool or its item came first.
//!
//! Conversation comes only from what a model was sent or returned; what runtimes saw explains it and never rewrites
//! it. What can't be linked stays unlinked. Evidence is untrusted and may be damaged: what is wrong becomes a
//! [`Diagnostic`] and costs the smallest thing that carries it. The result is a function of the bundle's bytes.
//!
//! Agents in other processes have bundles of their own: [`Join`] puts their graphs side by side.

mod decode;
mod error;
mod fold;
mod join;
mod link;
mod options;
mod problems;
mod work;

#[cfg(feature = "otlp")]
pub(crate) use decode::{Object, RESPONSE_IDS, RequestShape, is_bare_response, list, text, usage};

use crate::bundle::Reader;
use crate::graph::{Code, Diagnostic, Graph};

pub use error::ReduceError;
pub use join::Join;
pub use options::Options;
use problems::{Place, Problems};
pub use work::Work;

/// A graph, and what it took to make it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Reduction {
    /// What the evidence means. What is wrong with it is in [`Graph::diagnostics`].
    pub graph: Graph,
    /// What was done.
    pub work: Work,
}

impl Reduction {
    /// What is wrong with the evidence, by seq, then code.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.graph.diagnostics
    }
}

/// Reduces a bundle to a graph.
///
/// # Errors
/// [`ReduceError`] where the log can't be read at all, or, with [`Options::strict`], at the broken rule with the lowest seq.
/// Damage is no error otherwise: see [`Graph::diagnostics`].
pub fn reduce(bundle: &Reader, options: &Options) -> Result<Reduction, ReduceError> {
    let mut problems = Problems::new(options);
    let mut work = Work::default();
    let facts = decode::decode(bundle, options, &mut problems, &mut work).map_err(ReduceError::unreadable)?;
    // A domain's facts go with its fold: what says the same twice is not in memory twice for long.
    let lives = fold::Lives::fold(&facts.threads, &facts.turns, &facts.mentions, &mut problems);
    let talk = fold::talk(facts.conversation, &lives, &facts.readings, &mut problems, &mut work);
    drop(facts.readings);
    let tools = fold::tools(&facts.tools, &lives, &mut problems);
    let child_processes = fold::processes(facts.processes, &lives, &tools, &mut problems);
    let folded = link::Folded {
        rollout: fold::rollout(&facts.rollout, bundle.manifest(), &mut problems),
        compaction_requests: fold::compaction_requests(&facts.compaction_requests, &lives, &mut problems),
        operations: fold::operations(&facts.tools, &tools, &mut problems),
        cells: fold::cells(&facts.cells, &lives, &mut problems),
        claims: fold::claims(&facts.threads, &facts.tools, &tools, &mut problems),
        child_processes,
        tools,
        talk,
        lives,
    };
    drop(facts.tools);
    let unfolded =
        link::Unfolded { agent_results: facts.agent_results, payloads: facts.payloads, last_at: facts.last_at };
    let mut graph = link::link(unfolded, folded, bundle.manifest(), &mut problems, &mut work);
    if let Some(why) = bundle.bad_parent() {
        let message = format!("the manifest's parent can't be read, so the run counts as having none: {why}");
        problems.add(Place { seq: None, line: 0, after: None }, Code::BadProcess, message, None);
    }
    decode::tell_unheard(facts.unheard, &mut problems);
    if let Some(broken) = problems.strict_failure() {
        return Err(ReduceError::strict(bundle.path(), broken.clone()));
    }
    graph.diagnostics = problems.into_diagnostics();
    Ok(Reduction { graph, work })
}
