//! Live spans: what they are called, what they tell, what they link to, and what the bundle says of them.

mod exported;
mod joined;
mod layered;
mod meaning;
mod program;
mod same;
mod with_bundle;
