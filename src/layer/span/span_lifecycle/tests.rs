use std::cell::Cell;

use proptest::prelude::*;

use super::*;
use crate::event::UnixMillis;

/// The time `n` milliseconds after the epoch.
fn at(n: i64) -> Timestamp {
    UnixMillis(n).into()
}

const OPENED: i64 = 1;
const SINCE: i64 = 2;
const SETTLED: i64 = 3;
/// The time of the input.
const NOW: i64 = 9;

/// A stage, with the times above.
fn stage(name: &str) -> Stage {
    let since = at(SINCE);
    match name {
        "opened" => Stage::Opened,
        "waiting" => Stage::Waiting(since),
        "waiting now" => Stage::Waiting(at(NOW)),
        "running" => Stage::Running { since },
        "running now" => Stage::Running { since: at(NOW) },
        "settled" => Stage::Settled { since, at: at(SETTLED) },
        "settled now" => Stage::Settled { since, at: at(NOW) },
        "started, settled now" => Stage::Settled { since: at(NOW), at: at(NOW) },
        "ended" => Stage::Ended,
        other => panic!("no stage {other}"),
    }
}

const NO_ANSWER: bool = false;
const ANSWER: bool = true;

/// Checks the stage and the effect that each input leads to. A row has the stage before, the number of threads inside,
/// whether an answer is known, the input, and the stage and effect after it.
fn check(rows: &[(&str, u32, bool, Input, &str, Effect)]) {
    for &(from, inside, has_answer, input, to, effect) in rows {
        let mut lifecycle = SpanLifecycle { stage: stage(from), opened_at: at(OPENED), inside, has_answer };
        let found = lifecycle.next(input, &|| at(NOW));
        let context = format!("{from}, {inside} inside, answer {has_answer}, {input:?}");
        assert_eq!((lifecycle.stage, found), (stage(to), effect), "{context}");
    }
}

fn recorded(facts: Facts) -> Input {
    Input::Recorded { facts, is_answer: false }
}

#[test]
fn operations_start_once_enough_is_known() {
    use Facts::{Known, Missing, Ready, Unknown};
    use Input::{Active, Entered, Exited, Released};
    let nothing = Effect::Nothing;
    let start_now = Effect::Start { since: at(NOW) };
    let start = Effect::Start { since: at(SINCE) };
    check(&[
        ("opened", 0, NO_ANSWER, recorded(Unknown), "opened", nothing),
        ("opened", 0, NO_ANSWER, recorded(Missing), "opened", nothing),
        ("opened", 0, NO_ANSWER, recorded(Known), "opened", nothing),
        ("opened", 0, NO_ANSWER, recorded(Ready), "running now", start_now),
        ("opened", 0, NO_ANSWER, Entered(Unknown), "waiting now", nothing),
        ("opened", 0, NO_ANSWER, Entered(Missing), "waiting now", nothing),
        ("opened", 0, NO_ANSWER, Entered(Known), "running now", start_now),
        ("opened", 0, NO_ANSWER, Entered(Ready), "running now", start_now),
        ("opened", 0, NO_ANSWER, Active(Unknown), "waiting now", nothing),
        ("opened", 0, NO_ANSWER, Active(Missing), "running now", start_now),
        ("opened", 0, NO_ANSWER, Active(Known), "running now", start_now),
        ("opened", 0, NO_ANSWER, Exited, "opened", nothing),
        ("opened", 0, NO_ANSWER, Released, "opened", nothing),
        ("waiting", 1, NO_ANSWER, recorded(Unknown), "waiting", nothing),
        ("waiting", 1, NO_ANSWER, recorded(Missing), "waiting", nothing),
        ("waiting", 1, NO_ANSWER, recorded(Known), "running", start),
        ("waiting", 1, NO_ANSWER, recorded(Ready), "running", start),
        ("waiting", 1, NO_ANSWER, Entered(Missing), "waiting", nothing),
        ("waiting", 0, NO_ANSWER, Entered(Known), "running", start),
        ("waiting", 1, NO_ANSWER, Active(Unknown), "waiting", nothing),
        ("waiting", 1, NO_ANSWER, Active(Missing), "running", start),
        ("waiting", 1, NO_ANSWER, Exited, "waiting", nothing),
        ("waiting", 1, NO_ANSWER, Released, "waiting", nothing),
        // Facts that come after the start may start what is still waiting for its request.
        ("running", 1, NO_ANSWER, recorded(Known), "running", start),
        ("running", 1, NO_ANSWER, Active(Known), "running", start),
        ("running", 0, NO_ANSWER, Entered(Known), "running", nothing),
    ]);
}

