//! Reading of bundles of any writer, in any state: [`Reader`] opens a bundle, [`Lines`] are the lines of its log.

mod line;
mod raw_lines;
mod reader;
mod state_file;
mod unnamed;

pub use line::{Line, LineError, Lines};
pub(crate) use raw_lines::MAX_LINE_BYTES;
pub use reader::Reader;
pub(in crate::bundle) use unnamed::file_number;
pub(crate) use unnamed::{NamedPlaces, StorePlace, UnnamedPayload};
