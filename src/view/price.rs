//! What calls of models cost: a list of prices, and the search of a model's prices in it.
//!
//! The list in the program is made of the data of [genai-prices](https://github.com/pydantic/genai-prices) by
//! `price/import.py`; [`PriceList::read`] reads another one of the same form.

mod cost;
mod matching;
mod money;
mod rates;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::{error, fmt, fs, io};

use serde::Deserialize;
use siphasher::sip128::SipHasher13;

use crate::event::{UnixMillis, Usage};
use matching::Match;
use rates::Period;

pub use cost::Cost;
pub use money::Money;

/// Prices of models by provider, with the source and the date of the list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceList {
    /// Source of the prices, with its version.
    pub source: String,
    /// Licence of the source.
    #[serde(default)]
    pub licence: String,
    /// Day of the list's newest price, as `YYYY-MM-DD`.
    #[serde(default)]
    pub date: String,
    #[serde(rename = "unit")]
    _unit: Unit,
    /// Hash of the file that the list was read from. 0 for the list in the program, whose version stands for it.
    #[serde(skip)]
    pub(super) hash: u128,
    providers: Vec<Provider>,
}

/// Formats the source of the list with its date.
impl fmt::Display for PriceList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, licence, date, .. } = self;
        f.write_str(source)?;
        if !date.is_empty() {
            write!(f, ", of {date}")?;
        }
        if !licence.is_empty() {
            write!(f, ", {licence}")?;
        }
        Ok(())
    }
}

/// The unit of all prices of a list. It is stated in the list, so that nobody takes a price for one per thousand tokens.
#[derive(Debug, Deserialize)]
enum Unit {
    #[serde(rename = "USD per million tokens")]
    DollarsPerMillionTokens,
}

/// A provider with its models.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Provider {
    id: String,
    /// Rule for the names of the provider, besides its id.
    #[serde(rename = "match")]
    rule: Option<Match>,
    /// Rule for the models of the provider, where a call names no provider.
    model_match: Option<Match>,
    /// Ids of the providers whose models this one offers, too, at their prices.
    #[serde(default)]
    fallback: Vec<String>,
    models: Vec<Model>,
}

/// A model with its prices.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Model {
    /// Name for readers of the list.
    #[serde(rename = "id")]
    _id: String,
    #[serde(rename = "match")]
    rule: Match,
    /// Prices by period: the last one that contains a call counts, else the first.
    prices: Vec<Period>,
}

impl PriceList {
    /// Reads the list that is compiled into the program.
    pub fn embedded() -> Self {
        let parsed = serde_json::from_str(include_str!("price/prices.json"));
        parsed.unwrap_or_else(|error| unreachable!("a test reads the embedded price list: {error}"))
    }

    /// Reads a list from a file.
    ///
    /// # Errors
    /// Fails if the file cannot be read, or is no price list; the error names the file and the place in it.
    pub fn read(path: &Path) -> Result<Self, PriceListError> {
        let in_file = |problem| PriceListError { path: path.to_owned(), problem };
        let text = fs::read(path).map_err(|error| in_file(Problem::Unreadable(error)))?;
        let list: Self = serde_json::from_slice(&text).map_err(|error| in_file(Problem::Malformed(error)))?;
        Ok(Self { hash: SipHasher13::new().hash(&text).as_u128(), ..list })
    }

    /// Finds the model that a call used. A call may name its provider in any way that the list knows, or not at all.
    fn model(&self, provider: &str, model: &str) -> Option<&Model> {
        let (provider, model) = (provider.trim().to_lowercase(), model.trim().to_lowercase());
        let has_id = |candidate: &&Provider| candidate.id == provider;
        let has_name = |candidate: &&Provider| candidate.rule.as_ref().is_some_and(|rule| rule.accepts(&provider));
        let makes = |candidate: &&Provider| candidate.model_match.as_ref().is_some_and(|rule| rule.accepts(&model));
        let found = if provider.is_empty() {
            self.providers.iter().find(makes)
        } else {
            self.providers.iter().find(has_id).or_else(|| self.providers.iter().find(has_name))
        }?;
        let offered = found.fallback.iter().filter_map(|id| self.providers.iter().find(|other| other.id == *id));
        let mut models = std::iter::once(found).chain(offered).flat_map(|provider| &provider.models);
        models.find(|candidate| candidate.rule.accepts(&model))
    }
}

impl Model {
    fn cost(&self, usage: &Usage, started: UnixMillis) -> Cost {
        let period = self.prices.iter().rev().find(|period| period.contains(started)).or_else(|| self.prices.first());
        period.map_or(Cost::UNKNOWN, |period| period.cost(usage))
    }
}

/// A search for the prices of models that remembers what it found.
#[derive(Debug)]
pub(super) struct Pricing<'a> {
    list: &'a PriceList,
    /// Models by the names of provider and model.
    found: HashMap<(String, String), Option<&'a Model>>,
}

impl<'a> Pricing<'a> {
    /// Creates a search in a list.
    pub(super) fn new(list: &'a PriceList) -> Self {
        Self { list, found: HashMap::new() }
    }

    /// Returns the cost of a call of a model, which is unknown if the list does not have the model.
    pub(super) fn cost(&mut self, provider: &str, model: &str, usage: &Usage, started: UnixMillis) -> Cost {
        let list = self.list;
        let names = (provider.to_owned(), model.to_owned());
        let found = self.found.entry(names).or_insert_with(|| list.model(provider, model));
        found.map_or(Cost::UNKNOWN, |model| model.cost(usage, started))
    }
}

/// A file that is no price list.
#[derive(Debug)]
pub struct PriceListError {
    path: PathBuf,
    problem: Problem,
}

#[derive(Debug)]
enum Problem {
    Unreadable(io::Error),
    Malformed(serde_json::Error),
}

impl fmt::Display for PriceListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.problem {
            Problem::Unreadable(error) => write!(f, "cannot read the price list {path}: {error}"),
            Problem::Malformed(error) => write!(
                f,
                "{path} is no price list: {error}; a list looks like {{\"source\":\"ours\",\
                 \"unit\":\"USD per million tokens\",\"providers\":[{{\"id\":\"openai\",\"models\":[{{\"id\":\"m\",\
                 \"match\":{{\"starts_with\":\"m\"}},\"prices\":[{{\"input\":0.25,\"cache_read\":0.025,\
                 \"output\":2}}]}}]}}]}}"
            ),
        }
    }
}

impl error::Error for PriceListError {}

#[cfg(test)]
mod tests;
