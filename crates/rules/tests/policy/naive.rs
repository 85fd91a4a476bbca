//! The rules of policies read slowly: no types, no sharing, straight from the tables of
//! `pomerium-config.md` §4 with the safe readings. Only for comparison.

use std::{collections::BTreeSet, net::IpAddr};

use serde_json::{Map, Value, json};
use usher_rules::{
    people::{Group, Person},
    policy::{Certificate, ClientCertificate, Facts, RequestFacts, Verdict},
    session::{Enrolment, SignedIn},
    time::UnixTime,
};

pub const OPERATORS: [&str; 4] = ["and", "or", "not", "nor"];

/// One operator of one rule.
#[derive(Clone, Debug)]
pub struct Clause {
    pub effect: &'static str,
    pub operator: &'static str,
    pub criteria: Vec<(String, Value)>,
}

impl Clause {
    pub fn to_json(&self) -> Value {
        let criteria: Vec<Value> = self
            .criteria
            .iter()
            .map(|(name, data)| Value::Object(Map::from_iter([(name.clone(), data.clone())])))
            .collect();
        json!({ self.effect: { self.operator: criteria } })
    }
}

/// Whether it is true, and why.
type Answer = (bool, BTreeSet<&'static str>);

#[derive(Debug, PartialEq)]
pub struct Decision {
    pub verdict: Verdict,
    pub allow: Answer,
    pub deny: Answer,
}

/// A wrong certificate is told as it is, and lets nobody in.
pub fn decide(clauses: &[Clause], facts: &Facts<'_>) -> Decision {
    let decision = decide_by(clauses, facts);
    match facts.certificate {
        ClientCertificate::Wrong(Some(shown), _) if decision.verdict == Verdict::Allow => {
            let certificate = ClientCertificate::Distrusted(shown);
            decide_by(clauses, &facts.with_certificate(certificate))
        }
        _ => decision,
    }
}

fn decide_by(clauses: &[Clause], facts: &Facts<'_>) -> Decision {
    let side = |effect: &str| {
        let clauses = clauses.iter().filter(|c| c.effect == effect && !c.criteria.is_empty());
        any(clauses.map(|clause| ask(clause, facts)).collect())
    };
    let (allow, deny) = (side("allow"), side("deny"));
    let says = |reason| allow.1.contains(reason) || deny.1.contains(reason);
    let without = |answer: &Answer| {
        ["client-certificate-required", "invalid-client-certificate"]
            .iter()
            .any(|reason| answer.1.contains(reason))
    };
    let verdict = if without(&deny) {
        Verdict::ShowCertificate
    } else if clauses.iter().any(|clause| is_certain_deny(clause, facts)) {
        Verdict::Deny
    } else if says("user-unauthenticated") {
        Verdict::SignIn
    } else if says("device-unauthenticated") {
        Verdict::ShowDevice
    } else if deny.0 {
        Verdict::Deny
    } else if allow.0 {
        Verdict::Allow
    } else if without(&allow) {
        Verdict::ShowCertificate
    } else {
        Verdict::Deny
    };
    Decision { verdict, allow, deny }
}

/// Does it keep out, whoever would sign in and whatever they showed? (decision 0063)
fn is_certain_deny(clause: &Clause, facts: &Facts<'_>) -> bool {
    let alone = |criterion: &(String, Value)| {
        let one = Clause { criteria: vec![criterion.clone()], ..clause.clone() };
        let (holds, why) = ask(&one, facts);
        holds && !why.contains("user-unauthenticated") && !why.contains("device-unauthenticated")
    };
    let holds = match clause.operator {
        "and" | "not" => clause.criteria.iter().all(alone),
        _ => clause.criteria.iter().any(alone),
    };
    clause.effect == "deny" && holds && !clause.criteria.is_empty()
}

fn ask(clause: &Clause, facts: &Facts<'_>) -> Answer {
    let inverts = matches!(clause.operator, "not" | "nor");
    let lenient = (clause.effect == "deny") != inverts;
    let answers = clause.criteria.iter().map(|(name, data)| {
        let (holds, reason) = criterion(name, data, facts, lenient);
        (holds != inverts, BTreeSet::from([reason]))
    });
    match clause.operator {
        "and" | "not" => all(answers.collect()),
        _ => any(answers.collect()),
    }
}

fn any(answers: Vec<Answer>) -> Answer {
    let holds = answers.iter().any(|answer| answer.0);
    (holds, union(answers, holds))
}

fn all(answers: Vec<Answer>) -> Answer {
    let holds = answers.iter().all(|answer| answer.0);
    (holds, union(answers, holds))
}

fn union(answers: Vec<Answer>, of: bool) -> BTreeSet<&'static str> {
    answers.into_iter().filter(|answer| answer.0 == of).flat_map(|answer| answer.1).collect()
}

