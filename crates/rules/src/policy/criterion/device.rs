//! Devices that a session was proven on (WebAuthn), by what the store knows of them.
//!
//! In Pomerium `device: {}` and `approved: false` pass without any, and nobody asks whose device it
//! is (`pomerium-policy-measured.md` 4, 10). Here there is always one, and it is the person's own.

use serde_json::Value;

use super::{Doubt, Question, Reason, Who, Written, read::one_text};
use crate::{
    enrolment::ANY_KIND,
    policy::{
        matcher::value_of,
        report::{Report, nearest},
    },
    session::{DeviceCredential, Enrolment, SignedIn},
    yaml::{Entry, Kind, Node},
};

criteria! { Device: Device; }

const UNAUTHENTICATED_WORD: &str = "device-unauthenticated";

/// What is said where no device of the kind was shown.
pub(in crate::policy) const UNAUTHENTICATED: Reason = Reason::named(UNAUTHENTICATED_WORD);

const OPERATORS: [&str; 3] = ["approved", "is", "type"];

/// `device`: the first one of its kind that the session was proven on.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Device {
    kind: Box<str>,
    credential: Option<Box<str>>,
    approval: Option<Approval>,
}

/// What an operator has to have said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Approval {
    Approved,
    NotApproved,
}

impl Question for Device {
    const NAME: &'static str = "device";
    const MEANT: &'static [(&'static str, &'static str)] = &[("devices", Self::NAME)];
    const REASONS: [&'static str; 2] = ["device-ok", "device-unauthorized"];
    const MORE_REASONS: &'static [&'static str] = &[UNAUTHENTICATED_WORD];
    type Of = Who;

    fn read(written: &Written<'_>, report: &mut Report<'_>) -> Option<Self> {
        let Kind::Map(entries) = &written.data.kind else {
            let what = "`device` takes `type`, `approved` and `is`, and this is none of them";
            report.error("U345", &written.data.span, what, "write `device: {approved: true}`");
            return None;
        };
        if entries.is_empty() {
            report.anything_there(Self::NAME, written.data);
        }
        let mut read = Self { kind: ANY_KIND.into(), credential: None, approval: None };
        let taken: Vec<_> = entries.iter().map(|entry| read.take(entry, report)).collect();
        taken.into_iter().collect::<Option<()>>().map(|()| read)
    }

    fn holds(&self, who: &SignedIn, doubt: Doubt) -> bool {
        let Some(credential) = who.session.device(&self.kind) else { return false };
        // Where it keeps out, somebody else's device does so too, and one that is not enrolled.
        let in_doubt = doubt == Doubt::Differs;
        let is_it = |id: &str| {
            *credential.id == *id && (in_doubt || credential.enrolment != Enrolment::Missing)
        };
        (in_doubt || is_own(credential, who))
            && self.credential.as_deref().is_none_or(is_it)
            && self.approval.is_none_or(|wanted| wanted == approval(credential))
    }

    fn why_not(&self, who: &SignedIn) -> Option<Reason> {
        let credential = who.session.device(&self.kind);
        let is_known =
            credential.is_some_and(|credential| credential.enrolment != Enrolment::Missing);
        (!is_known).then_some(UNAUTHENTICATED)
    }

    fn device_kind(&self) -> Option<&str> {
        Some(&self.kind)
    }

    fn in_words(&self) -> String {
        let mut words = format!("a device of type `{}` was shown", self.kind);
        if let Some(id) = &self.credential {
            words.push_str(&format!(", and it is `{id}`"));
        }
        match self.approval {
            Some(Approval::Approved) => words.push_str(", and it is approved"),
            Some(Approval::NotApproved) => words.push_str(", and it is not approved"),
            None => {}
        }
        words
    }

    fn found(&self, who: &SignedIn) -> String {
        let Some(credential) = who.session.device(&self.kind) else {
            return format!("no device of type `{}` was shown", self.kind);
        };
        let id = &credential.id;
        if !is_own(credential, who) {
            return format!("the device `{id}` is somebody else's");
        }
        match credential.enrolment {
            Enrolment::Missing => format!("the device `{id}` is not enrolled"),
            Enrolment::Pending => format!("the device `{id}` is not approved"),
            Enrolment::Approved => format!("the device `{id}` is approved"),
        }
    }
}

impl Device {
    fn take(&mut self, Entry { key, key_span, value }: &Entry, report: &mut Report<'_>) -> Option<()> {
        let operator = key.to_ascii_lowercase();
        match operator.as_str() {
            "approved" => self.approval = Some(read_approval(value, report)?),
            "is" => self.credential = Some(read_text("is", value, report)?),
            "type" => {
                self.kind = read_text("type", value, report)?;
                if !self.kind.is_empty() && &*self.kind != ANY_KIND {
                    let what = format!("nobody can enrol a device of type `{}` here", self.kind);
                    let help = "nothing vouches for hardware: `type: any` is the one that is enrolled";
                    report.warning("U554", &value.span, what, help);
                }
            }
            _ => {
                let help = match nearest(&operator, &OPERATORS) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("it knows `{}`", OPERATORS.join("`, `")),
                };
                report.error("U310", key_span, format!("`device` has no operator `{key}`"), help);
                return None;
            }
        }
        Some(())
    }
}

/// A session names a credential, and the credential a person: nobody compares the two in Pomerium.
fn is_own(credential: &DeviceCredential, who: &SignedIn) -> bool {
    !credential.owner.is_empty() && credential.owner == who.person.id
}

fn approval(credential: &DeviceCredential) -> Approval {
    match credential.enrolment {
        Enrolment::Approved => Approval::Approved,
        Enrolment::Pending | Enrolment::Missing => Approval::NotApproved,
    }
}

fn read_text(operator: &str, node: &Node, report: &mut Report<'_>) -> Option<Box<str>> {
    let named = format!("device: {operator}");
    let text = one_text(node);
    match text {
        Some("") => report.empty_operand(&named, node, "no device has it"),
        Some(_) => {}
        None => report.not_text(&named, node),
    }
    text.map(Box::from)
}

/// As Pomerium reads it: nothing, zero and the empty text are no, and all else of one word is yes.
fn read_approval(node: &Node, report: &mut Report<'_>) -> Option<Approval> {
    let value = value_of(node);
    let is_yes = match &value {
        Value::Bool(on) => *on,
        Value::Null => false,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => {
            let what = "`device: approved` is `true` or `false`, and this is neither";
            report.error("U345", &node.span, what, "write `approved: true`");
            return None;
        }
    };
    if !value.is_boolean() {
        report.warning(
            "U346",
            &node.span,
            format!("`device: approved` means `approved: {is_yes}` here"),
            format!("write `approved: {is_yes}`"),
        );
    }
    Some(if is_yes { Approval::Approved } else { Approval::NotApproved })
}
