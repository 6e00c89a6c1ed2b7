//! Names of tools, as calls and programs spell them.

use std::collections::HashSet;
use std::sync::Arc;

use crate::event::ToolKind;

/// The name of a tool with its namespaces, such as the name of an MCP server.
///
/// Programs spell one name in several ways: `mcp__docs-v2__find`, `docs.v2/find` or `Docs_v2.Find`. All of them are the
/// text `docs_v2_find` here.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ToolName {
    whole: Arc<str>,
    /// The endings of the name that lack its first namespaces, the longest one first.
    endings: Vec<Arc<str>>,
}

/// The highest number of endings of a name. Of names with more namespaces, the shortest endings count.
const MAX_ENDINGS: usize = 3;

impl ToolName {
    /// Parses the name of a call. Returns `None` for a name without a letter or a digit.
    pub(crate) fn of_call(namespace: Option<&str>, name: &str) -> Option<Self> {
        Self::parse(namespace.into_iter().chain([name]))
    }

    /// Returns the names that a tool may have, the most specific one first: the name in its kind, and its label. A label
    /// with a space is a text for people, and one that lacks the namespaces of the name in the kind says less.
    pub(crate) fn of_tool(label: Option<&str>, kind: &ToolKind) -> Vec<Self> {
        let of_kind = kind.contained_name().and_then(|(server, name)| Self::of_call(server, name));
        let label = label.and_then(name_in_label).and_then(|label| Self::of_call(None, label));
        let is_new = |label: &Self| of_kind.iter().all(|of_kind| !of_kind.with_endings().any(|it| *it == label.whole));
        let label = label.filter(is_new);
        of_kind.into_iter().chain(label).collect()
    }

    /// Parses a name that is given in parts. Each part may contain further namespaces.
    fn parse<'a>(parts: impl Iterator<Item = &'a str>) -> Option<Self> {
        let names = parts.flat_map(|part| part.split(['.', '/', ':'])).flat_map(|part| part.split("__"));
        let mut names: Vec<&str> =
            names.map(|name| name.trim_matches(is_filler)).filter(|name| !name.is_empty()).collect();
        if names.len() > 1 && names[0] == "mcp" {
            names.remove(0);
        }
        let joined = |from: usize| Arc::from(names[from..].join("_").replace(is_filler, "_").to_lowercase());
        let first_ending = names.len().saturating_sub(MAX_ENDINGS).max(1);
        (!names.is_empty())
            .then(|| Self { whole: joined(0), endings: (first_ending..names.len()).map(joined).collect() })
    }

    /// Returns the name and its endings, the longest one first.
    fn with_endings(&self) -> impl Iterator<Item = &Arc<str>> {
        [&self.whole].into_iter().chain(&self.endings)
    }
}

/// Returns the name of a tool as the program spells it: the name in its kind, else its label.
pub(crate) fn spelled_name<'a>(label: Option<&'a str>, kind: &'a ToolKind) -> Option<&'a str> {
    kind.contained_name().map(|(_, name)| name).or_else(|| label.and_then(name_in_label))
}

/// Returns the label of a tool if it is a name. Returns `None` for a label with a space, which is a text for people.
fn name_in_label(label: &str) -> Option<&str> {
    (!label.contains(char::is_whitespace)).then_some(label)
}

/// Returns `true` for characters that programs replace, because a provider does not allow them in names.
fn is_filler(character: char) -> bool {
    !character.is_alphanumeric()
}

/// The names that the call of a tool may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ToolNameMatch {
    /// This name with its namespaces.
    Whole(Arc<str>),
    /// A name with further namespaces before this one.
    Ending(Arc<str>),
}

/// A group of calls with similar names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum NameGroup {
    Any,
    Unknown,
    Whole(Arc<str>),
    Ending(Arc<str>),
}

impl NameGroup {
    /// Returns the groups that a call belongs to.
    pub(crate) fn of_call(name: Option<&ToolName>) -> Vec<Self> {
        let Some(name) = name else { return vec![Self::Any, Self::Unknown] };
        let endings = name.endings.iter().cloned().map(Self::Ending);
        [Self::Any, Self::Whole(Arc::clone(&name.whole))].into_iter().chain(endings).collect()
    }

    /// Returns the groups whose calls a tool may run.
    pub(crate) fn of_tool(name: Option<&ToolNameMatch>) -> Vec<Self> {
        match name {
            None => vec![Self::Any],
            Some(ToolNameMatch::Whole(name)) => vec![Self::Whole(Arc::clone(name)), Self::Unknown],
            Some(ToolNameMatch::Ending(name)) => vec![Self::Ending(Arc::clone(name)), Self::Unknown],
        }
    }
}

/// The names of the calls and of the tools in a thread.
///
/// A tool runs only calls of its own name. Many programs label their tools for people, for instance `Search` for the
/// tool `web_search`, and they do so for all tools alike. So the names of tools count in a thread if at least one tool
/// has the name of a call, and no name counts otherwise. This is a property of the thread, not of the tool: in a thread
/// whose names count, a tool with a name that no call has runs a call that was not recorded, and must not get the call of
/// another tool.
#[derive(Debug, Default)]
pub(crate) struct NamesInThread {
    of_calls: Names,
    of_tools: Names,
    /// `true` if a tool has the name of a call.
    is_comparable: bool,
}

/// A set of names.
#[derive(Debug, Default)]
struct Names {
    whole: HashSet<Arc<str>>,
    endings: HashSet<Arc<str>>,
}

impl NamesInThread {
    /// Adds the name of a call.
    pub(crate) fn add_call(&mut self, name: &ToolName) {
        self.is_comparable |= self.of_tools.has_similar(name);
        self.of_calls.add(name);
    }

    /// Adds the names that a tool may have.
    pub(crate) fn add_tool(&mut self, names: &[ToolName]) {
        for name in names {
            self.is_comparable |= self.of_calls.has_similar(name);
            self.of_tools.add(name);
        }
    }

    /// Returns the names that the call of a tool may have. Returns `None` if it may have any name, because the tool has
    /// no name that can be compared.
    ///
    /// A name of the tool that some call has decides, and so does the longest ending that some call has as its name. The
    /// program spells names as its calls do, so that calls with the same ending in other namespaces are of other tools.
    pub(crate) fn of_tool(&self, names: &[ToolName]) -> Option<ToolNameMatch> {
        let first = names.first().filter(|_| self.is_comparable)?;
        let whole = names.iter().map(|name| &name.whole).find(|name| self.of_calls.whole.contains(*name));
        let shorter = || names.iter().flat_map(|name| &name.endings).find(|name| self.of_calls.whole.contains(*name));
        if let Some(name) = whole.or_else(shorter) {
            return Some(ToolNameMatch::Whole(Arc::clone(name)));
        }
        let ending = names.iter().map(|name| &name.whole).find(|name| self.of_calls.endings.contains(*name));
        let ending = ending.map(|name| ToolNameMatch::Ending(Arc::clone(name)));
        Some(ending.unwrap_or_else(|| ToolNameMatch::Whole(Arc::clone(&first.whole))))
    }
}

impl Names {
    fn add(&mut self, name: &ToolName) {
        self.whole.insert(Arc::clone(&name.whole));
        self.endings.extend(name.endings.iter().cloned());
    }

    /// Returns `true` if the set contains the name, with or without further namespaces.
    fn has_similar(&self, name: &ToolName) -> bool {
        self.endings.contains(&name.whole) || name.with_endings().any(|name| self.whole.contains(name))
    }
}
