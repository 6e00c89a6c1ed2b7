//! The names by which tools find the calls that they run.

use otel_trace::graph::{Code, Graph};
use serde_json::{Value, json};

use super::{ID, call_of, check, exchange, look, out, respond_unknown, run_in, run_kind};
use crate::case::{Case, item, state, user};

const AGENT: (&str, &str) = ("t", "u");

fn mcp(server: &str, tool: &str) -> Value {
    json!({ "type": "mcp", "server": server, "tool": tool })
}

fn web() -> Value {
    json!({ "type": "web" })
}

/// Returns a call of a tool in a namespace.
fn call_in(namespace: &str, name: &str, at: &str) -> Value {
    let mut call = call_of(name, at);
    call["namespace"] = json!(namespace);
    call
}

/// The ways in which a program may name the tool `search` of a server.
fn spellings(server: &str) -> [(String, Value); 7] {
    [
        (format!("mcp__{server}__search"), web()),
        (format!("mcp__{server}.search"), web()),
        (format!("{server}.search"), web()),
        (format!("{server}/search"), web()),
        ("Searches the documents".to_owned(), mcp(server, "search")),
        ("search".to_owned(), mcp(server, "search")),
        (String::new(), json!({ "type": "other", "name": format!("{server}__search") })),
    ]
}

/// The ways in which a model may name the tool `search` of a server.
fn calls(server: &str) -> [Value; 5] {
    [
        call_of(&format!("mcp__{server}__search"), server),
        call_of(&format!("{server}.search"), server),
        call_in(server, "search", server),
        call_in(&format!("mcp__{server}"), "search", server),
        call_in(&format!("mcp__{server}__"), "search", server),
    ]
}

fn check_servers(graph: &Graph, subject: &str) {
    for server in ["docs", "code-v2"] {
        let tool = graph.tool_calls.get(server).unwrap();
        assert_eq!(super::texts(graph, &tool.call_item_ids), [server], "{subject}");
    }
}

#[test]
fn tools_of_two_servers_run_their_own_calls() {
    for (docs_call, code_call) in calls("docs").into_iter().zip(calls("code-v2")) {
        for ((docs, docs_kind), (code, code_kind)) in spellings("docs").into_iter().zip(spellings("code_v2")) {
            let subject = format!("{docs_call} {docs} {docs_kind}");
            // In one response, whose tools start in another order.
            let mut case = Case::new();
            exchange(&mut case, "i1", &[user("go")], &[docs_call.clone(), code_call.clone()]);
            run_kind(&mut case, AGENT, "code-v2", &code, &code_kind);
            run_kind(&mut case, AGENT, "docs", &docs, &docs_kind);
            check_servers(&case.check(&[]), &subject);
            // In two responses. Nothing ran the earlier call before the later one was made.
            let mut case = Case::new();
            exchange(&mut case, "i1", &[user("go")], std::slice::from_ref(&docs_call));
            exchange(&mut case, "i2", &[user("go"), user("look there")], std::slice::from_ref(&code_call));
            run_kind(&mut case, AGENT, "docs", &docs, &docs_kind);
            run_kind(&mut case, AGENT, "code-v2", &code, &code_kind);
            check_servers(&case.check(&[]), &subject);
            // In two requests, whose responses were not recorded.
            let mut case = Case::new();
            case.request("i1", [user("go")]);
            respond_unknown(&mut case, "i1");
            run_kind(&mut case, AGENT, "code-v2", &code, &code_kind);
            run_kind(&mut case, AGENT, "docs", &docs, &docs_kind);
            case.request("i2", [user("go"), docs_call.clone(), out("1"), code_call.clone(), out("2")]);
            let graph = case.check(&[Code::ResponseUnknown]);
            check_servers(&graph, &subject);
        }
    }
}

#[test]
fn tool_of_another_server_runs_no_call() {
    for (label, kind) in spellings("web") {
        let mut case = Case::new();
        exchange(&mut case, "i1", &[user("go")], &[call_in("docs", "search", "a"), call_in("code", "search", "b")]);
        run_kind(&mut case, AGENT, "docs", "docs.search", &web());
        run_kind(&mut case, AGENT, "web", &label, &kind);
        // The bare name in the label of an MCP tool may be that of another tool, but its server is known.
        let graph = case.check(&[Code::CallIdReused]);
        check(&graph, "docs", &["a"], &[]);
        check(&graph, "web", &[], &[]);
    }
}

