//! Costs by the embedded list, and by lists with one rule of each kind.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

/// 2026-11-30T12:00:00Z.
const NOON: UnixMillis = UnixMillis(1_796_040_000_000);

fn usage(input: u64, cached: u64, output: u64) -> Usage {
    Usage { input_tokens: input, cached_input_tokens: cached, output_tokens: output, ..Usage::default() }
}

fn list(models: &str) -> PriceList {
    let text = format!(
        r#"{{"source":"test","unit":"USD per million tokens","providers":[{{"id":"p","match":{{"contains":"corp"}},"model_match":{{"starts_with":"m"}},"models":[{models}]}},{{"id":"reseller","fallback":["p"],"models":[]}}]}}"#
    );
    serde_json::from_str(&text).unwrap()
}

fn cost(list: &PriceList, provider: &str, model: &str, usage: &Usage, started: UnixMillis) -> String {
    Pricing::new(list).cost(provider, model, usage, started).to_string()
}

#[test]
fn embedded_list_knows_models_by_the_names_of_providers_and_conventions() {
    let list = PriceList::embedded();
    let used = usage(1_000_000, 0, 0);
    for (provider, model) in [
        ("openai", "gpt-4o-mini"),
        ("OpenAI", "gpt-4o-mini-2024-07-18"),
        ("azure.ai.openai", "gpt-4o-mini"),
        ("", "gpt-4o-mini"),
        ("anthropic", "claude-3-5-sonnet-20241022"),
        ("aws.bedrock", "anthropic.claude-3-5-sonnet-20241022-v2:0"),
        ("gcp.gemini", "gemini-2.5-flash"),
        ("gcp.vertex_ai", "gemini-2.5-flash"),
        ("mistral_ai", "mistral-large-latest"),
        ("deepseek", "deepseek-chat"),
    ] {
        let cost = Pricing::new(&list).cost(provider, model, &used, NOON);
        assert!(cost.known().is_some_and(|known| known > Money::default()), "{provider} {model}: {cost}");
    }
    assert_eq!(cost(&list, "openai", "gpt-4o-mini", &usage(1_000_000, 0, 1_000_000), NOON), "$0.750");
    assert_eq!(cost(&list, "embedded", "embedded", &used, NOON), "–");
}

#[test]
fn categories_have_prices_of_their_own_and_one_without_a_price_is_not_free() {
    let list = list(r#"{"id":"m","match":{"equals":"m"},"prices":[{"input":1,"cache_read":0.1,"output":10}]}"#);
    assert_eq!(cost(&list, "p", "m", &usage(1_000_000, 500_000, 100_000), NOON), "$1.550");
    let writes = Usage { cache_write_input_tokens: 1, ..usage(1_000_000, 0, 0) };
    assert_eq!(cost(&list, "p", "m", &writes, NOON), "$1.000 + –");
    let hour = Usage { cache_write_input_tokens: 1, cache_write_1h_input_tokens: 1, ..usage(1, 0, 0) };
    assert_eq!(cost(&list, "p", "m", &hour, NOON), "$0 + –");
    assert_eq!(cost(&list, "p", "m", &Usage::default(), NOON), "$0");
}

#[test]
fn reasoning_is_output_unless_it_has_a_price() {
    let used = Usage { reasoning_output_tokens: 400_000, ..usage(0, 0, 1_000_000) };
    let plain = list(r#"{"id":"m","match":{"equals":"m"},"prices":[{"output":1}]}"#);
    assert_eq!(cost(&plain, "p", "m", &used, NOON), "$1.000");
    let own = list(r#"{"id":"m","match":{"equals":"m"},"prices":[{"output":1,"reasoning":2}]}"#);
    assert_eq!(cost(&own, "p", "m", &used, NOON), "$1.400");
}

#[test]
fn tiers_count_for_all_tokens_of_a_request() {
    let tiered = r#"{"base":1,"tiers":[{"above":100,"price":2},{"above":1000,"price":4}]}"#;
    let list = list(&format!(r#"{{"id":"m","match":{{"equals":"m"}},"prices":[{{"input":{tiered}}}]}}"#));
    let picodollars =
        |input| Pricing::new(&list).cost("p", "m", &usage(input, 0, 0), NOON).known().unwrap().picodollars();
    assert_eq!(
        [picodollars(100), picodollars(101), picodollars(1000), picodollars(1001)],
        [100_000_000, 202_000_000, 2_000_000_000, 4_004_000_000]
    );
}

#[test]
fn the_last_period_that_contains_a_call_counts() {
    let periods = r#"[{"input":1},{"since":"2026-11-30","input":2},{"from":"16:30","to":"00:30","input":3}]"#;
    let list = list(&format!(r#"{{"id":"m","match":{{"equals":"m"}},"prices":{periods}}}"#));
    let hours = |hours: i64| UnixMillis(NOON.0 + hours * 3_600_000);
    let at = |hours_later| cost(&list, "p", "m", &usage(1_000_000, 0, 0), hours(hours_later));
    assert_eq!([at(-24), at(-12), at(0), at(5), at(13)], ["$1.000", "$3.000", "$2.000", "$3.000", "$2.000"]);
}

#[test]
fn providers_are_found_by_id_name_model_and_fallback() {
    let list =
        list(r#"{"id":"m","match":{"all":[{"starts_with":"m"},{"not":{"ends_with":"-tts"}}]},"prices":[{"input":1}]}"#);
    let found = |provider, model| cost(&list, provider, model, &usage(1_000_000, 0, 0), NOON);
    for (provider, model) in [("p", "m-1"), ("P", "M-1"), ("Big Corp", "m-1"), ("", "m-1"), ("reseller", "m-1")] {
        assert_eq!(found(provider, model), "$1.000", "{provider} {model}");
    }
    for (provider, model) in [("p", "n"), ("p", "m-tts"), ("other", "m-1"), ("", "n"), ("", "")] {
        assert_eq!(found(provider, model), "–", "{provider} {model}");
    }
}

#[test]
fn malformed_lists_are_refused_with_their_place() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("prices.json");
    let complaint = |text: &str| {
        fs::write(&path, text).unwrap();
        PriceList::read(&path).unwrap_err().to_string()
    };
    let wrong_unit = complaint(r#"{"source":"","unit":"USD per thousand tokens","providers":[]}"#);
    assert!(wrong_unit.contains("prices.json") && wrong_unit.contains("USD per million tokens"), "{wrong_unit}");
    let model = |prices: &str, rule: &str| {
        format!(
            r#"{{"source":"","unit":"USD per million tokens","providers":[{{"id":"p","models":[{{"id":"m","match":{rule},"prices":[{prices}]}}]}}]}}"#
        )
    };
    assert!(complaint(&model(r#"{"inptu":1}"#, r#"{"equals":"m"}"#)).contains("unknown field `inptu`"));
    assert!(complaint(&model(r#"{"input":1}"#, r#"{"regex":"("}"#)).contains("unclosed group"));
    assert!(complaint(&model(r#"{"since":"soon"}"#, r#"{"equals":"m"}"#)).contains("line 1"));
    for price in ["-1", "1e300"] {
        complaint(&model(&format!(r#"{{"input":{price}}}"#), r#"{"equals":"m"}"#));
    }
    assert!(PriceList::read(&directory.path().join("none")).unwrap_err().to_string().contains("cannot read"));
}
