//! Credentials that look real but are not valid.
//!
//! They are assembled at run time, so that no secret scanner reports this file.

/// Returns a fixed sequence of letters of both cases and digits, as in keys.
pub(crate) fn characters(count: usize) -> String {
    const KEY: &str = "a7Bq9Zk2Xw4Lm8Rt6Yp1Vs3Nc5Hd0Jf";
    KEY.chars().cycle().take(count).collect()
}

/// Returns a credential of each kind that is recognized by its format and secret as a whole.
pub(crate) fn credentials() -> Vec<String> {
    let key = characters;
    vec![
        format!("sk-ant-api03-{}", key(95)),
        format!("sk-proj-{}", key(48)),
        format!("sk-{}", key(48)),
        format!("sk-or-v1-{}", key(64)),
        format!("AIza{}", key(35)),
        format!("GOCSPX-{}", key(28)),
        format!("ya29.{}", key(60)),
        format!("gsk_{}", key(52)),
        format!("hf_{}", key(34)),
        format!("xai-{}", key(80)),
        format!("ghp_{}", key(36)),
        format!("gho_{}", key(36)),
        format!("github_pat_{}_{}", key(22), key(59)),
        format!("glpat-{}", key(20)),
        format!("xoxb-1234567890-{}", key(24)),
        format!("npm_{}", key(36)),
        format!("sk_live_{}", key(24)),
        format!("SG.{}.{}", key(22), key(43)),
        format!("AKIA{}", "IOSFODNN7EXAMPLE"),
        format!("hvs.{}", key(24)),
        format!("eyJ{}.eyJ{}.{}", key(30), key(60), key(43)),
    ]
}

/// Returns the lines between the first and the last line of a private key.
pub(crate) fn key_lines() -> String {
    let lines: Vec<_> = (0..5).map(|_| characters(64)).collect();
    format!("\n{}\n", lines.join("\n"))
}

/// Returns a private key in the format of OpenSSL.
pub(crate) fn private_key() -> String {
    format!("-----BEGIN RSA {}{}-----END RSA {}", "PRIVATE KEY-----", key_lines(), "PRIVATE KEY-----\n")
}