#[test]
fn names_without_a_namespace_are_those_of_any_server() {
    // The tools have bare names: the calls are run in their order.
    let mut case = Case::new();
    let write = call_of("mcp__code__write", "b");
    exchange(&mut case, "i1", &[user("go")], &[call_in("docs", "search", "a"), write, call_in("code", "search", "c")]);
    for (id, label) in [("t1", "write"), ("t2", "search"), ("t3", "search")] {
        run_in(&mut case, AGENT, id, label);
    }
    let graph = case.check(&[]);
    check(&graph, "t1", &["b"], &[]);
    check(&graph, "t2", &["a"], &[]);
    check(&graph, "t3", &["c"], &[]);
    // The calls have bare names.
    let mut case = Case::new();
    exchange(&mut case, "i1", &[user("go")], &[call_of("search", "a"), call_of("write", "b")]);
    run_in(&mut case, AGENT, "t1", "functions.mcp__docs__write");
    run_kind(&mut case, AGENT, "t2", "Searches", &mcp("docs", "search"));
    let graph = case.check(&[]);
    check(&graph, "t1", &["b"], &[]);
    check(&graph, "t2", &["a"], &[]);
    // A tool of the program has the name of a server's tool.
    let mut case = Case::new();
    exchange(&mut case, "i1", &[user("go")], &[call_in("docs", "search", "a"), call_of("search", "b")]);
    run_in(&mut case, AGENT, "t1", "search");
    run_in(&mut case, AGENT, "t2", "docs.search");
    let graph = case.check(&[]);
    check(&graph, "t1", &["b"], &[]);
    check(&graph, "t2", &["a"], &[]);
}

#[test]
fn labels_for_people_are_no_names() {
    // No tool has the name of a call.
    let mut case = Case::new();
    exchange(&mut case, "i1", &[user("go")], &[look("a"), look("b")]);
    run_in(&mut case, AGENT, "t1", "Search");
    run_in(&mut case, AGENT, "t2", "Search");
    let graph = case.check(&[]);
    check(&graph, "t1", &["a"], &[]);
    check(&graph, "t2", &["b"], &[]);
    // A text beside names.
    let mut case = Case::new();
    exchange(&mut case, "i1", &[user("go")], &[look("a")]);
    run_in(&mut case, AGENT, "t1", "look");
    exchange(&mut case, "i2", &[user("go"), look("a"), out("of a")], &[call_of("shell", "b")]);
    run_in(&mut case, AGENT, "t2", "Runs the tests");
    let graph = case.check(&[]);
    check(&graph, "t1", &["a"], &["of a"]);
    check(&graph, "t2", &["b"], &[]);
}

#[test]
fn calls_without_a_name_are_run_by_any_tool() {
    let search = json!({ "type": "tool_search_call", "call_id": ID, "arguments": { "at": "b" } });
    let mut case = Case::new();
    exchange(&mut case, "i1", &[user("go")], &[look("a")]);
    run_in(&mut case, AGENT, "t1", "look");
    exchange(&mut case, "i2", &[user("go"), look("a"), out("of a")], &[search]);
    run_in(&mut case, AGENT, "t2", "tool_search");
    let graph = case.check(&[]);
    assert_eq!(graph.tool_calls.get("t2").unwrap().call_item_ids.len(), 1);
}

#[test]
fn calls_that_differ_in_their_namespace_are_different_items() {
    let mut case = Case::new();
    let calls = [call_in("docs", "search", "a"), call_in("code", "search", "a")];
    exchange(&mut case, "i1", &[user("go")], &calls);
    case.request("i2", [vec![user("go")], calls.to_vec(), vec![out("of docs"), out("of code")]].concat());
    run_in(&mut case, AGENT, "late", "docs.search");
    let graph = case.check(&[Code::CallIdReused]);
    let namespaces: Vec<_> = graph.items().map(|item| item.content.namespace.as_deref()).collect();
    assert_eq!(namespaces, [None, Some("docs"), Some("code"), None, None]);
    assert_eq!(item(&graph, 2).content.name, item(&graph, 3).content.name);
    let state = state(&graph);
    assert_eq!(state["conversation_items"]["conversation_item:2"]["namespace"], "docs");
    assert!(state["conversation_items"]["conversation_item:1"].get("namespace").is_none());
}
