//! Does mail to people go out? The server is asked whether it would take some; it is given none.

use std::time::Duration;

use usher_rules::{
    names::Authority,
    plan::{Plan, Smtp},
    problem::Severity,
};

use super::{Code, Tried, code};
use crate::signin::{MailRefusal, try_mail};

const ABOUT: &Code = code::MAIL;

/// How long the talk may take: servers let strangers wait for their greeting, and for the answer to a
/// wrong password.
const PATIENCE: Duration = Duration::from_secs(15);

/// The server of `smtp`; nothing where no mail is sent.
pub(super) async fn tried(plan: &Plan) -> Option<Tried> {
    let smtp = plan.smtp.as_ref()?;
    let subject = Authority { host: smtp.host.clone(), port: Some(smtp.port) }.to_string();
    let Err(refusal) = try_mail(plan, smtp, PATIENCE).await else {
        return Some(Tried::good(ABOUT, subject, good(smtp)));
    };
    let (severity, what, help) = match refusal {
        MailRefusal::Away(why) => (Severity::Error, why, REACH),
        MailRefusal::Login(why) => {
            (Severity::Error, format!("it does not take name and password: {why}"), LOGIN)
        }
        MailRefusal::Sender(why) => {
            (Severity::Error, format!("it takes no mail from {}: {why}", smtp.from), SENDER)
        }
        MailRefusal::NotNow(why) => (Severity::Warning, why, LATER),
    };
    Some(Tried::bad(severity, ABOUT, subject, (what, help)))
}

fn good(smtp: &Smtp) -> String {
    let as_whom = if smtp.login.is_some() { "knows us and " } else { "" };
    format!("it {as_whom}takes mail from {}", smtp.from)
}

const REACH: &str = "write `address` and `tls` of `smtp` as your mail provider names them: port 465 \
                     is implicit TLS, 587 STARTTLS. Its certificate has to be for that name, by an \
                     authority that this machine or `certificate_authority_file` trusts";
const LOGIN: &str = "look at `username` and `password_file` of `smtp`: many providers want a password \
                     that is made for one program";
const SENDER: &str = "write an address in `smtp.from` that the server lets this account send from";
const LATER: &str = "look again in a while: what people ask for meanwhile is tried four times";
