//! What is in force, printed: a config that comes to the same.

use std::fs;

use usher_rules::{
    config::{self, Effective, Environment, Input},
    plan,
    problem::Severity,
};

use crate::{cases, show};

fn effective(text: &str, env: &Environment, name: &str) -> String {
    Effective::of(&config::read(Input { name: Some(name), text }, env)).to_string()
}

/// Over every case and every example: what is printed loads, is printed alike, and compiles to the
/// same plan. A secret is told to be missing, and nothing else is.
#[test]
fn what_is_printed_comes_to_the_same() {
    let (mut seen, mut compiled) = (0, 0);
    let root = crate::reference::root();
    let folders = [cases::folder(), root.join("config"), root.join("config/compat")];
    for entry in folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()) {
        let path = entry.unwrap().path();
        let text = match path.extension().and_then(|ending| ending.to_str()) {
            Some("case") => {
                fs::read_to_string(&path).unwrap().split("----\n").next().unwrap().to_owned()
            }
            Some("yaml") => fs::read_to_string(&path).unwrap(),
            _ => continue,
        };
        let (name, env, files, config) = cases::given(&text);
        let draft = config::read(Input { name, text: &config }, &env);
        let printed = Effective::of(&draft).to_string();
        let Ok((plan, _)) = plan::compile(draft, &files) else { continue };
        let none = Environment::new();
        let again = config::read(Input { name: Some("config.yaml"), text: &printed }, &none);
        let path = path.display();
        let wrong: Vec<_> = again
            .problems
            .iter()
            .filter(|it| it.severity == Severity::Error && it.code != "U233")
            .collect();
        assert!(wrong.is_empty(), "{path}: {wrong:?}\n{printed}");
        assert_eq!(
            uncommented(&effective(&printed, &none, "config.yaml")),
            uncommented(&printed),
            "{path}"
        );
        seen += 1;
        if !printed.contains(config::effective::NOT_SHOWN) {
            let (second, _) = plan::compile(again, &files)
                .unwrap_or_else(|problems| panic!("{path}: {problems:?}\n{printed}"));
            assert_eq!(lines(&show::plan(&second)), lines(&show::plan(&plan)), "{path}\n{printed}");
            compiled += 1;
        }
    }
    assert!(seen > 80 && compiled > 70, "{seen} {compiled}");
}

/// Without what says who set it.
fn uncommented(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("# "));
    lines.map(|line| line.split(" # ").next().unwrap_or_default().to_owned() + "\n").collect()
}

/// A plan without the lines of its file.
fn lines(plan: &str) -> String {
    let line = |line: &str| match line.split_once(" line ") {
        Some((before, after)) => format!("{before}{}", after.trim_start_matches(char::is_numeric)),
        None => line.to_owned(),
    };
    plan.lines().map(|it| line(it) + "\n").collect()
}

/// No secret is printed, and nothing that is none is hidden.
#[test]
fn no_secret_is_printed() {
    let text = "shared_secret: MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n\
                idp_client_secret: hunter2\nidp_client_id: usher\n\
                metrics_basic_auth: dTpodW50ZXIy\nroutes: []\n";
    let printed = effective(text, &Environment::new(), "config.yaml");
    for secret in ["MDEy", "hunter2", "dTpod"] {
        assert!(!printed.contains(secret), "{printed}");
    }
    let marked = "idp_client_secret: not-shown-by-usher-check # or idp_client_secret_file: FILE\n";
    assert!(printed.contains(marked) && printed.contains("idp_client_id: usher\n"), "{printed}");
}

/// A check that signs in, a test that asks with a token, an address with a password.
#[test]
fn what_is_said_to_apps_is_not_printed() {
    let text = "routes:\n- from: https://a.test\n  to: http://ann:hunter2@app\n  \
                allow_any_authenticated_user: true\n  health_checks:\n  - http_health_check: {path: \
                '/well?api_key=k3y', send: {text: '68756e74'}, request_headers_to_add: [{header: \
                {key: authorization, value: Basic aGVsbG8=}}]}\n  tests:\n  - {expect: deny, \
                path: '/a?token=t0k', headers: {Cookie: c00k, X-Place: home}}\n  \
                - {expect: deny, path: '/a?place=home'}\n";
    let printed = effective(text, &Environment::new(), "config.yaml");
    for secret in ["hunter2", "k3y", "68756e74", "aGVsbG8", "t0k", "c00k"] {
        assert!(!printed.contains(secret), "{secret}: {printed}");
    }
    for shown in ["http://ann:*******@app", "\"home\"", "/a?place=home", "authorization"] {
        assert!(printed.contains(shown), "{shown}: {printed}");
    }
}

