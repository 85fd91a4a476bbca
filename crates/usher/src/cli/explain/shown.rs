//! An answer, for people and for programs.

use std::fmt;

use http::header;
use serde_json::{Value, json};
use usher_rules::{
    policy::{Decision, Explained, Need, Verdict, WayIn},
    problem::{Place, Problem},
    session::SignedIn,
    signin::ServiceAccount,
};

use super::{Config, Outcome, Question};
use crate::request::{
    authorize::ReadingOf,
    inquiry::{After, Foretold, Judged, Opened, OpenedTo},
    record::{KeptDecision, moment},
    route::target_path,
};

/// What was asked, as it may be shown: without query and fields, in which tokens travel.
pub(super) struct Asks {
    method: String,
    url: String,
    who: Option<SignedIn>,
}

impl Asks {
    pub(super) fn of(Question { head, who, .. }: &Question) -> Self {
        let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let url = format!("https://{}{}", host.unwrap_or_default(), target_path(&head.uri));
        Self { method: head.method.to_string(), url, who: who.who().cloned() }
    }

    /// Who asks, by the shortest name.
    fn name(&self) -> &str {
        name_of(self.who.as_ref())
    }
}

/// Whom a line is about.
pub(super) fn name_of(who: Option<&SignedIn>) -> &str {
    match who {
        None => "nobody",
        Some(who) if ServiceAccount::name_of(who).is_some() => &who.person.id,
        Some(SignedIn { person, .. }) if person.email.is_empty() => &person.id,
        Some(SignedIn { person, .. }) => &person.email,
    }
}

fn who_json(who: &SignedIn) -> Value {
    let mut told = json!({"id": who.person.id, "email": who.person.email});
    let name = ServiceAccount::name_of(who).map(|name| ("service_account".into(), name.into()));
    told.as_object_mut().into_iter().for_each(|members| members.extend(name.clone()));
    told
}

/// An answer beside what was asked.
pub(super) struct Shown<'a> {
    pub(super) config: &'a Config,
    pub(super) asks: &'a Asks,
    pub(super) foretold: &'a Foretold<'a>,
    /// What was decided once, where that is asked about.
    pub(super) then: Option<&'a KeptDecision>,
}

