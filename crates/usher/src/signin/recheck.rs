//! Asks providers again about those who are signed in: what is taken from somebody there takes
//! effect here, and a provider that says nothing signs nobody out for a while.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream};
use usher_rules::{
    plan::{BUILTIN, Level, OidcProvider, Plan},
    session::{Answer, Outcome, ProviderTokens, RecheckPolicy, SignedIn},
    signin::{NotAgain, SaidAgain, said_again},
    time::{Clock, Now, UnixTime},
};

use super::{
    NO_RANDOM, SignInRoom,
    provider::{AskedAgain, ProviderError, SaysNow},
    random,
};
use crate::request::{
    EventName, SignInNote, caught,
    identify::{LiveSession, Use},
};

/// So many questions are under way at once: a provider with thousands of sessions is not flooded.
const AT_ONCE: usize = 8;

/// For so long nobody new is sent to a provider that could not be reached. It is no longer, so that
/// people can sign in also where nobody is left of whom it would be asked again.
const KNOWN_TO_BE_AWAY: Duration = Duration::from_secs(60);

/// Providers that did not answer when they were asked last, by id, and when that was.
#[derive(Default)]
pub(super) struct Silent(Mutex<HashMap<Box<str>, Instant>>);

impl Silent {
    /// Takes note; is it news?
    fn note(&self, id: &str, answer: Answer, now: Instant) -> bool {
        let mut silent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Answer::Silent => silent.insert(id.into(), now).is_none(),
            Answer::Vouched | Answer::Refused => silent.remove(id).is_some(),
        }
    }

    fn is(&self, id: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(id)
    }

    /// Is it of a moment ago?
    pub(super) fn is_now(&self, id: &str, now: Instant) -> bool {
        let silent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        silent.get(id).is_some_and(|at| now.saturating_duration_since(*at) < KNOWN_TO_BE_AWAY)
    }
}

/// One pass over the sessions that are due.
struct Pass<'a> {
    room: &'a SignInRoom,
    plan: &'a Plan,
    policy: RecheckPolicy,
    clock: &'a dyn Clock,
    /// Providers that have not answered in this pass: the others' questions don't wait for them.
    down: Silent,
}

impl SignInRoom {
    /// Asks the providers about every session for which that is due, and does what they say. To be
    /// called every second. No question begins that `goes_on` does not want.
    pub async fn recheck(
        &self,
        plan: &Plan,
        clock: &dyn Clock,
        goes_on: &(dyn Fn() -> bool + Sync),
    ) {
        let (idle, asks) = (plan.sessions.idle.is_some(), plan.sessions.recheck.is_some());
        let now = clock.now().wall;
        let mut due = self.sessions.those(&|facts| {
            idle && facts.ends_when_idle() || asks && facts.has_tokens || facts.expires_at <= now
        });
        self.end_what_is_over(plan, &due, clock).await;
        let Some(policy) = plan.sessions.recheck else { return };
        if !clock.now().wall.is_plausible() {
            return; // no answer can be judged
        }
        let pass = Pass { room: self, plan, policy, clock, down: Silent::default() };
        due.retain(|live| live.session().tokens.is_some() && live.asks(policy, pass.clock.now()));
        let wanted = stream::iter(due).take_while(|_| std::future::ready(goes_on()));
        wanted.for_each_concurrent(AT_ONCE, |live| pass.ask(live)).await;
    }

