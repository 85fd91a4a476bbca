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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finding {
    /// Whether this side holds.
    pub holds: bool,
    /// Why it does, or why it does not; sorted, without repeats.
    pub reasons: Vec<Reason>,
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
