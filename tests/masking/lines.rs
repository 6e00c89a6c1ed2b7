//! Secrets outside JSON: in header lines, commands, forms, environment and configuration files, and sentences.

use otel_trace::Masking;
use serde_json::{Value, json};

fn masking() -> Masking {
    Masking::new().name("x-tenant").name("plant")
}

/// Checks that the secret of a text, which contains `s3cr3t`, is masked in the text itself, in a JSON string, and in an
/// event stream.
#[track_caller]
fn check(text: &str) {
    let masking = masking();
    {
        let escaped = json!({ "cmd": text, "twice": json!({ "cmd": text }).to_string() }).to_string();
        let stream = format!("event: x\ndata: {escaped}\n\ndata: [DONE]\n\n");
        for (text, secrets) in [(text, 1), (&escaped, 2), (&stream, 2)] {
            let masked = masking.text(text);
            assert!(!masked.contains("s3cr3t") && !masked.contains("leak"), "{masked}");
            assert_eq!(masked.matches("[masked:").count(), secrets, "{masked}");
        }
        let mut body = escaped.into_bytes();
        masking.body(&mut body, true);
        serde_json::from_slice::<Value>(&body).unwrap();
    }
}

/// Checks that masking leaves a text unchanged, by itself and in a JSON string.
#[track_caller]
fn assert_unchanged(text: &str) {
    let masking = masking();
    {
        assert_eq!(masking.text(text), text);
        let escaped = json!({ "cmd": text }).to_string();
        assert_eq!(masking.text(&escaped), escaped);
    }
}

#[test]
fn sensitive_header_lines_are_masked_to_their_end() {
    check("curl -H 'x-tenant: acme-s3cr3t' https://example.com");
    check("curl -H x-tenant:acme-s3cr3t -d x");
    check("curl --header=X-Tenant:acme-s3cr3t -d x");
    check("GET / HTTP/1.1\r\nhost: x\r\nx-tenant: s3cr3t, and leak\r\naccept: */*");
    check("X-Tenant: s3cr3t");
    check("> x-tenant: s3cr3t");
    check("plant: s3cr3t of leak");
    check("Ocp-Apim-Subscription-Key: s3cr3t");
    check("curl -H \"Ocp-Apim-Subscription-Key: s3cr3t\"");
    check("curl -H x-client-secret:s3cr3t");
    check("  X-Client-Secret: s3cr3t\n");
    check("X-Amz-Security-Token: IQoJb3JpZ2lu/s3cr3t+leak==");
    check("X-Client-Secret: s3cr3t (of yesterday)");
}

#[test]
fn sensitive_header_pairs_are_masked() {
    let check = |pair: Value| {
        let mut body = serde_json::to_vec(&json!({ "headers": [["accept", "json"], pair] })).unwrap();
        assert!(masking().body(&mut body, true), "{pair}");
        let masked: Value = serde_json::from_slice(&body).unwrap();
        assert!(!masked.to_string().contains("s3cr3t"), "{masked}");
        assert_eq!(masked["headers"][0], json!(["accept", "json"]));
    };
    check(json!(["x-tenant", "acme-s3cr3t"]));
    check(json!(["Ocp-Apim-Subscription-Key", "s3cr3t"]));
    check(json!(["X-Amz-Security-Token", "IQoJb3JpZ2lu/s3cr3t"]));
    check(json!({ "name": "DB_PASSWORD", "value": "s3cr3t" }));
    check(json!({ "name": "x-tenant", "value": "s3cr3t" }));
    check(json!(["mysql", "--password", "s3cr3t", "shop"]));
    check(json!(["access_token", "ya29A0ARs3cr3tBcDeFg"]));
    let mut body = serde_json::to_vec(&json!(["plant", "acme"])).unwrap();
    assert!(masking().body(&mut body, true));
}

#[test]
fn lists_of_names_are_unchanged() {
    for list in [
        json!({ "required": ["x-tenant", "city2"] }),
        json!({ "required": ["password", "address2"] }),
        json!({ "enum": ["api_key", "oauth2"] }),
        json!({ "exposed": ["x-api-key", "Content-Type"], "columns": ["password", "email"] }),
        json!(["mysql", "--password", "--verbose"]),
    ] {
        assert_unchanged(&list.to_string());
    }
}

