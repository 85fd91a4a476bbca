use serde_json::{Value, json};

use crate::signin::person_from_claims;

/// What does not count of somebody: `claim why values`, and whether the address is verified.
fn doubted(id_token: &Value, userinfo: &Value) -> String {
    let authentication =
        person_from_claims(id_token.as_object().unwrap(), userinfo.as_object()).unwrap();
    let doubted = authentication.person.unproven.iter().map(|doubted| {
        let values: Vec<_> = doubted.values.iter().map(ToString::to_string).collect();
        format!("{} {:?} {}", doubted.claim, doubted.why, values.join(" ")).trim_end().to_owned()
    });
    let verified =
        authentication.claims.values("email_verified").first().map(|flag| format!("={flag}"));
    doubted.chain(verified).collect::<Vec<_>>().join("; ")
}

fn check(rows: &[(Value, Value, &str, &str)]) {
    for (id_token, userinfo, expected, why) in rows {
        let with_subject = |claims: &Value| {
            let mut claims = claims.clone();
            if let Some(fields) = claims.as_object_mut() {
                fields.insert("sub".into(), "1".into());
            }
            claims
        };
        let found = doubted(&with_subject(id_token), &with_subject(userinfo));
        assert_eq!(found, *expected, "{why}: {id_token} {userinfo}");
    }
}

#[test]
fn addresses_that_do_not_count_are_kept() {
    let none = Value::Null;
    check(&[
        (json!({"email": "a@x"}), none.clone(), "", "it counts"),
        (json!({"email": "a@x", "email_verified": true}), none.clone(), "=true", "verified"),
        (
            json!({"email": "a@x", "email_verified": false}),
            none.clone(),
            "email NotVerified \"a@x\"; =false",
            "not verified",
        ),
        (
            json!({"email": "a@x"}),
            json!({"email": "b@x"}),
            "email Replaced \"a@x\"",
            "the other one is another",
        ),
        (
            json!({"email": "a@x", "email_verified": false}),
            json!({"email": "b@x", "email_verified": true}),
            "email NotVerified \"a@x\"; =true",
            "one says no to its own",
        ),
        (
            json!({"email": "a@x", "email_verified": false}),
            json!({"email": "A@X", "email_verified": true}),
            "email NotVerified \"A@X\"; email NotVerified \"a@x\"; =false",
            "one says no to the same",
        ),
        (
            json!({"email_verified": false}),
            json!({"email": "b@x"}),
            "email NotVerified \"b@x\"; =false",
            "no to an address without a flag",
        ),
        (
            json!({"email": "b@x", "mail": "a@x"}),
            none.clone(),
            "email Replaced \"a@x\"",
            "two names",
        ),
        (json!({"email": "a@x@y"}), none.clone(), "email NoAddress \"a@x@y\"", "no address"),
        (
            json!({"email": "a@x@y", "email_verified": false}),
            none.clone(),
            "email NoAddress \"a@x@y\"; =false",
            "nor verified",
        ),
        (
            json!({"email": ["a@x", "b@x"]}),
            none.clone(),
            "email NoAddress \"a@x\" \"b@x\"",
            "a list",
        ),
        (json!({"email": {"x": 1}}), none.clone(), "email Unreadable", "an object"),
        (json!({"email": 7}), none.clone(), "email Unreadable", "a number"),
        (json!({"email": null}), none.clone(), "", "nothing is said"),
        (json!({"email": ""}), none.clone(), "", "nothing is said"),
    ]);
}

#[test]
fn claims_that_userinfo_replaces_are_kept() {
    let none = Value::Null;
    check(&[
        (
            json!({"team": "red"}),
            json!({"team": "blue"}),
            "team Replaced \"red\"",
            "two things are said",
        ),
        (json!({"team": "red"}), json!({"team": "red"}), "", "one thing is said twice"),
        (json!({"team": "red"}), none.clone(), "", "nothing else is said"),
        (json!({"team": []}), json!({"team": "blue"}), "", "an empty list says nothing"),
        (
            json!({"email_verified": true, "email": "a@x"}),
            json!({"email_verified": 1, "email": "a@x"}),
            "=true",
            "addresses are judged by themselves",
        ),
    ]);
}

