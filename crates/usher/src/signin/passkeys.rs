//! Passkeys: what they are asked, and what comes of their answers (WebAuthn Level 3 §7).
//!
//! A challenge is sealed: it says until when it counts and for whom it is, opens for the browser
//! that it was given to alone, and counts once.

use std::{net::IpAddr, time::Duration};

use aws_lc_rs::digest::{SHA256, digest};
use http::Response;
use usher_pages::NewPasskeyQuestion;
use usher_rules::{
    accounts::{KeptPasskey, ShownPasskey},
    passkey::{Assertion, Expected, NewPasskey, PasskeyFault, Registration},
    people::{Member, PasswordRefusal},
    plan::BUILTIN,
    session::{Means, Purpose},
    signin::{Goal, member_signs_in},
    time::UnixTime,
};

use super::{Ask, SignInRoom, random};
use crate::request::{Body, identify::NotOnce};

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
    fn challenge(&self, ask: &Ask, flow: &str, user: &str) -> Option<String> {
        let host = &ask.authority().host;
        if host.is_ipv6() || host.as_str().parse::<IpAddr>().is_ok() {
            return None;
        }
        let over_at = ask.wall().plus(CHALLENGE_LIFE).seconds();
        let text = [&over_at.to_be_bytes(), user.as_bytes()].concat();
        Some(self.keys.seal(Purpose::Passkey, flow.as_bytes(), &text, random()?))
    }

    /// For whom a challenge was, if it is ours, this browser's, in time, and not used.
    async fn answered(
        &self,
        ask: &Ask,
        flow: &str,
        challenge: &str,
    ) -> Result<String, PasswordRefusal> {
        let fault = PasskeyFault::Challenge;
        let text = self.keys.open(Purpose::Passkey, flow.as_bytes(), challenge);
        let text = text.map_err(|_| fault)?;
        let (over_at, user) = text.split_first_chunk().ok_or(fault)?;
        let over_at = UnixTime::from_seconds(u64::from_be_bytes(*over_at));
        if over_at <= ask.wall() {
            return Err(fault.into());
        }
        let mut what = [0; 32];
        what.copy_from_slice(digest(&SHA256, challenge.as_bytes()).as_ref());
        match self.sessions.once(what, over_at, ask.wall()).await {
            Ok(()) => Ok(String::from_utf8_lossy(user).into_owned()),
            Err(NotOnce::Used) => Err(fault.into()),
            Err(NotOnce::Store(_)) => Err(PasswordRefusal::Unavailable),
        }
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
        if self.answered(ask, flow, &challenge).await? != ANYBODY {
            return Err(PasskeyFault::Challenge.into()); // it was to make one
        }
        let origin = ask.origin();
        let expected = Expected { origin: &origin, challenge: &challenge };
        let (from, now) = (ask.visitor(), ask.now());
        let shown = ShownPasskey { assertion: &assertion, expected, from, now };
        self.accounts.by_passkey(shown).await
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
        let user = self.answered(ask, flow, &challenge).await?;
        if user == ANYBODY {
            return Err(PasskeyFault::Challenge.into()); // it was to use one
        }
        let origin = ask.origin();
        let new = made.verify(Expected { origin: &origin, challenge: &challenge })?;
        Ok((new, user))
    }
}

/// Are there people of ours who sign in here?
pub(super) fn has_own_people(ask: &Ask) -> bool {
    ask.at_authenticate() && ask.plan().sign_in.providers.of(BUILTIN).is_some()
}
