//! Listening, cookies, timeouts, logs.

use std::{path::PathBuf, sync::Arc, time::Duration};

use super::{
    Compiler,
    files::{self, Pem},
    name,
};
use crate::{
    config::{
        Section,
        keys::{Key, List, Text, Typed, global, nested},
        words::{Codec, Storage},
    },
    names::{Host, ListenAddressError, listen_address},
    plan::{CertificateFiles, CookiePolicy, Listen, LogSelection, Protocols, Timeouts},
    policy::nearest,
    problem::{Problem, Severity},
    secret::Secret,
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

impl Compiler<'_> {
    pub(super) fn listen(&mut self) -> Listen {
        let insecure = self.keys.value(&global::INSECURE_SERVER);
        let default_port = if insecure { 80 } else { 443 };
        let address = self
            .address(&global::ADDRESS, Some(default_port))
            .unwrap_or_else(|| format!(":{default_port}").into());
        let certificates_inline = match (
            self.inline_pem(&global::CERTIFICATE, Pem::Certificate),
            self.inline_pem(&global::CERTIFICATE_KEY, Pem::PrivateKey),
        ) {
            (Some(cert), Some(key)) => vec![(Arc::from(cert.expose()), Arc::new(key))],
            _ => {
                self.want_both(&global::CERTIFICATE, &global::CERTIFICATE_KEY);
                Vec::new()
            }
        };
        let listen = Listen {
            address,
            insecure,
            certificate_files: self.certificate_files(),
            certificates_dir: self.keys.get(&global::CERTIFICATES_DIR).map(PathBuf::from),
            certificates_inline,
            http_redirect: self.address(&global::HTTP_REDIRECT_ADDR, Some(80)),
            metrics: self.metrics(),
            probes: self.address(&global::HEALTH_CHECK_ADDR, None),
            proxy_protocol: self.proxy_protocol(),
            protocols: self.protocols(),
        };
        self.tell_clash(&listen);
        listen
    }

    fn protocols(&mut self) -> Protocols {
        match self.keys.value(&global::CODEC_TYPE) {
            Codec::Http1 => Protocols::Http1,
            Codec::Http2 => Protocols::Http2,
            Codec::Auto => Protocols::Both,
            Codec::Http3 => {
                if let Some(given) = self.keys.given(&global::CODEC_TYPE) {
                    self.report(given.warning(
                        "U403",
                        "HTTP/3 is not spoken yet: visitors get HTTP/2 and HTTP/1.1",
                        "nothing to do; delete the line to silence this",
                    ));
                }
                Protocols::Both
            }
        }
    }

    /// `host:port`; a bare number is a port, an empty host is all addresses, and a missing port is
    /// the default one, or an error where there is none.
    pub(super) fn address(
        &mut self,
        key: &'static Key,
        default_port: Option<u16>,
    ) -> Option<Box<str>> {
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
                    format!("`{}` is not an address to listen on: {error}", key.name),
                    "write `:443` for all addresses, or `127.0.0.1:8443`",
                ));
                None
            }
        }
    }

    /// Two listeners on one port: the second can't be bound.
    fn tell_clash(&mut self, listen: &Listen) {
        let metrics = listen.metrics.as_ref().map(|metrics| &metrics.address);
        let others: [(&'static Key, _); 3] = [
            (&global::HTTP_REDIRECT_ADDR, listen.http_redirect.as_ref()),
            (&global::METRICS_ADDRESS, metrics),
            (&global::HEALTH_CHECK_ADDR, listen.probes.as_ref()),
        ];
        let mut taken = vec![(global::ADDRESS.name, &listen.address)];
        for (key, address) in others {
            let Some(address) = address else { continue };
            let clash = taken.iter().find(|(_, other)| clash(other, address));
            if let Some((other, _)) = clash
                && let Some(given) = self.keys.given(key)
            {
                self.report(given.error(
                    "U402",
                    format!("`{}` and `{other}` are the same address", key.name),
                    "give each a port of its own",
                ));
            }
            taken.push((key.name, address));
        }
    }

    fn certificate_files(&mut self) -> Vec<CertificateFiles> {
        let mut pairs = Vec::new();
        let single = |key: &'static Typed<Text>| self.keys.get(key).map(PathBuf::from);
        match (single(&global::CERTIFICATE_FILE), single(&global::CERTIFICATE_KEY_FILE)) {
            (Some(cert), Some(key)) => {
                self.look_at(self.keys, &global::CERTIFICATE_FILE, Pem::Certificate);
                self.look_at(self.keys, &global::CERTIFICATE_KEY_FILE, Pem::PrivateKey);
                pairs.push(CertificateFiles { cert, key });
            }
            (None, None) => {}
            _ => self.want_both(&global::CERTIFICATE_FILE, &global::CERTIFICATE_KEY_FILE),
        }
        for pair in self.keys.value(&global::CERTIFICATES) {
            let missing = [&nested::PAIR_CERT, &nested::PAIR_KEY].map(|half| {
                let is_missing = pair.get(half).is_none();
                if is_missing {
                    self.report(Problem::error(
                        "U214",
                        pair.at.clone(),
                        format!(
                            "a certificate needs both `cert` and `key`, and `{}` is missing",
                            half.name
                        ),
                        "write `- cert: FILE` and `  key: FILE`",
                    ));
                }
                is_missing
            });
            if missing == [false, false] {
                self.look_at(pair, &nested::PAIR_CERT, Pem::Certificate);
                self.look_at(pair, &nested::PAIR_KEY, Pem::PrivateKey);
                let path = |half| PathBuf::from(pair.value(half));
                pairs.push(CertificateFiles {
                    cert: path(&nested::PAIR_CERT),
                    key: path(&nested::PAIR_KEY),
                });
            }
        }
        pairs
    }

    fn look_at(&mut self, section: &Section, key: &'static Key, pem: Pem) {
        let Some(given) = section.given(key) else { return };
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
    pub(super) fn want_both(&mut self, one: &'static Key, other: &'static Key) {
        let (present, missing) = match (self.keys.given(one), self.keys.given(other)) {
            (Some(given), None) => (given, other.name),
            (None, Some(given)) => (given, one.name),
            _ => return,
        };
        self.report(present.error(
            "U214",
            format!("`{}` needs `{missing}` beside it", present.key.name),
            format!("add `{missing}`, or delete `{}`", present.key.name),
        ));
    }

    pub(super) fn cookie(&mut self) -> CookiePolicy {
        let name = self.cookie_name();
        let mut domain = None;
        if let Some(given) = self.keys.given(&global::COOKIE_DOMAIN) {
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
            http_only: self.keys.value(&global::COOKIE_HTTP_ONLY),
            same_site: self.keys.get(&global::COOKIE_SAME_SITE),
            expire: self.session_life(),
        }
    }

    /// `cookie_name`; one that browsers would not take is a name that nobody can be signed in by.
    fn cookie_name(&mut self) -> Box<str> {
        let written = self.keys.value(&global::COOKIE_NAME);
        let default = global::COOKIE_NAME.default;
        match self.keys.given(&global::COOKIE_NAME) {
            Some(given) if !written.bytes().all(name::is_token_byte) => {
                self.report(given.warning(
                    "U404",
                    format!("`{written}` can't be a cookie's name, so that `{default}` holds"),
                    "use letters, digits, `_` and `-`",
                ));
                default.into()
            }
            _ => written.into(),
        }
    }

    /// How long a session lasts. A life that ends as it begins is taken as it is written: it lets
    /// nobody in.
    fn session_life(&mut self) -> Duration {
        let life = self.keys.value(&global::COOKIE_EXPIRE);
        if life < Duration::from_secs(1)
            && let Some(given) = self.keys.given(&global::COOKIE_EXPIRE)
        {
            self.report(given.warning(
                "U423",
                "every session ends as it begins: nobody can stay signed in",
                "write a number with its unit: `cookie_expire: 14h`",
            ));
        }
        life
    }

    /// A database without its address, which Pomerium refuses, too.
    fn want_connection(&mut self) {
        let places: [&'static Key; 2] = [
            &global::DATABROKER_STORAGE_CONNECTION_STRING,
            &global::DATABROKER_STORAGE_CONNECTION_STRING_FILE,
        ];
        if self.keys.get(&global::DATABROKER_STORAGE_TYPE) == Some(Storage::Postgres)
            && !places.iter().any(|key| self.keys.given(key).is_some())
            && let Some(given) = self.keys.given(&global::DATABROKER_STORAGE_TYPE)
        {
            self.report(given.error(
                "U214",
                "`postgres` needs `databroker_storage_connection_string` beside it",
                "write `databroker_storage_type: file`: usher keeps sessions in its data directory",
            ));
        }
    }

    pub(super) fn timeouts(&self) -> Timeouts {
        Timeouts {
            read: some_time(self.keys.value(&global::TIMEOUT_READ)),
            idle: some_time(self.keys.value(&global::TIMEOUT_IDLE)),
        }
    }

    pub(super) fn log(&mut self) -> LogSelection {
        LogSelection {
            level: self.keys.value(&global::LOG_LEVEL),
            access: self.log_fields(&global::ACCESS_LOG_FIELDS, ACCESS_FIELDS),
            authorize: self.log_fields(&global::AUTHORIZE_LOG_FIELDS, AUTHORIZE_FIELDS),
        }
    }

    /// Unknown names are left out with a warning, as Pomerium does it.
    fn log_fields(&mut self, key: &'static Typed<List>, known: &[&str]) -> Option<Vec<Box<str>>> {
        let given = self.keys.given(key)?;
        let mut names = Vec::new();
        for item in self.keys.get(key)? {
            if known.contains(&&*item.text) {
                names.push(item.text.clone());
                continue;
            }
            if NEVER_THERE.contains(&&*item.text) {
                continue;
            }
            if let Some(why) = left_out(&item.text) {
                let mut problem = given.warning(
                    "U121",
                    format!("`{}`: `{}` is not written: {why}", key.name, item.text),
                    "delete it",
                );
                problem.at = given.source.place(&item.at);
                self.report(problem);
                continue;
            }
            let help = match nearest(&item.text, known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are `{}`", known.join("`, `")),
            };
            let mut problem = given.warning(
                "U405",
                format!("`{}` has no field `{}`: it is left out", key.name, item.text),
                help,
            );
            problem.at = given.source.place(&item.at);
            self.report(problem);
        }
        Some(names)
    }

    /// Values that are right but do less here than in Pomerium.
    pub(super) fn remarks(&mut self) {
        self.want_connection();
        self.other_upgrades(&global::ALLOW_UPGRADES);
        if let Some(given) = self.keys.given(&global::SERVICES) {
            for item in self.keys.value(&global::SERVICES) {
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
