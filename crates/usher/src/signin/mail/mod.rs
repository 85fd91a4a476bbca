//! Mail to people: what they asked for, what waits to be sent, and what becomes of it. Nothing of it
//! is done while a browser waits for an answer.

mod letter;
mod look;
mod outbox;
mod smtp;

use std::time::Duration;

use usher_pages::{Language, Letter, LetterAbout};
use usher_rules::{
    accounts::link_address,
    plan::{Level, Plan},
    time::{Clock, Now, UnixTime},
};

pub use self::look::{MailRefusal, try_mail};
pub(super) use self::{
    letter::Queued,
    outbox::{Full, Outbox, Wish},
};

use self::{outbox::Due, smtp::NotSent};
use super::SignInRoom;
use crate::request::{EventName, Named, SignInNote};

/// How long a link is good that somebody asked for at the sign-in page.
const LINK_LIFE: Duration = Duration::from_secs(3600);
pub(super) const RECOVERY: &str = "a link to get in again";
pub(super) const INVITATION: &str = "an invitation";
pub(super) const RECOVERED: &str = "word that somebody got in again";

/// Whom a record is about, and where it was asked for.
#[derive(Clone, Copy, Default)]
struct About<'a> {
    person: Option<Named<'a>>,
    wish: Option<&'a Wish>,
}

/// Sends a letter at once, in English: for a command.
///
/// # Errors
///
/// Why it was not sent.
pub async fn send_letter(
    plan: &Plan,
    to: &str,
    letter: Letter<'_>,
    now: UnixTime,
) -> Result<(), String> {
    let smtp = plan.smtp.as_ref().ok_or("`smtp` is not in the config")?;
    let letter = Queued::new((to.trim(), None), INVITATION, (letter, Language::English));
    smtp::send(plan, smtp, &letter, now).await.map_err(|why| match why {
        NotSent::Away(why) | NotSent::NotNow(why) | NotSent::Refused(why) => why,
    })
}

impl SignInRoom {
    /// Looks up who asked to get in again, and puts letters for those who are here into the queue.
    /// To be called every second.
    pub async fn look_up_wishes(&self, plan: &Plan, clock: &dyn Clock) {
        while let Some(wish) = self.outbox.next_wish() {
            self.look_up(plan, &wish, clock.now()).await;
        }
    }

    async fn look_up(&self, plan: &Plan, wish: &Wish, now: Now) {
        let about = About { person: None, wish: Some(wish) };
        let typed = wish.typed.expose_str().unwrap_or_default();
        let Some(owner) = self.passwords.owner(typed).await else {
            let cause = "a link was asked for, and nobody here has the address that was typed";
            return self.note_mail(plan, now, (Level::Info, EventName::MailFailed), about, cause);
        };
        let about = About { person: Some((&owner).into()), ..about };
        let not_made = |level, why: &str| {
            let cause = format!("{RECOVERY} was not made: {why}");
            self.note_mail(plan, now, (level, EventName::MailFailed), about, &cause);
        };
        if owner.ends() <= now.wall {
            return not_made(Level::Info, "their access has ended");
        }
        if !self.outbox.has_room() {
            return not_made(Level::Warn, "too many letters wait to be sent");
        }
        if !self.outbox.may_have(&owner.id, now.monotonic) {
            return not_made(Level::Info, "they were sent enough of them lately");
        }
        let token = match self.accounts.mailed_link(&owner.email, LINK_LIFE, now.wall).await {
            Ok(token) => token,
            Err(error) => return not_made(Level::Error, &error.to_string()),
        };
        let at = &plan.sign_in.authenticate; // a request may say another port
        let link = link_address(at, &token);
        let over_at = now.wall.plus(LINK_LIFE).seconds();
        let recovery = LetterAbout::Recovery { email: &owner.email, link: &link, over_at };
        let letter = (Letter { site: at.host.as_str(), about: recovery }, wish.language);
        let letter = Queued::new((&owner.email, Some(&owner.id)), RECOVERY, letter);
        if let Err(Full) = self.outbox.post(letter, now.monotonic) {
            not_made(Level::Warn, "too many letters wait to be sent");
        }
    }

    /// Sends the letters whose turn it is. To be called every second.
    pub async fn send_mail(&self, plan: &Plan, clock: &dyn Clock) {
        let mut away = None;
        let begun = clock.now().monotonic;
        while let Some(due) = self.outbox.next_due(begun) {
            let sent = match (&plan.smtp, &away) {
                (None, _) => Err(NotSent::Refused("`smtp` is not in the config any more".into())),
                (Some(_), Some(why)) => Err(NotSent::Away(String::clone(why))),
                (Some(smtp), None) => smtp::send(plan, smtp, &due.letter, clock.now().wall).await,
            };
            let now = clock.now();
            match sent {
                Ok(()) => {
                    let cause = format!("{} was sent", due.letter.what);
                    let about = (Level::Info, EventName::Mail);
                    self.note_mail(plan, now, about, of(&due.letter), &cause);
                }
                Err(NotSent::Refused(why)) => self.given_up(plan, now, &due, &why),
                Err(NotSent::NotNow(why)) => self.try_later(plan, now, due, &why),
                Err(NotSent::Away(why)) => {
                    self.try_later(plan, now, due, &why);
                    away = Some(why);
                }
            }
        }
    }

    fn try_later(&self, plan: &Plan, now: Now, due: Due, why: &str) {
        let Some(pause) = due.pause() else { return self.given_up(plan, now, &due, why) };
        let (what, seconds) = (due.letter.what, pause.as_secs());
        let cause = format!("{what} can't be sent: {why}; it is tried again in {seconds} s");
        let about = (Level::Info, EventName::MailFailed);
        self.note_mail(plan, now, about, of(&due.letter), &cause);
        self.outbox.again(due, now.monotonic + pause);
    }

    fn given_up(&self, plan: &Plan, now: Now, due: &Due, why: &str) {
        let cause = format!("{} was not sent, and is given up: {why}", due.letter.what);
        let about = (Level::Warn, EventName::MailFailed);
        self.note_mail(plan, now, about, of(&due.letter), &cause);
    }

    fn note_mail(
        &self,
        plan: &Plan,
        now: Now,
        (level, event): (Level, EventName),
        About { person, wish }: About<'_>,
        cause: &str,
    ) {
        let note = SignInNote {
            level,
            event,
            now,
            request_id: wish.map_or("", |wish| &wish.request_id),
            person,
            from: wish.map(|wish| wish.from),
            cause: Some(cause.to_owned()),
            client_authentication: None,
        };
        self.journal.note(plan, note);
    }
}

fn of(letter: &Queued) -> About<'_> {
    About { person: letter.person.as_deref().map(|id| Named { id, email: &letter.to }), wish: None }
}
