use super::reason::{Reason, Reasons};

/// The verdict and what made it: enough to act on, to log, to show, and to argue with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What happens to the request.
    pub verdict: Verdict,
    /// The allow side.
    pub allow: Finding,
    /// The deny side.
    pub deny: Finding,
    /// Which rule decided, for logs and `explain`: `allow[0].or[1] email`, or `nothing-allows`.
    pub rule: std::sync::Arc<str>,
    /// Which kind of device has to be shown first, where one has to.
    pub device: Option<Box<str>>,
    /// Reasons that no criterion knows: rules in Rego have words of their own.
    pub other: Option<Box<OtherReasons>>,
}

/// Reasons in words of rules in Rego.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OtherReasons {
    /// Of the allow side, in order.
    pub allow: Box<[Box<str>]>,
    /// Of the deny side, in order.
    pub deny: Box<[Box<str>]>,
}

impl Decision {
    /// Why the allow side holds, or does not: the words for records.
    pub fn allow_words(&self) -> impl Iterator<Item = &str> {
        words(self.allow, self.other.as_deref().map(|other| &*other.allow))
    }

    /// The same of the deny side.
    pub fn deny_words(&self) -> impl Iterator<Item = &str> {
        words(self.deny, self.other.as_deref().map(|other| &*other.deny))
    }

    /// The words of the side that decided: of deny where it holds.
    pub fn why(&self) -> Vec<&str> {
        if self.deny.holds { self.deny_words().collect() } else { self.allow_words().collect() }
    }

    /// Was it refused for the device that was shown?
    pub fn is_for_the_device(&self) -> bool {
        let side = if self.deny.holds { self.deny } else { self.allow };
        const UNAUTHORIZED: Reason = Reason::named("device-unauthorized");
        self.verdict == Verdict::Deny && side.reasons.contains(UNAUTHORIZED)
    }
}

fn words(of: Finding, other: Option<&[Box<str>]>) -> impl Iterator<Item = &str> {
    let known = of.reasons.iter().map(|reason| -> &str { reason.word() });
    known.chain(other.unwrap_or_default().iter().map(AsRef::as_ref))
}

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It is forwarded.
    Allow,
    /// Somebody has to sign in first.
    SignIn,
    /// Who asks has to sign in again first: it was too long ago.
    SignInAgain,
    /// Who asks has to show a passkey first, also where they are signed in.
    ShowPasskey,
    /// Who asks has to show a certificate that counts.
    ShowCertificate,
    /// Who asks has to show a device first.
    ShowDevice,
    /// It is refused.
    Deny,
}

impl Verdict {
    /// Every one of them.
    pub const ALL: [Self; 7] = [
        Self::Allow,
        Self::SignIn,
        Self::SignInAgain,
        Self::ShowPasskey,
        Self::ShowCertificate,
        Self::ShowDevice,
        Self::Deny,
    ];

    /// The one with this word; `None` where none has it.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.word() == word)
    }

    /// The word in records.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::SignIn => "sign-in",
            Self::SignInAgain => "sign-in-again",
            Self::ShowPasskey => "show-passkey",
            Self::ShowCertificate => "show-certificate",
            Self::ShowDevice => "show-device",
            Self::Deny => "deny",
        }
    }
}

/// One side of a decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Finding {
    /// Whether this side holds.
    pub holds: bool,
    /// Why it does, or why it does not.
    pub reasons: Reasons,
}
