use std::fmt;

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
}

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It is forwarded.
    Allow,
    /// Somebody has to sign in first.
    SignIn,
    /// It is refused.
    Deny,
}

impl Verdict {
    /// The word in records: `allow`, `sign-in`, `deny`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::SignIn => "sign-in",
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

/// A set of reasons in one word of memory: decisions are made on every request.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Reasons(u32);

impl Reasons {
    /// Just `reason`.
    pub const fn only(reason: Reason) -> Self {
        Self(1 << reason as u32)
    }

    /// Every reason that is in either.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether `reason` is in it.
    pub const fn contains(self, reason: Reason) -> bool {
        self.0 & Self::only(reason).0 != 0
    }

    /// Whether nothing is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The reasons in order of their words.
    pub fn iter(self) -> impl Iterator<Item = Reason> {
        Reason::ALL.into_iter().filter(move |reason| self.contains(*reason))
    }
}

impl fmt::Debug for Reasons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Reason::word)).finish()
    }
}

impl FromIterator<Reason> for Reasons {
    fn from_iter<T: IntoIterator<Item = Reason>>(reasons: T) -> Self {
        reasons.into_iter().fold(Self::default(), |all, reason| all.with(Self::only(reason)))
    }
}

/// Why a criterion held or did not. The words are an API (`pomerium-protocols.md` §3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each variant is its own word, listed in `Reason::word`")]
pub enum Reason {
    Accept,
    ClaimOk,
    ClaimUnauthorized,
    CorsRequest,
    DomainOk,
    DomainUnauthorized,
    EmailOk,
    EmailUnauthorized,
    GroupsOk,
    GroupsUnauthorized,
    HttpMethodOk,
    HttpMethodUnauthorized,
    HttpPathOk,
    HttpPathUnauthorized,
    NonCorsRequest,
    PomeriumRoute,
    NonPomeriumRoute,
    Reject,
    RouteNotFound,
    SourceIpOk,
    SourceIpUnauthorized,
    UserOk,
    UserUnauthenticated,
    UserUnauthorized,
}

impl Reason {
    /// Every reason, in order of its word.
    pub const ALL: [Self; 24] = [
        Self::Accept,
        Self::ClaimOk,
        Self::ClaimUnauthorized,
        Self::CorsRequest,
        Self::DomainOk,
        Self::DomainUnauthorized,
        Self::EmailOk,
        Self::EmailUnauthorized,
        Self::GroupsOk,
        Self::GroupsUnauthorized,
        Self::HttpMethodOk,
        Self::HttpMethodUnauthorized,
        Self::HttpPathOk,
        Self::HttpPathUnauthorized,
        Self::NonCorsRequest,
        Self::NonPomeriumRoute,
        Self::PomeriumRoute,
        Self::Reject,
        Self::RouteNotFound,
        Self::SourceIpOk,
        Self::SourceIpUnauthorized,
        Self::UserOk,
        Self::UserUnauthenticated,
        Self::UserUnauthorized,
    ];

    /// The word in records, as Pomerium writes it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::ClaimOk => "claim-ok",
            Self::ClaimUnauthorized => "claim-unauthorized",
            Self::CorsRequest => "cors-request",
            Self::DomainOk => "domain-ok",
            Self::DomainUnauthorized => "domain-unauthorized",
            Self::EmailOk => "email-ok",
            Self::EmailUnauthorized => "email-unauthorized",
            Self::GroupsOk => "groups-ok",
            Self::GroupsUnauthorized => "groups-unauthorized",
            Self::HttpMethodOk => "http-method-ok",
            Self::HttpMethodUnauthorized => "http-method-unauthorized",
            Self::HttpPathOk => "http-path-ok",
            Self::HttpPathUnauthorized => "http-path-unauthorized",
            Self::NonCorsRequest => "non-cors-request",
            Self::PomeriumRoute => "pomerium-route",
            Self::NonPomeriumRoute => "non-pomerium-route",
            Self::Reject => "reject",
            Self::RouteNotFound => "route-not-found",
            Self::SourceIpOk => "source-ip-ok",
            Self::SourceIpUnauthorized => "source-ip-unauthorized",
            Self::UserOk => "user-ok",
            Self::UserUnauthenticated => "user-unauthenticated",
            Self::UserUnauthorized => "user-unauthorized",
        }
    }
}
