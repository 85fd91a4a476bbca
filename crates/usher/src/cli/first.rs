//! What is said once, when a data directory is served for the first time: what to do next.

use std::{
    fmt::{self, Write as _},
    path::Path,
    sync::Arc,
};

use usher_rules::plan::{HostPattern, Plan, Route};

use crate::{
    certs::has_certificates,
    idp::{Cost, Directory, Passwords},
    store::Store,
};

/// How many addresses are named, each once; who has more knows them.
const NAMED: usize = 5;

/// How many people the built-in provider knows. `None` where that can't be read, which whoever
/// signs in is told by the server itself.
pub(super) fn people(dir: &Path) -> Option<usize> {
    let passwords = Passwords::new(Cost::DEFAULT, 1).ok()?;
    let directory = Directory::new(Arc::new(Store::open(dir).ok()?), passwords);
    let runtime = tokio::runtime::Builder::new_current_thread().build().ok()?;
    Some(runtime.block_on(directory.list()).ok()?.len())
}

/// The addresses, who may sign in, and whether browsers will warn.
pub(super) fn words(plan: &Plan, people: Option<usize>, dir: &Path) -> Result<String, fmt::Error> {
    let mut out = String::new();
    let addresses = addresses(plan);
    for address in addresses.iter().take(NAMED) {
        writeln!(out, "open: {address}")?;
    }
    if let Some(listens) = other_port(plan) {
        writeln!(
            out,
            "port: usher listens on {listens}; let port 443 lead there, or write the port behind the \
             host in `from`"
        )?;
    }
    let dir = dir.display();
    for provider in plan.sign_in.providers.iter() {
        let whose = match (provider.address(), people) {
            (None, Some(0)) => {
                format!("nobody can sign in yet; usher people add EMAIL --data-dir {dir}")
            }
            (None, _) => {
                format!("those of usher people list --data-dir {dir}, where a policy lets them in")
            }
            (Some(address), _) => format!("those of {address}, where a policy lets them in"),
        };
        writeln!(out, "people: {whose}")?;
    }
    let signs_itself = !has_certificates(plan); // what is served in the clear needs none either
    if let (true, Some(address)) = (signs_itself, addresses.first()) {
        writeln!(
            out,
            "browsers: they will warn, for usher signs its certificates itself; to end that:\n  \
             on this machine: sudo usher trust --data-dir {dir}\n  \
             on phones: open {address}.pomerium/trust"
        )?;
    }
    Ok(out)
}

/// The address of each host that a route names, as a browser wants it, each once.
fn addresses(plan: &Plan) -> Vec<String> {
    let scheme = if plan.listen.insecure { "http" } else { "https" };
    let mut named = Vec::new();
    for route in plan.routes.iter().filter(|route| route.tunnel.is_none()) {
        if let HostPattern::Exact { host, port } = &route.from {
            let port = port.map_or_else(String::new, |port| format!(":{port}"));
            let address = format!("{scheme}://{host}{port}/");
            if !named.contains(&address) {
                named.push(address);
            }
        }
    }
    named
}

/// Where it listens, if that is not where browsers go that were given no port.
fn other_port(plan: &Plan) -> Option<&str> {
    let without_port =
        |route: &Arc<Route>| matches!(route.from, HostPattern::Exact { port: None, .. });
    let elsewhere = !plan.listen.insecure && !plan.listen.address.ends_with(":443");
    (elsewhere && plan.routes.iter().any(without_port)).then_some(&*plan.listen.address)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;

    use usher_rules::{
        config::{Environment, Input, NoFiles, read},
        plan::{Plan, compile},
    };

    use super::words;

    fn plan(globals: &str, from: &str) -> Plan {
        let text = format!(
            "{globals}\nroutes:\n- from: {from}\n  to: http://app\n- from: {from}\n  prefix: /b\n  to: http://app\n"
        );
        let input = Input { name: Some("config.yaml"), text: &text };
        compile(read(input, &Environment::new()), &NoFiles).unwrap().0
    }

    fn told(globals: &str, from: &str, people: usize) -> String {
        words(&plan(globals, from), Some(people), Path::new("/srv/usher")).unwrap()
    }

    #[test]
    fn a_first_run_says_what_to_do_next() {
        assert_eq!(
            told("address: :443", "https://tv.test", 0),
            "open: https://tv.test/\n\
             people: nobody can sign in yet; usher people add EMAIL --data-dir /srv/usher\n\
             browsers: they will warn, for usher signs its certificates itself; to end that:\n  \
             on this machine: sudo usher trust --data-dir /srv/usher\n  \
             on phones: open https://tv.test/.pomerium/trust\n"
        );
        assert!(!told("", "https://tv.test", 1).contains("nobody"));
        let plain = told("insecure_server: true\naddress: :80", "https://tv.test", 1);
        assert!(!plain.contains("browsers"), "{plain}");
    }

    #[test]
    fn an_address_that_is_named_leads_to_usher() {
        let with_port = told("address: :9443", "https://tv.test:9443", 1);
        assert!(with_port.starts_with("open: https://tv.test:9443/\npeople"), "{with_port}");
        assert!(with_port.contains("open https://tv.test:9443/.pomerium/trust"), "{with_port}");
        let without = told("address: 127.0.0.1:9443", "https://tv.test", 1);
        assert!(without.contains("port: usher listens on 127.0.0.1:9443"), "{without}");
        let hosted = "authenticate_service_url: https://authenticate.pomerium.app";
        let elsewhere = told(hosted, "https://tv.test", 1);
        assert!(elsewhere.contains("open https://tv.test/.pomerium/trust"), "{elsewhere}");
    }
}
