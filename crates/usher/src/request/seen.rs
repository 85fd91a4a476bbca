use std::{cell::Cell, net::IpAddr, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header, request::Parts};
use tokio::time::Instant;
use usher_pages::Language;
use usher_rules::{
    fields::{Preference, Reader, error_form, visitor, way},
    plan::Plan,
    time::Now,
};

use super::{accept::Connection, read_once::ReadOnce};

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What is known of every request as soon as its head is here. Cheap: the bytes are shared.
#[derive(Debug)]
pub struct Seen {
    /// The snapshot that it runs with: a reload can't tear it.
    pub(super) plan: Arc<Plan>,
    pub(super) connection: Arc<Connection>,
    /// Who asks: the TCP peer, or whom the proxies that are trusted name. Policy judges the peer.
    pub(super) visitor: IpAddr,
    pub(super) visitor_text: HeaderValue,
    /// The way that the request came, the peer last.
    pub(super) way: HeaderValue,
    pub(super) now: Now,
    pub(super) began: Instant,
    pub(super) request_id: HeaderValue,
    pub(super) check_request_id: Option<HeaderValue>,
    pub(super) method: Method,
    /// As written, whether or not it can be read.
    pub(super) host: HeaderValue,
    pub(super) user_agent: Option<HeaderValue>,
    pub(super) referer: Option<HeaderValue>,
    /// Who reads the answer.
    pub(super) reader: Reader,
    /// How they like it.
    accept: Option<HeaderValue>,
    /// In which language; what they chose on a page of ours is a cookie of those pages alone.
    accept_language: Option<HeaderValue>,
    /// The address of what a link can ask for again.
    pub(super) page: Option<Uri>,
    /// What its route's app reads of it.
    pub(super) read: ReadOnce,
}

impl Seen {
    /// What a head says by itself, once its cookies are joined.
    pub fn of(
        head: &Parts,
        plan: Arc<Plan>,
        connection: Arc<Connection>,
        now: Now,
        reader: Reader,
    ) -> Self {
        let (fields, peer) = (&head.headers, connection.peer.ip());
        let hops = plan.xff_num_trusted_hops;
        let visitor = visitor(fields, peer, hops);
        let named = (visitor != peer).then(|| HeaderValue::try_from(visitor.to_string()).ok());
        let noted = Noted::of(fields);
        let host = noted.host.cloned().or_else(|| {
            head.uri.authority().and_then(|target| HeaderValue::from_str(target.as_str()).ok())
        });
        Self {
            visitor,
            visitor_text: named.flatten().unwrap_or_else(|| connection.peer.text.clone()),
            way: way(fields, &connection.peer.text, hops),
            plan,
            connection,
            now,
            began: Instant::now(),
            request_id: fresh_id(),
            check_request_id: noted.request_id.cloned(),
            method: head.method.clone(),
            host: host.unwrap_or(HeaderValue::from_static("")),
            user_agent: noted.user_agent.cloned(),
            referer: noted.referer.cloned(),
            reader,
            accept: noted.accept.cloned(),
            accept_language: noted.accept_language.cloned(),
            page: (head.method == Method::GET).then(|| head.uri.clone()),
            read: ReadOnce::default(),
        }
    }

    /// The TCP peer's address: what policy judges, whatever proxies say (as in Pomerium).
    pub(super) fn source(&self) -> IpAddr {
        self.connection.peer.ip()
    }

    /// The request's id as text.
    pub(super) fn id(&self) -> &str {
        self.request_id.to_str().unwrap_or_default()
    }

    /// The form in which an error is read best; asked for by those that are shown only.
    pub(super) fn preference(&self) -> Preference {
        let accept = self.accept.iter().map(|accept| (header::ACCEPT, accept.clone())).collect();
        error_form(self.reader, &accept)
    }

    /// The language in which they read it.
    pub(super) fn language(&self) -> Language {
        let wanted = self.accept_language.as_ref().and_then(|wanted| wanted.to_str().ok());
        Language::accepted(wanted.unwrap_or_default())
    }
}

/// The first lines of the fields that records and answers go by, found in one pass: to look each of
/// them up costs more.
#[derive(Default)]
struct Noted<'f> {
    host: Option<&'f HeaderValue>,
    request_id: Option<&'f HeaderValue>,
    user_agent: Option<&'f HeaderValue>,
    referer: Option<&'f HeaderValue>,
    accept: Option<&'f HeaderValue>,
    accept_language: Option<&'f HeaderValue>,
}

impl<'f> Noted<'f> {
    fn of(fields: &'f HeaderMap) -> Self {
        let mut noted = Self::default();
        for (name, value) in fields {
            let place = match name.as_str() {
                "host" => &mut noted.host,
                "x-request-id" => &mut noted.request_id,
                "user-agent" => &mut noted.user_agent,
                "referer" => &mut noted.referer,
                "accept" => &mut noted.accept,
                "accept-language" => &mut noted.accept_language,
                _ => continue,
            };
            place.get_or_insert(value);
        }
        noted
    }
}

/// A UUID (version 4) as a request's id. It need not be unguessable, only never the same twice,
/// so it is mixed from one random seed per core instead of asking the system each time.
pub(super) fn fresh_id() -> HeaderValue {
    thread_local! {
        static STATE: Cell<Option<(u64, u64)>> = const { Cell::new(None) };
    }
    let (seed, count) = STATE.get().unwrap_or_else(|| {
        let (seed, count) = uuid::Uuid::new_v4().as_u64_pair();
        (seed, count)
    });
    STATE.set(Some((seed, count.wrapping_add(1))));
    let (high, low) = (mix(seed ^ mix(count)), mix(count.wrapping_add(seed)));
    let bytes = (u128::from(high) << 64 | u128::from(low)).to_be_bytes();
    let id = uuid::Builder::from_random_bytes(bytes).into_uuid();
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    let text = id.hyphenated().encode_lower(&mut text);
    let mut id = HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("-"));
    // Never the same twice: in the table of HPACK it would push out what is (RFC 7541 §6.2.3).
    id.set_sensitive(true);
    id
}

/// SplitMix64's finaliser: every bit of the input changes half of the output's.
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use http::{HeaderMap, HeaderValue, header};

    use super::{Noted, REQUEST_ID, fresh_id};

    #[test]
    fn of_several_lines_the_first_is_noted() {
        let names = [
            header::HOST,
            REQUEST_ID,
            header::USER_AGENT,
            header::REFERER,
            header::ACCEPT,
            header::ACCEPT_LANGUAGE,
        ];
        let mut fields = HeaderMap::new();
        assert!(Noted::of(&fields).host.is_none());
        for (line, name) in
            ["first", "second"].iter().flat_map(|line| names.iter().map(move |name| (line, name)))
        {
            fields.append(name, HeaderValue::from_static(line));
        }
        let Noted { host, request_id, user_agent, referer, accept, accept_language } =
            Noted::of(&fields);
        for noted in [host, request_id, user_agent, referer, accept, accept_language] {
            assert_eq!(noted.unwrap(), "first");
        }
    }

    #[test]
    fn ids_are_uuids_and_never_the_same() {
        let ids: HashSet<_> = (0..10_000).map(|_| fresh_id()).collect();
        assert_eq!(ids.len(), 10_000);
        for id in ids.iter().take(10) {
            let id = uuid::Uuid::try_parse(id.to_str().unwrap()).unwrap();
            assert_eq!(id.get_version_num(), 4);
        }
    }
}
