//! What of a Jellyfin's paths is asked of us.

use http::{Method, header};
use usher_rules::{jellyfin::Opening, names::Origin, plan::Jellyfin, signin::same_origin};

use crate::request::{Answers, AppRequest};

/// Where people say yes to apps. Jellyfin has nothing there.
pub(super) const PAGE: &str = "/link";
/// Octets of a body with a secret, or of a form.
pub(super) const SMALL: usize = 4096;

/// What is asked of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Enabled,
    Initiate,
    Connect,
    Exchange,
    /// A name and a password.
    SignIn,
    Authorize,
    Page,
}

impl Asked {
    /// Servers read paths without their case.
    pub(super) fn of(asked: AppRequest<'_>) -> Option<Self> {
        let settings = asked.route.jellyfin.as_deref()?;
        if !asked.path.other_readings().is_empty() {
            return None;
        }
        let path = asked.path.small();
        if path == PAGE {
            return Some(Self::Page);
        }
        let path = path.strip_prefix(&*settings.small_base).unwrap_or(&path);
        let old = ["/emby", "/mediabrowser"].iter().find_map(|old| path.strip_prefix(old));
        let path = old.filter(|rest| rest.starts_with('/')).unwrap_or(path);
        let path = path.strip_suffix('/').unwrap_or(path);
        let method = &asked.head.method;
        let (gets, posts) = (*method == Method::GET, *method == Method::POST);
        match path {
            "/quickconnect/enabled" if gets => Some(Self::Enabled),
            "/quickconnect/initiate" if gets || posts => Some(Self::Initiate),
            "/quickconnect/connect" if gets => Some(Self::Connect),
            "/users/authenticatewithquickconnect" if posts => Some(Self::Exchange),
            "/users/authenticatebyname" if posts => Some(Self::SignIn),
            "/quickconnect/authorize" if posts => Some(Self::Authorize),
            _ => None,
        }
    }
}

/// Does a page of another site ask? Whatever is open in the house would wait in its network, and
/// would read the token. Apps are no pages; the files of one that is packed into a television say
/// `file://`, which no site can.
pub(super) fn is_of_another_site(asked: AppRequest<'_>) -> bool {
    let fields = &asked.head.headers;
    let mut origins = fields.get_all(header::ORIGIN).iter();
    let is_packed = origins.next().is_some_and(|origin| origin == "file://");
    let is_packed = is_packed && origins.next().is_none();
    !is_packed && same_origin(fields, &Origin::of(asked.authority)).is_err()
}

/// Without a key nobody can be let in, and the server's own is shut.
pub(super) fn answered_here(opening: Opening, asked: AppRequest<'_>) -> Answers {
    let settings = asked.route.jellyfin.as_deref();
    let Some(settings) = settings.filter(|it| it.api_key.is_some()) else {
        return Answers::Upstream;
    };
    match (opening, Asked::of(asked)) {
        (Opening::Password, Some(Asked::SignIn)) if keeps_own_sign_in(settings, asked) => {
            Answers::Upstream
        }
        (Opening::QuickConnect | Opening::Password, Some(_)) => Answers::Own { at_most: SMALL },
        _ => Answers::Upstream,
    }
}

/// Somebody who is signed in in a browser, where the web client is left as it is.
fn keeps_own_sign_in(settings: &Jellyfin, asked: AppRequest<'_>) -> bool {
    let session = asked.identity.session().map(|live| live.session());
    let is_browser = session.is_some_and(|it| !it.is_of_program() && it.app.is_none());
    is_browser && !settings.people.sign_in
}
