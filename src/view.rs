//! Views of runs for people: what happened, what failed, what it took and what it cost.
//!
//! A view reads a graph, and the few payloads that it shows; it decides nothing. [`Run`] is one run: a [`Summary`], and a
//! tree of [`Node`]s, which [`Run::show`] lays out for a terminal. [`PriceList`] has the prices of models.

mod cache;
mod columns;
mod cost_table;
mod costs;
mod entry;
mod escape;
mod filter;
mod index;
mod json;
mod layout;
mod list;
mod loops;
mod node;
mod price;
mod run;
mod show;
mod summary;
mod table;
mod text;
mod title;
mod tool;
mod tree;

pub use cache::{Cache, Key};
pub use cost_table::CostTable;
pub use entry::{Entry, mentions};
pub use escape::Escaped;
pub use filter::{Filter, NothingNamed};
pub use json::{NoSuchNode, Page};
pub use layout::{Line, Piece};
pub use list::{Listed, SortBy, list, list_json, sort};
pub use loops::Loop;
pub use node::{Node, NodeKind, Text};
pub use price::{Cost, Money, PriceList, PriceListError};
pub use run::Run;
pub use show::Layout;
pub use summary::{Counts, EvidenceSummary, Summary};
