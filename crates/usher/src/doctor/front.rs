//! The usher that runs, as visitors meet it: http://, cookies, and sign-in as far as it goes without
//! a person.

use http::{HeaderName, Method, StatusCode, header};
use usher_rules::{
    plan::{Action, HostPattern, Plan},
    problem::Severity,
};

use super::{Tried, code, door::Door};
use crate::request::{
    accept::parse_address,
    forward::{Answered, ForwardError},
};

/// Steps from a page to the place where somebody signs in.
const STEPS: usize = 6;

/// What a browser says that opens a page (Fetch Metadata §2).
const NAVIGATION: [(HeaderName, &str); 3] = [
    (header::ACCEPT, "text/html"),
    (HeaderName::from_static("sec-fetch-mode"), "navigate"),
    (HeaderName::from_static("sec-fetch-dest"), "document"),
];

/// Redirect, cookies and sign-in; what needs an usher that runs is left out where none does.
pub(super) async fn tried(plan: &Plan, door: Option<&Door>) -> Vec<Tried> {
    let mut all = Vec::new();
    all.extend(plain_http(plan, door).await);
    all.push(cookies(plan));
    if let Some(door) = door {
        all.extend(sign_in(plan, door).await);
    }
    all
}

/// The first host that is written out, as visitors type it.
fn first_host(plan: &Plan) -> Option<String> {
    let exact = |from: &HostPattern| matches!(from, HostPattern::Exact { .. });
    let mut routes = plan.routes.iter().filter(|route| route.tunnel.is_none());
    routes.find(|route| exact(&route.from)).map(|route| route.from.to_string())
}

/// Apps and people who type no scheme begin with http://.
async fn plain_http(plan: &Plan, door: Option<&Door>) -> Option<Tried> {
    if plan.listen.insecure {
        return None; // what is in front of usher does it
    }
    let bad = |subject: &str, what: String, help: &str| {
        Tried::bad(Severity::Warning, code::PLAIN_HTTP, subject, (what, help))
    };
    let Some(address) = &plan.listen.http_redirect else {
        let what = "`http_redirect_addr` is not set: nobody answers http://".to_owned();
        return Some(bad("port 80", what, "write `http_redirect_addr: :80`"));
    };
    let (_runs, host) = (door?, first_host(plan)?);
    let address = parse_address(address, 80).ok()?;
    let plain = Door::plain(address);
    let path = "/System/Info/Public?of=doctor";
    let subject = format!("http_redirect_addr {address}");
    let name = host.rsplit_once(':').map_or(&*host, |(name, _port)| name);
    let answered = match plain.ask(name, (Method::GET, path), &[]).await {
        Ok(answered) => answered,
        Err(error) => {
            let what = format!("no answer ({error})");
            return Some(bad(&subject, what, "look at what listens there"));
        }
    };
    let to = location(&answered);
    let keeps = to.starts_with("https://") && to.ends_with(path);
    Some(match keeps && answered.status.is_redirection() {
        true => Tried::good(code::PLAIN_HTTP, subject, "leads to https:// and keeps the path"),
        false => {
            let what = format!("answers {}, which does not lead to https://", answered.status);
            bad(&subject, what, "another program may listen there: find it with `ss -ltnp`")
        }
    })
}

fn cookies(plan: &Plan) -> Tried {
    let subject = format!("cookie {}", plan.cookie.name);
    let bad = |what: String, help: &str| {
        Tried::bad(Severity::Warning, code::COOKIES, &*subject, (what, help))
    };
    match (&plan.cookie.domain, plan.cookie.http_only) {
        (_, false) => {
            let what = "`cookie_http_only` is off: every script of every app reads it".to_owned();
            bad(what, "delete `cookie_http_only`")
        }
        (Some(domain), true) => {
            let what = format!("`cookie_domain` sends it to every host below {domain}");
            bad(what, "delete `cookie_domain`: usher signs people in at each host by itself")
        }
        (None, true) => Tried::good(
            code::COOKIES,
            subject,
            "is for one host each, over https:// alone, and no script reads it",
        ),
    }
}

