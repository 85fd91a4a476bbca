use std::{collections::HashMap, sync::Arc};

use super::ProviderKind;
use crate::{secret::Secret, session::SERVICE_ACCOUNTS, signin::OAUTH2_CALLBACK};

/// The id of the built-in provider.
pub const BUILTIN: &str = "builtin";

/// Who tells us who people are: at least one. The config alone fills it (decision 0101).
#[derive(Debug)]
pub struct Providers {
    first: Listed,
    /// `idp_providers`, but for the first of all.
    beside: Vec<Listed>,
    /// For routes with a client of their own.
    own: Vec<Provider>,
    /// Which of those, by [`OwnClient::key`]: each request asks.
    by_client: HashMap<Box<str>, usize, foldhash::fast::FixedState>,
    /// Which of those beside, and then of those, by what sessions remember.
    by_id: HashMap<Box<str>, usize, foldhash::fast::FixedState>,
}

/// One of those that people choose from.
#[derive(Debug)]
pub struct Listed {
    /// What routes and addresses call it.
    pub name: Box<str>,
    /// What people read on its button.
    pub label: Box<str>,
    /// Who it is.
    pub provider: Provider,
}

impl From<Provider> for Listed {
    fn from(provider: Provider) -> Self {
        Self { name: provider.word().into(), label: provider.title().into(), provider }
    }
}

/// Whose word counts on a route that does not take everybody's.
#[derive(Clone, Debug)]
pub enum SignInBy {
    /// The provider's, asked by the route's own client.
    Client(OwnClient),
    /// That of the providers of these names.
    Names(Box<[Box<str>]>),
}

/// The OAuth client of one route (`idp_client_id`, `idp_client_secret`): its sessions are its own.
#[derive(Clone, Debug)]
pub struct OwnClient {
    /// Over both; routes that write the same share their sessions.
    pub key: Box<str>,
    /// `idp_client_id`; the top level's where it is missing.
    pub id: Option<Box<str>>,
    /// `idp_client_secret`; the top level's where it is missing.
    pub secret: Option<Arc<Secret>>,
}

/// Between the ids of several providers, in a link that leaves the choice to a person.
const OR: char = ',';

impl Providers {
    /// `first` is asked by the routes' own clients; `beside` it are others to choose from.
    pub fn new(first: Listed, beside: Vec<Listed>, own: Vec<(Box<str>, Provider)>) -> Self {
        let (keys, own): (Vec<_>, Vec<_>) = own.into_iter().unzip();
        let by_client = keys.into_iter().zip(0..).collect();
        let all = beside.iter().map(|listed| &listed.provider).chain(&own);
        let by_id = all.map(|one| one.id().into()).zip(0..).collect();
        Self { first, beside, own, by_client, by_id }
    }

    /// The first of them.
    pub const fn first(&self) -> &Provider {
        &self.first.provider
    }

