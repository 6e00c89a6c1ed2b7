//! Random passwords in every form in which a name and a value are written, whatever the passwords are made of.

use otel_trace::Masking;
use serde_json::{Value, json};

/// A reproducible source of random numbers (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap()
    }

    fn password(&mut self, characters: &[u8]) -> String {
        let length = 8 + self.next() % 25;
        (0..length).map(|_| char::from(characters[self.next() % characters.len()])).collect()
    }
}

/// What passwords are made of, and how many of [`PASSWORDS`] may look like a placeholder or a line of a program, and stay.
fn alphabets() -> [(&'static str, Vec<u8>, usize); 4] {
    let printable = || b'!'..=b'~';
    let words: Vec<u8> = printable().filter(u8::is_ascii_alphanumeric).collect();
    let base64 = words.iter().copied().chain(*b"+/").collect();
    let signs = printable().filter(|byte| !byte.is_ascii_alphanumeric()).collect();
    [
        ("letters and digits", words, 0),
        ("base64", base64, 0),
        ("printable characters", printable().collect(), PASSWORDS / 200),
        ("signs", signs, PASSWORDS / 200),
    ]
}

/// Number of passwords of each alphabet in each form.
const PASSWORDS: usize = 600;

/// The forms, with `@` in place of the password, and the characters that cannot stand in that form as they are.
const FORMS: [(&str, &str); 43] = [
    ("DB_PASSWORD=@", ""),
    ("A=1\nDB_PASSWORD=@\nB=2\n", ""),
    ("export API_TOKEN=@\n", ""),
    ("export db_password=@\n", ""),
    ("env PGPASSWORD=@ psql -h localhost", ""),
    ("docker run -e MYSQL_PWD=@ image", ""),
    ("['DB_PASS=@', 'A=1']", "'"),
    ("tool --password=@ --verbose", ""),
    ("tool --api-key @ --verbose", ""),
    ("tool '--client-secret=@' --verbose", "'"),
    ("db:\n  password: @\n  host: x\n", ""),
    ("- token: @\n", ""),
    ("user=x\npassword=@\nhost=h\n", ""),
    ("[default]\naws_secret_access_key = @\n", ""),
    ("api_key = \"@\"\n", "\"\\"),
    ("GET / HTTP/1.1\r\nAuthorization: Bearer @\r\nhost: x\r\n\r\n", ""),
    ("X-Vault-Token: @\r\n", ""),
    ("PRIVATE-TOKEN: @", ""),
    ("Cookie: sid=@; a=b\r\n", ""),
    ("> Authorization: Basic @\n> Accept: x\n", ""),
    ("Authorization: Digest username=\"x\",\r\n response=\"@\"\r\nHost: x\r\n", "\"\\"),
    ("curl -H 'X-Api-Key: @' https://example.com", "'"),
    ("<a><password>@</password></a>", "<>&\"'"),
    ("<db user=\"x\" password=\"@\"/>", "<>&\"'\\"),
    ("GET /?a=1&api_key=@&b=2", "&;\"'`<>#+%"),
    ("Server=db;User=x;Password=@;Database=y", ";\"'"),
    ("spring.datasource.password=@\n", ",;([{"),
    ("db.password = @\n", ".,;([{\"'"),
    ("password: |\n  @\nhost: x\n", ""),
    ("<add key=\"DbPassword\" value=\"@\" />", "<>&\"'\\"),
    ("<property name=\"password\">@</property>", "<>&\"'"),
    ("kubectl create secret generic s --from-literal=password=@ -n x", ""),
    ("java -Ddb.password=@ -jar app.jar", ""),
    ("$env:DB_PASSWORD = \"@\"\n", "\"\\`$"),
    ("{'user': 'x', 'password': '@'}", "'\\"),
    ("Authorization: Digest a=b,\r\n @\r\nHost: x\r\n", ":"),
    ("postgres://agent:@@localhost:5432/db", "/?#@\"'`<>:\\"),
    ("curl -s -u agent:@ https://example.com", "\"'"),
    ("curl -u 'agent:@' https://example.com", "'"),
    ("machine example.com login me password @\n", ""),
    ("machine example.com\n  login me\n  password @\n", ""),
    ("\u{1b}[32mDB_PASSWORD\u{1b}[0m=\u{1b}[33m@\u{1b}[0m\n", ""),
    ("\u{1b}[34;1mpassword\u{1b}[0m: \u{1b}[33m@\u{1b}[0m\n", ""),
];

/// Returns `true` if four characters in a row of a password are in a text, at a place where the form has others.
fn is_left(text: &str, password: &str, form: &str) -> bool {
    (0..=password.len() - 4).any(|at| text.contains(&password[at..at + 4]) && !form.contains(&password[at..at + 4]))
}

#[test]
fn random_passwords_are_masked_in_every_form() {
    let masking = Masking::new();
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for (form, excluded) in FORMS {
        for (alphabet, characters, accepted) in alphabets() {
            let allowed: Vec<u8> =
                characters.iter().copied().filter(|byte| !excluded.contains(char::from(*byte))).collect();
            let mut left = Vec::new();
            for _ in 0..PASSWORDS {
                let password = random.password(&allowed);
                let text = form.replacen('@', &password, 1);
                let mut body = json!({ "text": &text }).to_string().into_bytes();
                masking.body(&mut body, true);
                let body: Value = serde_json::from_slice(&body).unwrap();
                let masked = [masking.text(&text).into_owned(), body["text"].as_str().unwrap().to_owned()];
                left.extend(masked.into_iter().filter(|masked| is_left(masked, &password, form)));
            }
            // Some are there by chance: four characters of a hash in a placeholder.
            assert!(left.len() <= accepted + 2, "{form:?}, {alphabet}: {} of {PASSWORDS}, {left:?}", left.len());
        }
    }
}

#[test]
fn random_passwords_are_masked_in_json() {
    let masking = Masking::new();
    let mut random = Random(0xD1B5_4A32_D192_ED03);
    for (alphabet, characters, _) in alphabets() {
        for _ in 0..PASSWORDS {
            let password = format!("{}7", random.password(&characters));
            for value in [
                json!({ "password": password }),
                json!({ "rawHeaders": ["Host", "x", "Authorization", password, "Accept", "*/*"] }),
                json!({ "headers": [["host", "x"], ["x-api-key", password]] }),
                json!({ "env": [{ "name": "DB_PASSWORD", "value": password }] }),
                json!({ "env": [{ "value": password, "name": "DB_PASSWORD" }] }),
                json!({ "env": [{ "name": "DB_PASSWORD", "type": "text", "required": true, "value": password }] }),
                json!(["Accept", "*/*", "X-Vault-Token", password]),
                json!([["password", password], ["user", "x"]]),
                json!({ "credentials": { "user": "agent", "more": [password] } }),
                json!({ "arguments": json!({ "api_key": password }).to_string() }),
            ] {
                let mut body = value.to_string().into_bytes();
                masking.body(&mut body, true);
                let masked: Value = serde_json::from_slice(&body).unwrap();
                assert!(masked.to_string().contains("[masked:"), "{alphabet}: {value}");
                assert!(!is_left(&masked.to_string(), &password, ""), "{alphabet}: {masked}");
            }
        }
    }
}

#[test]
fn whatever_the_scheme_is_the_rest_of_the_header_is_masked() {
    let schemes = [
        "AWS4-HMAC-SHA256",
        "Api-Key",
        "Api-Token",
        "ApiKey",
        "Basic",
        "Bearer",
        "Bot",
        "Client-Cert",
        "DPoP",
        "Digest",
        "EdgeGrid",
        "GNAP",
        "GenieKey",
        "GoogleLogin",
        "HMAC",
        "HOBA",
        "Hawk",
        "JWT",
        "Kerberos",
        "Key",
        "MAC",
        "Mutual",
        "NTLM",
        "Negotiate",
        "OAuth",
        "PrivateToken",
        "SCRAM-SHA-256",
        "SSWS",
        "SharedAccessSignature",
        "SharedKey",
        "SharedKeyLite",
        "Signature",
        "Splunk",
        "Token",
        "VAPID",
        "X-Custom",
        "Zoho-oauthtoken",
        "key=",
        "token:",
        "",
    ];
    for scheme in schemes {
        for name in ["Authorization", "proxy-authorization", "AUTHORIZATION"] {
            for text in [
                format!("{name}: {scheme} s3cr3tleak\r\nHost: x\r\n"),
                format!("curl -H '{name}: {scheme} s3cr3tleak' https://example.com"),
                format!("{{\"{name}\":\"{scheme} s3cr3tleak\"}}"),
                format!("{{\"headers\":[[\"{name}\",\"{scheme} s3cr3tleak\"]]}}"),
            ] {
                let masked = Masking::new().text(&text).into_owned();
                assert!(!masked.contains("s3cr3t") && !masked.contains("leak"), "{masked}");
            }
        }
    }
}

/// Sensitive names, in the spellings of many programs.
const NAMES: [&str; 104] = [
    "ACCESS_TOKEN",
    "ADMIN_PASSWORD",
    "ANTHROPIC_API_KEY",
    "APIKEY",
    "API_KEY_2",
    "API_SECRET",
    "API_TOKEN",
    "APP_SECRET",
    "AUTH_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_CLIENT_SECRET",
    "AZURE_OPENAI_KEY",
    "BEARER_TOKEN",
    "BOT_TOKEN",
    "CF_API_TOKEN",
    "CLIENT_SECRET",
    "COHERE_KEY",
    "CONNECTION_STRING",
    "CREDENTIALS",
    "DATABASE_PASSWORD",
    "DB_PASS",
    "DB_PASSWORD",
    "DB_PWD",
    "DEPLOY_KEY",
    "DISCORD_TOKEN",
    "DJANGO_SECRET_KEY",
    "ENCRYPTION_KEY",
    "GEMINI_KEY",
    "GH_TOKEN",
    "GITHUB_TOKEN",
    "GITLAB_TOKEN",
    "GOOGLE_API_KEY",
    "GROQ_API_KEY",
    "HF_TOKEN",
    "JWT_SECRET",
    "LANGSMITH_KEY",
    "MASTER_KEY",
    "MISTRAL_KEY",
    "MONGO_PASS",
    "MYSQL_PASSWORD",
    "MYSQL_PWD",
    "NPM_TOKEN",
    "OAUTH_TOKEN",
    "OPENAI_API_KEY",
    "OPENAI_KEY",
    "PASSPHRASE",
    "PASSWD",
    "PASSWORD",
    "PASSWORD2",
    "PGPASSWORD",
    "POSTGRES_PASSWORD",
    "PRIVATE_KEY",
    "PYPI_TOKEN",
    "RABBITMQ_DEFAULT_PASS",
    "REDIS_PASSWORD",
    "REFRESH_TOKEN",
    "ROOT_PASSWORD",
    "SECRET",
    "SECRETS",
    "SECRET_1",
    "SECRET_KEY",
    "SENDGRID_API_KEY",
    "SENTRY_AUTH_TOKEN",
    "SERVICE_PASSWORD",
    "SESSION_ID",
    "SESSION_TOKEN",
    "SIGNING_KEY",
    "SLACK_BOT_TOKEN",
    "SMTP_PASS",
    "SSHPASS",
    "SSH_PRIVATE_KEY",
    "STRIPE_KEY",
    "SUBSCRIPTION_KEY",
    "TOKEN",
    "TWILIO_AUTH_TOKEN",
    "USER_PASSWORD",
    "VAULT_TOKEN",
    "WEBHOOK_SECRET",
    "X_API_KEY",
    "accessToken",
    "access_token",
    "apiKey",
    "api-key",
    "authToken",
    "clientSecret",
    "client_secret",
    "connectionString",
    "dbPassword",
    "id_token",
    "openaiApiKey",
    "passwd",
    "password",
    "privateKey",
    "private_key",
    "pwd",
    "refreshToken",
    "secretAccessKey",
    "secretKey",
    "sessionId",
    "session_token",
    "sharedAccessKey",
    "token",
    "userPassword",
];

/// A secret that is long enough for the id of a session.
const SECRET: &str = "s3cr3t-0123456789abcdef";

#[test]
fn a_hundred_names_are_sensitive_in_every_form() {
    let masking = Masking::new();
    for name in NAMES {
        let mut forms = vec![
            json!({ name: SECRET }).to_string(),
            json!({ "text": json!({ name: SECRET }).to_string() }).to_string(),
            json!([{ "name": name, "value": SECRET }]).to_string(),
            format!("export {name}={SECRET}"),
            format!("{name}: {SECRET}"),
            format!("tool --{name}={SECRET}"),
            format!("tool --{name} {SECRET}"),
            format!("https://example.com/?{name}={SECRET}&a=b"),
            format!("a=b;{name}={SECRET};c=d"),
            format!("<{name}>{SECRET}</{name}>"),
        ];
        if name.bytes().all(|byte| !byte.is_ascii_lowercase()) {
            forms.push(format!("env {name}={SECRET} tool"));
        }
        for form in forms {
            assert!(!masking.text(&form).contains("s3cr3t"), "{form}");
        }
    }
}

#[test]
fn what_cannot_be_a_secret_stays() {
    let masking = Masking::new();
    for value in [
        "",
        "true",
        "None",
        "null",
        "12345",
        "-1.5",
        "1.2.3",
        "v2.0.0-beta.1",
        "${PASSWORD}",
        "$PASSWORD",
        "<password>",
        "***",
        "{{ password }}",
        "%PASSWORD%",
        "xxxx",
        "...",
        "PASSWORD",
        "your_api_key",
    ] {
        for text in [
            json!({ "password": value }).to_string(),
            format!("PASSWORD={value}"),
            format!("export API_KEY=\"{value}\""),
            format!("password: {value}"),
            format!("X-Api-Key: {value}"),
            format!("tool --password={value}"),
            format!("?token={value}&a=b"),
            format!("<password>{value}</password>"),
        ] {
            assert_eq!(masking.text(&text), text);
        }
    }
    let schema = json!({ "properties": { "password": {
        "type": "string", "enum": ["hunter2", "s3cr3t"], "const": "hunter2", "default": "hunter2", "examples": ["hunter2"] } } });
    assert_eq!(masking.text(&schema.to_string()), schema.to_string());
    let logprobs = json!({ "content": [{ "token": "Hello", "logprob": -0.3, "bytes": [72], "top_logprobs": [] }] });
    assert_eq!(masking.text(&logprobs.to_string()), logprobs.to_string());
}
