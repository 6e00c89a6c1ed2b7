//! The embedded model as an order desk: it looks things up with the tools of the program, and lets a colleague
//! calculate. Each reply is derived from the tool outputs in the request.

use serde_json::{Value, json};

use crate::conversation::{Call, Conversation, Reply};

/// Returns `true` if the tools of a conversation are those of the desk or of the colleague.
pub(crate) fn matches(conversation: &Conversation) -> bool {
    conversation.may_call("price") || conversation.may_call("multiply")
}

pub(crate) fn reply(conversation: &Conversation) -> Reply {
    let calls = Calls(conversation.calls());
    let next = if conversation.may_call("multiply") {
        sum(conversation.prompt(), &calls)
    } else if conversation.prompt().contains("left") {
        remaining(conversation.prompt(), &calls)
    } else {
        quote(conversation.prompt(), &calls)
    };
    next.unwrap_or_else(|Unexpected(message)| Reply::Text(format!("I stop here: {message}")))
}

/// A tool output from which the model cannot continue.
#[derive(Debug)]
struct Unexpected(String);

type StepResult = Result<Reply, Unexpected>;

/// Answers at the desk what a number of crates costs, with delivery and a voucher.
fn quote(prompt: &str, calls: &Calls<'_>) -> StepResult {
    let count = number_in(prompt).ok_or_else(|| Unexpected(format!("how many crates? {prompt}")))?;
    if calls.is_empty() {
        // Independent of each other, so both are requested at once.
        let article = json!({ "article": "crate" });
        return Ok(Reply::Calls(vec![("price", article.clone()), ("stock", article)]));
    }
    let price = calls.json("price")?;
    let field = |name: &str| price[name].as_u64().ok_or_else(|| Unexpected(format!("no {name} in {price}")));
    let (each, delivery) = (field("cents")?, field("delivery_cents")?);
    if calls.count("voucher") == 0 {
        return Ok(Reply::Calls(vec![("voucher", json!({ "code": "SPRING" }))]));
    }
    let voucher = calls.output("voucher")?;
    if calls.count("auditor") == 0 {
        let task = format!("What is {count} times {each}, plus {delivery}?");
        return Ok(Reply::Calls(vec![("auditor", json!({ "prompt": task }))]));
    }
    let audit = calls.output("auditor")?;
    let total = number_in(audit).ok_or_else(|| Unexpected(format!("the auditor said: {audit}")))?;
    Ok(Reply::Text(format!(
        "{count} crates cost {}.{:02} delivered: {count} times {each} cents, and {delivery} for delivery. About the \
         voucher I was told: {voucher}",
        total / 100,
        total % 100
    )))
}

/// Answers at the desk how many crates are left.
fn remaining(prompt: &str, calls: &Calls<'_>) -> StepResult {
    let sold = number_in(prompt).ok_or_else(|| Unexpected(format!("after how many? {prompt}")))?;
    if calls.is_empty() {
        return Ok(Reply::Calls(vec![("stock", json!({ "article": "crate" }))]));
    }
    let stock = calls.json("stock")?;
    let stock = stock["count"].as_u64().ok_or_else(|| Unexpected(format!("no count in {stock}")))?;
    Ok(Reply::Text(match stock.checked_sub(sold) {
        Some(left) => format!("{left} of {stock} crates are left."),
        None => format!("There are only {stock} crates."),
    }))
}

/// Answers as the colleague: `What is <a> times <b>, plus <c>?`, one step at a time.
fn sum(prompt: &str, calls: &Calls<'_>) -> StepResult {
    let numbers = numbers_in(prompt);
    let [a, b, c] = numbers[..] else { return Err(Unexpected(format!("that is no sum I know: {prompt}"))) };
    if calls.count("multiply") == 0 {
        return Ok(Reply::Calls(vec![("multiply", json!({ "a": a, "b": b }))]));
    }
    let product = calls.output("multiply")?;
    let product = number_in(product).ok_or_else(|| Unexpected(format!("multiply returned {product}")))?;
    if calls.count("add") == 0 {
        return Ok(Reply::Calls(vec![("add", json!({ "a": product, "b": c }))]));
    }
    Ok(Reply::Text(format!("It is {}.", calls.output("add")?)))
}

/// The tool calls of the current turn, with their outputs.
struct Calls<'a>(Vec<(&'a Call, Option<&'a str>)>);

impl Calls<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn count(&self, name: &str) -> usize {
        self.0.iter().filter(|(call, _)| call.name == name).count()
    }

    fn output(&self, name: &str) -> Result<&str, Unexpected> {
        let output = self.0.iter().rev().find(|(call, _)| call.name == name).and_then(|(_, output)| *output);
        output.ok_or_else(|| Unexpected(format!("{name} returned nothing")))
    }

    /// Parses the output of a tool as a JSON object, which may be wrapped in a JSON string.
    fn json(&self, name: &str) -> Result<Value, Unexpected> {
        let text = self.output(name)?;
        let parsed: Value = serde_json::from_str(text).unwrap_or_default();
        let parsed = parsed.as_str().map_or(parsed.clone(), |inner| serde_json::from_str(inner).unwrap_or_default());
        parsed.is_object().then_some(parsed).ok_or_else(|| Unexpected(format!("{name} returned {text}")))
    }
}

fn number_in(text: &str) -> Option<u64> {
    numbers_in(text).first().copied()
}

fn numbers_in(text: &str) -> Vec<u64> {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Message;

    fn reply_after(tools: &[&str], prompt: &str, calls: &[(&str, &str)]) -> Reply {
        let mut messages = vec![Message::System, Message::User(prompt.to_owned())];
        for (number, (name, output)) in calls.iter().enumerate() {
            let call = Call { id: format!("call_{number}"), name: (*name).to_owned() };
            messages.push(Message::Tool { call_id: call.id.clone(), output: (*output).to_owned() });
            messages.push(Message::Assistant { calls: vec![call] });
        }
        let tools = tools.iter().map(|&name| name.to_owned()).collect();
        reply(&Conversation { model: "m".to_owned(), messages, tools, is_streamed: false })
    }

    #[test]
    fn quote_follows_from_the_tool_outputs() {
        let tools = ["price", "stock", "voucher", "auditor"];
        let price = r#"{"cents":415,"delivery_cents":650}"#;
        let text = reply_after(
            &tools,
            "What do 12 crates cost?",
            &[("price", price), ("stock", "{}"), ("voucher", "expired"), ("auditor", "It is 5630.")],
        );
        let Reply::Text(text) = text else { panic!("{text:?}") };
        assert!(text.starts_with("12 crates cost 56.30 delivered: 12 times 415 cents"), "{text}");
        assert!(text.ends_with("expired"), "{text}");
        let next = reply_after(&["multiply", "add"], "What is 12 times 415, plus 650?", &[("multiply", "4980")]);
        assert_eq!(next, Reply::Calls(vec![("add", json!({ "a": 4980, "b": 650 }))]));
    }

    #[test]
    fn unexpected_tool_output_ends_the_conversation() {
        let Reply::Text(text) =
            reply_after(&["price"], "What do 12 crates cost?", &[("price", "error: no such article")])
        else {
            panic!("the model continued")
        };
        assert!(text.starts_with("I stop here") && text.contains("no such article"), "{text}");
    }
}
