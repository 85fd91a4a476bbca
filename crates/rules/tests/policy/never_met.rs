//! Rules that nothing can meet, where they stand.

use usher_rules::problem::Severity::{self, Error, Warning};

use crate::route::{compile, config};

fn found(route: &str, code: &str) -> Option<Severity> {
    let problems = match compile(&config(route)) {
        Ok((_, problems)) | Err(problems) => problems,
    };
    problems.iter().find(|problem| problem.code == code).map(|problem| problem.severity)
}

#[test]
fn a_method_that_no_request_has_is_no_rule() {
    for (place, positive, negative) in [
        ("allow: {or: [OF]}", Warning, Error),
        ("allow: {and: [OF]}", Warning, Error),
        ("allow: {not: [OF]}", Error, Warning),
        ("allow: {nor: [OF]}", Error, Warning),
        ("deny: {or: [OF]}", Error, Warning),
        ("deny: {and: [OF]}", Error, Warning),
        ("deny: {not: [OF]}", Warning, Error),
        ("deny: {nor: [OF]}", Warning, Error),
    ] {
        for (operand, expected) in [
            ("delete", Some(positive)),
            ("Delete", Some(positive)),
            ("'DELETE '", Some(positive)),
            ("' DELETE'", Some(positive)),
            ("DELTE", Some(positive)),
            ("PURGE", Some(positive)),
            ("'*'", Some(positive)),
            ("{is: delete}", Some(positive)),
            ("{in: [GET, delete]}", Some(positive)),
            ("{starts_with: del}", Some(positive)),
            ("{contains: elet}", Some(positive)),
            ("{ends_with: ete}", Some(positive)),
            ("{not: delete}", Some(negative)),
            ("{not_in: [DELETE, put]}", Some(negative)),
            ("DELETE", None),
            ("{in: [GET, HEAD, PROPFIND]}", None),
            ("{starts_with: PROP}", None),
            ("{not_in: [DELETE, PUT]}", None),
        ] {
            let of = format!("{{http_method: {operand}}}");
            let route = format!("policy: {{{}}}", place.replace("OF", &of));
            assert_eq!(found(&route, "U331"), expected, "{route}");
        }
    }
}

#[test]
fn a_method_that_the_config_adds_is_one() {
    let text = config("policy: {deny: {or: [{http_method: PURGE}]}}");
    let text = format!("additional_methods: [PURGE]\n{text}");
    let problems = compile(&text).map_or_else(|problems| problems, |(_, problems)| problems);
    assert!(problems.iter().all(|problem| problem.code != "U331"), "{problems:?}");
}

/// `None`: nothing is told. `Some(true)`: it is met by nothing; `Some(false)`: by little.
const PATHS: [(&str, Option<bool>); 26] = [
    ("admin", Some(true)),
    ("https://tv.example.com/admin", Some(true)),
    ("'*/admin'", Some(true)),
    ("{is: admin}", Some(true)),
    ("{starts_with: admin}", Some(true)),
    ("{in: [/a, admin]}", Some(true)),
    ("//b", Some(true)),
    ("{contains: //}", Some(true)),
    ("/a/../c", Some(true)),
    ("{starts_with: /a/./}", Some(true)),
    ("/a/..", Some(true)),
    ("{ends_with: /.}", Some(true)),
    ("{contains: '\\'}", Some(true)),
    ("{starts_with: /secret%20x}", Some(false)),
    ("/%61", Some(false)),
    ("{contains: '%C3%BC'}", Some(false)),
    ("/a?x", Some(false)),
    ("'/x#y'", Some(false)),
    ("/glob/*", Some(false)),
    ("{ends_with: '*.css'}", Some(false)),
    ("/admin", None),
    ("'/a b/ü 100%'", None),
    ("{starts_with: /a/..}", None),
    ("{ends_with: admin}", None),
    ("{contains: min/}", None),
    ("{in: [/a, /b]}", None),
];

#[test]
fn a_path_that_no_request_has_is_no_rule() {
    for (place, positive, negative) in [
        ("allow: {or: [OF]}", Warning, Error),
        ("allow: {nor: [OF]}", Error, Warning),
        ("deny: {and: [OF]}", Error, Warning),
        ("deny: {not: [OF]}", Warning, Error),
    ] {
        let told = |operand: &str| {
            let of = format!("{{http_path: {operand}}}");
            found(&format!("policy: {{{}}}", place.replace("OF", &of)), "U331")
        };
        for (operand, never) in PATHS {
            let expected = never.map(|never| if never { positive } else { Warning });
            assert_eq!(told(operand), expected, "{place} {operand}");
        }
        assert_eq!(told("{not: admin}"), Some(negative), "{place}");
        assert_eq!(told("{not_in: [/a, admin]}"), Some(negative), "{place}");
        assert_eq!(told("{not: /a?x}"), Some(Warning), "{place}");
    }
}

