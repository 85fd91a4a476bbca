//! Where sign-in lives when the config does not say: it stays where it was.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use usher_rules::{
    names::{Host, Origin},
    plan::{HostPattern, Level, Plan},
    time::Now,
};

use crate::request::{EventField, EventName, record::Recorder};

/// One line in the data directory.
const FILE: &str = "sign-in-host";

/// What became of the host on which people sign in.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// Where it was until now, if it has moved.
    from: Option<Box<str>>,
    /// Where it is.
    to: Box<str>,
    /// Why it is not kept for the next start.
    not_kept: Option<io::Error>,
}

/// Leaves sign-in on the host that it has (`in_force`) or had before (in this data directory), as
/// long as a route still names it, and remembers where it is. A route on top of the file moves
/// nothing.
pub(super) fn settle(plan: &mut Plan, dir: &Path, in_force: Option<&Host>) -> Settled {
    if plan.sign_in.dedicated_host || plan.sign_in.own().is_none() {
        return Settled::default();
    }
    let file = dir.join(FILE);
    let kept = fs::read_to_string(&file).ok();
    let kept = kept.as_deref().map(str::trim);
    let before = [in_force.map(Host::as_str), kept];
    if let Some((host, port)) = before.iter().flatten().find_map(|host| named(plan, host)) {
        plan.sign_in.authenticate.host = host;
        plan.sign_in.authenticate.port = port;
    }
    let to: Box<str> = plan.sign_in.authenticate.host.as_str().into();
    let from = before.into_iter().flatten().next().filter(|from| **from != *to).map(Box::from);
    let not_kept = if kept == Some(&*to) { None } else { keep(&file, &to).err() };
    Settled { from, to, not_kept }
}

/// Where people sign in under `plan` in this data directory.
pub fn sign_in_origin(plan: &Plan, dir: &Path) -> Origin {
    let kept = fs::read_to_string(dir.join(FILE)).unwrap_or_default();
    let moved = !plan.sign_in.dedicated_host && plan.sign_in.own().is_some();
    match named(plan, kept.trim()).filter(|_| moved) {
        Some((host, port)) => Origin { host, port },
        None => plan.sign_in.authenticate.clone(),
    }
}

/// The host of that name, if a route is for it alone: a tunnel's, where no page is there. The port that
/// a tunnel is asked for by is none of ours.
fn named(plan: &Plan, name: &str) -> Option<(Host, u16)> {
    let pages = plan.routes.iter().filter(|route| route.tunnel.is_none());
    let mut pages = pages.filter_map(|route| match &route.from {
        HostPattern::Exact { host, port } => Some((host.clone(), port.unwrap_or(443))),
        HostPattern::Wildcard { .. } => None,
    });
    let tunnels = plan.routes.iter().filter_map(|route| route.tunnel.as_ref()?.sign_in.as_ref());
    let mut tunnels = tunnels.map(|at| (at.host.clone(), at.port.unwrap_or(443)));
    let is_it = |(host, _): &(Host, u16)| host.as_str() == name;
    pages.find(is_it).or_else(|| tunnels.find(is_it))
}

/// For its owner only, as everything in the data directory; whole or not at all.
fn keep(file: &Path, host: &str) -> io::Result<()> {
    let draft = file.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(&draft)?.write_all(host.as_bytes())?;
    fs::rename(&draft, file)
}

impl Settled {
    /// For the operator, at the start and at the reload in which it happened.
    pub(super) fn tell(&self, recorder: &Recorder, now: Now) {
        if let Some(from) = &self.from {
            recorder
                .event(Level::Warn, EventName::SignInHost, now)
                .with(EventField::From, from)
                .with(EventField::To, &self.to)
                .with(EventField::Cause, "the host on which people signed in has no route any more")
                .with(
                    EventField::Effect,
                    "people sign in on the new one; whoever is signed in goes on",
                )
                .with(
                    EventField::Hint,
                    format!("to choose it: authenticate_service_url: https://{}", self.to),
                )
                .write();
        }
        if let Some(error) = &self.not_kept {
            recorder
                .event(Level::Warn, EventName::SignInHost, now)
                .with(EventField::To, &self.to)
                .with(EventField::Cause, format!("{FILE} in the data directory: {error}"))
                .with(EventField::Effect, "the next start takes the host of the first route")
                .with(
                    EventField::Hint,
                    format!("write it down: authenticate_service_url: https://{}", self.to),
                )
                .write();
        }
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;
    use usher_rules::{
        config::{Environment, Input, NoFiles, read},
        plan::compile,
    };

    use super::{FILE, Plan, settle, sign_in_origin};

    /// A house of tunnels alone: nobody listens at the port that a tunnel is asked for by.
    #[test]
    fn a_restart_moves_no_sign_in_to_the_port_of_a_tunnel() {
        let text = "address: 127.0.0.1:8443\nroutes:\n- from: tcp+https://echo.test:7\n  \
                    to: tcp://127.0.0.1:7\n  allow_any_authenticated_user: true\n";
        let dir = TempDir::new().unwrap();
        let mut first = plan(text);
        let expected = first.sign_in.authenticate.clone();
        settle(&mut first, dir.path(), None);
        assert_eq!(std::fs::read_to_string(dir.path().join(FILE)).unwrap(), "echo.test");
        let mut second = plan(text);
        settle(&mut second, dir.path(), None);
        assert_eq!(second.sign_in.authenticate, expected);
        assert_ne!(expected.port, 7);
        assert_eq!(sign_in_origin(&plan(text), dir.path()), expected);
    }

    fn plan(text: &str) -> Plan {
        let read = read(Input { name: None, text }, &Environment::new());
        compile(read, &NoFiles).unwrap().0
    }
}
