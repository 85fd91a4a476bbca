//! An app that is known from inside: it has devices, pages of its own, something for strangers, and
//! changes JSON both ways.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header, request, response};
use serde_json::Value;
use usher::request::{
    AnswerNeed, Answers, App, AppRequest, Apps, Body, BodyNeed, Credential, TowardUpstream,
    authorize::Unbound, identify::LiveSession,
};
use usher_rules::people::BoxFuture;

/// Octets of a body that it reads.
pub const AT_MOST: usize = 1024;

/// The field in which its devices show their token.
pub const DEVICE: &str = "x-device";

/// What it does is told by the path.
#[derive(Default)]
pub struct TestApp {
    devices: Mutex<BTreeMap<String, Arc<LiveSession>>>,
}

/// Those apps, under the name of a route for this host.
pub fn apps(host: &str) -> Apps {
    let name = host.split('.').next().unwrap();
    Apps::new([(name, Arc::new(TestApp::default()) as Arc<dyn App>)])
}

/// Breaks where the path says so.
fn breaks(asked: AppRequest<'_>, place: &str) {
    assert!(asked.path.wire() != format!("/panic/{place}"), "a mistake in the app");
}

fn is_json(fields: &HeaderMap) -> bool {
    fields.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json")
}

/// The same object with one member more.
fn with(body: &Bytes, name: &str, value: Value) -> Result<Bytes, &'static str> {
    let mut json: Value = serde_json::from_slice(body).map_err(|_| "it is no JSON")?;
    json.as_object_mut().ok_or("it is no object")?.insert(name.into(), value);
    Ok(json.to_string().into())
}

impl App for TestApp {
    fn credential<'a>(&'a self, asked: AppRequest<'a>) -> BoxFuture<'a, Option<Credential>> {
        Box::pin(async move {
            breaks(asked, "credential");
            let mut tokens = asked.head.headers.get_all(DEVICE).iter();
            let token = tokens.next()?.to_str().unwrap_or_default();
            let known = self.devices.lock().unwrap().get(token).cloned();
            let known = known.filter(|_| tokens.next().is_none());
            Some(known.map_or(Credential::Rejected, Credential::Session))
        })
    }

    fn allows_unbound(&self, asked: AppRequest<'_>) -> Unbound {
        breaks(asked, "unbound");
        let path = asked.path.decoded();
        match path.ends_with("nfo") || matches!(path, "/denied" | "/events/open") {
            true => Unbound::Open("server-info"),
            false => Unbound::No,
        }
    }

    fn answers(&self, asked: AppRequest<'_>) -> Answers {
        breaks(asked, "answers");
        match asked.path.wire() {
            "/link" | "/pair" | "/panic/answer" => Answers::Own { at_most: 64 },
            _ => Answers::Upstream,
        }
    }

    fn answer<'a>(&'a self, asked: AppRequest<'a>, body: Bytes) -> BoxFuture<'a, Response<Body>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            breaks(asked, "answer");
            let session = asked.identity.session().unwrap();
            if asked.path.wire() == "/pair" {
                let token = String::from_utf8(body.to_vec()).unwrap();
                self.devices.lock().unwrap().insert(token, Arc::clone(session));
            }
            let email = &session.person().email;
            let mut response = Response::new(Body::full(format!("a page for {email}")));
            *response.status_mut() = StatusCode::CREATED;
            response
        })
    }

    fn toward_upstream(&self, asked: AppRequest<'_>, head: &mut request::Parts) -> TowardUpstream {
        breaks(asked, "toward_upstream");
        for name in ["x-pomerium-jwt-assertion", "x-pomerium-claim-email", "x-forwarded-for"] {
            head.headers.insert(name, HeaderValue::from_static("mallory"));
        }
        head.headers.insert("x-app", HeaderValue::from_static("asks"));
        let who = asked.identity.session().map(|live| live.person().email.clone());
        let panics = asked.path.wire() == "/panic/rewrite";
        let body = match is_json(&head.headers) || asked.path.wire() == "/socket" {
            false => BodyNeed::AsItIs,
            true => BodyNeed::Whole {
                at_most: AT_MOST,
                rewrite: Box::new(move |_, body| {
                    assert!(!panics, "a mistake in the app");
                    with(&body, "by", who.as_deref().unwrap_or_default().into())
                }),
            },
        };
        let streams = ["/events", "/film", "/forgets"].iter();
        let answer = match streams.into_iter().any(|path| asked.path.wire().starts_with(path)) {
            true => AnswerNeed::AsItIs,
            false => AnswerNeed::Readable,
        };
        TowardUpstream { body, answer }
    }

    fn toward_client(
        &self,
        asked: AppRequest<'_>,
        head: &mut response::Parts,
    ) -> BodyNeed<response::Parts> {
        breaks(asked, "toward_client");
        head.headers.insert("x-app", HeaderValue::from_static("answers"));
        match is_json(&head.headers) {
            false => BodyNeed::AsItIs,
            true => BodyNeed::Whole {
                at_most: AT_MOST,
                rewrite: Box::new(|_, body| with(&body, "seen", true.into())),
            },
        }
    }
}
