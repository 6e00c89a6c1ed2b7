//! Authorization schemes before a secret, in header lines and in the values of fields.

use super::scan;

/// Names of authorization schemes, of the IANA registry and of providers. The scheme itself is no secret.
const SCHEMES: [&str; 42] = [
    "api-key",
    "api-token",
    "apikey",
    "apitoken",
    "aws",
    "aws3-https",
    "aws4-hmac-sha256",
    "basic",
    "bearer",
    "bot",
    "client-cert",
    "concealed",
    "digest",
    "dpop",
    "genie-key",
    "gnap",
    "goog-access-token",
    "googlelogin",
    "hawk",
    "hmac",
    "hmac-sha256",
    "hoba",
    "jwt",
    "key",
    "klaviyo-api-key",
    "mutual",
    "negotiate",
    "ntlm",
    "oauth",
    "privatetoken",
    "pow",
    "scram-sha-1",
    "scram-sha-256",
    "sharedaccesssignature",
    "sharedkey",
    "sharedkeylite",
    "signature",
    "splunk",
    "ssws",
    "token",
    "vapid",
    "zoho-oauthtoken",
];

/// Maximum length of a scheme, in bytes.
const MAX_SCHEME: usize = 24;

/// Returns the length of the authorization scheme at the start of a value, with the blanks after it, in bytes. Returns 0
/// if there is no known scheme, or nothing after it.
pub(super) fn scheme_length(value: &[u8]) -> usize {
    let bounded = &value[..value.len().min(MAX_SCHEME + 1)];
    let length = scan::run(bounded, 0, |byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let start = scan::skip_blanks(value, length);
    if start > length && start < value.len() && is_scheme(&value[..length]) { start } else { 0 }
}

/// Returns the length of a scheme at the start of a value like [`scheme_length`], but only of schemes whose names are no
/// words of sentences.
pub(super) fn common_scheme_length(value: &[u8]) -> usize {
    let length = scheme_length(value);
    let name = value[..length].trim_ascii_end();
    let is_common =
        ["apikey", "basic", "bearer", "digest", "negotiate"].iter().any(|it| name.eq_ignore_ascii_case(it.as_bytes()));
    if is_common { length } else { 0 }
}

/// Returns `true` for the name of a scheme.
pub(super) fn is_scheme(word: &[u8]) -> bool {
    SCHEMES.iter().any(|scheme| word.eq_ignore_ascii_case(scheme.as_bytes()))
}
