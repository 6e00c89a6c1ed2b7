//! Tests of `send::variables`.

use super::*;

#[track_caller]
fn check(text: &str, expected: Result<&[(&str, &str)], &str>) {
    let pairs = key_values("LIST", text).map_err(|error| error.to_string());
    let expected = expected.map(|pairs| pairs.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect());
    assert_eq!(pairs, expected.map_err(str::to_owned), "{text}");
}

#[test]
fn lists_are_split_into_pairs_with_decoded_values() {
    check("", Ok(&[]));
    check(" a = 1 ,, b=2,", Ok(&[("a", "1"), ("b", "2")]));
    check("a=Bearer%20x%2Cy==", Ok(&[("a", "Bearer x,y==")]));
    check("a=%C3%BC,b=,c=ü", Ok(&[("a", "ü"), ("b", ""), ("c", "ü")]));
}

#[test]
fn errors_do_not_contain_the_value() {
    let no_pair =
        |number| format!("entry {number} of LIST is not `key=value`; expected a list like `key=value,key=value`");
    check("a=1,secret", Err(&no_pair(2)));
    check("=secret", Err(&no_pair(1)));
    let bad = "the value of `a` in LIST has a `%` that is not followed by two hex digits of UTF-8 text; \
               write a `%` as `%25`";
    for secret in ["a=100%", "a=%2", "a=%zz", "a=%+1", "a=%FF", "a=%é"] {
        check(secret, Err(bad));
    }
}
