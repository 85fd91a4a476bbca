//! What policies, people and requests may be, for the laws that must hold of all of them.

use std::net::IpAddr;

use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Value, json};
use usher_rules::{
    people::{Claims, Group, Person, Spelling},
    policy::{LegacyAllow, Policy, RequestFacts},
    problem::Severity,
    session::{DeviceCredential, Enrolment, ShownDevice, SignedIn},
    time::UnixTime,
    unproven::{Unproven, Why},
    yaml,
};

use crate::{
    certificates,
    naive::{Clause, OPERATORS},
};

pub const EMAILS: [&str; 8] = [
    "ann@a.test",
    "Ann@A.test",
    "bob@b.test",
    "eve",
    "",
    "@a.test",
    "x@b.test@a.test",
    "ann@a.test, bob@b.test",
];
pub const IDS: [&str; 3] = ["ann", "bob", ""];
pub const GROUPS: [&str; 3] = ["family", "kids", ""];
pub const METHODS: [&str; 3] = ["GET", "DELETE", "OPTIONS"];
pub const PATHS: [&str; 4] = ["/", "/web", "/web/x", "/admin"];
pub const SOURCES: [&str; 3] = ["192.0.2.1", "::ffff:192.0.2.9", "2001:db8::1"];

/// Criteria as a config would write them, as JSON, which is YAML.
pub fn criterion() -> impl Strategy<Value = (String, Value)> {
    prop_oneof![
        Just(("accept".into(), json!(true))),
        Just(("reject".into(), json!(true))),
        Just(("authenticated_user".into(), json!(true))),
        Just(("cors_preflight".into(), json!(true))),
        text_matcher(&EMAILS).prop_map(|data| ("email".into(), data)),
        text_matcher(&["a.test", "b.test", ""]).prop_map(|data| ("domain".into(), data)),
        text_matcher(&IDS).prop_map(|data| ("user".into(), data)),
        text_matcher(&METHODS).prop_map(|data| ("http_method".into(), data)),
        text_matcher(&PATHS).prop_map(|data| ("http_path".into(), data)),
        list_matcher().prop_map(|data| ("groups".into(), data)),
        list_matcher().prop_map(|data| ("claim/groups".into(), data)),
        certificates::criterion(),
        text_matcher(&["read", "write"]).prop_map(|data| ("mcp_tool".into(), data)),
        text_matcher(&["root"]).prop_map(|data| ("ssh_username".into(), data)),
        device_matcher().prop_map(|data| ("device".into(), data)),
        select(windows()),
        vec(select(vec!["192.0.2.0/24", "192.0.2.1", "::/0", "2001:db8::/32"]), 1..3)
            .prop_map(|ranges| ("source_ip".into(), json!(ranges))),
    ]
}

/// Criteria about a moment, in UTC.
fn windows() -> Vec<(String, Value)> {
    [
        ("date", json!({"after": "2027-01-15T08:00:00Z"})),
        ("date", json!({"after": "2027-01-15T00:00:00Z", "before": "2027-01-15T20:00:00Z"})),
        ("day_of_week", json!({"is": "fri", "timezone": "UTC"})),
        ("time_of_day", json!({"timezone": "UTC", "after": "8:00", "before": "20:00"})),
        ("time_of_day", json!({"timezone": "UTC", "after": "20:00", "before": "8:00"})),
    ]
    .map(|(name, data)| (name.to_owned(), data))
    .into()
}

/// Moments at the edges of these, and others.
pub fn moment() -> impl Strategy<Value = UnixTime> {
    let begin = 1_800_000_000_u64; // a Friday, at eight
    select(vec![-90_000, -28_801, -28_800, -1, 0, 1, 43_199, 43_200, 57_600, 200_000])
        .prop_map(move |after| UnixTime::from_seconds(begin.saturating_add_signed(after)))
}

