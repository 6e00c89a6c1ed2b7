//! The text of a run in a number of columns: lines of styled pieces.

use std::fmt;

use anstyle::{AnsiColor, Style};

use super::text::{MAX_CHARS, cut, one_line, width};

/// A line of styled pieces, without what would control a terminal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    /// The pieces, left to right.
    pub pieces: Vec<Piece>,
}

/// A piece of a line in one style.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Style of the text on a terminal with colours.
    pub style: Style,
    /// The text, escaped.
    pub text: String,
}

pub(super) const PLAIN: Style = Style::new();
pub(super) const BOLD: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const FAILED: Style = AnsiColor::Red.on_default();
pub(super) const WARNING: Style = AnsiColor::Yellow.on_default();

/// Formats the line without styles.
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces.iter().try_for_each(|piece| f.write_str(&piece.text))
    }
}

/// Least number of columns of a text that is cut first, and of one that is cut last.
const LEAST_COLUMNS: usize = 8;
const LEAST_COLUMNS_LAST: usize = 16;
/// Number of columns of a text for which notes are left out.
const GOOD_COLUMNS: usize = 32;

/// The pieces of a line while it is laid out: some have a fixed width, and the others share what is left.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pieces: Vec<DraftPiece>,
}

/// How a piece of a line gives way to others, the first kinds before the last ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Gives {
    /// It is cut first: what was printed or said.
    First,
    /// It is cut last: what was done, and why it failed.
    Last,
    /// It is never cut.
    Never,
    /// It is there or not: it is left out before what was done is cut much.
    Whole,
}

#[derive(Debug)]
struct DraftPiece {
    before: &'static str,
    text: String,
    /// Number of characters of the text that are left out already.
    more: usize,
    after: String,
    style: Style,
    gives: Gives,
}

impl DraftPiece {
    fn frame(&self) -> usize {
        width(self.before) + width(&self.after)
    }

    fn width(&self) -> usize {
        self.frame() + width(&self.text)
    }

    /// Returns the piece in at most this number of columns.
    fn in_columns(self, columns: usize) -> (Style, String) {
        let Self { before, text, more, after, style, .. } = &self;
        let text = cut(text, columns.saturating_sub(self.frame()), *more);
        (*style, format!("{before}{text}{after}"))
    }
}

impl Draft {
    /// Adds a text that is never cut.
    pub(super) fn fixed(&mut self, style: Style, text: &str) {
        let (text, more) = (super::Escaped(text).to_string(), 0);
        self.pieces.push(DraftPiece { before: "", text, more, after: String::new(), style, gives: Gives::Never });
    }

    /// Adds a text that is left out if it does not fit.
    pub(super) fn note(&mut self, style: Style, text: &str) {
        let (text, more) = (super::Escaped(text).to_string(), 0);
        self.pieces.push(DraftPiece { before: "  ", text, more, after: String::new(), style, gives: Gives::Whole });
    }

    /// Adds a text of a bundle on one line, which is cut if it does not fit. `before` and `after` stay.
    pub(super) fn elastic(&mut self, style: Style, before: &'static str, text: &str, more: usize, after: &str) {
        self.add(Gives::Last, style, before, text, more, after);
    }

    /// Adds a text of a bundle on one line, which is cut before others are.
    pub(super) fn yielding(&mut self, style: Style, before: &'static str, text: &str, more: usize, after: &str) {
        self.add(Gives::First, style, before, text, more, after);
    }

    fn add(&mut self, gives: Gives, style: Style, before: &'static str, text: &str, more: usize, after: &str) {
        let (text, left_out) = one_line(text, MAX_CHARS);
        let more = left_out + more;
        self.pieces.push(DraftPiece { before, text, more, after: after.to_owned(), style, gives });
    }

    /// Makes the line of the pieces, in at most `columns` columns.
    pub(super) fn finish(mut self, columns: usize) -> Line {
        self.leave_out_notes(columns);
        let least = |limit: usize, piece: &DraftPiece| {
            let is_first = piece.gives == Gives::First;
            limit.max(piece.frame() + if is_first { LEAST_COLUMNS } else { LEAST_COLUMNS_LAST })
        };
        let first = self.limit(columns, |piece| if piece.gives == Gives::First { least(0, piece) } else { usize::MAX });
        let last = self.limit(columns, |piece| least(if piece.gives == Gives::First { first } else { 0 }, piece));
        let mut left = columns;
        let mut pieces = Vec::new();
        for piece in self.pieces {
            let limit = match piece.gives {
                Gives::First => least(first, &piece),
                Gives::Last => least(last, &piece),
                Gives::Never | Gives::Whole => usize::MAX,
            };
            let (style, text) = piece.in_columns(limit.min(columns));
            let text = if width(&text) > left { cut(&text, left, 0) } else { text };
            left = left.saturating_sub(width(&text));
            if !text.is_empty() {
                pieces.push(Piece { style, text });
            }
        }
        Line { pieces }
    }

    /// Leaves out notes, the first ones first, until what was done has enough room.
    fn leave_out_notes(&mut self, columns: usize) {
        let needed = |piece: &DraftPiece| match piece.gives {
            Gives::First => piece.width().min(piece.frame() + LEAST_COLUMNS),
            Gives::Last => piece.width().min(piece.frame() + GOOD_COLUMNS),
            Gives::Never | Gives::Whole => piece.width(),
        };
        while self.pieces.iter().map(needed).sum::<usize>() > columns
            && let Some(note) = self.pieces.iter().position(|piece| piece.gives == Gives::Whole)
        {
            self.pieces.remove(note);
        }
    }

    /// Returns the greatest width of a piece with which all pieces together fit in the columns. A piece is at least as
    /// wide as `least` says, or as it is.
    fn limit(&self, columns: usize, least: impl Fn(&DraftPiece) -> usize) -> usize {
        let is_fixed = |piece: &DraftPiece| matches!(piece.gives, Gives::Never | Gives::Whole);
        let of_piece = |piece: &DraftPiece, limit: usize| match is_fixed(piece) {
            true => piece.width(),
            false => piece.width().min(limit.max(least(piece))),
        };
        let total = |limit| self.pieces.iter().map(|piece| of_piece(piece, limit)).fold(0, usize::saturating_add);
        let (mut fits, mut too_wide) = (0, columns + 1);
        while too_wide - fits > 1 {
            let middle = usize::midpoint(fits, too_wide);
            if total(middle) <= columns { fits = middle } else { too_wide = middle }
        }
        if fits == columns { usize::MAX } else { fits }
    }
}

impl Line {
    /// Creates a line of one piece.
    pub(super) fn new(style: Style, text: String) -> Self {
        Self { pieces: vec![Piece { style, text }] }
    }

    /// Returns the number of columns that the line takes.
    pub(super) fn width(&self) -> usize {
        self.pieces.iter().map(|piece| width(&piece.text)).sum()
    }

    /// Adds a piece.
    pub(super) fn push(&mut self, style: Style, text: String) {
        self.pieces.push(Piece { style, text });
    }
}
