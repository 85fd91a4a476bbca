//! `tests` of routes, asked of the plan before anybody runs with it.

use std::sync::Arc;

use http::{Method, Request, Uri};
use usher_rules::{
    names::udp_path,
    plan::{Carried, Plan, PolicyTest, Route},
    policy::{Explained, Explanation, Verdict},
    problem::{Place, Problem, Severity},
    time::Now,
};

use crate::{
    jellyfin,
    request::{
        Apps,
        accept::Presented,
        authorize::ReadingOf,
        inquiry::{Caller, Foretold, Inquiry, Judged, foretell},
        route::AsksForUdp,
    },
};

/// Those that fail, in the order of the file.
pub(super) fn failing(plan: &Arc<Plan>, now: Now) -> Vec<Problem> {
    let tests =
        plan.routes.iter().flat_map(|route| route.tests.iter().map(move |one| (route, one)));
    let apps = jellyfin::beside(Apps::default(), Arc::new(jellyfin::NoDevices), Arc::default());
    tests.filter_map(|(route, test)| asked((plan, &apps), route, test, now)).collect()
}

/// What is wrong with the answer, if anything.
fn asked(
    (plan, apps): (&Arc<Plan>, &Apps),
    route: &Route,
    test: &PolicyTest,
    now: Now,
) -> Option<Problem> {
    let wall = test.time.unwrap_or(now.wall);
    let provider = plan.sign_in.providers.first().id();
    let who = test.signed_in(provider, wall);
    let inquiry = Inquiry {
        plan,
        head: head(route, test),
        who: who.map_or(Caller::Nobody, Caller::Imagined),
        source: test.source,
        presented: Arc::new(Presented::new(test.certificate.clone())),
        tool: test.tool.clone(),
        now: Now { wall, ..now },
        apps,
    };
    foretell(inquiry, |foretold| wrong(route, test, &foretold))
}

/// Of a tunnel nothing is asked but to be opened.
fn head(route: &Route, test: &PolicyTest) -> http::request::Parts {
    let mut head = Request::new(()).into_parts().0;
    head.method = test.method.clone();
    head.uri = test.target.clone().into();
    head.headers.extend(test.fields.iter().cloned());
    let authority = test.authority.to_string();
    let carried = route.tunnel.as_ref().map(|tunnel| tunnel.carried);
    if let (Some(Carried::Tcp), Ok(asked)) = (carried, Uri::try_from(&authority)) {
        (head.method, head.uri) = (Method::CONNECT, asked);
    }
    if let (Some(Carried::Udp), Ok(asked)) = (carried, Uri::try_from(udp_path(&authority))) {
        (head.method, head.uri) = (Method::GET, asked);
        head.extensions.insert(AsksForUdp);
    }
    if let Ok(host) = authority.try_into() {
        head.headers.insert(http::header::HOST, host);
    }
    head
}

fn wrong(route: &Route, test: &PolicyTest, foretold: &Foretold<'_>) -> Option<Problem> {
    let expected = test.expect.word();
    let problem = |what: String, help: String| {
        Problem::new(Severity::Error, "U572", test.at.clone(), what, help)
    };
    let elsewhere = |where_to: String| {
        let what = format!("this test expects `{expected}` of this route, and {where_to}");
        problem(what, "mend its `host`, `path` or `method`, or put it beside that route".into())
    };
    match foretold {
        Foretold::Judged(judged) if judged.route.id != route.id => {
            let (name, line) = (&judged.route.name, judged.route.line);
            Some(elsewhere(format!("the route `{name}` in line {line} takes the request")))
        }
        Foretold::OwnPage(_) | Foretold::Unescaped(_) => {
            Some(elsewhere("one of usher's own pages takes the request".into()))
        }
        Foretold::Nowhere(_) => Some(elsewhere("no route takes the request".into())),
        // Whoever expects that nobody gets so far is right.
        Foretold::Refused(_) | Foretold::Barred(_)
            if test.expect == Verdict::Deny && test.reason.is_none() =>
        {
            None
        }
        Foretold::Refused(error) => Some(problem(
            format!("this test expects `{expected}`, and the request is refused: {error}"),
            "write another request, or `expect: deny` without a `reason`".into(),
        )),
        Foretold::Barred(barred) => Some(problem(
            format!("this test expects `{expected}`, and the request is refused: {}", barred.why()),
            "write another request, or `expect: deny` without a `reason`".into(),
        )),
        Foretold::Judged(judged) => judged_wrong(test, judged, problem),
    }
}

fn judged_wrong(
    test: &PolicyTest,
    judged: &Judged<'_>,
    problem: impl Fn(String, String) -> Problem,
) -> Option<Problem> {
    let Judged { explanation, by, opened, .. } = judged;
    let decision = &explanation.decision;
    let verdict = if opened.is_some() { Verdict::Allow } else { decision.verdict };
    let (expected, answer, rule) =
        (test.expect.word(), verdict.word(), opened.map_or(&*decision.rule, |opened| opened.rule));
    let reading = match by {
        ReadingOf::Canonical => "",
        ReadingOf::Others => ", as other servers read the path",
        ReadingOf::OtherMethod => ", as an app takes the method",
    };
    let lacks = test.reason.filter(|reason| {
        !decision.allow.reasons.contains(*reason) && !decision.deny.reasons.contains(*reason)
    });
    let what = match (verdict == test.expect, lacks) {
        (true, None) => return None,
        (true, Some(reason)) => {
            let word = reason.word();
            format!(
                "this test expects the reason `{word}`, and `{rule}` says `{answer}` without it"
            )
        }
        (false, _) => {
            format!(
                "this test expects `{expected}`, and the answer is `{answer}` by `{rule}`{reading}"
            )
        }
    };
    let deciding = deciding(explanation);
    let help = match (deciding, test.expect) {
        (_, Verdict::Allow) => format!("mend the test, or the policy: {}", explanation.way_in()),
        (Some(one), _) => {
            format!("mend the test, or the policy: it asks whether {}; {}", one.asks, one.found)
        }
        (None, _) => "mend the test, or the policy".into(),
    };
    let problem = problem(what, help.replace('\n', "; "));
    let place = deciding.and_then(|one| one.span.cloned());
    Some(match (place, &test.at) {
        (Some(span), Place::File(_)) => problem.and_at(span, words(answer)),
        (_, _) => problem,
    })
}

fn words(answer: &str) -> String {
    format!("by this the answer is `{answer}`")
}

/// The criterion after which the decision is named.
fn deciding<'e, 'p>(explanation: &'e Explanation<'p>) -> Option<&'e Explained<'p>> {
    let rule = &*explanation.decision.rule;
    let named = |one: &&Explained<'_>| one.rule == rule || one.clause == rule;
    explanation.criteria.iter().find(named)
}
