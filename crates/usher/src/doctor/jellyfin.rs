//! One Jellyfin and its route, from who it is to what it lets through.

use std::net::IpAddr;

use http::{StatusCode, header};
use serde_json::Value;
use usher_rules::{jellyfin::ServerState, problem::Severity};

use super::{
    Slowly, Tried, around, base, code,
    cure::{Area, Cure, Effect},
    door::Door,
    route,
    server::{FROM_AFAR, Question, Server, json, text},
    settings::Settings,
    traffic,
};

/// Everything about `server`; nothing where it is no Jellyfin and its route does not say so.
pub(super) async fn tried(
    server: &Server<'_>,
    door: Option<&Door>,
    addresses: &[IpAddr],
    slow: Option<Slowly>,
) -> Vec<Tried> {
    let state = server.state().await;
    let is_said = server.route.jellyfin.is_some();
    let elsewhere = match state {
        ServerState::NoJellyfin => base::found(server).await,
        ServerState::Ready(_) | ServerState::Starting | ServerState::SetupOpen => None,
        ServerState::TooOld(_) | ServerState::Unreachable => None,
    };
    if !base::is_one(state) && !is_said {
        return elsewhere.map(|base| route::undeclared(server, &base)).into_iter().collect();
    }
    let mut all = route::tried(server, door).await;
    all.extend((!is_said).then(|| route::undeclared(server, "")));
    all.push(standing(server, state, elsewhere.as_deref()));
    all.extend(around::bypass(server, addresses).await);
    if !matches!(state, ServerState::Ready(_)) {
        return all;
    }
    if let Some(starting) = starting(server).await {
        all.push(starting);
        return all;
    }
    let settings = match Settings::read(server).await {
        Ok(settings) => settings,
        Err(refused) => {
            all.push(*refused);
            None
        }
    };
    all.extend(visitors(server, settings.as_ref(), addresses).await);
    all.extend(traffic::traffic(server).await);
    if let Some(settings) = &settings {
        all.extend(settings.tried(server, state));
        all.extend(traffic::with_key(server).await);
        if let Some(slowly) = slow {
            all.extend(traffic::slow(server, slowly).await);
        }
    }
    all.extend(around::discovery(server).await);
    all
}

/// How it stands.
fn standing(server: &Server<'_>, state: ServerState, elsewhere: Option<&str>) -> Tried {
    let subject = server.subject();
    let bad =
        |severity, code, what: &str, help| Tried::bad(severity, code, &*subject, (what, help));
    let words = state.in_words();
    if let Some(base) = elsewhere {
        let (what, help) = base::told(base);
        return Tried::bad(Severity::Error, code::NO_JELLYFIN, subject, (what, help));
    }
    match state {
        ServerState::Ready(version) => {
            Tried::good(code::NO_JELLYFIN, subject, format!("is a Jellyfin {version}"))
        }
        ServerState::Starting => bad(
            Severity::Warning,
            code::STARTING,
            words,
            "wait a minute and ask again; if it stays so, its own log says why",
        ),
        ServerState::SetupOpen => bad(
            Severity::Error,
            code::SETUP_OPEN,
            words,
            "finish its setup now, from a machine at home; until then keep its port to yourself",
        ),
        ServerState::TooOld(version) => bad(
            Severity::Error,
            code::TOO_OLD,
            &format!("it says that it is {version}"),
            "update it: after a backup of its config folder, step by step as its notes say",
        ),
        ServerState::NoJellyfin => bad(
            Severity::Error,
            code::NO_JELLYFIN,
            words,
            "correct `to`, or write Jellyfin's Base URL (Dashboard > Networking) into \
             `jellyfin.base_path`",
        ),
        ServerState::Unreachable => bad(
            Severity::Error,
            code::NO_JELLYFIN,
            words,
            "start it; what `upstream` says above tells why it is not reached",
        ),
    }
}

/// Ready is what it says itself, never the status.
async fn starting(server: &Server<'_>) -> Option<Tried> {
    let answered = server.ask(Question::get("/health")).await.ok()?;
    let body = String::from_utf8_lossy(&answered.body);
    let body = body.trim();
    let says = body.len() < 64 && !body.eq_ignore_ascii_case("Healthy");
    says.then(|| {
        let what = format!("/health says `{body}`, not `Healthy`");
        let help = "wait a minute and ask again; if it stays so, its own log says why";
        Tried::bad(Severity::Warning, code::STARTING, server.subject(), (what, help))
    })
}

