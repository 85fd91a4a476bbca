use http::{HeaderMap, HeaderName, header};

use super::{
    Forwarded, Owned, clean_referer, forwarded, hop_by_hop, identity, remove_bearer_tokens,
    remove_cookie, remove_credentials, remove_hop_by_hop, remove_identity, remove_underscores,
};
use crate::plan::Underscores;

/// What a request's fields may have to lose on their way to an upstream, found by one look at each
/// name. A head has a dozen fields and could have a dozen kinds of what must go: most of them are
/// not there, and are not looked for one by one.
///
/// INVARIANT: what is not found is in no field. What is found may be nothing after all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found(u16);

/// What a route and its plan take out of a request.
#[derive(Clone, Copy, Debug)]
pub struct Taken<'a> {
    /// What only the proxy may say.
    pub owned: Owned<'a>,
    /// The session cookie's name (`cookie_name`).
    pub cookie: &'a str,
    /// Tokens count as sessions here (`bearer_token_format`).
    pub bearer_tokens: bool,
    /// `headers_with_underscores_action`.
    pub underscores: Underscores,
}

impl Found {
    const NOTHING: Self = Self(0);
    const HOP_BY_HOP: Self = Self(1);
    const EXPECT: Self = Self(1 << 1);
    const AUTHORIZATION: Self = Self(1 << 2);
    const COOKIE: Self = Self(1 << 3);
    const REFERER: Self = Self(1 << 4);
    const UNDERSCORE: Self = Self(1 << 5);
    const FORGED: Self = Self(1 << 6);
    const OTHER_FORWARDED: Self = Self(1 << 7);

    /// Looks at each name once.
    pub fn of(fields: &HeaderMap, owned: Owned<'_>) -> Self {
        let lengths = lengths(owned);
        fields.keys().fold(Self::NOTHING, |found, name| {
            let name = name.as_str();
            match usual(name) {
                Some(usual) if lengths & length(name) == 0 => found.and(usual),
                Some(_) | None => found.and(looked_at(name, owned)),
            }
        })
    }

    /// May there be fields that only the proxy may write?
    pub const fn may_be_forged(self) -> bool {
        self.has(Self::FORGED)
    }

    /// Takes out what no upstream may get from a client, and what was for this proxy alone.
    pub fn remove(self, fields: &mut HeaderMap, taken: Taken<'_>) {
        if self.has(Self::HOP_BY_HOP) {
            remove_hop_by_hop(fields);
        }
        if self.has(Self::EXPECT) {
            fields.remove(header::EXPECT); // answered here: the body is streamed, RFC 9110 §10.1.1
        }
        if self.has(Self::AUTHORIZATION) {
            remove_credentials(fields);
            if taken.bearer_tokens {
                remove_bearer_tokens(fields);
            }
        }
        if self.has(Self::COOKIE) {
            remove_cookie(fields, taken.cookie);
        }
        if self.has(Self::REFERER) {
            clean_referer(fields);
        }
        if self.has(Self::UNDERSCORE) && taken.underscores == Underscores::Drop {
            remove_underscores(fields);
        }
        if self.has(Self::FORGED) {
            remove_identity(fields, taken.owned);
        }
    }

    /// As [`set_forwarded`](super::set_forwarded) does it.
    pub fn set_forwarded(self, fields: &mut HeaderMap, forwarded: Forwarded<'_>) {
        forwarded::write(fields, forwarded);
        if self.has(Self::OTHER_FORWARDED) {
            forwarded::remove_theirs(fields);
        }
    }

    const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn has(self, what: Self) -> bool {
        self.0 & what.0 != 0
    }
}

/// What a name that browsers and apps send all the time may have to lose; `None` for other names.
/// By its length first: most are told apart by that alone.
fn usual(name: &str) -> Option<Found> {
    let is_free = match name.len() {
        2 if name == "te" => return Some(Found::HOP_BY_HOP),
        3 => name == "dnt",
        4 => name == "host",
        5 => name == "range",
        6 => match name {
            "cookie" => return Some(Found::COOKIE),
            "expect" => return Some(Found::EXPECT),
            _ => matches!(name, "accept" | "origin" | "pragma"),
        },
        7 if name == "referer" => return Some(Found::REFERER),
        7 => name == "sec-gpc",
        8 => matches!(name, "if-range" | "priority"),
        9 => name == "sec-ch-ua",
        10 if name == "connection" => return Some(Found::HOP_BY_HOP),
        10 => name == "user-agent",
        12 => matches!(name, "content-type" | "x-emby-token"),
        13 if name == "authorization" => return Some(Found::AUTHORIZATION),
        13 => matches!(name, "cache-control" | "if-none-match"),
        14 => matches!(
            name,
            "content-length"
                | "sec-fetch-dest"
                | "sec-fetch-mode"
                | "sec-fetch-site"
                | "sec-fetch-user"
        ),
        15 => matches!(name, "accept-encoding" | "accept-language"),
        16 => matches!(name, "sec-ch-ua-mobile" | "x-requested-with"),
        17 => name == "if-modified-since",
        18 => name == "sec-ch-ua-platform",
        20 => name == "x-emby-authorization",
        25 => name == "upgrade-insecure-requests",
        _ => false,
    };
    is_free.then_some(Found::NOTHING)
}

/// The same for any name.
fn looked_at(name: &str, owned: Owned<'_>) -> Found {
    let of = |holds: bool, found: Found| if holds { found } else { Found::NOTHING };
    of(hop_by_hop::is_listed(name), Found::HOP_BY_HOP)
        .and(of(name == header::EXPECT, Found::EXPECT))
        .and(of(name == header::AUTHORIZATION, Found::AUTHORIZATION))
        .and(of(name == header::COOKIE, Found::COOKIE))
        .and(of(name == header::REFERER, Found::REFERER))
        .and(of(name.contains('_'), Found::UNDERSCORE))
        .and(of(identity::is_forged(name, owned), Found::FORGED))
        .and(of(forwarded::is_theirs(name), Found::OTHER_FORWARDED))
}

/// How long the names are that the config owns, a bit for each length: a name of another length is
/// none of them.
fn lengths(owned: Owned<'_>) -> u64 {
    let claimed = owned.claim_fields.iter().map(|(name, _)| name);
    let names = claimed.chain(owned.by_route).map(HeaderName::as_str);
    names.fold(0, |lengths, name| lengths | length(name))
}

const fn length(name: &str) -> u64 {
    1 << (name.len() % 64)
}

#[cfg(test)]
mod tests;
