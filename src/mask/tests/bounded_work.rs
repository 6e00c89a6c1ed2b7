//! The work of masking is bounded by the length of the text, whatever the text is.

use crate::mask::Masking;
use crate::mask::scan::work;

/// Length of the texts, in bytes. The work for a longer one would show the same ratio.
const LENGTH: usize = 12 * 1024;

/// Ordinary text of each kind that is masked most: prose, a program, JSON, a log.
const ORDINARY: [&str; 4] = [
    "The tests fail because the token counter of the second key is read before the session has ended. Pass it on. ",
    "    let key = keys.get(&name).ok_or(Error::MissingKey)?;\n    self.tokens.insert(key.clone(), token);\n",
    r#"{"type":"message","role":"user","content":[{"type":"text","text":"Read the file."}],"max_tokens":1024},"#,
    "2026-11-30T12:00:00Z INFO server: request path=/v1/keys status=200 bytes=512 token_count=17\n",
];

fn masking() -> Masking {
    Masking::new().name("x-tenant").name("plant")
}

/// Returns the number of bytes that are looked at to mask a unit that is repeated up to a length.
fn work_for(masking: &Masking, unit: &str, is_json: bool) -> u64 {
    let mut body = unit.repeat(LENGTH.div_ceil(unit.len())).into_bytes();
    body.truncate(LENGTH);
    work::during(|| {
        masking.body(&mut body, is_json);
    })
}

/// Returns texts that are hard for a search that looks far ahead or back: names, signs, quotes and escapes in every order.
fn hostile_units() -> Vec<String> {
    let names = ["password", "API_KEY", "--token", "authorization", "Cookie", "x-tenant", "plant", "x-client-secret"];
    let signs = [
        "=",
        ":",
        ": ",
        " = ",
        " ",
        "=\"",
        ": '",
        "\":\"",
        "\\\":\\\"",
        "\":{",
        "\",\"",
        ">",
        "=\\u0026",
        "[0m=",
        ":\\\\",
    ];
    let ends = ["", " ", "\n", "\\n", "\n ", "\"", "\\", "\\\\", "&", ";", "a, ", "(", "'"];
    let mut units = Vec::new();
    for name in names {
        for sign in signs {
            units.extend(ends.iter().map(|end| format!("{name}{sign}{end}")));
        }
    }
    let others = [
        "\"",
        "\\",
        "\\\"",
        "[",
        "{",
        "\u{1b}[1m",
        "\\u001b[1m",
        "1m",
        "[1m",
        "curl -u a:",
        "curl -",
        "curl ",
        "-u ",
        "://a:",
        "://:@",
        "://a:b@",
        "@",
        "sk-",
        "sk-a",
        "eyJ",
        "eyJa.",
        "eyJaaaaaaaaaaa.aaaaaaaaaaaa.",
        "-----BEGIN PRIVATE KEY-----",
        "-BEG",
        "Bearer ",
        "bearer a",
        "hf_",
        "xox",
        "SG.",
        "<password>",
        "<password ",
        "<a:password>",
        "</password>",
        "machine a login b password ",
        "login password ",
        "[a]\n",
        "[a]\npassword = a.b\n",
        "password = (\n",
        "  password=a, ",
        "\"token\":\"a\",",
        "[\"cookie\",",
        "[[\"password\",",
        "\"enum\":[\"password\",",
        "a=password&",
        "key",
        "keykeykey-",
        "token.token.",
        "password_",
        "password-",
        "passwordPassword",
        "authorization: Basic ",
        "Authorization: a\n b\n",
        "Cookie: a\n\t",
        "\"password\":{\"type\":\"",
        "\"password\":{\"description\":\"password: a\",",
        "'password': 'a",
        "${a}",
        "token=${a}",
        "token: $",
        "password: * #",
        "\\u0026password=",
        "\\npassword: ",
        "\\tpassword: ",
        "- password: ",
        "> authorization: ",
        "{authorization: \"",
        "\"name\":\"password\",\"value\":",
        "\"value\":\"a\",\"name\":\"password\",",
        "\"a\",\"name\":\"password\"",
        "\\\",\"name\":\"password\"",
        "\"name\":\"password\",\"a\":1,\"b\":2,\"c\":3,\"d\":",
        "\"name\":\"password\",\"password\":\"a",
        "\"name\":\"password\",",
        " name=\"password\">",
        " name=\"password\" value=\"",
        "<a key=\"token\">b</a>",
        "'password': \"",
        "'password': 'a\\'",
        "'password':'",
        "password: |\n  a\n",
        "password: |\n ",
        " password: >\n",
        "  password: |\n   a\n",
        "a.password=a\n",
        "a.b.password = a\n",
        "password.password=",
        "$env:password = ",
        "-Da.password=a ",
        "--set password=a ",
        "--a=password=a ",
        "--a='password=",
        ";password=a;",
        ";password=<&",
        "\"id\":\"sk-ant-aaaaaaaaaaaaaaaa1\",",
        "\"id\": [\"AKIAAAAAAAAAAAAAAAAA ",
        "Authorization: a\n }\n",
    ];
    units.extend(others.map(str::to_owned));
    units
}

#[test]
fn no_text_takes_three_times_the_work_of_ordinary_text() {
    let masking = masking();
    let ordinary = ORDINARY.iter().map(|unit| work_for(&masking, unit, false)).max().unwrap_or_default();
    let units = hostile_units();
    assert!(units.len() > 1_000, "{}", units.len());
    let mut worst: Vec<_> = Vec::new();
    for unit in &units {
        for is_json in [false, true] {
            worst.push((work_for(&masking, unit, is_json), unit));
        }
    }
    worst.sort();
    worst.reverse();
    let (work, unit) = worst[0];
    assert!(work <= 3 * ordinary, "{work} bytes for {unit:?}, {ordinary} for ordinary text; {:?}", &worst[..20]);
}
