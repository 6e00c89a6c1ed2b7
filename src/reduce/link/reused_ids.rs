//! Sets apart the calls of a reused call id.
//!
//! Some providers number their calls anew in each message, so that many calls of a thread have one id. No tool may get
//! the arguments or the output of another tool's call.
//!
//! # The rule
//! **Reused ids.** An id is reused in a thread if a response made a call with it after another call with it was made or
//! shown (even if the response was recorded without its content, see below), if one list shows two calls with it, or if
//! two calls with it name different tools. In a thread with responses without content, two contents are enough. A list
//! is what a model was shown or returned: a request with all that it continues, a response after its request, or the
//! history before or after a compaction. An id that is not reused belongs to one call, however often its items were
//! recorded.
//!
//! **Calls.** Each call item of a response is a call. A call item of a request or a checkpoint is one of the calls so
//! far, or a call of its own whose response was not recorded. Two items of one list are two calls. An item is the first
//! of these that is no other call of the list:
//! 1. the call at its place in an earlier list with the same items up to there,
//! 2. the call of a response that the list names by the id that the provider gave the item, if no other call of a
//!    response has this id and both name the same tool,
//! 3. the call without an output at its place in the response to the request that the list begins with, if only one
//!    inference call completed with this request, or with it and the same instructions beside its items, and both name the same tool: the program rewrote the call,
//! 4. the call with the same content and the same output behind it, if only one call had the output and may stand at this
//!    place. It may also have another content, which the program rewrote: the two name the same tool, the output is the
//!    first of the call, no call began with the new content, and the list does not end with the output while the last call
//!    without an output names this tool. If a request ends with the output, it may be that of a later call with the same
//!    content that has no output yet, and decides nothing,
//! 5. the call that stood behind the same contents, with instructions if there is one, else without them,
//! 6. counted from the end of the list, the last call with the same content that may stand at its place: behind the calls
//!    before it and before the calls behind it. In a request that continues a response, only the calls that the response
//!    left without an output may,
//! 7. the call that the item belonged to in earlier lists,
//! 8. counted from the end, the last call of a completed response without an output that may stand at its place and has
//!    the same arguments but for quotation marks, because programs write numbers as texts,
//! 9. because programs rewrite arguments, and counted from the end: a call without an output that may stand at its place
//!    and names the same tool, of a completed response if there are enough, unless another such call was made at the
//!    same time,
//! 10. a call of its own.
//!
//! A content that only calls with one first content have, because the program rewrote them, is also the content of the
//! other calls that began like them. If calls that began differently have it, the program shortens arguments, and the
//! content is no evidence of other calls.
//!
//! A response that was recorded without its content made the calls that a request shows behind the request of its inference
//! call, up to the next item of another author, if no other inference call completed with this request. They are the same
//! calls in each list that has their outputs.
//!
//! A call that a response made is also the call of its own that stood behind the same contents in a request after the
//! start of the inference call: the response was recorded late.
//!
//! **Outputs.** An output belongs to a call before it in the list that first showed it, to the nearest one. If the
//! nearest calls stand together, without an output and an item of another author between them, the outputs behind them
//! belong to them in order, and further ones to the last of them. The place is no evidence in two cases:
//! 1. The call had another output, which the list dropped, the list ends with the new one, and a later call of a completed
//!    response has the same content and no output. The program dropped the earlier of two equal calls, and the output
//!    belongs to the last such call that the list shows nowhere else; of several such outputs, the last one to the last
//!    call, and so on. If the list is the first with the item of the call, the item belongs to the later call too.
//!    Elsewhere, the program shortened the output.
//! 2. The calls have outputs, and a response that was not recorded follows them. The output belongs to no call.
//!
//! An output with the content of an earlier one is another output if it stands behind another call, see
//! `fold/answered_calls.rs`.
//!
//! **Tools.** A tool runs a call that no other tool runs and that had no output in a list before the tool started. It is
//! a call of a response, as [`RequestedCalls::take`](crate::reduce::requested_calls::RequestedCalls::take) chooses it,
//! otherwise the first call of its own that a request showed after the tool had started. Otherwise the tool has no call,
//! which is reported. Of the responses to one request, one whose calls have outputs goes before the others.
//! If the last response of the tool's turn was recorded without its content, the tool runs no call of an earlier
//! response. A call with the arguments in the tool's invocation goes before others; it is reported if there is none and
//! the tool runs a call with other arguments. A call of a response that was cut off is run by tools that start before the next inference call of
//! the turn and before the end of the turn: programs that do not run it ask again. The names of a tool and its call agree
//! where they can be compared, see [`NamesInThread`](crate::reduce::tool_name::NamesInThread).
//!
//! **Results.** If one tool returned the text of an output, and no other tool with the id, the output belongs to this tool:
//! it runs the call of the output, or the output is moved to its call, with the call item before it in the list, see
//! `recorded_results.rs`.
//!
//! **What cannot be told** is reported:
//! - a request that lacks earlier items shows an equal call in place of a later one, or of one that another response
//!   made behind the same contents,
//! - an output that a list showed first stands behind a call whose place decides nothing, and a call that the list does
//!   not show has the same content and no output, or, if the program rewrote or shortened the call, may be meant as well
//!   (`confused.rs` finds these, and `doubts.rs` leaves out what the times and results of tools decide: a list cannot show
//!   the output of a tool that had not ended),
//! - an output that belongs to no tool may be that of a tool without an output or with an equal one
//!   (`unlinked.rs`),
//! - a tool has an output that differs from its result, and another call has an output that is equal to it,
//! - two tools start after the responses of both calls, so that either may run either call. If tools of the thread start
//!   before the ends of their responses, so may a tool that starts during the other inference call,
//! - a response without its content arrived between the response of a tool's call and the tool,
//! - a list shows a call of a response by a new item before an output of another call.
//!
//! **Code cells** run calls by the same rule, if the input of the call is a script.

mod choice;
mod confused;
mod equal_calls;
mod find;
mod known_calls;
mod runs;

use super::visible_call::ReusedCalls;
use crate::event::{CallId, ThreadId};
use crate::reduce::Work;
use crate::reduce::fold::Conversations;
use known_calls::KnownCalls;
pub(super) use runs::{CutOffs, OpenRuns, UnknownCalls};

/// Returns the calls of each reused id, in order of their first items.
pub(super) fn reused_calls(
    conversations: &Conversations,
    work: &mut Work,
) -> impl Iterator<Item = (ThreadId, CallId, ReusedCalls)> {
    let ids = &conversations.shown.ids;
    let mut calls: Vec<_> = ids.iter().map(|id| id.is_reused.then(|| KnownCalls::new(conversations))).collect();
    for list in &conversations.shown.lists {
        if let Some(calls) = &mut calls[list.id] {
            work.link_probes += (list.calls.len() + list.outputs.len()) as u64;
            calls.add_list(list);
        }
    }
    let found = ids.iter().zip(calls);
    found.filter_map(|(id, calls)| Some((id.thread_id.clone(), id.call_id.clone(), calls?.into_calls())))
}
