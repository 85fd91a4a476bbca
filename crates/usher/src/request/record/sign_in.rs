use usher_rules::plan::Plan;

use super::Recorder;
use crate::request::{SignInJournal, SignInNote};

impl SignInJournal for Recorder {
    fn note(&self, plan: &Plan, note: SignInNote<'_>) {
        let SignInNote { level, event, now, request_id, person, cause, client_authentication } =
            note;
        let mut line = self.event(level, event, now).with("request-id", request_id);
        if let Some(person) = person {
            line = line.with("user-id", person);
        }
        if let Some(method) = client_authentication {
            line = line.with("client-authentication", method);
        }
        if let Some(cause) = cause {
            line = line.with("cause", cause);
        }
        line.write_if(&plan.log);
    }
}
