//! The pure path of a request, step by step, as often as is asked for. Run under callgrind by
//! `instructions`, which counts what a round costs.

use std::{hint::black_box, net::IpAddr};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use usher_rules::{
    config::{self, Environment, Input, NoFiles},
    fields::{
        Forwarded, Owned, clean_referer, join_cookies, other_methods, remove_cookie,
        remove_credentials, remove_hop_by_hop, remove_identity, set_forwarded,
    },
    names::{Authority, EscapedSlashes, RequestPath, is_registered},
    plan::{self, Plan, Route},
    policy::{Facts, RequestFacts, Verdict},
    secret::Secret,
    session::{CookieNames, Credential, Handle, Keys, SessionId, credential_by},
    signin::Imagined,
    time::UnixTime,
};

use crate::failure::Failure;

const HOST: &str = "app50.home.arpa";
const PATH: &str = "/Videos/42/stream.mp4";

const POLICY: &str = include_str!("../ten-criteria.yaml");

/// What every round begins with.
struct Request {
    plan: Plan,
    keys: Keys,
    fields: HeaderMap,
    peer: HeaderValue,
}

impl Request {
    fn new() -> Option<Self> {
        let routes = (0..100).map(|at| {
            format!(
                "- {{from: 'https://app{at}.home.arpa', to: 'http://127.0.0.1:9', policy: *ten, \
                 pass_identity_headers: true}}\n"
            )
        });
        let text = POLICY.to_owned() + &routes.collect::<String>();
        let draft = config::read(Input { name: None, text: &text }, &Environment::new());
        let (plan, _) = plan::compile(draft, &NoFiles).ok()?;
        let keys = Keys::derive(&Secret::new([1; 32]), &Secret::new([2; 32])).ok()?;
        let handle = Handle {
            session: SessionId::from_random([7; 16]),
            subject: "ann".into(),
            idp_id: None,
            issuer: None,
            audience: vec![HOST.into()],
            issued_at: None,
            depends_on_time: false,
        };
        let cookie = format!("{}={}", plan.cookie.host_name, keys.sign_handle(&handle));
        let fields = fields(&cookie)?;
        Some(Self { plan, keys, fields, peer: HeaderValue::from_static("203.0.113.7") })
    }

    fn route(&self, host: &str) -> Option<&Route> {
        let authority = Authority::parse(black_box(host)).ok()?;
        let path = RequestPath::parse_as(black_box(PATH), EscapedSlashes::Keep).ok()?;
        self.plan.route_at(&authority, path.wire()).map(AsRef::as_ref)
    }

    fn identify(&self) -> Option<SessionId> {
        let verify = |token: &str, _| {
            self.keys.verify_handle(token, UnixTime::EARLIEST).map(std::sync::Arc::new)
        };
        let names = CookieNames::of(&self.plan.cookie);
        match credential_by(&verify, black_box(&self.fields), None, names) {
            Credential::Good(handle, _) => Some(handle.session.clone()),
            Credential::Absent | Credential::Bad(..) | Credential::Contradiction(_) => None,
        }
    }

    /// By the one reading that there is of it.
    fn authorize(&self, route: &Route, facts: &Facts<'_>) -> Option<Verdict> {
        let others = other_methods("GET", black_box(&self.fields), None, is_registered);
        others.is_empty().then(|| route.policy.decide(black_box(facts)).verdict)
    }

    /// As `toward_upstream` does it, up to what is signed.
    fn shape(&self, route: &Route) -> HeaderMap {
        let mut fields = black_box(&self.fields).clone();
        join_cookies(&mut fields);
        remove_hop_by_hop(&mut fields);
        remove_credentials(&mut fields);
        remove_cookie(&mut fields, &self.plan.cookie.name);
        clean_referer(&mut fields);
        let (by_route, let_through) = (&*route.own_request, &*route.client_identity);
        let claim_fields = &self.plan.claim_fields;
        remove_identity(&mut fields, Owned { claim_fields, by_route, let_through });
        let (trusted_hops, skip_append) = (self.plan.xff_num_trusted_hops, false);
        let authority = fields.get(header::HOST).cloned();
        let forwarded = Forwarded {
            peer: &self.peer,
            authority: authority.as_ref(),
            trusted_hops,
            skip_append,
        };
        set_forwarded(&mut fields, forwarded);
        fields
    }
}

/// As a browser sends them.
fn fields(cookie: &str) -> Option<HeaderMap> {
    let lines = [
        ("host", HOST),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        ("accept", "video/webm,video/ogg,video/*;q=0.9,application/ogg;q=0.7,audio/*;q=0.6"),
        ("accept-language", "en-GB,en;q=0.5"),
        ("accept-encoding", "identity"),
        ("range", "bytes=0-"),
        ("referer", "https://app50.home.arpa/web/index.html"),
        ("cookie", cookie),
        ("sec-fetch-dest", "video"),
        ("sec-fetch-mode", "no-cors"),
        ("sec-fetch-site", "same-origin"),
        ("connection", "keep-alive"),
    ];
    let line = |(name, value): &(&'static str, &str)| {
        Some((HeaderName::from_static(name), HeaderValue::from_str(value).ok()?))
    };
    lines.iter().map(line).collect()
}

/// Every step, in the order of the path.
pub const STEPS: [&str; 4] = ["route", "identify", "authorize", "shape"];

/// How many hosts take turns: one alone would be counted by its luck in the table of hosts.
const HOSTS: usize = 16;

/// Does one step that often. What it gives is looked at, so that it measures what it says.
pub fn repeat(step: &str, rounds: u32) -> Result<(), Failure> {
    let wrong = |what: &str| Failure::Program { program: step.to_owned(), what: what.to_owned() };
    let request = Request::new().ok_or_else(|| wrong("the config has problems"))?;
    let groups = Some(vec!["family".into()]);
    let ann = Imagined { email: "ann@example.com".into(), groups, ..Imagined::default() };
    let ann = ann.signed_in("builtin", UnixTime::EARLIEST);
    let asked = RequestFacts {
        method: "GET",
        path: PATH,
        source: Some(IpAddr::from([203, 0, 113, 7])),
        tool: None,
        origin: None,
        access_control_request_method: None,
    };
    let facts = Facts::of(Some(&ann), asked);
    let hosts: Vec<_> = (0..HOSTS).map(|at| format!("app{at}.home.arpa")).collect();
    let routed = hosts.iter().map(|host| Some((host.as_str(), request.route(host)?)));
    let routed = routed.collect::<Option<Vec<_>>>().ok_or_else(|| wrong("no route takes it"))?;
    // Once for whatever is made at its first use.
    for rounds in [1, rounds] {
        if !counted_rounds(step, rounds, (&request, &facts), &routed) {
            return Err(wrong("it measures something else"));
        }
    }
    Ok(())
}

/// What is counted, by this name: see `instructions`.
#[inline(never)]
fn counted_rounds(
    step: &str,
    rounds: u32,
    (request, facts): (&Request, &Facts<'_>),
    routed: &[(&str, &Route)],
) -> bool {
    let mut turns = (0..rounds).zip(routed.iter().cycle());
    turns.all(|(_, &(host, route))| {
        black_box(match step {
            "route" => request.route(host).is_some(),
            "identify" => request.identify().is_some(),
            "authorize" => request.authorize(route, facts) == Some(Verdict::Allow),
            "shape" => request.shape(route).contains_key("x-forwarded-for"),
            _ => false,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::{STEPS, repeat};

    #[test]
    fn every_step_does_what_it_says() {
        for step in STEPS {
            repeat(step, 32).unwrap();
        }
        assert!(repeat("another", 1).is_err());
    }
}
