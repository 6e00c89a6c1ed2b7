//! Puts streamed responses together: the bytes that a client received become the body that the same API returns for a
//! request without streaming, so that [`Response`](super::Response) reads both.
//!
//! [`frames`] splits the bytes into events: server-sent events, one JSON value per line, or one JSON list. The first
//! event that an API recognizes decides which [`Assembler`] puts them together. A stream may end anywhere, even inside
//! of a character: what arrived before is kept, and [`Assembled`] reports what is missing.
//!
//! A provider may send a secret in pieces, which no masking of the bytes finds. So the assembled body is masked again,
//! by the built-in forms.

mod encoding;
mod frames;
mod truncated;

use std::sync::LazyLock;

use super::apis::APIS;
use super::assembler::{AssembledBody, Assembler, Event, UnreadEvents, bounded_error};
use super::object::Object;
use super::unread_fields::UnreadField;
use crate::mask::Masking;

use frames::{END_MARKER, Frame, frames};
pub(crate) use truncated::TruncatedStream;

/// A streamed response, put together and masked.
#[derive(Debug)]
pub(crate) struct Assembled {
    /// The body, as JSON.
    pub(crate) body: String,
    /// Number of events.
    pub(crate) events: u64,
    /// `true` if the last event of the stream arrived.
    pub(crate) is_complete: bool,
    /// The error that the provider reported in the stream.
    pub(crate) error: Option<String>,
    /// Types of events, and members of events, that no rule reads.
    pub(crate) unread: Vec<UnreadField>,
    /// Number of events that are not JSON.
    unreadable: u64,
}

/// The reason why bytes cannot be put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotAStream {
    /// The bytes have an encoding that is not decoded. Contains its name.
    Encoded(&'static str),
    /// The bytes are a stream that has only an error of the provider. Contains its message.
    Error(String),
    /// The bytes are not a stream of a known API.
    Unknown,
}

/// Returns `true` if bytes contain nothing of a response: only white space, and comments of server-sent events, which
/// keep the connection open.
pub(crate) fn is_empty_stream(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|byte| matches!(byte, b'\n' | b'\r')).map(<[u8]>::trim_ascii);
    lines.all(|line| line.is_empty() || line.starts_with(b":"))
}

/// The number of events at the start, and at the end, of a stream that [`outline`] reads.
const OUTLINE_EVENTS: usize = 8;

/// Puts the events of a streamed response together.
///
/// # Errors
/// Returns [`NotAStream`] if the bytes are not a stream of a known API.
pub(crate) fn assemble(bytes: &[u8]) -> Result<Assembled, NotAStream> {
    assemble_frames(bytes, |_, _| true)
}

/// Puts only the first and the last events of a streamed response together. They have its id, model, finish reason and
/// usage, but not its content.
///
/// # Errors
/// Returns [`NotAStream`] if the bytes are not a stream of a known API.
pub(crate) fn outline(bytes: &[u8]) -> Result<Assembled, NotAStream> {
    assemble_frames(bytes, |index, count| index < OUTLINE_EVENTS || index + OUTLINE_EVENTS >= count)
}

/// Why a stream is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StreamFault {
    /// The provider reported this error in it.
    Error(String),
    /// It ended without its last event.
    EndedEarly,
}

/// Returns why bytes that are a stream of a known API are no answer. Returns `None` for any other bytes. Reads the first
/// and the last events only.
pub(crate) fn fault(bytes: &[u8]) -> Option<StreamFault> {
    match outline(bytes) {
        Ok(Assembled { error: Some(error), .. }) | Err(NotAStream::Error(error)) => Some(StreamFault::Error(error)),
        Ok(Assembled { is_complete: false, .. }) => Some(StreamFault::EndedEarly),
        Ok(_) | Err(NotAStream::Encoded(_) | NotAStream::Unknown) => None,
    }
}

/// Puts those events together for whose index and for the number of all events `selects` returns `true`.
fn assemble_frames(bytes: &[u8], selects: impl Fn(usize, usize) -> bool) -> Result<Assembled, NotAStream> {
    if let Some(encoding) = encoding::detect(bytes) {
        return Err(NotAStream::Encoded(encoding));
    }
    let text = String::from_utf8_lossy(bytes);
    let frames = frames(&text);
    let count = frames.len();
    let mut stream = Stream::default();
    for (_, frame) in frames.iter().enumerate().filter(|(index, _)| selects(*index, count)) {
        stream.push_frame(frame);
    }
    stream.finish()
}

/// Types of events that keep a connection open and have nothing of the response.
const KEEP_ALIVE: [&str; 5] = ["ping", "keepalive", "keep-alive", "keep_alive", "heartbeat"];

