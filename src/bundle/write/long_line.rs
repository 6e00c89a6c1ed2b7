//! Events whose lines are longer than a reader reads.

use std::borrow::Cow;
use std::io;

use crate::bundle::read::MAX_LINE_BYTES;
use crate::event::Event;
use crate::mask::map_texts;

/// Length up to which a text of an event is kept whole in place of a line that is too long, in bytes.
const KEPT_BYTES: usize = 64 << 10;

/// Returns the event with only the beginning of each long text, so that its line can be written: an operation whose end has a
/// huge error ends all the same.
pub(super) fn shorten_texts(event: &Event) -> Cow<'_, Event> {
    map_texts(event, |text| {
        let text = text.as_str();
        if text.len() <= KEPT_BYTES {
            return Cow::Borrowed(text);
        }
        let head = &text[..text.floor_char_boundary(KEPT_BYTES)];
        Cow::Owned(format!("{head}… [{} bytes, of which only the beginning was recorded]", text.len()))
    })
}

/// Returns the error of an event whose line has so many bytes.
pub(super) fn line_too_long(bytes: usize) -> io::Error {
    let message = format!(
        "its line would have {bytes} bytes, and at most {MAX_LINE_BYTES} are read; only the first {KEPT_BYTES} bytes of each \
         text are recorded; pass large texts as payloads"
    );
    io::Error::new(io::ErrorKind::FileTooLarge, message)
}
