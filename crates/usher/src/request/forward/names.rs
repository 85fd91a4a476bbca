//! Addresses of a name, remembered for a moment.

use std::{
    cell::RefCell,
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
};

use tokio::time::Instant;
use usher_rules::plan::Outbound;

use super::name_servers;

/// Names that are remembered on each core.
const NAMES: usize = 1024;

/// Addresses of one name that are tried.
const ADDRESSES: usize = 16;

struct CachedAddresses {
    at: Instant,
    addresses: Vec<SocketAddr>,
}

thread_local! {
    static KNOWN: RefCell<HashMap<(Box<str>, u16), CachedAddresses>> = RefCell::default();
}

/// Addresses in the order in which they are tried: the one that answered last, then the families
/// in turn (RFC 8305 §4), IPv4 first (`dns_lookup_family` V4_PREFERRED); and none that `outbound`
/// leaves out.
pub(super) async fn resolve(
    host: &str,
    port: u16,
    outbound: &Outbound,
) -> io::Result<Vec<SocketAddr>> {
    let mut addresses = match host.parse::<IpAddr>() {
        Ok(ip) => vec![SocketAddr::new(ip, port)],
        Err(_) => {
            let mut of_name = of_name(host, port, outbound).await?;
            of_name.retain(|address| outbound.takes(address));
            of_name
        }
    };
    addresses.retain(|address| outbound.reaches(address));
    if addresses.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(addresses) }
}

/// All of them, as they were found a moment ago or are now. `getaddrinfo` tells no lifetime; a name
/// that the resolver knew before is used on when it is silent.
async fn of_name(host: &str, port: u16, outbound: &Outbound) -> io::Result<Vec<SocketAddr>> {
    let now = Instant::now();
    let key = (Box::<str>::from(host), port);
    let known = KNOWN.with_borrow(|known| {
        known
            .get(&key)
            .map(|known| (now - known.at < outbound.refresh_rate, known.addresses.clone()))
    });
    let known = match known {
        Some((true, addresses)) => return Ok(addresses),
        Some((false, addresses)) => addresses,
        None => Vec::new(),
    };
    let found = match ask(host, port, outbound).await {
        Ok(found) => found,
        Err(error) if known.is_empty() => return Err(error),
        Err(_) => return Ok(known), // the resolver's trouble need not be ours
    };
    let addresses = in_turn(found, known.first());
    if addresses.is_empty() {
        return Err(io::ErrorKind::NotFound.into());
    }
    KNOWN.with_borrow_mut(|all| {
        if all.len() >= NAMES {
            all.clear();
        }
        all.insert(key, CachedAddresses { at: now, addresses: addresses.clone() })
    });
    Ok(addresses)
}

/// Of the name servers that the config names, or else of the system's resolver.
async fn ask(host: &str, port: u16, outbound: &Outbound) -> io::Result<Vec<SocketAddr>> {
    if let Some(servers) = &outbound.name_servers {
        let found = name_servers::ask(host, servers, outbound).await?;
        return Ok(found.into_iter().map(|ip| SocketAddr::new(ip, port)).collect());
    }
    let asked = tokio::net::lookup_host((host, port));
    let found = tokio::time::timeout(outbound.query_timeout, asked).await;
    Ok(found.map_err(|_| io::ErrorKind::TimedOut)??.collect())
}

/// What a resolver would say, for tests.
#[cfg(test)]
pub(super) fn learn(host: &str, port: u16, addresses: Vec<SocketAddr>) {
    let known = CachedAddresses { at: Instant::now(), addresses };
    KNOWN.with_borrow_mut(|all| all.insert((host.into(), port), known));
}

/// This address has answered: it is the first to be tried next time.
pub(super) fn prefer(host: &str, address: SocketAddr) {
    if host.parse::<IpAddr>().is_ok() {
        return;
    }
    KNOWN.with_borrow_mut(|all| {
        let Some(known) = all.get_mut(&(Box::from(host), address.port())) else { return };
        if let Some(at) = known.addresses.iter().position(|one| *one == address)
            && let Some(before) = known.addresses.get_mut(..=at)
        {
            before.rotate_right(1);
        }
    });
}

/// None of the addresses answers: ask again next time.
pub(super) fn doubt(host: &str, port: u16) {
    KNOWN.with_borrow_mut(|all| all.remove(&(Box::from(host), port)));
}

