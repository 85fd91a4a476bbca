//! Can the addresses be listened on, or who has them?

use std::{io::ErrorKind, net::SocketAddr};

use http::{Method, header};
use usher_rules::{plan::Plan, problem::Severity};

use super::{Code, PATIENCE, Tried, code, door::Door};
use crate::request::accept::{ListenError, Listener, parse_address};

const ABOUT: &Code = code::PORT;

/// An own page that every version has: the one that says that there is no such page.
const OWN_PAGE: &str = "/.pomerium/assets/none";

/// What only our own pages hold.
const OWN_MARK: &str = "/.pomerium/assets/usher";

/// An address, and whether it is the one where a running usher answers visitors.
pub(super) struct Port {
    pub tried: Tried,
    pub is_the_door: bool,
}

/// Each address that the plan listens on; visitors come to `listens`.
pub(super) async fn tried(plan: &Plan, listens: &str) -> Vec<Port> {
    let mut ports = vec![door(plan, listens).await];
    let others = [
        ("http_redirect_addr", plan.listen.http_redirect.as_deref(), 80),
        ("metrics_address", plan.listen.metrics.as_ref().map(|metrics| &*metrics.address), 0),
        ("health_check_addr", plan.listen.probes.as_deref(), 0),
    ];
    let usher_runs = ports.iter().any(|port| port.is_the_door);
    for (key, address, default) in others {
        let Some(address) = address else { continue };
        let tried = match bound(address, default) {
            Ok(address) => Tried::good(ABOUT, format!("{key} {address}"), "free"),
            Err((address, Taken::InUse)) if usher_runs => {
                Tried::good(ABOUT, format!("{key} {address}"), "taken, by the usher that runs here")
            }
            Err((address, why)) => why.told(key, &address),
        };
        ports.push(Port { tried, is_the_door: false });
    }
    ports
}

async fn door(plan: &Plan, listens: &str) -> Port {
    let default = if plan.listen.insecure { 80 } else { 443 };
    let (address, why) = match bound(listens, default) {
        Ok(address) => {
            let tried = Tried::good(ABOUT, format!("address {address}"), "free");
            return Port { tried, is_the_door: false };
        }
        Err(found) => found,
    };
    let subject = format!("address {address}");
    if plan.listen.proxy_protocol.is_some() && matches!(why, Taken::InUse) {
        let what = "taken; with `use_proxy_protocol` it answers nobody without a PROXY header";
        let help = "if usher runs all is well; else find who it is with `ss -ltnp`";
        let tried = Tried::bad(Severity::Warning, ABOUT, subject, (what, help));
        return Port { tried, is_the_door: false };
    }
    match who_answers(plan, listens).await {
        Answers::Usher => {
            let tried = Tried::good(ABOUT, subject, "taken: usher runs and answers there");
            Port { tried, is_the_door: true }
        }
        Answers::Somebody(what) => {
            let help =
                "find it with `ss -ltnp`, stop it, or give usher another port with `address`";
            let what = format!("taken by another program, which {what}");
            Port {
                tried: Tried::bad(Severity::Error, ABOUT, subject, (what, help)),
                is_the_door: false,
            }
        }
        Answers::Nobody => Port { tried: why.told("address", &address), is_the_door: false },
    }
}

enum Taken {
    InUse,
    /// Ports under 1024, for who is not root.
    NotAllowed,
    Other(ListenError),
}

impl Taken {
    fn told(&self, key: &str, address: &str) -> Tried {
        let subject = format!("{key} {address}");
        match self {
            Self::InUse => Tried::bad(
                Severity::Error,
                ABOUT,
                subject,
                (
                    "taken by another program",
                    format!(
                        "find it with `ss -ltnp`, stop it, or choose another port with `{key}`"
                    ),
                ),
            ),
            Self::NotAllowed => Tried::bad(
                Severity::Warning,
                ABOUT,
                subject,
                (
                    "nobody listens there, and this user may not",
                    "ports under 1024 are for root and for the service (deploy/usher.service), so \
                     this was not tried: `sudo usher check --live` does",
                ),
            ),
            Self::Other(error) => {
                Tried::bad(Severity::Error, ABOUT, subject, (error.to_string(), error.hint()))
            }
        }
    }
}

/// Listens for a moment.
fn bound(text: &str, default: u16) -> Result<String, (String, Taken)> {
    let address = parse_address(text, default);
    let shown = address.as_ref().map_or_else(|_| text.to_owned(), SocketAddr::to_string);
    match address.and_then(|address| Listener::bind(address, 1)) {
        Ok(_let_go_at_once) => Ok(shown),
        Err(ListenError::Refused { source, .. }) if source.kind() == ErrorKind::AddrInUse => {
            Err((shown, Taken::InUse))
        }
        Err(ListenError::Refused { source, .. })
            if source.kind() == ErrorKind::PermissionDenied =>
        {
            Err((shown, Taken::NotAllowed))
        }
        Err(other) => Err((shown, Taken::Other(other))),
    }
}

enum Answers {
    Usher,
    Somebody(String),
    Nobody,
}

async fn who_answers(plan: &Plan, listens: &str) -> Answers {
    let Some(door) = Door::of(plan, listens) else { return Answers::Nobody };
    if tokio::time::timeout(PATIENCE, tokio::net::TcpStream::connect(door.address))
        .await
        .is_ok_and(|connected| connected.is_err())
    {
        return Answers::Nobody;
    }
    let host = plan.hosts.exact_hosts().next().map_or("localhost", |host| host.as_str());
    match door.ask(host, (Method::GET, OWN_PAGE), &[(header::ACCEPT, "*/*")]).await {
        Ok(answered) if String::from_utf8_lossy(&answered.body).contains(OWN_MARK) => {
            Answers::Usher
        }
        Ok(answered) => Answers::Somebody(format!("answers {}", answered.status.as_u16())),
        Err(error) => Answers::Somebody(format!("does not speak as usher does ({error})")),
    }
}
