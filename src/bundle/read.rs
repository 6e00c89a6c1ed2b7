//! Reading of bundles of any writer, in any state: [`Reader`] opens a bundle, [`Lines`] are the lines of its log.

mod line;
mod reader;

pub use line::{Line, LineError, Lines};
pub use reader::Reader;
