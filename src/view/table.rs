//! Tables in a given number of columns of a terminal.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

use super::Escaped;
use super::text::{cut, one_line, width};

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    pub(super) name: &'static str,
    pub(super) is_number: bool,
}

/// Blanks between two columns.
const GAP: u16 = 2;
/// Least number of columns of a text that is cut.
const LEAST_COLUMNS: usize = 12;
/// Maximum number of characters of a text that are looked at.
const MAX_CHARS: usize = 500;

/// Lays out a table: the header, then the rows. The texts of the column `elastic` are cut to what the others leave.
pub(super) fn lay_out(headers: &[Header], rows: Vec<Vec<String>>, elastic: usize, columns: usize) -> Vec<String> {
    let widest = |place: usize| {
        let cells = rows.iter().filter_map(|row| row.get(place)).map(|cell| width(&Escaped(cell).to_string()));
        cells.chain(headers.get(place).map(|header| width(header.name))).max().unwrap_or(0)
    };
    let others: usize = (0..headers.len()).filter(|place| *place != elastic).map(widest).sum();
    let gaps = usize::from(GAP) * headers.len().saturating_sub(1);
    let room = columns.saturating_sub(others + gaps).max(LEAST_COLUMNS);
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headers.iter().map(|header| header.name));
    for row in rows {
        table.add_row(row.into_iter().enumerate().map(|(place, cell)| {
            Cell::new(if place == elastic {
                let (text, more) = one_line(&cell, MAX_CHARS);
                cut(&text, room, more)
            } else {
                Escaped(cell).to_string()
            })
        }));
    }
    let last = headers.len().saturating_sub(1);
    for (place, (column, header)) in table.column_iter_mut().zip(headers).enumerate() {
        column.set_padding((0, if place == last { 0 } else { GAP }));
        column.set_cell_alignment(if header.is_number { CellAlignment::Right } else { CellAlignment::Left });
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}
