/// Why an answer does not count. For the log; whoever sent it learns that it did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasskeyFault {
    /// It is not written as browsers write it.
    #[error("the passkey's answer can't be read")]
    Unreadable,
    /// It answers another question: enrolment for sign-in, or the other way round.
    #[error("the passkey answered another kind of question")]
    Ceremony,
    /// It answers another challenge.
    #[error("the passkey answered another challenge")]
    Challenge,
    /// It was given to another site's page, or within another site's frame.
    #[error("the passkey was asked by a page of another origin")]
    Origin,
    /// The authenticator meant another site.
    #[error("the passkey is for another site")]
    RelyingParty,
    /// Nobody touched it, or it did not make sure who did.
    #[error("the passkey did not verify its owner")]
    Unverified,
    /// The key is of a kind that is not taken.
    #[error("the passkey's key is of no kind that counts")]
    Key,
    /// The signature is not by this key.
    #[error("the passkey's signature is wrong")]
    Signature,
    /// Its counter stands still or went back: there may be two of it (§6.1.1).
    #[error("the passkey's counter went back, so there may be a copy of it")]
    Counter,
    /// It speaks for another person than its owner.
    #[error("the passkey speaks for somebody else")]
    Owner,
}
