//! Tests that recorded events survive every kind of process death, and that a process continues when its recording
//! fails. `just survive` kills hundreds of processes.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod clock;
#[path = "../common/mod.rs"]
mod common;
mod deaths;
mod outage;
mod random;
mod recovered;
mod reports;
mod run_end;
mod seal;
#[cfg(target_os = "linux")]
mod volume;
mod workload;

use common::role;
use deaths::{Death, Remains, Victim};
#[cfg(target_os = "linux")]
use otel_trace::Durability;
use outage::Outage;
use random::Random;
use recovered::Recovered;

/// The variable with the number of child processes to kill. Default: 24.
const KILLS: &str = "OTEL_TRACE_KILLS";

fn kills() -> u64 {
    std::env::var(KILLS).map_or(24, |kills| kills.parse().unwrap())
}

/// Runs `check` and prints the victim to stderr if it panics.
fn report_victim_on_panic(victim: Victim, check: impl FnOnce()) {
    struct PrintOnPanic(Victim);
    impl Drop for PrintOnPanic {
        fn drop(&mut self) {
            if std::thread::panicking() {
                let mut stderr = std::io::stderr();
                let _ =
                    std::io::Write::write_all(&mut stderr, format!("the check failed for {:?}\n", self.0).as_bytes());
            }
        }
    }
    let _guard = PrintOnPanic(victim);
    check();
}

const STORES: [&str; 2] = ["files", "pack"];

#[test]
fn process_killed_at_any_moment_loses_no_recorded_event() {
    const TEST: &str = "process_killed_at_any_moment_loses_no_recorded_event";
    if let Some(role) = role() {
        return deaths::victim(&role);
    }
    let mut random = Random::new(Random::seed());
    let (mut reported, mut lines) = (0, 0);
    for n in 0..kills() {
        let durability = ["kernel", "event", "kernel", "millis"][n as usize % 4];
        let store = STORES[n as usize / 4 % 2];
        let victim = Victim { death: Death::Killed, durability, store, panics: false, seed: random.next() };
        report_victim_on_panic(victim, || {
            let Remains { root, reports } = victim.run(TEST);
            let recovered = Recovered::read(root.path());
            recovered.assert_contains(&reports);
            assert!(recovered.gaps.is_empty(), "{:?}", recovered.gaps);
            reported += reports.len();
            lines += recovered.lines;
        });
    }
    assert!(reported > 1_000 && lines >= reported / 2, "{reported} events reported, {lines} lines");
}

#[test]
fn recorded_events_survive_every_kind_of_death() {
    const TEST: &str = "recorded_events_survive_every_kind_of_death";
    if let Some(role) = role() {
        return deaths::victim(&role);
    }
    let mut random = Random::new(Random::seed());
    for death in [Death::Aborts, Death::Exits, Death::OverflowsItsStack, Death::RunsOutOfMemory] {
        for n in 0..kills().div_ceil(8) {
            let store = STORES[n as usize % 2];
            let victim = Victim { death, durability: "kernel", store, panics: false, seed: random.next() };
            report_victim_on_panic(victim, || {
                let Remains { root, reports } = victim.run(TEST);
                Recovered::read(root.path()).assert_contains(&reports);
            });
        }
    }
}

#[test]
fn panicking_callback_loses_only_its_own_payload() {
    const TEST: &str = "panicking_callback_loses_only_its_own_payload";
    if let Some(role) = role() {
        return deaths::victim(&role);
    }
    let mut random = Random::new(Random::seed());
    for n in 0..kills().div_ceil(6) {
        let store = STORES[n as usize % 2];
        let victim = Victim { death: Death::Killed, durability: "kernel", store, panics: true, seed: random.next() };
        report_victim_on_panic(victim, || {
            let Remains { root, mut reports } = victim.run(TEST);
            // The redactor panics at these payloads, which are replaced by the error.
            reports.retain(|(event, _)| !event.starts_with("tool_call_runtime"));
            Recovered::read(root.path()).assert_contains(&reports);
        });
    }
}

