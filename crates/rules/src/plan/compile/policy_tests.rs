//! `tests` of a route. They are asked where a request can be routed: when the whole plan is there.

use std::str::FromStr;

use http::{HeaderName, HeaderValue, Method, uri::PathAndQuery};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};

use super::{
    Compiler,
    files::{Pem, checked},
};
use crate::{
    client_certificate::ClientChain,
    config::{
        Section,
        keys::{Form, Key, Text, Typed, nested::*, route},
    },
    names::Authority,
    people::Claims,
    plan::{HostPattern, PathMatch, PolicyTest},
    policy::{About, Policy, Reason, Verdict, value_of},
    problem::{Problem, Severity},
    session::{DeviceCredential, Enrolment, ShownDevice},
    signin::Imagined,
    time::UnixTime,
};

/// What of a route its tests are about.
pub(super) struct Tested<'a> {
    pub(super) from: &'a HostPattern,
    pub(super) matches: &'a PathMatch,
    pub(super) policy: &'a Policy,
    /// Are messages of MCP read there?
    pub(super) mcp_reads: bool,
}

impl Compiler<'_> {
    /// Those that can be read; what is wrong with another one refuses the config.
    pub(super) fn policy_tests(&mut self, tested: &Tested<'_>) -> Vec<PolicyTest> {
        let sections = self.keys.value(&route::TESTS);
        sections.iter().filter_map(|keys| self.policy_test(keys, tested)).collect()
    }

    /// Each part is judged, whatever is wrong with the others.
    fn policy_test(&mut self, keys: &Section, tested: &Tested<'_>) -> Option<PolicyTest> {
        let who = self.test_imagined(keys);
        let device = self.test_device(keys, who.as_ref());
        let method = self.test_method(keys, tested);
        let authority = self.test_authority(keys, tested.from);
        let target = self.test_target(keys, tested.matches);
        let certificate = self.test_certificate(keys);
        let source =
            self.test_read(keys, &TEST_ADDRESS, "write an IP address, such as `192.0.2.7`");
        let time = self.test_time(keys, tested.policy);
        let fields = self.test_fields(keys);
        let reason = self.test_reason(keys);
        let expect = Verdict::of_word(keys.value(&TEST_EXPECT));
        if keys.given(&TEST_EXPECT).is_none() {
            let help = "write `expect: allow`, `expect: deny` or `expect: sign-in`";
            self.wrong_test(keys, "this test expects nothing", help);
        }
        Some(PolicyTest {
            at: keys.source.place(&keys.at),
            who: who?,
            signed_in: keys.get(&TEST_SIGNED_IN),
            passkey: keys.get(&TEST_PASSKEY),
            device: device?,
            method: method?,
            authority: authority?,
            target: target?,
            fields: fields?,
            source: source?,
            certificate: certificate?,
            tool: keys.get(&TEST_TOOL).map(Into::into),
            time: time?,
            expect: expect?,
            reason: reason?,
        })
    }

    /// Who asks; `Some(None)` for nobody.
    fn test_imagined(&mut self, keys: &Section) -> Option<Option<Imagined>> {
        let named: [&'static Key; 4] = [&TEST_EMAIL, &TEST_USER, &TEST_GROUPS, &TEST_CLAIMS];
        let spans: [&'static Key; 2] = [&TEST_SIGNED_IN, &TEST_PASSKEY];
        let mut given = spans.into_iter().filter(|key| keys.given(key).is_some());
        let (span, other) = (given.next(), given.next());
        if let (Some(_), Some(_)) = (span, other) {
            let help = "keep one of them: who shows a passkey signs in by it";
            self.wrong_test(keys, "this test has both `signed_in` and `passkey`", help);
            return None;
        }
        if named.iter().all(|key| keys.given(key).is_none()) {
            let Some(span) = span else { return Some(None) };
            let what = format!("this test has a `{}` of nobody", span.name);
            self.wrong_test(keys, &what, "say who: `email: ann@example.com`");
            return None;
        }
        let claims = match keys.get(&TEST_CLAIMS).map(value_of) {
            None => Claims::default(),
            Some(serde_json::Value::Object(claims)) => Claims::from_json(&claims),
            Some(_) => {
                let help = "write `claims: {groups: [family]}`";
                self.wrong_test(keys, "`claims` of a test is a map", help);
                return None;
            }
        };
        let groups = keys.get(&TEST_GROUPS);
        let groups = groups.map(|groups| groups.iter().map(|one| one.text.clone()).collect());
        Some(Some(Imagined {
            id: keys.get(&TEST_USER).unwrap_or_default().into(),
            email: keys.get(&TEST_EMAIL).unwrap_or_default().into(),
            groups,
            claims,
            signed_in_at: None,
            passkey_at: None,
        }))
    }

    /// What the session was proven on; `Some(None)` for nothing. It is somebody's.
    fn test_device(
        &mut self,
        keys: &Section,
        who: Option<&Option<Imagined>>,
    ) -> Option<Option<ShownDevice>> {
        let Some(device) = keys.get(&TEST_DEVICE) else { return Some(None) };
        if let Some(None) = who {
            let help = "say who: `email: ann@example.com`";
            self.wrong_test(keys, "this test shows a `device` of nobody", help);
            return None;
        }
        let enrolment = match device.value(&TESTED_DEVICE_APPROVED) {
            true => Enrolment::Approved,
            false => Enrolment::Pending,
        };
        let id = device.get(&TESTED_DEVICE_IS).unwrap_or("tested").into();
        let credential = DeviceCredential { id, owner: Box::default(), enrolment };
        let kind = device.value(&TESTED_DEVICE_TYPE).into();
        Some(Some(ShownDevice { kind, credential: Some(credential) }))
    }

    fn test_authority(&mut self, keys: &Section, from: &HostPattern) -> Option<Authority> {
        match (keys.given(&TEST_HOST), from) {
            (Some(_), _) => self.test_read_by(keys, &TEST_HOST, "write `tv.example.com`", |text| {
                Authority::parse(text).ok()
            }),
            (None, HostPattern::Exact { host, port }) => {
                Some(Authority { host: host.clone(), port: *port })
            }
            (None, HostPattern::Wildcard { text, .. }) => {
                let help = format!("add `host: x{}`", text.trim_start_matches('*'));
                self.wrong_test(keys, "this test names no host, and the route has many", help);
                None
            }
        }
    }

    fn test_target(&mut self, keys: &Section, matches: &PathMatch) -> Option<PathAndQuery> {
        let help = "write it as it is sent: `/admin/`, with everything odd escaped (`%C3%BC`)";
        let begins = |text: &str| text.starts_with('/').then(|| text.parse().ok()).flatten();
        match (keys.given(&TEST_PATH), matches) {
            (Some(_), _) => self.test_read_by(keys, &TEST_PATH, help, begins),
            (None, PathMatch::Prefix(path) | PathMatch::Exact(path)) => begins(path),
            (None, PathMatch::Regex(_)) => {
                let help = "add `path: /…`, one that the route's `regex` matches";
                self.wrong_test(keys, "this test names no path, and the route has many", help);
                None
            }
        }
    }

    /// A call of a tool is a POST; nothing else is read.
    fn test_method(&mut self, keys: &Section, tested: &Tested<'_>) -> Option<Method> {
        let method = self.test_read(keys, &TEST_METHOD, "write it in capitals: `DELETE`");
        if keys.given(&TEST_TOOL).is_none() {
            return method;
        }
        if !tested.mcp_reads {
            let help = "let a rule of `policy` ask for `mcp_tool`, with `mcp: {server: {}}`";
            self.wrong_test(keys, "this test calls a tool, and no message is read here", help);
            return None;
        }
        match method? {
            Method::GET | Method::POST => Some(Method::POST), // GET where none is written
            _ => {
                let what = "this test calls a tool by another method than POST";
                self.wrong_test(keys, what, "leave out its `method`");
                None
            }
        }
    }

    /// What the client shows; `Some(None)` for nothing.
    fn test_certificate(&mut self, keys: &Section) -> Option<Option<ClientChain>> {
        let Some(given) = keys.given(&TEST_CERTIFICATE) else { return Some(None) };
        let text = self.read(given).and_then(|text| checked(given, text, Pem::Certificate));
        let text = self.keep(text)?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.expose()).collect();
        let chain = chain.ok().and_then(|chain| ClientChain::read(&chain));
        let chain = chain.filter(|chain| chain.certificate().is_some());
        if chain.is_none() {
            let what = format!("`certificate: {}` of a test can't be read", given.text());
            let help =
                "name a file that begins with the client's certificate (PEM), without its key";
            self.report(given.error("U571", what, help));
        }
        chain.map(Some)
    }

    /// What depends on the time is asked at one that is written: else a config that loads today is
    /// refused tomorrow, at a start in the night.
    fn test_time(&mut self, keys: &Section, policy: &Policy) -> Option<Option<UnixTime>> {
        if keys.given(&TEST_TIME).is_some() {
            let help = "write `2026-12-24T18:00:00Z` or `2026-12-24T18:00:00+01:00`";
            return self.test_read_by(keys, &TEST_TIME, help, UnixTime::parse).map(Some);
        }
        let changes = match policy.first_about(About::Moment) {
            Some((_, name)) => format!("`{name}` asks for one"),
            None if keys.given(&TEST_CERTIFICATE).is_some() => "a certificate ends".into(),
            None => return Some(None),
        };
        let what = format!("this test names no `time`, and {changes}: its answer would change");
        self.wrong_test(keys, &what, "add the one that is meant: `time: 2026-12-24T18:00:00Z`");
        None
    }

    fn test_fields(&mut self, keys: &Section) -> Option<Vec<(HeaderName, HeaderValue)>> {
        let mut fields = Some(Vec::new());
        for (name, value) in keys.value(&TEST_HEADERS) {
            let field = HeaderName::try_from(&*name.text)
                .ok()
                .zip(HeaderValue::try_from(&*value.text).ok())
                .filter(|(name, _)| *name != http::header::HOST);
            match (field, &mut fields) {
                (Some(field), Some(fields)) => fields.push(field),
                (Some(_), None) => {}
                (None, _) => {
                    let what = format!("a test can't have the field `{}`", name.text);
                    let help = "write a field's name and its text; for `Host` there is `host`";
                    self.report(Problem::error("U571", name.at.clone(), what, help));
                    fields = None;
                }
            }
        }
        fields
    }

    fn test_reason(&mut self, keys: &Section) -> Option<Option<Reason>> {
        let Some(_) = keys.given(&TEST_REASON) else { return Some(None) };
        let help =
            "the reference of policies lists the reasons: `email-ok`, `groups-unauthorized` …";
        let named = |text: &str| Reason::all().find(|reason| reason.word() == text);
        self.test_read_by(keys, &TEST_REASON, help, named).map(Some)
    }

    fn test_read<T: FromStr>(
        &mut self,
        keys: &Section,
        key: &'static Typed<Text>,
        help: &str,
    ) -> Option<T> {
        self.test_read_by(keys, key, help, |text| text.parse().ok())
    }

    /// What is written there, or holds where nothing is; or it is told what is wrong with it.
    fn test_read_by<T>(
        &mut self,
        keys: &Section,
        key: &'static Typed<Text>,
        help: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let Some(given) = keys.given(key) else {
            return Text::of_default(key.default).and_then(read);
        };
        let value = read(given.text());
        if value.is_none() {
            let what = format!("`{}: {}` of a test can't be read", key.name, given.text());
            self.report(given.error("U571", what, help));
        }
        value
    }

    fn wrong_test(&mut self, keys: &Section, what: &str, help: impl Into<String>) {
        self.report(keys.problem(Severity::Error, "U571", what, help));
    }
}
