mod shown_and_called;

use std::fs;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{KeyPair, PKCS_ECDSA_P384_SHA384};

use super::{Args, DataDir, Environment, LoadFailure, Loaded, Outcome, Source, check, in_force};

fn load(path: &std::path::Path, environment: &Environment) -> Result<Loaded, LoadFailure> {
    crate::reload::load(Source::File { path, environment })
}

fn checked(text: &[u8], json: bool) -> (Outcome, String) {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.yaml");
    fs::write(&config, text).unwrap();
    let mut out = Vec::new();
    let good = check(
        &Args {
            config: config.clone(),
            live: false,
            dir: DataDir::default(),
            effective: false,
            json,
        },
        &Environment::new(),
        &mut out,
    )
    .unwrap();
    let shown = String::from_utf8(out).unwrap();
    (good, shown.replace(&config.display().to_string(), "config.yaml"))
}

#[test]
fn every_problem_is_shown() {
    let (good, shown) =
        checked(b"cookie_expire: 1d\nroutes:\n- from: https://a.test\n  to: http://b\n", false);
    assert_eq!(good, Outcome::Bad);
    assert_eq!(
        shown,
        "error[U202]: `cookie_expire` is a span of time, and `1d` is not: its unit is none of ns, us, ms, \
         s, m, h\n --> config.yaml:1:16\n  |\n1 | cookie_expire: 1d\n  |                ^^\n  \
         = help: write `24h` for a day, `90m`, `30s` or `500ms`\n\nwarning[U532]: nobody is let in by this route: it has no policy\n \
         --> config.yaml:3:3\n  |\n3 | - from: https://a.test\n  |   ^^^^\n  = help: add a `policy`, or \
         `allow_any_authenticated_user: true`\n\nconfig.yaml: 1 error, 1 warning\n"
    );
}

#[test]
fn warnings_do_not_fail_it() {
    let (good, shown) = checked(b"", true);
    assert_eq!(good, Outcome::Good);
    let object: serde_json::Value = serde_json::from_str(shown.trim()).unwrap();
    assert_eq!(
        (object["code"].as_str(), object["severity"].as_str()),
        (Some("U130"), Some("warning"))
    );
}

/// `usher check --effective > new.yaml` of a mistake leaves an empty file, and words on the screen.
#[test]
fn a_refused_config_prints_nothing_that_could_be_taken_for_a_config() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text, says) in [
        ("config.yaml", Some("routes: [{from: https://a.test}]\n"), "error[U521]"),
        ("missing.yaml", None, "error: can't read the config"),
    ] {
        let config = folder.path().join(name);
        if let Some(text) = text {
            fs::write(&config, text).unwrap();
        }
        let dir = DataDir::default();
        let args = Args { config, live: false, dir, effective: true, json: false };
        let (mut out, mut errors) = (Vec::new(), Vec::new());
        let outcome = in_force(&args, &Environment::new(), &mut out, &mut errors).unwrap();
        assert_eq!((outcome, out), (Outcome::Bad, Vec::new()), "{name}");
        let errors = String::from_utf8(errors).unwrap();
        assert!(errors.contains(says), "{name}: {errors}");
    }
}

/// What is in force is a config: it loads as it stands, and comes to the same.
#[test]
fn what_is_in_force_is_printed_as_a_config_that_comes_to_the_same() {
    let shown = |text: &str| {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.yaml");
        fs::write(&config, text).unwrap();
        let dir = DataDir::default();
        let args = Args { config, live: false, dir, effective: true, json: false };
        let (mut out, mut errors) = (Vec::new(), Vec::new());
        let outcome = in_force(&args, &Environment::new(), &mut out, &mut errors).unwrap();
        assert_eq!((outcome, errors), (Outcome::Good, Vec::new()));
        String::from_utf8(out).unwrap()
    };
    let text = format!("grpc_address: :1\ncookie_expire: 336h\n{ROUTE}");
    let first = shown(&text);
    for line in [
        "# grpc_address: not in force: usher is one process, so there is nothing to connect",
        "cookie_expire: 336h0m0s",
        "timeout_idle: 5m0s # default",
        "  timeout: 30s # default",
        "  match_any_incoming_port: true # default",
        "#   = help: delete it",
    ] {
        assert!(first.lines().any(|it| it == line), "{line}:\n{first}");
    }
    let without_comments = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        lines.map(|line| line.replace(" # default", "")).collect()
    };
    assert_eq!(without_comments(&shown(&first)), without_comments(&first));
}

