//! `/.pomerium/*` and `/oauth2/callback`: the pages of sign-in and sign-out, and the talk with
//! providers. What may happen next is decided in [`usher_rules::signin`]; here it is done.
//!
//! | who | page | file |
//! |---|---|---|
//! | route's host | start, programmatic login, hosts that a page depends on | `start` |
//! | authenticate host | `/.pomerium/sign_in`, the built-in form | `sign_in`, `form` |
//! | authenticate host | `/.pomerium/sign_in/NAME`: one of several providers | `choose` |
//! | authenticate host | `/oauth2/callback`, `/oauth2/callback/NAME` | `oauth2` |
//! | route's host | `/.pomerium/callback/` | `callback` |
//! | both | `/.pomerium/sign_out`, `/.pomerium/signed_out` | `sign_out` |
//! | authenticate host | `/.pomerium/account`, passkeys | `account`, `passkeys` |
//! | authenticate host | `/.pomerium/welcome`: invitations | `welcome` |
//! | authenticate host | `/.pomerium/forgot`: a link by mail | `forgot`, sent in `mail` |
//! | authenticate host | `/.pomerium/backchannel_logout`, for providers | `back_channel` |
//! | both | `/.pomerium/`, `/.pomerium/user`, `/.pomerium/api/v1/session` | `identity` |
//! | authenticate host | `/.pomerium/sessions`: where somebody is signed in | `session_list` |
//! | authenticate host | `/.pomerium/devices`: the apps that somebody let in | `bound_devices` |
//! | authenticate host | `/.pomerium/people`: who looks after people | `people` |
//! | authenticate host | `/.pomerium/doctor`: has the server examined | `doctor` |
//! | both | `/.pomerium/webauthn`: the devices that policies ask for | `devices`, `device_keys` |
//! | both | `/.pomerium/routes`, `/.pomerium/api/v1/routes`, `/.pomerium/jwt` | `portal` |
//! | both | health, keys, assets | `open` |
//! | authenticate host | no form through an app's service worker | `workers` |
//! | authenticate host | `/.pomerium/oidc/…`: apps that ask who somebody is | `openid` |
//! | both | how to trust the local authority | `trust` |
//! | route's host | tokens of the provider's in place of a session | `bearer` |
//! | route's host | passwords that people made for their clients | `app_passwords` |
//! | programs | secrets that are wrong, too often | `wrong` |
//! | all | what one provider does otherwise than another | `identity_provider` |
//! | either side of a hosted sign-in | the same pages, another wire | `hosted` |
//!
//! Sessions end after `cookie_expire`, at sign-out, when they are revoked, or when the provider does
//! not vouch for them any more (`recheck`). One that is down ends none of them for a while.

mod account;
mod answer;
mod app_passwords;
mod ask;
mod back_channel;
mod bearer;
mod binding;
mod bound_devices;
mod callback;
mod choose;
mod deep_link;
mod device_keys;
mod devices;
mod doctor;
mod examinations;
mod forgot;
mod form;
mod hosted;
mod identity;
mod identity_provider;
mod mail;
mod oauth2;
mod open;
mod openid;
mod passkeys;
mod people;
mod portal;
mod program;
mod provider;
mod recheck;
mod second;
mod session_list;
mod sessions;
mod sign_in;
mod sign_out;
mod start;
#[cfg(test)]
mod tests;
mod trust;
mod welcome;
mod workers;
mod wrong;

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use http::{Method, Response, StatusCode};
use usher_pages::NotFound;
use usher_rules::{
    accounts::Accounts,
    app_passwords::AppPasswords,
    enrolment::EnrolledDevices,
    openid::{Grants, Logouts},
    people::{BoxFuture, PasswordCheck},
    people_admin::PeopleAdmin,
    session::Keys,
    signin::{
        self as flow,
        hosted::{HostedKey, PUBLIC_KEY},
    },
};

pub(crate) use self::provider::PATIENCE;
pub use self::{
    examinations::{
        Change, Examinations, Examined, Finding, Job, Mending, NotBegun, Offer, Standing,
    },
    identity_provider::{Reception, reception, try_provider},
    mail::{MailRefusal, send_letter, try_mail},
    openid::LogoutTeller,
    provider::ProviderError,
};

use self::{ask::Ask, hosted::ServiceKeys, provider::Providers};
use crate::request::{
    Assertions, Body, Brought, BroughtSecret, LocalAuthority, OwnPages, OwnRequest, Remembered,
    SignInJournal, SignInNeeded,
    identify::{LiveSession, SessionStore, StoreError},
    route::is_probe,
    shape::Signer,
};

