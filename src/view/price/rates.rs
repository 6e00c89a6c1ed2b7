//! The rates of a model: what a token of each category costs, in which period and above how many input tokens.

use jiff::civil::{Date, Time};
use jiff::tz::Offset;
use serde::Deserialize;

use super::{Cost, Money};
use crate::event::{UnixMillis, Usage};

/// The rates of a model in one period: from a date on, or at a time of day. Times are UTC.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Period {
    /// First day of the period. `None` if it has always been.
    since: Option<Date>,
    /// Start of the period on each day.
    from: Option<Time>,
    /// End of the period on each day, on the next one if it is before the start.
    to: Option<Time>,
    input: Option<Rate>,
    cache_read: Option<Rate>,
    cache_write: Option<Rate>,
    cache_write_1h: Option<Rate>,
    output: Option<Rate>,
    reasoning: Option<Rate>,
}

/// The price of a token of one category.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Rate {
    Flat(PerToken),
    Tiered(Tiered),
}

/// The price of a token that depends on how many input tokens the request has. All of its tokens have one price.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tiered {
    base: PerToken,
    tiers: Vec<Tier>,
}

/// The price of a token in requests with more than `above` input tokens.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tier {
    above: u64,
    price: PerToken,
}

/// The price of one token in picodollars. In a list, a number of US dollars per million tokens.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "f64")]
struct PerToken(u64);

/// Picodollars per token in one dollar per million tokens.
const PER_DOLLAR_PER_MILLION: f64 = 1_000_000.0;
/// Largest price in dollars per million tokens.
const MAX_PRICE: f64 = 1_000_000.0;

impl TryFrom<f64> for PerToken {
    type Error = String;

    fn try_from(dollars: f64) -> Result<Self, Self::Error> {
        if !(0.0..=MAX_PRICE).contains(&dollars) {
            return Err(format!(
                "{dollars} is no price: expected US dollars per million tokens, from 0 to {MAX_PRICE}"
            ));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range, as just checked")]
        let picodollars = (dollars * PER_DOLLAR_PER_MILLION).round() as u64;
        Ok(Self(picodollars))
    }
}

impl Rate {
    /// Returns the price of a token in a request with this number of input tokens.
    fn of_request(&self, input_tokens: u64) -> PerToken {
        match self {
            Self::Flat(price) => *price,
            Self::Tiered(Tiered { base, tiers }) => {
                let reached = tiers.iter().filter(|tier| input_tokens > tier.above);
                reached.max_by_key(|tier| tier.above).map_or(*base, |tier| tier.price)
            }
        }
    }
}

impl Period {
    /// Returns `true` if a call that started at this time falls into the period.
    pub(super) fn contains(&self, started: UnixMillis) -> bool {
        let Ok(started) = jiff::Timestamp::from_millisecond(started.0) else { return self.is_unconditional() };
        let started = Offset::UTC.to_datetime(started);
        let has_begun = self.since.is_none_or(|since| started.date() >= since);
        let is_at_time = match (self.from, self.to) {
            (Some(from), Some(to)) if to < from => started.time() >= from || started.time() < to,
            (from, to) => from.is_none_or(|from| started.time() >= from) && to.is_none_or(|to| started.time() < to),
        };
        has_begun && is_at_time
    }

    fn is_unconditional(&self) -> bool {
        self.since.is_none() && self.from.is_none() && self.to.is_none()
    }

    /// Returns the cost of the tokens. Tokens of a category without a price make it incomplete.
    pub(super) fn cost(&self, usage: &Usage) -> Cost {
        let Usage {
            input_tokens,
            cached_input_tokens,
            cache_write_input_tokens,
            cache_write_1h_input_tokens,
            output_tokens,
            reasoning_output_tokens,
        } = *usage;
        let uncached = input_tokens.saturating_sub(cached_input_tokens).saturating_sub(cache_write_input_tokens);
        let short_writes = cache_write_input_tokens.saturating_sub(cache_write_1h_input_tokens);
        // Reasoning costs what other output costs, unless a model has a price of its own for it.
        let (answer, reasoning) = match &self.reasoning {
            Some(rate) => {
                (output_tokens.saturating_sub(reasoning_output_tokens), Some((reasoning_output_tokens, rate)))
            }
            None => (output_tokens, None),
        };
        let categories = [
            (uncached, self.input.as_ref()),
            (cached_input_tokens, self.cache_read.as_ref()),
            (short_writes, self.cache_write.as_ref()),
            (cache_write_1h_input_tokens, self.cache_write_1h.as_ref()),
            (answer, self.output.as_ref()),
        ];
        let reasoning = reasoning.map(|(tokens, rate)| (tokens, Some(rate)));
        let used = categories.into_iter().chain(reasoning).filter(|(tokens, _)| *tokens > 0);
        used.map(|(tokens, rate)| match rate {
            Some(rate) => {
                let PerToken(price) = rate.of_request(input_tokens);
                Cost::of(Money::from_picodollars(u128::from(tokens) * u128::from(price)))
            }
            None => Cost::UNKNOWN,
        })
        .fold(Cost::of(Money::default()), Cost::plus)
    }
}