/// Goes where a browser is led that opens a page of the first route that wants somebody.
async fn sign_in(plan: &Plan, door: &Door) -> Option<Tried> {
    let wants = |route: &&std::sync::Arc<usher_rules::plan::Route>| {
        let forwards = matches!(route.action, Action::Forward(_));
        let exact = matches!(route.from, HostPattern::Exact { .. });
        forwards && exact && route.tunnel.is_none() && !route.is_public
    };
    let route = plan.routes.iter().find(wants)?;
    let mut at = (route.from.to_string(), "/".to_owned());
    let subject = format!("https://{}/", at.0);
    let bad = |what: String| {
        let help =
            "look at usher's log at this time; `usher check` shows what is wrong in the config";
        Some(Tried::bad(Severity::Error, code::SIGN_IN, &*subject, (what, help)))
    };
    let mut jar = Vec::new();
    for _step in 0..STEPS {
        let (host, path) = &at;
        let answered = match with_jar(door, (host, path), &mut jar).await {
            Ok(answered) => answered,
            Err(error) => return bad(format!("no answer at https://{host} ({error})")),
        };
        if let Some(cookie) = open_cookie(&answered) {
            return bad(format!("the cookie `{cookie}` is set without Secure"));
        }
        if answered.status == StatusCode::OK {
            let what = format!("leads to the page of https://{host} where people sign in");
            return Some(Tried::good(code::SIGN_IN, &*subject, what));
        }
        let to = location(&answered);
        let Some((to_host, to_path)) = split(&to, host) else {
            return bad(format!("https://{host} answers {}", answered.status));
        };
        let is_ours = |host: &str| {
            let name = host.rsplit_once(':').map_or(host, |(name, _port)| name);
            let is_route = plan.routes.iter().any(|route| route.from.takes_host(name));
            is_route || plan.sign_in.authenticate.to_string().ends_with(host)
        };
        if !is_ours(&to_host) {
            let what = format!("leads to the provider at https://{to_host}");
            return Some(Tried::good(code::SIGN_IN, &*subject, what));
        }
        at = (to_host, to_path);
    }
    bad(format!("goes in circles: {STEPS} redirects, and nowhere to sign in"))
}

/// Asks for a page with the cookies that this host has set so far, and keeps those that it sets.
async fn with_jar(
    door: &Door,
    (host, path): (&str, &str),
    jar: &mut Vec<(String, String)>,
) -> Result<Answered, ForwardError> {
    let own = jar.iter().filter(|(of, _)| of == host).map(|(_, cookie)| &**cookie);
    let cookies = own.collect::<Vec<_>>().join("; ");
    let mut fields = NAVIGATION.to_vec();
    if !cookies.is_empty() {
        fields.push((header::COOKIE, &cookies));
    }
    let answered = door.ask(host, (Method::GET, path), &fields).await?;
    jar.extend(set_cookies(&answered).filter_map(|line| {
        let pair = line.split(';').next()?;
        Some((host.to_owned(), pair.to_owned()))
    }));
    Ok(answered)
}

fn set_cookies(answered: &Answered) -> impl Iterator<Item = &str> {
    answered.fields.get_all(header::SET_COOKIE).iter().filter_map(|value| value.to_str().ok())
}

/// The name of a cookie that would be sent in the clear.
fn open_cookie(answered: &Answered) -> Option<String> {
    let is_secure = |line: &str| {
        line.split(';').any(|attribute| attribute.trim().eq_ignore_ascii_case("secure"))
    };
    let open = set_cookies(answered).find(|line| !is_secure(line))?;
    open.split('=').next().map(str::to_owned)
}

fn location(answered: &Answered) -> String {
    let value = answered.fields.get(header::LOCATION).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

/// Host and path of where a redirect leads, seen from `here`.
fn split(location: &str, here: &str) -> Option<(String, String)> {
    if location.starts_with('/') && !location.starts_with("//") {
        return Some((here.to_owned(), location.to_owned()));
    }
    let rest = location.strip_prefix("https://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, path) = rest.split_at_checked(end)?;
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Some((host.to_owned(), path))
}
