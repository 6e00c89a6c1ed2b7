//! The members of items and parts by which copies of them are recognized.

/// Members that describe an item or a part. Clients that repeat it may leave them out: sources that the provider
/// consulted, scores, what called a tool, and the breakpoints of a cache, which move from request to request.
const DESCRIPTIONS: [&str; 7] =
    ["annotations", "cache_control", "caller", "logprobs", "page_age", "prompt_cache_breakpoint", "sources"];

/// Members with a program's own data, in which every member counts.
const PROGRAM_DATA: [&str; 7] =
    ["arguments", "attributes", "input", "input_schema", "metadata", "parameters", "schema"];

/// The members of a JSON object that its canonical text contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Members {
    All,
    /// Without members that are null or empty, at any depth, because some clients write them and others leave them out,
    /// and without [`DESCRIPTIONS`].
    Identifying,
}

impl Members {
    /// Returns which members count inside of the member `name`. Returns `None` if the member itself does not count.
    pub(super) fn inside(self, name: &str) -> Option<Self> {
        match self {
            Self::All => Some(Self::All),
            Self::Identifying if DESCRIPTIONS.contains(&name) => None,
            Self::Identifying if PROGRAM_DATA.contains(&name) => Some(Self::All),
            Self::Identifying => Some(Self::Identifying),
        }
    }

    /// Returns `true` if a member with this canonical value counts.
    pub(super) fn contain_value(self, canonical: &str) -> bool {
        self == Self::All || !is_empty(canonical)
    }

    /// Returns `true` if a canonical text may have a member that does not count. It takes less time than writing the
    /// text without them, because encoded files have no colons.
    pub(super) fn may_omit(canonical: &str) -> bool {
        memchr::memchr_iter(b':', canonical.as_bytes()).any(|colon| {
            let value = canonical.get(colon + 1..).unwrap_or_default();
            let name = canonical.get(..colon).unwrap_or_default();
            let name = name.strip_suffix('"').unwrap_or_default();
            EMPTY.iter().any(|empty| value.starts_with(empty))
                || DESCRIPTIONS.iter().any(|description| name.ends_with(description))
        })
    }
}

/// Canonical values that are null or empty.
const EMPTY: [&str; 4] = ["null", "[]", "{}", "\"\""];

fn is_empty(canonical: &str) -> bool {
    EMPTY.contains(&canonical)
}

#[cfg(test)]
mod tests {
    use super::super::canonical_json::identifying;
    use super::*;

    #[test]
    fn members_that_clients_leave_out_do_not_count() {
        let check = |json: &str, expected: &str| {
            assert!(Members::may_omit(json), "{json}");
            assert_eq!(identifying(json), expected, "{json}");
        };
        check(r#"{"a":null,"b":1}"#, r#"{"b":1}"#);
        check(r#"{"a":{"sources":[{"url":"u"}]},"b":1}"#, r#"{"b":1}"#);
        check(r#"{"a":{"b":{"c":[],"d":""},"e":{}},"f":0}"#, r#"{"f":0}"#);
        check(r#"[{"page_age":"1 day","url":"u"},{"a":null},null]"#, r#"[{"url":"u"},{},null]"#);
        check(r#"{"caller":{"type":"direct"},"a":""}"#, "{}");
        check(r#"{"a":[{"b":1,"cache_control":{"type":"ephemeral"}}]}"#, r#"{"a":[{"b":1}]}"#);
        check(r#"{"a":{"prompt_cache_breakpoint":{"mode":"explicit"}}}"#, "{}");
    }

    #[test]
    fn other_members_count() {
        for json in [
            r#"{"a":false,"b":0,"c":[null],"d":[{}],"e":" "}"#,
            r#"{"arguments":{"a":null,"sources":[]},"parameters":{"properties":{"caller":{}}}}"#,
            r#"{"text":"\"caller\":null"}"#,
        ] {
            assert_eq!(identifying(json), json);
        }
        assert!(!Members::may_omit(r#"{"a":1,"source":{"data":"aGk=","url":"data:image/png"}}"#));
    }
}
