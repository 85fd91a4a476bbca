//! Readable cases in `tests/explain`: a config, and what each command says. `UPDATE=1` rewrites the
//! answers. And decisions that were kept.

use std::{fs, path::Path, time::Duration};

use clap::Parser as _;
use usher_rules::{
    people::{Member, People as _},
    secret::Secret,
    session::SessionId,
    signin::ServiceAccount,
    time::UnixTime,
};

use super::{Args, Outcome, explain};
use crate::{request::identify::SessionStore as _, store::Store};

#[derive(Debug, clap::Parser)]
struct Typed {
    #[command(flatten)]
    args: Args,
}

/// What is said, with the exit status; the config's folder is left out.
fn said(command: &str, folder: &Path) -> String {
    let words = shell_words(command);
    let words = ["explain".to_owned()].into_iter().chain(words);
    let mut args = match Typed::try_parse_from(words) {
        Ok(typed) => typed.args,
        Err(error) => {
            let first = error.to_string();
            return format!("{}\nstatus 2\n", first.lines().next().unwrap());
        }
    };
    if args.config.is_absolute() {
        args.config = "config.yaml".into();
    }
    args.config = folder.join(&args.config);
    args.dir.data_dir = Some(folder.join("data"));
    args.replay = args.replay.map(|file| file.map(|file| folder.join(file)));
    args.who.certificate = args.who.certificate.map(|file| folder.join(file));
    args.records = args.records.map(|file| folder.join(file));
    let mut out = Vec::new();
    let (status, error) = match explain(&args, &mut out) {
        Ok(Outcome::Good) => (0, String::new()),
        Ok(Outcome::Not) => (1, String::new()),
        Err(failure) => {
            let mut told = Vec::new();
            match args.json {
                true => failure.tell_json(&mut told).unwrap(),
                false => failure.tell(&mut told).unwrap(),
            }
            (2, String::from_utf8(told).unwrap())
        }
    };
    let said = format!("{}{error}status {status}\n", String::from_utf8(out).unwrap());
    said.replace(&format!("{}/", folder.display()), "")
}

/// Words with blanks stand in single quotes.
fn shell_words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, piece) in command.split('\'').enumerate() {
        match index % 2 {
            0 => words.extend(piece.split_whitespace().map(str::to_owned)),
            _ => words.push(piece.to_owned()),
        }
    }
    words
}

#[test]
fn cases() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/explain");
    let update = std::env::var_os("UPDATE").is_some();
    let (mut seen, mut wrong) = (0, Vec::new());
    for entry in fs::read_dir(&cases).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut fresh = String::new();
        // Files first, each below its name; then commands.
        for part in text.split_inclusive("----\n") {
            let body = part.strip_suffix("----\n").unwrap_or(part);
            match body.strip_prefix("#file ").and_then(|rest| rest.split_once('\n')) {
                Some((name, file)) => {
                    fs::write(folder.path().join(name), file).unwrap();
                    fresh += part;
                }
                None => {
                    for command in body.lines().filter_map(|line| line.strip_prefix("$ ")) {
                        fresh += &format!("$ {command}\n{}\n", said(command, folder.path()));
                    }
                }
            }
        }
        seen += 1;
        if fresh != text && update {
            fs::write(&path, fresh).unwrap();
        } else if fresh != text {
            wrong.push(format!("{}:\n{fresh}--- expected:\n{text}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen >= 4, "only {seen} cases were found");
}

/// A case can't hold one: its lines end as those between parts do.
#[test]
fn a_certificate_that_can_not_be_read_is_told_before_any_rule() {
    let folder = tempfile::tempdir().unwrap();
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/explain");
    let case = fs::read_to_string(cases.join("barred.case")).unwrap();
    let config = case.split("----\n").next().unwrap().split_once('\n').unwrap().1;
    fs::write(folder.path().join("config.yaml"), config).unwrap();
    let none = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    fs::write(folder.path().join("none.pem"), none).unwrap();
    let found = said("https://tv.home.arpa/ --certificate none.pem", folder.path());
    let expected = "deny  GET https://tv.home.arpa/ as nobody\n  what     it is refused: what its \
                    client shows is no certificate";
    assert!(found.starts_with(expected), "{found}");
}

/// Their groups are those that they have now.
#[test]
fn somebody_of_the_built_in_provider_is_asked_for_by_their_address() {
    let folder = tempfile::tempdir().unwrap();
    let text = "\
authenticate_service_url: https://sign-in.home.arpa
routes:
- from: https://tv.home.arpa
  to: http://127.0.0.1:80
  policy: {allow: {and: [{groups: family}, {claim/groups: family}, {email: ann@home.arpa}]}}
";
    fs::write(folder.path().join("config.yaml"), text).unwrap();
    let data = folder.path().join("data");
    let member = Member {
        id: "7".into(),
        email: "ann@home.arpa".into(),
        name: "Ann".into(),
        groups: vec!["family".into()],
        added_at: 1,
        ..Member::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let store = Store::open(&data).unwrap();
    runtime.block_on(store.add(member, Secret::new("$argon2id$".as_bytes()))).unwrap();
    let asked = |more: &str| said(&format!("https://tv.home.arpa/ {more}"), folder.path());
    let ann = asked("--as Ann@home.arpa");
    assert!(ann.starts_with("allow  GET https://tv.home.arpa/ as ann@home.arpa\n"), "{ann}");
    let otherwise = asked("--as ann@home.arpa --group kids");
    assert!(otherwise.contains("sees  groups are `kids`"), "{otherwise}");
    let nobody = asked("--as ben@home.arpa");
    assert!(nobody.contains("has the address `ben@home.arpa`"), "{nobody}");
}

/// What its token would open, and what it would not: it never signs in.
#[test]
fn a_service_account_is_asked_for_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let text = "\
authenticate_service_url: https://sign-in.home.arpa
routes:
- from: https://ci.home.arpa
  to: http://127.0.0.1:80
  policy: {allow: {or: [{user: service-account:ci}]}}
- from: https://tv.home.arpa
  to: http://127.0.0.1:80
  policy: {allow: {or: [{groups: family}]}}
";
    fs::write(folder.path().join("config.yaml"), text).unwrap();
    let now = UnixTime::from_seconds(1_800_000_000);
    let mut ci = ServiceAccount::named("ci").unwrap();
    (ci.email, ci.groups) = ("ci@home.arpa".into(), vec!["builders".into()]);
    let ci = ci.begin(SessionId::from_random([7; 16]), now, now.plus(Duration::from_secs(60)));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let store = Store::open(&folder.path().join("data")).unwrap();
    runtime.block_on(store.insert(ci)).unwrap();
    let asked = |more: &str| {
        let time = "--time 2027-01-15T08:00:00Z --service-account"; // `now`
        said(&format!("{time} {more}"), folder.path())
    };
    let good = asked("ci https://ci.home.arpa/");
    assert!(good.starts_with("allow  GET https://ci.home.arpa/ as service-account:ci\n"), "{good}");
    let other = asked("ci https://tv.home.arpa/");
    assert!(
        other.starts_with("deny  GET https://tv.home.arpa/ as service-account:ci\n"),
        "{other}"
    );
    let json = asked("ci https://tv.home.arpa/ --json");
    assert!(json.contains("\"service_account\":\"ci\""), "{json}");
    let none = asked("backup https://ci.home.arpa/");
    assert!(none.starts_with("error: no service account is called `backup`"), "{none}");
    let later = "--time 2027-01-15T08:01:00Z --service-account ci https://ci.home.arpa/";
    assert!(said(later, folder.path()).starts_with("error: no service account"), "over");
}