    /// Those that people choose from.
    pub fn listed(&self) -> impl Iterator<Item = &Listed> {
        std::iter::once(&self.first).chain(&self.beside)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Provider> {
        let listed = self.listed().map(|listed| &listed.provider);
        listed.chain(&self.own)
    }

    /// Who is asked for such a route; for one that says nothing, whoever people choose.
    pub fn asked_by<'a>(&'a self, by: Option<&'a SignInBy>) -> impl Iterator<Item = &'a Provider> {
        let (own, names) = match by {
            None => (None, None),
            Some(SignInBy::Names(names)) => (None, Some(names)),
            Some(SignInBy::Client(client)) => {
                (self.by_client.get(&client.key).and_then(|at| self.own.get(*at)), None)
            }
        };
        let listed = self.listed().filter(move |listed| {
            own.is_none() && names.is_none_or(|names| names.contains(&listed.name))
        });
        own.into_iter().chain(listed.map(|listed| &listed.provider))
    }

    /// The same as it travels in a link: the ids of all of them.
    pub fn ids_asked_by(&self, by: Option<&SignInBy>) -> String {
        let ids: Vec<&str> = self.asked_by(by).map(Provider::id).collect();
        ids.join(&OR.to_string())
    }

    /// Whom such a link names; nobody who is not asked any more.
    pub fn of_ids(&self, ids: &str) -> Vec<&Provider> {
        ids.split(OR).filter_map(|id| self.of(id)).collect()
    }

    /// Do sessions that came from the provider of this id count on such a route? Those of service
    /// accounts came from none, and count on each.
    pub fn counts_on(&self, by: Option<&SignInBy>, id: &str) -> bool {
        id == SERVICE_ACCOUNTS || self.asked_by(by).any(|provider| provider.id() == id)
    }

    /// Where the provider of this id sends browsers back to. Each but the first has an address of its
    /// own, so that a code of one is never shown to another (mix-up, RFC 9700 §4.4.2): not all of them
    /// name themselves.
    pub fn callback_path(&self, id: &str) -> String {
        let beside = self.by_id.get(id).and_then(|at| self.beside.get(*at));
        beside.map_or_else(
            || OAUTH2_CALLBACK.into(),
            |listed| format!("{OAUTH2_CALLBACK}/{}", listed.name),
        )
    }

    /// Is it such an address?
    pub fn is_callback_path(&self, path: &str) -> bool {
        let Some(rest) = path.strip_prefix(OAUTH2_CALLBACK) else { return false };
        let outside = |listed: &Listed| listed.provider.oidc().is_some();
        let named = rest.strip_prefix('/').and_then(|name| {
            self.beside.iter().find(|listed| *listed.name == *name && outside(listed))
        });
        rest.is_empty() || named.is_some()
    }

    /// The one that a session or a sign-in under way came from; `None` when it is no longer asked,
    /// and then its sessions are void.
    pub fn of(&self, id: &str) -> Option<&Provider> {
        if self.first().id() == id {
            return Some(self.first());
        }
        let at = *self.by_id.get(id)?;
        let beside = self.beside.get(at).map(|listed| &listed.provider);
        beside.or_else(|| self.own.get(at.checked_sub(self.beside.len())?))
    }
}

/// Who tells us who somebody is, and what it can do. Its kind is asked for here, and where the
/// sign-in room finds how to speak with it; nowhere else.
#[derive(Debug)]
pub enum Provider {
    /// The built-in provider: people in our own store.
    Builtin,
    /// Any OpenID Connect provider.
    Oidc(OidcProvider),
    /// An authenticate service of somebody else's, spoken with over browsers
    /// ([`crate::signin::hosted`]).
    Hosted(HostedService),
}

impl Provider {
    /// The id that sessions remember: one from another provider is void.
    pub fn id(&self) -> &str {
        match self {
            Self::Builtin => BUILTIN,
            Self::Oidc(provider) => &provider.id,
            Self::Hosted(service) => &service.id,
        }
    }

    /// The same by the client of a route; `None` where nobody is asked by one.
    pub(super) fn by(
        &self,
        client: &OwnClient,
        id: impl FnOnce(&OidcProvider) -> Box<str>,
    ) -> Option<Self> {
        let usual = self.oidc()?;
        let mut own = OidcProvider {
            issuer: usual.issuer.clone(),
            client_id: client.id.clone().unwrap_or_else(|| usual.client_id.clone()),
            client_secret: client.secret.clone().or_else(|| usual.client_secret.clone()),
            secret_key: usual.secret_key.clone().filter(|_| client.secret.is_none()),
            scopes: usual.scopes.clone(),
            request_params: usual.request_params.clone(),
            kind: usual.kind,
            subjects: usual.subjects.clone(),
            domains: usual.domains.clone(),
            id: Box::default(),
        };
        own.id = id(&own);
        Some(Self::Oidc(own))
    }

