use usher_rules::plan::{LogSelection, Plan};

use super::{Event, Recorder, recorder::selected};
use crate::request::{EventField, Named, SignInJournal, SignInNote};

impl SignInJournal for Recorder {
    fn note(&self, plan: &Plan, note: SignInNote<'_>) {
        let SignInNote { level, event, now, request_id, .. } = note;
        let mut line = self.event(level, event, now).with(EventField::RequestId, request_id);
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