    /// Ends, on the disk too, what nobody has used for too long, and what runs for a guest whose
    /// time is over: that is no session that ran out, under which a film may play on.
    async fn end_what_is_over(&self, plan: &Plan, all: &[Arc<LiveSession>], clock: &dyn Clock) {
        let now = clock.now();
        for live in all {
            let idle = plan.sessions.idle.filter(|_| live.session().ends_when_idle());
            match idle.map_or(Use::Recent, |idle| live.is_looked_at(idle, now)) {
                Use::Recent => {}
                Use::Unwritten(last) => {
                    let used = |known: &mut SignedIn| {
                        known.session.used_at = Some(last.seconds());
                    };
                    let _is_written_next_time = self.change_session(live, used).await;
                }
                Use::TooLongAgo => {
                    let _is_tried_again = self.sessions.end(&live.session().id).await;
                }
            }
            let is_over = live.session().expires_at() <= now.wall && live.runs();
            if is_over && *live.session().idp_id == *BUILTIN {
                let member = self.accounts.member(&live.person().id).await;
                if member.is_ok_and(|member| member.is_none_or(|member| member.ends() <= now.wall))
                {
                    let _is_tried_again = self.sessions.end(&live.session().id).await;
                }
            }
        }
    }
}

impl Pass<'_> {
    async fn ask(&self, live: Arc<LiveSession>) {
        // Whatever goes wrong, what was asked is answered: else nobody would ask again.
        let asked = caught(pin!(Some(self.answer(&live)))).await;
        let (answer, why) = match asked {
            Ok(Ok(answer)) => (answer, None),
            Ok(Err((answer, why))) => (answer, Some(why)),
            Err(panicked) => (Answer::Silent, Some(panicked.to_string())),
        };
        let now = self.clock.now();
        let provider = &live.session().idp_id;
        if answer != Answer::Silent {
            self.room.away.note(provider, answer, now.monotonic);
        }
        if self.room.silent.note(provider, answer, now.monotonic) {
            self.tell_provider(answer, why.as_deref(), now);
        }
        let outcome = live.answered(answer, self.policy, now);
        if outcome != Outcome::GoesOn {
            self.end(&live, outcome, why, now).await;
        }
    }

    /// What the provider says of a session; what is new is in force when this returns.
    async fn answer(&self, live: &LiveSession) -> Result<Answer, (Answer, String)> {
        let silent = |why: String| (Answer::Silent, why);
        let known = live.newest();
        let Some(provider) = self.plan.sign_in.providers.of(&known.session.idp_id) else {
            return Ok(Answer::Vouched); // void: nobody gets in by it
        };
        let (Some(provider), Some(tokens)) =
            (provider.oidc(), self.room.keys.tokens(&known.session))
        else {
            // Sealed with keys that are no more: nothing can be asked, and its handle opens nothing.
            return Err((Answer::Refused, "its tokens can't be opened any more".into()));
        };
        if self.down.is(&provider.id) {
            return Err(silent("the provider does not answer".into()));
        }
        let now = self.clock.now();
        let asked = self.room.providers.ask_again(self.plan, provider, tokens, now).await;
        let AskedAgain { mut tokens, said } =
            asked.map_err(|error| self.no_answer(provider, error))?;
        let Some(said) = said else {
            self.renew(live, SignedIn::clone(&known), &tokens).await.map_err(silent)?;
            return Ok(Answer::Vouched); // it can't be asked, as it was told at sign-in
        };
        let before = tokens.id_token.clone();
        let judged = match said {
            Ok(says) => judge(&known, says, &mut tokens, provider, now.wall),
            Err(error) => Err(self.no_answer(provider, error)),
        };
        let (new, answer) = match judged {
            Ok(new) => (new, Ok(Answer::Vouched)),
            Err(no @ (Answer::Refused, _)) => return Err(no),
            Err(no) => (SignedIn::clone(&known), Err(no)),
        };
        if let Err(why) = self.renew(live, new, &tokens).await {
            // What it says now can't be kept. The token that was spent must not be lost with it.
            tokens.id_token = before;
            self.renew(live, SignedIn::clone(&known), &tokens).await.map_err(silent)?;
            return Err(silent(why));
        }
        answer
    }

    fn no_answer(&self, provider: &OidcProvider, error: ProviderError) -> (Answer, String) {
        if error.is_refusal() {
            return (Answer::Refused, error.to_string());
        }
        // A status may be about this person alone.
        if error.is_down() && !matches!(error, ProviderError::Status { .. }) {
            let now = self.clock.now().monotonic;
            for known in [&self.down, &self.room.away] {
                known.note(&provider.id, Answer::Silent, now);
            }
        }
        (Answer::Silent, error.to_string())
    }

    /// What a device has proven while the provider was asked, and that it was used, stays.
    async fn renew(
        &self,
        live: &LiveSession,
        mut new: SignedIn,
        tokens: &ProviderTokens,
    ) -> Result<(), String> {
        let nonce = random().ok_or(NO_RANDOM)?;
        let sealed = self.room.keys.seal_tokens(&new.session.id, tokens, nonce);
        if sealed.is_none() && tokens.can_ask() {
            return Err("the tokens are too long to be kept".into());
        }
        new.session.tokens = sealed;
        let renewed = self.room.change_session(live, |known| {
            let (devices, used_at) =
                (std::mem::take(&mut known.session.devices), known.session.used_at);
            known.clone_from(&new);
            (known.session.devices, known.session.used_at) = (devices, used_at);
        });
        renewed.await.map_err(|error| error.to_string())
    }

    async fn end(&self, live: &LiveSession, outcome: Outcome, why: Option<String>, now: Now) {
        let mut ended = self.room.sessions.end(&live.session().id).await.err();
        if outcome == Outcome::Refused {
            // Nobody is asked about their apps' sessions: what is said of them is said here.
            for app in self.room.sessions.of_person(&live.person().id) {
                let session = app.session();
                if session.app.is_some() && session.idp_id == live.session().idp_id {
                    ended = ended.or(self.room.sessions.end(&session.id).await.err());
                }
            }
        }
        let mut cause = match outcome {
            Outcome::SilentTooLong => "nobody has vouched for it for `session_recheck_grace`",
            Outcome::Refused | Outcome::GoesOn => "the provider does not vouch for it any more",
        }
        .to_owned();
        let more = [why, ended.map(|error| error.to_string())];
        more.into_iter().flatten().for_each(|more| cause = format!("{cause}: {more}"));
        let person = Some(live.person().into());
        self.note(Level::Info, EventName::SessionEnded, person, cause, now);
    }

    fn tell_provider(&self, answer: Answer, why: Option<&str>, now: Now) {
        let (level, cause) = match answer {
            Answer::Silent => (
                Level::Warn,
                format!(
                    "{}; whoever is signed in stays so for `session_recheck_grace`",
                    why.unwrap_or("it does not answer")
                ),
            ),
            Answer::Vouched | Answer::Refused => {
                (Level::Info, "it answers questions about sessions again".to_owned())
            }
        };
        self.note(level, EventName::Provider, None, cause, now);
    }

    fn note(
        &self,
        level: Level,
        event: EventName,
        person: Option<crate::request::Named<'_>>,
        cause: String,
        now: Now,
    ) {
        let note = SignInNote {
            level,
            event,
            now,
            request_id: "",
            person,
            from: None,
            cause: Some(cause),
            client_authentication: None,
        };
        self.room.journal.note(self.plan, note);
    }
}

/// What is known of them from now on; their new claims are kept once they are good.
fn judge(
    known: &SignedIn,
    says: SaysNow,
    tokens: &mut ProviderTokens,
    provider: &OidcProvider,
    now: UnixTime,
) -> Result<SignedIn, (Answer, String)> {
    let SaysNow { id_token, userinfo } = says;
    let said = SaidAgain {
        id_token: id_token.as_ref(),
        before: &tokens.id_token,
        userinfo: userinfo.as_ref(),
    };
    let new = said_again(known, said, provider, now).map_err(|why| match why {
        // A clock that is wrong, here or there, says nothing of anybody.
        NotAgain::IdToken(_) => (Answer::Silent, why.to_string()),
        NotAgain::Claims(_) | NotAgain::OtherPerson => (Answer::Refused, why.to_string()),
    })?;
    if let Some(claims) = id_token {
        tokens.id_token = claims;
    }
    Ok(new)
}
