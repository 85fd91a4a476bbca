//! Where a library is: as its people know it, and what is behind that.

use usher_rules::plan::Route;

use crate::request::AppRequest;

/// One library, by either of its sides. Servers move, and two hosts may lead to one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    /// What leads there, where a request does.
    pub route: Option<&'a Route>,
    /// The host that was asked.
    pub host: &'a str,
    /// What is in front of its paths.
    pub base: &'a str,
}

impl Place<'_> {
    /// Was an app let in here, by what was written down of it?
    pub(super) fn has(&self, server: &str, host: &str) -> bool {
        host.strip_prefix(self.host).is_some_and(|base| base == self.base)
            || self.route.is_some_and(|route| servers_of(route).iter().any(|one| **one == *server))
    }
}

/// Where a request is.
pub(super) fn place_of(asked: AppRequest<'_>) -> Place<'_> {
    let base = asked.route.jellyfin.as_deref().map_or("", |settings| &settings.base_path);
    Place { route: Some(asked.route), host: asked.authority.host.as_str(), base }
}

/// The host that was asked, with what is in front of the library's paths.
pub(super) fn host_of(asked: AppRequest<'_>) -> Box<str> {
    let base = asked.route.jellyfin.as_deref().map_or("", |settings| &settings.base_path);
    format!("{}{base}", asked.authority.host).into()
}

/// Every server of a route, the first one first; none where the route leads to no Jellyfin.
pub(super) fn servers_of(route: &Route) -> &[Box<str>] {
    route.jellyfin.as_deref().map_or(&[], |settings| &settings.servers)
}

/// The one that is asked, and by which pairings are told apart.
pub(super) fn server_of(route: &Route) -> Option<&str> {
    servers_of(route).first().map(AsRef::as_ref)
}

/// Does a route lead to where an app was?
pub(super) fn leads_to(route: &Route, server: &str, host: &str) -> bool {
    let Some(settings) = route.jellyfin.as_deref() else { return false };
    let name = host.strip_suffix(&*settings.base_path);
    name.is_some_and(|name| !name.is_empty() && route.from.takes_host(name))
        || servers_of(route).iter().any(|one| **one == *server)
}
