//! The server that takes mail for us, with each thing wrong that can be seen without a letter.

use std::fs;

use tempfile::TempDir;
use usher::{
    doctor::{Place, Tried, basics},
    reload::{Loaded, Source, load},
    server::SystemClock,
};
use usher_lab::{
    mail_server::{Begins, MailServer, Mood},
    ports::free_port,
};
use usher_rules::{config::Environment, problem::Severity, time::Clock as _};

const PASSWORD: &str = "canary-doctor-mail-4Hd2";

/// What is found of a server at `address`, which is trusted or not.
async fn found(address: impl std::fmt::Display, tls: &str, trusted: Option<&str>) -> Tried {
    let dir = TempDir::new().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let ca = trusted.map(|pem| file("ca.pem", pem));
    let ca = ca.map(|ca| format!("certificate_authority_file: {}\n", ca.display()));
    let text = format!(
        "address: {}\n{}smtp:\n  address: {address}\n  tls: {tls}\n  username: tv\n  \
         password: {PASSWORD}\n  from: Our TV <tv@example.com>\nroutes:\n- from: https://tv.test\n  \
         to: http://{}\n  policy: [{{allow: {{or: [{{email: {{is: ann@example.com}}}}]}}}}]\n",
        free_port(),
        ca.unwrap_or_default(),
        free_port(),
    );
    let (path, environment) = (file("config.yaml", &text), Environment::new());
    let Loaded { plan, .. } =
        load(Source::File { path: &path, environment: &environment }).unwrap();
    let now = SystemClock.now();
    let place = Place { data_dir: None, now, addresses: &[], door: None, slow: None };
    let all = basics(&plan, place).await;
    let [one] = all
        .into_iter()
        .filter(|one| one.code.about == "mail")
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    assert!(!one.to_string().contains(PASSWORD), "{one}");
    assert_eq!(one.help.is_empty(), one.severity.is_none(), "what is wrong has a way out: {one}");
    one
}

#[tokio::test]
async fn a_server_that_would_take_mail_is_well_and_gets_none() {
    for (begins, tls) in [(Begins::Tls, "implicit"), (Begins::Plain, "starttls")] {
        let mail = MailServer::start(begins);
        let one = found(mail.address, tls, Some(&mail.authority())).await;
        assert_eq!((one.severity, one.code.id), (None, "D009"), "{one}");
        assert_eq!(one.what, "it knows us and takes mail from Our TV <tv@example.com>");
        assert_eq!(one.subject, mail.address.to_string());
        let lines = mail.lines();
        assert!(
            lines.iter().any(|line| line.starts_with("MAIL FROM:<tv@example.com>")),
            "{lines:?}"
        );
        let letter = |line: &String| line.starts_with("RCPT") || line.starts_with("DATA");
        assert!(mail.mails().is_empty() && !lines.iter().any(letter), "{lines:?}");
    }
}

#[tokio::test]
async fn what_keeps_mail_from_going_out_is_named() {
    let error = Some(Severity::Error);
    for (mood, begins, severity, words, help) in [
        (Mood::KnowsNobody, Begins::Tls, error, "does not take name and password: ", "username"),
        (Mood::ForeignSender, Begins::Tls, error, "takes no mail from Our TV", "smtp.from"),
        (Mood::Busy, Begins::Tls, Some(Severity::Warning), "later", "look again"),
        (Mood::NoTls, Begins::Plain, error, "offers no STARTTLS", "STARTTLS"),
        (Mood::Injects, Begins::Plain, error, "somebody may be in between", "STARTTLS"),
        (Mood::Silent, Begins::Tls, error, "did not answer in time", "`address`"),
    ] {
        let mail = MailServer::start(begins);
        mail.set(mood);
        let tls = if begins == Begins::Tls { "implicit" } else { "starttls" };
        let one = found(mail.address, tls, Some(&mail.authority())).await;
        assert_eq!((one.severity, one.code.id), (severity, "D009"), "{mood:?}: {one}");
        assert!(one.what.contains(words), "{mood:?}: {one}");
        assert!(one.help.contains(help), "{mood:?}: {one}");
        assert!(mail.mails().is_empty());
    }

    let (tls, plain) = (MailServer::start(Begins::Tls), MailServer::start(Begins::Plain));
    let strange = MailServer::named(Begins::Tls, "other.test", [192, 0, 2, 7].into());
    let pem = strange.authority();
    for (address, how, trusted, words, why) in [
        (tls.address, "implicit", None, "its TLS does not hold", "an authority of nobody"),
        (strange.address, "implicit", Some(&*pem), "its TLS does not hold", "another's name"),
        (plain.address, "implicit", Some(&*pem), "its TLS does not hold", "no TLS"),
        (free_port(), "starttls", None, "can't be reached: ", "nobody there"),
    ] {
        let one = found(address, how, trusted).await;
        assert_eq!((one.severity, one.code.id), (error, "D009"), "{why}: {one}");
        assert!(one.what.contains(words), "{why}: {one}");
    }
    let told: Vec<_> = [tls, strange, plain].iter().flat_map(MailServer::lines).collect();
    assert!(!told.iter().any(|line| line.starts_with("AUTH")), "no secret is told: {told:?}");
}
