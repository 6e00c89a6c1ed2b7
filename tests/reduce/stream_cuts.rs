//! Streams that are cut: at the ends of their events, inside of characters and escapes, and at places in between.

use std::collections::BTreeSet;

use otel_trace::graph::{Code, Graph, Item, Part};
use otel_trace::reduce::Options;
use serde_json::json;

use crate::case::{Case, call, codes};
use crate::streams::{Stream, items, render};

/// Number of cuts of each stream at places that have no meaning, at equal distances.
const CUTS_BETWEEN: usize = 60;

/// Returns the places where a stream is cut: behind and before each end of a line, before each escape and behind its
/// backslash, between the bytes of each character, and at places in between.
fn cuts(stream: &Stream) -> BTreeSet<usize> {
    let bytes = &stream.bytes;
    let of_byte = |(at, byte): (usize, &u8)| match byte {
        b'\n' => vec![at, at + 1],
        b'\\' => vec![at, at + 1, at + 2],
        byte if !byte.is_ascii() => vec![at],
        _ => Vec::new(),
    };
    let between = (0..CUTS_BETWEEN).map(|n| n * bytes.len() / CUTS_BETWEEN);
    let cuts = bytes.iter().enumerate().flat_map(of_byte).chain(between).chain([0, bytes.len()]);
    cuts.filter(|cut| *cut <= bytes.len()).collect()
}

/// Reduces a bundle with a call for each cut of a stream, whose response is the part before the cut.
fn cut_everywhere(stream: &Stream, cuts: &BTreeSet<usize>) -> Graph {
    let mut case = Case::new();
    let request = case.body("inference_request", json!({ "messages": [] }));
    for &end in cuts {
        let id = end.to_string();
        case.event(json!({
            "type": "inference_started", "inference_call_id": id, "thread_id": "t", "codex_turn_id": "u",
            "model": "m", "provider_name": "p", "request_payload": request,
        }));
        case.cut(&id, &stream.bytes[..end]);
    }
    case.try_reduce(&Options::default()).unwrap().graph
}

/// Returns the length of the texts of an item if it may be the beginning of another one. Parts may arrive in another
/// order than the whole item has them.
fn beginning(item: &Item, whole: &Item) -> Option<usize> {
    let (content, whole) = (&item.content, &whole.content);
    let is_same = content.role == whole.role && content.kind == whole.kind;
    let has_same_id = content.call_id == whole.call_id && content.name == whole.name;
    let mut rest = whole.parts.iter();
    let lengths = content.parts.iter().map(|part| rest.find_map(|whole| part_beginning(part, whole)));
    lengths.collect::<Option<Vec<_>>>().filter(|_| is_same && has_same_id).map(|lengths| lengths.iter().sum())
}

/// Returns the length of a part if it may be the beginning of another one.
fn part_beginning(part: &Part, whole: &Part) -> Option<usize> {
    match (part, whole) {
        (Part::Text(text), Part::Text(whole)) | (Part::Summary(text), Part::Summary(whole)) => {
            whole.starts_with(&**text).then_some(text.len())
        }
        (Part::LabelledText { label, text }, Part::LabelledText { label: kind, text: whole }) => {
            (label == kind && whole.starts_with(&**text)).then_some(text.len())
        }
        // Arguments that are cut are no JSON yet. Those in the data are compact, but for spaces and one number.
        (Part::Text(text), Part::Json { summary }) => {
            let (text, summary) = (text.replace(' ', ""), summary.replace("1.5}", "1.50}"));
            summary.starts_with(&text).then_some(text.len())
        }
        // Arguments that arrive by their paths are JSON at any time, as are calls of hosted tools.
        (Part::Json { summary }, Part::Json { summary: whole }) => Some(if summary == whole { whole.len() } else { 0 }),
        (part, whole) => (part == whole).then_some(0),
    }
}

#[test]
fn cut_gives_a_beginning_of_the_response() {
    for stream in Stream::all() {
        let whole = stream.whole_graph();
        let whole_items = items(&whole, "a");
        let cuts = cuts(&stream);
        let graph = cut_everywhere(&stream, &cuts);
        let (mut longest, mut steps) = (0, 0);
        for end in &cuts {
            let place = format!("{} cut at {end}", stream.name);
            let mut rest = whole_items.iter();
            let mut length = 0;
            for item in items(&graph, &end.to_string()) {
                let found = rest.find_map(|whole| beginning(item, whole));
                length += found.unwrap_or_else(|| panic!("{place}: {item:?}")) + 1;
            }
            assert!(length >= longest, "{place}: less than before");
            steps += u64::from(length > longest);
            longest = length;
        }
        assert!(steps >= 2, "{}: {steps}", stream.name);
        let last = stream.bytes.len().to_string();
        assert_eq!(render(&graph, &last), render(&whole, "a"), "{}", stream.name);
        // Calls whose arguments are cut at different places have one id. One stream has a second answer.
        // A stream that is cut in its first event is no response.
        let known = [
            Code::PartialStream,
            Code::ResponseUnknown,
            Code::CallWithoutId,
            Code::CallIdReused,
            Code::UnreadField,
            Code::HistoryEdited,
        ];
        let unknown = graph.diagnostics.iter().find(|found| !known.contains(&found.code));
        assert!(unknown.is_none(), "{}: {unknown:?}", stream.name);
        // A response that lacks an item or a part of one is reported.
        let reports = [Code::PartialStream, Code::ResponseUnknown];
        let reported = codes(&graph).iter().filter(|code| reports.contains(code)).count();
        let is_known = |end: &&usize| call(&graph, &end.to_string()).raw_response_payload_id.is_some();
        let is_whole = |end: &&usize| render(&graph, &end.to_string()) == render(&whole, "a");
        let partial = cuts.iter().filter(|end| is_known(end) && !is_whole(end)).count();
        assert!(reported >= partial, "{}: {reported} of {partial}", stream.name);
    }
}

#[test]
fn usage_of_a_cut_stream_is_kept() {
    let stream = Stream::named("anthropic-tools.sse");
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [] }));
    case.cut("a", &stream.bytes[..1000]);
    let graph = case.check(&[Code::PartialStream]);
    let usage = call(&graph, "a").usage.unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens), (1125, 1));
    assert!(graph.diagnostics[0].message.contains("it ends before its last event"), "{}", graph.diagnostics[0]);
    assert!(case.try_reduce(&Options::default().strict(true)).is_ok(), "nothing that was recorded is left out");
}
