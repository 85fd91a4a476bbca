use std::time::Duration;

use aws_lc_rs::constant_time;
use base64::{Engine, prelude::BASE64_URL_SAFE};

use super::{
    form::{ParamsError, decode, encode_onto},
    param::{EXPIRY, ISSUED, SIGNATURE},
};
use crate::{session::Keys, time::UnixTime};

/// How long a signed URL is good for.
pub const LIFETIME: Duration = Duration::from_secs(300);
/// How far the clocks of two nodes may be apart.
pub const LEEWAY: Duration = Duration::from_secs(60);

/// The parameters of a query, in order of name, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(Box<str>, Box<str>)>);

impl Params {
    /// Reads a query or a form body (`application/x-www-form-urlencoded`).
    ///
    /// # Errors
    ///
    /// [`ParamsError`]: whatever two readers could read differently.
    pub fn parse(query: &str) -> Result<Self, ParamsError> {
        let mut pairs = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            pairs.push((decode(name)?, decode(value)?));
        }
        pairs.sort();
        let twice = pairs.windows(2).any(|two| matches!(two, [(a, _), (b, _)] if a == b));
        if twice { Err(ParamsError::Duplicate) } else { Ok(Self(pairs)) }
    }

    /// The value of a parameter.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| &**found == name).map(|(_, value)| &**value)
    }

    /// Are there none?
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn without(mut self, name: &str) -> Self {
        self.0.retain(|(found, _)| &**found != name);
        self
    }

    fn encode(&self) -> String {
        let mut query = String::new();
        for (name, value) in &self.0 {
            if !query.is_empty() {
                query.push('&');
            }
            encode_onto(&mut query, name);
            query.push('=');
            encode_onto(&mut query, value);
        }
        query
    }
}

/// A URL whose signature holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedUrl {
    /// What it says: every parameter but the signature. Nothing outside the signature is here.
    pub params: Params,
    /// The signature, as a name for this very URL.
    pub signature: [u8; 32],
    /// From when on the signature no longer counts, leeway included.
    pub over_at: UnixTime,
}

/// Why a URL is not followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlRefusal {
    /// The query can't be read in one way only.
    #[error(transparent)]
    Params(#[from] ParamsError),
    /// No signature, or no times in it.
    #[error("it is not signed")]
    Unsigned,
    /// Signed with another secret, for another address, or changed since.
    #[error("its signature does not hold")]
    BadSignature,
    /// Its time is over. The signature holds, so what it says may be shown as a way back.
    #[error("it is too old")]
    Expired(Params),
    /// It comes from a clock that is ahead of ours.
    #[error("it is from the future")]
    TooEarly,
}

/// Signs `base?params` (`pomerium-protocols.md` §0.1). `base` is origin and path.
pub fn sign_url(keys: &Keys, base: &str, params: &[(&str, &str)], now: UnixTime) -> String {
    let issued = now.seconds().to_string();
    let expiry = now.plus(LIFETIME).seconds().to_string();
    let times = [(ISSUED, issued.as_str()), (EXPIRY, expiry.as_str())];
    let mut pairs: Vec<_> = params
        .iter()
        .chain(&times)
        .map(|(name, value)| ((*name).into(), (*value).into()))
        .collect();
    pairs.sort();
    let mut params = Params(pairs);
    let signature = BASE64_URL_SAFE.encode(mac(keys, base, &params, &issued, &expiry));
    params.0.push((SIGNATURE.into(), signature.into()));
    params.0.sort();
    format!("{base}?{}", params.encode())
}

/// Verifies the query of a request to `base`, which is the origin and path that it came to.
///
/// `grace` is how much later than usual it may come: a form may stay open for a while.
///
/// # Errors
///
/// [`UrlRefusal`], one variant per rule.
pub fn verify_url(
    keys: &Keys,
    base: &str,
    query: &str,
    now: UnixTime,
    grace: Duration,
) -> Result<SignedUrl, UrlRefusal> {
    let params = Params::parse(query)?;
    let given = params.text(SIGNATURE).ok_or(UrlRefusal::Unsigned)?;
    let given = BASE64_URL_SAFE.decode(given).map_err(|_| UrlRefusal::BadSignature)?;
    let params = params.without(SIGNATURE);
    let (Some(issued), Some(expiry)) = (params.text(ISSUED), params.text(EXPIRY)) else {
        return Err(UrlRefusal::Unsigned);
    };
    let signature = keys
        .and_previous()
        .map(|keys| mac(keys, base, &params, issued, expiry))
        .find(|ours| constant_time::verify_slices_are_equal(ours, &given).is_ok())
        .ok_or(UrlRefusal::BadSignature)?;
    let (Some(issued), Some(expiry)) = (unix_seconds(issued), unix_seconds(expiry)) else {
        return Err(UrlRefusal::Unsigned);
    };
    if now.plus(LEEWAY) < issued {
        return Err(UrlRefusal::TooEarly);
    }
    let over_at = expiry.plus(LEEWAY).plus(grace);
    if now > over_at {
        return Err(UrlRefusal::Expired(params));
    }
    Ok(SignedUrl { params, signature, over_at })
}

fn mac(keys: &Keys, base: &str, params: &Params, issued: &str, expiry: &str) -> [u8; 32] {
    let query = params.encode();
    let pieces = [base, "?", &query, issued, " ", expiry];
    keys.url_mac(&pieces.map(str::as_bytes))
}

fn unix_seconds(text: &str) -> Option<UnixTime> {
    let digits = text.bytes().all(|octet| octet.is_ascii_digit());
    text.parse().ok().filter(|_| digits).map(UnixTime::from_seconds)
}

#[cfg(test)]
mod tests;
