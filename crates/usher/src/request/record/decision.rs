use http::Method;
use usher_rules::{
    plan::{Plan, Route},
    policy::{Decision, Reason, Verdict},
    session::SignedIn,
    time::Now,
};

use super::{
    happening::bare_or_quoted,
    json::{Object, member},
    repeated::{Line, Of, repeated},
    selection::selected,
    stamp,
};
use crate::request::{
    PathRule,
    authorize::{Grounds, PolicyInput, Refused},
    identify::Identity,
};

/// What was decided about a request: the `authorize check` line.
#[derive(Clone, Copy, Debug)]
pub struct Decided<'a> {
    /// The snapshot that decided.
    pub plan: &'a Plan,
    /// The request's id.
    pub request_id: &'a str,
    /// The id that the request came with, if any.
    pub check_request_id: &'a str,
    /// The method.
    pub method: &'a Method,
    /// Whom it is for, host and port as written.
    pub host: &'a str,
    /// The canonical path; never a query.
    pub path: &'a str,
    /// The TCP peer.
    pub ip: &'a str,
    /// Who asked.
    pub identity: &'a Identity,
    /// The route that decided; `None` for our own pages.
    pub route: Option<&'a Route>,
    /// What was decided, and by what.
    pub by: By<'a>,
    /// When.
    pub at: Now,
}

/// A route's policy, asked.
#[derive(Clone, Copy, Debug)]
pub struct Judgement<'a> {
    /// The one that is acted on.
    pub decision: &'a Decision,
    /// What the route's `shadow_policy` would have said, where it has one.
    pub shadow: Option<&'a Decision>,
    /// About what.
    pub asked: &'a PolicyInput,
}

impl Judgement<'_> {
    /// What the shadow policy says, where that is something else.
    pub(super) fn disagreement(&self) -> Option<&Decision> {
        self.shadow.filter(|shadow| shadow.verdict != self.decision.verdict)
    }
}

/// Policy, app, page or path: each fills the two sides of a decision line otherwise.
#[derive(Clone, Copy, Debug)]
pub enum By<'a> {
    /// The route's policy.
    Policy(Judgement<'a>),
    /// The route's app, which opens it to strangers, and why.
    Unbound(&'a str),
    /// It is one of our own pages, which are open to all.
    OwnPage,
    /// It is one of our own pages that is about whoever asks, and nobody is signed in.
    NobodysPage,
    /// No policy was asked: the request belongs nowhere, for this reason.
    Path(&'a str),
}

impl<'a> By<'a> {
    /// What let a request in, about which this was asked.
    pub fn grounds(grounds: &'a Grounds, asked: &'a PolicyInput) -> Self {
        match grounds {
            Grounds::Policy(decision, shadow) => {
                Self::Policy(Judgement { decision, shadow: shadow.as_ref(), asked })
            }
            Grounds::Unbound(why) => Self::Unbound(why),
        }
    }
}

impl<'a> From<&'a Refused<'_>> for By<'a> {
    fn from(Refused { decision, shadow, asked, .. }: &'a Refused<'_>) -> Self {
        Self::Policy(Judgement { decision, shadow: shadow.as_ref(), asked })
    }
}

impl By<'_> {
    pub(super) const fn verdict(&self) -> Verdict {
        match self {
            Self::Policy(judgement) => judgement.decision.verdict,
            Self::OwnPage | Self::Unbound(_) => Verdict::Allow,
            Self::NobodysPage => Verdict::SignIn,
            Self::Path(_) => Verdict::Deny,
        }
    }

    /// What a shadow policy says, where that is something else.
    pub(super) fn disagreement(&self) -> Option<&Decision> {
        match self {
            Self::Policy(judgement) => judgement.disagreement(),
            Self::Unbound(_) | Self::OwnPage | Self::NobodysPage | Self::Path(_) => None,
        }
    }

    fn rule(&self) -> &str {
        match self {
            Self::Policy(judgement) => &judgement.decision.rule,
            Self::OwnPage | Self::NobodysPage => PathRule::OwnPage.word(),
            Self::Path(rule) | Self::Unbound(rule) => rule,
        }
    }
}

/// What every decision line begins with.
const HEAD: &str = r#""level":"info","server-name":"all","service":"authorize""#;

/// Why something was let in that no policy let in.
const UNBOUND: &str = "unbound";

/// A route's id as a number.
fn checksum(route: &Route) -> u64 {
    u64::from_str_radix(&route.id, 16).unwrap_or_default()
}

/// What one side of a decision came to, and why, where no policy was asked.
type Side<'a> = (bool, Option<&'a str>);

/// The names of a side: what it came to, and why in either case.
const ALLOW: [&str; 3] = ["allow", "allow-why-true", "allow-why-false"];
const DENY: [&str; 3] = ["deny", "deny-why-true", "deny-why-false"];

fn side<'a>(
    o: &mut Object<'_>,
    [name, why_true, why_false]: [&str; 3],
    (holds, why): (bool, impl IntoIterator<Item = &'a str>),
) {
    o.boolean(name, holds).list(if holds { why_true } else { why_false }, why.into_iter());
}

