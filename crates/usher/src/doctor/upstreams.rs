//! Do the apps answer, as the routes would speak with them?

use std::{error::Error as _, io, net::IpAddr};

use http::{HeaderValue, StatusCode};
use rustls::CertificateError;
use tokio::task::JoinSet;
use usher_rules::{
    names::Scheme,
    plan::{Action, HostField, HostPattern, Outbound, Plan, Route, Target, UpstreamTls},
    problem::Severity,
};

use super::{Code, PATIENCE, Tried, code};
use crate::request::{
    forward::{ForwardError, Trust, Want, probe, speaks_tls},
    untimely,
};

const ABOUT: &Code = code::UPSTREAM;

/// One address of `to`, as one route speaks with it.
struct Job {
    target: Target,
    tls: UpstreamTls,
    host: HeaderValue,
    route: Box<str>,
    outbound: Outbound,
}

/// Each upstream of each route; those that routes share are tried once.
pub(super) async fn tried(plan: &Plan) -> Vec<Tried> {
    let trust = Trust::system(&plan.extra_roots);
    let mut running = JoinSet::new();
    for (at, job) in jobs(plan).into_iter().enumerate() {
        let trust = trust.clone();
        running.spawn(async move { (at, job.tried(&trust).await) });
    }
    let mut all = running.join_all().await;
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, tried)| tried).collect()
}

fn jobs(plan: &Plan) -> Vec<Job> {
    let mut jobs: Vec<Job> = Vec::new();
    for route in &plan.routes {
        let Action::Forward(targets) = &route.action else { continue };
        for target in &targets.all {
            let host = host_toward(route, target);
            let is_known = |job: &Job| {
                job.target.upstream == target.upstream
                    && job.host == host
                    && job.tls.verify == route.tls.verify
                    && job.tls.server_name == route.tls.server_name
            };
            if !jobs.iter().any(is_known) {
                let (target, tls, route) = (target.clone(), route.tls.clone(), route.name.clone());
                jobs.push(Job { target, tls, host, route, outbound: plan.outbound.clone() });
            }
        }
    }
    jobs
}

/// What it sees as `Host`, for people.
pub(super) fn shown(route: &Route, target: &Target) -> String {
    String::from_utf8_lossy(host_toward(route, target).as_bytes()).into_owned()
}

/// What it sees as `Host`, as far as no client has a say in it.
pub(super) fn host_toward(route: &Route, target: &Target) -> HeaderValue {
    match (&route.host_field, &route.from) {
        (HostField::Literal(host), _) => host.clone(),
        (HostField::Preserve, HostPattern::Exact { host, .. }) => {
            HeaderValue::from_str(host.as_str()).unwrap_or_else(|_| target.host.clone())
        }
        (HostField::Upstream | HostField::Field(_) | HostField::Path(_), _)
        | (HostField::Preserve, _) => target.host.clone(),
    }
}

impl Job {
    async fn tried(&self, trust: &Trust) -> Tried {
        let subject = format!("{} (route {})", self.target.upstream, self.route);
        let asked = (&self.target, &self.tls, &self.outbound);
        let answer = probe(trust, asked, &self.host, Want::Status, PATIENCE).await;
        if let Some(what) = self.speaks_otherwise(&answer).await {
            return Tried::bad(Severity::Error, ABOUT, subject, what);
        }
        match answer {
            Ok((status, _)) if status.is_server_error() => {
                let what = (format!("answers {status}"), "look at what the app itself logs");
                Tried::bad(Severity::Warning, ABOUT, subject, what)
            }
            Ok(_) if self.target.upstream.scheme == Scheme::Tcp => {
                Tried::good(ABOUT, subject, "takes connections")
            }
            Ok(_) if self.target.upstream.scheme == Scheme::Udp => {
                Tried::good(ABOUT, subject, "has an address; nobody can tell who listens there")
            }
            Ok((status, _)) => Tried::good(ABOUT, subject, format!("answers {status}")),
            Err(error) => Tried::bad(Severity::Error, ABOUT, subject, self.explained(&error)),
        }
    }

