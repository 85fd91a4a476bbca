//! One server behind a route, asked as usher asks it.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderName, HeaderValue, Method, Request, header};
use http_body_util::{BodyExt as _, Full, StreamBody};
use serde_json::Value;
use usher_rules::{
    jellyfin::ServerState,
    names::Scheme,
    plan::{Action, HostPattern, Plan, Route, Target},
    secret::Secret,
};

use super::{PATIENCE, upstreams::host_toward};
use crate::request::forward::{Answered, AskedBody, ForwardError, Reading, Trust, ask};

/// Longest answer that is read, in octets, where nobody says otherwise.
const LONGEST: usize = 4 << 20;

/// An address that is nobody's at home (Google's name server).
pub(super) const FROM_AFAR: &str = "8.8.8.8";

/// A route and what is behind it.
pub(super) struct Server<'a> {
    pub plan: &'a Plan,
    pub route: &'a Route,
    /// The first of its upstreams.
    pub target: Target,
    trust: &'a Trust,
}

/// What is asked.
pub(super) struct Question {
    method: Method,
    path: String,
    fields: Vec<(HeaderName, String)>,
    body: AskedBody,
    reading: Reading,
    patience: Duration,
}

impl Question {
    pub(super) fn new(method: Method, path: &str) -> Self {
        let body = Full::new(Bytes::new()).boxed_unsync();
        let (path, fields) = (path.to_owned(), Vec::new());
        Self { method, path, fields, body, reading: LONGEST.into(), patience: PATIENCE }
    }

    pub(super) fn get(path: &str) -> Self {
        Self::new(Method::GET, path)
    }

    /// With this in its body.
    pub(super) fn post(path: &str, body: Option<&Value>) -> Self {
        let mut question = Self::new(Method::POST, path);
        let text = body.map(Value::to_string).unwrap_or_default();
        question.body = Full::new(Bytes::from(text)).boxed_unsync();
        question.with(header::CONTENT_TYPE, "application/json")
    }

    /// Announces a body of so many octets, none of which comes.
    pub(super) fn announcing(mut self, octets: usize) -> Self {
        self.body = StreamBody::new(stream::pending()).boxed_unsync();
        self.with(header::CONTENT_LENGTH, &octets.to_string())
    }

    pub(super) fn with(mut self, name: HeaderName, value: &str) -> Self {
        self.fields.push((name, value.to_owned()));
        self
    }

    /// Reads so much of the answer, for so long.
    pub(super) fn reading(mut self, reading: impl Into<Reading>, patience: Duration) -> Self {
        (self.reading, self.patience) = (reading.into(), patience);
        self
    }
}

impl<'a> Server<'a> {
    /// What is behind `route`; `None` where nothing is that speaks HTTP.
    pub(super) fn of(plan: &'a Plan, route: &'a Route, trust: &'a Trust) -> Option<Self> {
        let Action::Forward(targets) = &route.action else { return None };
        let target = targets.all.first()?.clone();
        let speaks = route.tunnel.is_none() && target.upstream.scheme != Scheme::Tcp;
        speaks.then_some(Self { plan, route, target, trust })
    }

    /// Its address, and the route: what findings name.
    pub(super) fn subject(&self) -> String {
        format!("{} (route {})", self.target.upstream, self.route.name)
    }

    /// Host and port that visitors type, where there is one such.
    pub(super) fn public(&self) -> Option<String> {
        match &self.route.from {
            exact @ HostPattern::Exact { .. } => Some(exact.to_string()),
            HostPattern::Wildcard { .. } => None,
        }
    }

    pub(super) fn key(&self) -> Option<&'a Secret> {
        self.route.jellyfin.as_ref()?.api_key.as_ref()
    }

    pub(super) fn base(&self) -> &str {
        self.route.jellyfin.as_ref().map_or("", |jellyfin| &jellyfin.base_path)
    }

    /// As usher asks by itself.
    pub(super) async fn ask(&self, question: Question) -> Result<Answered, ForwardError> {
        self.ask_below(self.base(), question).await
    }

    /// The same below another base path.
    pub(super) async fn ask_below(
        &self,
        base: &str,
        question: Question,
    ) -> Result<Answered, ForwardError> {
        let Question { method, path, fields, body, reading, patience } = question;
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = format!("{base}{path}").parse().unwrap_or_default();
        request.headers_mut().insert(header::HOST, host_toward(self.route, &self.target));
        for (name, text) in fields {
            let Ok(mut value) = HeaderValue::try_from(text) else { continue };
            value.set_sensitive(name == header::AUTHORIZATION);
            request.headers_mut().insert(name, value);
        }
        let how = (&self.target, &self.route.tls, &self.plan.outbound);
        ask(self.trust, how, request, reading, patience).await
    }

    /// As usher forwards what a visitor at `address` asks.
    pub(super) async fn as_visitor(
        &self,
        address: &str,
        mut question: Question,
    ) -> Result<Answered, ForwardError> {
        let name = HeaderName::from_static;
        question = question.with(name("x-forwarded-for"), address);
        question = question.with(name("x-forwarded-proto"), "https");
        if let Some(public) = self.public() {
            question = question.with(name("x-forwarded-host"), &public);
            question = question.with(header::HOST, &public);
        }
        self.ask(question).await
    }

    /// The same with the API key; nothing is asked where there is none.
    pub(super) fn with_key(&self, question: Question) -> Option<Question> {
        let key = self.key()?.expose_str()?;
        Some(question.with(header::AUTHORIZATION, &format!("MediaBrowser Token=\"{key}\"")))
    }

    /// What it answers to who has its key, where it answers 200 and JSON.
    pub(super) async fn administered(&self, path: &str) -> Option<Value> {
        let question = self.with_key(Question::get(path))?;
        let answered = self.ask(question).await.ok()?;
        answered.status.is_success().then(|| json(&answered))?
    }

    pub(super) async fn state(&self) -> ServerState {
        self.state_below(self.base()).await
    }

    /// How what is below another base path stands.
    pub(super) async fn state_below(&self, base: &str) -> ServerState {
        match self.ask_below(base, Question::get("/System/Info/Public")).await {
            Ok(answered) => {
                let text = String::from_utf8_lossy(&answered.body);
                ServerState::of_answer(answered.status, &text)
            }
            Err(_) => ServerState::Unreachable,
        }
    }
}

/// The body, where it is JSON.
pub(super) fn json(answered: &Answered) -> Option<Value> {
    serde_json::from_slice(&answered.body).ok()
}

/// A member that is text.
pub(super) fn text<'v>(object: &'v Value, name: &str) -> &'v str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}
