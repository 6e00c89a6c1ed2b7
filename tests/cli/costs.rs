//! `otel-trace cost`, and costs in other views: known models, unknown ones, other prices.

use std::fs;

use otel_trace::{AgentThread, Json, Model, Operation, ThreadMeta};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::record;
use crate::show::{command, run, stdout};

/// Records an agent that calls two models, of which one is in no list of prices.
fn record_costs() -> TempDir {
    record(|| {
        let thread = AgentThread::start(ThreadMeta::new().agent_name("coder"));
        let turn = thread.turn(None);
        for (number, model) in ["gpt-4o-mini", "gpt-4o-mini", "in-house-1"].into_iter().enumerate() {
            let call = turn.inference(Model { name: model, provider: "openai" });
            call.request(Json(&json!({ "input": [{ "type": "message", "role": "user", "content": "Go on." }] })));
            let details = json!({ "cached_tokens": 400_000 });
            let usage = json!({ "input_tokens": 1_000_000, "input_tokens_details": details, "output_tokens": 100_000 });
            let message = json!({ "type": "message", "role": "assistant", "content": "Yes." });
            call.response(Json(&json!({ "id": format!("resp_{number}"), "output": [message], "usage": usage })));
            call.complete();
        }
        let refused = turn.inference(Model { name: "gpt-4o-mini", provider: "openai" });
        refused.request(Json(&json!({ "input": [] })));
        refused.fail("429 rate limit");
        turn.complete();
        thread.complete();
    })
}

#[test]
fn models_with_a_price_cost_it_and_others_are_a_dash() {
    let root = record_costs();
    let path = root.path().to_str().unwrap();
    let cost: Value = serde_json::from_str(stdout(&run(&["cost", "--json", path]))).unwrap();
    // 600,000 tokens for $0.15 a million, 400,000 for $0.075, and 100,000 for $0.60: $0.18, twice.
    let row = |model: &str| cost["rows"].as_array().unwrap().iter().find(|row| row["model"] == model).unwrap();
    assert_eq!(row("gpt-4o-mini")["cost"], json!({ "usd": "0.36", "is_incomplete": false }));
    assert_eq!(row("gpt-4o-mini")["requests"], 3);
    assert_eq!(row("in-house-1")["cost"], json!({ "usd": null, "is_incomplete": true }));
    assert_eq!(cost["total"]["cost"], json!({ "usd": "0.36", "is_incomplete": true }));
    let table = run(&["cost", "--width", "120", path]);
    let table = stdout(&table);
    assert!(
        table.contains("$0.360 + –")
            && table.contains("– no price in the list: in-house-1;")
            && table.contains("genai-prices"),
        "{table}"
    );
    let shown = run(&["show", "--width", "120", path]);
    let shown = stdout(&shown);
    assert!(shown.contains("cost $0.360 + –") && shown.contains("$0.180"), "{shown}");
    // A call that its provider refused costs nothing, which is no dash.
    let refused = shown.lines().find(|line| line.contains("429 rate limit") && line.contains("call 4")).unwrap();
    assert!(!refused.contains('–'), "{refused}");
}

#[test]
fn other_prices_replace_the_list() {
    let root = record_costs();
    let path = root.path().to_str().unwrap();
    let prices = root.path().join("prices.json");
    let list = |prices: Value| {
        json!({ "source": "ours", "unit": "USD per million tokens", "providers": [{ "id": "openai", "models": [
            { "id": "all", "match": { "regex": "^(gpt|in-house)" }, "prices": prices }
        ] }] })
    };
    fs::write(&prices, list(json!([{ "input": 1, "cache_read": 0.5, "output": 10 }])).to_string()).unwrap();
    let with_prices = ["cost", "--json", "--prices", prices.to_str().unwrap(), path];
    let cost: Value = serde_json::from_str(stdout(&run(&with_prices))).unwrap();
    assert_eq!(cost["total"]["cost"], json!({ "usd": "5.4", "is_incomplete": false }));
    assert_eq!(cost["prices"], "ours");

    fs::write(&prices, list(json!([{ "inptu": 1 }])).to_string()).unwrap();
    let refused = run(&with_prices);
    let error = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(1) && refused.stdout.is_empty(), "{error}");
    assert!(error.contains("prices.json") && error.contains("inptu") && error.contains("a list looks like"), "{error}");
}

#[test]
fn list_of_runs_has_the_cost_of_changed_prices() {
    let root = record_costs();
    let cache = tempfile::tempdir().unwrap();
    let prices = cache.path().join("prices.json");
    let cost = |price: u32| {
        let models = json!([{ "id": "all", "match": { "contains": "" }, "prices": [
            { "input": price, "cache_read": price, "output": price }
        ] }]);
        let providers = json!([{ "id": "openai", "models": models }]);
        let list = json!({ "source": "ours", "unit": "USD per million tokens", "providers": providers });
        fs::write(&prices, list.to_string()).unwrap();
        let args = ["ls", "--json", "--prices", prices.to_str().unwrap(), root.path().to_str().unwrap()];
        let output = command(&args).env("XDG_CACHE_HOME", cache.path()).output().unwrap();
        let listed: Value = serde_json::from_str(stdout(&output)).unwrap();
        listed["runs"][0]["cost"]["usd"].clone()
    };
    assert_eq!([cost(1), cost(2), cost(1)], ["3.3", "6.6", "3.3"]);
}
