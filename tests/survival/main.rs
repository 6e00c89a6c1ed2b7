//! What a process has recorded survives its death, however it dies; and a process goes on, whatever happens to its
//! recording. `just survive` kills hundreds.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[cfg(target_os = "linux")]
mod amounts;
mod clock;
#[path = "../common/mod.rs"]
mod common;
mod deaths;
mod end;
mod outage;
mod random;
mod said;
mod seal;
mod verdict;
mod work;

use common::role;
use deaths::{Death, Left, Victim};
#[cfg(target_os = "linux")]
use otel_trace::Durability;
use outage::Outage;
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

const STORES: [&str; 2] = ["files", "pack"];

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
        let store = STORES[n as usize / 4 % 2];
        let victim = Victim { death: Death::Killed, durability, store, panics: false, seed: random.next() };
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
        for n in 0..kills().div_ceil(8) {
            let store = STORES[n as usize % 2];
            let victim = Victim { death, durability: "kernel", store, panics: false, seed: random.next() };
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
    for n in 0..kills().div_ceil(6) {
        let store = STORES[n as usize % 2];
        let victim = Victim { death: Death::Killed, durability: "kernel", store, panics: true, seed: random.next() };
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
        let store = STORES[n as usize / 3 % 2];
        let victim = Victim { death, durability: "buffered", store, panics: false, seed: random.next() };
        naming(victim, || lines += Verdict::of(victim.run(TEST).root.path()).lines);
    }
    assert!(lines > 0);
}

/// Runs a child in trouble by each of these, and checks what is left.
#[track_caller]
fn goes_on(test: &str, outages: &[Outage]) {
    match role() {
        Some(role) => outage::troubled(&role),
        None => outages.iter().for_each(|outage| outage.check(test)),
    }
}

#[test]
fn a_disk_that_is_full_for_a_while_leaves_no_torn_line_and_a_gap_that_is_named() {
    // What is written beyond the limit falls short first, and is refused then: as on a full disk, without one.
    let limited = Outage { shell: "trap '' XFSZ; exec \"$@\"", role: "its files may not grow for a while" };
    let own_disk = Outage {
        shell: "exec unshare --map-root-user --mount bash -c \
                'mount -t tmpfs -o size=512k none \"$OTEL_TRACE_ROOT\" && exec \"$@\"' bash \"$@\"",
        role: "its disk is full for a while",
    };
    const TEST: &str = "a_disk_that_is_full_for_a_while_leaves_no_torn_line_and_a_gap_that_is_named";
    if role().is_none() && outage::can_mount() {
        goes_on(TEST, &[limited, own_disk]);
    } else {
        goes_on(TEST, &[limited]);
    }
}

#[test]
fn a_run_that_lost_something_has_no_end_unless_its_log_says_what() {
    const TEST: &str = "a_run_that_lost_something_has_no_end_unless_its_log_says_what";
    if role().is_some() {
        return end::at_all_lengths();
    }
    let child = common::child(TEST, "ends");
    let mut shell = std::process::Command::new("bash");
    shell.args(["-c", "trap '' XFSZ; exec \"$@\"", "bash"]).arg(child.get_program()).args(child.get_args());
    child.get_envs().for_each(|(name, value)| match value {
        Some(value) => drop(shell.env(name, value)),
        None => drop(shell.env_remove(name)),
    });
    let output = shell.output().unwrap();
    let [said, wrong] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success(), "{said}{wrong}");
}

#[test]
fn a_directory_that_is_read_only_or_gone_for_a_while_costs_its_bodies_and_the_gap_is_named() {
    // Permissions hold nobody back who has all capabilities.
    let shell = "if [ $(id -u) = 0 ]; then exec setpriv --bounding-set=-all \"$@\"; else exec \"$@\"; fi";
    let read_only = Outage { shell, role: "its directory is read-only for a while" };
    let gone = Outage { shell: "exec \"$@\"", role: "its directory is gone for a while" };
    let test = "a_directory_that_is_read_only_or_gone_for_a_while_costs_its_bodies_and_the_gap_is_named";
    goes_on(test, &[read_only, gone]);
}

#[test]
fn a_process_that_has_no_file_left_for_a_while_loses_bodies_and_goes_on() {
    let outage = Outage { shell: "ulimit -n 32; exec \"$@\"", role: "it has no file left for a while" };
    goes_on("a_process_that_has_no_file_left_for_a_while_loses_bodies_and_goes_on", &[outage]);
}

/// Runs this test alone in its process: what is counted is that of a process.
#[cfg(target_os = "linux")]
fn alone(test: &str, roles: &[&str], program: fn(&str)) {
    if let Some(role) = role() {
        return program(&role);
    }
    for role in roles {
        let output = common::child(test, role).output().unwrap();
        let [said, wrong] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
        assert!(output.status.success(), "{said}{wrong}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_body_of_any_size_is_held_in_bounded_memory_and_known_by_length_and_hash() {
    let test = "a_body_of_any_size_is_held_in_bounded_memory_and_known_by_length_and_hash";
    alone(test, &["large"], |_| amounts::a_large_body());
}

#[test]
#[cfg(target_os = "linux")]
fn a_hundred_thousand_spans_are_one_write_an_event_and_none_goes_uncounted() {
    let test = "a_hundred_thousand_spans_are_one_write_an_event_and_none_goes_uncounted";
    alone(test, &["kernel", "buffered"], |role| {
        amounts::many_spans(if role == "kernel" { Durability::PageCache } else { Durability::Buffered });
    });
}

#[test]
fn a_clock_that_goes_backwards_changes_neither_order_nor_graph() {
    [1, 60_000, i64::MAX / 8].into_iter().for_each(clock::going_back);
}
