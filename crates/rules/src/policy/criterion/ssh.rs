//! Questions about connections by SSH. No request by HTTP is one, so none of them lets anybody in
//! here; where they keep out they answer as Pomerium does, to which a user without name is `""`.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::Value;

use super::{About, Doubt, Nothing, Question, Who, Written, read::one_text};
use crate::{
    policy::{matcher::TextMatch, report::Report},
    session::SignedIn,
    yaml::{Kind, Node},
};

criteria! { Ssh: PublicKey, Authority, Username, MatchesEmail, MatchesClaim; }

const KEY_REASONS: [&str; 2] = ["ssh-publickey-ok", "ssh-publickey-unauthorized"];
const NAME_REASONS: [&str; 2] = ["ssh-username-ok", "ssh-username-unauthorized"];
const NO_SSH: &str = "this is no connection by SSH";

/// A criterion about keys, which no request by HTTP brings.
macro_rules! about_keys {
    ($(#[$about:meta])* $name:ident: $written:literal, $meant:expr, $words:literal) => {
        $(#[$about])*
        #[derive(Clone, Debug)]
        pub(in crate::policy) struct $name;

        impl Question for $name {
            const NAME: &'static str = $written;
            const MEANT: &'static [(&'static str, &'static str)] = $meant;
            const REASONS: [&'static str; 2] = KEY_REASONS;
            type Of = Nothing;
            const ABOUT: About = About::Nobody;

            fn read(written: &Written<'_>, report: &mut Report<'_>) -> Option<Self> {
                read_keys(written, report).map(|()| Self)
            }

            fn holds(&self, (): (), _: Doubt) -> bool {
                false
            }

            fn in_words(&self) -> String {
                $words.into()
            }

            fn found(&self, (): ()) -> String {
                NO_SSH.into()
            }
        }
    };
}

about_keys! {
    /// `ssh_publickey`: the key that somebody connects with.
    PublicKey: "ssh_publickey", &[("ssh_public_key", Self::NAME)],
    "a public key of SSH is among these"
}

about_keys! {
    /// `ssh_ca`: who vouches for the key.
    Authority: "ssh_ca", &[], "an authority of SSH vouches for the key"
}

/// `ssh_username`: as whom somebody connects.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Username(TextMatch);

impl Question for Username {
    const NAME: &'static str = "ssh_username";
    const MEANT: &'static [(&'static str, &'static str)] = &[("ssh_user", Self::NAME)];
    const REASONS: [&'static str; 2] = NAME_REASONS;
    type Of = Nothing;
    const ABOUT: About = About::Nobody;

    fn read(written: &Written<'_>, report: &mut Report<'_>) -> Option<Self> {
        note(written, report);
        written.text::<Self>(report).map(Self)
    }

    fn holds(&self, (): (), doubt: Doubt) -> bool {
        doubt == Doubt::Differs && self.0.takes("")
    }

    fn in_words(&self) -> String {
        format!("SSH user {}", self.0.in_words())
    }

    fn found(&self, (): ()) -> String {
        NO_SSH.into()
    }
}

/// `ssh_username_matches_email`: as whom they are by their address.
#[derive(Clone, Debug)]
pub(in crate::policy) struct MatchesEmail;

impl Question for MatchesEmail {
    const NAME: &'static str = "ssh_username_matches_email";
    const REASONS: [&'static str; 2] = NAME_REASONS;
    type Of = Who;
    const ABOUT: About = About::Nobody;

    fn read(written: &Written<'_>, report: &mut Report<'_>) -> Option<Self> {
        note(written, report);
        written.without_operand(report);
        Some(Self)
    }

    fn holds(&self, who: &SignedIn, doubt: Doubt) -> bool {
        doubt == Doubt::Differs && who.person.email.split('@').next() == Some("")
    }

    fn in_words(&self) -> String {
        "the SSH user is what stands before the `@` of the email".into()
    }

    fn found(&self, _: &SignedIn) -> String {
        NO_SSH.into()
    }
}

/// `ssh_username_matches_claim`: as whom a claim names them.
#[derive(Clone, Debug)]
pub(in crate::policy) struct MatchesClaim(Box<str>);

impl Question for MatchesClaim {
    const NAME: &'static str = "ssh_username_matches_claim";
    const REASONS: [&'static str; 2] = NAME_REASONS;
    type Of = Who;
    const ABOUT: About = About::Nobody;

    fn read(written: &Written<'_>, report: &mut Report<'_>) -> Option<Self> {
        note(written, report);
        match one_text(written.data) {
            Some(name) => Some(Self(name.into())),
            None => {
                report.not_text(written.name, written.data);
                None
            }
        }
    }

    fn holds(&self, who: &SignedIn, doubt: Doubt) -> bool {
        let is_empty = |value: &Value| value.as_str() == Some("");
        doubt == Doubt::Differs && who.claim(&self.0).iter().any(is_empty)
    }

    fn in_words(&self) -> String {
        format!("the SSH user is in the claim `{}`", self.0)
    }

    fn found(&self, _: &SignedIn) -> String {
        NO_SSH.into()
    }
}

fn note(written: &Written<'_>, report: &mut Report<'_>) {
    report.warning(
        "U347",
        written.at,
        format!("`{}` is about connections by SSH, and no route of usher is one", written.name),
        "delete it: requests by HTTP are never let in by it",
    );
}

/// One key or several, as they stand in `authorized_keys`.
fn read_keys(written: &Written<'_>, report: &mut Report<'_>) -> Option<()> {
    note(written, report);
    let items = match &written.data.kind {
        Kind::List(items) => items.as_slice(),
        Kind::Scalar { .. } | Kind::Map(_) => std::slice::from_ref(written.data),
    };
    if items.is_empty() {
        report.empty_operand(written.name, written.data, "no key is in it");
    }
    let wrong: Vec<&Node> = items.iter().filter(|item| !is_key(item)).collect();
    for item in &wrong {
        report.error(
            "U348",
            &item.span,
            format!("`{}` takes public keys of SSH, and this is none", written.name),
            "write one as in `authorized_keys`: `ssh-ed25519 AAAA…`",
        );
    }
    wrong.is_empty().then_some(())
}

fn is_key(node: &Node) -> bool {
    one_text(node).is_some_and(|text| text.lines().any(is_key_line))
}

/// Type and key, behind options or not (sshd(8), `AUTHORIZED_KEYS FILE FORMAT`).
fn is_key_line(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    !line.trim_start().starts_with('#') && words.iter().skip(1).any(|word| is_wire_format(word))
}

/// RFC 4253 §6.6: an algorithm's name, then what belongs to it, each with its length.
fn is_wire_format(word: &str) -> bool {
    let Ok(octets) = BASE64_STANDARD.decode(word) else { return false };
    let mut rest = octets.as_slice();
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let Some((length, behind)) = rest.split_first_chunk::<4>() else { return false };
        let Ok(length) = usize::try_from(u32::from_be_bytes(*length)) else { return false };
        let Some((piece, behind)) = behind.split_at_checked(length) else { return false };
        pieces.push(piece);
        rest = behind;
        // What follows in a certificate is numbers, too.
        if piece.ends_with(b"-cert-v01@openssh.com") {
            return !rest.is_empty();
        }
    }
    pieces.len() > 1 && pieces.first().is_some_and(|name| is_algorithm(name))
}

fn is_algorithm(name: &[u8]) -> bool {
    const KNOWN: [&str; 8] = [
        "ssh-rsa",
        "ssh-dss",
        "ssh-ed25519",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "sk-ssh-ed25519@openssh.com",
        "sk-ecdsa-sha2-nistp256@openssh.com",
    ];
    KNOWN.iter().any(|known| known.as_bytes() == name)
}
