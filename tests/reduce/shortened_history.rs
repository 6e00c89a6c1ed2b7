//! Requests that drop or clear old items, while new items are equal to those that they drop.

use otel_trace::graph::{Code, Graph};
use serde_json::{Value, json};

use crate::case::{Case, assistant, call, request_items, response_items, tool, user};

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

/// A request and its response. The request has no response if it did not complete.
type Call = (Vec<Said>, Option<Said>);

/// Records calls in one turn each, and a run of each called tool. Returns the graph. The calls are numbered from 0.
fn reduced(form: Form, calls: &[Call]) -> Graph {
    reduced_in_turns(form, calls, |number| number)
}

/// Records calls, and a run of each called tool. Returns the graph. `turn_of` returns the number of the turn of each call,
/// from 0.
fn reduced_in_turns(form: Form, calls: &[Call], turn_of: impl Fn(usize) -> usize) -> Graph {
    let mut case = Case::new();
    let mut turn = String::from("u");
    for (number, (list, answer)) in calls.iter().enumerate() {
        let id = number.to_string();
        if number > 0 && turn_of(number) != turn_of(number - 1) {
            turn = format!("u{}", turn_of(number));
            case.turn(&turn, "t");
        }
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

/// Returns calls that follow a user's equal messages, each with the last items of the conversation.
fn windows(window: usize, answers: &[&'static str]) -> Vec<Call> {
    let mut history = Vec::new();
    let mut calls = Vec::new();
    for answer in answers {
        history.push(Said::User("continue"));
        let from = history.len().saturating_sub(window);
        calls.push((history[from..].to_vec(), Some(Said::Model(answer))));
        history.push(Said::Model(answer));
    }
    calls
}

/// Returns the number of the inputs of each turn.
fn input_counts(graph: &Graph) -> Vec<usize> {
    graph.turns.iter().map(|turn| turn.input_item_ids.len()).collect()
}

#[test]
fn equal_user_messages_of_a_sliding_window_are_items_of_their_own() {
    const ANSWERS: [&str; 7] = ["a0", "a1", "a2", "a3", "a4", "a5", "a6"];
    for form in FORMS {
        for (window, answers) in (1..=6).flat_map(|window| [(window, ANSWERS), (window, ["ok"; 7])]) {
            let calls = windows(window, &answers);
            let graph = reduced(form, &calls);
            // Each turn adds its message and the answer.
            for number in 0..calls.len() {
                let end = 2 * number as u64 + 1;
                let first = (end + 1).saturating_sub(window as u64).max(1);
                let expected: Vec<u64> = (first..=end).collect();
                assert_eq!(request_items(&graph, &number.to_string()), expected, "{form:?}, window {window}");
                assert_eq!(response_items(&graph, &number.to_string()), [end + 1], "{form:?}");
            }
            assert_eq!(input_counts(&graph), [1; 7], "{form:?}, window {window}");
        }
    }
}

#[test]
fn retries_in_sliding_windows_of_equal_turns_add_nothing() {
    for form in FORMS {
        for window in 1..=6 {
            // Each request is sent without an answer, then with one, and once more after the answer.
            let retried = |call: Call| [(call.0.clone(), None), call.clone(), call];
            let calls: Vec<Call> = windows(window, &["ok"; 5]).into_iter().flat_map(retried).collect();
            let graph = reduced_in_turns(form, &calls, |number| number / 3);
            assert_eq!(input_counts(&graph), [1; 5], "{form:?}, window {window}");
            for attempts in lists(&graph, calls.len()).chunks(3) {
                assert_eq!(attempts, vec![attempts[0].clone(); 3], "{form:?}, window {window}");
            }
        }
    }
}

#[test]
fn retry_of_a_call_that_did_not_complete_adds_nothing_in_another_turn() {
    for form in FORMS {
        let mut calls = windows(3, &["ok"; 4]);
        calls.insert(3, (calls[3].0.clone(), None));
        let graph = reduced(form, &calls);
        assert_eq!(lists(&graph, 5)[2..], [[3, 4, 5], [5, 6, 7], [5, 6, 7]], "{form:?}");
        assert_eq!(input_counts(&graph), [1, 1, 1, 1, 0], "{form:?}");
    }
}

#[test]
fn windows_of_equal_turns_behind_instructions_end_with_new_messages() {
    let instructions = json!({ "role": "system", "content": "Be brief." });
    for window in 1..=6 {
        let mut case = Case::new();
        for (number, (list, _)) in windows(window, &["ok"; 5]).into_iter().enumerate() {
            let turn = format!("u{number}");
            case.turn(&turn, "t");
            let mut body = Form::Chat.request(&list);
            body["messages"].as_array_mut().unwrap().insert(0, instructions.clone());
            case.request_in(&number.to_string(), "t", &turn, body);
            case.response_body(&number.to_string(), Form::Chat.response(Said::Model("ok")));
        }
        let graph = case.check(&[]);
        for (number, list) in lists(&graph, 5).into_iter().enumerate() {
            let end = 2 * number as u64 + 2;
            let first = (end + 1).saturating_sub(window as u64).max(2);
            assert_eq!(list, [vec![1], (first..=end).collect()].concat(), "window {window}");
        }
        // The case begins with a turn without a request.
        assert_eq!(input_counts(&graph), [0, 1, 1, 1, 1, 1], "window {window}");
    }
}

#[test]
fn turn_that_begins_again_at_an_older_place_keeps_what_stands_before_it() {
    use Said::{Model, User};
    let ok = Model("ok");
    let history = [User("first"), ok, User("second"), ok, User("third"), ok];
    for form in FORMS {
        let answered = |list: &[Said]| (list.to_vec(), Some(ok));
        let edited = [User("first"), ok, User("other")];
        let calls = [answered(&history[..1]), answered(&history[..3]), answered(&history[..5]), answered(&edited)];
        let graph = reduced(form, &calls);
        assert_eq!(request_items(&graph, "3"), [1, 2, 7], "{form:?}");
        assert_eq!(input_counts(&graph), [1; 4], "{form:?}");
    }
}

#[test]
fn message_with_a_known_id_is_not_new_in_another_turn() {
    let message = |id: &str| json!({ "type": "message", "role": "user", "id": id, "content": "continue" });
    let mut case = Case::new();
    for (call, turn, id) in [("a", "u", "msg_1"), ("b", "v", "msg_1"), ("c", "w", "msg_2")] {
        if turn != "u" {
            case.turn(turn, "t");
        }
        case.request_in(call, "t", turn, json!({ "input": [message(id)] }));
        case.response(call, json!([assistant("ok")]));
    }
    let graph = case.check(&[]);
    assert_eq!(["a", "b", "c"].map(|call| request_items(&graph, call)), [[1], [1], [4]]);
}

#[test]
fn equal_messages_that_continue_one_response_are_new_in_each_turn() {
    let mut case = Case::new();
    case.request("a", [user("continue")]);
    case.response("a", [assistant("ok")]);
    for (call, turn) in [("b", "v"), ("c", "w"), ("retry", "w")] {
        if call != "retry" {
            case.turn(turn, "t");
        }
        let body = json!({ "previous_response_id": "resp-a", "input": [user("continue")] });
        case.request_in(call, "t", turn, body);
        case.response(call, [assistant("ok")]);
    }
    let graph = case.check(&[]);
    assert_eq!(["b", "c", "retry"].map(|call| request_items(&graph, call)), [[1, 2, 3], [1, 2, 5], [1, 2, 5]]);
    assert_eq!(input_counts(&graph), [1, 1, 1]);
}

#[test]
fn message_of_a_body_that_several_turns_reference_is_new_in_each() {
    let mut case = Case::new();
    let body = case.body("inference_request", json!({ "input": [user("hello"), user("continue")] }));
    let calls = [("a", "u", true), ("lost", "v", false), ("retry", "v", true), ("again", "v", true), ("b", "w", true)];
    let mut started = "u";
    for (call, turn, completes) in calls {
        if turn != std::mem::replace(&mut started, turn) {
            case.turn(turn, "t");
        }
        let event = json!({
            "type": "inference_started", "inference_call_id": call, "thread_id": "t", "codex_turn_id": turn,
            "model": "m", "provider_name": "p", "request_payload": body,
        });
        case.event_in(json!("t"), json!(turn), event);
        if completes {
            case.response(call, [assistant("ok")]);
        }
    }
    let graph = case.check(&[]);
    let lists = calls.map(|(call, ..)| request_items(&graph, call));
    assert_eq!(lists, [[1, 2], [1, 4], [1, 4], [1, 4], [1, 7]]);
    assert_eq!(input_counts(&graph), [2, 1, 1]);
}

#[test]
fn window_in_a_checkpoint_has_the_latest_of_equal_items() {
    // The history before the compaction, and its items.
    let (message, answer) = (user("continue"), assistant("ok"));
    let table = [
        (vec![&message, &answer], vec![5, 6]),
        (vec![&answer, &message, &answer], vec![4, 5, 6]),
        (vec![&answer, &message], vec![6, 7]),
        (vec![&message, &answer, &message, &answer, &message, &answer], vec![1, 2, 3, 4, 5, 6]),
        (vec![&message, &answer, &message, &answer], vec![3, 4, 5, 6]),
    ];
    for (before, expected) in table {
        let mut case = Case::new();
        let mut history = Vec::new();
        for turn in ["u", "v", "w"] {
            if turn != "u" {
                case.turn(turn, "t");
            }
            history.push(message.clone());
            case.request_in(turn, "t", turn, json!({ "input": history }));
            case.response(turn, [answer.clone()]);
            history.push(answer.clone());
        }
        let body = case
            .body("compaction_checkpoint", json!({ "input_history": before, "replacement_history": [user("all")] }));
        let event = json!({ "type": "compaction_installed", "compaction_id": "k", "checkpoint_payload": body });
        case.turn("x", "t");
        case.event_in(json!("t"), json!("x"), event);
        let graph = case.check(&[]);
        let compaction = graph.compactions.get("k").unwrap();
        let numbers: Vec<u64> = compaction.input_item_ids.iter().map(|item| item.number()).collect();
        assert_eq!(numbers, expected);
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
        // The request that is repeated after its answer is in the turn of the answer.
        let graph = reduced_in_turns(form, &calls, |number| if number == 3 { 2 } else { number });
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
