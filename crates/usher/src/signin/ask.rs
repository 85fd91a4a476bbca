use std::{net::IpAddr, sync::Arc};

use http::{HeaderMap, Method};
use usher_pages::{Contact, Language, Receipt};
use usher_rules::{
    fields::{Preference, Reader, error_form, reader},
    names::Origin,
    plan::{Listed, Plan, Provider, Route},
    policy::ClientCertificate,
    signin::{Params, ParamsError, param},
    time::{Now, UnixTime},
};

use crate::request::{
    OwnRequest,
    identify::{Identity, LiveSession},
    reader_language,
};

/// A request for one of our pages, with what every page asks about it.
pub(super) struct Ask {
    request: OwnRequest,
    host: String,
    /// Who is known at the authenticate host, as it was when the request came.
    pub(super) here: Option<Arc<LiveSession>>,
}

impl Ask {
    pub(super) fn new(request: OwnRequest) -> Self {
        let host = request.authority.to_string();
        Self { request, host, here: None }
    }

    /// Who is known at the authenticate host: by its own cookie, and by nothing else.
    pub(super) fn known_here(&self) -> Option<Arc<LiveSession>> {
        self.here.as_ref().filter(|live| !live.is_ended()).cloned()
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.request.plan
    }

    pub(super) const fn plan_in_force(&self) -> &Arc<Plan> {
        &self.request.plan
    }

    pub(super) const fn head(&self) -> &http::request::Parts {
        &self.request.head
    }

    pub(super) const fn method(&self) -> &Method {
        &self.request.head.method
    }

    /// The canonical path: what is compared with our own paths.
    pub(super) fn path(&self) -> &str {
        self.request.path.wire()
    }

    pub(super) fn query(&self) -> &str {
        self.request.head.uri.query().unwrap_or_default()
    }

    /// `path` with this request's query.
    pub(super) fn with_query(&self, path: &str) -> String {
        match self.query() {
            "" => path.into(),
            query => format!("{path}?{query}"),
        }
    }

    /// At a route's host: who may say there who somebody is, as a link has it.
    pub(super) fn provider_ids(&self) -> String {
        let by = self.signs_in_for().and_then(|route| route.sign_in_by.as_ref());
        self.plan().sign_in.providers.ids_asked_by(by)
    }

    /// At the authenticate host: who may say who somebody is, where the link says so; nobody where it
    /// does not, or by names of before a reload. Whether it was signed is found out elsewhere.
    pub(super) fn wanted_providers(&self) -> Vec<&Provider> {
        let params = Params::parse(self.query()).unwrap_or_default();
        self.plan().sign_in.providers.of_ids(params.text(param::IDP_ID).unwrap_or_default())
    }

    /// At the authenticate host: whom a person may choose from.
    pub(super) fn choices(&self) -> Vec<&Listed> {
        let wanted = self.wanted_providers();
        let is_wanted = |listed: &&Listed| {
            wanted.is_empty() || wanted.iter().any(|one| one.id() == listed.provider.id())
        };
        self.plan().sign_in.providers.listed().filter(is_wanted).collect()
    }

    pub(super) const fn fields(&self) -> &HeaderMap {
        &self.request.head.headers
    }

    /// What was posted.
    pub(super) fn body(&self) -> &[u8] {
        &self.request.body
    }

    /// A posted form as it came; empty when it is no text.
    pub(super) fn form_text(&self) -> &str {
        std::str::from_utf8(&self.request.body).unwrap_or_default()
    }

    /// The fields of a posted form.
    pub(super) fn form(&self) -> Result<Params, ParamsError> {
        let text = std::str::from_utf8(&self.request.body).map_err(|_| ParamsError::BadEncoding)?;
        Params::parse(text)
    }

    /// The authority as it was asked for, for words.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn origin(&self) -> Origin {
        Origin::of(&self.request.authority)
    }

    pub(super) const fn authority(&self) -> &usher_rules::names::Authority {
        &self.request.authority
    }

    /// Did it come to the host that signs people in? Ports don't count: cookies don't know them,
    /// and one may be mapped on the way.
    pub(super) fn at_authenticate(&self) -> bool {
        self.plan().sign_in.is_at(&self.request.authority.host)
    }

    /// Do providers send people back there?
    pub(super) fn is_oauth2_callback(&self, path: &str) -> bool {
        self.at_authenticate() && self.plan().sign_in.providers.is_callback_path(path)
    }

    /// Do people sign in at somebody else's service?
    pub(super) fn is_hosted(&self) -> bool {
        self.plan().sign_in.own().is_none()
    }

    /// The authenticate host as this browser reaches it: under the port that it came by, if it is
    /// here already.
    pub(super) fn authenticate(&self) -> Origin {
        if self.at_authenticate() {
            self.origin()
        } else {
            self.plan().sign_in.authenticate.clone()
        }
    }

    pub(super) const fn identity(&self) -> &Identity {
        &self.request.identity
    }

    pub(super) const fn source(&self) -> IpAddr {
        self.request.source
    }

    /// What the client's certificate is worth to a route.
    pub(super) fn certificate(&self, route: &Route) -> ClientCertificate<'_> {
        self.request.presented.standing(route.client_trust.as_ref(), self.wall())
    }

    /// The first route of this host, if any.
    pub(super) fn route(&self) -> Option<&Route> {
        self.request.route.as_deref()
    }

    /// The route that somebody signs in for here: a tunnel, where the host has no pages.
    pub(super) fn signs_in_for(&self) -> Option<&Route> {
        let tunnel = || self.plan().tunnel_signing_in_at(self.authority()).map(|route| &**route);
        self.route().or_else(tunnel)
    }

    pub(super) const fn visitor(&self) -> IpAddr {
        self.request.visitor
    }

    pub(super) fn request_id(&self) -> &str {
        &self.request.request_id
    }

    pub(super) const fn now(&self) -> Now {
        self.request.now
    }

    pub(super) const fn wall(&self) -> UnixTime {
        self.request.now.wall
    }

    pub(super) fn receipt(&self) -> Receipt<'_> {
        let (at_seconds, language) = (self.wall().seconds(), self.language());
        Receipt { request_id: self.request_id(), at_seconds, language }
    }

    /// In which language they read our pages.
    pub(super) fn language(&self) -> Language {
        reader_language(self.fields())
    }

    /// Whom to ask, where the operator says.
    pub(super) fn contact(&self) -> Option<Contact<'_>> {
        self.plan().contact.as_deref().map(Contact)
    }

    /// Who reads the answer. The forms of our own pages are posted by people, so that a method
    /// speaks of no program.
    pub(super) fn reader(&self) -> Reader {
        reader(&Method::GET, self.fields())
    }

    /// In which form an error is read.
    pub(super) fn preference(&self) -> Preference {
        error_form(self.reader(), self.fields())
    }

    /// `cookie_name`: what the names of all our cookies have in them.
    pub(super) fn cookie_name(&self) -> &str {
        &self.plan().cookie.name
    }

    /// The name of the session cookie with which the authenticate host itself knows somebody.
    pub(super) fn authenticate_cookie_name(&self) -> String {
        format!("{}_authenticate", self.plan().cookie.host_name)
    }
}
