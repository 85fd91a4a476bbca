use super::{
    HostedKey, Opened, Profile, ProfileFault, PublicKey, Request, SealedForm, StampFault, Stamps,
};
use crate::{signin::param, time::UnixTime};

/// The service's answer before it is sealed.
#[derive(Debug)]
pub struct Answer<'a> {
    /// What was asked.
    pub to: &'a Request,
    /// Who is signed in.
    pub profile: &'a Profile,
    /// What `pomerium_version` says.
    pub version: &'a str,
}

/// What came back to a proxy, sealed by the service it trusts and not too old.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrived {
    /// `pomerium_redirect_uri`, as it came.
    pub redirect: Box<str>,
    /// Who is signed in.
    pub profile: Profile,
    /// The service says that a program waits.
    pub programmatic: bool,
    /// When it was made and until when it counts.
    pub stamps: Stamps,
    /// A name for this very answer: it counts once.
    pub digest: [u8; 32],
}

/// Why an answer is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerFault {
    /// Sealed for us, by somebody else.
    #[error("the answer was sealed with another key than the service's")]
    OtherSender,
    /// Too old, too new, or it does not say.
    #[error("the answer: {0}")]
    Stamps(#[from] StampFault),
    /// There is no profile in it.
    #[error("the answer says nobody's name")]
    NoProfile,
    /// The profile can't be read.
    #[error(transparent)]
    Profile(#[from] ProfileFault),
    /// It does not say where to go on to.
    #[error("the answer names no address to go on to")]
    NoRedirect,
}

impl Answer<'_> {
    /// The URL that brings it to the proxy: the callback's own query goes inside the seal, as in
    /// the real service. `None` when the proxy's key can't be sealed to.
    pub fn url(&self, ours: &HostedKey, ephemeral: [u8; 32], now: UnixTime) -> Option<String> {
        let request = self.to;
        let [issued, expiry] = Stamps::at(now).texts();
        let profile = self.profile.to_text();
        let ours_alone = [
            (param::REDIRECT_URI, &*request.redirect_text),
            (param::PROFILE, profile.as_str()),
            (param::VERSION, self.version),
            (param::ISSUED, issued.as_str()),
            (param::EXPIRY, expiry.as_str()),
        ];
        let theirs: Vec<(String, String)> = request
            .callback
            .query_pairs()
            .filter(|(name, _)| !is_ours(name))
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        let mut pairs = ours_alone.to_vec();
        pairs.extend(theirs.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        pairs.extend(request.programmatic.then_some((param::PROGRAMMATIC, "true")));
        pairs.extend(request.bind_session.as_deref().map(|bind| (param::BIND_SESSION, bind)));
        let query = SealedForm::seal(pairs, request.version, ours, &request.sender, ephemeral)?;
        let mut url = request.callback.clone();
        url.set_query(Some(&query));
        Some(url.into())
    }
}

/// Parameters that the service alone sets: a callback's query can't.
fn is_ours(name: &str) -> bool {
    [
        param::REDIRECT_URI,
        param::PROFILE,
        param::VERSION,
        param::ISSUED,
        param::EXPIRY,
        param::PROGRAMMATIC,
        param::BIND_SESSION,
        "k",
        "q",
        "pomerium_hpke_sender_pub",
        "pomerium_hpke_query",
    ]
    .contains(&name)
}

impl Arrived {
    /// Where an answer leads that `service` sealed, whether it still counts or not.
    pub fn redirect_of<'a>(opened: &'a Opened, service: &PublicKey) -> Option<&'a str> {
        opened.form.text(param::REDIRECT_URI).filter(|_| opened.sender == *service)
    }

    /// Reads an answer that was opened, if `service` sealed it and it counts now.
    ///
    /// # Errors
    ///
    /// [`AnswerFault`], one variant per rule.
    pub fn read(opened: &Opened, service: &PublicKey, now: UnixTime) -> Result<Self, AnswerFault> {
        if opened.sender != *service {
            return Err(AnswerFault::OtherSender);
        }
        let stamps = Stamps::read(&opened.form, now)?;
        let profile = opened.form.text(param::PROFILE).filter(|text| !text.is_empty());
        let profile = Profile::parse(profile.ok_or(AnswerFault::NoProfile)?)?;
        let redirect = opened.form.text(param::REDIRECT_URI).filter(|text| !text.is_empty());
        let redirect = redirect.ok_or(AnswerFault::NoRedirect)?;
        let programmatic = opened.form.text(param::PROGRAMMATIC) == Some("true");
        let digest = opened.digest();
        Ok(Self { redirect: redirect.into(), profile, programmatic, stamps, digest })
    }
}