/// No operand is empty: such a config is refused.
pub fn text_matcher(words: &[&'static str]) -> impl Strategy<Value = Value> + use<> {
    let words: Vec<&str> = words.iter().copied().filter(|word| !word.is_empty()).collect();
    let word = select(words);
    let operator = select(vec!["is", "not", "contains", "starts_with", "ends_with"]);
    prop_oneof![
        word.clone().prop_map(|word| json!(word)),
        (operator, word.clone()).prop_map(|(operator, word)| json!({ operator: word })),
        (select(vec!["in", "not_in"]), vec(word.clone(), 1..3))
            .prop_map(|(operator, words)| json!({ operator: words })),
        (word.clone(), word).prop_map(|(not, end)| json!({ "not": not, "ends_with": end })),
    ]
}

pub fn device_matcher() -> impl Strategy<Value = Value> {
    let kind = option::of(select(vec!["any", "enclave_only"]));
    let id = option::of(select(vec!["key", "other"]));
    (kind, id, option::of(any::<bool>())).prop_map(|(kind, id, approved)| {
        let mut data = json!({});
        for (name, value) in [("type", kind.map(Value::from)), ("is", id.map(Value::from))] {
            if let Some(value) = value {
                data[name] = value;
            }
        }
        if let Some(approved) = approved {
            data["approved"] = approved.into();
        }
        data
    })
}

/// Devices that a session may have been proven on.
pub fn devices() -> impl Strategy<Value = Box<[ShownDevice]>> {
    let enrolment = select(vec![Enrolment::Missing, Enrolment::Pending, Enrolment::Approved]);
    let credential = (select(vec!["key", "other"]), select(IDS.to_vec()), enrolment);
    let credential = credential.prop_map(|(id, owner, enrolment)| DeviceCredential {
        id: id.into(),
        owner: owner.into(),
        enrolment,
    });
    let shown = (select(vec!["any", "enclave_only"]), option::of(credential));
    let shown = shown.prop_map(|(kind, credential)| ShownDevice { kind: kind.into(), credential });
    vec(shown, 0..3).prop_map(Into::into)
}

pub fn list_matcher() -> impl Strategy<Value = Value> {
    let word = select(vec!["family", "kids"]);
    prop_oneof![
        word.clone().prop_map(|word| json!(word)),
        (select(vec!["has", "is", "exclude"]), word)
            .prop_map(|(operator, word)| json!({ operator: word })),
    ]
}

pub fn clause() -> impl Strategy<Value = Clause> {
    (select(vec!["allow", "deny"]), select(OPERATORS.to_vec()), vec(criterion(), 0..4))
        .prop_map(|(effect, operator, criteria)| Clause { effect, operator, criteria })
}

pub const WHYS: [Why; 6] =
    [Why::NotVerified, Why::NoAddress, Why::Replaced, Why::NoList, Why::Unreadable, Why::LeftOut];

/// What somebody's provider says beside what counts.
pub fn unproven() -> impl Strategy<Value = Unproven> {
    let why = select(WHYS.to_vec());
    let emails = (Just("email"), select(EMAILS.to_vec()));
    let groups = (Just("groups"), select(GROUPS.to_vec()));
    vec((prop_oneof![emails, groups], why), 0..3).prop_map(|all| {
        let mut unproven = Unproven::default();
        for ((claim, value), why) in all {
            unproven.add(claim, vec![value.into()], why);
        }
        unproven
    })
}

/// An ID token, or userinfo.
pub fn document() -> impl Strategy<Value = Value> {
    let groups = vec(select(GROUPS.to_vec()), 0..3);
    (option::of(select(EMAILS.to_vec())), option::of(groups)).prop_map(|(email, groups)| {
        let mut document = json!({"sub": "ann"});
        if let Some(email) = email {
            document["email"] = email.into();
        }
        if let Some(groups) = groups {
            document["groups"] = groups.into();
        }
        document
    })
}

/// A member that takes something back.
pub fn spoilt() -> impl Strategy<Value = (&'static str, Value)> {
    prop_oneof![
        select(vec![json!(false), json!("false"), json!(0), json!("0"), json!(null), json!([])])
            .prop_map(|no| ("email_verified", no)),
        select(vec![json!({"groups": "elsewhere"}), json!({"groups": {}})])
            .prop_map(|names| ("_claim_names", names)),
        Just(("groups", json!([]))),
    ]
}

/// The same person, whose address does not count any more.
pub fn without_address(person: &Person, why: Why) -> Person {
    let mut unproven = Unproven::default();
    if !person.email.is_empty() {
        let said = !matches!(why, Why::Unreadable | Why::LeftOut);
        let said = said.then(|| Value::from(&*person.email)).into_iter().collect();
        unproven.add("email", said, why);
    }
    Person { email: "".into(), unproven, ..person.clone() }
}

/// The same person, whose groups do not count any more.
pub fn without_groups(person: &Person, why: Why) -> Person {
    let mut unproven = Unproven::default();
    let groups = person.claims.values("groups").to_vec();
    let said = if matches!(why, Why::Unreadable | Why::LeftOut) { vec![] } else { groups };
    unproven.add("groups", said, why);
    let mut claims = person.claims.clone();
    claims.set("groups", vec![]);
    Person { claims, unproven, ..person.clone() }
}

/// The same person, whose provider vouches for all that it says.
pub fn plain(person: &Person) -> Person {
    Person { unproven: Unproven::default(), ..person.clone() }
}

pub fn person() -> impl Strategy<Value = Person> {
    let groups = || vec(select(GROUPS.to_vec()), 0..3);
    let spelling = select(vec![Spelling::AsSaid, Spelling::Kept]);
    let said = (unproven(), spelling);
    (select(EMAILS.to_vec()), select(IDS.to_vec()), option::of(groups()), groups(), said).prop_map(
        |(email, id, directory, claimed, (unproven, spelling))| {
            let mut claims = Claims::default();
            claims.set("groups", claimed.into_iter().map(Value::from).collect());
            Person {
                id: id.into(),
                email: email.into(),
                name: "".into(),
                claims,
                directory_groups: directory.map(|d| d.into_iter().map(Group::from).collect()),
                unproven,
                spelling,
            }
        },
    )
}

pub fn request() -> impl Strategy<Value = RequestFacts<'static>> {
    let field = || option::of(select(vec!["", "x"]));
    let tool = option::of(select(vec!["read", "write", ""]));
    let line = (select(METHODS.to_vec()), select(PATHS.to_vec()), select(SOURCES.to_vec()));
    (line, field(), field(), tool).prop_map(|((method, path, source), origin, asks, tool)| {
        RequestFacts {
            method,
            path,
            source: source.parse::<IpAddr>().ok(),
            origin,
            access_control_request_method: asks,
            tool,
        }
    })
}

pub fn signed_in(person: &Person) -> SignedIn {
    crate::signed_in(person.clone(), Claims::default())
}

/// The same, proven on these devices.
pub fn shows(person: &Person, devices: &[ShownDevice]) -> SignedIn {
    let mut who = signed_in(person);
    who.session.devices = devices.into();
    who
}

pub fn compile(clauses: &[Clause]) -> Policy {
    let text = Value::from_iter(clauses.iter().map(Clause::to_json)).to_string();
    let mut problems = Vec::new();
    let node = yaml::parse(&text).clean().unwrap();
    let policy = Policy::compile(&LegacyAllow::default(), Some(&node), &mut problems);
    assert!(problems.iter().all(|p| p.severity == Severity::Warning), "{text}: {problems:?}");
    policy
}