#[test]
fn killed_queue_leaves_only_whole_lines() {
    const TEST: &str = "killed_queue_leaves_only_whole_lines";
    if let Some(role) = role() {
        return deaths::victim(&role);
    }
    let mut random = Random::new(Random::seed());
    let mut lines = 0;
    for n in 0..kills().div_ceil(4) {
        let death = [Death::Killed, Death::Aborts, Death::Exits][n as usize % 3];
        let store = STORES[n as usize / 3 % 2];
        let victim = Victim { death, durability: "buffered", store, panics: false, seed: random.next() };
        report_victim_on_panic(victim, || lines += Recovered::read(victim.run(TEST).root.path()).lines);
    }
    assert!(lines > 0);
}

/// Runs a child process with each of the outages and checks its recording.
#[track_caller]
fn check_outages(test: &str, outages: &[Outage]) {
    match role() {
        Some(role) => outage::record_with_outage(&role),
        None => outages.iter().for_each(|outage| outage.check(test)),
    }
}

#[test]
fn temporarily_full_disk_leaves_a_named_gap_and_no_torn_line() {
    // A write beyond the file size limit is short at first and then fails, exactly as on a full disk.
    let limited = Outage { shell: "trap '' XFSZ; exec \"$@\"", role: "its files may not grow for a while" };
    let own_disk = Outage {
        shell: "exec unshare --map-root-user --mount bash -c \
                'mount -t tmpfs -o size=512k none \"$OTEL_TRACE_ROOT\" && exec \"$@\"' bash \"$@\"",
        role: "its disk is full for a while",
    };
    const TEST: &str = "temporarily_full_disk_leaves_a_named_gap_and_no_torn_line";
    if role().is_none() && outage::can_mount() {
        check_outages(TEST, &[limited, own_disk]);
    } else {
        check_outages(TEST, &[limited]);
    }
}

#[test]
fn run_end_is_written_only_after_every_loss_is_named() {
    const TEST: &str = "run_end_is_written_only_after_every_loss_is_named";
    if role().is_some() {
        return run_end::at_all_lengths();
    }
    let child = common::child(TEST, "ends");
    let mut shell = std::process::Command::new("bash");
    shell.args(["-c", "trap '' XFSZ; exec \"$@\"", "bash"]).arg(child.get_program()).args(child.get_args());
    child.get_envs().for_each(|(name, value)| match value {
        Some(value) => drop(shell.env(name, value)),
        None => drop(shell.env_remove(name)),
    });
    let output = shell.output().unwrap();
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success(), "{stdout}{stderr}");
}

#[test]
fn unwritable_payload_directory_leaves_a_named_gap() {
    // A process with all capabilities ignores permissions, so that root has to drop them.
    let shell = "if [ $(id -u) = 0 ]; then exec setpriv --bounding-set=-all \"$@\"; else exec \"$@\"; fi";
    let read_only = Outage { shell, role: "its directory is read-only for a while" };
    let gone = Outage { shell: "exec \"$@\"", role: "its directory is gone for a while" };
    let test = "unwritable_payload_directory_leaves_a_named_gap";
    check_outages(test, &[read_only, gone]);
}

#[test]
fn exhausted_file_descriptors_lose_payloads_only() {
    let outage = Outage { shell: "ulimit -n 32; exec \"$@\"", role: "it has no file left for a while" };
    check_outages("exhausted_file_descriptors_lose_payloads_only", &[outage]);
}

/// Runs `program` in a child process for each role, because memory and writes are counted per process.
#[cfg(target_os = "linux")]
fn run_alone(test: &str, roles: &[&str], program: fn(&str)) {
    if let Some(role) = role() {
        return program(&role);
    }
    for role in roles {
        let output = common::child(test, role).output().unwrap();
        let [stdout, stderr] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
        assert!(output.status.success(), "{stdout}{stderr}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn huge_body_takes_bounded_memory_and_keeps_length_and_hash() {
    let test = "huge_body_takes_bounded_memory_and_keeps_length_and_hash";
    run_alone(test, &["large"], |_| volume::check_large_body());
}

#[test]
#[cfg(target_os = "linux")]
fn each_event_is_one_write_or_counted_as_lost() {
    let test = "each_event_is_one_write_or_counted_as_lost";
    run_alone(test, &["kernel", "buffered"], |role| {
        volume::check_many_spans(if role == "kernel" { Durability::PageCache } else { Durability::Buffered });
    });
}

#[test]
fn backward_clock_changes_neither_order_nor_graph() {
    [1, 60_000, i64::MAX / 8].into_iter().for_each(clock::check_backward_clock);
}
