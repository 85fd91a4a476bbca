//! What must hold of every policy: laws, and agreement with a slow reading of the same rules.

use std::{collections::BTreeSet, net::IpAddr};

use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Value, json};
use usher_rules::{
    people::{Claims, Group, Person, Spelling},
    policy::{Facts, LegacyAllow, Policy, RequestFacts, Verdict},
    problem::Severity,
    session::SignedIn,
    signin::person_from_claims,
    unproven::{Unproven, Why},
    yaml::{self, Entry, Kind, Node, Style},
};

use crate::naive::{self, Clause, OPERATORS};

const EMAILS: [&str; 8] = [
    "ann@a.test",
    "Ann@A.test",
    "bob@b.test",
    "eve",
    "",
    "@a.test",
    "x@b.test@a.test",
    "ann@a.test, bob@b.test",
];
const IDS: [&str; 3] = ["ann", "bob", ""];
const GROUPS: [&str; 3] = ["family", "kids", ""];
const METHODS: [&str; 3] = ["GET", "DELETE", "OPTIONS"];
const PATHS: [&str; 4] = ["/", "/web", "/web/x", "/admin"];
const SOURCES: [&str; 3] = ["192.0.2.1", "::ffff:192.0.2.9", "2001:db8::1"];

/// Criteria as a config would write them, as JSON, which is YAML.
fn criterion() -> impl Strategy<Value = (String, Value)> {
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
        vec(select(vec!["192.0.2.0/24", "192.0.2.1", "::/0", "2001:db8::/32"]), 1..3)
            .prop_map(|ranges| ("source_ip".into(), json!(ranges))),
    ]
}

