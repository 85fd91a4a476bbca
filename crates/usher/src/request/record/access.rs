use std::sync::Arc;

use http::{HeaderValue, Method, StatusCode};
use usher_rules::{
    plan::{Plan, Route},
    policy::Verdict,
    time::Now,
};

use super::{
    end::End,
    happening::bare_or_quoted,
    json::{Object, member},
    repeated::{Line, Of, repeated},
    selection::selected,
    stamp,
};
use crate::request::{
    Details, accept::Presented, identify::LiveSession, route::is_probe, shape::own,
};

/// One request from its first to its last byte: the `http-request` line.
#[derive(Clone, Debug)]
pub struct Access {
    /// The snapshot that the request ran with.
    pub plan: Arc<Plan>,
    /// The request's id.
    pub request_id: HeaderValue,
    /// The method.
    pub method: Method,
    /// Whom it is for, host and port as written.
    pub host: HeaderValue,
    /// What the upstream saw as host; the client's where none saw it.
    pub authority: HeaderValue,
    /// The canonical path; never a query. Where it has none, the one that came, escaped.
    pub path: Arc<str>,
    /// `User-Agent`.
    pub user_agent: Option<HeaderValue>,
    /// `Referer`; its query is not written.
    pub referer: Option<HeaderValue>,
    /// The TCP peer, or whom the proxies that are trusted name.
    pub ip: HeaderValue,
    /// The way that the request came, the peer last.
    pub way: HeaderValue,
    /// The client's certificates.
    pub presented: Arc<Presented>,
    /// Under which session.
    pub session: Option<Arc<LiveSession>>,
    /// `None` for our own pages, and for what no route takes.
    pub route: Option<Arc<Route>>,
    /// How what is behind the route stands, where its app says that it is not as it should be.
    pub app_state: Option<&'static str>,
    /// By the policy, or by the path.
    pub verdict: Verdict,
    /// Which rule decided, or the word of a [`PathRule`](crate::request::PathRule).
    pub rule: Arc<str>,
    /// The status that the client got; `None` when it was gone before there was one.
    pub status: Option<StatusCode>,
    /// Where the answer came from.
    pub details: Details,
    /// When the request came.
    pub at: Now,
}

/// What every access line begins with.
const HEAD: &str = r#""level":"info","server-name":"all","service":"envoy""#;
/// And that of a probe.
const PROBE_HEAD: &str = r#""level":"debug","server-name":"all","service":"envoy""#;

/// A reference without query and fragment: tokens travel there.
fn without_query(reference: &[u8]) -> &[u8] {
    let page = reference.split(|b| matches!(b, b'?' | b'#')).next().unwrap_or_default();
    // `https://name:password@host/` tells a password: such a page is not told at all.
    let authority = page.splitn(4, |b| *b == b'/').nth(2).unwrap_or_default();
    if authority.contains(&b'@') { b"" } else { page }
}

impl Access {
    /// Keeps nothing of what was read with the request, for one that lasts: a socket would hold its
    /// connection's buffer for as long as it lives.
    pub(super) fn apart(&mut self) {
        let Self { host, authority, user_agent, referer, way, ip, .. } = self;
        let fields = [host, authority, way, ip].into_iter();
        fields.chain(user_agent).chain(referer).for_each(own);
    }

    pub(super) fn json(&self, out: &mut Vec<u8>, end: End) {
        let fields = self.plan.log.access.as_ref();
        // Health probes are noise: the real server demotes them too.
        let is_probe = self.route.is_none() && is_probe(&self.path);
        let mut o = Object::begin_with(out, if is_probe { PROBE_HEAD } else { HEAD });
        if selected(fields, "upstream-cluster") {
            let id = self.route.as_ref().map_or("", |route| &route.id);
            o.prefixed("upstream-cluster", if id.is_empty() { "" } else { "route-" }, id);
        }
        macro_rules! add {
            ($name:literal, $value:expr) => {
                if selected(fields, $name) {
                    o.put(member!($name), $value);
                }
            };
        }
        add!("method", self.method.as_str().as_bytes());
        add!("authority", self.authority.as_bytes());
        add!("path", self.path.as_bytes());
        add!("user-agent", self.user_agent.as_ref().map_or(b"", HeaderValue::as_bytes));
        add!(
            "referer",
            self.referer.as_ref().map_or(b"", |referer| without_query(referer.as_bytes()))
        );
        add!("forwarded-for", self.way.as_bytes());
        if fields.is_some() {
            add!("ip", self.ip.as_bytes());
        }
        add!("request-id", self.request_id.as_bytes());
        if selected(fields, "duration") {
            o.millis("duration", u64::try_from(end.duration.as_micros()).unwrap_or(u64::MAX));
        }
        if selected(fields, "size") {
            o.number("size", end.sent);
        }
        if selected(fields, "response-code") {
            o.number("response-code", self.status.map_or(0, |status| status.as_u16().into()));
        }
        if selected(fields, "response-code-details") {
            o.put(member!("response-code-details"), end.details.word().as_bytes());
        }
        if fields.is_some() && selected(fields, "client-certificate") {
            self.certificate(&mut o);
        }
        o.number("received", end.received);
        o.put(member!("host"), self.host.as_bytes());
        match self.of() {
            Some(of) => repeated(&mut o, of, |o| self.decided(o)),
            None => self.decided(&mut o),
        }
        if let Some(state) = self.app_state {
            o.put(member!("app-state"), state.as_bytes());
        }
        stamp::rfc3339(self.at.wall, |time| {
            o.word(member!("time"), time);
        });
        o.word(member!("message"), "http-request");
        o.end();
    }

