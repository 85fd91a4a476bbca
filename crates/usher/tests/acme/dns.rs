//! Whoever sets DNS records: a real server, an API as Cloudflare's answers, programs of all kinds.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::Path,
    time::{Duration, Instant},
};

use http::StatusCode;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use usher::certs::acme::dns::{Cloudflare, DnsError, DnsRecords, Exec, Rfc2136, TxtRecord};
use usher_lab::{
    dns_server::{DnsServer, SECRET},
    ports::free_port,
    upstream::{Exchange, Upstream},
};
use usher_rules::{
    plan::{TsigAlgorithm, TsigKey},
    secret::Secret,
};

use crate::{
    authority::{TestAuthority, issued},
    test_server::TestServer,
};

const PATIENCE: Duration = Duration::from_secs(5);

fn record(value: &str) -> TxtRecord {
    TxtRecord::proof("tv.example.com", value.into())
}

fn key(name: &str, algorithm: TsigAlgorithm, secret: &str) -> TsigKey {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let secret = Secret::new(BASE64_STANDARD.decode(secret).unwrap());
    TsigKey { name: name.into(), algorithm, secret }
}

#[tokio::test]
async fn signed_updates_at_a_real_server() {
    let folder = TempDir::new().unwrap();
    let dns = DnsServer::start(folder.path()).await;
    let server = dns.address.to_string();
    let good = || key("usher", TsigAlgorithm::HmacSha256, SECRET);
    let records = Rfc2136::new(&server, None, Some(&good()), PATIENCE);
    // Two proofs for one name, as a wildcard and its domain need them.
    for value in ["one", "two"] {
        records.publish(&record(value)).await.unwrap();
    }
    records.withdraw(&record("one")).await.unwrap();
    records.withdraw(&record("one")).await.unwrap(); // gone already is as good
    records.publish(&record("two")).await.unwrap(); // still there

    let foreign = TxtRecord::proof("tv.example.org", "x".into());
    for (what, records, record, said) in [
        (
            "another secret",
            Rfc2136::new(
                &server,
                None,
                Some(&key("usher", TsigAlgorithm::HmacSha256, "AAAA")),
                PATIENCE,
            ),
            record("x"),
            "name, algorithm or secret",
        ),
        (
            "another name",
            Rfc2136::new(
                &server,
                None,
                Some(&key("nobody", TsigAlgorithm::HmacSha256, SECRET)),
                PATIENCE,
            ),
            record("x"),
            "name, algorithm or secret",
        ),
        (
            "another algorithm",
            Rfc2136::new(
                &server,
                None,
                Some(&key("usher", TsigAlgorithm::HmacSha512, SECRET)),
                PATIENCE,
            ),
            record("x"),
            "name, algorithm or secret",
        ),
        ("no key", Rfc2136::new(&server, None, None, PATIENCE), record("x"), "takes no unsigned"),
        (
            "another zone",
            Rfc2136::new(&server, Some("example.org"), Some(&good()), PATIENCE),
            foreign.clone(),
            "NOTAUTH",
        ),
        (
            "a zone that does not have the name",
            Rfc2136::new(&server, Some("example.org"), Some(&good()), PATIENCE),
            record("x"),
            "NOTZONE",
        ),
        (
            "text that no record holds",
            Rfc2136::new(&server, None, Some(&good()), PATIENCE),
            record(&"x".repeat(256)),
            "does not fit",
        ),
        ("no zone", Rfc2136::new(&server, None, Some(&good()), PATIENCE), foreign, "has no zone"),
        (
            "nobody there",
            Rfc2136::new(&free_port().to_string(), None, Some(&good()), PATIENCE),
            record("x"),
            "can't be reached",
        ),
    ] {
        let error = records.publish(&record).await.unwrap_err().to_string();
        assert!(error.contains(said), "{what}: {error}");
    }
}