fn criterion(name: &str, data: &Value, facts: &Facts<'_>, lenient: bool) -> (bool, &'static str) {
    let pick = |holds, yes, no| (holds, if holds { yes } else { no });
    let RequestFacts { method, path, source, origin, access_control_request_method, tool } =
        facts.request;
    match name {
        "accept" => return (true, "accept"),
        "reject" => return (false, "reject"),
        "http_method" => {
            return pick(
                text(data, Some(method), false),
                "http-method-ok",
                "http-method-unauthorized",
            );
        }
        "http_path" => {
            return pick(text(data, Some(path), false), "http-path-ok", "http-path-unauthorized");
        }
        "source_ip" => {
            let ranges = data.as_array().unwrap();
            let holds = source.is_some_and(|source| {
                ranges.iter().any(|range| contains(range.as_str().unwrap(), source))
            });
            return pick(holds, "source-ip-ok", "source-ip-unauthorized");
        }
        "date" | "day_of_week" | "time_of_day" => {
            let Some(now) = facts.now else { return (lenient, "clock-not-set") };
            return match name {
                "date" => pick(date(data, now), "date-ok", "date-unauthorized"),
                "day_of_week" => {
                    // 1970 began on a Thursday
                    let today = ["thu", "fri", "sat", "sun", "mon", "tue", "wed"];
                    let holds = data["is"] == today[(now.seconds() / 86_400 % 7) as usize];
                    pick(holds, "day-of-week-ok", "day-of-week-unauthorized")
                }
                _ => pick(hours(data, now), "time-of-day-ok", "time-of-day-unauthorized"),
            };
        }
        "cors_preflight" => {
            let given = |field: Option<&str>| !field.unwrap_or_default().is_empty();
            let holds =
                method == "OPTIONS" && given(origin) && given(access_control_request_method);
            return pick(holds, "cors-request", "non-cors-request");
        }
        "client_certificate" => {
            let holds = match facts.certificate {
                ClientCertificate::Unjudged(None) | ClientCertificate::Absent => false,
                ClientCertificate::Wrong(None, _) => lenient,
                ClientCertificate::Distrusted(shown) => lenient && certificate(data, shown),
                ClientCertificate::Unjudged(Some(shown))
                | ClientCertificate::Valid(shown)
                | ClientCertificate::Wrong(Some(shown), _) => certificate(data, shown),
            };
            return pick(holds, "client-certificate-ok", "client-certificate-unauthorized");
        }
        "invalid_client_certificate" => {
            return match facts.certificate {
                ClientCertificate::Unjudged(_) | ClientCertificate::Valid(_) => {
                    (false, "valid-client-certificate")
                }
                ClientCertificate::Absent => (true, "client-certificate-required"),
                ClientCertificate::Wrong(..) | ClientCertificate::Distrusted(_) => {
                    (true, "invalid-client-certificate")
                }
            };
        }
        "mcp_tool" => {
            return match tool {
                Some(tool) => {
                    pick(text(data, Some(tool), false), "mcp-tool-match", "mcp-tool-no-match")
                }
                None => (false, "mcp-not-a-tool-call"),
            };
        }
        "ssh_username" => {
            let holds = lenient && text(data, Some(""), false);
            return pick(holds, "ssh-username-ok", "ssh-username-unauthorized");
        }
        _ => {}
    }
    let Some(who) = facts.who else {
        return (false, "user-unauthenticated");
    };
    let Person { id, email, claims, directory_groups, .. } = &*who.person;
    let pieces: Vec<&str> = email.split('@').collect();
    let domain = match pieces[..] {
        [local, domain] if !local.is_empty() && !domain.is_empty() => Some(domain),
        _ => None,
    };
    let id = (!id.is_empty()).then_some(&**id);
    match name {
        "authenticated_user" => pick(id.is_some(), "user-ok", "user-unauthorized"),
        "email" => pick(address(data, Some(email), lenient), "email-ok", "email-unauthorized"),
        "domain" => pick(address(data, domain, lenient), "domain-ok", "domain-unauthorized"),
        "user" => pick(text(data, id, lenient), "user-ok", "user-unauthorized"),
        "device" => device(data, who, lenient),
        "groups" => {
            let groups = directory_groups.as_ref();
            let groups =
                groups.map(|g| g.iter().map(|Group { id, .. }| json!(id)).collect::<Vec<_>>());
            pick(list(data, groups.as_deref(), lenient), "groups-ok", "groups-unauthorized")
        }
        "claim/groups" => {
            let values = claims.values("groups");
            pick(list(data, Some(values), false), "claim-ok", "claim-unauthorized")
        }
        _ => unreachable!("{name}"),
    }
}

/// The first of its kind that was shown; where it keeps out, whosever it is.
fn device(data: &Value, who: &SignedIn, lenient: bool) -> (bool, &'static str) {
    let kind = data["type"].as_str().unwrap_or("any");
    let first = who.session.devices.iter().find(|shown| &*shown.kind == kind);
    let Some(credential) = first.and_then(|shown| shown.credential.as_ref()) else {
        return (false, "device-unauthenticated");
    };
    let own = !who.person.id.is_empty() && credential.owner == who.person.id;
    let is_enrolled = credential.enrolment != Enrolment::Missing;
    let is_it = match data["is"].as_str() {
        Some(id) => *credential.id == *id && (is_enrolled || lenient),
        None => true,
    };
    let is_approved = credential.enrolment == Enrolment::Approved;
    let fits = data["approved"].as_bool().is_none_or(|wanted| wanted == is_approved);
    match (own || lenient) && is_it && fits {
        true => (true, "device-ok"),
        false if is_enrolled => (false, "device-unauthorized"),
        false => (false, "device-unauthenticated"),
    }
}

