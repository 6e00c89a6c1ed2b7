//! Tests that ended runs retain no resources: the heap is measured after few runs and after many. `just soak` records
//! the same runs in several threads for minutes.
#![expect(clippy::print_stdout, reason = "a long run reports its progress")]

mod disk;
mod laps;
mod resources;
mod retained;
mod setting;
mod workload;

use std::time::Duration;

use laps::Length;
use setting::Setting;

use crate::common::run_in_child;

#[test]
fn ended_runs_retain_no_heap() {
    run_in_child("leaks::ended_runs_retain_no_heap", retained::check_runs);
}

#[test]
fn idle_conversations_retain_no_heap() {
    run_in_child("leaks::idle_conversations_retain_no_heap", retained::check_idle_conversations);
}

#[test]
fn ended_operations_of_an_open_run_retain_no_heap() {
    run_in_child("leaks::ended_operations_of_an_open_run_retain_no_heap", retained::check_open_run);
}

#[test]
fn operations_after_shutdown_retain_no_heap() {
    run_in_child("leaks::operations_after_shutdown_retain_no_heap", retained::check_late_operations);
}

#[test]
fn spans_of_a_removed_layer_retain_no_heap() {
    run_in_child("leaks::spans_of_a_removed_layer_retain_no_heap", retained::check_removed_layer);
}

#[test]
fn ended_recorders_retain_no_heap() {
    run_in_child("leaks::ended_recorders_retain_no_heap", retained::check_recorders);
}

#[test]
fn recorders_ended_amid_work_retain_no_heap() {
    run_in_child("leaks::recorders_ended_amid_work_retain_no_heap", retained::check_recorders_amid_work);
}

/// The variable with the duration of a long run, in seconds. The run is a short one if the variable is not set.
const SECONDS: &str = "OTEL_TRACE_SOAK_SECONDS";
/// The variable with the minimum number of spans of a long run. Default: 0.
const SPANS: &str = "OTEL_TRACE_SOAK_SPANS";

#[test]
fn memory_and_open_files_stay_flat_under_mixed_load() {
    let Ok(seconds) = std::env::var(SECONDS) else {
        return run_in_child("leaks::memory_and_open_files_stay_flat_under_mixed_load", || {
            for setting in Setting::ALL {
                laps::run(setting, Length::Laps(5));
            }
        });
    };
    let count = u64::try_from(Setting::ALL.len()).unwrap();
    let spans: u64 = std::env::var(SPANS).map_or(0, |spans| spans.parse().unwrap());
    let each = Duration::from_secs(seconds.parse().unwrap()) / u32::try_from(count).unwrap();
    let opened = Setting::ALL.map(|setting| laps::run(setting, Length::Time(each, spans.div_ceil(count))));
    let opened: u64 = opened.iter().sum();
    println!("{opened} spans");
    assert!(opened >= spans, "{opened} of at least {spans} spans were opened");
}