    /// TLS where plain HTTP was meant, or the other way round.
    async fn speaks_otherwise(
        &self,
        answer: &Result<(StatusCode, String), ForwardError>,
    ) -> Option<(&'static str, &'static str)> {
        let is_plain = self.target.upstream.scheme != Scheme::Https;
        let is_odd = match answer {
            Ok((status, _)) => is_plain && *status == StatusCode::BAD_REQUEST,
            Err(ForwardError::Closed { .. } | ForwardError::Protocol { .. }) => is_plain,
            // some servers wait for the end of what they take for a head
            Err(ForwardError::ConnectTimeout { .. }) => !is_plain,
            Err(ForwardError::Tls { source, .. }) => {
                let inner = source.get_ref().and_then(|inner| inner.downcast_ref());
                !matches!(inner, Some(rustls::Error::InvalidCertificate(_)))
            }
            Err(_) => false,
        };
        match (is_odd, is_plain) {
            (true, true) => speaks_tls(&self.target, PATIENCE)
                .await
                .then_some(("it speaks TLS there", "write `https://` in `to`")),
            (true, false) => {
                let mut plain = self.target.clone();
                plain.upstream.scheme = Scheme::Http;
                let asked = (&plain, &self.tls, &self.outbound);
                let trust = Trust::only([]);
                probe(&trust, asked, &self.host, Want::Status, PATIENCE)
                    .await
                    .is_ok()
                    .then_some(("it does not speak TLS there", "write `http://` in `to`"))
            }
            (false, _) => None,
        }
    }

    fn explained(&self, error: &ForwardError) -> (String, String) {
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        let cause = if cause.is_empty() { String::new() } else { format!(" ({cause})") };
        match error {
            ForwardError::Tls { source, .. } => explained_tls(source),
            ForwardError::Resolve { .. } => (
                format!("the name does not resolve{cause}"),
                "correct `to`; between containers it is the name of the service, in a network that \
                 both are in"
                    .to_owned(),
            ),
            ForwardError::Connect { source, .. }
                if source.kind() == io::ErrorKind::ConnectionRefused =>
            {
                let host = self.target.upstream.host.parse::<IpAddr>();
                let aside = match host.is_ok_and(|ip| ip.is_loopback()) {
                    true => " (inside of a container 127.0.0.1 is the container itself)",
                    false => "",
                };
                let help = format!("start the app, or correct the port in `to`{aside}");
                ("nobody listens there".to_owned(), help)
            }
            ForwardError::Connect { .. } | ForwardError::ConnectTimeout { .. } => (
                format!("it can't be reached{cause}"),
                "correct the address in `to`, or let the firewall in between pass it".to_owned(),
            ),
            ForwardError::TlsSettings { why, .. } => {
                (why.to_string(), "correct the `tls_*` keys of the route".to_owned())
            }
            ForwardError::HeadTimeout { .. } => (
                format!("it takes connections and sends no answer within {} s", PATIENCE.as_secs()),
                "look at what the app itself logs".to_owned(),
            ),
            ForwardError::Closed { .. }
            | ForwardError::Refused { .. }
            | ForwardError::Protocol { .. }
            | ForwardError::Invalid { .. }
            | ForwardError::IdleTimeout { .. }
            | ForwardError::ClientStalled { .. }
            | ForwardError::ClientGone
            | ForwardError::PermitEnded(_)
            | ForwardError::Unreadable { .. }
            | ForwardError::NotWebSocket
            | ForwardError::Overflow { .. }
            | ForwardError::NoneWell
            | ForwardError::NoUpstream => (
                format!("{error}{cause}"),
                "look at what really listens there, and correct `to`".to_owned(),
            ),
        }
    }
}

fn explained_tls(source: &io::Error) -> (String, String) {
    let inner = source.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let says = |what: &str, help: &str| (what.to_owned(), help.to_owned());
    match inner {
        Some(rustls::Error::InvalidMessage(_)) => {
            says("it does not speak TLS there", "write `http://` in `to`")
        }
        Some(rustls::Error::InvalidCertificate(problem)) => explained_certificate(problem),
        Some(other) => (
            format!("its TLS is not acceptable ({other})"),
            "look at the TLS settings of the app; usher speaks TLS 1.2 and 1.3".to_owned(),
        ),
        None => (
            format!("it ends the TLS handshake ({source})"),
            "look at what really listens there, and correct `to`; it may want a certificate of \
             ours (`tls_client_cert_file`)"
                .to_owned(),
        ),
    }
}

fn explained_certificate(problem: &CertificateError) -> (String, String) {
    if let Some(words) = untimely(problem) {
        return (words, "renew it there; or, if that clock is wrong, set it".to_owned());
    }
    #[expect(clippy::wildcard_enum_match_arm, reason = "a list that grows; its words say enough")]
    match problem {
        CertificateError::UnknownIssuer => (
            "its certificate is signed by nobody that this machine trusts".to_owned(),
            "name its authority, or the certificate itself, in `tls_custom_ca_file`".to_owned(),
        ),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names = presented.join(", ");
            (
                format!("its certificate is not for {}, but for {names}", expected.to_str()),
                "write the name that it is for in `tls_server_name`".to_owned(),
            )
        }
        CertificateError::NotValidForName => (
            "its certificate is for another name".to_owned(),
            "write the name that it is for in `tls_server_name`".to_owned(),
        ),
        other => (
            format!("its certificate is not acceptable ({other})"),
            "give the app another one, or name this very certificate in `tls_custom_ca_file`"
                .to_owned(),
        ),
    }
}
