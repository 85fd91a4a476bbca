//! What must hold of every policy: laws, and agreement with a slow reading of the same rules.

use std::collections::BTreeSet;

use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Value, json};
use usher_rules::{
    people::{Person, Spelling},
    policy::{Facts, LegacyAllow, Policy, Verdict},
    problem::Severity,
    session::{ShownDevice, SignedIn},
    signin::person_from_claims,
    time::UnixTime,
    yaml::{self, Entry, Kind, Node, Style},
};

use crate::{
    certificates::{shown, standing},
    given::{
        WHYS, clause, compile, devices, document, moment, person, plain, request, shows, signed_in,
        spoilt, without_address, without_groups,
    },
    naive::{self, Clause},
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn compiled_and_slow_reading_agree(
        clauses in vec(clause(), 0..5),
        person in option::of(person()),
        devices in devices(),
        request in request(),
        shown in shown(),
        moment in option::of(moment()),
    ) {
        let person = person.map(|person| Person { spelling: Spelling::AsSaid, ..plain(&person) });
        let who = person.as_ref().map(|person| shows(person, &devices));
        let facts = Facts::of(who.as_ref(), request).with_certificate(standing(&shown));
        let facts = moment.map_or(facts, |moment| facts.at(moment));
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
                prop_assert_ne!(with(&after), Verdict::Allow, "{:?}", after);
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
                prop_assert_ne!(with(&id_token, userinfo.as_ref()), Verdict::Allow);
            }
        }
    }

    #[test]
    fn a_clock_that_is_not_set_lets_nobody_in_whom_one_that_is_keeps_out(
        clauses in vec(clause(), 0..5),
        person in option::of(person()),
        request in request(),
        moment in moment(),
    ) {
        let (policy, who) = (compile(&clauses), person.as_ref().map(signed_in));
        let facts = Facts::of(who.as_ref(), request);
        if policy.decide(&facts.at(UnixTime::from_seconds(0))).verdict == Verdict::Allow {
            prop_assert_ne!(policy.decide(&facts.at(moment)).verdict, Verdict::Deny);
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
            prop_assert_ne!(compile(&clauses).decide(&facts).verdict, Verdict::Allow);
        }
    }

    #[test]
    fn one_more_deny_never_lets_in(
        clauses in vec(clause(), 0..5),
        more in clause(),
        person in option::of(person()),
        devices in devices(),
        request in request(),
    ) {
        let who = person.as_ref().map(|person| shows(person, &devices));
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
            let named = ["authenticated_user", "email", "domain", "user", "groups", "device"];
            named.contains(&name.as_str())
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
    fn somebody_else_s_device_never_lets_in(
        clauses in vec(clause(), 0..5),
        person in person(),
        devices in devices(),
        request in request(),
    ) {
        let policy = compile(&clauses);
        let with = |devices: &[ShownDevice]| {
            policy.decide(&Facts::of(Some(&shows(&person, devices)), request)).verdict
        };
        let mut others = devices.clone();
        for shown in &mut others {
            if let Some(credential) = &mut shown.credential {
                credential.owner = "mallory".into();
            }
        }
        let mut own = devices;
        for shown in &mut own {
            if let Some(credential) = &mut shown.credential {
                credential.owner = person.id.clone();
            }
        }
        if with(&others) == Verdict::Allow {
            prop_assert_eq!(with(&own), Verdict::Allow);
        }
    }

    /// What is answered before anybody is asked who they are holds for whoever they are: nobody is
    /// let in whom each signed-in person's rules refuse, and a 403 spares nobody's sign-in but a
    /// vain one.
    #[test]
    fn what_a_stranger_is_answered_unasked_is_everybody_s_answer(
        clauses in vec(clause(), 0..5),
        people in vec(person(), 4),
        devices in devices(),
        request in request(),
    ) {
        let policy = compile(&clauses);
        let of = |who: Option<&SignedIn>| policy.decide(&Facts::of(who, request)).verdict;
        let unasked = of(None);
        if matches!(unasked, Verdict::Allow | Verdict::Deny) {
            for person in &people {
                prop_assert_eq!(of(Some(&shows(person, &devices))), unasked);
            }
        }
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
