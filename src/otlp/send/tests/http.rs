//! Tests of `send::http`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

#[track_caller]
fn check(header: &str, is_expected: impl Fn(Option<Duration>) -> bool) {
    let headers = [(RETRY_AFTER, header.parse().unwrap())].into_iter().collect();
    let wait = retry_after(&headers);
    assert!(is_expected(wait), "{header}: {wait:?}");
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    let seconds = Duration::from_secs;
    check("7", |wait| wait == Some(seconds(7)));
    check("0", |wait| wait == Some(seconds(0)));
    check("soon", |wait| wait.is_none());
    check("-1", |wait| wait.is_none());
    check("Sun, 06 Nov 1994 08:49:37 GMT", |wait| wait == Some(seconds(0)));
    let date = httpdate::fmt_http_date(SystemTime::now() + seconds(1000));
    check(&date, |wait| wait.is_some_and(|wait| wait > seconds(100) && wait <= seconds(1000)));
}
