//! The tools of the order desk.

use anyhow::{Result, bail};
use genai::chat::Tool;
use serde_json::{Value, json};

/// Returns the tool definitions of a request.
pub(crate) fn definitions() -> Vec<Tool> {
    vec![
        tool("price", "The price of an article and of its delivery, in cents.", "article"),
        tool("stock", "How many of an article there are.", "article"),
        tool("voucher", "Redeems a voucher.", "code"),
        tool("auditor", "Does a sum.", "prompt"),
    ]
}

fn tool(name: &str, description: &str, argument: &str) -> Tool {
    let schema = json!({ "type": "object", "properties": { argument: { "type": "string" } }, "required": [argument] });
    Tool::new(name).with_description(description).with_schema(schema)
}

/// Executes a tool.
pub(crate) fn run(name: &str, arguments: &Value) -> Result<String> {
    match (name, arguments["article"].as_str()) {
        ("price", Some("crate")) => Ok(json!({ "cents": 415, "delivery_cents": 650 }).to_string()),
        ("stock", Some("crate")) => Ok(json!({ "count": 40 }).to_string()),
        ("price" | "stock", article) => bail!("no article is called {article:?}"),
        ("voucher", _) => bail!("the voucher {} expired last week", arguments["code"]),
        ("auditor", _) => evaluate_sum(arguments["prompt"].as_str().unwrap_or_default()),
        _ => bail!("there is no tool {name:?}"),
    }
}

/// Evaluates `<a> times <b>, plus <c>`.
fn evaluate_sum(sum: &str) -> Result<String> {
    let numbers: Vec<u64> = sum.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect();
    let [a, b, c] = numbers[..] else { bail!("that is no sum I know: {sum}") };
    let result = a.checked_mul(b).and_then(|product| product.checked_add(c));
    result.map(|result| format!("It is {result}.")).ok_or_else(|| anyhow::anyhow!("that is too large for me"))
}
