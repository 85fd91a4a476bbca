use serde_json::{Map, Value, json};

use super::somebody_at;
use crate::{
    plan::{OidcProvider, ProviderKind, Subjects},
    signin::ClaimsFault,
};

fn provider(kind: ProviderKind, issuer: &str) -> OidcProvider {
    OidcProvider {
        issuer: issuer.into(),
        client_id: "usher".into(),
        client_secret: None,
        scopes: Vec::new(),
        request_params: Vec::new(),
        kind,
        subjects: Subjects::default(),
        domains: Default::default(),
        id: "p".into(),
    }
}

fn members(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// Id and address of somebody about whom both documents are the same.
fn who(provider: &OidcProvider, claims: Value) -> Result<String, ClaimsFault> {
    let claims = members(claims);
    let person = somebody_at(provider, &claims, Some(&claims))?.person;
    Ok(format!("{}|{}", person.id, person.email))
}

const PERSONAL: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
const TENANT: &str = "11111111-2222-3333-4444-555555555555";

#[test]
fn an_issuer_for_all_tenants_is_the_one_of_the_tenant() {
    let at = |segment: &str| format!("https://login.microsoftonline.com/{segment}/v2.0");
    for (segment, published, tenant, issues, why) in [
        ("common", at("{tenantid}"), TENANT, true, "a tenant"),
        ("common", at("{tenantid}"), PERSONAL, true, "an account of one's own"),
        ("common", at("{tenantid}"), "../evil", false, "no id of a tenant"),
        ("common", at("{tenantid}"), "", false, "none"),
        ("organizations", at("{tenantid}"), TENANT, true, "a tenant"),
        ("organizations", at("{tenantid}"), PERSONAL, false, "no organisation"),
        ("consumers", at(PERSONAL), PERSONAL, true, "an account of one's own"),
        ("consumers", at(PERSONAL), TENANT, false, "of an organisation"),
    ] {
        let provider = provider(ProviderKind::Azure, &at(segment));
        assert!(provider.publishes(&published), "{segment}: {why}");
        assert!(!provider.publishes(&at(TENANT)), "{segment} is no single tenant");
        let issuer = provider.issuer_of(&members(json!({"tid": tenant})));
        assert_eq!(issuer.as_deref(), issues.then(|| at(tenant)).as_deref(), "{segment}: {why}");
    }
    let one = provider(ProviderKind::Azure, &at(TENANT));
    assert!(one.publishes(&at(TENANT)) && !one.publishes(&at("{tenantid}")));
    let other = json!({"tid": "99999999-2222-3333-4444-555555555555"});
    assert_eq!(one.issuer_of(&members(other)).as_deref(), Some(&*at(TENANT)), "as configured");
    let generic = provider(ProviderKind::Oidc, &at("common"));
    assert!(!generic.publishes(&at("{tenantid}")), "only Entra's are templates");
}

#[test]
fn a_tenant_of_strangers_vouches_for_no_address() {
    let all = provider(ProviderKind::Azure, "https://login.microsoftonline.com/common/v2.0");
    let one = provider(ProviderKind::Azure, "https://login.microsoftonline.com/T/v2.0");
    let mum = |tenant: &str, more: Value| {
        let mut claims = json!({"sub": "s", "oid": "o", "tid": tenant, "email": "mum@example.com"});
        claims.as_object_mut().unwrap().extend(members(more));
        claims
    };
    for (provider, claims, expected, why) in [
        (&all, mum(TENANT, json!({})), "o|", "its administrator wrote it"),
        (&all, mum(TENANT, json!({"email_verified": true})), "o|", "and the flag, too"),
        (&all, mum(TENANT, json!({"xms_edov": false})), "o|", "not theirs"),
        (&all, mum(TENANT, json!({"xms_edov": "0"})), "o|", "as text"),
        (&all, mum(TENANT, json!({"xms_edov": true})), "o|mum@example.com", "theirs"),
        (&all, mum(TENANT, json!({"xms_edov": 1})), "o|mum@example.com", "as a number"),
        (&all, mum(PERSONAL, json!({})), "o|mum@example.com", "Microsoft asked"),
        (&one, mum(TENANT, json!({})), "o|mum@example.com", "the tenant of the operator"),
    ] {
        assert_eq!(who(provider, claims).as_deref(), Ok(expected), "{why}");
    }
    // Nor by userinfo alone.
    let claims = members(json!({"sub": "s", "tid": TENANT}));
    let userinfo = members(json!({"sub": "s", "email": "mum@example.com"}));
    let person = somebody_at(&all, &claims, Some(&userinfo)).unwrap().person;
    assert_eq!(&*person.email, "");
}

#[test]
fn a_hosted_domain_is_checked_and_not_only_asked_for() {
    for (asked, claims, expected, why) in [
        ("example.com", json!({"sub": "1", "hd": "example.com"}), true, "the one"),
        ("example.com", json!({"sub": "1", "hd": "Example.COM"}), true, "in capitals"),
        ("example.com", json!({"sub": "1", "hd": "evil.test"}), false, "another"),
        ("example.com", json!({"sub": "1", "email": "a@example.com"}), false, "none is said"),
        ("*", json!({"sub": "1", "hd": "other.test"}), true, "any"),
        ("*", json!({"sub": "1"}), false, "a private account is of none"),
        ("", json!({"sub": "1"}), true, "nothing is asked"),
    ] {
        let mut google = provider(ProviderKind::Google, "https://accounts.google.com");
        google.request_params = vec![("hd".into(), asked.into())];
        let outcome = who(&google, claims);
        assert_eq!(outcome.is_ok(), expected, "{why}: {outcome:?}");
    }
}

#[test]
fn google_names_itself_in_two_ways_and_nobody_else_does() {
    let of = |kind, issuer: &str, says: &str| {
        provider(kind, issuer).issuer_of(&members(json!({"iss": says}))).unwrap()
    };
    let (with, bare) = ("https://accounts.google.com", "accounts.google.com");
    assert_eq!(&*of(ProviderKind::Google, with, with), with);
    assert_eq!(&*of(ProviderKind::Google, with, bare), bare);
    assert_eq!(&*of(ProviderKind::Google, with, "evil.test"), with);
    assert_eq!(&*of(ProviderKind::Oidc, with, bare), with);
}

#[test]
fn groups_of_cognito_are_groups() {
    let cognito = provider(ProviderKind::Cognito, "https://cognito.test/pool");
    let claims = members(json!({"sub": "1", "cognito:groups": ["family"]}));
    let authentication = somebody_at(&cognito, &claims, None).unwrap();
    assert_eq!(authentication.claims.values("groups"), [Value::from("family")]);
}

#[test]
fn only_addresses_of_its_domains_sign_in() {
    let mut at = provider(ProviderKind::Oidc, "https://idp.test");
    at.domains = vec!["example.com".into(), "xn--bcher-kva.example".into()].into();
    for (claims, expected, why) in [
        (json!({"sub": "1", "email": "a@Example.com"}), true, "in it"),
        (json!({"sub": "1", "email": "a@bücher.example"}), true, "in U-labels"),
        (json!({"sub": "1", "email": "a@sub.example.com"}), false, "below it"),
        (json!({"sub": "1", "email": "a@example.com.evil.test"}), false, "another"),
        (json!({"sub": "1", "email": "a@example.com", "email_verified": false}), false, "unproven"),
        (json!({"sub": "1"}), false, "none"),
    ] {
        let outcome = who(&at, claims);
        assert_eq!(outcome.is_ok(), expected, "{why}: {outcome:?}");
    }
}

/// T6: a subject is somebody at one issuer only.
#[test]
fn t6_nobody_is_taken_for_somebody_of_another_provider() {
    let mut usual = provider(ProviderKind::Oidc, "https://idp.test");
    usual.subjects = Subjects::Plain { others: vec!["work".into()].into() };
    let mut work = provider(ProviderKind::Oidc, "https://work.test");
    work.subjects = Subjects::Under("work".into());
    let named = |subject: &str| json!({"sub": subject});
    assert_eq!(who(&usual, named("1")).as_deref(), Ok("1|"));
    assert_eq!(who(&work, named("1")).as_deref(), Ok("work/1|"));
    assert_eq!(who(&usual, named("work/1")), Err(ClaimsFault::OfAnotherProvider));
    assert_eq!(who(&usual, named("other/1")).as_deref(), Ok("other/1|"));
    assert_eq!(who(&work, named("work/1")).as_deref(), Ok("work/work/1|"));
}