/// A server whose answers are cut short, another's, or none at all.
#[tokio::test]
async fn answers_of_a_dns_server_that_are_none() {
    for octets in [
        &b""[..],
        b"\x12",
        b"\x00\x00\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00",
        b"\x00\x00\x84\x00\x00\x00\xff\xff\x00\x00\x00\x00\xc0\x0c\xc0\x0c",
    ] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = vec![0; usize::from(stream.read_u16().await.unwrap())];
            stream.read_exact(&mut asked).await.unwrap();
            // The last one is an answer to this very question, with a name that points at itself.
            let mut octets = octets.to_vec();
            if octets.len() > 12 {
                octets[..2].copy_from_slice(&asked[..2]);
            }
            stream.write_u16(u16::try_from(octets.len()).unwrap()).await.unwrap();
            stream.write_all(&octets).await.unwrap();
        });
        let records = Rfc2136::new(&server, None, None, PATIENCE);
        let error = records.publish(&record("x")).await.unwrap_err();
        assert!(matches!(error, DnsError::Unreached { .. }), "{error}");
    }
}

/// The whole way: the authority asks the server that took the update.
#[tokio::test]
async fn a_wildcard_by_a_signed_update() {
    let folder = TempDir::new().unwrap();
    let dns = DnsServer::start(folder.path()).await;
    let authority = TestAuthority::open(|settings| {
        (settings.http, settings.tls) = (free_port(), free_port());
        settings.dns = Some(dns.address);
    })
    .await;
    let secret = folder.path().join("tsig-secret");
    std::fs::write(&secret, SECRET).unwrap();
    let more = format!(
        "autocert_dns_provider: rfc2136
autocert_dns_server: {}
autocert_dns_zone: example.com
autocert_dns_tsig_name: usher
autocert_dns_tsig_algorithm: hmac-sha256
autocert_dns_tsig_secret_file: {}
authenticate_service_url: https://auth.example.com",
        dns.address,
        secret.display()
    );
    let server = TestServer::open(&authority.config(&["*.example.com"], &more)).await;
    issued(&server, "*.example.com").await;
    let page = authority.browser(&server).await.fetch("https://tv.example.com/").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(!server.log().contains(SECRET));
}

/// What Cloudflare answers who asks for the zone.
const THE_ZONE: (&str, u16, &str) = (
    "GET /zones?name=example.com",
    200,
    r#"{"success":true,"errors":[],"result":[{"id":"z1","name":"example.com"}]}"#,
);