/// Everything of the other rooms that sign-in needs.
pub struct SignInDeps {
    /// Sessions that outlive the process.
    pub sessions: Arc<dyn SessionStore>,
    /// The built-in provider's answer about a typed password.
    pub passwords: Arc<dyn PasswordCheck>,
    /// What else it knows of its people.
    pub accounts: Arc<dyn Accounts>,
    /// The same people, for who looks after them.
    pub people_admin: Arc<dyn PeopleAdmin>,
    /// The passwords that they made for their clients.
    pub app_passwords: Arc<dyn AppPasswords>,
    /// The devices that people enrolled.
    pub enrolled: Arc<dyn EnrolledDevices>,
    /// Keys for handles, signed URLs and sealed cookies.
    pub keys: Arc<Keys>,
    /// Our half of the talk with a hosted service, on either side.
    pub hosted: HostedKey,
    /// What such a service told.
    pub remembered: Arc<dyn Remembered>,
    /// Whom people may come to trust.
    pub local: Arc<dyn LocalAuthority>,
    /// What apps learn, and the keys to verify it with.
    pub assertions: Arc<dyn Assertions>,
    /// What became of codes that apps got.
    pub grants: Arc<dyn Grants>,
    /// Which of them are to be told that a session ended.
    pub logouts: Arc<dyn Logouts>,
    /// Sign what they are told; there are none where there are no such apps.
    pub id_token_keys: Arc<OnceLock<Signer>>,
    /// Where operators read about it.
    pub journal: Arc<dyn SignInJournal>,
}

/// Answers requests for our own pages. One for the whole process, on every runtime at once.
pub struct SignInRoom {
    sessions: Arc<dyn SessionStore>,
    passwords: Arc<dyn PasswordCheck>,
    accounts: Arc<dyn Accounts>,
    people_admin: Arc<dyn PeopleAdmin>,
    keys: Arc<Keys>,
    hosted: HostedKey,
    service_keys: ServiceKeys,
    local: Arc<dyn LocalAuthority>,
    assertions: Arc<dyn Assertions>,
    grants: Arc<dyn Grants>,
    logouts: Arc<dyn Logouts>,
    id_token_keys: Arc<OnceLock<Signer>>,
    journal: Arc<dyn SignInJournal>,
    providers: Providers,
    silent: recheck::Silent,
    /// Those of them that could not be reached.
    away: recheck::Silent,
    bearers: bearer::Bearers,
    app_passwords: Arc<dyn AppPasswords>,
    enrolled: Arc<dyn EnrolledDevices>,
    app_sessions: app_passwords::AppSessions,
    wrong_secrets: wrong::WrongSecrets,
    examinations: Arc<Examinations>,
    outbox: mail::Outbox,
}

impl SignInRoom {
    /// A room that has spoken with no provider yet.
    pub fn new(deps: SignInDeps) -> Self {
        let SignInDeps { sessions, passwords, accounts, keys, hosted, remembered, .. } = deps;
        let (people_admin, enrolled) = (deps.people_admin, deps.enrolled);
        let SignInDeps { local, assertions, grants, logouts, id_token_keys, .. } = deps;
        let SignInDeps { journal, app_passwords, .. } = deps;
        let service_keys = ServiceKeys::new(provider::PATIENCE, remembered);
        let providers = Providers::new(provider::PATIENCE);
        Self {
            sessions,
            passwords,
            accounts,
            people_admin,
            keys,
            hosted,
            service_keys,
            local,
            assertions,
            grants,
            logouts,
            id_token_keys,
            journal,
            providers,
            silent: recheck::Silent::default(),
            away: recheck::Silent::default(),
            bearers: bearer::Bearers::default(),
            app_passwords,
            enrolled,
            app_sessions: app_passwords::AppSessions::default(),
            wrong_secrets: wrong::WrongSecrets::default(),
            examinations: Arc::default(),
            outbox: mail::Outbox::default(),
        }
    }

    /// What a doctor is asked for, who runs on another thread.
    pub fn examinations(&self) -> Arc<Examinations> {
        Arc::clone(&self.examinations)
    }

