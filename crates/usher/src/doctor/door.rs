//! The door itself, asked as a visitor asks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, header};
use http_body_util::{BodyExt as _, Empty};
use usher_rules::{
    names::{Scheme, Upstream},
    plan::{Outbound, Plan, Target, UpstreamTls, UpstreamVerify},
};

use super::PATIENCE;
use crate::request::{
    accept::parse_address,
    forward::{Answered, ForwardError, Trust, ask},
};

/// How much of a page is read.
const PAGE: usize = 64 * 1024;

/// Where visitors are answered.
pub(super) struct Door {
    pub(super) address: SocketAddr,
    scheme: Scheme,
}

impl Door {
    /// What listens on `listens`, as this machine reaches it.
    pub(super) fn of(plan: &Plan, listens: &str) -> Option<Self> {
        let scheme = if plan.listen.insecure { Scheme::Http } else { Scheme::Https };
        Some(Self { address: from_here(plan, listens)?, scheme })
    }

    /// Where http:// is answered that listens on `address`.
    pub(super) fn plain(address: SocketAddr) -> Self {
        Self { address: reached(address), scheme: Scheme::Http }
    }

    /// Asks it as a visitor of `authority` does. Whatever certificate it shows: that is looked at
    /// elsewhere.
    pub(super) async fn ask(
        &self,
        authority: &str,
        (method, path): (Method, &str),
        fields: &[(HeaderName, &str)],
    ) -> Result<Answered, ForwardError> {
        let host =
            HeaderValue::from_str(authority).unwrap_or(HeaderValue::from_static("localhost"));
        let target = Target {
            upstream: Upstream {
                scheme: self.scheme,
                host: self.address.ip().to_string().into(),
                port: self.address.port(),
                path: "".into(),
            },
            weight: 1,
            host: host.clone(),
        };
        let name = authority.rsplit_once(':').map_or(authority, |(name, _port)| name);
        let tls = UpstreamTls {
            verify: UpstreamVerify::Skip,
            server_name: Some(name.into()),
            client: None,
        };
        let mut request = Request::new(Empty::<Bytes>::new().boxed_unsync());
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().unwrap_or_default();
        request.headers_mut().insert(header::HOST, host);
        for (name, value) in fields {
            if let Ok(value) = HeaderValue::from_str(value) {
                request.headers_mut().insert(name, value);
            }
        }
        let how = (&target, &tls, &Outbound::default());
        ask(&Trust::only([]), how, request, PAGE, PATIENCE).await
    }
}

/// Where this machine reaches the door.
fn from_here(plan: &Plan, listens: &str) -> Option<SocketAddr> {
    let default = if plan.listen.insecure { 80 } else { 443 };
    parse_address(listens, default).ok().map(reached)
}

/// Where this machine reaches what listens on `address`.
fn reached(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        // it takes IPv4 as well, and a machine may have no IPv6
        IpAddr::V6(ip) if ip == Ipv6Addr::UNSPECIFIED => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    address
}
