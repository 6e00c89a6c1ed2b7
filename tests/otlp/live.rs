//! Live spans: names, attributes, links, and the references between spans and bundle.

mod calls_without_ids;
mod conventions;
mod every_api;
mod exported;
mod layers;
mod links;
mod live_and_later;
mod masked;
mod program;
mod reused_ids;
mod streams;
mod with_bundle;
