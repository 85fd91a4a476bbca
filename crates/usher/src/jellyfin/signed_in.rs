//! An app that knows only a name and a password signs in with an app password.
//!
//! Its session's id is the password's: whoever ends one ends the other, in one commit, and a device
//! that signs in again replaces its session. No password of the server's own is ever passed on.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use usher_rules::{
    app_passwords::AppOnDevice,
    jellyfin::{NameAndPassword, Tried, pairing::AppNames},
    plan::{BUILTIN, Jellyfin, PasswordSignIn},
    session::{LetInBy, Means, SessionId, SignedIn},
    signin::member_signs_in,
    time::UnixTime,
};

use super::{
    api::NotDone,
    asked::is_of_another_site,
    bound::BOUND_FOR,
    by_password::Known,
    let_in::bound_app,
    not_let_in::NotLetIn,
    pairing::{Pairing, failed, names, of_type},
    people::name_of,
    place::host_of,
};
use crate::request::{
    AppRequest, Body, EventName, Named,
    identify::{LiveSession, StoreError},
};

/// Why an app was not signed in.
#[derive(Debug, thiserror::Error)]
enum NotSignedIn {
    /// As a wrong password is answered, whatever it was.
    #[error("{0}")]
    Wrong(&'static str),
    /// The route's policy does not let its owner in.
    #[error("the policy of the route does not let them in")]
    Denied,
    /// The password is good, and no token was made.
    #[error(transparent)]
    NotLetIn(#[from] NotLetIn),
}

impl From<StoreError> for NotSignedIn {
    fn from(error: StoreError) -> Self {
        Self::NotLetIn(error.into())
    }
}

impl From<NotDone> for NotSignedIn {
    fn from(error: NotDone) -> Self {
        Self::NotLetIn(error.into())
    }
}

impl NotSignedIn {
    /// As the server answers it.
    const fn status(&self) -> StatusCode {
        match self {
            Self::Wrong(_) => StatusCode::UNAUTHORIZED,
            Self::Denied => StatusCode::FORBIDDEN,
            Self::NotLetIn(NotLetIn::NotDone(NotDone::Disabled | NotDone::Administrator)) => {
                StatusCode::FORBIDDEN
            }
            Self::NotLetIn(NotLetIn::NoName | NotLetIn::Taken | NotLetIn::NotKnown) => {
                StatusCode::FORBIDDEN
            }
            Self::NotLetIn(_) => StatusCode::BAD_GATEWAY,
        }
    }
}

impl Pairing {
    /// Answers as the server would, and a wrong password of whatever kind as it does.
    pub(super) async fn sign_in(
        &self,
        asked: AppRequest<'_>,
        server: &str,
        body: &[u8],
    ) -> Response<Body> {
        let (Some(app), Ok(given)) = (names(asked), NameAndPassword::read(body)) else {
            return failed(StatusCode::BAD_REQUEST);
        };
        match self.by_password.take(&given.name, asked) {
            Tried::LookedAt => {}
            Tried::HeldBack => {
                let cause = "too many names and passwords of apps from this network".to_owned();
                self.note_of(asked, EventName::SignInFailed, None, cause);
                return failed(StatusCode::UNAUTHORIZED);
            }
            Tried::StillHeldBack => return failed(StatusCode::UNAUTHORIZED),
        }
        let password = given.password.expose_str().unwrap_or_default();
        let found = self.by_password.find(password).await;
        let known = match found {
            Ok(Some(known)) => known,
            Ok(None) if is_held(asked) => return self.hold(asked, server, (app, given)).await,
            Ok(None) => {
                let error = NotSignedIn::Wrong("no app password of anybody's");
                return self.not_signed_in(asked, (&given.name, &app), None, &error);
            }
            Err(error) => {
                return self.not_signed_in(asked, (&given.name, &app), None, &error.into());
            }
        };
        let person = Some((&known.owner).into());
        match self.signed_in(asked, server, (&app, &given.name), &known).await {
            Ok(answer) => {
                let AppNames { client, device, .. } = &app;
                let cause = format!("let in the app {client} on {device:?} by its app password");
                self.note_of(asked, EventName::SignIn, person, cause);
                of_type(StatusCode::OK, answer)
            }
            Err(error) => self.not_signed_in(asked, (&given.name, &app), person, &error),
        }
    }

    fn not_signed_in(
        &self,
        asked: AppRequest<'_>,
        (name, app): (&str, &AppNames),
        person: Option<Named<'_>>,
        error: &NotSignedIn,
    ) -> Response<Body> {
        if matches!(error, NotSignedIn::Wrong(_)) {
            self.by_password.was_wrong(name, asked);
        }
        let AppNames { client, device, .. } = app;
        let cause = format!("the app {client} on {device:?} was not let in: {error}");
        self.note_of(asked, EventName::SignInFailed, person, cause);
        failed(error.status())
    }

    /// Nothing is asked of the server, and nobody is made there, before the policy has let its owner
    /// in and the password is this app's.
    async fn signed_in(
        &self,
        asked: AppRequest<'_>,
        server: &str,
        (app, name): (&AppNames, &str),
        known: &Known,
    ) -> Result<Bytes, NotSignedIn> {
        let _one_at_a_time = self.by_password.turn(known).await;
        let known = self.by_password.again(known).await?;
        let known = &known.ok_or(NotSignedIn::Wrong("its app password was ended"))?;
        let new = would_be(asked, name, known)?;
        let live = LiveSession::new(new.clone());
        let is_let_in = |standing: &crate::request::authorize::Standing| {
            standing.would_let_in(asked.plan, live.signed_in())
        };
        if !asked.standing.is_some_and(is_let_in) {
            return Err(NotSignedIn::Denied);
        }
        let device = AppOnDevice {
            client: app.client.clone(),
            device: app.device.clone(),
            device_id: app.device_id.clone(),
            library: host_of(asked),
        };
        if !self.by_password.take_for(known, device).await? {
            return Err(NotSignedIn::Wrong("its app password is another app's"));
        }
        self.bound_by_password(asked, server, (app, live), known).await
    }

    async fn bound_by_password(
        &self,
        asked: AppRequest<'_>,
        server: &str,
        (app, live): (&AppNames, LiveSession),
        password: &Known,
    ) -> Result<Bytes, NotSignedIn> {
        let api = self.api(asked.route, server)?;
        let account = self.account(asked, &api, &live).await?;
        let mut new = live.signed_in().clone();
        let before = self.bound.by_password(&new.session.id).await;
        let known = before.as_ref().map(|before| before.newest());
        let known_app = known.as_ref().and_then(|known| known.session.app.as_deref());
        if let Some(before) = &before
            && known_app.is_some_and(|app| app.user != account.id)
        {
            self.bound.end(before).await?; // its token is another user's, and would be good yet
            return Err(NotSignedIn::Wrong("they have another user at the server than before"));
        }
        let label = known_app.and_then(|app| app.label.clone());
        let (minted, _until_it_is_bound) =
            self.minted((asked, server), &api, (app, &account)).await?;
        let mut bound = bound_app(asked, (server, &account), (app, LetInBy::Password), &minted);
        bound.label = label;
        new.session.browser = Some(bound.shown().into());
        new.session.app = Some(Box::new(bound));
        let made = match self.bound.bind_by_password(new).await {
            Ok(made) => made,
            Err(error) => {
                let _what_nobody_knows = api.log_out(&minted.token).await;
                return Err(error.into());
            }
        };
        // What ended the password, or changed its owner and ended all that is theirs, may have come
        // in between.
        let now = self.by_password.again(password).await;
        if matches!(&now, Ok(Some(now)) if now.owner == password.owner) {
            return Ok(minted.answer);
        }
        self.bound.end(&made).await?;
        now?;
        Err(NotSignedIn::Wrong("its owner or its app password was changed meanwhile"))
    }
}

/// Does the route keep a sign-in waiting until somebody says yes to it?
fn is_held(asked: AppRequest<'_>) -> bool {
    let settings = asked.route.jellyfin.as_deref();
    !is_of_another_site(asked)
        && settings.is_some_and(|settings| settings.passwords == PasswordSignIn::Held)
}

/// The session that an app gets by it, without the app; whatever of it is wrong is said.
fn would_be(asked: AppRequest<'_>, name: &str, known: &Known) -> Result<SignedIn, NotSignedIn> {
    let (Known { kept, owner, .. }, now) = (known, asked.now.wall);
    if !kept.is_for(asked.authority.host.as_str(), now) {
        return Err(NotSignedIn::Wrong("its app password is for another host, or too old"));
    }
    let over_at = UnixTime::from_seconds(kept.over_at);
    let until = owner.ends().min(over_at).min(now.plus(BOUND_FOR));
    if until <= now {
        return Err(NotSignedIn::Wrong("its owner's time is over"));
    }
    let id = SessionId::parse(&kept.id).ok_or(NotSignedIn::Wrong("its id is none"))?;
    let mut told = member_signs_in(owner, Means::AppPassword, now);
    told.sign_in.at = None; // nobody signed in
    let new = told.begin(id, BUILTIN, now, until);
    let settings = asked.route.jellyfin.as_deref().ok_or(NotDone::NoKey)?;
    if !is_called(&new, name, (settings, &owner.email)) {
        return Err(NotSignedIn::Wrong("the name beside its app password is not its owner's"));
    }
    match asked.identity.session().map(Arc::as_ref).is_none_or(|other| is_same(other, &new)) {
        true => Ok(new),
        false => Err(NotSignedIn::Wrong("somebody else's credential is beside its password")),
    }
}

/// Their address, or what their user of the server is called. Neither has a case there.
fn is_called(new: &SignedIn, name: &str, (settings, email): (&Jellyfin, &str)) -> bool {
    let name = name.trim();
    let own = name_of(&LiveSession::new(new.clone()), settings);
    name.eq_ignore_ascii_case(email) || own.is_some_and(|own| own.eq_ignore_ascii_case(name))
}

/// Is what comes beside it the same person's, and no program's, whose credential would be a second?
fn is_same(other: &LiveSession, new: &SignedIn) -> bool {
    let session = other.session();
    session.idp_id == new.session.idp_id
        && other.person().id == new.person.id
        && (!session.is_of_program() || session.app.is_some())
}
