//! Tests of `span::content_policy`.

use super::*;

#[test]
fn content_is_captured_only_on_request() {
    let check = |value: Option<&str>, expected| {
        let get = |name: &str| value.filter(|_| name == ContentPolicy::VARIABLE).map(str::to_owned);
        assert_eq!(ContentPolicy::from_lookup(get), expected, "{value:?}");
    };
    for value in ["true", "TRUE", "1", "span_only", "SPAN_ONLY", "Span_And_Event", " true "] {
        check(Some(value), ContentPolicy::Capture);
    }
    for value in ["", "false", "0", "EVENT_ONLY", "NO_CONTENT", "yes", "true,false"] {
        check(Some(value), ContentPolicy::Omit);
    }
    check(None, ContentPolicy::Omit);
}
