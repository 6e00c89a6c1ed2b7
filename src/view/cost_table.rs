//! What a run cost: by agent and model.

use std::collections::HashMap;

use serde::Serialize;

use crate::event::{ThreadId, Usage};
use crate::graph::{Graph, Totals};

use super::costs::Costs;
use super::layout::{BOLD, DIM, Line, PLAIN};
use super::price::Pricing;
use super::table::{Header, lay_out};
use super::text::{grouped, percent};
use super::{Cost, PriceList, json};

/// What a run cost, by agent and model.
#[derive(Debug)]
pub struct CostTable {
    rows: Vec<Row>,
    total: Row,
    /// Source and date of the prices.
    prices: String,
}

/// The calls that an agent made of one model, compaction requests included.
#[derive(Debug, Clone, Default)]
struct Row {
    thread_id: String,
    agent: String,
    model: String,
    provider: String,
    calls: u64,
    totals: Totals,
    cost: Cost,
    /// Whether a call has tokens without a price, and whether one has no count of tokens.
    has_no_price: bool,
    has_no_usage: bool,
}

impl Row {
    fn add(&mut self, usage: Option<Usage>, cost: Cost) {
        self.calls += 1;
        self.has_no_price |= cost.is_incomplete() && usage.is_some();
        self.has_no_usage |= cost.is_incomplete() && usage.is_none();
        self.totals.add_usage(usage);
        self.cost = self.cost.plus(cost);
    }
}

/// The sums of a run's calls while they are added up.
struct Sums<'a> {
    graph: &'a Graph,
    /// Place of the row of a thread, provider and model.
    places: HashMap<(&'a ThreadId, &'a str, &'a str), usize>,
    rows: Vec<Row>,
    total: Row,
}

impl<'a> Sums<'a> {
    fn add(&mut self, thread: &'a ThreadId, names: (&'a str, &'a str), usage: Option<Usage>, cost: Cost) {
        let Self { graph, places, rows, total } = self;
        let (provider, model) = names;
        let place = *places.entry((thread, provider, model)).or_insert_with(|| {
            let found = graph.threads.get(thread);
            let name = found.map(|found| found.agent_name().to_owned());
            rows.push(Row {
                thread_id: thread.to_string(),
                agent: name.unwrap_or_default(),
                model: model.to_owned(),
                provider: provider.to_owned(),
                ..Row::default()
            });
            rows.len() - 1
        });
        let row = rows.get_mut(place);
        row.into_iter().chain([total]).for_each(|sum| sum.add(usage, cost));
    }
}

impl CostTable {
    /// Adds up the calls of a run.
    pub fn new(graph: &Graph, prices: &PriceList) -> Self {
        let costs = Costs::new(graph, &mut Pricing::new(prices));
        let mut sums = Sums { graph, places: HashMap::new(), rows: Vec::new(), total: Row::default() };
        for call in graph.inference_calls.iter() {
            let names = (&*call.provider_name, &*call.model);
            sums.add(&call.thread_id, names, call.usage, costs.call(&call.inference_call_id));
        }
        for request in graph.compaction_requests.iter() {
            let names = (&*request.provider_name, &*request.model);
            sums.add(
                &request.thread_id,
                names,
                request.usage,
                costs.compaction_request(&request.compaction_request_id),
            );
        }
        let Sums { mut rows, total, .. } = sums;
        // Agents in the order of their threads, and models in that of their first calls.
        rows.sort_by_key(|row| graph.threads.index_of(&*row.thread_id));
        Self { rows, total, prices: prices.to_string() }
    }

    /// Lays out the table in this number of columns, with a line on the prices.
    pub fn lines(&self, columns: usize) -> Vec<Line> {
        let column = |name, is_number| Header { name, is_number };
        let headers = [
            column("agent", false),
            column("model", false),
            column("requests", true),
            column("in", true),
            column("cached", true),
            column("written", true),
            column("out", true),
            column("reasoning", true),
            column("cost", true),
        ];
        let total = Row { agent: "all".to_owned(), ..self.total.clone() };
        let rows = self.rows.iter().chain([&total]).map(|row| {
            let totals = &row.totals;
            vec![
                row.agent.clone(),
                row.model.clone(),
                grouped(row.calls),
                grouped(totals.input_tokens),
                percent(totals.cached_input_tokens, totals.input_tokens).unwrap_or_default(),
                grouped(totals.cache_write_input_tokens),
                grouped(totals.output_tokens),
                grouped(totals.reasoning_output_tokens),
                row.cost.to_string(),
            ]
        });
        let lines = lay_out(&headers, rows.collect(), 1, columns);
        let last = lines.len().saturating_sub(1);
        let style = |place| if place == 0 || place == last { BOLD } else { PLAIN };
        let styled = lines.into_iter().enumerate().map(|(place, text)| Line::new(style(place), text));
        let mut lines: Vec<_> = styled.collect();
        let mut notes = vec![format!("prices: {}", self.prices)];
        let names = |has: fn(&Row) -> bool| {
            let mut names: Vec<_> = self.rows.iter().filter(|row| has(row)).map(|row| &*row.model).collect();
            names.sort_unstable();
            names.dedup();
            (!names.is_empty()).then(|| names.join(", "))
        };
        notes.extend(
            names(|row| row.has_no_price).map(|names| format!("– no price in the list: {names}; see --prices")),
        );
        notes.extend(names(|row| row.has_no_usage).map(|names| format!("– no count of tokens in a call of: {names}")));
        lines.push(Line::default());
        for note in notes {
            let mut draft = super::layout::Draft::default();
            draft.elastic(DIM, "", &note, 0, "");
            lines.push(draft.finish(columns));
        }
        lines
    }

    /// Returns the table as JSON.
    pub fn to_json(&self) -> String {
        #[derive(Serialize)]
        struct Table<'a> {
            rows: Vec<RowJson<'a>>,
            total: RowJson<'a>,
            prices: &'a str,
        }
        let rows = self.rows.iter().map(RowJson::new).collect();
        let table = Table { rows, total: RowJson::new(&self.total), prices: &self.prices };
        serde_json::to_string(&table).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct RowJson<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    thread_id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    agent: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    provider: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    model: &'a str,
    requests: u64,
    input_tokens: u64,
    cached_input_tokens: u64,
    cache_write_input_tokens: u64,
    output_tokens: u64,
    reasoning_output_tokens: u64,
    cost: json::CostJson,
}

impl<'a> RowJson<'a> {
    fn new(row: &'a Row) -> Self {
        let Row { thread_id, agent, model, provider, calls, totals, cost, has_no_price: _, has_no_usage: _ } = row;
        Self {
            thread_id,
            agent,
            provider,
            model,
            requests: *calls,
            input_tokens: totals.input_tokens,
            cached_input_tokens: totals.cached_input_tokens,
            cache_write_input_tokens: totals.cache_write_input_tokens,
            output_tokens: totals.output_tokens,
            reasoning_output_tokens: totals.reasoning_output_tokens,
            cost: json::CostJson::new(*cost),
        }
    }
}