    /// From what [`Self::decided`] is written, where somebody has a session.
    fn of(&self) -> Option<Of<'_>> {
        let (live, route) = (self.session.as_ref()?, self.route.as_ref()?);
        Some(Of {
            line: Line::Access,
            session: ("", live.session().id.as_str()),
            user: &live.person().id,
            email: &live.person().email,
            route: ["", &route.name],
            verdict: self.verdict,
            rule: &self.rule,
            sides: Default::default(),
        })
    }

    /// Who asked, where, and what was decided.
    fn decided(&self, o: &mut Object<'_>) {
        let person = self.session.as_ref().map(|live| live.person());
        o.put(member!("user"), person.map_or("", |person| &person.id).as_bytes());
        o.put(member!("email"), person.map_or("", |person| &person.email).as_bytes());
        o.put(member!("route"), self.route.as_ref().map_or("", |route| &route.name).as_bytes());
        o.word(member!("verdict"), self.verdict.word());
        o.put(member!("rule"), self.rule.as_bytes());
    }

    /// As Pomerium writes it: an empty object where none was shown.
    fn certificate(&self, o: &mut Object<'_>) {
        let shown = self.presented.chain().and_then(|chain| chain.certificate());
        o.object("client-certificate", |inside| {
            let Some(shown) = shown else { return };
            let names = [&shown.san_dns, &shown.san_email, &shown.san_uri, &shown.san_ip];
            let names = names.into_iter().flat_map(|names| names.iter().map(|name| &**name));
            inside.text("issuer", &shown.issuer).text("subject", &shown.subject);
            inside.list("subjectAltName", names);
            inside.text("fingerprint", &shown.fingerprint_hex());
        });
    }

    pub(super) fn text(&self, out: &mut Vec<u8>, end: End) {
        stamp::clock(out, self.at);
        let is_ours = self.status.is_some_and(|status| status.is_server_error());
        let level = if is_ours { "WARN " } else { "INFO " };
        out.extend_from_slice(format!(" {level} request").as_bytes());
        let mut add = |key: &str, value: &[u8]| {
            out.push(b' ');
            out.extend_from_slice(key.as_bytes());
            out.push(b'=');
            bare_or_quoted(out, &String::from_utf8_lossy(value));
        };
        add("id", self.request_id.as_bytes());
        add("client", self.ip.as_bytes());
        let person = self.session.as_ref().map(|live| live.person());
        let shown =
            |email: &str, id: &str| if email.is_empty() { id.to_owned() } else { email.to_owned() };
        add(
            "user",
            person.map_or("-".into(), |person| shown(&person.email, &person.id)).as_bytes(),
        );
        add("host", self.host.as_bytes());
        add("method", self.method.as_str().as_bytes());
        add("path", self.path.as_bytes());
        add("status", self.status.as_ref().map_or("0", StatusCode::as_str).as_bytes());
        add("verdict", self.verdict.word().as_bytes());
        add("rule", self.rule.as_bytes());
        add("ms", end.duration.as_millis().to_string().as_bytes());
        add("bytes", end.sent.to_string().as_bytes());
        if !matches!(end.details, Details::ViaUpstream | Details::DirectResponse) {
            add("details", end.details.word().as_bytes());
        }
        if let Some(state) = self.app_state {
            add("app", state.as_bytes());
        }
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::without_query;

    #[test]
    fn t16_references_lose_their_query() {
        for (given, expected) in [
            ("https://tv.example/web/?api_key=secret", "https://tv.example/web/"),
            ("https://tv.example/#access_token=secret", "https://tv.example/"),
            ("https://tv.example/web/", "https://tv.example/web/"),
            ("https://ann:secret@tv.example/web/", ""),
            ("https://secret@tv.example", ""),
            ("https://tv.example/@ann", "https://tv.example/@ann"),
        ] {
            assert_eq!(without_query(given.as_bytes()), expected.as_bytes());
        }
    }
}
