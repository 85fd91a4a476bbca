use http::{HeaderMap, HeaderName, HeaderValue};

use super::{CookieNames, Credential, credential, credential_by};
use crate::{
    session::{Handle, SessionId, keys::tests::keys},
    time::UnixTime,
};

fn token(digit: char) -> String {
    let id: String = "11111111-2222-3333-4444-55555555555".chars().chain([digit]).collect();
    keys().sign_handle(&Handle {
        session: SessionId::parse(&id).unwrap(),
        subject: "u".into(),
        idp_id: None,
        issuer: None,
        audience: Vec::new(),
        issued_at: None,
        depends_on_time: false,
    })
}

/// `last digit of the session, source` or `bad`, or `-`.
fn shown(fields: &[(&str, String)], query: Option<&str>) -> String {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        map.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
    }
    match credential(&keys(), &map, query, "_pomerium", UnixTime::from_seconds(1)) {
        Credential::Absent => "-".into(),
        Credential::Good(handle, source) => {
            format!("{} {source:?}", &handle.session.as_str()[35..])
        }
        Credential::Contradiction(source) => format!("contradiction {source:?}"),
        Credential::Bad(_, source) => format!("bad {source:?}"),
    }
}

#[test]
fn places_and_their_order() {
    let (a, b) = (token('a'), token('b'));
    let own = |text: &str| text.to_owned();
    for (fields, query, expected, why) in [
        (vec![], None, "-", "nothing"),
        (vec![("cookie", own("other=1; x"))], None, "-", "cookies of others"),
        (vec![("cookie", own("_pomerium="))], None, "-", "a cleared cookie"),
        (vec![("cookie", format!("_pomerium={a}"))], None, "a Cookie", "the cookie"),
        (
            vec![("cookie", format!("x=1;_pomerium=\"{a}\" ;y=2"))],
            None,
            "a Cookie",
            "quoted, tight",
        ),
        (
            vec![("cookie", own("x=1")), ("cookie", format!("_pomerium={a}"))],
            None,
            "a Cookie",
            "crumbs",
        ),
        (
            vec![("cookie", format!("_pomerium_authenticate={a}"))],
            None,
            "-",
            "another of our cookies",
        ),
        (vec![("x-pomerium-authorization", a.clone())], None, "a PomeriumField", "the field"),
        (vec![("authorization", format!("Pomerium {a}"))], None, "a PomeriumScheme", "the scheme"),
        (vec![("authorization", format!("Bearer Pomerium-{a}"))], None, "a Bearer", "bearer"),
        (vec![("authorization", format!("Bearer {a}"))], None, "-", "a bearer for the app"),
        (vec![("authorization", format!("pomerium {a}"))], None, "-", "the scheme has one case"),
        (vec![("authorization", own("MediaBrowser Token=\"x\""))], None, "-", "Jellyfin's own"),
        (vec![], Some(format!("pomerium_session={a}&x=1")), "a Query", "the query"),
        (vec![], Some(own("pomerium_session=x")), "bad Query", "a bad one in the query"),
        (
            vec![("authorization", format!("Pomerium {b}")), ("cookie", format!("_pomerium={a}"))],
            Some(format!("pomerium_session={b}")),
            "a Cookie",
            "the cookie comes first",
        ),
        (
            vec![("authorization", format!("Pomerium {b}")), ("cookie", own("_pomerium=x"))],
            None,
            "bad Cookie",
            "a bad cookie hides a good field",
        ),
        (
            vec![("authorization", own("Pomerium x"))],
            None,
            "bad PomeriumScheme",
            "bad is not absent",
        ),
    ] {
        assert_eq!(shown(&fields, query.as_deref()), expected, "{why}");
    }
}