/// What is absent fails, or, where a deny must not overlook it, differs from everything.
fn text(data: &Value, found: Option<&str>, lenient: bool) -> bool {
    let Value::Object(operators) = data else {
        return found.is_some_and(|found| data == found);
    };
    operators.iter().all(|(operator, want)| match (operator.as_str(), found) {
        ("not" | "not_in", None) => lenient,
        (_, None) => false,
        ("is", Some(found)) => want == found,
        ("not", Some(found)) => want != found,
        ("contains", Some(found)) => found.contains(want.as_str().unwrap()),
        ("starts_with", Some(found)) => found.starts_with(want.as_str().unwrap()),
        ("ends_with", Some(found)) => found.ends_with(want.as_str().unwrap()),
        ("in", Some(found)) => want.as_array().unwrap().iter().any(|word| word == found),
        ("not_in", Some(found)) => want.as_array().unwrap().iter().all(|word| word != found),
        _ => unreachable!("{operator}"),
    })
}

/// Where it keeps out, capitals make no other address.
fn address(data: &Value, found: Option<&str>, keeps_out: bool) -> bool {
    let lower = |value: &Value| -> Value {
        serde_json::from_str(&value.to_string().to_lowercase()).unwrap()
    };
    let Value::Object(operators) = data else {
        return text(data, found, keeps_out)
            || keeps_out && text(&lower(data), found.map(str::to_lowercase).as_deref(), keeps_out);
    };
    operators.iter().all(|(operator, want)| {
        let one = |want: Value| Value::Object(Map::from_iter([(operator.clone(), want)]));
        let octets = text(&one(want.clone()), found, keeps_out);
        let folded = text(&one(lower(want)), found.map(str::to_lowercase).as_deref(), keeps_out);
        if keeps_out { octets || folded } else { octets && folded }
    })
}

fn list(data: &Value, found: Option<&[Value]>, lenient: bool) -> bool {
    let has = |want: &Value| found.is_some_and(|values| values.contains(want));
    match data {
        Value::Object(operators) => {
            operators.iter().all(|(operator, want)| match operator.as_str() {
                "has" => has(want),
                "is" => has(want) && found.is_some_and(|values| values.len() == 1),
                "exclude" => !has(want) && (found.is_some() || lenient),
                _ => unreachable!("{operator}"),
            })
        }
        want => has(want),
    }
}

/// Each operator on names may be met by another name.
fn certificate(data: &Value, shown: &Certificate) -> bool {
    data.as_object().unwrap().iter().all(|(condition, want)| {
        let names = match condition.as_str() {
            "san_dns" => &shown.san_dns,
            "san_email" => &shown.san_email,
            "fingerprint" => return *want == shown.fingerprint_hex(),
            _ => unreachable!("{condition}"),
        };
        let one = |operator: &str, want: &Value| {
            let test = Value::Object(Map::from_iter([(operator.to_owned(), want.clone())]));
            names.iter().any(|name| text(&test, Some(name), false))
        };
        match want {
            Value::Object(operators) => operators.iter().all(|(word, want)| one(word, want)),
            want => one("is", want),
        }
    })
}

/// Compares bit by bit, after taking IPv4 out of IPv6.
fn date(data: &Value, now: UnixTime) -> bool {
    let moment = |key: &str| data[key].as_str().map(|text| UnixTime::parse(text).unwrap());
    moment("after").is_none_or(|after| now >= after) && moment("before").is_none_or(|end| now < end)
}

fn hours(data: &Value, now: UnixTime) -> bool {
    let second = |key: &str| {
        let (hour, minute) = data[key].as_str().unwrap().split_once(':').unwrap();
        hour.parse::<u64>().unwrap() * 3600 + minute.parse::<u64>().unwrap() * 60
    };
    let (now, after, before) = (now.seconds() % 86_400, second("after"), second("before"));
    if after < before { now >= after && now < before } else { now >= after || now < before }
}

fn contains(range: &str, address: IpAddr) -> bool {
    let (network, length) = range.split_once('/').unwrap_or((range, "999"));
    let bits = |address: IpAddr| match address.to_canonical() {
        IpAddr::V4(v4) => v4.octets().iter().map(|b| format!("{b:08b}")).collect::<String>(),
        IpAddr::V6(v6) => v6.octets().iter().map(|b| format!("{b:08b}")).collect::<String>(),
    };
    let (network, address) = (bits(network.parse().unwrap()), bits(address));
    let length = length.parse::<usize>().unwrap().min(network.len());
    network.len() == address.len() && network[..length] == address[..length]
}
