use serde_json::json;

use super::{AuthorizationResponse, Failure, Failure::*, Pending};
use crate::{
    plan::{OidcProvider, ProviderKind},
    session::test_keys,
    signin::{Goal, Proof},
    time::UnixTime,
};

const START: UnixTime = UnixTime::from_seconds(1000);

fn provider() -> OidcProvider {
    OidcProvider {
        issuer: "https://idp.example".into(),
        client_id: "usher".into(),
        client_secret: None,
        secret_key: None,
        scopes: Vec::new(),
        request_params: Vec::new(),
        kind: ProviderKind::Oidc,
        subjects: Default::default(),
        domains: Default::default(),
        id: "p1".into(),
    }
}

fn pending() -> Pending {
    Pending::start(&[[1; 32], [2; 32], [3; 32]], &provider(), Goal::Here, START)
}

fn response(query: &str) -> AuthorizationResponse {
    let query = query.replace("STATE", pending().state());
    AuthorizationResponse::read(&query)
}

#[test]
fn a_whole_sign_in_takes_no_network_and_no_time() {
    let flow = pending();
    let cookie = flow.seal(&test_keys(), "_pomerium", [4; 12]);
    let flow = Pending::open(&test_keys(), "_pomerium", flow.state(), &cookie).unwrap();
    let redeeming =
        flow.answered(&response("state=STATE&code=c"), &provider(), false, START).unwrap();
    assert_eq!((&*redeeming.code, &redeeming.goal), ("c", &Goal::Here));
    let claims = json!({
        "iss": "https://idp.example", "aud": "usher", "sub": "ann",
        "exp": 2000, "iat": 1000, "nonce": redeeming.nonce(),
    });
    let authentication =
        redeeming.accept(claims.as_object().unwrap(), None, &provider(), START).unwrap();
    assert_eq!(&*authentication.person.id, "ann");
}

