//! When the operations of a plain span start, settle and end: [`SpanLifecycle`].

#[cfg(test)]
mod tests;

use crate::event::Timestamp;

/// The lifecycle of the operations of a plain span, that is, of a span that no typed handle created.
///
/// ```text
///             entered, active                         exited by the last thread, or
///             (facts known), or                       recorded while no thread is inside
///             recorded (facts ready)                  (an answer is known)
///  ┌────────┐                         ┌─────────┐                          ┌─────────┐
///  │ opened ├────────────────────────►│ running ├─────────────────────────►│ settled │
///  └─┬─┬────┘                         └─▲─▲──┬──┘                          └─┬─┬──┬──┘
///    │ │ entered      ┌─────────┐ facts │ │  │          recorded             │ │  │
///    │ └─────────────►│ waiting ├───────┘ └──┼───────────────────────────────┘ │  │
///    │ (facts missing)└────┬────┘            │                                 │  │ released:
///    │                     │                 │ closed                   closed │  │ ends at the time
///    │ closed              │ closed          ▼                                 ▼  ▼ it settled
///    └─────────────────────┴───────────►  ended  ◄────────────────────────────────┘
/// ```
///
/// A span may stay open long after its operation is over: a connection pool or a spawned task holds a clone of it, and
/// may enter it again. So an operation with an answer or a result settles when no thread is inside any more and nothing
/// was recorded since. What comes next in the run releases it: its turn ends, a model is called, or recording ends. If
/// another exchange of the call begins before, it runs again.
///
/// It decides and does nothing itself: the caller carries out the [`Effect`] after it has released its lock. Every effect
/// names the time of the start, and may be carried out when the operations have already started.
#[derive(Debug)]
pub(super) struct SpanLifecycle {
    stage: Stage,
    opened_at: Timestamp,
    /// Number of threads inside the span.
    inside: u32,
    /// `true` if an answer, a result or an error was recorded.
    has_answer: bool,
}

/// What the operations of a span are waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing has happened in the span.
    Opened,
    /// The span was entered at this time, and facts of the start are still missing.
    Waiting(Timestamp),
    /// Started at `since`.
    Running {
        since: Timestamp,
    },
    /// Started at `since`. No thread is inside, and nothing was recorded in the span after `at`.
    Settled {
        since: Timestamp,
        at: Timestamp,
    },
    Ended,
}

/// How much is known of an operation that has not started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Facts {
    /// Not even its kind.
    Unknown,
    /// Its kind, but not a fact of its start that the callsite declares: the name and id of a tool call, the model and
    /// provider of a call of a model.
    Missing,
    /// Everything that the callsite declares.
    Known,
    /// Everything that a start event of its kind may have, so that it need not wait until the span is entered.
    Ready,
}

/// What happens to a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    /// Fields or a body were recorded. `is_answer` is `true` if they are the outcome of the operation.
    Recorded { facts: Facts, is_answer: bool },
    /// A thread entered the span.
    Entered(Facts),
    /// A thread exited the span.
    Exited,
    /// An operation was opened below the span, or an event or body is about to be recorded in it.
    Active(Facts),
    /// Another exchange begins in the span of a call of a model: what was recorded is the outcome of an earlier attempt.
    Retried,
    /// The turn or thread of the operation ends, a model is called in its thread, or recording ends.
    Released,
    /// The program ended the operation, while the span is open.
    EndedByProgram,
    /// The span closed.
    Closed(Facts),
}

/// What the caller must do with the operations of the span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Nothing,
    /// Start what has not started yet.
    Start {
        since: Timestamp,
    },
    /// Start what has not started yet. If `is_exit`, also store the answer in the fields: a thread has just finished its
    /// work in the span. Otherwise more fields may follow at once.
    Settle {
        since: Timestamp,
        is_exit: bool,
    },
    /// Start what has not started yet, and end it at this time.
    End {
        since: Timestamp,
        at: Timestamp,
    },
}

impl SpanLifecycle {
    /// Creates the lifecycle of a span that was opened at this time.
    pub(super) fn new(opened_at: Timestamp) -> Self {
        Self { stage: Stage::Opened, opened_at, inside: 0, has_answer: false }
    }

