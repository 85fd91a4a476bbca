use std::net::IpAddr;

use usher_rules::{
    people::{Member, Person},
    plan::{Level, LogSelection, Plan},
    time::Now,
};

use super::{Event, Recorder, selection::selected};
use crate::request::{EventField, EventName};

/// Keeps what operators want to know about sign-ins.
pub trait SignInJournal: Send + Sync {
    /// Takes note.
    fn note(&self, plan: &Plan, note: SignInNote<'_>);
}

/// Somebody whom a line is about, as the store or the provider knows them: never what was typed,
/// which may be a password in the wrong field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named<'a> {
    /// Their id.
    pub id: &'a str,
    /// Their address; may be empty.
    pub email: &'a str,
}

impl<'a> From<&'a Person> for Named<'a> {
    fn from(person: &'a Person) -> Self {
        Self { id: &person.id, email: &person.email }
    }
}

impl<'a> From<&'a Member> for Named<'a> {
    fn from(member: &'a Member) -> Self {
        Self { id: &member.id, email: &member.email }
    }
}

/// Something that happened at sign-in or sign-out. Never a secret, a token or a query.
#[derive(Debug)]
pub struct SignInNote<'a> {
    /// How much it matters.
    pub level: Level,
    /// `sign-in`, `sign-in-failed`, `sign-out`, `session-ended` or `provider`.
    pub event: EventName,
    /// When.
    pub now: Now,
    /// The request that it happened in; empty where it was in none.
    pub request_id: &'a str,
    /// The person, where one is known: of a sign-in that failed, whose account was tried.
    pub person: Option<Named<'a>>,
    /// The visitor: the TCP peer, or whom the proxies that are trusted name.
    pub from: Option<IpAddr>,
    /// Why, where it did not go well.
    pub cause: Option<String>,
    /// How we told the provider's token endpoint our secret (OIDC Core §9), where we did.
    pub client_authentication: Option<&'static str>,
}

impl SignInJournal for Recorder {
    fn note(&self, plan: &Plan, note: SignInNote<'_>) {
        let SignInNote { level, event, now, request_id, .. } = note;
        let mut line = self.event(level, event, now);
        if !request_id.is_empty() {
            line = line.with(EventField::RequestId, request_id);
        }
        if let Some(person) = note.person {
            line = named(line, person, &plan.log);
        }
        if let Some(from) = note.from {
            line = line.with(EventField::Ip, from);
        }
        if let Some(method) = note.client_authentication {
            line = line.with(EventField::ClientAuthentication, method);
        }
        if let Some(cause) = note.cause {
            line = line.with(EventField::Cause, cause);
        }
        line.write_if(&plan.log);
    }
}

/// Who; with their address unless the operator left `email` out of `authorize_log_fields`.
fn named<'a>(line: Event<'a>, person: Named<'_>, log: &LogSelection) -> Event<'a> {
    let line = line.with(EventField::UserId, person.id);
    match selected(log.authorize.as_ref(), "email") && !person.email.is_empty() {
        true => line.with(EventField::Email, person.email),
        false => line,
    }
}