/// No operand is empty: such a config is refused.
fn text_matcher(words: &[&'static str]) -> impl Strategy<Value = Value> + use<> {
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

fn list_matcher() -> impl Strategy<Value = Value> {
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

const WHYS: [Why; 6] =
    [Why::NotVerified, Why::NoAddress, Why::Replaced, Why::NoList, Why::Unreadable, Why::LeftOut];

/// What somebody's provider says beside what counts.
fn unproven() -> impl Strategy<Value = Unproven> {
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
fn document() -> impl Strategy<Value = Value> {
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
fn spoilt() -> impl Strategy<Value = (&'static str, Value)> {
    prop_oneof![
        select(vec![json!(false), json!("false"), json!(0), json!("0"), json!(null), json!([])])
            .prop_map(|no| ("email_verified", no)),
        select(vec![json!({"groups": "elsewhere"}), json!({"groups": {}})])
            .prop_map(|names| ("_claim_names", names)),
        Just(("groups", json!([]))),
    ]
}

/// The same person, whose address does not count any more.
fn without_address(person: &Person, why: Why) -> Person {
    let mut unproven = Unproven::default();
    if !person.email.is_empty() {
        let said = !matches!(why, Why::Unreadable | Why::LeftOut);
        let said = said.then(|| Value::from(&*person.email)).into_iter().collect();
        unproven.add("email", said, why);
    }
    Person { email: "".into(), unproven, ..person.clone() }
}

/// The same person, whose groups do not count any more.
fn without_groups(person: &Person, why: Why) -> Person {
    let mut unproven = Unproven::default();
    let groups = person.claims.values("groups").to_vec();
    let said = if matches!(why, Why::Unreadable | Why::LeftOut) { vec![] } else { groups };
    unproven.add("groups", said, why);
    let mut claims = person.claims.clone();
    claims.set("groups", vec![]);
    Person { claims, unproven, ..person.clone() }
}

/// The same person, whose provider vouches for all that it says.
fn plain(person: &Person) -> Person {
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
    (select(METHODS.to_vec()), select(PATHS.to_vec()), select(SOURCES.to_vec()), field(), field())
        .prop_map(|(method, path, source, origin, asks)| RequestFacts {
            method,
            path,
            source: source.parse::<IpAddr>().unwrap(),
            origin,
            access_control_request_method: asks,
        })
}

pub fn signed_in(person: &Person) -> SignedIn {
    crate::signed_in(person.clone(), Claims::default())
}

pub fn compile(clauses: &[Clause]) -> Policy {
    let text = Value::from_iter(clauses.iter().map(Clause::to_json)).to_string();
    let mut problems = Vec::new();
    let node = yaml::parse(&text).clean().unwrap();
    let policy = Policy::compile(&LegacyAllow::default(), Some(&node), &mut problems);
    assert!(problems.iter().all(|p| p.severity == Severity::Warning), "{text}: {problems:?}");
    policy
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn compiled_and_slow_reading_agree(
        clauses in vec(clause(), 0..5),
        person in option::of(person()),
        request in request(),
    ) {
        let person = person.map(|person| Person { spelling: Spelling::AsSaid, ..plain(&person) });
        let who = person.as_ref().map(signed_in);
        let facts = Facts::of(who.as_ref(), request);
        let policy = compile(&clauses);
        let decision = policy.decide(&facts);
        let words = |reasons: usher_rules::policy::Reasons| {
            reasons.iter().map(|reason| reason.word()).collect::<BTreeSet<_>>()
        };
        let found = naive::Decision {
            verdict: decision.verdict,
            allow: (decision.allow.holds, words(decision.allow.reasons)),
            deny: (decision.deny.holds, words(decision.deny.reasons)),
        };
        prop_assert_eq!(found, naive::decide(&clauses, &facts));
        prop_assert_eq!(policy.explain(&facts).decision, decision);
    }

    #[test]
    fn what_a_provider_does_not_vouch_for_never_lets_in(
        clauses in vec(clause(), 0..5),
        person in person(),
        request in request(),
    ) {
        let policy = compile(&clauses);
        let with = |person: &Person| policy.decide(&Facts::of(Some(&signed_in(person)), request)).verdict;
        if with(&person) == Verdict::Allow {
            prop_assert_eq!(with(&plain(&person)), Verdict::Allow);
        }
    }

    #[test]
    fn a_fact_that_loses_its_proof_never_turns_a_deny_into_an_allow(
        clauses in vec(clause(), 0..5),
        person in person(),
        request in request(),
        why in select(WHYS.to_vec()),
    ) {
        let policy = compile(&clauses);
        let with = |person: &Person| policy.decide(&Facts::of(Some(&signed_in(person)), request)).verdict;
        let before = Person { spelling: Spelling::AsSaid, ..plain(&person) };
        for after in [without_address(&before, why), without_groups(&before, why)] {
            if with(&before) == Verdict::Deny {
                prop_assert_eq!(with(&after), Verdict::Deny, "{:?}", after);
            }
        }
    }

    #[test]
    fn what_a_provider_takes_back_never_turns_a_deny_into_an_allow(
        clauses in vec(clause(), 0..5),
        request in request(),
        id_token in document(),
        userinfo in option::of(document()),
        spoilt in spoilt(),
        in_userinfo in any::<bool>(),
    ) {
        let policy = compile(&clauses);
        let with = |id_token: &Value, userinfo: Option<&Value>| {
            let userinfo = userinfo.and_then(Value::as_object);
            let told = person_from_claims(id_token.as_object().unwrap(), userinfo).unwrap();
            let who = crate::signed_in(told.person, told.claims);
            policy.decide(&Facts::of(Some(&who), request)).verdict
        };
        let before = with(&id_token, userinfo.as_ref());
        let (mut id_token, mut userinfo) = (id_token, userinfo);
        let document = if in_userinfo { userinfo.as_mut() } else { Some(&mut id_token) };
        if let Some(document) = document {
            let (name, value) = &spoilt;
            // What was said before is now said in a way that does not count.
            document[name] = match (name, document.get(name)) {
                (&"groups", Some(groups)) => json!([groups]),
                _ => value.clone(),
            };
            if before == Verdict::Deny {
                prop_assert_eq!(with(&id_token, userinfo.as_ref()), Verdict::Deny);
            }
        }
    }

    #[test]
    fn capitals_walk_around_no_deny(
        clauses in vec(clause(), 0..5),
        person in person(),
        request in request(),
    ) {
        // Whoever is kept out by a `deny` of an address is so in every spelling of theirs.
        let allow = |clause: &Clause| clause.effect == "allow";
        let deny = clauses.iter().find(|clause| !allow(clause) && clause.operator == "or");
        let about = |(name, data): &(String, Value)| name == "email" && data.is_string();
        if let Some((_, data)) = deny.and_then(|c| c.criteria.iter().find(|c| about(c))) {
            let mut capitals = person.clone();
            capitals.email = data.as_str().unwrap_or_default().to_uppercase().into();
            let who = signed_in(&capitals);
            let facts = Facts::of(Some(&who), request);
            prop_assert_eq!(compile(&clauses).decide(&facts).verdict, Verdict::Deny);
        }
    }

    #[test]
    fn one_more_deny_never_lets_in(
        clauses in vec(clause(), 0..5),
        more in clause(),
        person in option::of(person()),
        request in request(),
    ) {
        let who = person.as_ref().map(signed_in);
        let facts = Facts::of(who.as_ref(), request);
        let mut stricter = clauses.clone();
        stricter.push(Clause { effect: "deny", ..more });
        if compile(&stricter).decide(&facts).verdict == Verdict::Allow {
            prop_assert_eq!(compile(&clauses).decide(&facts).verdict, Verdict::Allow);
        }
    }

    #[test]
    fn questions_about_people_let_nobody_in_unasked(
        clauses in vec(clause(), 1..5),
        request in request(),
    ) {
        let about_people = |(name, _): &(String, Value)| {
            matches!(name.as_str(), "authenticated_user" | "email" | "domain" | "user" | "groups")
                || name.starts_with("claim/")
        };
        let clauses: Vec<Clause> = clauses
            .into_iter()
            .map(|mut clause| { clause.criteria.retain(about_people); clause })
            .filter(|clause| !clause.criteria.is_empty())
            .collect();
        let asked = !clauses.is_empty();
        let verdict = compile(&clauses).decide(&Facts::of(None, request)).verdict;
        prop_assert_eq!(verdict, if asked { Verdict::SignIn } else { Verdict::Deny });
    }

    #[test]
    fn nobody_who_signed_in_is_sent_to_sign_in(
        clauses in vec(clause(), 0..5),
        person in person(),
        request in request(),
    ) {
        let verdict = compile(&clauses).decide(&Facts::of(Some(&signed_in(&person)), request)).verdict;
        prop_assert_ne!(verdict, Verdict::SignIn);
    }

    #[test]
    fn one_mistake_closes_the_route(clauses in vec(clause(), 0..5), request in request()) {
        let mut rules: Vec<Value> = clauses.iter().map(Clause::to_json).collect();
        rules.push(json!({"deny": {"or": [{"nonsense": true}]}}));
        let node = yaml::parse(&Value::from(rules).to_string()).clean().unwrap();
        let policy = Policy::compile(&LegacyAllow::default(), Some(&node), &mut Vec::new());
        let decision = policy.decide(&Facts::of(None, request));
        prop_assert_eq!((decision.verdict, &*decision.rule), (Verdict::Deny, "nothing-allows"));
    }

    #[test]
    fn any_node_compiles_or_denies(node in node(), person in option::of(person()), request in request()) {
        let mut problems = Vec::new();
        let policy = Policy::compile(&LegacyAllow::default(), Some(&node), &mut problems);
        let who = person.as_ref().map(signed_in);
        let verdict = policy.decide(&Facts::of(who.as_ref(), request)).verdict;
        if problems.iter().any(|problem| problem.severity == Severity::Error) {
            prop_assert_eq!(verdict, Verdict::Deny, "a broken policy denies");
        }
    }

    #[test]
    fn any_text_is_read_without_harm(text in soup()) {
        if let Ok(node) = yaml::parse(&text).clean() {
            let mut problems = Vec::new();
            Policy::compile(&LegacyAllow::default(), Some(&node), &mut problems);
            for problem in problems {
                prop_assert!(!problem.help.is_empty() && problem.code.starts_with("U3"));
            }
        }
    }
}

const WORDS: [&str; 24] = [
    "allow",
    "deny",
    "and",
    "or",
    "not",
    "nor",
    "action",
    "accept",
    "reject",
    "email",
    "domain",
    "user",
    "claim/groups",
    "claim",
    "groups",
    "http_path",
    "http_method",
    "source_ip",
    "is",
    "not_in",
    "exclude",
    "192.0.2.0/24",
    "~",
    "7",
];

fn node() -> impl Strategy<Value = Node> {
    let scalar =
        (prop_oneof![select(WORDS.to_vec()).prop_map(str::to_owned), ".{0,6}"], any::<bool>())
            .prop_map(|(text, quoted)| Node {
                span: 0..1,
                kind: Kind::Scalar {
                    text: text.into(),
                    style: if quoted { Style::Quoted } else { Style::Plain },
                },
            });
    scalar.prop_recursive(6, 48, 4, |inner| {
        let entry = (select(WORDS.to_vec()), inner.clone()).prop_map(|(key, value)| Entry {
            key: key.into(),
            key_span: 0..1,
            value,
        });
        prop_oneof![vec(inner, 0..4).prop_map(Kind::List), vec(entry, 0..3).prop_map(Kind::Map),]
            .prop_map(|kind| Node { span: 0..1, kind })
    })
}

/// Words of policies with the marks of YAML between them, and sometimes anything.
fn soup() -> impl Strategy<Value = String> {
    let mark = select(vec!["[", "]", "{", "}", ": ", ", ", "- ", "\n", "\n  ", "\n    ", "'", "#"]);
    let piece = prop_oneof![
        4 => select(WORDS.to_vec()).prop_map(str::to_owned),
        4 => mark.prop_map(str::to_owned),
        1 => ".{0,4}",
    ];
    vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}
