//! Heads that are longer than we take, and what made them so.

use http::{header, request::Parts};

use usher_rules::fields::is_page_load;

use super::accept::{Protocol, limits};

/// The page differs: cookies can be deleted, and are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Oversize {
    /// The cookies of a page load. A sibling site or an app can set so many that this browser gets
    /// no page of the domain any more (cookie bomb), until they are deleted.
    Cookies,
    /// Something else, or it is a program's.
    Other,
}

/// What makes this head too long; `None` where it fits. To be asked before anything is copied.
pub(super) fn oversize(head: &Parts, protocol: Protocol) -> Option<Oversize> {
    // RFC 9113 §10.5.1 counts 32 octets for each field; in HTTP/1.1 there are four around it.
    let around = match protocol {
        Protocol::Http1 => 4,
        Protocol::Http2 => 32,
    };
    let target = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
    let (mut all, mut cookies) = (target, 0);
    for (name, value) in &head.headers {
        let octets = name.as_str().len() + value.len() + around;
        all += octets;
        cookies += if name == header::COOKIE { octets } else { 0 };
    }
    if all <= limits::HEAD_BYTES {
        return None;
    }
    // A link can make the target 64 KiB long: who follows it loses no cookies that are in order.
    let by_cookies = cookies > limits::HEAD_BYTES / 2 && is_page_load(&head.headers);
    Some(if by_cookies { Oversize::Cookies } else { Oversize::Other })
}
