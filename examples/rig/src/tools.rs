//! The tools of the order desk and of its auditor, in plain rig.

use rig::tool::{Tool, ToolContext};
use serde::Deserialize;
use serde_json::{Value, json};

/// The error of a tool call.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ToolError {
    #[error("no article is called {0:?}")]
    UnknownArticle(String),
    #[error("the voucher {0:?} expired last week")]
    ExpiredVoucher(String),
    #[error("that is too large for me")]
    TooLarge,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Article {
    article: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Voucher {
    code: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Operands {
    a: u64,
    b: u64,
}

/// Returns the JSON schema of an object whose properties are all required.
fn object(properties: &[(&str, &str)]) -> Value {
    let names: Vec<_> = properties.iter().map(|(name, _)| *name).collect();
    let properties: serde_json::Map<_, _> =
        properties.iter().map(|(name, kind)| ((*name).to_owned(), json!({ "type": kind }))).collect();
    json!({ "type": "object", "properties": properties, "required": names, "additionalProperties": false })
}

/// Defines a tool: its name, its description for the model, its parameters, and its function.
macro_rules! tool {
    ($tool:ident, $name:literal, $description:literal, $properties:expr, $args:ty => $output:ty, $run:expr) => {
        #[derive(Debug)]
        pub(crate) struct $tool;

        impl Tool for $tool {
            const NAME: &'static str = $name;
            type Args = $args;
            type Output = $output;
            type Error = ToolError;

            fn description(&self) -> String {
                $description.to_owned()
            }

            fn parameters(&self) -> Value {
                object($properties)
            }

            async fn call(&self, _: &mut ToolContext, args: $args) -> Result<$output, ToolError> {
                let run: fn($args) -> Result<$output, ToolError> = $run;
                run(args)
            }
        }
    };
}

tool!(Price, "price", "The price of an article and of its delivery, in cents.", &[("article", "string")],
Article => Value, |Article { article }| match article.as_str() {
    "crate" => Ok(json!({ "cents": 415, "delivery_cents": 650 })),
    _ => Err(ToolError::UnknownArticle(article)),
});

tool!(Stock, "stock", "How many of an article there are.", &[("article", "string")],
Article => Value, |Article { article }| match article.as_str() {
    "crate" => Ok(json!({ "count": 40 })),
    _ => Err(ToolError::UnknownArticle(article)),
});

tool!(Redeem, "voucher", "Redeems a voucher.", &[("code", "string")],
    Voucher => Value, |Voucher { code }| Err(ToolError::ExpiredVoucher(code)));

tool!(Multiply, "multiply", "a times b.", &[("a", "integer"), ("b", "integer")],
    Operands => u64, |Operands { a, b }| a.checked_mul(b).ok_or(ToolError::TooLarge));

tool!(Add, "add", "a plus b.", &[("a", "integer"), ("b", "integer")],
    Operands => u64, |Operands { a, b }| a.checked_add(b).ok_or(ToolError::TooLarge));
