//! Requests that drop or clear old items, while new items are equal to those that they drop.

use otel_trace::graph::{Code, Graph};
use serde_json::{Value, json};

use crate::case::{Case, call, request_items, response_items, tool};

/// An item of a conversation, whatever the form of the body.
#[derive(Clone, Copy)]
enum Said {
    User(&'static str),
    Model(&'static str),
    /// A call of the tool with this name.
    Call(&'static str),
    /// The output of the tool with this name.
    Output(&'static str, &'static str),
}

/// The form of requests and responses.
#[derive(Debug, Clone, Copy)]
enum Form {
    Chat,
    Anthropic,
    Gemini,
    Responses,
}

const FORMS: [Form; 4] = [Form::Chat, Form::Anthropic, Form::Gemini, Form::Responses];

impl Form {
    /// Returns an item as a message or item of the form. All calls have one id; those of Gemini have none.
    fn item(self, said: Said) -> Value {
        use Said::{Call, Model, Output, User};
        match (self, said) {
            (Self::Chat | Self::Anthropic | Self::Responses, User(text)) => json!({ "role": "user", "content": text }),
            (Self::Chat | Self::Responses, Model(text)) => json!({ "role": "assistant", "content": text }),
            (Self::Chat, Call(name)) => json!({ "role": "assistant", "content": null, "tool_calls": [
                { "id": "c", "type": "function", "function": { "name": name, "arguments": "{}" } }] }),
            (Self::Chat, Output(_, text)) => json!({ "role": "tool", "tool_call_id": "c", "content": text }),
            (Self::Anthropic, Model(text)) => {
                json!({ "role": "assistant", "content": [{ "type": "text", "text": text }] })
            }
            (Self::Anthropic, Call(name)) => json!({ "role": "assistant", "content": [
                { "type": "tool_use", "id": "c", "name": name, "input": {} }] }),
            (Self::Anthropic, Output(_, text)) => json!({ "role": "user", "content": [
                { "type": "tool_result", "tool_use_id": "c", "content": text }] }),
            (Self::Gemini, User(text)) => json!({ "role": "user", "parts": [{ "text": text }] }),
            (Self::Gemini, Model(text)) => json!({ "role": "model", "parts": [{ "text": text }] }),
            (Self::Gemini, Call(name)) => {
                json!({ "role": "model", "parts": [{ "functionCall": { "name": name, "args": {} } }] })
            }
            (Self::Gemini, Output(name, text)) => json!({ "role": "user", "parts": [
                { "functionResponse": { "name": name, "response": { "output": text } } }] }),
            (Self::Responses, Call(name)) => {
                json!({ "type": "function_call", "call_id": "c", "name": name, "arguments": "{}" })
            }
            (Self::Responses, Output(_, text)) => {
                json!({ "type": "function_call_output", "call_id": "c", "output": text })
            }
        }
    }

    fn request(self, list: &[Said]) -> Value {
        let items: Vec<Value> = list.iter().map(|said| self.item(*said)).collect();
        match self {
            Self::Chat | Self::Anthropic => json!({ "messages": items }),
            Self::Gemini => json!({ "contents": items }),
            Self::Responses => json!({ "input": items }),
        }
    }

    fn response(self, said: Said) -> Value {
        let item = self.item(said);
        match self {
            Self::Chat => json!({ "choices": [{ "message": item }] }),
            Self::Anthropic => item,
            Self::Gemini => json!({ "candidates": [{ "content": item }] }),
            Self::Responses => json!({ "output": [item] }),
        }
    }
}

/// Records requests, each with its response if it has one, in one turn each, and a run of each called tool. Returns the
/// graph. The calls are numbered from 0.
fn reduced(form: Form, calls: &[(Vec<Said>, Option<Said>)]) -> Graph {
    let mut case = Case::new();
    for (number, (list, answer)) in calls.iter().enumerate() {
        let id = number.to_string();
        if number > 0 {
            case.turn(&format!("u{number}"), "t");
        }
        let turn = if number > 0 { format!("u{number}") } else { "u".into() };
        case.request_in(&id, "t", &turn, form.request(list));
        let Some(answer) = answer else { continue };
        case.response_body(&id, form.response(*answer));
        if let Said::Call(name) = answer {
            let call = if matches!(form, Form::Gemini) { None } else { Some("c") };
            let kind = json!({ "type": "other", "name": name });
            let invocation = crate::case::function_invocation(name, "{}");
            case.tool_in(("t", &turn), &format!("tool{number}"), call, kind, invocation);
        }
    }
    case.try_reduce(&Default::default()).unwrap().graph
}

/// Returns the numbers of the items that each list contains.
fn lists(graph: &Graph, count: usize) -> Vec<Vec<u64>> {
    (0..count).map(|number| request_items(graph, &number.to_string())).collect()
}

#[test]
fn equal_user_messages_of_a_sliding_window_are_items_of_their_own() {
    const ANSWERS: [&str; 7] = ["a0", "a1", "a2", "a3", "a4", "a5", "a6"];
    for form in FORMS {
        for window in [3, 5] {
            let mut history = Vec::new();
            let mut calls = Vec::new();
            for answer in ANSWERS {
                history.push(Said::User("continue"));
                let from = history.len().saturating_sub(window);
                calls.push((history[from..].to_vec(), Some(Said::Model(answer))));
                history.push(Said::Model(answer));
            }
            let graph = reduced(form, &calls);
            // Each turn adds its message and the answer.
            for number in 0..calls.len() {
                let end = 2 * number as u64 + 1;
                let first = (end + 1).saturating_sub(window as u64).max(1);
                let expected: Vec<u64> = (first..=end).collect();
                assert_eq!(request_items(&graph, &number.to_string()), expected, "{form:?}, window {window}");
                assert_eq!(response_items(&graph, &number.to_string()), [end + 1], "{form:?}");
            }
            let inputs: Vec<usize> = graph.turns.iter().map(|turn| turn.input_item_ids.len()).collect();
            assert_eq!(inputs, [1; 7], "{form:?}, window {window}");
        }
    }
}

#[test]
fn outputs_that_are_equal_to_cleared_or_dropped_ones_are_new() {
    use Said::{Call, Output, User};
    let (start, test, edit) = (User("fix it"), Call("run_tests"), Call("edit"));
    let (failed, ok, cleared) =
        (Output("run_tests", "1 failed"), Output("edit", "ok"), Output("run_tests", "[cleared]"));
    let whole = [start, test, failed, edit, ok];
    // The last list, its items, and the outputs of the three runs of tools.
    let table = [
        (vec![start, test, cleared, edit, ok, test, failed], vec![1, 2, 7, 4, 5, 6, 8]),
        (vec![start, edit, ok, test, failed], vec![1, 4, 5, 6, 7]),
        (vec![edit, ok, test, failed], vec![4, 5, 6, 7]),
        (vec![start, test, failed, edit, ok, test, failed], vec![1, 2, 3, 4, 5, 6, 7]),
    ];
    for form in FORMS {
        for (last, expected) in &table {
            let calls = [
                (vec![start], Some(test)),
                (whole[..3].to_vec(), Some(edit)),
                (whole.to_vec(), Some(test)),
                (last.clone(), None),
            ];
            let graph = reduced(form, &calls);
            assert_eq!(request_items(&graph, "3"), *expected, "{form:?}");
            let outputs = |number: usize| {
                let ids = tool(&graph, &format!("tool{number}")).output_item_ids.iter();
                ids.map(|id| id.number()).collect::<Vec<_>>()
            };
            assert_eq!((outputs(1), outputs(2)), (vec![5], vec![*expected.last().unwrap()]), "{form:?}");
            assert!(outputs(0).contains(&3), "{form:?}");
            let reused = graph.diagnostics.iter().filter(|found| found.code == Code::CallIdReused);
            assert_eq!(reused.count(), 0, "{form:?}: {:?}", graph.diagnostics);
        }
    }
}

#[test]
fn repeated_requests_have_equal_lists() {
    use Said::{Model, User};
    let list = vec![User("continue"), Model("ok"), User("continue")];
    let title = vec![User("continue"), Model("ok"), User("continue"), Model("ok"), User("a title")];
    let next = vec![User("continue"), Model("ok"), User("continue"), Model("ok"), User("continue")];
    for form in FORMS {
        let calls = [
            (list[..1].to_vec(), Some(Model("ok"))),
            (list.clone(), None),
            (list.clone(), Some(Model("ok"))),
            (list.clone(), Some(Model("ok"))),
            (title.clone(), Some(Model("ok"))),
            (next.clone(), None),
            (next.clone(), Some(Model("end"))),
        ];
        let graph = reduced(form, &calls);
        let lists = lists(&graph, calls.len());
        assert_eq!(lists[1..4], [[1, 2, 3], [1, 2, 3], [1, 2, 3]], "{form:?}");
        assert_eq!(lists[4][..4], lists[5][..4], "{form:?}");
        assert_eq!(lists[5], lists[6], "{form:?}");
        assert!(!lists[4].contains(lists[5].last().unwrap()), "{form:?}");
        assert!(lists[5].iter().max() == lists[5].last(), "{form:?}: the message behind the answer is new");
        assert_eq!(call(&graph, "6").response_item_ids.len(), 1);
    }
}

#[test]
fn message_behind_an_answer_without_content_is_new() {
    use Said::{Model, User};
    let request = |list: &[Said]| Form::Chat.request(list);
    let mut case = Case::new();
    let answers = ["a0", "a1", "a2", "a3"].map(|answer| [User("go"), Model(answer)]);
    let history = [answers.as_flattened(), &[User("go")]].concat();
    let windows = [&history[..1], &history[..3], &history[..5], &history[2..7], &history[4..9]];
    for (id, list) in windows.iter().enumerate() {
        case.request_body(&id.to_string(), request(list));
        case.response_body(&id.to_string(), json!({}));
    }
    let graph = case.try_reduce(&Default::default()).unwrap().graph;
    assert_eq!(
        lists(&graph, 5),
        [vec![1], vec![1, 2, 3], vec![1, 2, 3, 4, 5], vec![3, 4, 5, 6, 7], vec![5, 6, 7, 8, 9]]
    );
}
