//! The printed tree agrees with the graph.

use otel_trace::graph::{OperationKind, Requester};

use super::RUN;

#[test]
fn tree_shows_each_object_once() {
    let run = &*RUN;
    let tree = run.stdout.split("what happened").nth(1).and_then(|rest| rest.split("look further").next());
    let tree = tree.unwrap_or_else(|| panic!("no tree in {}", run.stdout));
    for number in 1..=run.graph.inference_calls.len() {
        assert_eq!(tree.matches(&format!("─ call {number} ")).count(), 1, "{tree}");
    }
    let count = |text: &str| tree.lines().filter(|line| line.contains(text)).count();
    let commands = run.tools_named("exec_command").len();
    let typed = run.graph.terminal_operations().filter(|it| it.kind == OperationKind::WriteStdin).count();
    assert_eq!((count("─ $ "), count("─ > ")), (commands, typed), "{tree}");
    assert_eq!((count("opens terminal "), count("in terminal ")), (1, typed), "{tree}");
    assert_eq!(count("─ script "), run.graph.code_cells.len(), "{tree}");
    assert_eq!(count("─ wait for script 2  "), run.tools_named("wait").len(), "{tree}");
    for what in ["spawn", "message to", "task for", "close"] {
        assert_eq!(count(&format!("─ {what} reviewer  ")), 1, "{what}: {tree}");
    }
    assert_eq!(count("─ wait_agent {"), run.tools_named("wait_agent").len(), "{tree}");
    assert_eq!(count("─ result to coder  "), 2, "{tree}");
    assert_eq!(count("blocked by the approval hook: "), 1, "{tree}");
    assert_eq!(count("─ compaction of "), run.graph.compactions.len(), "{tree}");
    assert_eq!(count("reviewer (embedded)  spawned by call 2 of coder"), 1, "{tree}");
    assert!(tree.contains("exit 101") && tree.contains("exit 0"), "{tree}");

    let by_model = run.graph.tool_calls.iter().filter(|tool| tool.requester == Requester::Model).count();
    let results = 2;
    assert_eq!(
        count("  seen by call ") + count("  read by call "),
        by_model + run.graph.code_cells.len() + results,
        "{tree}"
    );
    assert_eq!(count("never shown"), 0, "{tree}");
}