impl Decided<'_> {
    pub(super) fn who(&self) -> Option<&SignedIn> {
        self.identity.session().map(|live| live.signed_in())
    }

    pub(super) fn json(&self, out: &mut Vec<u8>) {
        let fields = self.plan.log.authorize.as_ref();
        let mut o = Object::begin_with(out, HEAD);
        macro_rules! add {
            ($name:literal, $value:expr) => {
                if selected(fields, $name) {
                    o.put(member!($name), $value.as_bytes());
                }
            };
        }
        add!("request-id", self.request_id);
        add!("check-request-id", self.check_request_id);
        add!("method", self.method.as_str());
        add!("path", self.path);
        add!("host", self.host);
        add!("ip", self.ip);
        match self.who().and_then(|who| self.of(who)) {
            Some(of) => repeated(&mut o, of, |o| self.rest(o)),
            None => self.rest(&mut o),
        }
        stamp::rfc3339(self.at.wall, |time| {
            o.word(member!("time"), time);
        });
        o.word(member!("message"), "authorize check");
        o.end();
    }

    /// From what the rest of the line is written; `None` where from more than that.
    fn of<'b>(&'b self, who: &'b SignedIn) -> Option<Of<'b>> {
        let By::Policy(Judgement { decision, shadow: None, .. }) = self.by else { return None };
        if self.plan.log.authorize.is_some() || decision.other.is_some() {
            return None;
        }
        let route = self.route?;
        let name = match who.session.is_of_service_account() {
            true => "service-account-id",
            false => "session-id",
        };
        Some(Of {
            line: Line::Decision,
            session: (name, who.session.id.as_str()),
            user: &who.person.id,
            email: &who.person.email,
            route: [&route.id, &route.name],
            verdict: decision.verdict,
            rule: &decision.rule,
            sides: [decision.allow, decision.deny],
        })
    }

    /// Who asked, where, and what was decided.
    fn rest(&self, o: &mut Object<'_>) {
        let fields = self.plan.log.authorize.as_ref();
        macro_rules! add {
            ($name:literal, $value:expr) => {
                if selected(fields, $name) {
                    o.put(member!($name), $value.as_bytes());
                }
            };
        }
        let who = self.who();
        if let Some(who) = who {
            if who.session.is_of_service_account() {
                add!("service-account-id", who.session.id.as_str());
            } else {
                add!("session-id", who.session.id.as_str());
            }
        }
        add!("user", who.map_or("", |who| &who.person.id));
        add!("email", who.map_or("", |who| &who.person.email));
        if let Some(route) = self.route {
            add!("envoy-route-id", &route.id);
            add!("route-id", "");
        }
        // By default they are not there: the id says as much.
        for name in ["envoy-route-checksum", "route-checksum"] {
            if fields.is_some() && selected(fields, name) {
                o.number(name, self.route.map_or(0, checksum));
            }
        }
        self.sides(o);
        o.put(member!("route"), self.route.map_or("", |route| &route.name).as_bytes());
        o.word(member!("verdict"), self.by.verdict().word());
        o.put(member!("rule"), self.by.rule().as_bytes());
        if let Some(shadow) = self.by.disagreement() {
            o.word(member!("shadow-verdict"), shadow.verdict.word());
            o.put(member!("shadow-rule"), shadow.rule.as_bytes());
        }
    }

    fn sides(&self, o: &mut Object<'_>) {
        const PAGE: Reason = Reason::named("pomerium-route");
        const NOBODY: Reason = Reason::named("user-unauthenticated");
        const NO_ROUTE: Reason = Reason::named("route-not-found");
        let (allow, deny): (Side<'_>, Side<'_>) = match self.by {
            By::Policy(Judgement { decision, .. }) => {
                side(o, ALLOW, (decision.allow.holds, decision.allow_words()));
                side(o, DENY, (decision.deny.holds, decision.deny_words()));
                return;
            }
            By::OwnPage => ((true, Some(PAGE.word())), (false, None)),
            By::Unbound(_) => ((true, Some(UNBOUND)), (false, None)),
            By::NobodysPage => ((false, Some(NOBODY.word())), (false, None)),
            By::Path(rule) if rule == PathRule::NoRoute.word() => {
                ((false, None), (true, Some(NO_ROUTE.word())))
            }
            By::Path(rule) => ((false, Some(rule)), (false, None)),
        };
        side(o, ALLOW, allow);
        side(o, DENY, deny);
    }

    pub(super) fn text(&self, out: &mut Vec<u8>) {
        stamp::clock(out, self.at);
        out.extend_from_slice(b" INFO  decision id=");
        bare_or_quoted(out, self.request_id);
        let mut add = |key: &str, value: &str| {
            out.extend_from_slice(key.as_bytes());
            bare_or_quoted(out, value);
        };
        add(" user=", self.who().map_or("-", |who| &who.person.email));
        add(" host=", self.host);
        add(" verdict=", self.by.verdict().word());
        add(" rule=", self.by.rule());
        if let By::Policy(Judgement { decision, .. }) = self.by {
            add(" why=", &decision.why().join(","));
        }
        if let Some(shadow) = self.by.disagreement() {
            add(" shadow-verdict=", shadow.verdict.word());
            add(" shadow-rule=", &shadow.rule);
        }
        out.push(b'\n');
    }
}