    async fn page(&self, ask: &Ask) -> Response<Body> {
        let get = ask.method() == Method::GET;
        let post = ask.method() == Method::POST;
        match ask.path() {
            probe if is_probe(probe) => open::health(ask, &self.keys),
            _ if openid::is_its(ask) => self.openid(ask).await,
            "/robots.txt" => open::robots(),
            "/" if get => answer::found("/.pomerium/"),
            "/.well-known/pomerium" | "/.well-known/pomerium/" if get => open::well_known(ask),
            PUBLIC_KEY if get => open::public_key(ask, &self.hosted.public()),
            "/.well-known/pomerium/jwks.json" if get => open::jwks(ask, &self.assertions.jwks()),
            "/.pomerium" if get => answer::moved("/.pomerium/"),
            "/.pomerium/" if get => self.identity_page(ask),
            "/.pomerium/user" if get => self.about_somebody(ask, Self::user).await,
            account::PAGE if get || post => self.account(ask).await,
            welcome::PAGE if get || post => self.welcome(ask).await,
            forgot::PAGE if get || post => self.forgot(ask),
            session_list::PAGE if get => self.sessions_page(ask).await,
            session_list::PAGE if post => self.sessions_posted(ask).await,
            bound_devices::PAGE if get => self.devices_page(ask).await,
            bound_devices::PAGE if post => self.devices_posted(ask).await,
            people::PAGE if get || post => self.people(ask).await,
            doctor::PAGE if get || post => self.doctor(ask).await,
            devices::PAGE if get || post => self.devices(ask).await,
            devices::ENROLLED if get => answer::found(devices::PAGE),
            portal::PAGE if get && ask.plan().flags.routes_portal => {
                self.about_somebody(ask, Self::portal_page).await
            }
            "/.pomerium/api/v1/routes" if ask.plan().flags.routes_portal => match get {
                true => self.about_somebody(ask, Self::portal_json).await,
                false => answer::method_not_allowed("GET"),
            },
            "/.pomerium/api/v1/session" => match get {
                true => self.about_somebody(ask, Self::session_life).await,
                false => answer::method_not_allowed("GET"),
            },
            "/.pomerium/jwt" if get && ask.plan().flags.jwt_endpoint => {
                self.about_somebody(ask, Self::assertion).await
            }
            path if path.starts_with(trust::PAGE) && get => self.trust(ask),
            "/.pomerium/api/v1/login" => self.login_url(ask).await,
            path if path.starts_with("/.pomerium/api/") => {
                answer::text(StatusCode::NOT_FOUND, "Not Found\n")
            }
            path if path.starts_with(usher_pages::ASSETS_PREFIX) && get => open::asset(ask),
            flow::CALLBACK if get || post => self.with_first(ask.plan()).callback(ask).await,
            "/.pomerium/callback" if get => answer::moved(&ask.with_query(flow::CALLBACK)),
            flow::CALLBACK | "/.pomerium/callback" => answer::method_not_allowed("GET"),
            path if path.starts_with(flow::DeepLink::PATH) && get => self.deep_link(ask),
            flow::BACK_CHANNEL_LOGOUT if ask.at_authenticate() && post => {
                self.back_channel_logout(ask).await
            }
            flow::SIGN_OUT if post => self.sign_out(ask).await,
            flow::SIGN_OUT if get => self.ask_to_sign_out(ask).await,
            flow::SIGN_OUT => answer::method_not_allowed("GET, POST"),
            flow::SIGNED_OUT if get => self.signed_out(ask),
            flow::SIGN_IN if ask.at_authenticate() && post => self.form_posted(ask).await,
            flow::SIGN_IN if ask.at_authenticate() => self.sign_in(ask).await,
            path if choose::chosen(path).is_some() && ask.at_authenticate() && get => {
                self.sign_in(ask).await
            }
            flow::Dependents::PATH if get => self.dependent(ask).await,
            flow::SIGN_IN if get => self.start_here(ask, "/.pomerium/").await,
            path if ask.is_oauth2_callback(path) && (get || post) => {
                self.oauth2_callback(ask).await
            }
            _ => answer::error(ask, &NotFound { host: ask.host(), receipt: ask.receipt() }),
        }
    }
}

impl OwnPages for SignInRoom {
    fn answer(&self, request: OwnRequest) -> BoxFuture<'_, Response<Body>> {
        Box::pin(async move {
            let mut ask = Ask::new(request);
            let mut response = match self.look_here(&ask).await {
                Ok(here) => {
                    ask.here = here;
                    self.page(&ask).await
                }
                Err(error) => self.unknown(&ask, &error),
            };
            answer::clear_rejected(&ask, &mut response);
            response
        })
    }

    fn sign_in_redirect<'a>(&'a self, request: SignInNeeded<'a>) -> BoxFuture<'a, Response<Body>> {
        Box::pin(async move { self.with_first(request.plan).begin(&request).await })
    }

    fn session_by<'a>(
        &'a self,
        brought: Brought<'a>,
    ) -> BoxFuture<'a, Result<Option<Arc<LiveSession>>, StoreError>> {
        Box::pin(async move {
            match brought.secret {
                BroughtSecret::Token(token) => self.by_token(token, brought).await,
                BroughtSecret::AppPassword(password) => {
                    self.by_app_password(password, brought).await
                }
            }
        })
    }

    fn device_redirect(&self, request: &SignInNeeded<'_>, kind: &str) -> Response<Body> {
        self.to_devices(request, kind)
    }
}

impl fmt::Debug for SignInRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignInRoom(..)")
    }
}

const NO_RANDOM: &str = "the system has no randomness";

/// Fresh random bytes; `None` when the system has none, and then nothing is begun.
fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).ok().map(|()| bytes)
}
