//! Somebody says yes to an app: their account at the server, a token for it, and whose it is from
//! now on.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use usher_rules::{
    jellyfin::{
        DeviceAt, TokenHash,
        pairing::{AppNames, LIFE, Owner, PairingId},
    },
    people::Person,
    plan::BUILTIN,
    session::{Authentication, BoundApp, LetInBy, SessionId, SignedIn},
    time::UnixTime,
};

use super::{
    api::{Account, Api, Minted, NotDone},
    bound::{BOUND_FOR, Made},
    not_let_in::{NotLetIn, owner},
    pairing::Pairing,
    place::host_of,
    turns::Turn,
};
use crate::request::{
    AppRequest, EventName,
    identify::{LiveSession, StoreError},
    reader_language,
};

/// How long after its token was over an app ends that has not fetched it. Clocks differ a little.
const LATE: Duration = Duration::from_secs(60);

/// What somebody said yes to. However that ends, and if they leave before it does, an app that was
/// not let in waits on.
struct Claim<'a> {
    pairing: &'a Pairing,
    server: &'a str,
    id: PairingId,
    owner: &'a Owner,
    now: Instant,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let Self { pairing, server, id, owner, now } = *self;
        pairing.with(server, |all| all.release(id, owner, now));
    }
}

impl Pairing {
    /// Lets an app in that waits. When it resolves, its token counts; gives its names.
    pub(super) async fn let_in(
        &self,
        asked: AppRequest<'_>,
        server: &str,
        (live, by): (&Arc<LiveSession>, LetInBy),
        id: PairingId,
    ) -> Result<AppNames, NotLetIn> {
        if live.session().is_of_program() {
            return Err(NotLetIn::NoName); // an app that it let in would outlive its password
        }
        let (owner, now) = (owner(live), asked.now.monotonic);
        let app = self.with(server, |all| all.claim(id, &owner, now))?;
        let by = if self.with(server, |all| all.is_held(id)) { LetInBy::Held } else { by };
        let _given_back = Claim { pairing: self, server, id, owner: &owner, now };
        let made = self.make(asked, server, (live, by), &app).await;
        match made {
            Ok((made, new)) => {
                if self.with(server, |all| all.bind(id, &owner, made, now)).is_err() {
                    self.bound.end(&new).await?; // nobody gets its token
                    return Err(NotLetIn::Gone);
                }
                let cause = format!("let in the app {} on {:?}", app.client, &*app.device);
                self.note(asked, EventName::SignIn, cause);
                Ok(app)
            }
            Err(error) => {
                let cause = format!("the app {} was not let in: {error}", app.client);
                self.note(asked, EventName::SignInFailed, cause);
                Err(error)
            }
        }
    }

    /// A token, which counts as theirs when this resolves.
    async fn make(
        &self,
        asked: AppRequest<'_>,
        server: &str,
        (live, by): (&Arc<LiveSession>, LetInBy),
        app: &AppNames,
    ) -> Result<(Made, Arc<LiveSession>), NotLetIn> {
        let until = self.until(live, asked.now.wall).await?;
        let api = self.api(asked.route, server)?;
        let account = self.account(asked, &api, live).await?;
        let (minted, _until_it_is_bound) =
            self.minted((asked, server), &api, (app, &account)).await?;
        let mut bound = bound_app(asked, (server, &account), (app, by), &minted);
        bound.unfetched_until = Some(asked.now.wall.plus(LIFE + LATE).seconds());
        let new = session(asked, live, bound, until)?;
        match self.bound.bind(new, live).await {
            Ok(new) => {
                let (answer, session) = (minted.answer, new.session().id.clone());
                Ok((Made { answer, session }, new))
            }
            Err(error) => {
                let _what_nobody_knows = api.log_out(&minted.token).await;
                Err(error.into())
            }
        }
    }

    /// A token for an app. What somebody had on its device ends at the server first: beside a new one
    /// there its token would count on. Until it is bound nothing of its device is ended.
    pub(super) async fn minted(
        &self,
        (asked, server): (AppRequest<'_>, &str),
        api: &Api<'_>,
        (app, account): (&AppNames, &Account),
    ) -> Result<(Minted, Turn), NotDone> {
        let turn = self.bound.turn(&app.device_id).await;
        let (server, host) = (server.into(), host_of(asked));
        let at = DeviceAt { server, host, device_id: app.device_id.clone() };
        if self.bound.is_left_over(&at).await {
            let _is_asked_again_later = api.end_device(&at.device_id).await;
        }
        Ok((api.mint(app, account).await?, turn))
    }

    /// Until when it is theirs: a guest's apps end with their visit.
    async fn until(&self, live: &LiveSession, now: UnixTime) -> Result<UnixTime, NotLetIn> {
        let end = now.plus(BOUND_FOR);
        if *live.session().idp_id != *BUILTIN {
            return Ok(end);
        }
        let found = self.people.find(&live.person().email).await;
        let found = found.map_err(|error| StoreError::Unavailable(error.to_string().into()))?;
        let member = found.map(|(member, _)| member);
        let member = member.filter(|member| member.id == live.person().id);
        Ok(member.ok_or(NotLetIn::NotKnown)?.ends().min(end))
    }
}

/// What is kept of an app, by the token that was made for it.
pub(super) fn bound_app(
    asked: AppRequest<'_>,
    (server, account): (&str, &Account),
    (app, by): (&AppNames, LetInBy),
    minted: &Minted,
) -> BoundApp {
    let token = TokenHash::of(minted.token.expose());
    BoundApp {
        token: data_encoding::HEXLOWER.encode(&token.0).into(),
        server: server.into(),
        host: host_of(asked),
        user: account.id.clone(),
        client: app.client.clone(),
        device: app.device.clone(),
        device_id: app.device_id.clone(),
        by,
        seat: None,
        label: None,
        language: Some(reader_language(&asked.head.headers).tag().into()),
        seen: None,
        unfetched_until: None,
    }
}

/// The app's own session, which knows of its owner what theirs does.
pub(super) fn session(
    asked: AppRequest<'_>,
    live: &LiveSession,
    app: BoundApp,
    until: UnixTime,
) -> Result<SignedIn, StoreError> {
    let known = live.newest();
    let (person, claims) = (Person::clone(&known.person), known.session.claims.clone());
    let told = Authentication { person, claims, sign_in: known.session.sign_in };
    let id = SessionId::from_random(random()?);
    let mut new = told.begin(id, &known.session.idp_id, asked.now.wall, until);
    new.session.vouched_at = known.session.vouched_at;
    new.session.browser = Some(app.shown().into());
    new.session.app = Some(Box::new(app));
    Ok(new)
}

pub(super) fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut octets = [0; N];
    let filled = aws_lc_rs::rand::fill(&mut octets);
    filled.map_err(|_| StoreError::Unavailable("the system gives no random numbers".into()))?;
    Ok(octets)
}