fn in_turn(found: Vec<SocketAddr>, preferred: Option<&SocketAddr>) -> Vec<SocketAddr> {
    let (four, six): (Vec<_>, Vec<_>) = found.into_iter().partition(SocketAddr::is_ipv4);
    let (mut four, mut six) = (four.into_iter(), six.into_iter());
    let mut all = Vec::new();
    loop {
        let pair = [four.next(), six.next()];
        if pair == [None, None] {
            break;
        }
        all.extend(pair.into_iter().flatten());
    }
    if let Some(at) = preferred.and_then(|one| all.iter().position(|other| other == one))
        && let Some(before) = all.get_mut(..=at)
    {
        before.rotate_right(1);
    }
    all.truncate(ADDRESSES);
    all
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::time::{Duration, Instant, advance};

    use usher_rules::plan::{LookupFamily, Outbound};

    use super::{CachedAddresses, KNOWN, NAMES, doubt, in_turn, prefer, resolve};

    fn known(host: &str, addresses: &[&str]) {
        let addresses = addresses.iter().map(|one| one.parse().unwrap()).collect();
        let at = Instant::now();
        KNOWN.with_borrow_mut(|all| {
            all.insert((host.into(), 80), CachedAddresses { at, addresses })
        });
    }

    async fn found(host: &str) -> Vec<String> {
        let found = resolve(host, 80, &Outbound::default()).await.unwrap_or_default();
        found.iter().map(ToString::to_string).collect()
    }

    /// An app that moved is found again, and the one that answered is tried first.
    #[tokio::test(start_paused = true)]
    async fn a_name_is_believed_for_a_moment_and_not_once_it_led_nowhere() {
        let (one, other) = ("192.0.2.1:80", "192.0.2.2:80");
        known("localhost", &[one, other]);
        advance(Duration::from_secs(4)).await;
        assert_eq!(found("localhost").await, [one, other]);
        prefer("localhost", other.parse().unwrap());
        assert_eq!(found("localhost").await, [other, one]);
        prefer("localhost", "192.0.2.3:80".parse().unwrap());
        assert_eq!(found("localhost").await, [other, one], "it is none of them");
        doubt("localhost", 81);
        assert_eq!(found("localhost").await, [other, one], "another port");
        doubt("localhost", 80);
        let asked = found("localhost").await;
        assert!(asked.iter().any(|one| one == "127.0.0.1:80"), "{asked:?}");
        known("localhost", &[one]);
        advance(Duration::from_secs(5)).await;
        assert!(found("localhost").await.iter().any(|one| one == "127.0.0.1:80"), "it has moved");
    }

    /// `dns_lookup_family`, and the address that connections leave from.
    #[tokio::test]
    async fn addresses_that_may_not_be_tried_are_none() {
        known("both", &["192.0.2.1:80", "[2001:db8::1]:80"]);
        let usual = Outbound::default();
        let (v4, v6) = ("192.0.2.1:80", "[2001:db8::1]:80");
        for (outbound, host, expected) in [
            (usual.clone(), "both", &[v4, v6][..]),
            (Outbound { family: LookupFamily::V4, ..usual.clone() }, "both", &[v4]),
            (Outbound { family: LookupFamily::V6, ..usual.clone() }, "both", &[v6]),
            (Outbound { family: LookupFamily::V6, ..usual.clone() }, "192.0.2.1", &[v4]), // no name
            (Outbound { source: "192.0.2.9".parse().ok(), ..usual.clone() }, "both", &[v4]),
            (Outbound { source: "2001:db8::9".parse().ok(), ..usual.clone() }, "both", &[v6]),
            (Outbound { source: "2001:db8::9".parse().ok(), ..usual.clone() }, "192.0.2.1", &[]),
        ] {
            let found = resolve(host, 80, &outbound).await.unwrap_or_default();
            let found: Vec<_> = found.iter().map(ToString::to_string).collect();
            assert_eq!(found, expected, "{outbound:?} {host}");
        }
    }

    #[tokio::test]
    async fn names_that_are_remembered_have_a_bound() {
        (0..NAMES).for_each(|n| known(&format!("app{n}"), &["192.0.2.1:80"]));
        assert!(!found("localhost").await.is_empty());
        KNOWN.with_borrow(|all| assert_eq!(all.len(), 1));
    }

    #[test]
    fn families_take_turns_behind_the_one_that_answered() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let found: Vec<_> =
            ["[::1]:1", "[::2]:1", "[::3]:1", "1.0.0.1:1", "1.0.0.2:1"].map(address).into();
        let order = |preferred: Option<&str>| {
            let preferred = preferred.map(address);
            let all = in_turn(found.clone(), preferred.as_ref());
            all.iter().map(|one| one.ip().to_string()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(order(None), "1.0.0.1 ::1 1.0.0.2 ::2 ::3");
        assert_eq!(order(Some("[::2]:1")), "::2 1.0.0.1 ::1 1.0.0.2 ::3");
        assert_eq!(order(Some("9.9.9.9:1")), order(None));
    }
}
