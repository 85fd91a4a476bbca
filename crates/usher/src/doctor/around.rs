//! Is it reached around usher?

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use futures_util::future::join_all;
use http::HeaderValue;
use serde_json::Value;
use tokio::net::UdpSocket;
use usher_rules::{
    names::{Scheme, Upstream},
    plan::{HostPattern, Outbound, Target, UpstreamTls, UpstreamVerify},
    problem::Severity,
};

use super::{
    Tried, code,
    cure::{Area, Cure, Effect},
    server::{Question, Server, json, text},
};
use crate::request::forward::{Trust, Want, probe};

/// Where a Jellyfin waits for apps that look for one, and what they say.
const DISCOVERY: (u16, &[u8]) = (7359, b"who is JellyfinServer?");

/// How long a server may take that is next door.
const NEAR: Duration = Duration::from_millis(1500);

/// Ports that a Jellyfin has by default.
pub(super) const PORTS: [u16; 2] = [8096, 8920];

/// Addresses of this machine by which it would reach others: what its routes say. Nothing is sent.
pub async fn own_addresses() -> Vec<IpAddr> {
    // Of networks for documentation (RFC 5737, RFC 3849): routed like any other.
    let v4 = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 9));
    let v6 = SocketAddr::from((Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 9));
    let mut all = Vec::new();
    for (any, far) in
        [(IpAddr::from(Ipv4Addr::UNSPECIFIED), v4), (Ipv6Addr::UNSPECIFIED.into(), v6)]
    {
        let Ok(socket) = UdpSocket::bind((any, 0)).await else { continue };
        let own = socket.connect(far).await.and_then(|()| socket.local_addr());
        all.extend(own.ok().map(|own| own.ip()).filter(|own| !own.is_loopback()));
    }
    all
}

/// Does the same server answer at the address that visitors type, or at this machine's own?
pub(super) async fn bypass(server: &Server<'_>, addresses: &[IpAddr]) -> Option<Tried> {
    let info = json(&server.ask(Question::get("/System/Info/Public")).await.ok()?)?;
    let id = text(&info, "Id");
    if id.is_empty() {
        return None;
    }
    let places = places(server, addresses).await;
    let answers = places.iter().map(|place| async move {
        let found = info_at(*place).await?;
        (text(&found, "Id") == id).then_some(*place)
    });
    let open: Vec<String> =
        join_all(answers).await.into_iter().flatten().map(|at| at.to_string()).collect();
    if open.is_empty() {
        let what =
            format!("is not reached around usher ({} addresses tried from here)", places.len());
        return Some(Tried::good(code::BYPASS, server.subject(), what));
    }
    let what = format!("it answers at http://{}", open.join(", http://"));
    let help = "let it listen for usher alone: no `ports:` in its compose file, or `127.0.0.1:8096`, \
                or a firewall that passes usher and nobody else";
    Some(Tried::bad(Severity::Error, code::BYPASS, server.subject(), (what, help)))
}

/// Where others would try: what usher itself dials is not among it.
async fn places(server: &Server<'_>, addresses: &[IpAddr]) -> Vec<SocketAddr> {
    let upstream = &server.target.upstream;
    let mut hosts: BTreeSet<IpAddr> = addresses.iter().copied().collect();
    if let HostPattern::Exact { host, .. } = &server.route.from
        && let Ok(Ok(found)) =
            tokio::time::timeout(NEAR, tokio::net::lookup_host((host.as_str(), 443))).await
    {
        hosts.extend(found.map(|at| at.ip()).filter(|at| !at.is_loopback()));
    }
    let dialled = upstream.host.parse::<IpAddr>().ok();
    let ports: BTreeSet<u16> = PORTS.into_iter().chain([upstream.port]).collect();
    let all = hosts
        .into_iter()
        .flat_map(|host| ports.clone().into_iter().map(move |port| SocketAddr::new(host, port)));
    all.filter(|at| Some(at.ip()) != dialled || at.port() != upstream.port).collect()
}

async fn info_at(address: SocketAddr) -> Option<Value> {
    let host = HeaderValue::try_from(address.to_string()).ok()?;
    let (name, port) = (address.ip().to_string().into(), address.port());
    let path = "/System/Info/Public".into();
    let upstream = Upstream { scheme: Scheme::Http, host: name, port, path };
    let target = Target { upstream, weight: 1, host: host.clone() };
    let tls = UpstreamTls { verify: UpstreamVerify::Skip, server_name: None, client: None };
    let how = (&target, &tls, &Outbound::default());
    let (_, body) = probe(&Trust::only([]), how, &host, Want::Text, NEAR).await.ok()?;
    serde_json::from_str(&body).ok()
}

/// What apps at home are told that look for a server.
pub(super) async fn discovery(server: &Server<'_>) -> Option<Tried> {
    let public = format!("https://{}", server.public()?);
    let told = discovered(&server.target.upstream.host).await?;
    let subject = server.subject();
    if told.trim_end_matches('/') == public {
        return Some(Tried::good(
            code::DISCOVERY,
            subject,
            format!("sends apps at home to {told}"),
        ));
    }
    let what = format!("asked at UDP port {}, it sends apps to `{told}`", DISCOVERY.0);
    let help = format!(
        "set `JELLYFIN_PublishedServerUrl={public}`, or Dashboard > Networking > Published server \
         URIs: `all={public}`; and let a firewall pass its port to usher alone"
    );
    let to = ("PublishedServerUriBySubnet", vec![format!("all={public}")].into());
    let cure = Cure::set(server, Area::Network, to, Effect::AtOnce);
    Some(
        Tried::bad(Severity::Warning, code::DISCOVERY, subject, (what, help))
            .cured_by(server.key().map(|_| cure)),
    )
}

async fn discovered(host: &str) -> Option<String> {
    let mut found = tokio::time::timeout(NEAR, tokio::net::lookup_host((host, DISCOVERY.0)))
        .await
        .ok()?
        .ok()?;
    let to = found.next()?;
    let any: IpAddr =
        if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await.ok()?;
    socket.connect(to).await.ok()?;
    socket.send(DISCOVERY.1).await.ok()?;
    let mut answer = [0; 2048];
    let length = tokio::time::timeout(NEAR, socket.recv(&mut answer)).await.ok()?.ok()?;
    let told: Value = serde_json::from_slice(answer.get(..length)?).ok()?;
    let address = text(&told, "Address");
    (!address.is_empty()).then(|| address.to_owned())
}
