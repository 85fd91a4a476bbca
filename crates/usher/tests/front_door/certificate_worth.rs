//! What a client's certificate is worth: names, depth, use, time, and who vouches for it.

use rcgen::{OtherNameValue, SanType};
use usher_lab::{
    client_ca::{ClientCa, dns, email},
    upstream::Upstream,
};
use usher_rules::problem::{Problem, Severity};

use crate::{
    client_certificates::{Folder, answer, mtls},
    test_server::{TestServer, config, problems, public},
};

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

/// As Active Directory writes it.
fn principal(name: &str) -> SanType {
    let kind = vec![1, 3, 6, 1, 4, 1, 311, 20, 2, 3];
    SanType::OtherName((kind, OtherNameValue::Utf8String(name.into())))
}

#[tokio::test]
async fn san_patterns_are_anchored_each_by_itself() {
    let (app, folder) = (Upstream::echo(), Folder::new());
    let ca = ClientCa::new("Clients");
    let lines = r"  match_subject_alt_names:
  - dns: 'good\.example\.com'
  - dns: 'better\.example\.com|best\.example\.com'
  - email: '.*@example\.com'
  - uri: 'spiffe://example\.com/.*'
  - ip_address: '203\.0\.113\..*|2001:db8::.'
  - user_principal_name: '.*@corp\.example\.com'
";
    let text = mtls(&folder, &ca, lines) + &config(&[public("tv.test", app.address)]);
    let server = TestServer::open(&text).await;
    for (name, expected) in [
        (Some(dns("good.example.com")), 200),
        (Some(dns("better.example.com")), 200),
        (Some(dns("best.example.com")), 200),
        (Some(email("ann@example.com")), 200),
        (Some(dns("good.example.com.evil.test")), 495),
        (Some(dns("evil.test.best.example.com")), 495),
        (Some(dns("better.example.community")), 495),
        (Some(dns("goodXexample.com")), 495),
        (Some(dns("ann@example.com")), 495),
        (Some(email("ann@example.com.evil.test")), 495),
        (Some(uri("spiffe://example.com/ann")), 200),
        (Some(uri("https://evil.test/spiffe://example.com/ann")), 495),
        (Some(SanType::IpAddress([203, 0, 113, 9].into())), 200),
        (Some(SanType::IpAddress("2001:db8::1".parse().unwrap())), 200),
        (Some(SanType::IpAddress("2001:db8::11".parse().unwrap())), 495),
        (Some(principal("ann@corp.example.com")), 200),
        (Some(principal("ann@corp.example.com.evil.test")), 495),
        (Some(email("ann@corp.example.com")), 495),
        (None, 495),
    ] {
        let identity =
            ca.issue(1, |params| params.subject_alt_names = name.iter().cloned().collect());
        let browser = server.browser().showing(&identity);
        assert_eq!(answer(&browser, "tv.test").await, Some(expected), "{name:?}");
    }
}

#[tokio::test]
async fn max_verify_depth_counts_the_root() {
    let (app, folder) = (Upstream::echo(), Folder::new());
    let root = ClientCa::new("Root");
    let middle = root.below("Middle");
    let low = middle.below("Low");
    let identities = [root.issue(1, |_| {}), middle.issue(2, |_| {}), low.issue(3, |_| {})];
    for (depth, passes) in [
        ("", 1),
        ("  max_verify_depth: 1\n", 1),
        ("  max_verify_depth: 2\n", 2),
        ("  max_verify_depth: 0\n", 3),
    ] {
        let text = mtls(&folder, &root, depth) + &config(&[public("tv.test", app.address)]);
        let server = TestServer::open(&text).await;
        for (above, identity) in identities.iter().enumerate() {
            let expected = if above < passes { 200 } else { 495 };
            let browser = server.browser().showing(identity);
            assert_eq!(answer(&browser, "tv.test").await, Some(expected), "{depth:?}, {above}");
        }
        let mut alone = identities[1].clone();
        alone.chain.truncate(1);
        let browser = server.browser().showing(&alone);
        assert_eq!(answer(&browser, "tv.test").await, Some(495), "what is not sent is not found");
    }
}