    /// What its config calls it, where it has no other name.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Builtin => BUILTIN,
            Self::Oidc(provider) => provider.kind.word(),
            Self::Hosted(_) => "hosted",
        }
    }

    /// What people read of it, where the config does not say: the host, of one without a name.
    pub fn title(&self) -> String {
        let title = self.oidc().and_then(|provider| provider.kind.title());
        let host = |address: &str| {
            let url = url::Url::parse(address).ok()?;
            url.host_str().map(str::to_owned)
        };
        let host = || self.address().and_then(host).unwrap_or_default();
        title.map_or_else(host, str::to_owned)
    }

    /// What operators read of it.
    pub fn name(&self) -> &str {
        match self {
            Self::Builtin => "built-in",
            Self::Oidc(provider) => &provider.issuer,
            Self::Hosted(_) => "hosted",
        }
    }

    /// Where people sign in; `None` for a page of our own.
    pub fn address(&self) -> Option<&str> {
        match self {
            Self::Builtin => None,
            Self::Oidc(provider) => Some(&provider.issuer),
            Self::Hosted(service) => Some(&service.address),
        }
    }

    /// Does it sign people in on an authenticate host of ours?
    pub const fn signs_in_here(&self) -> bool {
        match self {
            Self::Builtin | Self::Oidc(_) => true,
            Self::Hosted(_) => false,
        }
    }

    /// What it is asked in OpenID Connect, where it speaks that.
    pub const fn oidc(&self) -> Option<&OidcProvider> {
        match self {
            Self::Oidc(provider) => Some(provider),
            Self::Builtin | Self::Hosted(_) => None,
        }
    }
}

/// An authenticate service of somebody else's: it is at [`SignIn::authenticate`](super::SignIn).
#[derive(Debug)]
pub struct HostedService {
    /// What we ask for as `pomerium_idp_id`: stable, and another one for another service, whose
    /// sessions are then void.
    pub id: Box<str>,
    /// Its origin.
    pub address: Box<str>,
}

/// How to reach an OpenID Connect provider (`idp_*`).
#[derive(Debug)]
pub struct OidcProvider {
    /// Issuer, octet for octet (OIDC Discovery §4.3).
    pub issuer: Box<str>,
    /// `idp_client_id`.
    pub client_id: Box<str>,
    /// `idp_client_secret`, from file or inline.
    pub client_secret: Option<Arc<Secret>>,
    /// Whose key that is, where it is one that secrets are signed with.
    pub secret_key: Option<SecretKey>,
    /// `idp_scopes`, or what its kind is asked.
    pub scopes: Vec<Box<str>>,
    /// `idp_request_params`.
    pub request_params: Vec<(Box<str>, Box<str>)>,
    /// What it does otherwise than OpenID Connect says.
    pub kind: ProviderKind,
    /// How its people are told from those of others.
    pub subjects: Subjects,
    /// The domains of the addresses that it is asked about; empty for all.
    pub domains: Arc<[Box<str>]>,
    /// A stable id over all of the above: a changed provider makes its sessions void.
    pub id: Box<str>,
}

/// A private key of Apple's, with which a client signs its secrets: each is good for half a year at
/// most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretKey {
    /// `idp_apple_team_id`: whose it is.
    pub team: Box<str>,
    /// `idp_apple_key_id`: which of theirs.
    pub id: Box<str>,
}

/// How the people of one provider are told from those of another: a subject is somebody at one issuer
/// only (OIDC Core §2).
#[derive(Clone, Debug)]
pub enum Subjects {
    /// A subject is the id of the person, unless it begins as those of the others do: with one of
    /// these names and a `/`.
    Plain {
        /// The names of providers beside this one.
        others: Arc<[Box<str>]>,
    },
    /// The id of the person is this name, a `/`, and the subject.
    Under(Box<str>),
}

impl Default for Subjects {
    fn default() -> Self {
        Self::Plain { others: Arc::default() }
    }
}

impl Subjects {
    /// The id of somebody; `None` for a subject that would be taken for one of another provider.
    pub fn person_id(&self, subject: &str) -> Option<Box<str>> {
        match self {
            Self::Under(name) => Some(format!("{name}/{subject}").into()),
            Self::Plain { others } => {
                let named = subject.split_once('/').map(|(name, _)| name);
                let is_theirs = named.is_some_and(|named| others.iter().any(|one| **one == *named));
                (!is_theirs).then(|| subject.into())
            }
        }
    }
}
