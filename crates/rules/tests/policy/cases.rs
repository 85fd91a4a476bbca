//! Readable cases: a route, rows of facts, and what comes of each. `UPDATE=1` rewrites the answers.

use std::{fmt::Write, fs, path::Path, sync::Arc};

use serde_json::Value;
use usher_rules::{
    people::{Claims, Group, Person, Spelling},
    policy::{
        Certificate, ClientCertificate, Facts, Finding, Policy, RequestFacts, WrongCertificate,
    },
    problem::{Place, Problem, Severity},
    session::{DeviceCredential, Enrolment, Means, ShownDevice, SignIn, SignedIn},
    time::UnixTime,
    unproven::{Unproven, Why},
};

use crate::{route, signed_in};

/// When the questions are asked.
const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);

#[test]
fn cases() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/policy");
    let update = std::env::var_os("UPDATE").is_some();
    let (mut seen, mut wrong) = (0, Vec::new());
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "case") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let parts: Vec<&str> = text.split("----\n").collect();
        let [route, facts, expected] = parts[..] else { panic!("{path:?}: three parts") };
        let found = answers(route, facts);
        seen += 1;
        if found != expected && update {
            fs::write(&path, format!("{route}----\n{facts}----\n{found}")).unwrap();
        } else if found != expected {
            wrong.push(format!("{}:\n{found}--- expected:\n{expected}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen >= 25, "only {seen} cases were found");
}

/// Problems first, then a line per row of facts.
fn answers(text: &str, facts: &str) -> String {
    let mut out = String::new();
    let config = route::config(text);
    let (policy, problems) = match route::compile(&config) {
        Ok(compiled) => compiled,
        Err(problems) => (Policy::deny_all(), problems),
    };
    for problem in &problems {
        show_problem(&mut out, problem, &config);
    }
    for row in facts.lines() {
        let row = Row::read(row);
        let facts = row.facts();
        let decision = policy.decide(&facts);
        let sides = format!("allow {}, deny {}", side(decision.allow), side(decision.deny));
        writeln!(out, "{:<8} {:<34} {sides}", decision.verdict.word(), decision.rule).unwrap();
        if row.explain {
            let explanation = policy.explain(&facts);
            writeln!(out, "{explanation}").unwrap();
            let way = explanation.way_in().to_string();
            way.lines().for_each(|line| writeln!(out, "  way in: {line}").unwrap());
        }
    }
    out
}

fn show_problem(out: &mut String, problem: &Problem, text: &str) {
    let Place::File(span) = &problem.at else { panic!("{problem:?} has no place") };
    let kind = match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    writeln!(out, "{kind}[{}]: {}", problem.code, problem.what).unwrap();
    writeln!(out, "  at {}", text[span.clone()].replace('\n', " ")).unwrap();
    writeln!(out, "  help: {}", problem.help).unwrap();
}

fn side(finding: Finding) -> String {
    let reasons: Vec<&str> = finding.reasons.iter().map(|reason| reason.word()).collect();
    format!("{} [{}]", finding.holds, reasons.join(" "))
}

/// `who=ann@example.com method=DELETE`: who is `-` for nobody; what is left out is usual.
struct Row<'a> {
    who: Option<SignedIn>,
    request: RequestFacts<'a>,
    /// What is shown, and what it is worth: `valid`, `wrong` …
    certificate: (&'a str, Certificate),
    now: UnixTime,
    explain: bool,
}

impl<'a> Row<'a> {
    fn read(line: &'a str) -> Self {
        let mut row = Self {
            who: None,
            request: RequestFacts {
                method: "GET",
                path: "/",
                source: Some([192, 0, 2, 10].into()),
                origin: None,
                access_control_request_method: None,
                tool: None,
            },
            certificate: ("", certificate()),
            now: NOW,
            explain: false,
        };
        for pair in line.split_whitespace() {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            match key {
                "who" if value == "-" => {}
                "who" => row.who = Some(somebody(value)),
                "id" => row.person().id = value.into(),
                "groups" => {
                    let groups = value.split(',').filter(|group| !group.is_empty());
                    row.person().directory_groups = Some(groups.map(Group::from).collect());
                }
                "device" => {
                    let session = &mut row.who.as_mut().unwrap().session;
                    let shown = session.devices.iter().cloned().chain([shown(value)]);
                    session.devices = shown.collect();
                }
                "tool" => row.request.tool = Some(value),
                "-" => {} // nothing but what is usual
                "method" => row.request.method = value,
                "path" => row.request.path = value,
                "source" => row.request.source = value.parse().ok(),
                "origin" => row.request.origin = Some(value),
                "asks" => row.request.access_control_request_method = Some(value),
                "certificate" => row.certificate.0 = value,
                "dns" => row.certificate.1.san_dns = value.split(',').map(Into::into).collect(),
                "san-email" => {
                    row.certificate.1.san_email = value.split(',').map(Into::into).collect();
                }
                "uri" => row.certificate.1.san_uri = value.split(',').map(Into::into).collect(),
                "at" => row.now = UnixTime::parse(value).unwrap(),
                "explain" => row.explain = true,
                "signed-in" => {
                    let ago: i64 = value.parse().unwrap();
                    let at = NOW.seconds().checked_add_signed(-ago);
                    row.who.as_mut().unwrap().session.sign_in.at = at;
                }
                "password" => row.sign_in().means = Means::Password,
                "passkey" => row.sign_in().means = Means::Passkey,
                "app" => {
                    let app = serde_json::from_str(r#"{"token":"","server":"","user":"","client":"","device":"","device_id":"","by":"Page"}"#).unwrap();
                    row.who.as_mut().unwrap().session.app = Some(app);
                }
                "service-account" => {
                    row.who.as_mut().unwrap().session.sign_in.means = Means::ServiceAccount;
                }
                "kept" => row.person().spelling = Spelling::Kept,
                "not-verified" => row.doubt("email", vec![value.into()], Why::NotVerified),
                "no-address" => row.doubt("email", vec![value.into()], Why::NoAddress),
                "replaced" => row.doubt("email", vec![value.into()], Why::Replaced),
                "no-list" => row.doubt("groups", vec![value.into()], Why::NoList),
                "left-out" => row.doubt(value, vec![], Why::LeftOut),
                "unreadable" => row.doubt(value, vec![], Why::Unreadable),
                _ => {
                    let name = key.strip_prefix("claim/").unwrap();
                    let values: Vec<Value> = serde_json::from_str(value).unwrap();
                    row.who.as_mut().unwrap().session.claims.set(name, values);
                }
            }
        }
        row
    }

    fn sign_in(&mut self) -> &mut SignIn {
        &mut self.who.as_mut().unwrap().session.sign_in
    }

    fn doubt(&mut self, claim: &str, values: Vec<Value>, why: Why) {
        self.person().unproven.add(claim, values, why);
    }

    fn person(&mut self) -> &mut Person {
        Arc::make_mut(&mut self.who.as_mut().unwrap().person)
    }

    fn facts(&self) -> Facts<'_> {
        let (worth, shown) = &self.certificate;
        let certificate = match *worth {
            "" => ClientCertificate::Unjudged(None),
            "unjudged" => ClientCertificate::Unjudged(Some(shown)),
            "absent" => ClientCertificate::Absent,
            "valid" => ClientCertificate::Valid(shown),
            "ended" => ClientCertificate::Wrong(Some(shown), WrongCertificate::OutOfTime),
            "unreadable" => ClientCertificate::Wrong(None, WrongCertificate::Unreadable),
            _ => panic!("no certificate is {worth}"),
        };
        Facts::of(self.who.as_ref(), self.request).at(self.now).with_certificate(certificate)
    }
}

/// Of which a case changes names alone.
fn certificate() -> Certificate {
    Certificate {
        fingerprint: [0x11; 32],
        spki_hash: [0x22; 32],
        san_email: [].into(),
        san_dns: [].into(),
        san_uri: [].into(),
        san_ip: [].into(),
        san_upn: [].into(),
        subject: "CN=laptop".into(),
        issuer: "CN=Clients".into(),
    }
}

/// `?` tells no address.
/// `any:key:ann@example.com:approved`: kind, credential, owner, enrolment; `any` for one that is gone.
fn shown(text: &str) -> ShownDevice {
    let parts: Vec<&str> = text.split(':').collect();
    let credential = match parts[..] {
        [_, id, owner, enrolment] => Some(DeviceCredential {
            id: id.into(),
            owner: owner.into(),
            enrolment: match enrolment {
                "missing" => Enrolment::Missing,
                "pending" => Enrolment::Pending,
                "approved" => Enrolment::Approved,
                _ => panic!("{text}"),
            },
        }),
        _ => None,
    };
    ShownDevice { kind: parts[0].into(), credential }
}

fn somebody(email: &str) -> SignedIn {
    let person = Person {
        id: format!("id-of-{}", email.split('@').next().unwrap_or_default()).into(),
        email: if email == "?" { "".into() } else { email.into() },
        name: "".into(),
        claims: Claims::default(),
        directory_groups: None,
        unproven: Unproven::default(),
        spelling: Spelling::AsSaid,
    };
    signed_in(person, Claims::default())
}

/// Every code that a policy's problems can have stands in the reference, and none that they can't.
#[test]
fn codes_are_documented() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/policy");
    let files = ["", "criterion"].map(|below| fs::read_dir(folder.join(below)).unwrap());
    let files = files.into_iter().flatten().map(|entry| entry.unwrap().path());
    let sources: Vec<String> =
        files.filter(|path| path.is_file()).map(|path| fs::read_to_string(path).unwrap()).collect();
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/policy.md");
    let page = fs::read_to_string(page).unwrap();
    let elsewhere = [349]; // of a whole route
    for number in (301..=355).filter(|number| !elsewhere.contains(number)) {
        let used = sources.iter().any(|source| source.contains(&format!("\"U{number}\"")));
        assert_eq!(used, page.contains(&format!("| U{number} |")), "U{number}");
    }
}
