//! Words that are values: each stands in one table, beside what it stands for.

use http::{Method, StatusCode};

use crate::names::EscapedSlashes;

/// What is written as a word.
pub trait Words: Clone + 'static {
    /// Every word, with what it stands for.
    const TABLE: &'static [(&'static str, Self)];
    /// The words alone; an empty one is as good as none.
    const NAMES: &'static [&'static str];
}

/// One table: words, and what they stand for.
macro_rules! words {
    ($( $for:ty: $( $($word:literal)|+ => $value:expr, )+ )+) => {$(
        impl Words for $for {
            const TABLE: &'static [(&'static str, Self)] = &[$( $( ($word, $value), )+ )+];
            const NAMES: &'static [&'static str] = &[$( $( $word, )+ )+];
        }
    )+};
}

words! {
    Codec:
        "auto" => Self::Auto,
        "http1" => Self::Http1,
        "http2" => Self::Http2,
        "http3" => Self::Http3,
    EscapedSlashes:
        "" | "reject_request" => Self::Reject,
        "keep_unchanged" => Self::Keep,
        "unescape_and_redirect" => Self::Redirect,
        "unescape_and_forward" => Self::Unescape,
    Underscores:
        "" | "allow" => Self::Allow,
        "reject_request" => Self::Reject,
        "drop_header" => Self::Drop,
    Recorder:
        "rfc2136" => Self::Rfc2136,
        "cloudflare" => Self::Cloudflare,
        "exec" => Self::Exec,
    TsigAlgorithm:
        "hmac-sha256" => Self::HmacSha256,
        "hmac-sha384" => Self::HmacSha384,
        "hmac-sha512" => Self::HmacSha512,
    SmtpTls:
        "implicit" => Self::Implicit,
        "starttls" => Self::StartTls,
        "none" => Self::None,
    SameSite:
        "" | "lax" => Self::Lax,
        "strict" => Self::Strict,
        "none" => Self::None,
    Flow:
        "" => Self::ByHost,
        "stateful" => Self::Stateful,
        "stateless" => Self::Stateless,
    IssuerFormat:
        "" | "hostonly" | "issuerhostonly" => Self::Host,
        "uri" | "issueruri" => Self::Uri,
    BearerFormat:
        "" | "default" => Self::OfApp,
        "idp_access_token" => Self::AccessToken,
        "idp_identity_token" => Self::IdentityToken,
    Level:
        "trace" | "debug" => Self::Debug,
        "" | "info" => Self::Info,
        "warn" | "warning" => Self::Warn,
        "error" | "critical" | "fatal" | "panic" | "off" | "none" | "disabled" => Self::Error,
    Storage:
        "" | "memory" => Self::Memory,
        "file" => Self::File,
        "postgres" => Self::Postgres,
    Balance:
        "round_robin" => Self::RoundRobin,
        "random" => Self::Random,
        "least_request" => Self::LeastRequest,
        "ring_hash" | "maglev" => Self::Hash,
    Method:
        "GET" => Self::GET,
        "HEAD" => Self::HEAD,
        "OPTIONS" => Self::OPTIONS,
        "POST" => Self::POST,
        "PUT" => Self::PUT,
        "DELETE" => Self::DELETE,
    StatusCode:
        "301" => Self::MOVED_PERMANENTLY,
        "302" => Self::FOUND,
        "303" => Self::SEE_OTHER,
        "307" => Self::TEMPORARY_REDIRECT,
        "308" => Self::PERMANENT_REDIRECT,
}

/// `codec_type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Codec {
    /// HTTP/2 and HTTP/1.1.
    #[default]
    Auto,
    /// HTTP/1.1 only.
    Http1,
    /// HTTP/2 only.
    Http2,
    /// HTTP/3 beside both.
    Http3,
}

/// What becomes of fields with `_` in their names, which CGI and its heirs read as `-`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Underscores {
    /// They pass, save those that are another spelling of what only the proxy may say.
    #[default]
    Allow,
    /// The request is answered with 400.
    Reject,
    /// They are left out.
    Drop,
}

/// `autocert_dns_provider`: who sets records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorder {
    /// A DNS server that takes updates.
    Rfc2136,
    /// Cloudflare's API.
    Cloudflare,
    /// A program.
    Exec,
}

/// How updates of DNS are signed (RFC 8945).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the registered names")]
pub enum TsigAlgorithm {
    #[default]
    HmacSha256,
    HmacSha384,
    HmacSha512,
}

/// When TLS begins with a server that takes mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpTls {
    /// At once (RFC 8314 §3.3).
    Implicit,
    /// By `STARTTLS` (RFC 3207), which has to be there.
    StartTls,
    /// Never.
    None,
}

/// The `SameSite` attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the attribute's own values")]
pub enum SameSite {
    Strict,
    Lax,
    None,
}

/// `authenticate_flow`: whose the sign-in host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Somebody else's where its name is known to be.
    ByHost,
    /// Ours.
    Stateful,
    /// Somebody else's.
    Stateless,
}

/// `jwt_issuer_format`: what `iss` of the assertion is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IssuerFormat {
    /// The bare host.
    #[default]
    Host,
    /// An address.
    Uri,
}

/// `bearer_token_format`: what a token in `Authorization: Bearer` is, beside our own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BearerFormat {
    /// The app's own: nobody here looks at it.
    #[default]
    OfApp,
    /// An access token of the provider's.
    AccessToken,
    /// An identity token of the provider's (OIDC Core §2).
    IdentityToken,
}

/// How much an event matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the usual words")]
pub enum Level {
    Debug,
    #[default]
    Info,
    Warn,
    Error,
}

/// `databroker_storage_type`, which rules nothing here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    /// In memory.
    #[default]
    Memory,
    /// In a file.
    File,
    /// In a database.
    Postgres,
}

/// `load_balancing_policy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// In turns.
    #[default]
    RoundRobin,
    /// By chance.
    Random,
    /// The one with the fewest requests under way.
    LeastRequest,
    /// The same one for the same session, or for the same address (`ring_hash`, `maglev`): what both
    /// promise is that few visitors move when the list changes.
    Hash,
}
