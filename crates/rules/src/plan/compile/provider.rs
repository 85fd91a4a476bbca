//! Who says who somebody is: the provider of the top level, and those to choose from beside it.

use std::sync::Arc;

use super::Compiler;
use crate::{
    config::{
        Given, Section,
        keys::{global, nested},
    },
    names::{Host, Origin},
    plan::{BUILTIN, Listed, OidcProvider, Provider, ProviderKind, Subjects},
    problem::{Problem, Severity},
    secret::Secret,
};

/// Longest name of a provider, in octets: it stands in addresses and in the ids of people.
const LONGEST_NAME: usize = 32;

/// What a name of a provider has to be.
const NAME_HELP: &str = "write `name:` with a word of small letters, digits and hyphens";

/// What the providers of a config are called, the first one first.
pub(super) fn names(globals: &Section) -> Vec<Box<str>> {
    let entries = globals.value(&global::IDP_PROVIDERS);
    let usual = globals.given(&global::IDP_PROVIDER).is_some() || entries.is_empty();
    let usual = usual.then(|| globals.value(&global::IDP_PROVIDER));
    usual.into_iter().chain(entries.iter().map(name_of)).map(Into::into).collect()
}

fn name_of(entry: &Section) -> &str {
    entry.get(&nested::IDP_NAME).unwrap_or_else(|| entry.value(&global::IDP_PROVIDER))
}

impl Compiler<'_> {
    /// All of them, the first one apart; `None` when a problem was found.
    pub(super) fn listed(&mut self, named: Option<&Origin>) -> Option<(Listed, Vec<Listed>)> {
        let entries = self.keys.value(&global::IDP_PROVIDERS);
        let has_usual = self.keys.given(&global::IDP_PROVIDER).is_some() || entries.is_empty();
        let mut all = Vec::new();
        if has_usual {
            let others = entries.iter().map(|entry| name_of(entry).into()).collect();
            let usual = self.provider(named, Subjects::Plain { others });
            all.push(usual.map(Listed::from));
        }
        for (index, entry) in entries.iter().enumerate() {
            self.distinct_name(entry, entries.get(..index).unwrap_or_default());
            let mut of_entry =
                Compiler { keys: entry, files: self.files, problems: &mut *self.problems };
            all.push(of_entry.entry(named));
        }
        let mut all = all.into_iter().collect::<Option<Vec<Listed>>>()?.into_iter();
        Some((all.next()?, all.collect()))
    }

    fn entry(&mut self, named: Option<&Origin>) -> Option<Listed> {
        let name: Box<str> = name_of(self.keys).into();
        let provider = self.provider(named, Subjects::Under(name.clone()))?;
        let label = self.keys.get(&nested::IDP_LABEL).map(str::trim).unwrap_or_default();
        let label = if label.is_empty() { provider.title() } else { label.into() };
        Some(Listed { name, label: label.into(), provider })
    }

    /// Two of a name would be two issuers whose people are taken for the same.
    fn distinct_name(&mut self, entry: &Section, before: &[Section]) {
        let name = name_of(entry);
        let plain =
            |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-';
        let is_word = (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(plain);
        let usual = self.keys.given(&global::IDP_PROVIDER).map(Given::text);
        let is_taken = usual == Some(name) || before.iter().any(|other| name_of(other) == name);
        let what = match (is_word, is_taken) {
            (true, false) => return,
            (false, _) => format!("`{name}` can't be the name of a provider"),
            (true, true) => format!("two providers are called `{name}`"),
        };
        let problem = entry.given(&nested::IDP_NAME).map_or_else(
            || entry.problem(Severity::Error, "U446", &*what, NAME_HELP),
            |given| given.error("U446", &*what, NAME_HELP),
        );
        self.report(problem);
    }

    fn provider(&mut self, named: Option<&Origin>, subjects: Subjects) -> Option<Provider> {
        let word = self.keys.value(&global::IDP_PROVIDER);
        let given = self.keys.given(&global::IDP_PROVIDER).filter(|_| word != BUILTIN);
        let domains = self.domains(given);
        let Some(given) = given else { return Some(Provider::Builtin) };
        let Some(kind) = ProviderKind::of(word) else {
            self.report(unknown_provider(given));
            return None;
        };
        self.oidc(given, kind, named, (subjects, domains)).map(Provider::Oidc)
    }

    fn oidc(
        &mut self,
        given: &Given,
        kind: ProviderKind,
        named: Option<&Origin>,
        (subjects, domains): (Subjects, Arc<[Box<str>]>),
    ) -> Option<OidcProvider> {
        let issuer = self.issuer(given, kind);
        let client_id = self.keys.get(&global::IDP_CLIENT_ID);
        if client_id.is_none() {
            self.report(given.error(
                "U415",
                format!("`idp_provider: {}` needs `idp_client_id`", kind.word()),
                "add the id of the client that you made at the provider",
            ));
        }
        let client_secret = self.client_secret();
        let issuer = issuer?;
        let mut provider = OidcProvider {
            scopes: self.scopes(kind, &issuer),
            request_params: self.request_params(kind),
            issuer,
            client_id: client_id?.into(),
            client_secret: client_secret.map(Arc::new),
            kind,
            subjects,
            domains,
            id: Box::default(),
        };
        let authenticate = named.map(Origin::to_string).unwrap_or_default();
        provider.id = id_of(&provider, &authenticate);
        Some(provider)
    }

    fn scopes(&self, kind: ProviderKind, issuer: &str) -> Vec<Box<str>> {
        match self.keys.get(&global::IDP_SCOPES) {
            Some(scopes) => scopes
                .iter()
                .filter(|scope| !scope.text.trim().is_empty())
                .map(|scope| scope.text.trim().into())
                .collect(),
            None => kind.scopes(issuer).iter().map(|scope| (*scope).into()).collect(),
        }
    }

    fn request_params(&self, kind: ProviderKind) -> Vec<(Box<str>, Box<str>)> {
        match self.keys.get(&global::IDP_REQUEST_PARAMS) {
            Some(pairs) => {
                pairs.iter().map(|(name, value)| (name.text.clone(), value.text.clone())).collect()
            }
            None => kind
                .params()
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into()))
                .collect(),
        }
    }

    /// The domains of addresses that count, without which all do.
    fn domains(&mut self, provider: Option<&Given>) -> Arc<[Box<str>]> {
        let Some(given) = self.keys.given(&nested::IDP_DOMAINS) else { return Arc::default() };
        if provider.is_none() {
            self.report(given.error(
                "U449",
                "`domains` has no effect on people of the built-in provider",
                "delete it: you wrote their addresses yourself",
            ));
        }
        let texts = self.keys.value(&nested::IDP_DOMAINS);
        let read = |text: &str| match Host::parse(text.trim().trim_start_matches('@')) {
            Ok(host) if host.as_str().contains('.') => Some(host.as_str().into()),
            Ok(_) | Err(_) => None,
        };
        let domains: Option<Vec<Box<str>>> = texts.iter().map(|text| read(&text.text)).collect();
        let domains = domains.filter(|domains| !domains.is_empty());
        if domains.is_none() {
            self.report(given.error(
                "U449",
                "`domains` holds what is no domain, or nothing",
                "write the part behind the `@`: `- example.com`",
            ));
        }
        domains.unwrap_or_default().into()
    }

    /// The issuer, octet for octet, but for auth0, whose issuers end in a slash.
    fn issuer(&mut self, provider: &Given, kind: ProviderKind) -> Option<Box<str>> {
        if self.keys.given(&global::IDP_PROVIDER_URL).is_none() {
            let issuer = kind.address();
            if issuer.is_none() {
                self.report(provider.error(
                    "U414",
                    format!("`idp_provider: {}` needs `idp_provider_url`", kind.word()),
                    "add the issuer's address, such as `https://HOST/realms/NAME`",
                ));
            }
            return issuer.map(Into::into);
        }
        let url = self.keep_url(&global::IDP_PROVIDER_URL)?;
        Some(match kind {
            ProviderKind::Auth0 if !url.ends_with('/') => format!("{url}/").into(),
            ProviderKind::GitHub => url.trim_end_matches('/').into(),
            _ => url,
        })
    }

    /// A final line end of the file is left out: with it no provider knows the secret.
    fn client_secret(&mut self) -> Option<Secret> {
        let file = self.keys.given(&global::IDP_CLIENT_SECRET_FILE);
        let Some(given) = file else {
            return self
                .keys
                .get(&global::IDP_CLIENT_SECRET)
                .map(|text| Secret::new(text.as_bytes()));
        };
        let read = self.read(given);
        let secret = self.keep(read)?;
        let bytes = secret.expose();
        let is_end = |byte: &u8| !matches!(byte, b'\r' | b'\n');
        let end = bytes.iter().rposition(is_end).map_or(0, |last| last + 1);
        let trimmed = bytes.get(..end).unwrap_or(bytes);
        if trimmed.len() != bytes.len() {
            self.report(given.warning(
                "U416",
                "the file of `idp_client_secret_file` ends in a line end, which is left out",
                "Pomerium takes it for a part of the secret: write the file with `printf %s` to please both",
            ));
        }
        Some(Secret::new(trimmed))
    }
}

