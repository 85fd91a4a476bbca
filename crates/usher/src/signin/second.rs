//! After a password, where somebody asks for more: a code of their app.

use std::time::Duration;

use data_encoding::BASE32_NOPAD;
use http::{HeaderValue, Response, header};
use usher_pages::{CODE_FIELD, Code, SHOWN_FIELD, Scripts, SignInError};
use usher_rules::{
    people::{Member, PasswordRefusal},
    secret::Secret,
    session::{Means, Purpose},
    signin::{Goal, Params, member_signs_in},
    time::UnixTime,
};

use super::{Ask, NO_RANDOM, SignInRoom, answer, random};
use crate::request::{Body, identify::StoreError};

/// How long the password that was shown counts, and a secret that waits for its first code.
const LIFE: Duration = Duration::from_secs(15 * 60);

/// What a sealed text of this room holds: one kind never counts as the other.
const PASSWORD_OF: &str = "password of";
const APP_SECRET: &str = "app secret";

impl SignInRoom {
    /// A password was right: in, or on to the code.
    pub(super) async fn password_shown(
        &self,
        ask: &Ask,
        (goal, flow): (&Goal, &str),
        member: &Member,
    ) -> Response<Body> {
        match self.accounts.code_app(&member.id).await {
            Ok(None) => {
                let authentication = member_signs_in(member, Means::Password, ask.wall());
                self.signed_in(ask, goal, flow, (member, authentication)).await
            }
            Ok(Some(_)) => self.code_page(ask, (goal, flow), (&member.id, member.changes), None),
            Err(error) => self.not_begun(ask, &StoreError::Unavailable(error.to_string().into())),
        }
    }

    fn code_page(
        &self,
        ask: &Ask,
        (goal, flow): (&Goal, &str),
        (id, changes): (&str, u64),
        error: Option<SignInError>,
    ) -> Response<Body> {
        let of = [&changes.to_be_bytes(), id.as_bytes()].concat();
        let Some(shown) = self.held(ask, (PASSWORD_OF, flow), &of) else {
            return self.not_begun(ask, &StoreError::Unavailable(NO_RANDOM.into()));
        };
        let host = goal.host(ask.plan());
        let page = Code { host: &host, error, flow, shown: &shown };
        let onward = goal.origins(ask.plan());
        let onward: Vec<&str> = onward.iter().map(String::as_str).collect();
        answer::html(
            error.map_or(200, SignInError::status),
            page.render(ask.language()),
            Scripts::No,
            &onward,
        )
    }

    /// The page with the code came back; `None` where another one did.
    pub(super) async fn code_posted(
        &self,
        ask: &Ask,
        (goal, flow): (&Goal, &str),
        form: &Params,
    ) -> Option<Response<Body>> {
        let shown = form.text(SHOWN_FIELD).filter(|shown| !shown.is_empty())?;
        let Some((id, changes)) = self.password_of(ask, flow, shown) else {
            return Some(self.fresh_form(ask, goal, "", Some(SignInError::Expired)));
        };
        let typed = form.text(CODE_FIELD).unwrap_or_default();
        Some(match self.accounts.take_code(&id, typed, ask.now()).await {
            // What was shown before is no password of theirs any more.
            Ok(member) if member.changes != changes => {
                self.note_refusal(ask, &member.email, PasswordRefusal::Wrong).await;
                self.refused(ask, goal, flow, &member.email, PasswordRefusal::Wrong)
            }
            Ok(member) => {
                let authentication = member_signs_in(&member, Means::Password, ask.wall());
                self.signed_in(ask, goal, flow, (&member, authentication)).await
            }
            Err(refusal) => {
                self.note_refusal(ask, "", refusal).await;
                let (error, retry_after) = super::form::shown_as(refusal);
                let mut response = self.code_page(ask, (goal, flow), (&id, changes), Some(error));
                let fields = response.headers_mut();
                fields.extend(retry_after.map(|at| (header::RETRY_AFTER, HeaderValue::from(at))));
                response
            }
        })
    }

    /// Whose password was shown, and after how many changes.
    fn password_of(&self, ask: &Ask, flow: &str, shown: &str) -> Option<(String, u64)> {
        let of = self.read_held(ask, (PASSWORD_OF, flow), shown)?;
        let (changes, id) = of.split_first_chunk()?;
        Some((String::from_utf8(id.to_vec()).ok()?, u64::from_be_bytes(*changes)))
    }

    /// A secret that an app is to have, sealed until the app has shown a code.
    pub(super) fn new_app_secret(&self, ask: &Ask, flow: &str) -> Option<(String, String)> {
        let secret: [u8; 20] = random()?; // as long as the digest (RFC 4226 §4)
        Some((BASE32_NOPAD.encode(&secret), self.held(ask, (APP_SECRET, flow), &secret)?))
    }

    /// The same as it comes back.
    pub(super) fn app_secret(&self, ask: &Ask, flow: &str, held: &str) -> Option<Secret> {
        self.read_held(ask, (APP_SECRET, flow), held).map(Secret::new)
    }

    fn held(&self, ask: &Ask, (kind, flow): (&str, &str), what: &[u8]) -> Option<String> {
        let over_at = ask.wall().plus(LIFE).seconds();
        let text = [&over_at.to_be_bytes(), what].concat();
        let bound_to = format!("{kind} {flow}");
        Some(self.keys.seal(Purpose::SecondFactor, bound_to.as_bytes(), &text, random()?))
    }

    fn read_held(&self, ask: &Ask, (kind, flow): (&str, &str), held: &str) -> Option<Vec<u8>> {
        let bound_to = format!("{kind} {flow}");
        let text = self.keys.open(Purpose::SecondFactor, bound_to.as_bytes(), held).ok()?;
        let (over_at, what) = text.split_first_chunk()?;
        let over_at = UnixTime::from_seconds(u64::from_be_bytes(*over_at));
        (over_at > ask.wall()).then(|| what.to_vec())
    }
}

/// What a camera reads into an app.
pub(super) fn app_address(site: &str, email: &str, secret: &str) -> String {
    let escaped =
        |text: &str| -> String { url::form_urlencoded::byte_serialize(text.as_bytes()).collect() };
    let (site, email) = (escaped(site), escaped(email));
    format!("otpauth://totp/{site}:{email}?secret={secret}&issuer={site}")
}
