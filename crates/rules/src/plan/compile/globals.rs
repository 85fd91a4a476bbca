//! Listening, cookies, timeouts, logs.

use std::{path::PathBuf, sync::Arc, time::Duration};

use super::{
    Ground,
    files::{self, Pem},
    name,
};
use crate::{
    config::Given,
    names::{Host, ListenAddressError, listen_address},
    plan::{
        CertificateFiles, CookiePolicy, Level, Listen, LogSelection, Protocols, SameSite, Timeouts,
    },
    problem::{Problem, Severity},
    secret::Secret,
    yaml::Kind,
};

/// Fields of the access log that may be chosen (`pomerium-config.md` §2.12).
pub const ACCESS_FIELDS: &[&str] = &[
    "upstream-cluster",
    "method",
    "authority",
    "path",
    "user-agent",
    "referer",
    "forwarded-for",
    "request-id",
    "duration",
    "size",
    "response-code",
    "response-code-details",
    "ip",
    "client-certificate",
];

/// Fields that Pomerium leaves out where there is nothing to say, and here there never is: a list of
/// its defaults is taken without a word.
const NEVER_THERE: &[&str] = &[
    "cluster-stat-name",
    "impersonate-session-id",
    "impersonate-user-id",
    "impersonate-email",
    "removed-groups-count",
    "service-account-id",
    "mcp-method",
    "mcp-tool",
    "mcp-tool-parameters",
];

/// Fields that Pomerium writes and usher does not, and why.
const LEFT_OUT: &[(&str, &str)] = &[
    ("query", "addresses carry tokens, which stand in no line"),
    ("headers", "request fields carry tokens, which stand in no line"),
    ("body", "bodies are not read"),
    ("id-token", "tokens stand in no line"),
    ("id-token-claims", "`usher` writes who it is as `user` and `email`"),
];

/// Fields of the authorize log that may be chosen.
pub const AUTHORIZE_FIELDS: &[&str] = &[
    "request-id",
    "check-request-id",
    "method",
    "path",
    "host",
    "ip",
    "session-id",
    "user",
    "email",
    "envoy-route-id",
    "route-id",
    "envoy-route-checksum",
    "route-checksum",
];