#[test]
fn what_is_no_text_is_told() {
    let text = [b"# f\xfcr Oma\n".as_slice(), b"polices: {}\n", ROUTE.as_bytes()].concat();
    let (good, shown) = checked(&text, false);
    assert_eq!(good, Outcome::Bad);
    for part in [
        "error[U112]: this is not text in UTF-8\n --> config.yaml:1:4\n",
        "error[U110]: unknown key `polices` at the top level: it may have been meant to keep people out\n",
        "config.yaml: 2 errors\n",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let (good, shown) = checked(&[b"# f\xfcr Oma\n", ROUTE.as_bytes()].concat(), false);
    assert_eq!((good, shown.contains("U112")), (Outcome::Bad, true), "by itself: {shown}");
    let missing = load("/nonexistent/config.yaml".as_ref(), &Environment::new()).unwrap_err();
    assert!(matches!(missing, LoadFailure::Unreadable { .. }), "{missing}");
}

const ROUTE: &str =
    "routes:\n- from: https://a.test\n  to: http://b\n  allow_any_authenticated_user: true\n";

/// A certificate of another host in the place of one's own: every visitor was warned, and `check`
/// said that all is well.
#[test]
fn a_certificate_for_no_host_of_the_config_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let write = |name: &str, hosts: &[&str]| {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let pair = rcgen::generate_simple_self_signed(hosts).unwrap();
        fs::create_dir_all(at.join(name).parent().unwrap()).unwrap();
        fs::write(at.join(format!("{name}.pem")), pair.cert.pem()).unwrap();
        let key = at.join(format!("{name}.key"));
        fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
        (pair.cert.pem(), pair.signing_key.serialize_pem())
    };
    write("own", &["a.test"]);
    write("wide", &["*.test"]);
    write("other", &["old.test", "b.test", "c.test", "d.test"]);
    write("nobody", &[]);
    write("mixed/own", &["a.test"]);
    write("mixed/other", &["old.test"]);
    let (cert, key) = write("others/other", &["x.a.test"]);
    let at = at.display();
    let single = |name: &str| {
        format!("certificate_file: {at}/{name}.pem\ncertificate_key_file: {at}/{name}.key\n")
    };
    let wild = ROUTE.replace("https://a.test", "'https://*.a.test'");
    let sign_in = format!("authenticate_service_url: https://old.test\n{ROUTE}");
    let inline = format!(
        "certificate: {}\ncertificate_key: {}\n",
        STANDARD.encode(cert),
        STANDARD.encode(key)
    );
    for (keys, route, told) in [
        (single("own"), ROUTE, None),
        (single("wide"), ROUTE, None),
        (single("other"), &*sign_in, None),
        (format!("certificates_dir: {at}/mixed\n"), ROUTE, None),
        (inline.clone(), &*wild, None),
        (single("other"), ROUTE, Some((1, 19, "b.test and 3 more"))),
        (single("nobody"), ROUTE, Some((1, 19, "no host at all: a common name does not count"))),
        (
            format!("certificates:\n- cert: {at}/other.pem\n  key: {at}/other.key\n"),
            ROUTE,
            Some((2, 9, "b.test and 3 more")),
        ),
        (format!("certificates_dir: {at}/others\n"), ROUTE, Some((1, 19, "x.a.test"))),
        (inline.clone(), ROUTE, Some((1, 1, "x.a.test"))),
    ] {
        let config = format!("{keys}{route}");
        let (_, shown) = checked(config.as_bytes(), false);
        let Some((line, column, whom)) = told else {
            assert!(!shown.contains("U219"), "{keys}: {shown}");
            continue;
        };
        let said = format!(
            "warning[U219]: this is for none of the hosts that the config names; it is for {whom}\n \
             --> config.yaml:{line}:{column}\n"
        );
        assert!(shown.contains(&said), "{said}: {shown}");
    }
    let (good, shown) = checked(format!("{}{ROUTE}", single("other")).as_bytes(), false);
    assert_eq!(good, Outcome::Good, "it runs: {shown}");
}

