//! What is said once, when a data directory is served for the first time: what to do next.

use std::{
    fmt::{self, Write as _},
    path::Path,
    sync::Arc,
};

use usher_rules::plan::{HostPattern, Plan, Provider};

use crate::{
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
    let scheme = if plan.listen.insecure { "http" } else { "https" };
    let mut named = Vec::new();
    for route in &plan.routes {
        if let HostPattern::Exact { host, port } = &route.from {
            let port = port.map_or_else(String::new, |port| format!(":{port}"));
            let line = format!("open: {scheme}://{host}{port}/");
            if named.len() < NAMED && !named.contains(&line) {
                named.push(line);
            }
        }
    }
    for line in named {
        writeln!(out, "{line}")?;
    }
    let dir = dir.display();
    match (&plan.sign_in.provider, people) {
        (Provider::Builtin, Some(0)) => {
            writeln!(
                out,
                "people: nobody can sign in yet; usher people add EMAIL --data-dir {dir}"
            )?;
        }
        (Provider::Builtin, _) => {
            writeln!(
                out,
                "people: those of usher people list --data-dir {dir}, where a policy lets them in"
            )?;
        }
        (Provider::Oidc(provider), _) => {
            writeln!(out, "people: those of {}, where a policy lets them in", provider.issuer)?;
        }
        (Provider::Hosted(_), _) => {
            writeln!(out, "people: those of the hosted service, where a policy lets them in")?;
        }
    }
    let listen = &plan.listen;
    let of_their_own = !listen.certificate_files.is_empty()
        || !listen.certificates_inline.is_empty()
        || listen.certificates_dir.is_some()
        || plan.autocert.is_some();
    if !listen.insecure && !of_their_own {
        let host = &plan.sign_in.authenticate.host;
        writeln!(
            out,
            "browsers: they will warn, for usher signs its certificates itself; to end that:\n  \
             on this machine: sudo usher trust --data-dir {dir}\n  \
             on phones: open https://{host}/.pomerium/trust"
        )?;
    }
    Ok(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::{path::Path, sync::Arc};

    use usher_rules::{
        names::{Host, Origin},
        plan::{Plan, Provider},
    };

    use super::words;

    #[test]
    fn a_first_run_says_what_to_do_next() {
        let tv = Host::parse("tv.test").unwrap();
        let origin = Origin::parse("https://tv.test").unwrap();
        let mut plan = Plan::sketch(origin, Provider::Builtin, vec![tv]);
        plan.listen.insecure = false;
        plan.routes.push(Arc::clone(&plan.routes[0])); // another path of the same host
        let dir = Path::new("/srv/usher");
        assert_eq!(
            words(&plan, Some(0), dir).unwrap(),
            "open: https://tv.test/\n\
             people: nobody can sign in yet; usher people add EMAIL --data-dir /srv/usher\n\
             browsers: they will warn, for usher signs its certificates itself; to end that:\n  \
             on this machine: sudo usher trust --data-dir /srv/usher\n  \
             on phones: open https://tv.test/.pomerium/trust\n"
        );
        assert!(!words(&plan, Some(1), dir).unwrap().contains("nobody"));
        plan.listen.insecure = true;
        assert!(!words(&plan, Some(1), dir).unwrap().contains("browsers"));
    }
}
