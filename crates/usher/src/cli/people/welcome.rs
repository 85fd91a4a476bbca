//! Does any route let them in? Said when somebody is added or changes groups, since they would
//! only find out at the door.

use std::{net::IpAddr, path::Path};

use usher_rules::{
    people::Member,
    plan::{PathMatch, Plan, Provider, Route},
    policy::{About, Effect, Explained, Explanation, Facts, RequestFacts, Verdict, WayIn},
    session::{Means, SessionId, SignedIn},
    signin::member_signs_in,
    time::UnixTime,
};

use crate::reload::{Source, environment, load};

/// Where visitors come from: home networks, the machine itself, and anywhere.
const SOURCES: [[u8; 4]; 4] = [[203, 0, 113, 7], [192, 168, 1, 7], [10, 0, 0, 7], [127, 0, 0, 1]];

/// How many ways in are named.
const NAMED: usize = 5;

/// What to say about `member` under the config at `path`; `None` where they get in, and where
/// there is no such config.
pub(super) fn note(member: &Member, path: &Path) -> Option<String> {
    if !path.is_file() {
        return None;
    }
    let shown = path.display();
    match load(Source::File { path, environment: &environment() }) {
        Ok(loaded) => about(member, &loaded.plan).map(|words| format!("note: {words} ({shown})")),
        Err(_) => Some(format!(
            "note: whether a route lets them in can't be said, since {shown} is refused: usher check \
             --config {shown}"
        )),
    }
}

fn about(member: &Member, plan: &Plan) -> Option<String> {
    let email = &member.email;
    let elsewhere: Option<Vec<&str>> =
        plan.sign_in.providers.iter().map(Provider::address).collect();
    if let Some(elsewhere) = elsewhere {
        return Some(format!(
            "people sign in at {}, so nobody signs in with a password of this server",
            elsewhere.join(" and ")
        ));
    }
    let closed: Vec<&Route> =
        plan.routes.iter().map(|route| &**route).filter(|route| !route.is_public).collect();
    let now = UnixTime::from_seconds(0); // a session just begun, whenever that is
    let id = SessionId::from_random([0; 16]);
    let who =
        member_signs_in(member, Means::Password, now).begin(id, "builtin", now, UnixTime::MAX);
    if closed.iter().any(|route| may_pass(route, &who)) {
        return None;
    }
    if closed.is_empty() {
        return Some("no route asks who somebody is".to_owned());
    }
    let ways = ways_in(&closed, &who);
    let ways = if ways.is_empty() { "nobody".to_owned() } else { ways.join("; ") };
    Some(format!("no route lets {email} in, so they can sign in and see nothing; let in: {ways}"))
}

/// Does the route let them in from somewhere, or may it: what it asks of a request is not known
/// here.
fn may_pass(route: &Route, who: &SignedIn) -> bool {
    let path = match &route.matches {
        PathMatch::Prefix(path) | PathMatch::Exact(path) => path,
        PathMatch::Regex(_) => "/",
    };
    SOURCES.iter().any(|source| {
        let explanation = route.policy.explain(&facts(who, path, IpAddr::from(*source)));
        explanation.decision.verdict == Verdict::Allow
            || explanation
                .criteria
                .iter()
                .any(|one| refuses(one, About::Request) || refuses(one, About::Moment))
            || is_out_of_hours(&explanation)
    })
}

fn refuses(one: &Explained<'_>, about: About) -> bool {
    one.effect == Effect::Allow && one.about == about && one.says_no()
}

/// Would they come in at another time? When they will come is not known here, either.
fn is_out_of_hours(explanation: &Explanation<'_>) -> bool {
    let by_time = |one: &&Explained<'_>| one.about == About::Moment;
    match explanation.way_in() {
        WayIn::Facts(needs) => needs.iter().all(|need| need.any_of.iter().any(by_time)),
        WayIn::Rules(_) => false,
    }
}

fn facts<'a>(who: &'a SignedIn, path: &'a str, source: IpAddr) -> Facts<'a> {
    let request = RequestFacts {
        method: "GET",
        path,
        source: Some(source),
        origin: None,
        access_control_request_method: None,
        tool: None,
    };
    Facts::of(Some(who), request)
}

