//! Rules by which a price list finds providers and models.

use regex::Regex;
use serde::Deserialize;

/// A rule that the name of a provider or of a model satisfies or not. Names are compared in lower case.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Match {
    /// The name is this one.
    Equals(String),
    /// The name starts with this text.
    StartsWith(String),
    /// The name ends with this text.
    EndsWith(String),
    /// The name contains this text.
    Contains(String),
    /// The name contains a match of this expression.
    Regex(Expression),
    /// The name satisfies one of these rules.
    Any(Vec<Match>),
    /// The name satisfies all of these rules.
    All(Vec<Match>),
    /// The name does not satisfy this rule.
    Not(Box<Match>),
}

/// A regular expression, compiled when the price list is read, so that a wrong one is reported there.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Expression(Regex);

impl TryFrom<String> for Expression {
    type Error = regex::Error;

    fn try_from(pattern: String) -> Result<Self, Self::Error> {
        Regex::new(&pattern).map(Self)
    }
}

impl Match {
    /// Returns `true` if a name in lower case satisfies the rule.
    pub(super) fn accepts(&self, name: &str) -> bool {
        match self {
            Self::Equals(text) => name == text.to_lowercase(),
            Self::StartsWith(text) => name.starts_with(&text.to_lowercase()),
            Self::EndsWith(text) => name.ends_with(&text.to_lowercase()),
            Self::Contains(text) => name.contains(&text.to_lowercase()),
            Self::Regex(Expression(expression)) => expression.is_match(name),
            Self::Any(rules) => rules.iter().any(|rule| rule.accepts(name)),
            Self::All(rules) => rules.iter().all(|rule| rule.accepts(name)),
            Self::Not(rule) => !rule.accepts(name),
        }
    }
}