/// What is wrong with a certificate, or with who signed it.
#[tokio::test]
async fn every_way_in_which_a_certificate_does_not_count() {
    use rcgen::{ExtendedKeyUsagePurpose as Use, date_time_ymd};
    let (app, folder) = (Upstream::echo(), Folder::new());
    let ca = ClientCa::new("Clients");
    let itself = ca.issue(9, |_| {});
    let both = folder.put("both.pem", &format!("{}{}", ca.pem(), itself.pem));
    let text = format!("downstream_mtls: {{ca_file: {both}}}\n");
    let server = TestServer::open(&(text + &config(&[public("tv.test", app.address)]))).await;
    let issued = |with: &dyn Fn(&mut rcgen::CertificateParams)| ca.issue(1, |params| with(params));
    for (identity, expected, why) in [
        (issued(&|_| {}), 200, "a good one"),
        (itself, 200, "one that is trusted by itself"),
        (issued(&|params| params.extended_key_usages = vec![]), 200, "for anything"),
        (issued(&|params| params.extended_key_usages = vec![Use::Any]), 200, "for any use"),
        (issued(&|params| params.extended_key_usages = vec![Use::ServerAuth]), 495, "a server's"),
        (issued(&|params| params.not_after = date_time_ymd(2021, 1, 1)), 495, "over"),
        (issued(&|params| params.not_before = date_time_ymd(2098, 1, 1)), 495, "not yet"),
        (ClientCa::new("Clients").issue(1, |_| {}), 495, "of a namesake"),
    ] {
        let browser = server.browser().showing(&identity);
        assert_eq!(answer(&browser, "tv.test").await, Some(expected), "{why}");
    }
}

#[tokio::test]
async fn a_key_is_pinned_without_any_authority() {
    let app = Upstream::echo();
    let (ca, stranger) = (ClientCa::new("Nobody's"), ClientCa::new("Nobody's"));
    let identity = ca.issue(1, |_| {});
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &identity.chain[0]);
    let hex: String = hash.as_ref().iter().map(|octet| format!("{octet:02x}")).collect();
    let route = public("pin.test", app.address).replace(
        "allow_public_unauthenticated_access: true",
        &format!("policy: [{{allow: {{or: [{{client_certificate: {{fingerprint: {hex}}}}}]}}}}]"),
    );
    let server = TestServer::open(&config(&[route, public("open.test", app.address)])).await;
    let shows = |identity| server.browser().showing(identity);
    assert_eq!(answer(&shows(&identity), "pin.test").await, Some(200));
    assert_eq!(answer(&shows(&stranger.issue(1, |_| {})), "pin.test").await, Some(403));
    assert_eq!(answer(&server.browser(), "pin.test").await, Some(403));
    assert_eq!(answer(&server.browser(), "open.test").await, Some(200));
}

/// Rules that would let everybody in, or keep nobody out, because nobody vouches for anything.
#[test]
fn certificate_rules_without_an_authority_are_refused() {
    let folder = Folder::new();
    let own = folder.put("own.pem", &ClientCa::new("Clients of one route").pem());
    let route =
        |rest: &str| format!("- from: https://a.test\n  to: http://127.0.0.1:9\n  {rest}\n");
    let other = format!(
        "- from: https://b.test\n  to: http://127.0.0.1:9\n  tls_downstream_client_ca_file: {own}\n  allow_any_authenticated_user: true\n"
    );
    let codes = |text: &str| -> Vec<_> {
        let errors = |problem: &Problem| problem.severity == Severity::Error;
        problems(text).into_iter().filter(errors).map(|problem| problem.code).collect()
    };
    let invalid =
        "policy: [{allow: {or: [{accept: 1}]}, deny: {or: [{invalid_client_certificate: 1}]}}]";
    let not_invalid = "policy: [{allow: {not: [{invalid_client_certificate: 1}]}}]";
    let name = "policy: [{allow: {or: [{client_certificate: {san_dns: a.test}}]}}]";
    assert_eq!(codes(&config(&[route(invalid)])), ["U342"]);
    assert_eq!(codes(&config(&[route(not_invalid)])), ["U342"]);
    assert_eq!(codes(&config(&[route(name)])), [""; 0], "nobody is asked: it never holds");
    assert_eq!(codes(&config(&[route(name), other])), ["U342"], "now everybody is");
}