    /// Returns the effect of an input. Reads `clock` only where the time is needed: spans are entered often.
    pub(super) fn next(&mut self, input: Input, clock: &dyn Fn() -> Timestamp) -> Effect {
        match input {
            Input::Entered(_) => self.inside = self.inside.saturating_add(1),
            Input::Exited => self.inside = self.inside.saturating_sub(1),
            Input::Recorded { is_answer, .. } => self.has_answer |= is_answer,
            Input::Retried => self.has_answer = false,
            Input::Active(_) | Input::Released | Input::EndedByProgram | Input::Closed(_) => {}
        }
        let (stage, effect) = match self.stage {
            Stage::Opened => self.before_start(None, input, clock),
            Stage::Waiting(entered) => self.before_start(Some(entered), input, clock),
            Stage::Running { since } => self.after_start(since, input, clock),
            Stage::Settled { since, at } => self.after_settling(since, at, input, clock),
            Stage::Ended => (Stage::Ended, Effect::Nothing),
        };
        self.stage = stage;
        effect
    }

    /// Returns the next stage of operations that have not started. `entered` is the time at which their span was entered.
    fn before_start(&self, entered: Option<Timestamp>, input: Input, clock: &dyn Fn() -> Timestamp) -> (Stage, Effect) {
        let since = || entered.unwrap_or_else(clock);
        let start = || {
            let since = since();
            let started = (Stage::Running { since }, Effect::Start { since });
            self.settle_if_outside(since, false, clock).unwrap_or(started)
        };
        match input {
            Input::Recorded { facts: Facts::Ready, .. } => start(),
            Input::Recorded { facts: Facts::Known, .. } if entered.is_some() => start(),
            Input::Entered(Facts::Known | Facts::Ready) => start(),
            Input::Active(Facts::Missing | Facts::Known | Facts::Ready) => start(),
            Input::Entered(Facts::Unknown | Facts::Missing) | Input::Active(Facts::Unknown) => {
                (Stage::Waiting(since()), Effect::Nothing)
            }
            Input::Closed(Facts::Missing | Facts::Known | Facts::Ready) => {
                (Stage::Ended, Effect::End { since: entered.unwrap_or(self.opened_at), at: clock() })
            }
            Input::Closed(Facts::Unknown) | Input::EndedByProgram => (Stage::Ended, Effect::Nothing),
            Input::Recorded { .. } | Input::Exited | Input::Retried | Input::Released => (self.stage, Effect::Nothing),
        }
    }

    /// Returns the next stage of operations that have started and have not settled.
    fn after_start(&self, since: Timestamp, input: Input, clock: &dyn Fn() -> Timestamp) -> (Stage, Effect) {
        let running = Stage::Running { since };
        match input {
            Input::Recorded { .. } => {
                self.settle_if_outside(since, false, clock).unwrap_or((running, Effect::Start { since }))
            }
            Input::Exited => self.settle_if_outside(since, true, clock).unwrap_or((running, Effect::Nothing)),
            Input::Active(_) => (running, Effect::Start { since }),
            Input::Entered(_) | Input::Retried | Input::Released => (running, Effect::Nothing),
            Input::EndedByProgram => (Stage::Ended, Effect::Nothing),
            Input::Closed(_) => (Stage::Ended, Effect::End { since, at: clock() }),
        }
    }

    /// Returns the next stage of operations that have settled.
    fn after_settling(
        &self,
        since: Timestamp,
        at: Timestamp,
        input: Input,
        clock: &dyn Fn() -> Timestamp,
    ) -> (Stage, Effect) {
        let settled = (Stage::Settled { since, at }, Effect::Nothing);
        match input {
            Input::Recorded { .. } => {
                let running = (Stage::Running { since }, Effect::Nothing);
                self.settle_if_outside(since, false, clock).unwrap_or(running)
            }
            Input::Retried => (Stage::Running { since }, Effect::Nothing),
            Input::Entered(_) | Input::Exited | Input::Active(_) => settled,
            Input::Released => (Stage::Ended, Effect::End { since, at }),
            Input::EndedByProgram => (Stage::Ended, Effect::Nothing),
            Input::Closed(_) => (Stage::Ended, Effect::End { since, at: clock() }),
        }
    }

    /// Returns the settled stage if an answer is known and no thread is inside.
    fn settle_if_outside(
        &self,
        since: Timestamp,
        is_exit: bool,
        clock: &dyn Fn() -> Timestamp,
    ) -> Option<(Stage, Effect)> {
        let is_settled = self.has_answer && self.inside == 0;
        is_settled.then_some((Stage::Settled { since, at: clock() }, Effect::Settle { since, is_exit }))
    }
}
