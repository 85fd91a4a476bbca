//! Addresses of a name from name servers themselves (`dns_resolvers`, `dns_use_tcp`,
//! `dns_query_tries`), and not from the system's resolver.

use std::{
    cell::RefCell,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig},
    net::runtime::TokioRuntimeProvider,
    proto::rr::Name,
    system_conf::read_system_conf,
};
use usher_rules::plan::{LookupFamily, NameServers, Outbound, Transport};

/// Who is asked, and for which names.
#[derive(Default)]
struct Resolvers {
    /// One for each name server: each has its own time, and none is asked before its turn.
    each: Vec<TokioResolver>,
    /// Domains in which a short name is looked for: the system's, whoever is asked.
    search: Vec<Name>,
    /// With so many dots a name is first taken as it stands.
    ndots: usize,
}

thread_local! {
    /// For the settings that they were made for, on each core.
    static MADE: RefCell<Option<(Outbound, Arc<Resolvers>)>> = const { RefCell::new(None) };
}

/// Asks one server after the other in their order, and all of them again where each was silent: what
/// the first one says holds, that there is no such name as well. A later one may be for the rest of
/// the world, and know nothing of this house.
///
/// # Errors
///
/// [`io::ErrorKind::NotFound`] where the name has no address; else what the last one failed with.
pub(super) async fn ask(
    host: &str,
    servers: &NameServers,
    outbound: &Outbound,
) -> io::Result<Vec<IpAddr>> {
    let resolvers = resolvers(servers, outbound)?;
    let names = resolvers.names(host)?;
    let mut failed = io::Error::from(io::ErrorKind::NotFound);
    for _ in 0..servers.tries {
        for resolver in &resolvers.each {
            let asked = ask_one(resolver, &names);
            match tokio::time::timeout(outbound.query_timeout, asked).await {
                Ok(Ok(found)) if found.is_empty() => return Err(io::ErrorKind::NotFound.into()),
                Ok(Ok(found)) => return Ok(found),
                Ok(Err(error)) => failed = error,
                Err(_) => failed = io::ErrorKind::TimedOut.into(),
            }
        }
    }
    Err(failed)
}

/// The addresses of the first of the names that has any; nothing where none has.
async fn ask_one(resolver: &TokioResolver, names: &[Name]) -> io::Result<Vec<IpAddr>> {
    for name in names {
        match resolver.lookup_ip(name.clone()).await {
            Ok(found) => return Ok(found.iter().collect()),
            Err(error) if error.is_no_records_found() => {}
            Err(error) => return Err(io::Error::other(error)),
        }
    }
    Ok(Vec::new())
}

impl Resolvers {
    /// What a name may stand for, as the system's resolver reads it (`resolv.conf(5)`). Octets are
    /// taken as they are: names of Compose files have a `_`.
    fn names(&self, host: &str) -> io::Result<Vec<Name>> {
        let name = Name::from_ascii(host).map_err(io::Error::other)?;
        let mut whole = name.clone();
        whole.set_fqdn(true);
        if name.is_fqdn() {
            return Ok(Vec::from([whole]));
        }
        let within = |domain: &Name| name.clone().append_domain(domain).ok();
        let mut names: Vec<Name> = self.search.iter().filter_map(within).collect();
        let is_long = host.matches('.').count() >= self.ndots;
        names.insert(if is_long { 0 } else { names.len() }, whole);
        Ok(names)
    }
}

/// As they were made for these settings, or are now.
fn resolvers(servers: &NameServers, outbound: &Outbound) -> io::Result<Arc<Resolvers>> {
    let known = MADE.with_borrow(|made| {
        made.as_ref().filter(|(made_for, _)| made_for == outbound).map(|(_, all)| Arc::clone(all))
    });
    if let Some(known) = known {
        return Ok(known);
    }
    let named = servers.named.iter().map(|(at, transport)| name_server(*at, *transport));
    let mut made = Resolvers { ndots: 1, ..Resolvers::default() };
    let mut asked: Vec<NameServerConfig> = named.collect();
    match read_system_conf() {
        Ok((system, options)) => {
            let (domain, search, of_system) = system.into_parts();
            let of_host = || domain.into_iter().filter(|name| !name.is_root()).collect();
            made.search = if search.is_empty() { of_host() } else { search };
            made.ndots = options.ndots;
            if asked.is_empty() {
                let again = |one| name_server(place(one), servers.transport);
                asked = of_system.iter().map(again).collect();
            }
        }
        Err(error) if asked.is_empty() => return Err(io::Error::other(error)),
        Err(_) => {} // short names are short then
    }
    made.each = asked.into_iter().map(|one| resolver(one, outbound)).collect::<Result<_, _>>()?;
    let made = Arc::new(made);
    MADE.with_borrow_mut(|kept| *kept = Some((outbound.clone(), Arc::clone(&made))));
    Ok(made)
}

fn place(server: &NameServerConfig) -> SocketAddr {
    SocketAddr::new(server.ip, server.connections.first().map_or(53, |one| one.port))
}

fn name_server(at: SocketAddr, transport: Transport) -> NameServerConfig {
    let mut ways = match transport {
        Transport::Udp => vec![ConnectionConfig::udp(), ConnectionConfig::tcp()],
        Transport::Tcp => vec![ConnectionConfig::tcp()],
    };
    ways.iter_mut().for_each(|way| way.port = at.port());
    NameServerConfig::new(at.ip(), true, ways)
}

fn resolver(server: NameServerConfig, outbound: &Outbound) -> io::Result<TokioResolver> {
    let config = ResolverConfig::from_parts(None, Vec::new(), Vec::from([server]));
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    let options = builder.options_mut();
    options.timeout = outbound.query_timeout;
    options.attempts = 0; // each try is one of ours
    options.cache_size = 0; // `dns_refresh_rate` says how long an answer is believed
    options.use_hosts_file = ResolveHosts::Always;
    options.ip_strategy = match outbound.family {
        LookupFamily::Both => LookupIpStrategy::Ipv4AndIpv6,
        LookupFamily::V4 => LookupIpStrategy::Ipv4Only,
        LookupFamily::V6 => LookupIpStrategy::Ipv6Only,
    };
    builder.build().map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::rr::Name;

    use super::Resolvers;

    #[test]
    fn a_short_name_is_looked_for_where_the_system_looks() {
        let search = ["house.test.", "a.test."].map(|name| Name::from_ascii(name).unwrap());
        let resolvers = Resolvers { each: Vec::new(), search: search.into(), ndots: 1 };
        for (host, expected) in [
            ("tv", "tv.house.test. tv.a.test. tv."),
            ("my_app", "my_app.house.test. my_app.a.test. my_app."),
            ("tv.lan", "tv.lan. tv.lan.house.test. tv.lan.a.test."),
            ("tv.lan.", "tv.lan."),
        ] {
            let names = resolvers.names(host).unwrap();
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            assert_eq!(names.join(" "), expected, "{host}");
        }
        assert!(resolvers.names(&"a".repeat(64)).is_err(), "a label has 63 octets at most");
    }
}
