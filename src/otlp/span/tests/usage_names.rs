//! Tests of `span::usage_names`.

use super::*;

#[test]
fn older_names_are_used_only_on_request() {
    let check = |value: Option<&str>, expected| {
        let get = |name: &str| value.filter(|_| name == UsageNames::VARIABLE).map(str::to_owned);
        assert_eq!(UsageNames::from_lookup(get), expected, "{value:?}");
    };
    check(None, UsageNames::Current);
    check(Some(""), UsageNames::Current);
    check(Some("http,gen_ai_latest_experimental"), UsageNames::Current);
    check(Some("gen_ai/dup"), UsageNames::Both);
    check(Some("http/dup, gen_ai/dup"), UsageNames::Both);
    check(Some("gen_ai/older"), UsageNames::Older);
    check(Some("gen_ai/older,gen_ai/dup"), UsageNames::Both);
}