#[test]
fn groups_that_are_left_out_or_odd_are_doubtful() {
    let none = Value::Null;
    check(&[
        (json!({"groups": ["a", "b"]}), none.clone(), "", "a list"),
        (json!({"groups": "kids"}), none.clone(), "", "one name"),
        (json!({"groups": null}), none.clone(), "", "nothing"),
        (
            json!({"groups": "kids,family"}),
            none.clone(),
            "groups NoList \"kids\" \"family\" \"kids\" \"family\"",
            "a list to whoever wrote it",
        ),
        (
            json!({"roles": "a b, c"}),
            none.clone(),
            "roles NoList \"a\" \"b\" \"c\" \"a b\" \"c\"",
            "blanks may part, or belong",
        ),
        (json!({"groups": [["a"]]}), none.clone(), "groups Unreadable", "a list of lists"),
        (json!({"groups": ["a", {"id": 1}]}), none.clone(), "groups Unreadable", "an object"),
        (json!({"groups": {"a": 1}}), none.clone(), "groups Unreadable", "an object"),
        (json!({"groups": true}), none.clone(), "groups Unreadable", "a boolean"),
        (json!({"team": {"a": 1}}), none.clone(), "", "about something else"),
        (json!({"team": "a,b"}), none.clone(), "", "about something else"),
        (
            json!({"realm_access": {"roles": 7}}),
            none.clone(),
            "realm_access.roles Unreadable",
            "Keycloak nests",
        ),
        (
            json!({"https://x.example/groups": 7}),
            none.clone(),
            "https://x.example/groups Unreadable",
            "Auth0 wants an address",
        ),
        (json!({"MemberOf": 7}), none.clone(), "MemberOf Unreadable", "in any case"),
        (
            json!({"groups": [["a"]]}),
            json!({"groups": []}),
            "groups Replaced [\"a\"]; groups Unreadable",
            "userinfo stands in for it, and makes it no clearer",
        ),
        (
            json!({"_claim_names": {"groups": "src1"}}),
            none.clone(),
            "groups LeftOut",
            "OIDC Core §5.6.2",
        ),
        (
            json!({"_claim_names": {"groups": "src1"}, "groups": ["a"]}),
            none.clone(),
            "",
            "said after all",
        ),
        (json!({"hasgroups": true}), none.clone(), "groups LeftOut", "Entra"),
        (json!({"hasgroups": "True"}), none.clone(), "groups LeftOut", "as text"),
        (json!({"hasgroups": false}), none.clone(), "", "there are none"),
        (json!({"hasgroups": "no"}), none.clone(), "", "there are none"),
        (json!({"hasgroups": true, "groups": ["a"]}), none.clone(), "", "said after all"),
        (json!({"groups:src1": "x"}), none.clone(), "groups LeftOut", "in a file of its own"),
        (json!({"groups:src1": "x", "groups": []}), none.clone(), "", "said after all"),
    ]);
}

/// An usher that signs people in for others passes on what it doubts.
#[test]
fn doubts_are_passed_on_and_what_cannot_be_read_of_them_is_one() {
    let name = crate::people::UNPROVEN;
    let passed = json!([{"claim": "email", "values": ["b@x"], "why": "NotVerified"}]);
    check(&[
        (json!({name: passed}), Value::Null, "email NotVerified \"b@x\"", "passed on"),
        (json!({}), json!({name: passed}), "email NotVerified \"b@x\"", "in userinfo"),
        (json!({name: "x"}), Value::Null, "email Unreadable", "something is in doubt"),
        (json!({name: []}), Value::Null, "", "nothing is"),
    ]);
}