/// What it makes of who is asking, and of the name that was asked for.
async fn visitors(
    server: &Server<'_>,
    settings: Option<&Settings>,
    addresses: &[IpAddr],
) -> Vec<Tried> {
    let mut all = Vec::new();
    let seen = believes(server).await;
    if let Some((believed, from)) = seen {
        let here = Seen { believed, from, is_home: at_home(server, None).await };
        all.push(proxies(server, settings, here));
        if believed {
            all.extend(home(server, settings, addresses).await);
            all.extend(remote(server, settings).await);
        }
    }
    let is_disbelieved = seen.is_some_and(|(believed, _)| !believed);
    let scheme = if is_disbelieved { Scheme::Any } else { Scheme::Https };
    all.extend(published(server, settings, scheme).await);
    all
}

/// What is known of how it takes us.
#[derive(Clone, Copy)]
struct Seen {
    /// Does it believe what we say of a visitor?
    believed: bool,
    /// Our address, as it sees it.
    from: IpAddr,
    /// Are we at home there? Only its key's holder learns it.
    is_home: Option<bool>,
}

/// Does it believe what we say of visitors? Its redirect from `/web` tells, to anybody.
async fn believes(server: &Server<'_>) -> Option<(bool, IpAddr)> {
    let answered = server.as_visitor(FROM_AFAR, Question::get("/web")).await.ok()?;
    let from = answered.from?.ip().to_canonical();
    let location = answered.fields.get(header::LOCATION).and_then(|value| value.to_str().ok());
    match location {
        Some(location) if location.starts_with("https://") => Some((true, from)),
        Some(location) if location.starts_with("http://") => Some((false, from)),
        // Without its own web client it has none.
        Some(_) | None => Some((!at_home(server, Some(FROM_AFAR)).await?, from)),
    }
}

/// Does it take this visitor, or us, for somebody at home?
async fn at_home(server: &Server<'_>, visitor: Option<&str>) -> Option<bool> {
    let question = server.with_key(Question::get("/System/Endpoint"))?;
    let answered = match visitor {
        Some(visitor) => server.as_visitor(visitor, question).await,
        None => server.ask(question).await,
    };
    json(&answered.ok()?)?.get("IsInNetwork")?.as_bool()
}

/// Known proxies, from its side and from ours.
fn proxies(server: &Server<'_>, settings: Option<&Settings>, seen: Seen) -> Tried {
    let (subject, from) = (server.subject(), seen.from);
    let listed = settings.map(Settings::known_proxies);
    let names_us = listed.as_ref().is_some_and(|listed| {
        let is_us = |entry: &&String| super::settings::takes(entry, from);
        // Any list at all names this machine, too.
        listed.iter().any(|entry| is_us(&entry)) || (from.is_loopback() && !listed.is_empty())
    });
    let add = || settings.map(|settings| settings.knowing(server, from));
    let cure = format!("Dashboard > Networking > Known proxies: add {from}, then restart Jellyfin");
    match (seen.believed, &listed) {
        (true, Some(listed)) if listed.is_empty() => Tried::bad(
            Severity::Error,
            code::PROXY_ANYBODY,
            subject,
            ("its list of known proxies is empty, and it believes what they say", cure),
        )
        .cured_by(add()),
        (true, _) => {
            let what = format!("knows usher, which it sees as {from}, and believes it");
            Tried::good(code::PROXY_UNKNOWN, subject, what)
        }
        (false, _) if names_us => {
            let what = format!("its list of known proxies has {from}, and it does not act on it");
            let help = "restart it: the list is read when it starts";
            Tried::bad(Severity::Error, code::RESTART_DUE, subject, (what, help))
                .cured_by([Cure::restart(server)])
        }
        (false, _) => {
            let (code, how) = match seen.is_home {
                Some(false) => (code::EVERYBODY_REMOTE, "from outside"),
                Some(true) | None => (code::PROXY_UNKNOWN, "at home"),
            };
            let what = format!(
                "told of a visitor from {FROM_AFAR}, it saw {from} and nobody else, which is usher, \
                 {how}"
            );
            Tried::bad(Severity::Error, code, subject, (what, cure)).cured_by(add())
        }
    }
}

