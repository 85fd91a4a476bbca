//! Apps that ask us who somebody is.

use super::Compiler;
use crate::{
    config::{
        Given, Section,
        keys::{global, nested},
    },
    plan::{
        ClientLogout, ClientSecret, LogoutNames, OpenIdClient, RedirectUri, Scope, Scopes, SignIn,
    },
    policy::{LegacyAllow, Policy},
    problem::{Severity, Span},
};

/// Longest `id`, in octets.
const LONGEST_ID: usize = 128;

/// A shorter secret can be found by trying.
const SHORTEST_SECRET: usize = 16;

impl Compiler<'_> {
    /// None where a problem was found.
    pub(super) fn openid_clients(&mut self, sign_in: Option<&SignIn>) -> Vec<OpenIdClient> {
        let entries = self.keys.value(&global::OPENID_CLIENTS);
        let is_here = sign_in.is_none_or(|sign_in| {
            sign_in.own().is_some() && sign_in.dedicated_host && sign_in.service.is_none()
        });
        if let Some(given) = self.keys.given(&global::OPENID_CLIENTS).filter(|_| !is_here) {
            self.report(given.error(
                "U562",
                "`openid_clients` needs a host that is for signing in alone, and ours",
                "write `authenticate_service_url: https://login.DOMAIN`, a host that points to \
                 usher and that no route has: apps ask it who somebody is",
            ));
        }
        let mut clients: Vec<OpenIdClient> = Vec::new();
        for entry in entries {
            let mut found = Vec::new();
            let mut one = Compiler { keys: entry, files: self.files, problems: &mut found };
            let client = one.openid_client(&clients);
            clients.extend(client);
            self.problems.append(&mut found);
        }
        clients
    }

    fn openid_client(&mut self, before: &[OpenIdClient]) -> Option<OpenIdClient> {
        let id = self.openid_id(before);
        let secret = self.openid_secret();
        let redirect_uris = self.redirect_uris();
        let post_logout_redirect_uris = self.post_logout_redirect_uris();
        let logout = self.client_logout();
        let scopes = self.openid_scopes();
        let policy = self.openid_policy();
        let (id, secret, redirect_uris) = (id?, secret?, redirect_uris?);
        Some(OpenIdClient {
            id,
            secret,
            redirect_uris,
            post_logout_redirect_uris,
            logout,
            scopes,
            policy,
        })
    }

    fn openid_id(&mut self, before: &[OpenIdClient]) -> Option<Box<str>> {
        let help = "write `id: NAME` with letters, digits, `-`, `_`, `.`, another for each client";
        let Some(given) = self.keys.given(&nested::OPENID_ID) else {
            let problem =
                self.keys.problem(Severity::Error, "U563", "this client has no `id`", help);
            self.report(problem);
            return None;
        };
        let id = given.text();
        let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
        let is_word = (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(plain);
        let what = match (is_word, before.iter().any(|other| *other.id == *id)) {
            (true, false) => return Some(id.into()),
            (false, _) => format!("`{id}` can't be the id of a client"),
            (true, true) => format!("two clients are called `{id}`"),
        };
        self.report(given.error("U563", what, help));
        None
    }

    /// The digest of it; of a final line end in its file nothing is left.
    #[expect(clippy::option_option, reason = "none was given, or a problem was found")]
    fn openid_secret(&mut self) -> Option<Option<ClientSecret>> {
        let in_file = self.keys.given(&nested::OPENID_SECRET_FILE);
        let Some(given) = in_file.or_else(|| self.keys.given(&nested::OPENID_SECRET)) else {
            return Some(None);
        };
        let text = match in_file {
            Some(given) => {
                let read = self.read(given);
                self.keep(read)?.expose().trim_ascii_end().to_vec()
            }
            None => given.text().as_bytes().to_vec(),
        };
        let digest = text.strip_prefix(ClientSecret::DIGEST.as_bytes());
        let secret = match digest {
            Some(hex) => std::str::from_utf8(hex).ok().and_then(ClientSecret::from_hex),
            None => (text.len() >= SHORTEST_SECRET).then(|| ClientSecret::of(&text)),
        };
        if secret.is_none() {
            let what = match digest {
                Some(_) => "what follows `sha256:` is no digest: 64 hexadecimal digits",
                None => "this client's secret has less than 16 characters: it could be guessed",
            };
            let help = "make one with `openssl rand -hex 32`; its digest with \
                        `printf %s SECRET | sha256sum`";
            self.report(given.error("U564", what, help));
        }
        secret.map(Some)
    }

    fn redirect_uris(&mut self) -> Option<Vec<RedirectUri>> {
        let help = "write the address that the app shows or documents, such as \
                    `- https://photos.DOMAIN/auth/callback`";
        let Some(given) = self.keys.given(&nested::OPENID_REDIRECT_URIS) else {
            let what = "this client has no `redirect_uris`: nobody could come back to it";
            let problem = self.keys.problem(Severity::Error, "U565", what, help);
            self.report(problem);
            return None;
        };
        let mut uris = Vec::new();
        for text in self.keys.value(&nested::OPENID_REDIRECT_URIS) {
            match RedirectUri::parse(&text.text) {
                Ok(uri) => uris.push(uri),
                Err(error) => {
                    let what = format!("`{}` can't be one of `redirect_uris`: {error}", text.text);
                    self.problems.push(given.error("U565", what, help));
                }
            }
        }
        (!uris.is_empty()).then_some(uris)
    }

    fn post_logout_redirect_uris(&mut self) -> Vec<Box<str>> {
        let Some(given) = self.keys.given(&nested::OPENID_POST_LOGOUT_REDIRECT_URIS) else {
            return Vec::new();
        };
        let mut uris = Vec::new();
        for text in self.keys.value(&nested::OPENID_POST_LOGOUT_REDIRECT_URIS) {
            if let Err(error) = RedirectUri::parse(&text.text) {
                let what =
                    format!("`{}` can't be one of `post_logout_redirect_uris`: {error}", text.text);
                let help = "write the page of the app to which people return, with `https://`";
                self.problems.push(given.error("U565", what, help));
            }
            uris.push(text.text.clone());
        }
        uris
    }

    fn client_logout(&mut self) -> Option<ClientLogout> {
        let given = self.keys.given(&nested::OPENID_LOGOUT_URI)?;
        let names = match self.keys.value(&nested::OPENID_LOGOUT_SESSION_REQUIRED) {
            true => LogoutNames::Session,
            false => LogoutNames::Person,
        };
        match ClientLogout::parse(given.text(), names) {
            Ok(logout) => Some(logout),
            Err(error) => {
                let what = format!("`{}` can't be `backchannel_logout_uri`: {error}", given.text());
                let help = "write the address that the app documents for back-channel logout, \
                            with `https://`";
                self.report(given.error("U558", what, help));
                None
            }
        }
    }

    fn openid_scopes(&mut self) -> Scopes {
        let Some(given) = self.keys.given(&nested::OPENID_SCOPES) else {
            return Scopes::parse("openid profile email groups");
        };
        let words = self.keys.value(&nested::OPENID_SCOPES);
        let is_known = |word: &str| Scope::ALL.iter().any(|(known, _)| *known == word);
        let strange = words.iter().find(|word| !is_known(&word.text));
        let strange = strange.map(|word| {
            let known = Scope::ALL.map(|(known, _)| known).join(", ");
            let what = format!("`{}` is no scope that usher knows", word.text);
            given.error("U563", what, format!("write some of these: {known}"))
        });
        self.problems.extend(strange);
        Scopes::of(words.iter().map(|word| &*word.text).chain(["openid"]))
    }

    fn openid_policy(&mut self) -> Policy {
        let any_authenticated = self.keys.value(&nested::OPENID_ANY_USER);
        let policy = self.keys.given(&nested::OPENID_POLICY);
        if policy.is_none() && !any_authenticated {
            let what = "nobody may sign in to this client: it has no `policy`";
            let help = "add a `policy`, or `allow_any_authenticated_user: true`";
            let problem = self.keys.problem(Severity::Warning, "U563", what, help);
            self.report(problem);
        }
        let legacy = LegacyAllow { span: self.begin(), any_authenticated, ..Default::default() };
        Policy::compile(&legacy, policy.map(|given: &Given| &given.node), self.problems)
    }

    fn begin(&self) -> Span {
        let Section { at, .. } = self.keys;
        at.start..at.start
    }
}
