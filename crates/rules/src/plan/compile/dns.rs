//! `autocert_dns_*`: who sets records for proof by DNS-01. Ours.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::Ground;
use crate::{
    plan::{Dns01, DnsProvider, TsigKey},
    secret::Secret,
};

const PROVIDER: &str = "autocert_dns_provider";
const SERVER: &str = "autocert_dns_server";
const KEY_NAME: &str = "autocert_dns_tsig_name";
const SECRET: &str = "autocert_dns_tsig_secret";
const TOKEN: &str = "autocert_dns_cloudflare_token";
const COMMAND: &str = "autocert_dns_command";

impl Ground<'_> {
    /// `None` when none is named, or a problem was found.
    pub(super) fn dns01(&mut self) -> Option<Dns01> {
        let provider = match self.keys.word(PROVIDER)?.as_str() {
            "rfc2136" => self.rfc2136(),
            "cloudflare" => {
                let token = self.secret_text(TOKEN, "autocert_dns_cloudflare_token_file");
                if token.is_none() {
                    self.missing(
                        "cloudflare",
                        TOKEN,
                        "a token with Zone → DNS → Edit for the zone",
                    );
                }
                token.map(|token| DnsProvider::Cloudflare { token })
            }
            _ => {
                let command = self.keys.list(COMMAND).unwrap_or_default();
                let command: Vec<Box<str>> = command.into_iter().map(|text| text.text).collect();
                if command.first().is_none_or(|program| program.is_empty()) {
                    self.missing("exec", COMMAND, "the program, and its first arguments");
                    return None;
                }
                Some(DnsProvider::Exec { command })
            }
        };
        let wait = self.keys.duration("autocert_dns_wait").unwrap_or_default();
        Some(Dns01 { provider: provider?, wait })
    }

    fn rfc2136(&mut self) -> Option<DnsProvider> {
        let server = self.keys.text(SERVER).map(str::to_owned);
        let Some(server) = server else {
            self.missing(
                "rfc2136",
                SERVER,
                "the DNS server that takes updates, `HOST` or `HOST:PORT`",
            );
            return None;
        };
        let server = with_port(&server);
        let name = self.keys.text(KEY_NAME).map(str::to_owned);
        let secret = self.secret_text(SECRET, "autocert_dns_tsig_secret_file");
        let key = match (name, secret) {
            (None, None) => None,
            (Some(name), Some(secret)) => Some(self.tsig_key(name, &secret)?),
            (Some(_), None) => {
                self.missing("rfc2136", SECRET, "the secret of the key that is named");
                return None;
            }
            (None, Some(_)) => {
                self.missing("rfc2136", KEY_NAME, "the name of the key that the secret belongs to");
                return None;
            }
        };
        let zone = self.keys.text("autocert_dns_zone").map(Into::into);
        Some(DnsProvider::Rfc2136 { server: server.into(), zone, key })
    }

    fn tsig_key(&mut self, name: String, secret: &Secret) -> Option<TsigKey> {
        let algorithm = self.keys.word("autocert_dns_tsig_algorithm");
        let algorithm = algorithm.unwrap_or_else(|| "hmac-sha256".into()).into();
        let Ok(octets) = STANDARD.decode(secret.expose().trim_ascii()) else {
            let file = self.keys.given("autocert_dns_tsig_secret_file");
            let given = file.or_else(|| self.keys.given(SECRET))?;
            self.report(given.error(
                "U438",
                "the secret of the TSIG key is not base64",
                "copy it from the server's key file, without the quotes",
            ));
            return None;
        };
        Some(TsigKey { name: name.into(), algorithm, secret: Secret::new(octets) })
    }

    fn secret_text(&mut self, inline: &str, file: &str) -> Option<Secret> {
        match self.keys.given(file).filter(|given| !given.text().is_empty()) {
            Some(given) => {
                let read = self.read(given);
                self.keep(read).map(|text| Secret::new(text.expose().trim_ascii()))
            }
            None => self.keys.text(inline).map(|text| Secret::new(text.as_bytes())),
        }
    }

    fn missing(&mut self, provider: &str, key: &str, what: &str) {
        let Some(given) = self.keys.given(PROVIDER) else { return };
        self.report(given.error(
            "U437",
            format!("`{PROVIDER}: {provider}` needs `{key}`"),
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