/// `run` refuses these without asking network or disk, so `check` does.
#[test]
fn what_stops_run_stops_check() {
    let route =
        "routes:\n- from: https://a.test\n  to: http://b\n  allow_any_authenticated_user: true\n";
    let base64 = |text: &str| STANDARD.encode(text);
    let p384 = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap().serialize_pem();
    let pair = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
    let (cert, other) = (pair.cert.pem(), KeyPair::generate().unwrap().serialize_pem());
    let metrics = format!(
        "metrics_address: 127.0.0.1:9090\nmetrics_certificate: {}\nmetrics_certificate_key: {}\n",
        base64(&cert),
        base64(&other)
    );
    for (keys, words) in [
        ("address: host.example:443\n".to_owned(), "`address` is not an address"),
        ("http_redirect_addr: host.example\n".to_owned(), "`http_redirect_addr` is not"),
        ("metrics_address: host.example:1\n".to_owned(), "`metrics_address` is not"),
        ("address: :80\nhttp_redirect_addr: 80\n".to_owned(), "are the same address"),
        (format!("signing_key: {}\n", base64(&p384)), "`signing_key` is neither"),
        (metrics, "`metrics_certificate_key` is not the key of `metrics_certificate`"),
    ] {
        let (outcome, shown) = checked(format!("{keys}{route}").as_bytes(), false);
        assert_eq!(outcome, Outcome::Bad, "{keys}");
        assert!(shown.contains(words), "{keys}: {shown}");
    }
    for keys in ["address: 25443\nhttp_redirect_addr: 25080\n", "metrics_address: localhost:9090\n"]
    {
        let (outcome, shown) = checked(format!("{keys}{route}").as_bytes(), false);
        assert_eq!((outcome, shown.as_str()), (Outcome::Good, "config.yaml: no problems\n"));
    }
}

#[test]
fn a_folder_in_the_place_of_a_config_is_told_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let failure = load(folder.path(), &Environment::new()).unwrap_err();
    assert!(failure.to_string().ends_with("is a folder, not a config file"), "{failure}");
    assert!(failure.hint().unwrap().starts_with("Docker makes an empty folder"));
}

#[test]
fn a_config_from_the_environment_alone_is_one() {
    let missing = "/nonexistent/config.yaml".as_ref();
    let routes = "- from: https://a.test\n  to: http://b\n  allow_any_authenticated_user: true\n";
    let mut env = Environment::from([("ADDRESS".to_owned(), "8443".to_owned())]);
    assert!(matches!(load(missing, &env), Err(LoadFailure::Unreadable { .. })), "a stray one");
    env.insert("ROUTES".to_owned(), STANDARD.encode(routes));
    let loaded = load(missing, &env).unwrap();
    assert_eq!((loaded.plan.routes.len(), &*loaded.plan.listen.address), (1, ":8443"));
    assert_eq!(loaded.problems.summary(), "the environment: no problems");
}

#[test]
fn a_config_of_any_editor_is_read() {
    let text = "routes:\r\n- from: https://a.test\r\n  to: http://b\r\n  allow_any_authenticated_user: true\r\n";
    let units = std::iter::once(0xFEFF).chain(text.encode_utf16());
    let utf16: Vec<u8> = units.flat_map(u16::to_le_bytes).collect();
    for bytes in [utf16, format!("\u{feff}{text}").into_bytes()] {
        assert_eq!(checked(&bytes, false).1, "config.yaml: no problems\n");
    }
}

#[test]
fn named_files_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=").unwrap();
    let config = folder.path().join("config.yaml");
    fs::write(&config, format!("shared_secret_file: {}\n", secret.display())).unwrap();
    let loaded = load(&config, &Environment::new()).unwrap();
    assert_eq!(loaded.plan.secrets.shared.unwrap().expose(), b"0123456789abcdef0123456789abcdef");
    fs::remove_file(&secret).unwrap();
    let refused = load(&config, &Environment::new()).unwrap_err().to_string();
    assert!(
        refused.contains(":1:21 U209 the file of `shared_secret_file` can't be read"),
        "{refused}"
    );
}

