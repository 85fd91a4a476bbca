//! `autocert*` (`pomerium-config.md` §2.5).

use std::{collections::HashSet, path::PathBuf, sync::Arc};

use base64::{
    Engine,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::{Compiler, files::Pem};
use crate::{
    config::{
        Given,
        keys::{global, nested},
    },
    names::Host,
    plan::{
        AcmeAuthority, Autocert, ExternalAccount, HostPattern, LETS_ENCRYPT, LETS_ENCRYPT_STAGING,
        Route, SignIn,
    },
    problem::Span,
    secret::Secret,
};

/// Ends of names that no public authority signs for (RFC 6761, RFC 6762, and ICANN's reserved
/// ones).
const NEVER_PUBLIC: &[&str] =
    &["localhost", "local", "internal", "test", "example", "invalid", "home.arpa", "lan"];

impl Compiler<'_> {
    /// `None` when it is off. What it says is judged where sign-in has problems of its own, too.
    pub(super) fn autocert(
        &mut self,
        routes: &[Arc<Route>],
        sign_in: Option<&SignIn>,
    ) -> Option<Autocert> {
        let given =
            self.keys.given(&global::AUTOCERT).filter(|_| self.keys.value(&global::AUTOCERT))?;
        if self.keys.value(&global::INSECURE_SERVER) {
            self.report(given.warning(
                "U436",
                "`insecure_server` serves no TLS, so `autocert` has nothing to get certificates for",
                "delete one of the two",
            ));
            return None;
        }
        let authorities = self.authorities();
        let trusted_ca = self.trusted_ca();
        let dir = self.autocert_dir();
        // An authority of one's own has a root of its own.
        let is_public = trusted_ca.is_none();
        let dns = self.dns01();
        let names = self.managed_names(routes, sign_in, is_public, dns.is_some());
        let must_staple = self.must_staple();
        Some(Autocert {
            authorities,
            email: self.keys.get(&global::AUTOCERT_EMAIL).map(Into::into),
            must_staple,
            trusted_ca,
            dir,
            dns,
            profile: self.keys.get(&global::AUTOCERT_PROFILE).map(Into::into),
            names,
        })
    }

    fn authorities(&mut self) -> Vec<AcmeAuthority> {
        let staging = self.keys.value(&global::AUTOCERT_USE_STAGING);
        let default = if staging { LETS_ENCRYPT_STAGING } else { LETS_ENCRYPT };
        let directory: Box<str> = self.keys.get(&global::AUTOCERT_CA).unwrap_or(default).into();
        if let Some(given) = self.keys.given(&global::AUTOCERT_CA) {
            self.judge_directory(given, given.node.span.clone(), &directory);
        }
        let external_account = self.external_account();
        let mut authorities = vec![AcmeAuthority { directory, external_account }];
        authorities.extend(self.fallbacks());
        authorities
    }

    fn fallbacks(&mut self) -> Vec<AcmeAuthority> {
        let Some(given) = self.keys.given(&global::AUTOCERT_FALLBACK_CAS) else {
            return Vec::new();
        };
        let mut authorities = Vec::new();
        for one in self.keys.value(&global::AUTOCERT_FALLBACK_CAS) {
            let directory: Box<str> = one.value(&nested::FALLBACK_DIRECTORY).into();
            self.judge_directory(given, one.at.clone(), &directory);
            let (id, mac) = (&nested::FALLBACK_EAB_KEY_ID, &nested::FALLBACK_EAB_MAC_KEY);
            let halves = (one.get(id), one.get(mac));
            let external_account = self.account_of(halves, [id.name, mac.name], given, &one.at);
            authorities.push(AcmeAuthority { directory, external_account });
        }
        authorities
    }

    /// RFC 8555 §6.1: HTTPS, always.
    fn judge_directory(&mut self, given: &Given, at: Span, directory: &str) {
        let url = url::Url::parse(directory);
        if url.is_ok_and(|url| url.scheme() == "https" && url.has_host()) {
            return;
        }
        let mut problem = given.error(
            "U430",
            format!("`{directory}` is no ACME directory"),
            format!("write the authority's `https://HOST/…` address, such as `{LETS_ENCRYPT}`"),
        );
        problem.at = given.source.place(&at);
        self.report(problem);
    }

    fn external_account(&mut self) -> Option<ExternalAccount> {
        let (id, mac) = (&global::AUTOCERT_EAB_KEY_ID, &global::AUTOCERT_EAB_MAC_KEY);
        let halves = (self.keys.get(id), self.keys.get(mac));
        let given = self.keys.given(mac).or_else(|| self.keys.given(id))?;
        self.account_of(halves, [id.name, mac.name], given, &given.node.span)
    }

    fn account_of(
        &mut self,
        halves: (Option<&str>, Option<&str>),
        names: [&str; 2],
        given: &Given,
        at: &Span,
    ) -> Option<ExternalAccount> {
        const EITHER: GeneralPurpose = GeneralPurpose::new(
            &URL_SAFE,
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
        );
        let [id_name, key_name] = names;
        let mut problem = match halves {
            (None, None) => return None,
            (Some(id), Some(key)) => match EITHER.decode(key) {
                Ok(octets) if !octets.is_empty() => {
                    let mac_key = Secret::new(octets);
                    return Some(ExternalAccount { key_id: id.into(), mac_key });
                }
                Ok(_) | Err(_) => given.error(
                    "U432",
                    format!("`{key_name}` is not base64url"),
                    "copy it from the authority's page as it stands there: letters, digits, `-` and `_`",
                ),
            },
            (_, _) => given.error(
                "U431",
                format!(
                    "`{id_name}` and `{key_name}` are two halves of one thing, and one is missing"
                ),
                "copy both from the authority's page, or delete both",
            ),
        };
        problem.at = given.source.place(at);
        self.report(problem);
        None
    }

    fn trusted_ca(&mut self) -> Option<Arc<[u8]>> {
        let (inline, file) = (&global::AUTOCERT_TRUSTED_CA, &global::AUTOCERT_TRUSTED_CA_FILE);
        if self.keys.get(inline).is_some()
            && let Some(given) = self.keys.given(file)
        {
            self.report(given.error(
                "U433",
                format!("`{}` and `{}` are both there, and one has to win", inline.name, file.name),
                "delete one of the two",
            ));
        }
        let pem = self.pem(inline, file, Pem::Certificate);
        pem.map(|pem| Arc::from(pem.expose()))
    }

    /// Nobody fetches OCSP responses here, and the large authorities have stopped to sign them.
    fn must_staple(&mut self) -> bool {
        let is_wanted = self.keys.value(&global::AUTOCERT_MUST_STAPLE);
        if let Some(given) = self.keys.given(&global::AUTOCERT_MUST_STAPLE).filter(|_| is_wanted) {
            self.report(given.warning(
                "U439",
                "browsers that are strict refuse such certificates: usher fetches no OCSP responses, and most authorities sign none any more",
                "delete the line; short-lived certificates (`autocert_profile: shortlived`) do what it was for",
            ));
        }
        is_wanted
    }

    fn autocert_dir(&mut self) -> Option<PathBuf> {
        let given = self.keys.given(&global::AUTOCERT_DIR)?;
        if given.text().contains("://") {
            self.report(given.error(
                "U434",
                format!(
                    "`{}` is a bucket, and usher keeps certificates in folders only",
                    given.text()
                ),
                "write a folder, or delete the line to use the data directory",
            ));
            return None;
        }
        Some(PathBuf::from(given.text()))
    }

    /// What routes name, and the host for signing in. A wildcard can't be had without DNS.
    fn managed_names(
        &mut self,
        routes: &[Arc<Route>],
        sign_in: Option<&SignIn>,
        is_public: bool,
        has_dns: bool,
    ) -> Vec<Box<str>> {
        let mut names: Vec<Box<str>> = Vec::new();
        let mut never: Vec<Box<str>> = Vec::new();
        let mut wildcards: Vec<Box<str>> = Vec::new();
        let own = sign_in.filter(|sign_in| sign_in.dedicated_host).and_then(SignIn::own);
        let own = own.map(|own| own.host.clone());
        let hosts = routes.iter().map(|route| &route.from).filter_map(|from| match from {
            HostPattern::Exact { host, .. } => Some(host.clone()),
            HostPattern::Wildcard { text, .. } => {
                let domain = text.strip_prefix("*.").filter(|domain| !domain.contains('*'));
                match domain.filter(|_| has_dns) {
                    Some(_) => names.push(text.clone()),
                    None => wildcards.push(text.clone()),
                }
                None
            }
        });
        let hosts: Vec<Host> = hosts.chain(own).collect();
        let mut known: HashSet<Box<str>> = names.iter().cloned().collect();
        for host in hosts {
            let name: Box<str> = host.as_str().into();
            if !known.insert(name.clone()) {
                continue;
            }
            if can_be_signed(&host, is_public) {
                names.push(name);
            } else {
                never.push(name);
            }
        }
        let Some(given) = self.keys.given(&global::AUTOCERT) else { return names };
        wildcards.dedup();
        for (what, why) in never
            .iter()
            .map(|name| (name, "no public authority signs for such a name"))
            .chain(wildcards.iter().map(|name| {
                (name, "only `*.DOMAIN` can be signed for, and only by proof with DNS")
            }))
        {
            self.report(given.warning(
                "U435",
                format!("`autocert` gets no certificate for `{what}`: {why}"),
                "name one in `certificates`, or for `*.DOMAIN` set `autocert_dns_provider`; until then usher's local authority signs for it",
            ));
        }
        names
    }
}

/// Could an authority sign for it at all?
fn can_be_signed(host: &Host, is_public: bool) -> bool {
    let name = host.as_str();
    let is_address = name.starts_with('[') || name.parse::<std::net::IpAddr>().is_ok();
    let labels = name.split('.').count();
    let never = NEVER_PUBLIC.iter().any(|end| {
        name.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with('.'))
    });
    !is_address && (!is_public || labels > 1 && !never)
}
