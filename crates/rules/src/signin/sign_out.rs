use std::time::Duration;

use aws_lc_rs::digest;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use super::Target;
use crate::{
    plan::{Plan, Provider},
    session::{Keys, Purpose},
    time::UnixTime,
};

/// Where to go after a provider has signed somebody out: it travels there and back as `state`.
#[derive(Debug, Serialize, Deserialize)]
pub struct SignedOutState {
    target: Box<str>,
    over_at: u64,
}

impl SignedOutState {
    /// How long somebody may take at the provider's own page.
    pub const LIFETIME: Duration = Duration::from_secs(600);

    /// Sealed, so that no link of a stranger's making says where this page leads.
    pub fn seal(keys: &Keys, target: &WayBack, nonce: [u8; 12], now: UnixTime) -> String {
        let over_at = now.plus(Self::LIFETIME).seconds();
        let state = Self { target: target.to_string().into(), over_at };
        // Text and numbers always serialise; what does not would not open.
        let text = serde_json::to_vec(&state).unwrap_or_default();
        keys.seal(Purpose::BrowserFlow, b"signed-out", &text, nonce)
    }

    /// The target, if we sealed it lately and the plan still serves it.
    pub fn open(keys: &Keys, plan: &Plan, sealed: &str, now: UnixTime) -> Option<WayBack> {
        let text = keys.open(Purpose::BrowserFlow, b"signed-out", sealed).ok()?;
        let state: Self = serde_json::from_slice(&text).ok()?;
        let over_at = UnixTime::from_seconds(state.over_at);
        let counts = over_at.is_ahead_of(now, Self::LIFETIME);
        counts.then(|| WayBack::parse(plan, &state.target)).flatten()
    }
}

/// A page to come back to after signing out: one of ours, or of a proxy that we sign people in
/// for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WayBack(Box<str>);

impl WayBack {
    /// Reads an address; `None` when it leads to somebody else.
    pub fn parse(plan: &Plan, url: &str) -> Option<Self> {
        if let Ok(target) = Target::parse(plan, url) {
            return Some(Self(target.to_string().into()));
        }
        if plan.openid_clients.iter().any(|client| client.is_left_for(url)) {
            return Some(Self(url.into()));
        }
        let allowed = plan.sign_in.service.as_ref()?;
        let url = url::Url::parse(url).ok().filter(|url| url.scheme() == "https")?;
        let plain = url.username().is_empty() && url.password().is_none();
        let ours = plain && allowed.allows(url.host_str()?);
        ours.then(|| Self(String::from(url).into()))
    }
}

impl WayBack {
    /// Its origin, for the `form-action` of a page whose form ends there.
    pub fn origin(&self) -> Option<String> {
        url::Url::parse(&self.0).ok().map(|url| url.origin().ascii_serialization())
    }
}

impl std::fmt::Display for WayBack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names a person in a URL without saying who it is.
pub fn person_digest(person_id: &str) -> String {
    let digest = digest::digest(&digest::SHA256, person_id.as_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(digest)
}

/// The origins that the redirects of a sign-out lead through, for the `form-action` of every
/// page with a button for it (browsers hold redirects after a form against that list).
pub fn sign_out_origins(plan: &Plan) -> Vec<String> {
    let mut origins = vec![plan.sign_in.authenticate.to_string()];
    let providers = plan.sign_in.providers.iter().filter_map(Provider::address);
    for url in providers.chain(plan.sign_in.signed_out_url.as_deref()) {
        let origin = url::Url::parse(url).map(|url| url.origin()).ok();
        let origin = origin.filter(url::Origin::is_tuple).map(|one| one.ascii_serialization());
        origins.extend(origin.filter(|origin| !origins.contains(origin)));
    }
    origins
}

#[cfg(test)]
mod tests {
    use super::{SignedOutState, WayBack, sign_out_origins};
    use crate::{
        names::{Host, Origin},
        plan::{AllowedHosts, OidcProvider, Plan, Provider, ProviderKind},
        session::test_keys,
        time::UnixTime,
    };

    fn plan() -> Plan {
        let provider = OidcProvider {
            issuer: "https://idp.example:8443/realms/home".into(),
            client_id: "c".into(),
            client_secret: None,
            secret_key: None,
            scopes: Vec::new(),
            request_params: Vec::new(),
            kind: ProviderKind::Oidc,
            subjects: Default::default(),
            domains: Default::default(),
            id: "p".into(),
        };
        let authenticate = Origin::parse("https://auth.example").unwrap();
        Plan::sketch(
            authenticate,
            Provider::Oidc(provider),
            vec![Host::parse("tv.example").unwrap()],
        )
    }

    #[test]
    fn state_comes_back_or_leads_nowhere() {
        let (plan, keys) = (plan(), test_keys());
        let target = WayBack::parse(&plan, "https://tv.example/web?x").unwrap();
        let at = UnixTime::from_seconds;
        let state = SignedOutState::seal(&keys, &target, [1; 12], at(0));
        assert_eq!(SignedOutState::open(&keys, &plan, &state, at(599)), Some(target));
        assert_eq!(SignedOutState::open(&keys, &plan, &state, at(600)), None, "too late");
        assert_eq!(SignedOutState::open(&keys, &plan, "https://evil.example", at(0)), None);
        let other = Plan::sketch(plan.sign_in.authenticate.clone(), Provider::Builtin, Vec::new());
        assert_eq!(SignedOutState::open(&keys, &other, &state, at(0)), None, "no longer served");
    }

    /// A link to sign out may be of anybody's making: it leads to us, or to a proxy that the config
    /// names, and never says who somebody is there.
    #[test]
    fn the_way_back_leads_to_nobody_else() {
        let mut plan = plan();
        plan.sign_in.service = Some(AllowedHosts::parse(["proxy.example"]).unwrap());
        for (url, origin) in [
            ("https://tv.example/web", Some("https://tv.example")),
            ("https://proxy.example/bye?x", Some("https://proxy.example")),
            ("https://proxy.example:8443/", Some("https://proxy.example:8443")),
            ("http://proxy.example/", None),
            ("https://evil.example/", None),
            ("https://ann@proxy.example/", None),
            ("https://:secret@proxy.example/", None),
            ("https://ann:secret@proxy.example/", None),
            ("https://proxy.example@evil.example/", None),
            ("/bye", None),
        ] {
            let back = WayBack::parse(&plan, url);
            assert_eq!(back.and_then(|back| back.origin()).as_deref(), origin, "{url}");
        }
    }

    #[test]
    fn origins_without_paths() {
        let mut plan = plan();
        plan.sign_in.signed_out_url = Some("https://bye.example/x?y".into());
        let expected = ["https://auth.example", "https://idp.example:8443", "https://bye.example"];
        assert_eq!(sign_out_origins(&plan), expected);
    }
}