/// Are those at home taken for such?
async fn home(
    server: &Server<'_>,
    settings: Option<&Settings>,
    addresses: &[IpAddr],
) -> Option<Tried> {
    let own =
        addresses.iter().find(|address| matches!(address, IpAddr::V4(v4) if v4.is_private()))?;
    let is_home = at_home(server, Some(&own.to_string())).await?;
    let subject = server.subject();
    if is_home {
        let what = format!("takes {own} for an address at home");
        return Some(Tried::good(code::EVERYBODY_REMOTE, subject, what));
    }
    let what = format!("{own}, this machine's own address, counts as one from outside");
    let help = "Dashboard > Networking > LAN networks: add the network at home, or clear the list; \
                where home leaves and comes back by the public address, add that one";
    let cure = settings.map(|settings| settings.at_home(server, *own));
    Some(
        Tried::bad(Severity::Warning, code::EVERYBODY_REMOTE, subject, (what, help)).cured_by(cure),
    )
}

/// Is anybody from outside let in at all?
async fn remote(server: &Server<'_>, settings: Option<&Settings>) -> Option<Tried> {
    let asked = Question::get("/System/Info/Public");
    let answered = server.as_visitor(FROM_AFAR, asked).await.ok()?;
    let subject = server.subject();
    let is_turned_away =
        answered.status == StatusCode::SERVICE_UNAVAILABLE && answered.body.is_empty();
    if !is_turned_away {
        return Some(Tried::good(code::REMOTE_OFF, subject, "answers visitors from outside"));
    }
    let filters = settings.is_some_and(Settings::filters);
    let is_off =
        settings.is_none_or(|settings| !settings.is_on(Area::Network, "EnableRemoteAccess"));
    let what = format!("a visitor from {FROM_AFAR} gets an empty 503");
    if filters && !is_off {
        let help = "Dashboard > Networking > Remote IP address filter: look whether it is meant so; \
                    usher's policy can do the same, with a page that says why";
        return Some(Tried::bad(Severity::Error, code::ADDRESS_FILTER, subject, (what, help)));
    }
    let help = "Dashboard > Networking > Allow remote connections to this server: switch it on";
    let on = Cure::set(server, Area::Network, ("EnableRemoteAccess", true.into()), Effect::AtOnce);
    let cure = settings.map(|_| on);
    Some(Tried::bad(Severity::Error, code::REMOTE_OFF, subject, (what, help)).cured_by(cure))
}

/// What has to stand before the address that it tells apps.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Https,
    /// Where it believes nobody, http:// is what follows from that.
    Any,
}

/// The address that it tells apps.
async fn published(
    server: &Server<'_>,
    settings: Option<&Settings>,
    scheme: Scheme,
) -> Option<Tried> {
    let public = format!("https://{}", server.public()?);
    let asked = Question::get("/System/Info/Public");
    let answered = server.as_visitor("192.168.1.5", asked).await.ok()?;
    let info = json(&answered)?;
    let told = text(&info, "LocalAddress");
    let bare = |address: &str| {
        let (_, rest) = address.split_once("://").unwrap_or_default();
        rest.split('/').next().unwrap_or_default().trim_end_matches(":443").to_ascii_lowercase()
    };
    let (is_public, subject) = (told.starts_with(&public), server.subject());
    if is_public || (scheme == Scheme::Any && bare(told) == bare(&public)) {
        return Some(Tried::good(code::PUBLISHED_ADDRESS, subject, format!("tells apps {told}")));
    }
    let what = format!("it tells apps `{told}`; visitors type `{public}`");
    let help = format!(
        "where `JELLYFIN_PublishedServerUrl` is set, write {public} there; else Dashboard > \
         Networking > Enable published server URIs by request: switch it on"
    );
    let by_request = ("EnablePublishedServerUriByRequest", Value::Bool(true));
    let on = Cure::set(server, Area::Network, by_request, Effect::AtOnce);
    let cure = settings.map(|_| on);
    Some(Tried::bad(Severity::Error, code::PUBLISHED_ADDRESS, subject, (what, help)).cured_by(cure))
}
