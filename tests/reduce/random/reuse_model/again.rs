//! The calls that a list shows again, as the model finds them by their places.

use std::ops::Range;

use otel_trace::graph::{ItemId, Part, Role};

use super::{Call, Found, List, ListKind, Model};

impl Model<'_> {
    /// Returns the numbers of the calls that a list may show, beside those at equal places in earlier lists.
    pub(super) fn range(
        &self,
        list: &List,
        positions: &[usize],
        numbers: &[Option<usize>],
        found: &Found<'_>,
    ) -> Range<usize> {
        let is_continuation = matches!(list.kind, ListKind::Continuation { .. });
        let is_known = |at: usize| found.places.iter().any(|(items, _)| items[..] == list.items[..=at]);
        let is_before =
            |n: &usize| if is_continuation { positions[*n] < list.own_from } else { is_known(positions[*n]) };
        let before: Vec<usize> = (0..numbers.len()).take_while(is_before).collect();
        let highest = before.iter().filter_map(|&n| numbers[n]).max();
        if !is_continuation {
            return highest.map_or(0, |highest| highest + 1)..found.calls.len();
        }
        let open = self.open_before(list, positions, &before);
        open.first().and_then(|&n| numbers[n]).zip(highest).map_or(0..0, |(first, highest)| first..highest + 1)
    }

    /// "Else, counted from the end of the list, the last call with the same content that stands in its place; else the
    /// last call without an output with the same arguments but for quotation marks; else the calls without an output of
    /// completed responses in that place, if there are as many."
    pub(super) fn find_again(&self, list: &List, positions: &[usize], known: &Found<'_>, found: &mut [Option<usize>]) {
        let calls = &known.calls;
        let Range { start: low, end: high } = self.range(list, positions, found, known);
        let own = (0..positions.len()).filter(|&n| positions[n] >= list.own_from).collect::<Vec<_>>();
        let is_continuation = matches!(list.kind, ListKind::Continuation { .. });
        let range = |found: &[Option<usize>], n: usize| {
            let is_own = |m: &usize| !is_continuation || own.contains(m);
            let before = (0..n).filter(is_own).filter_map(|m| found[m]).map(|call| call + 1);
            let behind = (n + 1..found.len()).filter_map(|m| found[m]);
            before.fold(low, usize::max)..behind.fold(high, usize::min)
        };
        for &n in own.iter().rev() {
            if found[n].is_none() {
                let content = self.content(list.items[positions[n]]);
                let same = |call: &usize| self.has_content(*call, content, calls);
                found[n] = range(found, n).rev().find(same).filter(|call| !found.contains(&Some(*call)));
            }
        }
        for &n in &own {
            let call = known.call_of(list.items[positions[n]]).filter(|call| !found.contains(&Some(*call)));
            found[n] = found[n].or(call);
        }
        for &n in own.iter().rev() {
            let spelling = self.spelling(list.items[positions[n]]);
            let is_open = |call: &usize| {
                let Call { response, answered, items, .. } = &calls[*call];
                let is_spelled = items.first().is_some_and(|first| self.spelling(*first) == spelling);
                response.is_some() && answered.is_none() && self.is_complete(&calls[*call]) && is_spelled
            };
            if found[n].is_none() {
                found[n] = range(found, n).rev().find(is_open).filter(|call| !found.contains(&Some(*call)));
            }
        }
        let mut n = 0;
        while n < own.len() {
            let group: Vec<usize> = own[n..].iter().copied().take_while(|&m| found[m].is_none()).collect();
            if let Some(&first) = group.first() {
                let range = range(found, first).start..range(found, *group.last().unwrap()).end;
                let is_open = |call: &usize| calls[*call].response.is_some() && calls[*call].answered.is_none();
                let open: Vec<usize> = range.filter(is_open).collect();
                let complete: Vec<usize> =
                    open.iter().copied().filter(|call| self.is_complete(&calls[*call])).collect();
                if let Some(open) = [complete, open].into_iter().find(|open| open.len() >= group.len()) {
                    let (earlier, last) = open.split_at(open.len() - group.len());
                    let responded =
                        earlier.last().map(|&call| calls[call].response.as_ref().map_or(0, |(_, seq)| *seq));
                    if responded.is_some_and(|seq| {
                        seq > self.inference(&calls[last[0]]).map_or(0, |it| it.execution.started.seq.0)
                    }) {
                        n += group.len();
                        continue;
                    }
                    for (&m, &call) in group.iter().zip(last) {
                        let name = |id: Option<&ItemId>| id.map(|id| &self.content(*id).name);
                        let is_same_tool = name(calls[call].items.first()) == name(Some(&list.items[positions[m]]));
                        found[m] = Some(call).filter(|_| is_same_tool);
                    }
                }
            }
            n += group.len().max(1);
        }
    }

    /// Returns the tool and the arguments of a call without quotation marks.
    fn spelling(&self, item: ItemId) -> String {
        let content = self.content(item);
        let parts = content.parts.iter().filter_map(|part| match part {
            Part::Json { summary } | Part::Text(summary) => Some(summary.to_string()),
            Part::LabelledText { .. }
            | Part::Summary(_)
            | Part::Encoded { .. }
            | Part::Code { .. }
            | Part::PayloadRef { .. } => None,
        });
        format!("{}{:?}{:?}", parts.collect::<String>().replace('"', ""), content.namespace, content.name)
    }

    /// Returns those of the calls before the own items of a list that stand together last, if no output follows them.
    fn open_before(&self, list: &List, positions: &[usize], before: &[usize]) -> Vec<usize> {
        let Some(&last) = before.last() else { return Vec::new() };
        let call_id = &self.content(list.items[positions[last]]).call_id;
        let is_output = |id: &ItemId| self.content(*id).kind.is_output() && self.content(*id).call_id == *call_id;
        if list.items[positions[last]..list.own_from].iter().any(is_output) {
            return Vec::new();
        }
        let stands_together = |n: usize| {
            let between = &list.items[positions[n]..positions[last]];
            between.iter().all(|id| self.content(*id).role == Role::Assistant)
        };
        before.iter().copied().filter(|&n| stands_together(n)).collect()
    }
}