#[test]
fn values_assigned_to_sensitive_names_are_masked() {
    check("DB_PASSWORD=s3cr3t\nDB_HOST=db.example.com");
    check("export DB_PASSWORD=\"correct s3cr3t leak\"");
    check("curl 'https://example.com/?api_key=s3cr3t&x=1'");
    check("POST /\n\ngrant_type=refresh&client_secret=s3cr3t");
    check("Server=db;User=agent;Password=s3cr3t;Database=shop");
    check("mysql --password=s3cr3tabc shop");
    check("mysql --password=letters-s3cr3t shop");
    check("tool --api-key s3cr3t1 --verbose");
    check("tool --client-secret 's3cr3t leak'");
    check("tool --x-tenant=s3cr3t");
    check("call(plant=s3cr3t)");
    check("user: agent\npassword: s3cr3tabc\nhost: x");
    check("db:\n  - name: x\n    password: s3cr3t # leak-free".trim_end_matches(" # leak-free"));
    check("[default]\naws_secret_access_key = s3cr3t/abc");
    check("password = \"s3&cr3t1s3cr3t\"");
    check("password: correct horse s3cr3t");
    check("  password: \"it is s3cr3t\",");
    check("machine example.com login agent password s3cr3t");
    check("<password type=\"plain\">s3cr3t</password>");
    check("<db user='agent' password='s3cr3t'/>");
    check("curl -sS --user 'agent:s3cr3t leak' https://example.com");
    check("curl -uagent:s3cr3t https://example.com");
    for letters in [
        "password: hunter",
        "mysql --password=hunter shop",
        "PASSWORD=hunter",
        "?password=hunter",
        "x-client-secret: hunter",
    ] {
        assert!(!masking().text(letters).contains("hunter"), "{letters}");
    }
}

#[test]
fn value_continues_across_optional_json_escapes() {
    let masking = Masking::new();
    for text in [
        r#"{"cmd":"psql http://u:pa\u0026s3cr3t@h/x"}"#,
        r#"{"cmd":"login --password='pa\u0026s3cr3t'"}"#,
        r#"{"cmd":"X-Client-Secret: abc\/s3cr3t"}"#,
        r#"{"cmd":"Authorization: Basic abc\/s3cr3t"}"#,
        r#"{"url":"/?x=1\u0026api_key=s3cr3t\u0026y=2"}"#,
        r#"{"cmd":"{\"a\":\"http://u:pa\\u0026s3cr3t@h/x\"}"}"#,
    ] {
        let mut body = text.as_bytes().to_vec();
        assert!(masking.body(&mut body, true), "{text}");
        let masked = String::from_utf8(body).unwrap();
        assert!(!masked.contains("cr3t"), "{masked}");
        serde_json::from_str::<Value>(&masked).unwrap();
    }
    let masked = masking.text(r"/?x=1\u0026api_key=s3cr3t\u0026y=2").into_owned();
    assert!(masked.ends_with(r"]\u0026y=2"), "{masked}");
}

#[test]
fn long_value_is_masked_to_its_end() {
    for begin in ["SERVICE_PASSWORD=", "x-tenant: ", "x-client-secret: ", "login?password="] {
        let masked = masking().text(&format!("{begin}{}s3cr3t", "a1".repeat(4000))).into_owned();
        assert!(masked.len() < 100, "{masked}");
    }
}

#[test]
fn prose_programs_and_templates_are_unchanged() {
    for text in [
        "Put the password: never write it down. The secret: there is none.",
        "Your password=something is not what I meant by secret = nothing",
        "my password: hunter2, please log in",
        "Use --password to give one, or --password=PASSWORD, or --api-key <KEY>, or --password --verbose",
        "DB_PASSWORD=${DB_PASSWORD}\nAPI_KEY=$KEY2\nGITHUB_TOKEN=$(cat token1)",
        "x-tenant: $TENANT",
        "curl -H 'x-tenant: <tenant>' -H 'x-client-secret: {secret}'",
        "struct Login { password: String, secret: Base64String, api_key: Option<Sha256> }",
        "    private_key: Sha256,\n    secret: u64,\n    password: string;\n",
        "let password = config.password2; let secret = sha256(input); password == hunter2",
        "connect(password=password, api_key=settings.api_key_2, secret=secret())",
        "    token = self.get_token()\n    api_key = os.environ['KEY']\n    secret = b'' + salt\n",
        "    password=settings.password,\n    token=make_token(1))\n",
        "COOKIE_SECRET=true",
        "OPENAI_API_KEY=sk-... agent",
        "password=12345\ntoken: 1.2.3\nsecret=***\n",
        "permissions:\n  id-token: write\n",
        "pub const NO_COOKIE: ERROR_2 = 7; secret_token: _type_64, Secret::Aes128Gcm",
        "    secret: Aligned64<u8>,\n    token: &'a str,\n    key_token: *mut Token,\n",
        "fn parse(tokens: Vec<Token>) -> Result<Token> {}",
        "next_page_token: abcdef\nmax_tokens: 4096\nPWD=/home/agent\n",
    ] {
        assert_unchanged(text);
    }
}
