use std::{net::IpAddr, sync::Arc};

use ipnet::IpNet;

use crate::{
    jellyfin::{Door, TokenHash},
    policy::Policy,
    secret::Secret,
};

/// A route's `jellyfin`.
#[derive(Debug)]
pub struct Jellyfin {
    /// `api_key`: what usher itself may ask the server with.
    pub api_key: Option<Secret>,
    /// `grants`: does a request with a token open to its network what apps ask without one?
    pub grants: bool,
    /// `user_claim`: the claim that names somebody's user there; `None`: their address does.
    pub user_claim: Option<Box<str>>,
    /// Which user of the server somebody is.
    pub people: JellyfinPeople,
    /// `base_path`, without a slash at its end; empty for most.
    pub base_path: Box<str>,
    /// Every server that the route leads to, with that behind it; the first one is asked.
    pub servers: Vec<Box<str>>,
    /// The same base path, in small letters of ASCII: what lets in is compared with it.
    pub small_base: Box<str>,
    /// The same, folded ([`crate::names::fold_case`]): what keeps out is.
    pub folded_base: Box<str>,
    /// `open`: what is closed elsewhere, and not here.
    pub open: Vec<Door>,
    /// `admin_policy`: who looks after the server; nobody where there is none.
    pub admin_policy: Option<Arc<Policy>>,
    /// `services`.
    pub services: Vec<Service>,
    /// `pairing`.
    pub passwords: PasswordSignIn,
    /// `legacy_clients`.
    pub legacy_clients: LegacyClients,
    /// Keys of the route that have another default here, and that nobody wrote.
    pub unasked: Vec<&'static str>,
}

/// Who is whom at the server.
#[derive(Debug)]
pub struct JellyfinPeople {
    /// `sign_in`: are people who are signed in seated in the web client?
    pub sign_in: bool,
    /// `create_users`: does somebody get a user who has none?
    pub create: bool,
    /// `admin_groups`: who may have an administrator's user.
    pub admin_groups: Vec<Box<str>>,
    /// `libraries`; none: the server's own setting counts.
    pub libraries: Vec<GroupLibraries>,
}

/// What people in a group see.
#[derive(Debug)]
pub struct GroupLibraries {
    /// The group.
    pub group: Box<str>,
    /// The libraries, as the server calls them.
    pub names: Vec<Box<str>>,
}

/// A program that may use an API key.
#[derive(Debug)]
pub struct Service {
    /// Of its key.
    pub key: TokenHash,
    /// Each a path, or with `/*` at the end all that is below one; in small letters.
    pub paths: Vec<Box<str>>,
    /// From where it asks.
    pub addresses: Vec<IpNet>,
}

/// What becomes of an app that signs in by name and password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordSignIn {
    /// It gets nothing.
    Shut,
    /// It waits until somebody says yes to it; what was typed proves nothing.
    Held,
}

/// What becomes of the forms of credentials, and of paths, that servers of version 12 dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegacyClients {
    /// They go on as they are.
    Keep,
    /// They are written as every server reads them.
    Translate,
}

impl Jellyfin {
    /// The name of what knows it from inside.
    pub const APP: &'static str = "jellyfin";
}

impl Service {
    /// May it ask from there?
    pub fn is_at(&self, source: IpAddr) -> bool {
        self.addresses.iter().any(|range| range.contains(&source.to_canonical()))
    }
}