/// What an operator pastes into a ticket holds no credential of an app.
#[test]
fn fields_that_may_hold_a_secret_are_not_printed() {
    let text = "routes:\n- from: https://a.test\n  to: http://app\n  \
                allow_any_authenticated_user: true\n  set_request_headers: {Authorization: Basic \
                aGVsbG8=, X-Api-Key: k, X-Place: home, X-Token: '${pomerium.jwt}'}\n";
    let printed = effective(text, &Environment::new(), "config.yaml");
    for secret in ["aGVsbG8", "k,"] {
        assert!(!printed.contains(secret), "{printed}");
    }
    assert!(printed.contains("home") && printed.contains("${pomerium.jwt}"), "{printed}");
}

/// Nor in lists, addresses and fields whose names tell nothing; what is left out is asked for again.
#[test]
fn no_credential_is_printed_whatever_holds_it() {
    let text = "idp_provider: oidc\nidp_provider_url: https://id.test\nidp_client_id: usher\n\
                idp_client_secret: s3c\nidp_request_params: {client_assertion: a55, hint: ann}\n\
                autocert_dns_provider: exec\nautocert_dns_command: [/bin/dns, --token, t0k, --zone, \
                tv.test, --api-key=k3y, -H, 'Accept: Bearer b34']\nroutes:\n\
                - from: https://a.test\n  to: ['http://app/x?place=home&token=t1k']\n  \
                allow_any_authenticated_user: true\n  set_request_headers: {X-Auth: a07, X-Pass: \
                p455, X-Custom: Basic aGVsbG8=, X-JWT: eyJhbGci, X-Raw: eyJhbGcj, X-Place: here}\n  \
                rewrite_response_headers: [{header: Set-Cookie, prefix: a=, value: c00k}, \
                {header: Location, prefix: 'http://a', value: 'https://b'}]\n";
    let printed = effective(text, &Environment::new(), "config.yaml");
    for secret in ["a55", "t0k", "k3y", "b34", "t1k", "a07", "p455", "aGVs", "eyJ", "c00k"] {
        assert!(!printed.contains(secret), "{secret}: {printed}");
    }
    for shown in ["/bin/dns", "tv.test", "place=home", "\"ann\"", "\"here\"", "https://b"] {
        assert!(printed.contains(shown), "{shown}: {printed}");
    }
    let again = config::read(Input { name: Some("a.yaml"), text: &printed }, &Environment::new());
    let told = again.problems.iter().filter(|problem| problem.code == "U233").count();
    assert_eq!(told, 6, "{:?}\n{printed}", again.problems);
}

/// What was printed is no reason for a warning, and what was left out is told once.
#[test]
fn what_is_printed_is_loaded_without_a_word() {
    let text = "idp_provider: oidc\nidp_provider_url: https://id.test/?token=t0k\nidp_client_id: \
                usher\nidp_client_secret: s3c\nsignout_redirect_url: 'https://b.test/?key=k3y'\n\
                routes:\n- from: tcp+https://a.test:22\n  to: tcp://app:22\n  \
                allow_any_authenticated_user: true\n- from: udp+https://a.test:53\n  to: udp://app:53\n  \
                allow_any_authenticated_user: true\n- from: https://b.test\n  redirect: \
                {response_code: 308, host_redirect: c.test}\n  allow_any_authenticated_user: true\n";
    let none = Environment::new();
    let printed = effective(text, &none, "config.yaml");
    assert!(printed.contains("response_code: 308\n"), "{printed}");
    let again = config::read(Input { name: Some("config.yaml"), text: &printed }, &none);
    let codes: Vec<_> = again.problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, ["U233"; 3], "{:?}\n{printed}", again.problems);
    let printed = printed.replace(config::effective::NOT_SHOWN, "x");
    let draft = config::read(Input { name: Some("config.yaml"), text: &printed }, &none);
    let told = match plan::compile(draft, &crate::Shelf::default()) {
        Ok((_, problems)) | Err(problems) => problems,
    };
    let idle: Vec<_> = told.iter().filter(|it| ["U410", "U551"].contains(&it.code)).collect();
    assert!(idle.is_empty(), "{idle:?}\n{printed}");
}