fn ways_in(routes: &[&Route], who: &SignedIn) -> Vec<String> {
    let mut ways: Vec<String> = Vec::new();
    for route in routes {
        let explanation = route.policy.explain(&facts(who, "/", IpAddr::from([203, 0, 113, 7])));
        for one in explanation.criteria {
            if refuses(&one, About::Person) && !ways.contains(&one.asks) {
                ways.push(one.asks);
            }
        }
    }
    if ways.len() > NAMED {
        ways.truncate(NAMED);
        ways.push("…".to_owned());
    }
    ways
}

#[cfg(test)]
mod tests {
    use std::fs;

    use usher_rules::{people::Member, time::UnixTime};

    use super::note;

    #[test]
    fn whom_no_route_lets_in_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.yaml");
        let ann = |groups: &[&str]| Member {
            id: "1".into(),
            email: "ann@home.test".into(),
            name: "Ann".into(),
            groups: groups.iter().map(|group| (*group).into()).collect(),
            added_at: UnixTime::from_seconds(7).seconds(),
            ..Member::default()
        };
        let route = "routes:\n- from: https://tv.test\n  to: http://127.0.0.1:1\n";
        let with = |policy: &str| format!("{route}  policy: [{{allow: {{or: [{policy}]}}}}]\n");
        let family = with("{groups: {has: family}}, {email: {is: bob@home.test}}");
        let hours = "deny: {or: [{time_of_day: {timezone: UTC, after: '20:00'}}]}";
        let by_night = family.replace("}]\n", &format!("}}, {{{hours}}}]\n"));
        let public = format!("{route}  allow_public_unauthenticated_access: true\n");
        let oidc = "authenticate_service_url: https://auth.test\nidp_provider: oidc\n\
                    idp_provider_url: https://idp.test\nidp_client_id: usher\nidp_client_secret: s3cret-s3cret\n";
        for (text, groups, expected, why) in [
            (
                family.clone(),
                &[][..],
                Some("groups has `family`; email is `bob@home.test`"),
                "none",
            ),
            (family.clone(), &["Family"], Some("no route lets ann@home.test in"), "another group"),
            (family.clone(), &["family"], None, "the group"),
            (with("{domain: {is: home.test}}"), &[], None, "the domain"),
            (with("{authenticated_user: true}"), &[], None, "anybody"),
            (route.to_owned(), &[], Some("let in: nobody"), "no policy"),
            (
                format!(
                    "{family}- from: https://a.test\n  to: http://127.0.0.1:1\n  allow_any_authenticated_user: true\n"
                ),
                &[],
                None,
                "another route",
            ),
            (with("{http_path: {starts_with: /x}}"), &[], None, "it depends on what they ask for"),
            (with("{source_ip: 198.51.100.0/24}"), &[], None, "and where from"),
            (with("{time_of_day: {timezone: UTC, after: '8:00'}}"), &[], None, "and when"),
            (by_night.clone(), &["family"], None, "but by night"),
            (by_night, &[], Some("no route lets ann@home.test in"), "neither by day"),
            (public.clone(), &[], Some("no route asks who somebody is"), "open to all"),
            (
                format!("{public}{}", &family["routes:\n".len()..].replace("tv.test", "b.test")),
                &[],
                Some("no route lets"),
                "an open route beside is no way in for a person",
            ),
            (
                format!("{oidc}{family}"),
                &["family"],
                Some("sign in at https://idp.test"),
                "elsewhere",
            ),
            ("ruotes: [x]\n".to_owned(), &[], Some("is refused: usher check"), "no config"),
        ] {
            fs::write(&config, text).unwrap();
            let said = note(&ann(groups), &config);
            match (expected, &said) {
                (None, said) => assert_eq!(*said, None, "{why}"),
                (Some(words), Some(said)) => assert!(said.contains(words), "{why}: {said}"),
                (Some(_), None) => panic!("{why}: nothing is said"),
            }
        }
        assert_eq!(note(&ann(&[]), &folder.path().join("none.yaml")), None);
    }
}
