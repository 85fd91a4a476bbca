use std::{collections::HashMap, sync::Arc};

use crate::secret::Secret;

/// The id of the built-in provider.
pub const BUILTIN: &str = "builtin";

/// Who tells us who people are: at least one.
#[derive(Debug)]
pub struct Providers {
    first: Provider,
    /// For routes with a client of their own.
    others: Vec<Provider>,
    /// Which of them, by [`OwnClient::key`]: each request asks.
    by_client: HashMap<Box<str>, usize, foldhash::fast::RandomState>,
    /// Which of them, by what sessions remember.
    by_id: HashMap<Box<str>, usize, foldhash::fast::RandomState>,
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

impl Providers {
    /// `first` is asked where nothing says which, the others by [`OwnClient::key`].
    pub fn new(first: Provider, others: Vec<(Box<str>, Provider)>) -> Self {
        let (keys, others): (Vec<_>, Vec<_>) = others.into_iter().unzip();
        let by_client = keys.into_iter().zip(0..).collect();
        let by_id = others.iter().map(|one| one.id().into()).zip(0..).collect();
        Self { first, others, by_client, by_id }
    }

    /// Who is asked where nothing says which.
    pub const fn first(&self) -> &Provider {
        &self.first
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Provider> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// Who is asked for a route with this client; for one without, who is asked usually.
    pub fn asked_by(&self, own: Option<&OwnClient>) -> &Provider {
        let known = own.and_then(|own| self.by_client.get(&own.key));
        known.and_then(|at| self.others.get(*at)).unwrap_or(&self.first)
    }

    /// Do sessions that came from the provider of this id count on a route with this client?
    pub fn counts_on(&self, own: Option<&OwnClient>, id: &str) -> bool {
        self.asked_by(own).id() == id
    }

    /// The one that a session or a sign-in under way came from; `None` when it is no longer asked,
    /// and then its sessions are void.
    pub fn of(&self, id: &str) -> Option<&Provider> {
        if self.first.id() == id {
            return Some(&self.first);
        }
        self.by_id.get(id).and_then(|at| self.others.get(*at))
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
            scopes: usual.scopes.clone(),
            request_params: usual.request_params.clone(),
            id: Box::default(),
        };
        own.id = id(&own);
        Some(Self::Oidc(own))
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
    /// `idp_scopes`, or the default `openid profile email`.
    pub scopes: Vec<Box<str>>,
    /// `idp_request_params`.
    pub request_params: Vec<(Box<str>, Box<str>)>,
    /// A stable id over all of the above: a changed provider makes its sessions void.
    pub id: Box<str>,
}
