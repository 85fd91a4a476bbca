use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};
use usher_rules::{people::BoxFuture, secret::Secret};

use super::{DnsError, DnsRecords, TxtRecord};
use crate::certs::acme::web::{Schemes, Web};
use crate::request::forward::Trust;

/// Where Cloudflare's API is.
pub(super) const API: &str = "https://api.cloudflare.com/client/v4";

/// TXT records at Cloudflare, by its API (version 4).
pub struct Cloudflare {
    token: Secret,
    api: Box<str>,
    web: Web,
    /// Ids of records that we set: zone and record.
    set: Mutex<HashMap<RecordKey, Made>>,
}

/// A record as it was asked for: name and text.
type RecordKey = (Box<str>, Box<str>);

/// A record that was made: the ids of its zone and of itself.
type Made = (String, String);

impl Cloudflare {
    /// Speaks with `api` by a token that may edit DNS.
    pub fn new(
        token: &Secret,
        api: &str,
        trust: Trust,
        patience: Duration,
    ) -> Result<Self, rustls::Error> {
        let schemes = match api.starts_with("https:") {
            true => Schemes::Https,
            false => Schemes::HttpsAndHttp,
        };
        let web = Web::new(&trust, patience, schemes)?;
        let token = Secret::new(token.expose());
        Ok(Self { token, api: api.into(), web, set: Mutex::default() })
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, DnsError> {
        let unreached = |cause: String| DnsError::Unreached {
            server: "Cloudflare".into(),
            cause: cause.into(),
        };
        let bearer = format!("Bearer {}", self.token.expose_str().unwrap_or_default().trim());
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.api))
            .header(header::AUTHORIZATION, bearer)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Bytes::from(body.map(|body| body.to_string()).unwrap_or_default()))
            .map_err(|error| unreached(error.to_string()))?;
        let response = self.web.send(request).await.map_err(unreached)?;
        let status = response.status();
        let answer: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        if answer.get("success").and_then(Value::as_bool) == Some(true) {
            return Ok(answer.get("result").cloned().unwrap_or_default());
        }
        if status.is_server_error() {
            return Err(unreached(format!("it answered with {status}")));
        }
        Err(DnsError::Refused { server: "Cloudflare".into(), why: why(status, &answer).into() })
    }

    /// The zone that has the name: the longest end of it that the token sees.
    async fn zone_of(&self, name: &str) -> Result<String, DnsError> {
        let mut rest = name;
        while let Some((_, parent)) = rest.split_once('.') {
            if !parent.contains('.') {
                break;
            }
            let zones = self.ask(Method::GET, &format!("/zones?name={parent}"), None).await?;
            if let Some(id) = zones.get(0).and_then(|zone| zone.get("id")).and_then(Value::as_str) {
                return Ok(id.into());
            }
            rest = parent;
        }
        Err(DnsError::NoZone { server: "Cloudflare".into(), name: name.into() })
    }

    /// The id of a record that is there; empty when it is not.
    async fn find(&self, zone: &str, record: &TxtRecord) -> Result<String, DnsError> {
        let path = format!("/zones/{zone}/dns_records?type=TXT&name={}", record.name);
        let found = self.ask(Method::GET, &path, None).await?;
        let is_it = |one: &&Value| {
            let content = one.get("content").and_then(Value::as_str).unwrap_or_default();
            content.trim_matches('"') == &*record.value
        };
        let found = found.as_array().into_iter().flatten().find(is_it);
        Ok(found.map(id_of).unwrap_or_default())
    }

    fn key(record: &TxtRecord) -> RecordKey {
        (record.name.clone(), record.value.clone())
    }
}

impl DnsRecords for Cloudflare {
    fn publish<'a>(&'a self, record: &'a TxtRecord) -> BoxFuture<'a, Result<(), DnsError>> {
        Box::pin(async move {
            let zone = self.zone_of(&record.name).await?;
            let body = json!({
                "type": "TXT", "name": record.name, "content": record.value, "ttl": 60,
                "comment": "proof for an ACME authority, by usher",
            });
            let records = format!("/zones/{zone}/dns_records");
            let id = match self.ask(Method::POST, &records, Some(body)).await {
                Ok(made) => id_of(&made),
                // It is there already: an attempt before this one was cut short.
                Err(DnsError::Refused { why, .. }) if is_there(&why) => {
                    self.find(&zone, record).await?
                }
                Err(error) => return Err(error),
            };
            let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
            set.insert(Self::key(record), (zone, id));
            Ok(())
        })
    }

    fn withdraw<'a>(&'a self, record: &'a TxtRecord) -> BoxFuture<'a, Result<(), DnsError>> {
        Box::pin(async move {
            let made =
                self.set.lock().unwrap_or_else(PoisonError::into_inner).remove(&Self::key(record));
            let (zone, id) = match made {
                Some(made) => made,
                None => {
                    // One that was set before a restart.
                    let zone = self.zone_of(&record.name).await?;
                    let id = self.find(&zone, record).await?;
                    (zone, id)
                }
            };
            if id.is_empty() {
                return Ok(());
            }
            let path = format!("/zones/{zone}/dns_records/{id}");
            self.ask(Method::DELETE, &path, None).await.map(drop)
        })
    }
}

fn id_of(record: &Value) -> String {
    record.get("id").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// "An identical record already exists", in either of its codes.
fn is_there(why: &str) -> bool {
    why.contains("(81057)") || why.contains("(81058)")
}

fn why(status: StatusCode, answer: &Value) -> String {
    let errors = answer.get("errors").and_then(Value::as_array);
    let said: Vec<String> = errors
        .into_iter()
        .flatten()
        .map(|error| {
            let code = error.get("code").and_then(Value::as_u64).unwrap_or_default();
            let words = error.get("message").and_then(Value::as_str).unwrap_or_default();
            format!("{words} ({code})")
        })
        .collect();
    let said = if said.is_empty() { status.to_string() } else { said.join("; ") };
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            format!(
                "{said}; the token needs Zone → Zone → Read and Zone → DNS → Edit for this zone"
            )
        }
        _ => said,
    }
}
