//! Apps are told that a session ended in which they got a grant (Back-Channel Logout 1.0 §2.5).

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use http::{Request, header};
use usher_rules::{
    openid::{Logout, LogoutAnswer, LogoutStep, LogoutsDue, MOST_LOGOUTS, logout_token},
    plan::{ClientLogout, Level, Plan},
    time::Clock,
};

use super::{super::provider::Http, errands::Errands, issuer_of};
use crate::{
    request::{EventName, Named, SignInNote},
    signin::{NO_RANDOM, ProviderError, SignInRoom, random},
};

/// How long an app may take to answer one: it has to end a session, and nobody waits for it.
const PATIENCE: Duration = Duration::from_secs(2);

/// Tells apps of the sessions that ended, and keeps what could not be told for later. What was told may
/// be told again after a crash: it names itself anew, and ends what has ended.
pub struct LogoutTeller {
    room: Arc<SignInRoom>,
    clock: Arc<dyn Clock>,
    errands: Errands,
}

/// One look at what is due.
struct Pass {
    room: Arc<SignInRoom>,
    plan: Arc<Plan>,
    clock: Arc<dyn Clock>,
    http: Http,
}

/// Why an app was not told.
enum NotTold {
    /// Neither will it be told of others now.
    Away(String),
    NotNow(String),
    Refused(String),
}

impl LogoutTeller {
    /// One that has told nobody yet.
    pub fn new(room: Arc<SignInRoom>, clock: Arc<dyn Clock>) -> Self {
        Self { room, clock, errands: Errands::default() }
    }

    /// Begins with what is due for apps that are not spoken with already. To be called every second.
    pub async fn look(&mut self, plan: Arc<Plan>) {
        let now = self.clock.now();
        if !now.wall.is_plausible() {
            return; // nobody would believe a token of that time
        }
        // A store that fails is told of by itself, and asked again.
        let due = self.room.logouts.due(now.wall).await;
        let Ok(LogoutsDue { logouts, is_full }) = due else { return };
        let mut by_client = BTreeMap::<Box<str>, Vec<_>>::new();
        for logout in logouts {
            by_client.entry(logout.client.clone()).or_default().push(logout);
        }
        by_client.retain(|client, _| self.errands.has_room_for(client));
        if by_client.is_empty() {
            return;
        }
        let Ok(http) = Http::new(&plan, false, PATIENCE) else { return };
        let (room, clock) = (Arc::clone(&self.room), Arc::clone(&self.clock));
        let pass = Arc::new(Pass { room, plan, clock, http });
        if is_full {
            let cause = format!(
                "{MOST_LOGOUTS} logouts wait for apps that do not answer: of those that come now \
                 no app is told"
            );
            pass.note(Level::Warn, None, cause);
        }
        for (client, due) in by_client {
            if self.errands.has_room_for(&client) {
                let (pass, to) = (Arc::clone(&pass), client.clone());
                self.errands.begin(client, async move { pass.tell(to, due).await });
            }
        }
    }

    /// Goes on with what is under way, until one app has been spoken with.
    pub async fn go_on(&mut self) {
        self.errands.one_ends().await;
    }
}

impl Pass {
    async fn tell(&self, client: Box<str>, due: Vec<Logout>) {
        let mut clients = self.plan.openid_clients.iter();
        let known = clients.find(|known| known.id == client);
        let Some(to) = known.and_then(|known| known.logout.as_ref()) else {
            self.settle(LogoutStep::Unwanted(client)).await;
            return;
        };
        for logout in due {
            match self.post(to, &logout).await {
                Ok(()) => {
                    let cause = format!("`{client}` knows that a session has ended");
                    self.note(Level::Info, Some(&logout), cause);
                    self.settle(LogoutStep::Over(logout.id)).await;
                }
                Err(NotTold::Refused(why)) => {
                    let cause =
                        format!("`{client}` does not end a session, and is not asked again: {why}");
                    self.note(Level::Warn, Some(&logout), cause);
                    self.settle(LogoutStep::Over(logout.id)).await;
                }
                Err(NotTold::NotNow(why)) => {
                    self.later(&client, LogoutStep::Again(logout.id), &why).await;
                }
                Err(NotTold::Away(why)) => {
                    self.later(&client, LogoutStep::Away(client.clone()), &why).await;
                    return;
                }
            }
        }
    }

    async fn later(&self, client: &str, step: LogoutStep, why: &str) {
        let effect = match self.settle(step).await {
            0 => "it is told later".to_owned(),
            given_up => format!("{given_up} of a day ago are given up"),
        };
        let cause = format!("`{client}` can't be told that a session has ended: {why}; {effect}");
        self.note(Level::Warn, None, cause);
    }

    /// What can't be kept is found, and done again, in the next pass.
    async fn settle(&self, step: LogoutStep) -> usize {
        self.room.logouts.settle(step, self.clock.now().wall).await.unwrap_or_default()
    }

    async fn post(&self, to: &ClientLogout, logout: &Logout) -> Result<(), NotTold> {
        let token = self.token(to, logout)?;
        let form = format!("logout_token={token}"); // base64url and dots: as it stands in a form
        let request = Request::post(to.uri())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::USER_AGENT, "usher")
            .body(form.into_bytes())
            .map_err(|error| NotTold::Refused(error.to_string()))?;
        let answer = self.http.send(request).await.map_err(|error| NotTold::Away(words(&error)))?;
        let status = answer.status().as_u16();
        let said = || format!("its answer is {status}");
        match LogoutAnswer::of(status) {
            LogoutAnswer::Done => Ok(()),
            LogoutAnswer::NotNow => Err(NotTold::NotNow(said())),
            LogoutAnswer::Refused => Err(NotTold::Refused(said())),
        }
    }

    fn token(&self, to: &ClientLogout, logout: &Logout) -> Result<String, NotTold> {
        let not_now = |why: &str| NotTold::NotNow(why.to_owned());
        let id = random().ok_or_else(|| not_now(NO_RANDOM))?;
        let no_keys = || not_now("there are no keys for its token");
        let signer = self.room.id_token_signer().ok_or_else(no_keys)?;
        let issuer = issuer_of(&self.plan);
        let claims = logout_token((&issuer, to.names), logout, id, self.clock.now().wall);
        signer.sign_logout(&claims).map_err(|_| no_keys())
    }

    fn note(&self, level: Level, about: Option<&Logout>, cause: String) {
        let person = about.map(|logout| Named { id: &logout.person, email: "" });
        let note = SignInNote {
            level,
            event: EventName::OpenIdLogout,
            now: self.clock.now(),
            request_id: "",
            person,
            from: None,
            cause: Some(cause),
            client_authentication: None,
        };
        self.room.journal.note(&self.plan, note);
    }
}

/// The words for providers are about providers.
fn words(error: &ProviderError) -> String {
    match error {
        ProviderError::Unreachable(why) => format!("it can't be reached: {why}"),
        ProviderError::Tls(why) => format!("its TLS does not hold: {why}"),
        ProviderError::Slow => "it did not answer in time".to_owned(),
        ProviderError::NotHttp
        | ProviderError::Lately(_)
        | ProviderError::Status { .. }
        | ProviderError::NoKeys
        | ProviderError::Unreadable(_)
        | ProviderError::InTheClear
        | ProviderError::OtherIssuer(_)
        | ProviderError::NoTokenEndpoint
        | ProviderError::CodeRefused { .. }
        | ProviderError::NoIdToken
        | ProviderError::TakenBack
        | ProviderError::IdToken(_) => "what answers does not speak HTTP".to_owned(),
    }
}