/// T6 and cookie tossing: a sibling domain sets a second cookie of the same name.
#[test]
fn t6_two_of_a_kind_must_agree() {
    let (a, b) = (token('a'), token('b'));
    for (cookies, expected, why) in [
        (vec![format!("_pomerium={a}; _pomerium={a}")], "a Cookie", "the same twice"),
        (
            vec![format!("_pomerium={a}; _pomerium={b}")],
            "contradiction Cookie",
            "tossed, other session",
        ),
        (vec![format!("_pomerium={b}; _pomerium={a}")], "contradiction Cookie", "in either order"),
        (
            vec![format!("_pomerium={a}"), format!("_pomerium={b}")],
            "contradiction Cookie",
            "two fields",
        ),
        (vec![format!("_pomerium={a}; _pomerium=x")], "a Cookie", "one is garbage"),
        (vec![format!("_pomerium=x; _pomerium={a}")], "a Cookie", "the first is garbage"),
        (vec!["_pomerium=x; _pomerium=y".to_owned()], "bad Cookie", "all are garbage"),
    ] {
        let fields: Vec<_> = cookies.into_iter().map(|cookie| ("cookie", cookie)).collect();
        assert_eq!(shown(&fields, None), expected, "{why}");
    }
    assert_eq!(
        shown(
            &[("x-pomerium-authorization", a.clone()), ("x-pomerium-authorization", b.clone())],
            None
        ),
        "contradiction PomeriumField"
    );
    let later = Handle {
        issued_at: Some(UnixTime::from_seconds(1)),
        ..keys().verify_handle(&a, UnixTime::from_seconds(1)).unwrap()
    };
    let again = keys().sign_handle(&later);
    assert_ne!(again, a);
    assert_eq!(
        shown(
            &[("x-pomerium-authorization", a.clone()), ("x-pomerium-authorization", again)],
            None
        ),
        "a PomeriumField",
        "two handles to one session"
    );
    assert_eq!(
        shown(&[], Some(&format!("pomerium_session={a}&pomerium_session={b}"))),
        "contradiction Query"
    );
}

/// A sibling can set the plain name, and not the one with the prefix.
#[test]
fn a_cookie_that_a_sibling_could_set_is_not_taken() {
    let (ann, eve) = (token('a'), token('b'));
    let mut policy = crate::plan::CookiePolicy {
        name: "_pomerium".into(),
        host_name: "__Host-_pomerium".into(),
        domain: None,
        http_only: true,
        same_site: None,
        expire: std::time::Duration::from_secs(1),
    };
    let domain = Some(crate::names::Host::parse("example.com").unwrap());
    for (cookies, alone, with_domain, why) in [
        (format!("_pomerium={eve}"), "stray", "b DomainCookie", "the sibling's alone"),
        (format!("_pomerium={eve}; __Host-_pomerium={ann}"), "a Cookie", "a Cookie", "both"),
        (
            format!("_pomerium=x; _pomerium={eve}; __Host-_pomerium={ann}"),
            "a Cookie",
            "a Cookie",
            "several, tossed by path",
        ),
        (
            format!("__Host-_pomerium=x; _pomerium={eve}"),
            "bad Cookie",
            "b DomainCookie",
            "ours is over",
        ),
        (
            format!("_pomerium={ann}; _pomerium={eve}"),
            "stray",
            "contradiction DomainCookie",
            "two people's",
        ),
        (
            format!("__Host-_pomerium={ann}; __Host-_pomerium={eve}"),
            "contradiction Cookie",
            "contradiction Cookie",
            "no browser sends this",
        ),
    ] {
        let fields = HeaderMap::from_iter([(http::header::COOKIE, cookies.parse().unwrap())]);
        let shown = |policy: &crate::plan::CookiePolicy| {
            let verify = |token: &str, source| {
                if source == super::CredentialSource::StrayCookie {
                    return Err("stray");
                }
                keys()
                    .verify_handle(token, UnixTime::from_seconds(1))
                    .map(std::sync::Arc::new)
                    .map_err(|_| "bad")
            };
            match credential_by(
                &verify,
                &fields,
                Some("pomerium_session=x"),
                CookieNames::of(policy),
            ) {
                Credential::Absent => "-".to_owned(),
                Credential::Good(handle, source) => {
                    format!("{} {source:?}", &handle.session.as_str()[35..])
                }
                Credential::Bad("stray", _) => "stray".into(),
                Credential::Bad(why, source) => format!("{why} {source:?}"),
                Credential::Contradiction(source) => format!("contradiction {source:?}"),
            }
        };
        policy.domain = None;
        assert_eq!(shown(&policy), alone, "{why}");
        policy.domain.clone_from(&domain);
        assert_eq!(shown(&policy), with_domain, "{why}, with `cookie_domain`");
    }
}
