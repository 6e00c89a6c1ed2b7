//! The points of a strict reader, over the bundle of the coding agent.

use std::collections::BTreeSet;

use serde_json::Value;

use super::play;
use super::program::Extent;
use crate::common::Bundle;
use crate::strict_reader as reader;

/// Checks a point for both extents of the program, and that it examined at least so much.
#[track_caller]
fn check(point: fn(&Bundle) -> usize, least: usize) {
    for extent in [Extent::FormatOne, Extent::Everything] {
        let examined = point(&play(extent).0);
        assert!(examined >= least, "{examined}");
    }
}

#[test]
fn variants_are_those_of_the_first_version() {
    let bundle = play(Extent::FormatOne).0;
    let written: BTreeSet<_> = bundle.event_names().into_iter().collect();
    assert_eq!(written, BTreeSet::from(reader::VARIANTS));
}

#[test]
fn newer_variants_are_written_only_for_what_only_they_report() {
    let bundle = play(Extent::Everything).0;
    let kinds: Vec<_> = bundle.events("other").iter().map(|other| reader::text(other, "kind")).collect();
    assert_eq!(kinds, ["process_spawned"]);
    assert_eq!(bundle.events("mcp_tool_call_correlation_assigned").len(), 2);
    assert_eq!(bundle.event("inference_cancelled")["reason"], "interrupted");
}

#[test]
fn everything_starts_before_its_use() {
    check(reader::everything_starts_before_its_use, 30);
}

#[test]
fn ids_of_tool_calls_and_scripts_are_unique() {
    check(reader::ids_are_unique, 15);
}

#[test]
fn requests_have_input_and_responses_output_items() {
    check(reader::bodies_have_their_lists, 20);
}

#[test]
fn items_have_known_types_and_roles_and_reasoning_is_not_empty() {
    check(reader::items_are_known, 11);
}

#[test]
fn runtime_bodies_have_their_members() {
    check(reader::runtime_bodies_have_their_members, 10);
}

#[test]
fn thread_ids_in_bodies_of_agents_are_uuids() {
    check(reader::thread_ids_of_agents_are_uuids, 14);
}

#[test]
fn statuses_of_agents_are_known() {
    check(reader::statuses_of_agents_are_known, 5);
}

#[test]
fn agent_paths_begin_at_the_root() {
    check(reader::agent_paths_begin_at_the_root, 2);
}

#[test]
fn session_metadata_has_all_its_members() {
    check(reader::session_metadata_has_its_members, 2);
    let all = reader::payloads(&play(Extent::FormatOne).0, "session_metadata");
    assert_eq!([&all[0]["session_source"], &all[0]["cli_version"]], ["cli", "1.0.0"]);
    assert_eq!(all[0]["rollout_path"], "/home/me/sessions/1.jsonl");
    let spawn = &all[1]["session_source"]["subagent"]["thread_spawn"];
    assert_eq!((&spawn["parent_thread_id"], &spawn["depth"]), (&all[0]["thread_id"], &Value::from(1)));
}

#[test]
fn waits_and_input_to_terminals_are_functions_with_their_ids() {
    check(reader::waits_and_input_are_functions, 2);
}

#[test]
fn invocations_have_the_shape_of_their_type() {
    check(reader::invocations_have_the_shape_of_their_type, 5);
}

#[test]
fn json_is_nested_less_than_128_deep() {
    check(reader::nesting_is_bounded, 4);
}
