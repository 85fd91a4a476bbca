//! The people of recorded policies, as sessions would bring them.

use serde_json::{Map, Value};
use usher_rules::{
    people::{Claims, Group, Person},
    session::{
        Authentication, DeviceCredential, Enrolment, Means, SessionId, ShownDevice, SignIn,
        SignedIn,
    },
    time::UnixTime,
};

use crate::text::text;

/// Records as Pomerium's store has them.
pub(crate) struct World<'a> {
    records: &'a [Value],
}

impl<'a> World<'a> {
    pub(crate) fn new(records: &'a [Value]) -> Self {
        Self { records }
    }

    /// What stands behind a session cookie; `None` when nothing is in force.
    pub(crate) fn signed_in(&self, cookie: &str, idp_id: &str) -> Option<SignedIn> {
        let (own, means) = match self.alive("service_account", cookie) {
            Some(account) => (account, Means::ServiceAccount),
            None => (self.alive("session", cookie)?, Means::Provider),
        };
        let (record, actor) = match text(&own["data"], "impersonate_session_id") {
            "" => (own, None),
            // one hop, to a session only
            other => (self.alive("session", other)?, Some(text(&own["data"], "user_id"))),
        };
        let told = Authentication {
            person: self.person(record),
            claims: Claims::from_json(&raw_claims(record)),
            sign_in: SignIn { means, at: None },
        };
        let [from, to] = [0, 3_786_912_000].map(UnixTime::from_seconds); // 2090
        let mut new = told.begin(session_id(), idp_id, from, to);
        new.session.actor = actor.map(Into::into);
        new.session.devices = self.devices(record);
        Some(new)
    }

    fn person(&self, session: &Value) -> Person {
        let user_id = text(&session["data"], "user_id");
        let user = self.record("user", user_id);
        let directory = self.record("pomerium.io/DirectoryUser", user_id);
        let emails = [directory, user].into_iter().flatten();
        let mut emails = emails.map(|record| text(&record["data"], "email"));
        let groups = directory.and_then(|record| record["data"]["group_ids"].as_array());
        Person {
            id: user_id.into(),
            email: emails.find(|email| !email.is_empty()).unwrap_or_default().into(),
            name: "".into(), // theirs tells claims alone
            claims: Claims::from_json(&user.map(raw_claims).unwrap_or_default()),
            directory_groups: groups
                .map(|ids| ids.iter().filter_map(Value::as_str).map(|id| self.group(id)).collect()),
            unproven: Default::default(),
            spelling: Default::default(),
        }
    }

    /// What the store knows of the devices that a session names.
    fn devices(&self, session: &Value) -> Box<[ShownDevice]> {
        let shown = session["data"]["device_credentials"].as_array().into_iter().flatten();
        shown
            .map(|shown| ShownDevice {
                kind: text(shown, "type_id").into(),
                credential: self.credential(text(shown, "id")),
            })
            .collect()
    }

    fn credential(&self, id: &str) -> Option<DeviceCredential> {
        let credential = self.record("device_credential", id)?;
        let enrolment =
            self.record("device_enrollment", text(&credential["data"], "enrollment_id"));
        Some(DeviceCredential {
            id: id.into(),
            owner: text(&credential["data"], "user_id").into(),
            enrolment: match enrolment.map(|record| text(&record["data"], "approved_by")) {
                None => Enrolment::Missing,
                Some("") => Enrolment::Pending,
                Some(_) => Enrolment::Approved,
            },
        })
    }

    fn group(&self, id: &str) -> Group {
        let group = self.record("pomerium.io/DirectoryGroup", id);
        Group { id: id.into(), name: group.map_or(id, |it| text(&it["data"], "name")).into() }
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

/// Of every session here: what it is called in the file is no id of ours.
pub(crate) fn session_id() -> SessionId {
    SessionId::from_random(*b"a golden session")
}

fn raw_claims(record: &Value) -> Map<String, Value> {
    record["raw_claims"].as_object().cloned().unwrap_or_default()
}