/// Cloudflare's API as its documentation has it: envelopes, error codes.
fn cloudflare(answers: &'static [(&'static str, u16, &'static str)]) -> Upstream {
    Upstream::start(async move |exchange: &mut Exchange| {
        exchange.body().await?;
        let (method, target) = exchange.target();
        let asked = format!("{method} {target}");
        let authorized = exchange.field("authorization").as_deref() == Some("Bearer good-token");
        let found = answers.iter().find(|(path, ..)| *path == asked);
        let (status, body) = match (authorized, found) {
            (false, _) => (
                403,
                r#"{"success":false,"errors":[{"code":9109,"message":"Invalid access token"}],"result":null}"#,
            ),
            (true, Some((_, status, body))) => (*status, *body),
            (true, None) => (200, r#"{"success":true,"errors":[],"result":[]}"#),
        };
        exchange.reply(status, "content-type: application/json\r\n", body.as_bytes()).await
    })
}

fn at(api: &Upstream, token: &str) -> Cloudflare {
    let token = Secret::new(token.as_bytes());
    let nobody = usher::request::forward::Trust::only([]);
    Cloudflare::new(&token, &format!("http://{}", api.address), nobody, PATIENCE).unwrap()
}

#[tokio::test]
async fn records_at_cloudflare() {
    let api = cloudflare(&[
        THE_ZONE,
        ("POST /zones/z1/dns_records", 200, r#"{"success":true,"errors":[],"result":{"id":"r7"}}"#),
        ("DELETE /zones/z1/dns_records/r7", 200, r#"{"success":true,"result":{"id":"r7"}}"#),
    ]);
    let records = at(&api, "good-token\n"); // a file's line end
    records.publish(&record("v")).await.unwrap();
    records.withdraw(&record("v")).await.unwrap();
    let asked: Vec<String> =
        api.heads().iter().map(|head| head.split(" HTTP").next().unwrap().to_owned()).collect();
    assert_eq!(
        asked,
        [
            "GET /zones?name=tv.example.com",
            "GET /zones?name=example.com",
            "POST /zones/z1/dns_records",
            "DELETE /zones/z1/dns_records/r7",
        ]
    );

    records.withdraw(&record("v")).await.expect("gone already is as good");

    let error = at(&api, "bad").publish(&record("v")).await.unwrap_err().to_string();
    assert!(error.contains("Invalid access token (9109)"), "{error}");
    assert!(error.contains("DNS → Edit"), "{error}");
    let foreign = TxtRecord::proof("tv.elsewhere.org", "v".into());
    let error = at(&api, "good-token").publish(&foreign).await.unwrap_err();
    assert!(matches!(error, DnsError::NoZone { .. }), "{error}");
    let down = cloudflare(&[("GET /zones?name=tv.example.com", 502, "bad gateway")]);
    let error = at(&down, "good-token").publish(&record("v")).await.unwrap_err();
    assert!(matches!(error, DnsError::Unreached { .. }), "{error}");
}

/// A crash has left the record: Cloudflare takes no second one like it, and that is as good.
#[tokio::test]
async fn a_record_at_cloudflare_that_is_there_already() {
    let api = cloudflare(&[
        THE_ZONE,
        (
            "POST /zones/z1/dns_records",
            400,
            r#"{"success":false,"errors":[{"code":81058,"message":"An identical record already exists."}]}"#,
        ),
        (
            "GET /zones/z1/dns_records?type=TXT&name=_acme-challenge.tv.example.com",
            200,
            r#"{"success":true,"result":[{"id":"r1","content":"other"},{"id":"r2","content":"\"v\""}]}"#,
        ),
        ("DELETE /zones/z1/dns_records/r2", 200, r#"{"success":true,"result":{"id":"r2"}}"#),
    ]);
    let records = at(&api, "good-token");
    records.publish(&record("v")).await.unwrap();
    records.withdraw(&record("v")).await.unwrap();
    // After a restart nobody remembers the id.
    at(&api, "good-token").withdraw(&record("v")).await.unwrap();
    let deleted = api.heads().iter().filter(|head| head.starts_with("DELETE")).count();
    assert_eq!(deleted, 2);
}

fn script(folder: &Path, text: &str) -> Vec<Box<str>> {
    let path = folder.join("hook");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    vec![path.display().to_string().into(), "first argument; rm -rf /".into()]
}

#[tokio::test]
async fn programs_of_all_kinds() {
    let folder = TempDir::new().unwrap();
    let log = folder.path().join("log");
    let good = script(
        folder.path(),
        &format!("printf '%s|' \"$@\" \"$USHER_ACME_VALUE\" >> {}", log.display()),
    );
    let exec = Exec::new(&good, PATIENCE);
    exec.publish(&record("$(v) 'w'")).await.unwrap();
    exec.withdraw(&record("v")).await.unwrap();
    assert_eq!(
        std::fs::read_to_string(&log).unwrap(),
        "first argument; rm -rf /|publish|_acme-challenge.tv.example.com|$(v) 'w'|$(v) 'w'|\
         first argument; rm -rf /|withdraw|_acme-challenge.tv.example.com|v|v|",
        "by no shell"
    );

    let fails = Exec::new(
        &script(folder.path(), "echo first >&2; echo no such zone >&2; exit 3"),
        PATIENCE,
    );
    let error = fails.publish(&record("v")).await.unwrap_err().to_string();
    assert!(error.contains("exit status: 3") && error.ends_with("no such zone"), "{error}");

    let begin = Instant::now();
    let hangs = Exec::new(&script(folder.path(), "exec sleep 60"), Duration::from_millis(300));
    let error = hangs.publish(&record("v")).await.unwrap_err().to_string();
    assert!(error.contains("was ended"), "{error}");
    assert!(begin.elapsed() < Duration::from_secs(30));

    let missing = Exec::new(&["/nowhere/hook".into()], PATIENCE);
    let error = missing.publish(&record("v")).await.unwrap_err().to_string();
    assert!(error.contains("can't be started"), "{error}");
}
