//! `/.pomerium/trust`: how phones and computers come to trust the local authority. Open to
//! everybody: what is here is in every handshake.

use aws_lc_rs::digest;
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderValue, Response, header};
use usher_pages::{Link, NotFound, Scripts, Trust};

use super::{Ask, SignInRoom, answer};
use crate::request::{Anchor, Body};

/// The page, and what hangs from it.
pub(super) const PAGE: &str = "/.pomerium/trust";
const PEM: &str = "/.pomerium/trust/usher-ca.pem";
const DER: &str = "/.pomerium/trust/usher-ca.crt";
const PROFILE: &str = "/.pomerium/trust/usher.mobileconfig";

impl SignInRoom {
    pub(super) fn trust(&self, ask: &Ask) -> Response<Body> {
        let host = ask.authority().host.as_str();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let nothing = || answer::error(ask, &NotFound { host: ask.host(), receipt: ask.receipt() });
        let Some(anchor) = self.local.anchor(host) else { return nothing() };
        match ask.path() {
            PAGE => page(ask, &anchor),
            PEM => file(&anchor.pem, "application/x-pem-file"),
            DER => file(&anchor.der, "application/x-x509-ca-cert"),
            PROFILE => file(profile(&anchor).as_bytes(), "application/x-apple-aspen-config"),
            _ => nothing(),
        }
    }
}

fn page(ask: &Ask, anchor: &Anchor) -> Response<Body> {
    let fingerprint = digest::digest(&digest::SHA256, &anchor.der);
    let fingerprint: Vec<String> =
        fingerprint.as_ref().iter().map(|octet| format!("{octet:02X}")).collect();
    let page = Trust {
        host: ask.host(),
        address: &format!("{}{PAGE}", ask.origin()),
        fingerprint: &fingerprint.join(":"),
        pem: Link::new(PEM),
        der: Link::new(DER),
        profile: Link::new(PROFILE),
    };
    answer::html(200, page.render(ask.language()), Scripts::No, &[])
}

fn file(octets: &[u8], kind: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::full(Bytes::copy_from_slice(octets)));
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    fields.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A profile that installs a root (Apple's Configuration Profile Reference,
/// `com.apple.security.root`).
fn profile(anchor: &Anchor) -> String {
    let id = |part: &str| {
        let mut name = anchor.der.to_vec();
        name.extend(part.as_bytes());
        uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, &name)
    };
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict>
<key>PayloadType</key><string>Configuration</string>
<key>PayloadVersion</key><integer>1</integer>
<key>PayloadIdentifier</key><string>usher.local-authority</string>
<key>PayloadUUID</key><string>{profile}</string>
<key>PayloadDisplayName</key><string>usher local authority</string>
<key>PayloadDescription</key><string>Lets this device trust the certificates of your usher.</string>
<key>PayloadContent</key><array><dict>
<key>PayloadType</key><string>com.apple.security.root</string>
<key>PayloadVersion</key><integer>1</integer>
<key>PayloadIdentifier</key><string>usher.local-authority.root</string>
<key>PayloadUUID</key><string>{root}</string>
<key>PayloadDisplayName</key><string>usher local authority</string>
<key>PayloadContent</key><data>{der}</data>
</dict></array>
</dict></plist>
"#,
        profile = id("profile"),
        root = id("root"),
        der = BASE64_STANDARD.encode(&anchor.der),
    )
}
