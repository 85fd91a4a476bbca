use std::{net::IpAddr, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{HeaderName, HeaderValue, Method, Request, Uri, header, request::Parts};
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use usher_rules::{client_certificate::ClientChain, plan::Route, time::UnixTime};

use super::{PolicyInput, reads_messages};
use crate::request::accept::Presented;

/// Any of the fields that apps take a method from would do.
const OTHER_METHOD: HeaderName = HeaderName::from_static("x-http-method-override");

/// What was asked, as it is kept: normalised, and without query, cookie and token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedOnRecord {
    /// The method.
    pub method: String,
    /// Methods that an app may take it for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_methods: Vec<String>,
    /// Whom it is for.
    pub authority: String,
    /// The canonical path.
    pub path: String,
    /// The TCP peer.
    pub source: IpAddr,
    /// When, in seconds since 1970.
    pub at: u64,
    /// `Origin` of a preflight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// `Access-Control-Request-Method` of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preflight_method: Option<String>,
    /// The certificates that were shown, leaf first (DER in Base64). They hold no key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<String>,
    /// Was the client asked for one? What it would have shown nobody knows otherwise.
    #[serde(default)]
    pub certificate_was_asked_for: bool,
    /// The tool that its message called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// Was its message read? What it said nobody knows otherwise.
    #[serde(default)]
    pub message_was_read: bool,
}

impl From<&PolicyInput> for AskedOnRecord {
    fn from(asked: &PolicyInput) -> Self {
        Self {
            method: asked.method.to_string(),
            other_methods: asked.other_methods.iter().map(ToString::to_string).collect(),
            authority: asked.authority.to_string(),
            path: asked.path.wire().into(),
            source: asked.source,
            at: asked.at.seconds(),
            origin: asked.origin.as_deref().map(Into::into),
            preflight_method: asked.preflight_method.as_deref().map(Into::into),
            certificates: asked
                .presented
                .chain()
                .map(|chain| chain.octets().map(|der| BASE64_STANDARD.encode(der)).collect())
                .unwrap_or_default(),
            certificate_was_asked_for: asked.presented.was_asked_for(),
            tool: asked.tool.as_deref().map(Into::into),
            message_was_read: asked.message_was_read,
        }
    }
}

impl AskedOnRecord {
    /// When.
    pub const fn at(&self) -> UnixTime {
        UnixTime::from_seconds(self.at)
    }

    /// What was shown of certificates; `None` where the record is none of ours.
    pub fn presented(&self) -> Option<Arc<Presented>> {
        let octets = |text: &String| BASE64_STANDARD.decode(text).ok().map(CertificateDer::from);
        let chain = self.certificates.iter().map(octets).collect::<Option<Vec<_>>>()?;
        Some(Arc::new(Presented::new(ClientChain::read(&chain))))
    }

    /// Is it known what the message said that this route would read, what the client has to show
    /// where its policy asks for that, and all else that its rules in Rego may look at? A record from before certificates were kept does not say.
    pub fn suffices_for(&self, route: &Route) -> bool {
        let message = self.message_was_read || self.method != Method::POST.as_str();
        let certificate = self.certificate_was_asked_for || !self.certificates.is_empty();
        (message || !reads_messages(route))
            && (certificate || !route.policy.asks_for_certificates())
            && !route.policy.asks_for_fields() // no record has any
    }

    /// The head of a request that asks the same; `None` where the record is none of ours.
    pub fn head(&self) -> Option<Parts> {
        let method = Method::from_bytes(self.method.as_bytes()).ok()?;
        let mut head = Request::new(()).into_parts().0;
        head.method = method;
        head.uri = Uri::try_from(&*self.path).ok()?;
        let text = |text: &str| HeaderValue::try_from(text).ok();
        head.headers.insert(header::HOST, text(&self.authority)?);
        if let Some(origin) = &self.origin {
            head.headers.insert(header::ORIGIN, text(origin)?);
        }
        if let Some(method) = &self.preflight_method {
            head.headers.insert(header::ACCESS_CONTROL_REQUEST_METHOD, text(method)?);
        }
        for method in &self.other_methods {
            head.headers.append(OTHER_METHOD, text(method)?);
        }
        Some(head)
    }
}
