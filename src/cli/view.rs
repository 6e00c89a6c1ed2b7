//! Options of the commands that show runs to people.

use std::path::PathBuf;

use otel_trace::view::PriceList;

use super::output;

/// Options of the commands that show runs to people.
#[derive(Debug, clap::Args)]
pub(super) struct ViewOptions {
    /// Take the prices of models from this file instead of the list in the program
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,

    /// Number of columns [default: those of the terminal, else $COLUMNS, else 120]
    #[arg(long, value_name = "COLUMNS", value_parser = clap::value_parser!(u16).range(20..))]
    width: Option<u16>,
}

/// Number of columns where there is no terminal.
const DEFAULT_COLUMNS: usize = 120;

impl ViewOptions {
    pub(super) fn prices(&self) -> anyhow::Result<PriceList> {
        Ok(match &self.prices {
            Some(path) => PriceList::read(path)?,
            None => PriceList::embedded(),
        })
    }

    /// Returns the number of columns of the output.
    pub(super) fn columns(&self) -> usize {
        let variable = || std::env::var("COLUMNS").ok()?.parse().ok();
        let columns = self.width.map(usize::from).or_else(output::terminal_columns).or_else(variable);
        columns.filter(|columns| *columns >= 20).unwrap_or(DEFAULT_COLUMNS)
    }
}