/// With it every request fails at an app that asks for one, and nothing here renews it.
#[test]
fn a_shown_certificate_that_ends_is_told_of() {
    const DAY: time::Duration = time::Duration::DAY;
    let now = time::OffsetDateTime::now_utc();
    for (from, end, says) in [
        (now - DAY * 90, now - DAY, Some("has ended on ")),
        (now - DAY * 90, now + DAY * 13, Some("ends on ")),
        (now - DAY * 90, now + DAY * 15, None),
        (now + DAY, now + DAY * 90, Some("does not count before ")),
        (now - DAY, now + DAY * 6, None), // one of a short life, which something renews
        (now - DAY * 6, now + DAY, Some("ends on ")),
    ] {
        let key = KeyPair::generate().unwrap();
        let mut leaf = rcgen::CertificateParams::new(vec!["usher.test".to_owned()]).unwrap();
        (leaf.not_before, leaf.not_after) = (from, end);
        let cert = STANDARD.encode(leaf.self_signed(&key).unwrap().pem());
        let key = STANDARD.encode(key.serialize_pem());
        let text = format!(
            "metrics_address: 127.0.0.1:9090\nmetrics_certificate: {cert}\nmetrics_certificate_key: {key}\n\
             routes:\n- from: https://a.test\n  to: https://b.test\n  \
             allow_public_unauthenticated_access: true\n  tls_client_cert: {cert}\n  tls_client_key: {key}\n"
        );
        let (good, shown) = checked(text.as_bytes(), false);
        assert_eq!(good, Outcome::Good, "{shown}");
        let Some(says) = says else {
            assert!(!shown.contains("U217"), "{end}: {shown}");
            continue;
        };
        for whose in ["`tls_client_cert` of the route `a` ", "`metrics_certificate` "] {
            let line = format!("warning[U217]: {whose}{says}");
            assert!(shown.contains(&line), "{line}: {shown}");
        }
    }
}

/// A policy that says something else than its tests refuses the config at every load.
#[test]
fn a_policy_that_fails_its_own_test_refuses_the_config() {
    let text = "\
authenticate_service_url: https://sign-in.home.arpa
routes:
  - from: https://tv.home.arpa
    to: http://127.0.0.1:80
    prefix: /web
    policy:
      - allow: {or: [{groups: family}]}
      - deny: {or: [{http_path: {contains: admin}}]}
    tests:
      - {email: ann@home.arpa, groups: [family], expect: allow}
      - {expect: sign-in}
      - {email: eve@home.arpa, expect: deny, reason: groups-unauthorized}
      - {email: ann@home.arpa, groups: [family], path: /web/;/x, expect: deny}
";
    assert_eq!(checked(text.as_bytes(), false).0, Outcome::Good);
    for (test, parts) in [
        (
            "{email: eve@home.arpa, groups: [kids], expect: allow}",
            &[
                "U572",
                "this test expects `allow`, and the answer is `deny` by `nothing-allows`",
                "config.yaml:14:9",
                "allow[0].or[0] groups: groups has `family` (groups are `kids`)",
            ][..],
        ),
        (
            "{email: ann@home.arpa, groups: [family], path: /web/admin, expect: allow}",
            &[
                "and the answer is `deny` by `deny[1].or[0] http_path`",
                "and config.yaml:8:22",
                "by this the answer is `deny`",
                "not path contains `admin` (path is `/web/admin`)",
            ],
        ),
        (
            "{email: ann@home.arpa, groups: [family], expect: deny}",
            &["by `allow[0].or[0] groups`", "config.yaml:7:23"],
        ),
        (
            "{email: eve@home.arpa, expect: deny, reason: email-unauthorized}",
            &["expects the reason `email-unauthorized`"],
        ),
        ("{path: /music, expect: deny}", &["no route takes the request"]),
        ("{path: /.pomerium/, expect: allow}", &["one of usher's own pages takes the request"]),
        ("{path: /web/;/x, expect: allow}", &["the request is refused: "]),
        (
            "{email: ann@home.arpa, groups: [family], headers: {X-HTTP-Method-Override: PUT}, expect: deny}",
            &["answer is `allow`"],
        ),
    ] {
        let (outcome, shown) = checked(format!("{text}      - {test}\n").as_bytes(), false);
        assert_eq!(outcome, Outcome::Bad, "{test}");
        for part in parts {
            assert!(shown.contains(part), "{test}: {part}\n{shown}");
        }
    }
    let first = "  - {from: https://tv.home.arpa, prefix: /web/x, to: http://127.0.0.1:80, \
                 allow_public_unauthenticated_access: true}\n";
    let text = text.replace("routes:\n", &format!("routes:\n{first}"))
        + "      - {path: /web/x, expect: deny}\n";
    let (_, shown) = checked(text.as_bytes(), false);
    assert!(shown.contains("the route `tv/web/x` in line 3 takes the request"), "{shown}");
}