#[test]
fn operations_with_an_answer_settle_once_no_thread_is_inside() {
    use Facts::{Known, Ready};
    use Input::{Active, Entered, Exited, Recorded, Retried};
    let nothing = Effect::Nothing;
    let start = Effect::Start { since: at(SINCE) };
    let settle = |is_exit| Effect::Settle { since: at(SINCE), is_exit };
    let answer = Recorded { facts: Known, is_answer: true };
    check(&[
        ("running", 1, NO_ANSWER, Exited, "running", nothing),
        ("running", 1, NO_ANSWER, answer, "running", start),
        ("running", 2, ANSWER, Exited, "running", nothing),
        ("running", 1, ANSWER, Exited, "settled now", settle(true)),
        ("running", 0, NO_ANSWER, answer, "settled now", settle(false)),
        ("running", 0, ANSWER, recorded(Known), "settled now", settle(false)),
        ("waiting", 0, NO_ANSWER, answer, "settled now", settle(false)),
        (
            "opened",
            0,
            NO_ANSWER,
            Recorded { facts: Ready, is_answer: true },
            "started, settled now",
            Effect::Settle { since: at(NOW), is_exit: false },
        ),
        // A pool enters the span again, and records nothing in it.
        ("settled", 0, ANSWER, Entered(Known), "settled", nothing),
        ("settled", 1, ANSWER, Exited, "settled", nothing),
        ("settled", 0, ANSWER, Active(Known), "settled", nothing),
        // Another attempt: what was recorded is no outcome of it.
        ("settled", 0, ANSWER, Retried, "running", nothing),
        ("running", 0, ANSWER, Retried, "running", nothing),
        ("opened", 0, NO_ANSWER, Retried, "opened", nothing),
        // The program has not finished.
        ("settled", 1, ANSWER, recorded(Known), "running", nothing),
        ("settled", 0, ANSWER, recorded(Known), "settled now", settle(false)),
    ]);
}

#[test]
fn operations_end_once() {
    use Facts::{Known, Missing, Unknown};
    use Input::{Active, Closed, EndedByProgram, Entered, Exited, Released};
    let nothing = Effect::Nothing;
    let end = |since, time| Effect::End { since: at(since), at: at(time) };
    check(&[
        ("opened", 0, NO_ANSWER, Closed(Unknown), "ended", nothing),
        ("opened", 0, NO_ANSWER, Closed(Missing), "ended", end(OPENED, NOW)),
        ("opened", 0, NO_ANSWER, Closed(Known), "ended", end(OPENED, NOW)),
        ("waiting", 0, NO_ANSWER, Closed(Unknown), "ended", nothing),
        ("waiting", 0, NO_ANSWER, Closed(Missing), "ended", end(SINCE, NOW)),
        ("running", 0, NO_ANSWER, Closed(Known), "ended", end(SINCE, NOW)),
        ("running", 0, ANSWER, Closed(Known), "ended", end(SINCE, NOW)),
        ("running", 0, NO_ANSWER, EndedByProgram, "ended", nothing),
        ("running", 1, ANSWER, Released, "running", nothing),
        ("settled", 0, ANSWER, Closed(Known), "ended", end(SINCE, NOW)),
        ("settled", 0, ANSWER, Released, "ended", end(SINCE, SETTLED)),
        // The pool's task is inside at this moment.
        ("settled", 1, ANSWER, Released, "ended", end(SINCE, SETTLED)),
        ("settled", 0, ANSWER, EndedByProgram, "ended", nothing),
        ("ended", 0, ANSWER, recorded(Known), "ended", nothing),
        ("ended", 0, ANSWER, Entered(Known), "ended", nothing),
        ("ended", 1, ANSWER, Exited, "ended", nothing),
        ("ended", 0, ANSWER, Active(Known), "ended", nothing),
        ("ended", 0, ANSWER, Released, "ended", nothing),
        ("ended", 0, ANSWER, Input::Retried, "ended", nothing),
        ("ended", 0, ANSWER, Closed(Known), "ended", nothing),
    ]);
}

/// Inputs in any order, as they come from several threads, with facts that may appear at any time.
fn inputs() -> impl Strategy<Value = Vec<Input>> {
    let facts = prop_oneof![Just(Facts::Unknown), Just(Facts::Missing), Just(Facts::Known), Just(Facts::Ready)];
    let input = (0..8_u8, facts, any::<bool>()).prop_map(|(kind, facts, is_answer)| match kind {
        0 => Input::Recorded { facts, is_answer },
        1 => Input::Entered(facts),
        2 => Input::Exited,
        3 => Input::Active(facts),
        4 => Input::Released,
        5 => Input::EndedByProgram,
        6 => Input::Retried,
        _ => Input::Closed(facts),
    });
    prop::collection::vec(input, 0..40)
}

proptest! {
    #[test]
    fn nothing_ends_twice_or_before_it_starts(inputs in inputs()) {
        let clock = Cell::new(OPENED);
        let tick = || {
            clock.set(clock.get() + 1);
            at(clock.get())
        };
        let mut lifecycle = SpanLifecycle::new(at(OPENED));
        let (mut started, mut ends, mut last_recorded) = (None, 0, at(OPENED));
        for input in inputs {
            let before = clock.get();
            let effect = lifecycle.next(input, &tick);
            if let Input::Recorded { .. } = input {
                last_recorded = at(before);
            }
            match effect {
                Effect::Nothing => {}
                Effect::Start { since } | Effect::Settle { since, .. } => {
                    prop_assert_eq!(ends, 0, "started after its end");
                    prop_assert_eq!(*started.get_or_insert(since), since, "two times of one start");
                }
                Effect::End { since, at } => {
                    prop_assert_eq!(*started.get_or_insert(since), since, "two times of one start");
                    prop_assert!(since <= at, "ended before it started");
                    prop_assert!(last_recorded <= at, "ended before the last thing was recorded");
                    ends += 1;
                }
            }
            if let Effect::Settle { .. } = effect {
                prop_assert_eq!(lifecycle.inside, 0, "settled while a thread is inside");
            }
        }
        prop_assert!(ends <= 1, "ended {ends} times");
    }
}