fn unknown_provider(given: &Given) -> Problem {
    let name = given.text();
    match name {
        "hosted" => given.error(
            "U413",
            "`idp_provider: hosted` is not supported yet",
            "leave `idp_provider` out and write `authenticate_service_url`, the service's address",
        ),
        _ => given.error(
            "U413",
            format!("`{name}` is no provider that usher knows"),
            "write `oidc` and its `idp_provider_url`, or `builtin` for people in usher's own store",
        ),
    }
}

/// Over all that makes it another one.
pub(super) fn id_of(provider: &OidcProvider, authenticate: &str) -> Box<str> {
    let OidcProvider { issuer, client_id, client_secret, scopes, request_params, .. } = provider;
    let OidcProvider { kind, subjects, domains, .. } = provider;
    let mut parts = vec![kind.word().as_bytes(), issuer.as_bytes(), client_id.as_bytes()];
    parts.push(client_secret.as_ref().map(|secret| secret.expose()).unwrap_or_default());
    parts.extend(scopes.iter().map(|scope| scope.as_bytes()));
    parts.extend(
        request_params.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]),
    );
    parts.push(authenticate.as_bytes());
    parts.extend(domains.iter().map(|domain| domain.as_bytes()));
    if let Subjects::Under(name) = subjects {
        parts.push(name.as_bytes());
    }
    stable_id(&parts, 16)
}

/// `digits` hexadecimal digits over parts, whose borders count.
pub(super) fn stable_id(parts: &[&[u8]], digits: usize) -> Box<str> {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    for part in parts {
        context.update(&part.len().to_le_bytes());
        context.update(part);
    }
    let digest = context.finish();
    let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    hex.get(..digits).unwrap_or(&hex).into()
}
