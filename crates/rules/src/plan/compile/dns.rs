//! `autocert_dns_*`: who sets records for proof by DNS-01. Ours.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::Compiler;
use crate::{
    config::{
        keys::{self, Key, Typed, global},
        words::Recorder,
    },
    plan::{Dns01, DnsProvider, TsigKey},
    secret::Secret,
};

impl Compiler<'_> {
    /// `None` when none is named, or a problem was found.
    pub(super) fn dns01(&mut self) -> Option<Dns01> {
        let provider = match self.keys.get(&global::AUTOCERT_DNS_PROVIDER)? {
            Recorder::Rfc2136 => self.rfc2136(),
            Recorder::Cloudflare => {
                let token = self.secret_text(
                    &global::AUTOCERT_DNS_CLOUDFLARE_TOKEN,
                    &global::AUTOCERT_DNS_CLOUDFLARE_TOKEN_FILE,
                );
                if token.is_none() {
                    self.missing(
                        "cloudflare",
                        &global::AUTOCERT_DNS_CLOUDFLARE_TOKEN,
                        "a token with Zone → DNS → Edit for the zone",
                    );
                }
                token.map(|token| DnsProvider::Cloudflare { token })
            }
            Recorder::Exec => {
                let key = &global::AUTOCERT_DNS_COMMAND;
                let command = self.keys.value(key).iter().map(|text| text.text.clone());
                let command: Vec<Box<str>> = command.collect();
                if command.first().is_none_or(|program| program.is_empty()) {
                    self.missing("exec", key, "the program, and its first arguments");
                    return None;
                }
                Some(DnsProvider::Exec { command })
            }
        };
        let wait = self.keys.value(&global::AUTOCERT_DNS_WAIT);
        Some(Dns01 { provider: provider?, wait })
    }

    fn rfc2136(&mut self) -> Option<DnsProvider> {
        let Some(server) = self.keys.get(&global::AUTOCERT_DNS_SERVER) else {
            self.missing(
                "rfc2136",
                &global::AUTOCERT_DNS_SERVER,
                "the DNS server that takes updates, `HOST` or `HOST:PORT`",
            );
            return None;
        };
        let server = with_port(server);
        let key_name = &global::AUTOCERT_DNS_TSIG_NAME;
        let name = self.keys.get(key_name);
        let secret = self
            .secret_text(&global::AUTOCERT_DNS_TSIG_SECRET, &global::AUTOCERT_DNS_TSIG_SECRET_FILE);
        let key = match (name, secret) {
            (None, None) => None,
            (Some(name), Some(secret)) => Some(self.tsig_key(name, &secret)?),
            (Some(_), None) => {
                self.missing(
                    "rfc2136",
                    &global::AUTOCERT_DNS_TSIG_SECRET,
                    "the secret of the key that is named",
                );
                return None;
            }
            (None, Some(_)) => {
                self.missing("rfc2136", key_name, "the name of the key that the secret belongs to");
                return None;
            }
        };
        let zone = self.keys.get(&global::AUTOCERT_DNS_ZONE).map(Into::into);
        Some(DnsProvider::Rfc2136 { server: server.into(), zone, key })
    }

    fn tsig_key(&mut self, name: &str, secret: &Secret) -> Option<TsigKey> {
        let algorithm = self.keys.value(&global::AUTOCERT_DNS_TSIG_ALGORITHM);
        let Ok(octets) = STANDARD.decode(secret.expose().trim_ascii()) else {
            let file = self.keys.given(&global::AUTOCERT_DNS_TSIG_SECRET_FILE);
            let given = file.or_else(|| self.keys.given(&global::AUTOCERT_DNS_TSIG_SECRET))?;
            self.report(given.error(
                "U438",
                "the secret of the TSIG key is not base64",
                "copy it from the server's key file, without the quotes",
            ));
            return None;
        };
        Some(TsigKey { name: name.into(), algorithm, secret: Secret::new(octets) })
    }

    fn secret_text(
        &mut self,
        inline: &'static Typed<keys::Secret>,
        file: &'static Key,
    ) -> Option<Secret> {
        match self.keys.given(file) {
            Some(given) => {
                let read = self.read(given);
                self.keep(read).map(|text| Secret::new(text.expose().trim_ascii()))
            }
            None => self.keys.get(inline).map(|text| Secret::new(text.as_bytes())),
        }
    }

    fn missing(&mut self, provider: &str, key: &'static Key, what: &str) {
        let Some(given) = self.keys.given(&global::AUTOCERT_DNS_PROVIDER) else { return };
        self.report(given.error(
            "U437",
            format!("`{}: {provider}` needs `{}`", given.key.name, key.name),
            format!("add {what}"),
        ));
    }
}

/// The port of DNS where none is written. An IPv6 address may stand without brackets.
fn with_port(server: &str) -> String {
    if let Ok(address) = server.parse::<std::net::Ipv6Addr>() {
        return format!("[{address}]:53");
    }
    let port = server.rsplit_once(':').map(|(_, port)| port);
    match port.is_some_and(|port| port.parse::<u16>().is_ok()) {
        true => server.to_owned(),
        false => format!("{server}:53"),
    }
}

#[cfg(test)]
mod tests {
    use super::with_port;

    #[test]
    fn where_updates_go() {
        for (written, read) in [
            ("ns.example.com", "ns.example.com:53"),
            ("ns.example.com:5353", "ns.example.com:5353"),
            ("192.0.2.1", "192.0.2.1:53"),
            ("2001:db8::53", "[2001:db8::53]:53"),
            ("[2001:db8::53]", "[2001:db8::53]:53"),
            ("[2001:db8::53]:5353", "[2001:db8::53]:5353"),
        ] {
            assert_eq!(with_port(written), read, "{written}");
        }
    }
}
