//! Phase 2: from facts to tables, each domain its own, in order of seq.
//!
//! `lives` goes first: threads and turns say which events count and whose they are. The others read those and their
//! own facts. A domain knows no other domain's links: whether the tool or its item came first plays no part here.

mod agents;
mod asking;
mod cells;
mod compaction_requests;
mod content_index;
mod conversation;
mod inference;
mod installation;
mod lifecycle;
mod lives;
mod owners;
mod paths;
mod processes;
mod reasoning;
mod rollout;
mod terminals;
mod threads;
mod tools;
mod turns;
mod walk;

pub(super) use agents::{Claim, claims};
pub(super) use cells::{Cells, cells};
pub(super) use compaction_requests::compaction_requests;
pub(super) use inference::{Talk, talk};
pub(super) use lives::Lives;
pub(super) use processes::processes;
pub(super) use rollout::{Rollout, rollout};
pub(super) use terminals::{Operations, operations};
pub(super) use tools::{Tools, tools};
