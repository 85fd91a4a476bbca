//! What a route to a Jellyfin has to say.

use std::time::Duration;

use http::{Method, StatusCode, header};
use usher_rules::{
    plan::{HostField, Jellyfin},
    problem::Severity,
};

use super::{
    Code, Tried, code,
    door::Door,
    server::{Server, text},
};

/// A Jellyfin sends a frame over each socket at least every 120 seconds, and a little late.
const SOCKET_SILENCE: Duration = Duration::from_secs(130);

/// The route of `server`, which is a Jellyfin.
pub(super) async fn tried(server: &Server<'_>, door: Option<&Door>) -> Vec<Tried> {
    let route = server.route;
    let subject = || route.name.to_string();
    let mut all = Vec::new();
    let mut judged = |code: &'static Code, wrong: Option<(Severity, String, &str)>, well: &str| {
        all.push(match wrong {
            Some((severity, what, help)) => Tried::bad(severity, code, subject(), (what, help)),
            None => Tried::good(code, subject(), well),
        });
    };
    let off = (!route.websockets).then(|| {
        let what = "`allow_websockets` is not set".to_owned();
        (Severity::Error, what, "write `allow_websockets: true` into the route")
    });
    judged(code::WEBSOCKETS_OFF, off, "lets WebSockets through");
    let limited = route.timeout.map(|limit| {
        let what = format!("every answer ends after {} s", limit.as_secs());
        (Severity::Error, what, "write `timeout: 0s`; `idle_timeout: 600s` ends what hangs")
    });
    judged(code::TOTAL_TIME, limited, "lets answers take the time that they take");
    let short = route.idle_timeout.filter(|limit| *limit < SOCKET_SILENCE).map(|limit| {
        let what = format!(
            "what is silent for {} s is cut, and a Jellyfin's socket may be silent for {} s",
            limit.as_secs(),
            SOCKET_SILENCE.as_secs()
        );
        (Severity::Warning, what, "write `idle_timeout: 600s`")
    });
    judged(code::IDLE_TIME, short, "waits long enough for what is silent");
    let renamed = host_is_lost(&route.host_field).then(|| {
        let what = format!("it sees `{}` as Host", super::upstreams::shown(route, &server.target));
        (Severity::Error, what, "write `preserve_host_header: true` into the route")
    });
    judged(code::HOST_FIELD, renamed, "passes on the name that visitors type");
    all.push(apps(server, door).await);
    all.push(shield(server));
    all.extend(no_key(server));
    all
}

fn host_is_lost(field: &HostField) -> bool {
    match field {
        HostField::Preserve => false,
        HostField::Upstream | HostField::Literal(_) | HostField::Field(_) | HostField::Path(_) => {
            true
        }
    }
}

/// What an app gets that nobody has signed in with.
async fn apps(server: &Server<'_>, door: Option<&Door>) -> Tried {
    let route = server.route;
    let subject = route.name.to_string();
    let help = match route.jellyfin {
        None => "write `jellyfin: {api_key: …}` into the route: apps are let in at /link then",
        Some(_) => "look at the log for what was refused; `usher explain` says why",
    };
    let barred =
        |what: String| Tried::bad(Severity::Error, code::APPS_BARRED, &*subject, (what, help));
    let well = |what: &str| Tried::good(code::APPS_BARRED, &*subject, what);
    let (Some(door), Some(public)) = (door, server.public()) else {
        return match route.jellyfin.is_some() || route.is_public {
            true => well("apps are let in without a browser"),
            false => barred("it asks everybody for a browser's sign-in".to_owned()),
        };
    };
    let fields = [(header::ACCEPT, "application/json")];
    let base = route.jellyfin.as_ref().map_or("", |jellyfin| &jellyfin.base_path);
    let path = format!("{base}/System/Info/Public");
    match door.ask(&public, (Method::GET, &path), &fields).await {
        Ok(answered) if answered.status == StatusCode::OK => {
            let info = super::server::json(&answered).unwrap_or_default();
            match text(&info, "ProductName") {
                "" => barred(format!("{path} is answered with something else than a Jellyfin's")),
                _ => well("an app that nobody knows gets the name of the server, as it has to"),
            }
        }
        Ok(answered) => barred(format!("an app that asks for {path} gets {}", answered.status)),
        Err(error) => barred(format!("an app that asks for {path} gets no answer ({error})")),
    }
}

/// Doors that the route leaves to strangers.
fn shield(server: &Server<'_>) -> Tried {
    let route = server.route;
    let subject = route.name.to_string();
    let open: Vec<&str> = match route.jellyfin.as_deref() {
        Some(Jellyfin { open, .. }) => open.iter().map(|door| door.word()).collect(),
        None if route.is_public => vec!["everything"],
        None => Vec::new(),
    };
    if open.is_empty() {
        return Tried::good(code::UNSHIELDED, subject, "nothing is open to strangers");
    }
    let what = format!("open to whoever asks: {}", open.join(", "));
    let (severity, help) = match &route.jellyfin {
        Some(_) => (Severity::Warning, "take out of `jellyfin.open` what no app needs"),
        None => (
            Severity::Error,
            "write `jellyfin: {}` into the route: a policy and a shield in place of \
             `allow_public_unauthenticated_access`",
        ),
    };
    Tried::bad(severity, code::UNSHIELDED, subject, (what, help))
}

/// It is one, below this base path, and is treated as any app: no answer of its own changes that.
pub(super) fn undeclared(server: &Server<'_>, base: &str) -> Tried {
    let (what, key) = match base {
        "" => ("what answers is a Jellyfin".to_owned(), String::new()),
        base => {
            (format!("what answers below `{base}` is a Jellyfin"), format!("base_path: {base}, "))
        }
    };
    let help = format!("write `jellyfin: {{{key}api_key_file: FILE}}` into the route");
    Tried::bad(Severity::Warning, code::UNDECLARED, &*server.route.name, (what, help))
}

fn no_key(server: &Server<'_>) -> Option<Tried> {
    let is_missing = server.route.jellyfin.is_some() && server.key().is_none();
    is_missing.then(|| {
        let what = "`jellyfin.api_key` is not set";
        let help = "make one at Dashboard > API Keys, and name its file in `jellyfin.api_key_file`";
        let subject = &*server.route.name;
        Tried::bad(Severity::Warning, code::NO_KEY, subject, (what, help))
    })
}