/// The example of RFC 7636, appendix B.
#[test]
fn code_challenge_is_s256() {
    let mut flow = pending();
    flow.verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".into();
    assert_eq!(flow.code_challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
}

/// T19: ways to fail, and what each is called.
#[test]
fn t19_ways_to_fail() {
    let other = OidcProvider { id: "p2".into(), ..provider() };
    for (query, provider, names_itself, now, expected, why) in [
        ("state=x&code=c", provider(), false, 1000, NotUnderWay, "another state"),
        ("code=c", provider(), false, 1000, NotUnderWay, "no state"),
        (
            "state=x&error=access_denied",
            provider(),
            false,
            1000,
            NotUnderWay,
            "an error from nowhere",
        ),
        ("state=STATE&code=c", provider(), false, 1900, TooSlow, "the fifteenth minute is over"),
        ("state=STATE&code=c", other, false, 1000, OtherProvider, "a reload meanwhile"),
        (
            "state=STATE&code=c&iss=https://evil.example",
            provider(),
            false,
            1000,
            OtherIssuer,
            "mix-up",
        ),
        (
            "state=STATE&code=c&iss=https://idp.example/",
            provider(),
            true,
            1000,
            OtherIssuer,
            "a slash",
        ),
        (
            "state=STATE&code=c",
            provider(),
            true,
            1000,
            NoIssuer,
            "RFC 9207 §2.4: promised, not kept",
        ),
        (
            "state=STATE&error=access_denied",
            provider(),
            false,
            1000,
            Refused("access_denied".into()),
            "no",
        ),
        (
            "state=STATE&error=%1b[31m&code=c",
            provider(),
            false,
            1000,
            Refused("unreadable".into()),
            "a forged log",
        ),
        ("state=STATE&code=", provider(), false, 1000, NoCode, "an empty code"),
    ] {
        let now = UnixTime::from_seconds(now);
        let got = pending().answered(&response(query), &provider, names_itself, now);
        assert_eq!(got.err(), Some(expected), "{why}");
    }
}

#[test]
fn a_cookie_opens_for_its_own_state_only() {
    let flow = pending();
    let good = flow.seal(&test_keys(), "_pomerium", [4; 12]);
    let open = |cookie: &str, state: &str, value: &str| {
        Pending::open(&test_keys(), cookie, state, value).map(drop)
    };
    assert_eq!(open("_pomerium", flow.state(), &good), Ok(()));
    for (cookie, state, value) in [
        ("_pomerium", "other", good.as_str()),
        ("_other", flow.state(), &good),
        ("_pomerium", flow.state(), "1900"),
        ("_pomerium", flow.state(), "1900.AAAA"),
        ("_pomerium", flow.state(), ""),
    ] {
        assert_eq!(
            open(cookie, state, value),
            Err(Failure::NotUnderWay),
            "{cookie} {state} {value}"
        );
    }
    assert!(!good.contains("ann") && !good.contains(&*flow.nonce), "nothing shows through");
}

/// RFC 6749 §3.1, §4.1.2: no parameter twice; what nobody knows is let be, in any encoding.
#[test]
fn a_parameter_that_comes_twice_makes_an_answer_nobody_s() {
    for (query, under_way, why) in [
        ("state=s&code=c", true, "as it should be"),
        ("state=s&code=c&session_state=%E9&session_state=x", true, "nobody reads these"),
        ("state=s&state=s&code=c", false, "two states"),
        ("state=s&code=c&code=c", false, "two codes"),
        ("state=s&code=c&iss=a&iss=a", false, "two issuers"),
        ("state=s&error=a&error=b", false, "two errors"),
        ("state=s&code=%E9", false, "a code that is no text"),
    ] {
        let read = AuthorizationResponse::read(query);
        assert_eq!(&*read.state == "s", under_way, "{query}: {why}");
    }
}

/// What a browser that goes back finds: the page, for whoever holds the cookie, and no flow.
#[test]
fn what_is_left_of_a_flow_is_its_page_and_opens_as_nothing_else() {
    let keys = test_keys();
    let page = |target: &str| Goal::Page {
        target: target.into(),
        flow: "f".into(),
        anew_since: None,
        proof: Proof::Any,
    };
    let left = Pending::over(&keys, "c1", &page("https://tv.example/x"), [4; 12], START).unwrap();
    assert!(left.starts_with("1900."), "{left}");
    assert_eq!(Pending::page_of(&keys, "c1", &left).as_deref(), Some("https://tv.example/x"));
    assert_eq!(Pending::page_of(&keys, "c2", &left), None, "in another cookie");
    assert!(Pending::open(&keys, "_pomerium", "c1", &left).is_err());
    assert_eq!(Pending::over(&keys, "c1", &Goal::Here, [4; 12], START), None);
    let flow = pending();
    let cookie = Pending::cookie_name("_pomerium", flow.state());
    assert_eq!(Pending::page_of(&keys, &cookie, &flow.seal(&keys, "_pomerium", [4; 12])), None);
}

#[test]
fn each_flow_has_a_name_of_its_own() {
    let other = Pending::start(&[[7; 32], [2; 32], [3; 32]], &provider(), Goal::Here, START);
    assert_eq!(pending().digest(), pending().digest());
    assert_ne!(pending().digest(), other.digest());
    assert!(pending().nonce().len() >= 43 && pending().verifier().len() >= 43);
    assert_ne!(pending().nonce(), pending().verifier());
}

/// RFC 9207: an issuer that is named is the right one, and is then no mistake.
#[test]
fn an_issuer_that_names_itself_is_believed() {
    let query = "state=STATE&code=c&iss=https%3A%2F%2Fidp.example";
    for names_itself in [true, false] {
        let got = pending().answered(&response(query), &provider(), names_itself, START);
        assert!(got.is_ok(), "{:?}", got.err());
    }
}

#[test]
fn a_provider_may_ask_for_another_try_twice() {
    for (error, tries, expected) in [
        ("login_required", 0, TryAgain { code: "login_required".into(), tries: 1 }),
        ("login_required", 1, TryAgain { code: "login_required".into(), tries: 2 }),
        ("login_required", 2, Refused("login_required".into())),
        ("login_required", 3, Refused("login_required".into())),
        ("access_denied", 0, Refused("access_denied".into())),
    ] {
        let flow = pending().after(tries);
        let answer = response(&format!("state=STATE&error={error}"));
        let got = flow.answered(&answer, &provider(), false, START);
        assert_eq!(got.err(), Some(expected), "{error} {tries}");
    }
}
