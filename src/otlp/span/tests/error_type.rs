//! Tests of `span::error_type`.

use super::*;

#[test]
fn error_type_is_the_name_before_the_first_colon() {
    let check = |error: &str, expected: &str| assert_eq!(error_type(error), expected, "{error:?}");
    check("timeout", "timeout");
    check("rate_limit: slow down", "rate_limit");
    check("std::io::Error: no space", "std::io::Error");
    check("rate_limit: try: again", "rate_limit");
    check("", OTHER);
    check(": no name", OTHER);
    check("the server is gone", OTHER);
    check("the server: gone", OTHER);
    check("429: slow down", OTHER);
    check("tímeout", OTHER);
    check("_OTHER", OTHER);
}