impl Shown<'_> {
    pub(super) fn outcome(&self) -> Outcome {
        let climbs = |judged: &Judged<'_>| judged.after == After::Climbs;
        let is_let_in = self.foretold.verdict() == Verdict::Allow;
        match is_let_in && !self.foretold.judged().is_some_and(climbs) {
            true => Outcome::Good,
            false => Outcome::Not,
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let Self { config, asks, foretold, then } = self;
        let mut object = json!({
            "verdict": foretold.verdict().word(),
            "rule": foretold.rule(),
            "method": asks.method,
            "url": asks.url,
            "who": asks.who.as_ref().map(who_json),
            "plan": config.plan.id,
            "what": self.words(),
        });
        let Some(members) = object.as_object_mut() else { return object };
        if let Some(judged) = foretold.judged() {
            let Judged { route, explanation, by, shadow, opened, after, .. } = judged;
            let criteria = explanation.criteria.iter().map(|one| self.criterion(one));
            let route = json!({"name": route.name, "id": route.id, "line": route.line});
            members.insert("route".into(), route);
            if judged.route.jellyfin.is_some() {
                members.insert("unasked".into(), judged.route.unasked().collect());
            }
            members.insert("reading".into(), reading(*by).0.into());
            members.insert("criteria".into(), criteria.collect());
            if foretold.verdict() != Verdict::Allow {
                members.insert("way_in".into(), self.way_in(&explanation.way_in()));
            }
            if let Some(Opened { to, .. }) = opened {
                members.insert("opened_to_strangers".into(), true.into());
                members.insert("pages_sign_in".into(), (*to == OpenedTo::AllButPages).into());
            }
            if let Some(Decision { verdict, rule, .. }) = shadow {
                let shadow = json!({"verdict": verdict.word(), "rule": **rule});
                members.insert("shadow_policy".into(), shadow);
            }
            if let After::Answered(status, location) = after {
                let answer = json!({"status": status, "location": location});
                members.insert("route_answers".into(), answer);
            }
        }
        if let Some(KeptDecision { request_id, plan, verdict, rule, route, asked, .. }) = then {
            let then = json!({
                "request_id": request_id, "plan": plan, "verdict": verdict, "rule": rule,
                "route": route, "time": moment(asked.at()),
            });
            members.insert("then".into(), then);
        }
        object
    }

    fn criterion(&self, one: &Explained<'_>) -> Value {
        json!({
            "rule": one.rule,
            "effect": one.effect.word(),
            "operator": one.operator.word(),
            "line": one.span.map(|span| self.config.findings.line(span)),
            "asks": one.asks,
            "found": one.found,
            "holds": one.holds,
            "reason": one.reason.word(),
        })
    }

    fn way_in(&self, way: &WayIn<'_, '_>) -> Value {
        let changed = |one: &&Explained<'_>| json!({"rule": one.rule, "asks": one.asks, "has_to_be": one.says_no(), "found": one.found});
        match way {
            WayIn::Facts(needs) => {
                let any_of =
                    |need: &Need<'_, '_>| -> Value { need.any_of.iter().map(changed).collect() };
                json!({"all_of": needs.iter().map(any_of).collect::<Vec<_>>()})
            }
            WayIn::Rules(rules) => {
                let rules: Vec<&str> = rules.iter().map(|one| one.rule).collect();
                json!({"change_rules": rules})
            }
        }
    }

    /// What happens, in one sentence.
    fn words(&self) -> String {
        match self.foretold {
            Foretold::Refused(error) => {
                format!("it is refused before anybody is asked who they are: {error}")
            }
            Foretold::Unescaped(routed) => {
                format!("its client is sent to the path as it is read here: {}", routed.path.wire())
            }
            Foretold::OwnPage(_) => {
                "one of usher's own pages answers, which are open to everybody".into()
            }
            Foretold::Nowhere(routed) => self.nowhere(&routed.authority),
            Foretold::Barred(barred) => format!("it is refused: {}", barred.why()),
            Foretold::Judged(judged) => judged_words(judged),
        }
    }

    fn nowhere(&self, authority: &usher_rules::names::Authority) -> String {
        let routes = self.config.plan.routes.iter().filter(|route| route.from.takes(authority));
        let names: Vec<&str> = routes.map(|route| &*route.name).collect();
        match names.as_slice() {
            [] => "no route answers for this host: 404".into(),
            names => {
                format!("no route of this host takes the path: 404; there are {}", names.join(", "))
            }
        }
    }
}

fn judged_words(Judged { explanation, after, by, opened, .. }: &Judged<'_>) -> String {
    match opened {
        Some(Opened { to: OpenedTo::All, .. }) => {
            return "the app behind the route needs it before anybody is known: strangers get it"
                .into();
        }
        Some(Opened { to: OpenedTo::AllButPages, .. }) => {
            return "the app behind the route needs it before anybody is known: strangers get it, \
                    but a browser that opens it as a page is sent to sign in"
                .into();
        }
        None => {}
    }
    if *by != ReadingOf::Canonical {
        return "it is refused: 400".into();
    }
    if explanation.decision.has_failed() {
        return "a rule in Rego fails, so nobody is let in: 500, as in Pomerium".into();
    }
    match (explanation.decision.verdict, after) {
        (Verdict::Allow, After::Forwarded) => "it is forwarded to the app".into(),
        (Verdict::Allow, After::Climbs) => {
            "the policy lets it in, and it is refused: the app would see a path outside of the route".into()
        }
        (Verdict::Allow, After::Answered(status, None)) => {
            format!("it is let in, and the route answers by itself: {status}")
        }
        (Verdict::Allow, After::Answered(status, Some(location))) => {
            format!("it is let in, and the route answers by itself: {status} to {location}")
        }
        (Verdict::SignIn, _) => {
            "nobody is signed in: a browser is sent to sign in, a program gets 401".into()
        }
        (Verdict::SignInAgain, _) => {
            "their sign-in is too old: a browser is sent to sign in again, a program gets 401".into()
        }
        (Verdict::ShowPasskey, _) => {
            "no passkey was shown, or too long ago: a browser is sent to show one, a program gets 401".into()
        }
        (Verdict::ShowCertificate, _) => {
            "no client certificate that counts was shown: 495".into()
        }
        (Verdict::ShowDevice, _) => {
            "no device was shown: a browser is sent to show one, a program gets 401".into()
        }
        (Verdict::Deny, _) => "it is refused: 403".into(),
    }
}

