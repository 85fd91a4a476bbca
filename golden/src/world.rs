//! The people of recorded policies, as sessions would bring them.

use serde_json::{Map, Value};
use usher_rules::{
    people::{Claims, Person},
    session::{Session, SessionId},
};

use crate::text::text;

/// Records as Pomerium's store has them.
pub struct World<'a> {
    records: &'a [Value],
}

impl<'a> World<'a> {
    pub fn new(records: &'a [Value]) -> Self {
        Self { records }
    }

    /// What stands behind a session cookie; `None` when nothing is in force.
    pub fn session(&self, cookie: &str, idp_id: &str) -> Option<Session> {
        let record =
            self.alive("service_account", cookie).or_else(|| self.alive("session", cookie))?;
        let record = match text(&record["data"], "impersonate_session_id") {
            "" => record,
            other => self.alive("session", other)?, // one hop, to a session only
        };
        Some(Session {
            id: SessionId::from_random(*b"a golden session"),
            idp_id: idp_id.into(),
            person: self.person(record),
            issued_at: 0,
            expires_at: 3_786_912_000, // 2090
            id_token: None,
        })
    }

    fn person(&self, session: &Value) -> Person {
        let user_id = text(&session["data"], "user_id");
        let user = self.record("user", user_id);
        let directory = self.record("pomerium.io/DirectoryUser", user_id);
        let mut claims = Claims::from_json(&raw_claims(session));
        for (name, values) in Claims::from_json(&user.map(raw_claims).unwrap_or_default()).iter() {
            claims.set(name, values.to_vec()); // the user record's win
        }
        let emails = [directory, user].into_iter().flatten();
        let mut emails = emails.map(|record| text(&record["data"], "email"));
        let groups = directory.and_then(|record| record["data"]["group_ids"].as_array());
        Person {
            id: user_id.into(),
            email: emails.find(|email| !email.is_empty()).unwrap_or_default().into(),
            name: user.map(|user| text(&user["data"], "name")).unwrap_or_default().into(),
            claims,
            directory_groups: groups
                .map(|groups| groups.iter().filter_map(Value::as_str).map(Into::into).collect()),
            unproven: Default::default(),
            spelling: Default::default(),
        }
    }

    /// Times in these records are in 2020, which is over, or in 2090.
    fn alive(&self, kind: &str, id: &str) -> Option<&'a Value> {
        let record = self.record(kind, id)?;
        text(&record["data"], "expires_at").starts_with("2090").then_some(record)
    }

    fn record(&self, kind: &str, id: &str) -> Option<&'a Value> {
        let is_it = |record: &&Value| record["type"] == kind && text(&record["data"], "id") == id;
        self.records.iter().find(is_it)
    }
}

fn raw_claims(record: &Value) -> Map<String, Value> {
    record["raw_claims"].as_object().cloned().unwrap_or_default()
}