/// `/a%2F/b` is `/a//b` decoded.
#[test]
fn a_path_with_kept_slashes_is_not_normalised_once_more() {
    let text = config("policy: {deny: {or: [{http_path: /a//b}]}}");
    for (action, told) in [("keep_unchanged", false), ("unescape_and_forward", true)] {
        let text = format!("path_with_escaped_slashes_action: {action}\n{text}");
        let problems = compile(&text).map_or_else(|problems| problems, |(_, problems)| problems);
        assert_eq!(problems.iter().any(|problem| problem.code == "U331"), told, "{action}");
    }
}

#[test]
fn a_claim_that_is_not_kept_is_no_rule() {
    for (policy, expected) in [
        ("deny: {or: [{claim/nonce: x}]}", Some(Error)),
        ("deny: {or: [{claim/azp: {exclude: x}}]}", Some(Warning)),
        ("allow: {or: [{claim/sid: x}]}", Some(Warning)),
        ("allow: {or: [{claim/sid: {exclude: x}}]}", Some(Error)),
        ("allow: {not: [{claim/usher_unproven: x}]}", Some(Error)),
        ("deny: {or: [{claim/acr: x}]}", None),
    ] {
        assert_eq!(found(&format!("policy: {{{policy}}}"), "U332"), expected, "{policy}");
    }
}

/// What is wrong in a clause, beside it and in the other rules: all in one run.
#[test]
fn one_mistake_of_a_policy_hides_no_other() {
    let mistakes = "{emial: x}, {http_method: get}, {claim/nonce: x}, {mcp_tool: x}, \
                    {http_path: a}, {invalid_client_certificate: true}";
    let route = format!("policy: [{{allow: {{or: [{mistakes}]}}, deny: {{or: [{mistakes}]}}}}]");
    for (code, times) in
        [("U308", 2), ("U331", 4), ("U332", 2), ("U349", 1), ("U342", 1), ("U343", 1)]
    {
        let problems = compile(&config(&route)).unwrap_err();
        let found = problems.iter().filter(|problem| problem.code == code).count();
        assert_eq!(found, times, "{code}: {problems:?}");
    }
}

#[test]
fn what_is_compared_with_nothing_is_told_of_with_its_effect() {
    for criterion in [
        "email: ''",
        "email: {starts_with: ''}",
        "email: {not: ''}",
        "email: {in: ['']}",
        "email: {in: [a@b.test, '']}",
        "domain: {ends_with: ''}",
        "user: {contains: ''}",
        "claim/groups: ''",
        "claim/groups: ",
        "claim/groups: {exclude: }",
        "groups: {has: ''}",
        "source_ip: []",
        "http_path: {starts_with: ''}",
        "http_method: {not_in: []}",
    ] {
        for place in ["allow: {or", "allow: {not", "deny: {or", "deny: {nor"] {
            let route = format!("policy: {{{place}: [{{{criterion}}}]}}}}");
            assert_eq!(found(&route, "U313"), Some(Warning), "{route}");
            let all_pass = criterion.starts_with("http_");
            let expected = match place {
                "allow: {or" | "deny: {nor" => Error,
                _ => Warning,
            };
            assert_eq!(found(&route, "U317"), all_pass.then_some(expected), "{route}");
        }
    }
}

#[test]
fn what_nothing_equals_is_refused_where_more_come_in_by_it() {
    for (criterion, code, negates) in [
        ("user: 1001", "U309", false),
        ("user: {not: 1001}", "U309", true),
        ("email: {in: [true]}", "U309", false),
        ("http_path: {not_in: [7]}", "U309", true),
        ("groups: 7", "U309", false),
        ("groups: {exclude: 7}", "U309", true),
        ("claim/groups: [a]", "U312", false),
        ("claim/groups: {exclude: [a]}", "U312", true),
    ] {
        for (place, keeps_out) in [
            ("allow: {or", false),
            ("allow: {not", true),
            ("deny: {or", true),
            ("deny: {nor", false),
        ] {
            let route = format!("policy: {{{place}: [{{{criterion}}}]}}}}");
            let expected = if negates == keeps_out { Warning } else { Error };
            assert_eq!(found(&route, code), Some(expected), "{route}");
        }
    }
}

#[test]
fn what_can_not_be_asked_yet_is_dropped_nowhere() {
    for place in ["allow: {or", "allow: {not", "deny: {or", "deny: {nor"] {
        let route = format!("policy: {{{place}: [{{pomerium_routes: true}}]}}}}");
        assert_eq!(found(&route, "U305"), Some(Error), "{route}");
    }
}
