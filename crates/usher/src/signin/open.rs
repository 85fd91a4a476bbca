//! What is open to everybody: health, keys, metadata, assets.

use aws_lc_rs::digest;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};
use serde_json::json;
use usher_pages::NotFound;
use usher_rules::{
    session::{Credential, CredentialSource, Keys, credential},
    signin::{OAUTH2_CALLBACK, SIGN_OUT, hosted::PublicKey},
};

use super::{Ask, answer};
use crate::request::{Body, BrandAsset, brand_asset, identify::Identity};

/// `/ping` and `/healthz`. A Pomerium bearer that is no good gets 401: pomerium-cli asks here
/// whether its token still works. A cookie is not looked at: probes have none.
pub(super) fn health(ask: &Ask, keys: &Keys) -> Response<Body> {
    if ask.method() != Method::GET && ask.method() != Method::HEAD {
        return answer::method_not_allowed("GET, HEAD");
    }
    let query = Some(ask.query());
    let by_bearer =
        match credential(keys, ask.fields(), query, &ask.plan().cookie.host_name, ask.wall()) {
            Credential::Absent => false,
            Credential::Good(_, source)
            | Credential::Bad(_, source)
            | Credential::Contradiction(source) => source != CredentialSource::Cookie,
        };
    if by_bearer && matches!(ask.identity(), Identity::Rejected(_)) {
        let mut response = answer::text(StatusCode::UNAUTHORIZED, "Unauthorized\n");
        let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        return response;
    }
    answer::text(StatusCode::OK, "OK\n")
}

/// Nothing here is for crawlers.
pub(super) fn robots() -> Response<Body> {
    answer::text(StatusCode::OK, "User-agent: *\nDisallow: /")
}

/// `/.well-known/pomerium`.
pub(super) fn well_known(ask: &Ask) -> Response<Body> {
    let (own, authenticate) = (ask.origin(), &ask.plan().sign_in.authenticate);
    let mut response = answer::json(&json!({
        "issuer": format!("{own}/"),
        "authentication_callback_endpoint": format!("{authenticate}{OAUTH2_CALLBACK}"),
        "jwks_uri": format!("{own}/.well-known/pomerium/jwks.json"),
        "frontchannel_logout_uri": format!("{own}{SIGN_OUT}"),
    }));
    let everybody = HeaderValue::from_static("*");
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, everybody);
    response
}

/// `/.well-known/pomerium/jwks.json`.
pub(super) fn jwks(ask: &Ask, keys: &[u8]) -> Response<Body> {
    let digest = digest::digest(&digest::SHA256, keys);
    let etag = format!("\"{}\"", BASE64_URL_SAFE_NO_PAD.encode(digest));
    let mut response = if is_fresh(ask, &etag) {
        not_modified()
    } else {
        let mut response = Response::new(Body::full(Bytes::copy_from_slice(keys)));
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response
    };
    let fields = response.headers_mut();
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=60"));
    fields.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    fields.extend(HeaderValue::try_from(etag).ok().map(|etag| (header::ETAG, etag)));
    response
}

/// `/.well-known/pomerium/hpke-public-key`: 32 octets (`pomerium-protocols.md` §1a, step 0).
pub(super) fn public_key(ask: &Ask, key: &PublicKey) -> Response<Body> {
    let etag = format!("\"{:x}\"", fnv_1(key.octets()));
    let mut response = if is_fresh(ask, &etag) {
        not_modified()
    } else {
        let mut response = Response::new(Body::full(Bytes::copy_from_slice(key.octets())));
        let octets = HeaderValue::from_static("application/octet-stream");
        response.headers_mut().insert(header::CONTENT_TYPE, octets);
        response
    };
    let fields = response.headers_mut();
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=60"));
    fields.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    fields.extend(HeaderValue::try_from(etag).ok().map(|etag| (header::ETAG, etag)));
    response
}

/// FNV-1, 64 bits: the tag that the real server gives its key.
fn fnv_1(octets: &[u8]) -> u64 {
    octets.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, octet| {
        hash.wrapping_mul(0x0100_0000_01b3) ^ u64::from(*octet)
    })
}

/// Style sheet and icons. Their names carry their hashes, so they are kept for good.
pub(super) fn asset(ask: &Ask) -> Response<Body> {
    let brand = ask.plan().brand.as_ref();
    if let Some(asset) = brand.and_then(|brand| brand_asset(brand, ask.path())) {
        return picture(asset);
    }
    let Some(asset) = usher_pages::asset(ask.path()) else {
        return answer::error(ask, &NotFound { host: ask.host(), receipt: ask.receipt() });
    };
    let mut response = if is_fresh(ask, &asset.etag) {
        not_modified()
    } else {
        Response::new(Body::full(Bytes::from_static(asset.bytes)))
    };
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    let for_good = HeaderValue::from_static("public, max-age=31536000, immutable");
    fields.insert(header::CACHE_CONTROL, for_good);
    fields.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    fields.extend(HeaderValue::try_from(&*asset.etag).ok().map(|etag| (header::ETAG, etag)));
    response
}

/// What an operator gave. A picture that is opened as a page of its own runs nothing.
fn picture(BrandAsset { media_type, octets }: BrandAsset) -> Response<Body> {
    const FIELDS: [(HeaderName, &str); 3] = [
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; sandbox"),
    ];
    let mut response = Response::new(Body::full(octets));
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    fields.extend(FIELDS.map(|(name, value)| (name, HeaderValue::from_static(value))));
    response
}

fn is_fresh(ask: &Ask, etag: &str) -> bool {
    let mut known =
        ask.fields().get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    known.any(|list| list.split(',').any(|one| one.trim().trim_start_matches("W/") == etag))
}

fn not_modified() -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response
}

#[cfg(test)]
mod tests {
    /// The test vectors of FNV-1 for 64 bits.
    #[test]
    fn fnv_1_is_what_its_authors_say() {
        for (octets, hash) in [
            ("", 0xcbf2_9ce4_8422_2325),
            ("a", 0xaf63_bd4c_8601_b7be),
            ("foobar", 0x340d_8765_a4dd_a9c2),
        ] {
            assert_eq!(super::fnv_1(octets.as_bytes()), hash, "{octets:?}");
        }
    }
}
