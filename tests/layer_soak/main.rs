//! Tests that ended runs retain no resources: the heap is measured after few runs and after many. `just soak` records
//! the same runs in several threads for minutes.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a long run reports its progress")]

#[path = "../common/mod.rs"]
mod common;
mod disk;
mod heap;
mod laps;
mod resources;
mod retained;
mod setting;
mod workload;

use std::time::Duration;

use common::{child, role};
use laps::Length;
use setting::Setting;

/// Runs `program` in a child process by executing `test` alone, so that the allocations of other tests do not count.
fn run_alone(test: &str, program: fn()) {
    if role().is_some() {
        return program();
    }
    let output = child(test, "alone").output().unwrap();
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success(), "{stdout}{stderr}");
}

#[test]
fn ended_runs_retain_no_heap() {
    run_alone("ended_runs_retain_no_heap", retained::check_runs);
}

#[test]
fn ended_operations_of_an_open_run_retain_no_heap() {
    run_alone("ended_operations_of_an_open_run_retain_no_heap", retained::check_open_run);
}

#[test]
fn operations_after_shutdown_retain_no_heap() {
    run_alone("operations_after_shutdown_retain_no_heap", retained::check_late_operations);
}

#[test]
fn spans_of_a_removed_layer_retain_no_heap() {
    run_alone("spans_of_a_removed_layer_retain_no_heap", retained::check_removed_layer);
}

#[test]
fn ended_recorders_retain_no_heap() {
    run_alone("ended_recorders_retain_no_heap", retained::check_recorders);
}

#[test]
fn recorders_ended_amid_work_retain_no_heap() {
    run_alone("recorders_ended_amid_work_retain_no_heap", retained::check_recorders_amid_work);
}

/// The variable with the duration of a long run, in seconds. The run is a short one if the variable is not set.
const SECONDS: &str = "OTEL_TRACE_SOAK_SECONDS";
/// The variable with the minimum number of spans of a long run. Default: 0.
const SPANS: &str = "OTEL_TRACE_SOAK_SPANS";

#[test]
fn memory_and_open_files_stay_flat_under_mixed_load() {
    let Ok(seconds) = std::env::var(SECONDS) else {
        return run_alone("memory_and_open_files_stay_flat_under_mixed_load", || {
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
