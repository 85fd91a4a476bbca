use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::{collection::vec, prelude::*, sample::select};

use super::{Found, Taken, looked_at, usual};
use crate::{
    fields::{
        Forwarded, Owned, clean_referer, remove_bearer_tokens, remove_cookie, remove_credentials,
        remove_hop_by_hop, remove_identity, remove_underscores, set_forwarded,
    },
    plan::Underscores,
};

const NOBODY_S: Owned<'_> = Owned { claim_fields: &[], by_route: &[], let_through: &[] };

/// Names of every kind of what goes, in other spellings and lengths, and of what stays.
const NAMES: &[&str] = &[
    "accept",
    "accept-encoding",
    "accept-language",
    "authorization",
    "auth_orization",
    "cache-control",
    "client-cert",
    "connection",
    "content-length",
    "content-type",
    "content_length",
    "cookie",
    "dnt",
    "expect",
    "forwarded",
    "host",
    "http-proxy",
    "http-user-agent",
    "http-x-email",
    "http2-settings",
    "http_x_pomerium_claim_email",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if.match",
    "keep-alive",
    "origin",
    "pragma",
    "priority",
    "proxy",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "referer",
    "remote-user",
    "remote_user",
    "sec-ch-ua",
    "sec-ch-ua-mobile",
    "sec-ch-ua-platform",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "sec-fetch-user",
    "sec-gpc",
    "te",
    "transfer-encoding",
    "upgrade",
    "upgrade-insecure-requests",
    "user-agent",
    "user_agent",
    "x-custom",
    "x-email",
    "x-emby-authorization",
    "x-emby-token",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-original-url",
    "x-pomerium-authorization",
    "x-pomerium-jwt-assertion",
    "x-pomerium-jwt-assertion-for",
    "x-real-ip",
    "x-request-id",
    "x-requested-with",
    "x-webauth-user",
    "x.email",
    "x_custom",
    "x_email",
    "x_forwarded_for",
    "x_pomerium_anything",
];

const VALUES: &[&str] = &[
    "",
    "1",
    "203.0.113.9",
    "for=203.0.113.8",
    "http",
    "trailers, deflate",
    "close, x-custom, cookie, x-forwarded-for, x-pomerium-jwt-assertion",
    "keep-alive",
    "chunked",
    "Bearer Pomerium-secret",
    "Bearer secret",
    "Basic YTpi",
    "_pomerium=secret; a=1",
    "__Host-_pomerium=secret",
    "https://tv.example/?pomerium_session=secret&a=1",
];

/// What is taken out, one kind after the other, of whatever is there.
fn one_by_one(fields: &mut HeaderMap, taken: Taken<'_>, forwarded: Forwarded<'_>) {
    remove_hop_by_hop(fields);
    fields.remove("expect");
    fields.remove("x-pomerium-authorization");
    remove_credentials(fields);
    if taken.bearer_tokens {
        remove_bearer_tokens(fields);
    }
    remove_cookie(fields, taken.cookie);
    clean_referer(fields);
    if taken.underscores == Underscores::Drop {
        remove_underscores(fields);
    }
    remove_identity(fields, taken.owned);
    set_forwarded(fields, forwarded);
}

fn names() -> impl Strategy<Value = Vec<HeaderName>> {
    vec(select(NAMES).prop_map(HeaderName::from_static), 0..4)
}

proptest! {
    #[test]
    fn by_one_look_goes_what_goes_one_by_one(
        lines in vec((select(NAMES), select(VALUES)), 0..14),
        claimed in names(),
        by_route in names(),
        let_through in names(),
        bearer_tokens in any::<bool>(),
        underscores in select(&[Underscores::Allow, Underscores::Drop, Underscores::Reject][..]),
        trusted_hops in 0_u32..3,
        (skip_append, preserve) in any::<(bool, bool)>(),
    ) {
        let mut given = HeaderMap::new();
        for (name, value) in lines {
            given.append(name, HeaderValue::from_static(value));
        }
        let claim_fields: Vec<_> =
            claimed.into_iter().map(|name| (name, Box::from("email"))).collect();
        let owned =
            Owned { claim_fields: &claim_fields, by_route: &by_route, let_through: &let_through };
        let taken = Taken { owned, cookie: "_pomerium", bearer_tokens, underscores };
        let (peer, asked) =
            (HeaderValue::from_static("203.0.113.7"), HeaderValue::from_static("tv.example"));
        let authority = (!preserve).then_some(&asked);
        let forwarded = Forwarded { peer: &peer, authority, trusted_hops, skip_append };

        let (mut by_one_look, mut expected) = (given.clone(), given);
        let found = Found::of(&by_one_look, owned);
        found.remove(&mut by_one_look, taken);
        found.set_forwarded(&mut by_one_look, forwarded);
        one_by_one(&mut expected, taken, forwarded);
        prop_assert_eq!(by_one_look, expected);
    }
}

/// The table is a shortcut and nothing else.
#[test]
fn of_a_usual_name_the_lists_say_the_same() {
    for name in NAMES {
        if let Some(found) = usual(name) {
            assert_eq!(found, looked_at(name, NOBODY_S), "{name}");
        }
    }
    let usual = NAMES.iter().filter(|name| usual(name).is_some());
    assert_eq!(usual.count(), 34, "every name of the table is among these");
}

#[test]
fn a_name_of_the_config_is_looked_at_however_usual() {
    let by_route = [HeaderName::from_static("user_agent")];
    let mut fields = HeaderMap::new();
    fields.insert("user-agent", HeaderValue::from_static("x"));
    assert!(!Found::of(&fields, NOBODY_S).may_be_forged());
    assert!(Found::of(&fields, Owned { by_route: &by_route, ..NOBODY_S }).may_be_forged());
}