/// The type of an event that reports an error, in the streams of every API that has types of events.
const ERROR: &str = "error";

/// A stream while its events are read.
#[derive(Default)]
struct Stream {
    /// `None` until an API has recognized an event.
    assembler: Option<Box<dyn Assembler>>,
    events: u64,
    unreadable: u64,
    unread: UnreadEvents,
    /// The first error in an event of its own.
    error: Option<String>,
}

impl Stream {
    /// Adds the events of a frame. Some servers leave out the empty line between two events, so lines that are not JSON
    /// together are read one by one.
    fn push_frame(&mut self, frame: &Frame<'_>) {
        if self.push(frame.name, &frame.data) {
            return;
        }
        if frame.name == Some(ERROR) {
            self.error.get_or_insert_with(|| bounded_error(&frame.data));
            return;
        }
        let mut lines = frame.data.split('\n').peekable();
        while let Some(line) = lines.next() {
            let is_cut = frame.is_last && lines.peek().is_none();
            let is_read = frame.data.len() > line.len() && self.push(frame.name, line);
            self.unreadable += u64::from(!is_read && !is_cut);
        }
    }

    /// Adds one event. Returns `false` if it is not JSON.
    fn push(&mut self, name: Option<&str>, data: &str) -> bool {
        if data.trim_ascii() == END_MARKER {
            self.assembler.iter_mut().for_each(|assembler| assembler.push_end_marker());
            return true;
        }
        if data.trim_ascii().is_empty() {
            return true;
        }
        let Some(data) = Object::parse(data) else { return false };
        self.events += 1;
        let event = Event::new(name, data);
        match event.kind() {
            kind if KEEP_ALIVE.contains(&kind) => {}
            ERROR => self.push_error(event),
            _ => self.push_event(event),
        }
        true
    }

    fn push_event(&mut self, mut event: Event<'_>) {
        if self.assembler.is_none() {
            self.assembler = assembler_of_data(&mut event).or_else(|| assembler_of(&event));
        }
        match &mut self.assembler {
            Some(assembler) => assembler.push(&event, &mut self.unread),
            None if event.data.non_null(ERROR).is_some() => {
                self.error.get_or_insert_with(|| event.error());
            }
            None => self.unread.add_unknown(event.kind(), &event.data),
        }
    }

    /// Adds an event that reports an error. It may be a piece of a response, too.
    fn push_error(&mut self, mut event: Event<'_>) {
        self.error.get_or_insert_with(|| event.error());
        if assembler_of_data(&mut event).is_some() {
            self.push_event(event);
        }
    }

    fn finish(self) -> Result<Assembled, NotAStream> {
        let Self { assembler, events, unreadable, unread, error } = self;
        let Some(assembler) = assembler else {
            return Err(error.map_or(NotAStream::Unknown, NotAStream::Error));
        };
        let AssembledBody { members, is_complete, error: in_response } = assembler.finish();
        let mut body = String::new();
        members.write(&mut body);
        let unread = unread.into_paths().into_iter().map(UnreadField::of_stream).collect();
        let error = in_response.or(error);
        Ok(Assembled { body: mask(body), events, is_complete, error, unread, unreadable })
    }
}

/// Returns the assembler of the stream that an event is of. Returns `None` if no API recognizes the event.
fn assembler_of(event: &Event<'_>) -> Option<Box<dyn Assembler>> {
    APIS.into_iter().find_map(|api| api.assembler(event))
}

/// Returns the assembler of the stream that an event is of by its data alone: a server may give its events names that
/// the API does not define, such as `message`. Returns `None` if no API recognizes the data.
fn assembler_of_data(event: &mut Event<'_>) -> Option<Box<dyn Assembler>> {
    let name = event.name.take();
    let assembler = assembler_of(event);
    event.name = name;
    assembler
}

impl Assembled {
    /// Returns the reason why the response is not what the provider sent to a client that read it to its end, as a
    /// clause. Returns `None` if it is.
    pub(crate) fn problem(&self) -> Option<String> {
        let error = self.error.as_ref().map(|error| format!("the provider reported an error in it: {error}"));
        let unreadable = (self.unreadable > 0).then(|| format!("{} events of it cannot be read", self.unreadable));
        let cut = (!self.is_complete && error.is_none()).then(|| "it ends before its last event".to_owned());
        let problems: Vec<_> = [error, cut, unreadable].into_iter().flatten().collect();
        (!problems.is_empty()).then(|| problems.join(", and "))
    }
}

/// Masks the secrets in a body, which is JSON and stays JSON.
fn mask(body: String) -> String {
    static MASKING: LazyLock<Masking> = LazyLock::new(Masking::of_assembled_text);
    let mut bytes = body.into_bytes();
    MASKING.body(&mut bytes, true);
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
