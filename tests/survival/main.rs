//! What a process has recorded survives its death, however it dies. `just survive` kills hundreds.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod deaths;
mod random;
mod said;
mod seal;
mod verdict;
mod work;

use common::role;
use deaths::{Death, Left, Victim};
use random::Random;
use verdict::Verdict;

/// How many children are killed; some tens where nothing is said.
const KILLS: &str = "OTEL_TRACE_KILLS";

fn kills() -> u64 {
    std::env::var(KILLS).map_or(24, |kills| kills.parse().unwrap())
}

/// Says which child it was where what it left does not hold.
fn naming(victim: Victim, check: impl FnOnce()) {
    struct Names(Victim);
    impl Drop for Names {
        fn drop(&mut self) {
            if std::thread::panicking() {
                let mut stderr = std::io::stderr();
                let _ = std::io::Write::write_all(&mut stderr, format!("it was {:?}\n", self.0).as_bytes());
            }
        }
    }
    let _names = Names(victim);
    check();
}

#[test]
fn a_process_that_is_killed_at_any_moment_leaves_all_that_it_had_recorded() {
    const TEST: &str = "a_process_that_is_killed_at_any_moment_leaves_all_that_it_had_recorded";
    if let Some(role) = role() {
        return deaths::victim(&role);
    }
    let mut random = Random::new(Random::seed());
    let (mut said_at_all, mut lines) = (0, 0);
    for n in 0..kills() {
        let durability = ["kernel", "event", "kernel", "millis"][n as usize % 4];
        let victim = Victim { death: Death::Killed, durability, panics: false, seed: random.next() };
        naming(victim, || {
            let Left { root, said } = victim.run(TEST);
            let verdict = Verdict::of(root.path());
            verdict.holds(&said);
            assert!(verdict.gaps.is_empty(), "{:?}", verdict.gaps);
            said_at_all += said.len();
            lines += verdict.lines;
        });
    }
    assert!(said_at_all > 1_000 && lines >= said_at_all / 2, "{said_at_all} said, {lines} lines");
}

#[test]
fn however_a_process_dies_what_it_had_recorded_is_there() {
    const TEST: &str = "however_a_process_dies_what_it_had_recorded_is_there";
    if let Some(role) = role() {
        return deaths::victim(&role);
    }
    let mut random = Random::new(Random::seed());
    for death in [Death::Aborts, Death::Exits, Death::OverflowsItsStack, Death::RunsOutOfMemory] {
        for _ in 0..kills().div_ceil(8) {
            let victim = Victim { death, durability: "kernel", panics: false, seed: random.next() };
            naming(victim, || {
                let Left { root, said } = victim.run(TEST);
                Verdict::of(root.path()).holds(&said);
            });
        }
    }
}

#[test]
fn a_recording_that_panics_itself_loses_what_panicked_and_nothing_else() {
    const TEST: &str = "a_recording_that_panics_itself_loses_what_panicked_and_nothing_else";
    if let Some(role) = role() {
        return deaths::victim(&role);
    }
    let mut random = Random::new(Random::seed());
    for _ in 0..kills().div_ceil(6) {
        let victim = Victim { death: Death::Killed, durability: "kernel", panics: true, seed: random.next() };
        naming(victim, || {
            let Left { root, mut said } = victim.run(TEST);
            // Those bodies are the reason of their loss, in the event's own words.
            said.retain(|(event, _)| !event.starts_with("tool_call_runtime"));
            Verdict::of(root.path()).holds(&said);
        });
    }
}

#[test]
fn a_queue_goes_down_with_its_process_and_what_it_wrote_is_whole() {
    const TEST: &str = "a_queue_goes_down_with_its_process_and_what_it_wrote_is_whole";
    if let Some(role) = role() {
        return deaths::victim(&role);
    }
    let mut random = Random::new(Random::seed());
    let mut lines = 0;
    for n in 0..kills().div_ceil(4) {
        let death = [Death::Killed, Death::Aborts, Death::Exits][n as usize % 3];
        let victim = Victim { death, durability: "buffered", panics: false, seed: random.next() };
        naming(victim, || lines += Verdict::of(victim.run(TEST).root.path()).lines);
    }
    assert!(lines > 0);
}
