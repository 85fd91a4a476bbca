//! `smtp`: the server that takes mail for us.

use std::{net::IpAddr, sync::Arc};

use super::Compiler;
use crate::{
    config::keys::{global, smtp},
    names::{Authority, Host},
    plan::{BUILTIN, Sender, SignIn, Smtp, SmtpLogin, SmtpTls},
    problem::Severity,
    secret::Secret,
};

/// The port of implicit TLS (RFC 8314 §3.3).
const IMPLICIT: u16 = 465;

impl Compiler<'_> {
    /// `None` where there is none, or a problem was found.
    pub(super) fn smtp(&mut self, sign_in: Option<&SignIn>) -> Option<Smtp> {
        let section = self.keys.get(&global::SMTP)?;
        let has_people =
            sign_in.is_none_or(|it| it.own().is_some() && it.providers.of(BUILTIN).is_some());
        if let Some(given) = self.keys.given(&global::SMTP).filter(|_| !has_people) {
            self.report(given.warning(
                "U560",
                "`smtp` has no effect: nobody here has an account of usher's own",
                "delete it; passwords of a provider are replaced at the provider",
            ));
        }
        Compiler { keys: section, files: self.files, problems: self.problems }.mail_server()
    }

    fn mail_server(&mut self) -> Option<Smtp> {
        let (address, from, login) = (self.mail_address(), self.sender(), self.login());
        let (host, port) = address?;
        let usual = if port == IMPLICIT { SmtpTls::Implicit } else { SmtpTls::StartTls };
        let tls = self.keys.get(&smtp::SMTP_TLS).unwrap_or(usual);
        self.want_tls(tls, &host)?;
        let told = self.keys.given(&smtp::SMTP_TLS);
        if let Some(given) = told.filter(|_| port == IMPLICIT && tls != usual) {
            self.report(given.warning(
                "U560",
                "a server on port 465 begins with TLS: it would wait, and no mail would be sent",
                "delete `tls`, or write port 587",
            ));
        }
        Some(Smtp { host, port, tls, login: login?, from: from? })
    }

    fn mail_address(&mut self) -> Option<(Host, u16)> {
        let help = "write the server that your mail provider names for outgoing mail, and its port: \
                    `address: mail.example.com:587`";
        let Some(given) = self.keys.given(&smtp::SMTP_ADDRESS) else {
            let what = "`smtp` has no `address`: no mail could be sent";
            let problem = self.keys.problem(Severity::Error, "U560", what, help);
            self.report(problem);
            return None;
        };
        let what = match Authority::parse(given.text()) {
            Ok(Authority { host, port: Some(port) }) => return Some((host, port)),
            Ok(Authority { port: None, .. }) => "it has no port".to_owned(),
            Err(error) => error.to_string(),
        };
        let what = format!("`{}` is no address of a server for mail: {what}", given.text());
        self.report(given.error("U560", what, help));
        None
    }

    fn sender(&mut self) -> Option<Sender> {
        let help = "write the address that mail comes from, which the server has to allow you: \
                    `from: tv@example.com`, or `from: Our TV <tv@example.com>`";
        let Some(given) = self.keys.given(&smtp::SMTP_FROM) else {
            let what = "`smtp` has no `from`: mail has to come from somebody";
            let problem = self.keys.problem(Severity::Error, "U560", what, help);
            self.report(problem);
            return None;
        };
        let sender = Sender::parse(given.text());
        if sender.is_none() {
            let what = format!("`{}` can't be whom mail comes from", given.text().escape_debug());
            self.report(given.error("U560", what, help));
        }
        sender
    }

    /// In the clear anybody on the way reads password and links, and a link lets its reader in.
    fn want_tls(&mut self, tls: SmtpTls, host: &Host) -> Option<()> {
        let given = self.keys.given(&smtp::SMTP_TLS).filter(|_| tls == SmtpTls::None);
        let given = given.filter(|_| !is_this_machine(host));
        self.problems.extend(given.map(|given| {
            let what = format!(
                "mail to `{host}` would go in the clear: whoever sees it on the way gets into accounts"
            );
            let help = "write `tls: starttls`, or `tls: implicit` for port 465; `none` is for a \
                        server on this machine, such as `address: 127.0.0.1:25`";
            given.error("U559", what, help)
        }));
        given.is_none().then_some(())
    }

    /// Of a final line end in the file nothing is left.
    #[expect(clippy::option_option, reason = "none was given, or a problem was found")]
    fn login(&mut self) -> Option<Option<SmtpLogin>> {
        let username = self.keys.given(&smtp::SMTP_USERNAME);
        let in_file = self.keys.given(&smtp::SMTP_PASSWORD_FILE);
        let password = in_file.or_else(|| self.keys.given(&smtp::SMTP_PASSWORD));
        let (name, given) = match (username, password) {
            (None, None) => return Some(None),
            (Some(name), Some(password)) => (name, password),
            (Some(one), None) | (None, Some(one)) => {
                let missing = if password.is_none() { "password" } else { "username" };
                let what = format!("`{}` needs `{missing}` beside it", one.key.name);
                let help = match password {
                    None => {
                        "add `password_file: FILE`, or delete `username` where the server asks \
                             nobody who they are"
                    }
                    Some(_) => "add `username`, often the address that mail comes from",
                };
                self.report(one.error("U560", what, help));
                return None;
            }
        };
        let text = match in_file {
            Some(file) => {
                let read = self.read(file);
                self.keep(read)?.expose().trim_ascii_end().to_vec()
            }
            None => given.text().as_bytes().to_vec(),
        };
        // NUL parts name and password (RFC 4616 §2).
        let is_odd = |text: &[u8]| text.is_empty() || text.contains(&0);
        if std::str::from_utf8(&text).is_err() || is_odd(&text) || is_odd(name.text().as_bytes()) {
            let help =
                "write them as your mail provider shows them, the password alone in its file";
            self.report(given.error("U560", "this is no password that a server takes", help));
            return None;
        }
        let password = Arc::new(Secret::new(text));
        Some(Some(SmtpLogin { username: name.text().into(), password }))
    }
}

fn is_this_machine(host: &Host) -> bool {
    let text = host.as_str();
    let address = text.trim_matches(['[', ']']).parse::<IpAddr>();
    text == "localhost" || address.is_ok_and(|address| address.to_canonical().is_loopback())
}
