//! The people of the recorded cases, as sessions would bring them.

use serde_json::{Map, Value};
use usher_rules::people::{Claims, Person};

/// Records as Pomerium's store has them.
pub struct World<'a> {
    records: &'a [Value],
}

impl<'a> World<'a> {
    pub fn new(records: &'a Value) -> Self {
        Self { records: records.as_array().unwrap() }
    }

    /// Who is behind a session cookie; `None` when nobody is.
    pub fn person(&self, cookie: &str) -> Option<Person> {
        let session =
            self.alive("service_account", cookie).or_else(|| self.alive("session", cookie))?;
        let session = match text(session, "impersonate_session_id") {
            "" => session,
            other => self.alive("session", other)?, // one hop, to a session only
        };
        let user_id = text(session, "user_id");
        let user = self.record("user", user_id);
        let directory = self.record("pomerium.io/DirectoryUser", user_id);

        let mut claims = Claims::from_json(&raw_claims(session));
        for (name, values) in Claims::from_json(&user.map(raw_claims).unwrap_or_default()).iter() {
            claims.set(name, values.to_vec()); // the user record's win
        }
        let emails = [directory, user].into_iter().flatten().map(|record| text(record, "email"));
        Some(Person {
            id: user_id.into(),
            email: emails.into_iter().find(|email| !email.is_empty()).unwrap_or_default().into(),
            name: user.map(|user| text(user, "name")).unwrap_or_default().into(),
            claims,
            directory_groups: directory.map(|record| {
                let groups = record["data"]["group_ids"].as_array().unwrap();
                groups.iter().map(|group| group.as_str().unwrap().into()).collect()
            }),
            unproven: Default::default(),
            spelling: Default::default(),
        })
    }

    fn alive(&self, kind: &str, id: &str) -> Option<&'a Value> {
        let record = self.record(kind, id)?;
        text(record, "expires_at").starts_with("2090").then_some(record)
    }

    fn record(&self, kind: &str, id: &str) -> Option<&'a Value> {
        self.records.iter().find(|record| record["type"] == kind && text(record, "id") == id)
    }
}

fn text<'v>(record: &'v Value, field: &str) -> &'v str {
    record["data"][field].as_str().unwrap_or_default()
}

fn raw_claims(record: &Value) -> Map<String, Value> {
    record["raw_claims"].as_object().cloned().unwrap_or_default()
}
