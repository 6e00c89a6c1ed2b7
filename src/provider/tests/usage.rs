//! Tests of the comparison of token counts with the provider's own total, against a model of the rule.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::provider::{Response, UsageProblem};

/// Returns a strategy for a count that may be absent. Small counts often add up.
fn count() -> impl Strategy<Value = Option<u64>> {
    proptest::option::of(prop_oneof![0_u64..5, Just(u64::MAX)])
}

fn chat(input: Option<u64>, output: Option<u64>, reasoning: Option<u64>, total: Option<u64>) -> Value {
    json!({ "choices": [], "usage": { "prompt_tokens": input, "completion_tokens": output, "total_tokens": total,
        "completion_tokens_details": { "reasoning_tokens": reasoning } } })
}

proptest! {
    #[test]
    fn total_decides_whether_reasoning_is_output(
        input in count(), output in count(), reasoning in count(), total in count(),
    ) {
        let text = chat(input, output, reasoning, total).to_string();
        let reported = Response::parse(&text).expect("an object").usage();
        let [counted_input, counted_output, reasoning] = [input, output, reasoning].map(Option::unwrap_or_default);
        let sum = counted_input.saturating_add(counted_output);
        let Some(usage) = reported.usage else {
            prop_assert_eq!((input, output), (None, None));
            return Ok(());
        };
        prop_assert!(input.or(output).is_some());
        prop_assert_eq!((usage.input_tokens, usage.reasoning_output_tokens), (counted_input, reasoning));
        let is_apart = match total {
            Some(total) => total == sum.saturating_add(reasoning),
            None => reasoning > counted_output,
        };
        let differs = total.filter(|total| !is_apart && *total != sum);
        let expected = match (is_apart, differs) {
            (true, _) => counted_output.saturating_add(reasoning),
            (false, Some(total)) => counted_output.max(total.saturating_sub(counted_input)),
            (false, None) => counted_output,
        };
        prop_assert_eq!(usage.output_tokens, expected);
        let problem = differs.map(|total| UsageProblem::Differs { input: counted_input, output: counted_output, total });
        prop_assert_eq!(reported.problems, Vec::from_iter(problem));
    }
}

fn bad(field: &str, value: &str) -> UsageProblem {
    UsageProblem::BadCount { field: field.to_owned(), value: value.to_owned(), is_negative: false }
}

/// Returns the input tokens and the problems of a response.
fn read(body: &Value) -> (Option<u64>, Vec<UsageProblem>) {
    let reported = Response::parse(&body.to_string()).expect("an object").usage();
    (reported.usage.map(|usage| usage.input_tokens), reported.problems)
}

#[test]
fn api_with_counts_is_preferred_to_one_with_problems() {
    let mut body = json!({ "token_usage": { "input_tokens": "many" }, "usage": { "prompt_tokens": 7 } });
    assert_eq!(read(&body), (Some(7), Vec::new()));
    body["usage"]["prompt_tokens"] = json!([]);
    assert_eq!(read(&body), (None, vec![bad("input_tokens", "\"many\"")]));
}

#[test]
fn details_that_are_no_object_are_one_problem() {
    let body = json!({ "usage": { "prompt_tokens": 7, "prompt_tokens_details": 3 } });
    assert_eq!(read(&body), (Some(7), vec![bad("prompt_tokens_details", "3")]));
}
