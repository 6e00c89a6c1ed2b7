//! Nothing is held of what is over: counted on the heap, after few runs and after many. `just soak` has the same runs
//! in several threads for minutes.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a long run says how it goes")]

#[path = "../common/mod.rs"]
mod common;
mod disk;
mod heap;
mod held;
mod laps;
mod level;
mod setting;
mod work;

use std::time::Duration;

use common::{child, role};
use laps::Length;
use setting::Setting;

/// Runs this test alone in its process: others would be counted too.
fn alone(test: &str, program: fn()) {
    if role().is_some() {
        return program();
    }
    let output = child(test, "alone").output().unwrap();
    let [said, wrong] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success(), "{said}{wrong}");
}

#[test]
fn a_run_that_is_over_is_not_held() {
    alone("a_run_that_is_over_is_not_held", held::of_runs);
}

#[test]
fn what_is_over_in_a_run_that_goes_on_is_not_held() {
    alone("what_is_over_in_a_run_that_goes_on_is_not_held", held::of_an_open_run);
}

#[test]
fn what_comes_after_the_recording_is_not_held() {
    alone("what_comes_after_the_recording_is_not_held", held::of_late_things);
}

#[test]
fn spans_whose_layer_was_taken_out_are_not_held() {
    alone("spans_whose_layer_was_taken_out_are_not_held", held::of_a_layer_that_comes_and_goes);
}

#[test]
fn recorders_that_are_over_are_not_held() {
    alone("recorders_that_are_over_are_not_held", held::of_recorders);
}

#[test]
fn recorders_that_end_amid_work_are_not_held() {
    alone("recorders_that_end_amid_work_are_not_held", held::of_recorders_amid_work);
}

/// For how many seconds a long run goes on, and how many spans it makes at least; a short one where nothing is said.
const SECONDS: &str = "OTEL_TRACE_SOAK_SECONDS";
const SPANS: &str = "OTEL_TRACE_SOAK_SPANS";

#[test]
fn many_threads_at_everything_hold_memory_and_files_flat() {
    let Ok(seconds) = std::env::var(SECONDS) else {
        return alone("many_threads_at_everything_hold_memory_and_files_flat", || {
            for setting in Setting::ALL {
                laps::run(setting, Length::Laps(5));
            }
        });
    };
    let count = u64::try_from(Setting::ALL.len()).unwrap();
    let spans: u64 = std::env::var(SPANS).map_or(0, |spans| spans.parse().unwrap());
    let each = Duration::from_secs(seconds.parse().unwrap()) / u32::try_from(count).unwrap();
    let made = Setting::ALL.map(|setting| laps::run(setting, Length::Time(each, spans.div_ceil(count))));
    let made: u64 = made.iter().sum();
    println!("{made} spans");
    assert!(made >= spans, "{made} spans were made, of {spans}");
}
