//! Passkeys: what they are asked, and what comes of their answers (WebAuthn Level 3 §7).
//!
//! A challenge is sealed: it says until when it counts and for whom it is, opens for the browser
//! that it was given to alone, and counts once.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use http::Response;
use usher_pages::NewPasskeyQuestion;
use usher_rules::{
    accounts::{KeptPasskey, ShownPasskey},
    passkey::{Assertion, Expected, NewPasskey, PasskeyFault, Registration},
    people::{Member, PasswordRefusal},
    plan::{BUILTIN, Passwords},
    session::{Means, Purpose},
    signin::{Goal, member_signs_in},
    time::UnixTime,
};

use super::{Ask, SignInRoom, random};
use crate::request::{Body, identify::NotOnce};

/// Where people of ours make passkeys.
pub(super) const MADE_AT: &str = "/.pomerium/account";
/// How long a challenge counts, as the real server's do.
const CHALLENGE_LIFE: Duration = Duration::from_secs(15 * 60);
/// The longest answer of a browser that is read, in octets.
pub(super) const LONGEST_ANSWER: usize = 16 * 1024;
/// For whom a challenge is that whoever has a passkey may answer.
const ANYBODY: &str = "";

impl SignInRoom {
    /// What a passkey is asked to sign in; `None` where this address can't have any.
    pub(super) fn sign_in_challenge(&self, ask: &Ask, flow: &str) -> Option<String> {
        self.challenge(ask, flow, ANYBODY)
    }

    /// What a browser is asked to make a passkey for `user`.
    pub(super) fn new_passkey_question<'a>(
        &self,
        ask: &'a Ask,
        (flow, challenge): (&str, &'a mut String),
        (user, called): (&'a str, &'a str),
        known: &[KeptPasskey],
    ) -> Option<NewPasskeyQuestion<'a>> {
        *challenge = self.challenge(ask, flow, user)?;
        let known: Vec<&str> = known.iter().map(|kept| &*kept.key.id).collect();
        let site = ask.authority().host.as_str();
        Some(NewPasskeyQuestion { challenge, user, called, site, known: known.join(" ") })
    }

    /// An RP id is a domain: no address of a network has passkeys (§5.1.2).
    pub(super) fn challenge(&self, ask: &Ask, flow: &str, user: &str) -> Option<String> {
        if ask.authority().host.is_address() {
            return None;
        }
        let over_at = ask.wall().plus(CHALLENGE_LIFE).seconds();
        let text = [&over_at.to_be_bytes(), user.as_bytes()].concat();
        Some(self.keys.seal(Purpose::Passkey, flow.as_bytes(), &text, random()?))
    }

    /// For whom a challenge is and until when, if it is ours, this browser's and in time.
    pub(super) fn opened_question(
        &self,
        ask: &Ask,
        flow: &str,
        challenge: &str,
    ) -> Result<(String, UnixTime), PasswordRefusal> {
        let fault = PasskeyFault::Challenge;
        let text = self.keys.open(Purpose::Passkey, flow.as_bytes(), challenge);
        let text = text.map_err(|_| fault)?;
        let (over_at, user) = text.split_first_chunk().ok_or(fault)?;
        let over_at = UnixTime::from_seconds(u64::from_be_bytes(*over_at));
        if over_at <= ask.wall() {
            return Err(fault.into());
        }
        Ok((String::from_utf8_lossy(user).into_owned(), over_at))
    }

    /// Uses a challenge, once and last: whoever can't answer it must not fill what remembers those
    /// that were used.
    pub(super) async fn used_up(
        &self,
        ask: &Ask,
        challenge: &str,
        over_at: UnixTime,
    ) -> Result<(), PasswordRefusal> {
        let mut what = [0; 32];
        what.copy_from_slice(digest(&SHA256, challenge.as_bytes()).as_ref());
        let used = self.sessions.once(what, over_at, ask.wall()).await;
        used.map_err(|not_once| match not_once {
            NotOnce::Used => PasskeyFault::Challenge.into(),
            NotOnce::Store(_) => PasswordRefusal::Unavailable,
        })
    }

    /// The sign-in page came back with a passkey's answer.
    pub(super) async fn passkey_posted(
        &self,
        ask: &Ask,
        (goal, flow): (&Goal, &str),
        answer: &str,
    ) -> Response<Body> {
        match self.passkey_owner(ask, flow, answer).await {
            Ok(member) => {
                let authentication = member_signs_in(&member, Means::Passkey, ask.wall());
                self.signed_in(ask, goal, flow, (&member, authentication)).await
            }
            Err(refusal) => {
                self.note_refusal(ask, "", refusal).await;
                self.refused(ask, goal, flow, "", refusal)
            }
        }
    }

    async fn passkey_owner(
        &self,
        ask: &Ask,
        flow: &str,
        answer: &str,
    ) -> Result<Member, PasswordRefusal> {
        let assertion = Assertion::parse(answer)?;
        let challenge = assertion.challenge().ok_or(PasskeyFault::Unreadable)?;
        let (user, over_at) = self.opened_question(ask, flow, &challenge)?;
        if user != ANYBODY {
            return Err(PasskeyFault::Challenge.into()); // it was to make one
        }
        let origin = ask.origin();
        let expected = Expected { origin: &origin, challenge: &challenge };
        let (from, now) = (ask.visitor(), ask.now());
        let shown = ShownPasskey { assertion: &assertion, expected, from, now };
        let owner = self.accounts.by_passkey(shown).await?;
        self.used_up(ask, &challenge, over_at).await?;
        Ok(owner)
    }

    /// A new passkey, and for whom it was asked.
    pub(super) async fn made_passkey(
        &self,
        ask: &Ask,
        flow: &str,
        answer: &str,
    ) -> Result<(NewPasskey, String), PasswordRefusal> {
        let made = Registration::parse(answer)?;
        let challenge = made.challenge().ok_or(PasskeyFault::Unreadable)?;
        let (user, over_at) = self.opened_question(ask, flow, &challenge)?;
        if user == ANYBODY {
            return Err(PasskeyFault::Challenge.into()); // it was to use one
        }
        let origin = ask.origin();
        let new = made.verify(Expected { origin: &origin, challenge: &challenge })?;
        self.used_up(ask, &challenge, over_at).await?;
        Ok((new, user))
    }
}

/// May people of ours have passwords?
pub(super) fn takes_passwords(ask: &Ask) -> bool {
    ask.plan().sign_in.passwords == Passwords::Taken
}

/// Are there people of ours who sign in here?
pub(super) fn has_own_people(ask: &Ask) -> bool {
    ask.at_authenticate() && ask.plan().sign_in.providers.of(BUILTIN).is_some()
}