impl Ground<'_> {
    pub(super) fn listen(&mut self) -> Listen {
        let insecure = self.keys.bool("insecure_server").unwrap_or_default();
        let default_port = if insecure { 80 } else { 443 };
        let address = self
            .address("address", Some(default_port))
            .unwrap_or_else(|| format!(":{default_port}").into());
        let certificates_inline = match (
            self.pem("certificate", "", Pem::Certificate),
            self.pem("certificate_key", "", Pem::PrivateKey),
        ) {
            (Some(cert), Some(key)) => vec![(Arc::from(cert.expose()), Arc::new(key))],
            _ => {
                self.want_both("certificate", "certificate_key");
                Vec::new()
            }
        };
        let listen = Listen {
            address,
            insecure,
            certificate_files: self.certificate_files(),
            certificates_dir: self.keys.text("certificates_dir").map(PathBuf::from),
            certificates_inline,
            http_redirect: self.address("http_redirect_addr", Some(80)),
            metrics: self.metrics(),
            protocols: self.protocols(),
        };
        self.tell_clash(&listen);
        listen
    }

    fn protocols(&mut self) -> Protocols {
        match self.keys.word("codec_type").as_deref() {
            Some("http1") => Protocols::Http1,
            Some("http2") => Protocols::Http2,
            Some("http3") => {
                if let Some(given) = self.keys.given("codec_type") {
                    self.report(given.warning(
                        "U403",
                        "HTTP/3 is not spoken yet: visitors get HTTP/2 and HTTP/1.1",
                        "nothing to do; delete the line to silence this",
                    ));
                }
                Protocols::Both
            }
            Some(_) | None => Protocols::Both,
        }
    }

    /// `host:port`; a bare number is a port, an empty host is all addresses, and a missing port is
    /// the default one, or an error where there is none.
    pub(super) fn address(&mut self, key: &str, default_port: Option<u16>) -> Option<Box<str>> {
        let given = self.keys.given(key)?;
        let written = given.text().trim_matches(['"', '\'', ' ']);
        if written.is_empty() {
            return None;
        }
        let address = listen_address(written, default_port)
            .and_then(|at| if at.port() == 0 { Err(ListenAddressError::BadPort) } else { Ok(at) });
        match address {
            Ok(_) if written.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(format!(":{written}").into())
            }
            Ok(_) if listen_address(written, None).is_ok() => Some(written.into()),
            Ok(address) => Some(format!("{written}:{}", address.port()).into()),
            Err(error) => {
                let code = if error == ListenAddressError::NoPort { "U440" } else { "U401" };
                self.report(given.error(
                    code,
                    format!("`{key}` is not an address to listen on: {error}"),
                    "write `:443` for all addresses, or `127.0.0.1:8443`",
                ));
                None
            }
        }
    }

    /// Two listeners on one port: the second can't be bound.
    fn tell_clash(&mut self, listen: &Listen) {
        let metrics = listen.metrics.as_ref().map(|metrics| &metrics.address);
        let others = [("http_redirect_addr", listen.http_redirect.as_ref()), (METRICS, metrics)];
        let mut taken = vec![("address", &listen.address)];
        for (key, address) in others {
            let Some(address) = address else { continue };
            let clash = taken.iter().find(|(_, other)| clash(other, address));
            if let Some((other, _)) = clash
                && let Some(given) = self.keys.given(key)
            {
                self.report(given.error(
                    "U402",
                    format!("`{key}` and `{other}` are the same address"),
                    "give each a port of its own",
                ));
            }
            taken.push((key, address));
        }
    }

    fn certificate_files(&mut self) -> Vec<CertificateFiles> {
        let mut pairs = Vec::new();
        let single = |key| self.keys.text(key).map(PathBuf::from);
        match (single("certificate_file"), single("certificate_key_file")) {
            (Some(cert), Some(key)) => {
                for (name, pem) in [
                    ("certificate_file", Pem::Certificate),
                    ("certificate_key_file", Pem::PrivateKey),
                ] {
                    self.look_at(name, pem);
                }
                pairs.push(CertificateFiles { cert, key });
            }
            (None, None) => {}
            _ => self.want_both("certificate_file", "certificate_key_file"),
        }
        let Some(given) = self.keys.given("certificates") else { return pairs };
        let items = match &given.node.kind {
            Kind::List(items) => items.iter().collect(),
            Kind::Map(_) | Kind::Scalar { .. } => vec![&given.node],
        };
        for item in items {
            let part = |name, pem| {
                let node = item
                    .get(name)
                    .filter(|node| !node.is_null() && node.text().is_some_and(|t| !t.is_empty()));
                let Some(node) = node else {
                    return Err(Problem::error(
                        "U214",
                        item.span.clone(),
                        format!(
                            "a certificate needs both `cert` and `key`, and `{name}` is missing"
                        ),
                        "write `- cert: FILE` and `  key: FILE`",
                    ));
                };
                let one = Given {
                    key: given.key,
                    key_span: given.key_span.clone(),
                    node: node.clone(),
                    source: given.source.clone(),
                };
                let found = self.read(&one).and_then(|text| files::checked(&one, text, pem));
                Ok((PathBuf::from(one.text()), found))
            };
            let (cert, key) = (part("cert", Pem::Certificate), part("key", Pem::PrivateKey));
            if let (Some((cert, found)), Some((key, found_key))) = (self.keep(cert), self.keep(key))
            {
                self.note_unusable(found);
                self.note_unusable(found_key);
                pairs.push(CertificateFiles { cert, key });
            }
        }
        pairs
    }

    fn look_at(&mut self, key: &str, pem: Pem) {
        let Some(given) = self.keys.given(key) else { return };
        let found = self.read(given).and_then(|text| files::checked(given, text, pem));
        self.note_unusable(found);
    }

    /// A file of a pair that can't be used takes its own hosts down and nobody else's: a disk that
    /// comes late must not keep every door shut. It is served once it is there.
    fn note_unusable(&mut self, found: Result<Secret, Problem>) {
        if let Err(problem) = found {
            let help =
                format!("{}; until then the local authority signs for its hosts", problem.help);
            self.report(Problem { severity: Severity::Warning, help, ..problem });
        }
    }

    /// Two keys that make sense only together.
    pub(super) fn want_both(&mut self, one: &str, other: &str) {
        let (present, missing) = match (self.keys.given(one), self.keys.given(other)) {
            (Some(given), None) => (given, other),
            (None, Some(given)) => (given, one),
            _ => return,
        };
        self.report(present.error(
            "U214",
            format!("`{}` needs `{missing}` beside it", present.key.name),
            format!("add `{missing}`, or delete `{}`", present.key.name),
        ));
    }

    pub(super) fn cookie(&mut self) -> CookiePolicy {
        let mut name: Box<str> = "_pomerium".into();
        if let Some(given) = self.keys.given("cookie_name").filter(|given| !given.text().is_empty())
        {
            let written = given.text();
            if written.bytes().all(name::is_token_byte) {
                name = written.into();
            } else {
                self.report(given.error(
                    "U404",
                    format!("`{written}` can't be a cookie's name"),
                    "use letters, digits, `_` and `-`",
                ));
            }
        }
        let mut domain = None;
        if let Some(given) =
            self.keys.given("cookie_domain").filter(|given| !given.text().is_empty())
        {
            domain =
                self.keep(Host::parse(given.text().trim_start_matches('.')).map_err(|error| {
                    given.error(
                        "U404",
                        format!("`cookie_domain` is not a domain: {error}"),
                        "write it like `example.com`",
                    )
                }));
        }
        CookiePolicy {
            host_name: CookiePolicy::host_name_of(&name),
            name,
            domain,
            http_only: self.keys.bool("cookie_http_only").unwrap_or(true),
            same_site: match self.keys.word("cookie_same_site").as_deref() {
                Some("strict") => Some(SameSite::Strict),
                Some("lax") => Some(SameSite::Lax),
                Some("none") => Some(SameSite::None),
                Some(_) | None => None,
            },
            expire: self.session_life(),
        }
    }

    /// How long a session lasts. A life that ends as it begins is taken as it is written: it lets
    /// nobody in.
    fn session_life(&mut self) -> Duration {
        let life = self.keys.duration("cookie_expire").unwrap_or(Duration::from_secs(14 * 3600));
        if life < Duration::from_secs(1)
            && let Some(given) = self.keys.given("cookie_expire")
        {
            self.report(given.warning(
                "U423",
                "every session ends as it begins: nobody can stay signed in",
                "write a number with its unit: `cookie_expire: 14h`",
            ));
        }
        life
    }

    pub(super) fn timeouts(&self) -> Timeouts {
        let limit = |key, default| some_time(self.keys.duration(key).unwrap_or(default));
        Timeouts {
            read: limit("timeout_read", Duration::from_secs(30)),
            idle: limit("timeout_idle", Duration::from_secs(300)),
        }
    }

    pub(super) fn log(&mut self) -> LogSelection {
        let level = match self.keys.text("log_level") {
            Some("trace" | "debug") => Level::Debug,
            Some("warn" | "warning") => Level::Warn,
            Some("error" | "critical" | "fatal" | "panic" | "off" | "none" | "disabled") => {
                Level::Error
            }
            Some(_) | None => Level::Info,
        };
        LogSelection {
            level,
            access: self.log_fields("access_log_fields", ACCESS_FIELDS),
            authorize: self.log_fields("authorize_log_fields", AUTHORIZE_FIELDS),
        }
    }

    /// Unknown names are left out with a warning, as Pomerium does it.
    fn log_fields(&mut self, key: &str, known: &[&str]) -> Option<Vec<Box<str>>> {
        let given = self.keys.given(key)?;
        let mut names = Vec::new();
        for item in self.keys.list(key)? {
            if known.contains(&&*item.text) {
                names.push(item.text);
                continue;
            }
            if NEVER_THERE.contains(&&*item.text) {
                continue;
            }
            if let Some(why) = left_out(&item.text) {
                let mut problem = given.warning(
                    "U121",
                    format!("`{key}`: `{}` is not written: {why}", item.text),
                    "delete it",
                );
                problem.at = given.source.place(&item.at);
                self.report(problem);
                continue;
            }
            let near = known.iter().max_by(|a, b| {
                strsim::jaro_winkler(a, &item.text).total_cmp(&strsim::jaro_winkler(b, &item.text))
            });
            let mut problem = given.warning(
                "U405",
                format!("`{key}` has no field `{}`: it is left out", item.text),
                near.map_or_else(String::new, |near| format!("did you mean `{near}`?")),
            );
            problem.at = given.source.place(&item.at);
            self.report(problem);
        }
        Some(names)
    }

    /// Values that are right but do less here than in Pomerium.
    pub(super) fn remarks(&mut self) {
        if let Some(given) = self.keys.given("services") {
            for item in self.keys.list("services").unwrap_or_default() {
                let problem = match &*item.text {
                    "all" => continue,
                    "authenticate" if self.is_authenticate_service() => continue,
                    "authenticate" | "authorize" | "proxy" | "databroker" | "cache" => given.error(
                        "U406",
                        "usher is one process and can't run this part of itself",
                        "write `services: all`, or delete the line; `services: authenticate` alone is an authenticate service for other proxies",
                    ),
                    other => given.error(
                        "U406",
                        format!("`{other}` is no service"),
                        "write `services: all`, or delete the line",
                    ),
                };
                self.report(problem);
            }
        }
    }
}

const METRICS: &str = "metrics_address";

/// Would binding one keep the other from being bound? Port 0 is another one each time.
fn clash(one: &str, other: &str) -> bool {
    let (Ok(one), Ok(other)) = (listen_address(one, None), listen_address(other, None)) else {
        return false;
    };
    let everywhere = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && (everywhere || one.ip() == other.ip())
}

/// Zero, and what rounds to zero milliseconds, is no limit.
pub(super) const fn some_time(length: Duration) -> Option<Duration> {
    if length.as_millis() == 0 { None } else { Some(length) }
}

/// Why usher does not write a field that Pomerium writes.
fn left_out(field: &str) -> Option<&'static str> {
    let name = if field.starts_with("headers.") { "headers" } else { field };
    LEFT_OUT.iter().find(|(known, _)| *known == name).map(|(_, why)| *why)
}