/// On which reading, as a word and as words.
const fn reading(by: ReadingOf) -> (&'static str, &'static str) {
    match by {
        ReadingOf::Canonical => ("own", ""),
        ReadingOf::Others => ("other-path", "as other servers read the path"),
        ReadingOf::OtherMethod => {
            ("other-method", "as an app takes the method from a field or parameter")
        }
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { config, asks, foretold, then } = self;
        let verdict = foretold.verdict().word();
        writeln!(f, "{verdict}  {} {} as {}", asks.method, asks.url, asks.name())?;
        writeln!(f, "  what     {}", self.words())?;
        if let Some(then) = then {
            let (at, KeptDecision { plan, verdict, rule, .. }) = (moment(then.asked.at()), then);
            let same = if *plan == *config.plan.id { "this config" } else { "another config" };
            writeln!(f, "  then     {verdict} by {rule}, at {at} under {same}, plan {plan}")?;
        }
        let Some(judged) = foretold.judged() else {
            return writeln!(f, "  rule     {}", foretold.rule());
        };
        let (route, findings) = (judged.route, &config.findings);
        writeln!(f, "  route    {}, {}:{}", route.name, findings.file, route.line)?;
        let unasked: Vec<_> = route.unasked().collect();
        if !unasked.is_empty() {
            writeln!(f, "  unasked  {}: a Jellyfin wants it so", unasked.join(", "))?;
        }
        let (_, by) = reading(judged.by);
        let by = if by.is_empty() { String::new() } else { format!(", {by}") };
        writeln!(f, "  rule     {}{by}", foretold.rule())?;
        if let Some(Decision { verdict, rule, .. }) = &judged.shadow {
            writeln!(f, "  shadow   {} by {rule}", verdict.word())?;
        }
        for one in &judged.explanation.criteria {
            self.criterion_line(one, f)?;
        }
        self.way_in_lines(judged, f)
    }
}

impl Shown<'_> {
    fn criterion_line(&self, one: &Explained<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Explained { operator, rule, asks, found, holds, span, .. } = one;
        let holds = if *holds { "holds" } else { "fails" };
        let not = if operator.inverts() { "not: " } else { "" };
        let line = span.map(|span| format!(", line {}", self.config.findings.line(span)));
        writeln!(f, "  {holds}    {rule}{}", line.unwrap_or_default())?;
        writeln!(f, "             wants {not}{asks}\n             sees  {found}")?;
        for Problem { code, what, .. } in self.problems(one) {
            writeln!(f, "             warning[{code}]: {what}")?;
        }
        Ok(())
    }

    /// What was found about a criterion when the config was loaded: that nobody can meet it.
    fn problems(&self, one: &Explained<'_>) -> impl Iterator<Item = &Problem> {
        let span = one.span.cloned().unwrap_or_default();
        self.config.findings.problems().iter().filter(move |problem| {
            matches!(&problem.at, Place::File(at) if span.start <= at.start && at.end <= span.end)
        })
    }

    fn way_in_lines(&self, judged: &Judged<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if judged.opened.is_some() {
            return Ok(());
        }
        let verdict = judged.explanation.decision.verdict;
        let way = judged.explanation.way_in();
        let begins = match verdict {
            Verdict::Allow => return Ok(()),
            Verdict::SignInAgain => return writeln!(f, "  to enter sign in again"),
            Verdict::ShowPasskey => return writeln!(f, "  to enter show a passkey"),
            Verdict::SignIn => "sign in, as somebody with\n",
            Verdict::ShowCertificate => "show a client certificate, as somebody with\n",
            Verdict::ShowDevice => "show a device, as somebody with\n",
            Verdict::Deny => "",
        };
        let way = format!("{begins}{way}");
        let way = way.trim_end_matches(", as somebody with\n");
        writeln!(f, "  to enter {}", way.replace('\n', "\n           "))
    }
}
