//! What is asked on the command line: a request, and who makes it.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use http::{HeaderName, HeaderValue, Method, Request, Uri, header, request::Parts};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use usher_rules::{
    client_certificate::ClientChain,
    config::duration,
    names::Authority,
    people::{Claims, Member, People as _},
    session::SignedIn,
    signin::Imagined,
    time::UnixTime,
};

use crate::{
    cli::{data_dir::NoDataDir, failure::Failure, service_account::called},
    request::accept::Presented,
    store::Store,
};

/// Who asks, and from where.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Who asks, where and when")]
pub struct Who {
    /// Somebody of the built-in provider, with their groups
    #[arg(long = "as", value_name = "EMAIL", conflicts_with_all = ["email", "user", "request_id", "replay"])]
    pub member: Option<String>,

    /// A program with a token of its own, as `usher service-account list` names it
    #[arg(long, value_name = "NAME", conflicts_with_all = ["member", "email", "user", "groups", "claims", "signed_in", "passkey", "request_id", "replay"])]
    pub service_account: Option<String>,

    /// Somebody with this address
    #[arg(long, value_name = "EMAIL", conflicts_with_all = ["request_id", "replay"])]
    pub email: Option<String>,

    /// Somebody with this id at their provider
    #[arg(long, value_name = "ID", conflicts_with_all = ["request_id", "replay"])]
    pub user: Option<String>,

    /// A group that the built-in provider has them in; may be repeated
    #[arg(long = "group", value_name = "GROUP", conflicts_with_all = ["request_id", "replay"])]
    pub groups: Vec<String>,

    /// What their provider says of them: text, or JSON; may be repeated. Groups of the built-in
    /// provider are --group
    #[arg(long = "claim", value_name = "NAME=VALUE", conflicts_with_all = ["request_id", "replay"])]
    pub claims: Vec<String>,

    /// How long ago they signed in, such as `20m` [default: just now]
    #[arg(long, value_name = "SPAN", conflicts_with_all = ["request_id", "replay"])]
    pub signed_in: Option<String>,

    /// How long ago they showed a passkey of the built-in provider, such as `5m` [default: never]
    #[arg(long, value_name = "SPAN", conflicts_with_all = ["signed_in", "request_id", "replay"])]
    pub passkey: Option<String>,

    /// The address that the request comes from
    #[arg(long, value_name = "IP", default_value = "203.0.113.7")]
    pub address: IpAddr,

    /// The certificates that their client shows, its own first (PEM)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["request_id", "replay"])]
    pub certificate: Option<PathBuf>,

    /// The tool of MCP that the request calls
    #[arg(long, value_name = "NAME", conflicts_with_all = ["request_id", "replay"])]
    pub tool: Option<String>,

    /// When, such as `2026-12-24T18:00:00Z` [default: now]
    #[arg(long, value_name = "TIME", conflicts_with_all = ["request_id", "replay"])]
    pub time: Option<String>,

    /// A field of the request, such as `Origin: https://app.example.com`; may be repeated
    #[arg(long = "header", value_name = "NAME: VALUE", conflicts_with_all = ["request_id", "replay"])]
    pub headers: Vec<String>,
}

/// What was typed can't be asked.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unclear {
    #[error("`{0}` is no method")]
    Method(String),
    #[error("`{0}` is no address of a site")]
    Url(String),
    #[error("`{0}` is no field")]
    Header(String),
    #[error("`{0}` is no claim")]
    Claim(String),
    #[error("`{0}` is no moment")]
    Time(String),
    #[error("`{0}` is no span of time")]
    Span(String),
    #[error("`{0}` holds no certificate (PEM)")]
    Certificate(String),
    #[error("can't read the certificate `{0}`: {1}")]
    CertificateFile(String, String),
    #[error("nobody of the built-in provider has the address `{0}`")]
    Nobody(String),
    #[error("no service account is called `{0}`, or its time is over")]
    NoProgram(String),
    #[error("the people of the built-in provider can't be read: {0}")]
    People(String),
}

impl From<Unclear> for Failure {
    fn from(unclear: Unclear) -> Self {
        Self::Unclear { what: unclear.to_string(), hint: unclear.hint() }
    }
}

impl Unclear {
    const fn hint(&self) -> &'static str {
        match self {
            Self::Method(_) => "write it in capitals, before the address: GET https://HOST/PATH",
            Self::Url(_) => "write it as in the browser: https://HOST/PATH",
            Self::Header(_) => {
                "write `--header 'Origin: https://app.example.com'`; the host is the URL's"
            }
            Self::Claim(_) => "write `--claim groups=family`, or JSON: `--claim level=7`",
            Self::Certificate(_) | Self::CertificateFile(..) => {
                "name a file that begins with the client's certificate; its key is not needed"
            }
            Self::Time(_) => "write `2026-12-24T18:00:00Z` or `2026-12-24T18:00:00+01:00`",
            Self::Span(_) => "write `90s`, `20m`, `2h30m`",
            Self::Nobody(_) => {
                "`usher people list` shows who is there; `--email` asks for somebody else"
            }
            Self::NoProgram(_) => "`usher service-account list` shows which there are",
            Self::People(_) => "say where they are: --data-dir DIR; or who asks: --email, --group",
        }
    }
}

/// The head of the request.
pub(super) fn head(request: &[String], who: &Who) -> Result<Parts, Unclear> {
    let (method, url) = match request {
        [url] => ("GET", url),
        [method, url] => (&**method, url),
        _ => ("GET", &String::new()),
    };
    let method =
        Method::from_bytes(method.as_bytes()).map_err(|_| Unclear::Method(method.into()))?;
    let (authority, target) = split(url).ok_or_else(|| Unclear::Url(without_query(url)))?;
    let mut head = Request::new(()).into_parts().0;
    head.method = method;
    head.uri = Uri::try_from(target).map_err(|_| Unclear::Url(without_query(url)))?;
    for field in &who.headers {
        let (name, value) = self::field(field).ok_or_else(|| Unclear::Header(name_of(field)))?;
        head.headers.append(name, value);
    }
    let host = HeaderValue::try_from(authority).map_err(|_| Unclear::Url(without_query(url)))?;
    head.headers.insert(header::HOST, host);
    Ok(head)
}

/// Authority and request target, as they stand in the address: nothing is normalised here.
fn split(url: &str) -> Option<(&str, &str)> {
    let rest = ["https://", "http://"].iter().find_map(|scheme| {
        url.get(..scheme.len())
            .filter(|begin| begin.eq_ignore_ascii_case(scheme))
            .and_then(|_| url.get(scheme.len()..))
    })?;
    let rest = rest.split('#').next()?; // no client sends it
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at_checked(end)?;
    Authority::parse(authority).ok()?;
    match target {
        "" => Some((authority, "/")),
        target => target.starts_with('/').then_some((authority, target)),
    }
}

/// A query may hold a token.
fn without_query(url: &str) -> String {
    url.split('?').next().unwrap_or_default().into()
}

fn field(text: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = text.split_once(':')?;
    let name = HeaderName::try_from(name.trim()).ok().filter(|name| *name != header::HOST)?;
    Some((name, HeaderValue::try_from(value.trim()).ok()?))
}

/// Its value may be a token.
fn name_of(field: &str) -> String {
    field.split([':', ' ']).next().unwrap_or_default().into()
}

impl Who {
    /// When they ask.
    pub(super) fn time(&self) -> Result<Option<UnixTime>, Unclear> {
        let read = |text: &String| UnixTime::parse(text).ok_or_else(|| Unclear::Time(text.clone()));
        self.time.as_ref().map(read).transpose()
    }

    /// What their client shows.
    pub(super) fn presented(&self) -> Result<Arc<Presented>, Unclear> {
        let Some(file) = &self.certificate else { return Ok(Arc::default()) };
        let shown = || file.display().to_string();
        let none = || Unclear::Certificate(shown());
        let text = std::fs::read(file)
            .map_err(|error| Unclear::CertificateFile(shown(), error.to_string()))?;
        let chain = CertificateDer::pem_slice_iter(&text);
        let chain = chain.collect::<Result<Vec<_>, _>>().map_err(|_| none())?;
        let chain = ClientChain::read(&chain).ok_or_else(none)?;
        Ok(Arc::new(Presented::new(Some(chain))))
    }

    /// Who asks; `None` for nobody.
    pub(super) fn imagined(
        &self,
        dir: impl FnOnce() -> Result<PathBuf, NoDataDir>,
        at: UnixTime,
    ) -> Result<Option<Imagined>, Failure> {
        let member = self.member.as_ref().map(|email| member(&dir()?, email)).transpose()?;
        let is_named = self.email.is_some() || self.user.is_some() || !self.groups.is_empty();
        let spans = [&self.signed_in, &self.passkey];
        let is_somebody =
            is_named || !self.claims.is_empty() || spans.iter().any(|it| it.is_some());
        if member.is_none() && !is_somebody {
            return Ok(None);
        }
        let groups = (!self.groups.is_empty())
            .then(|| self.groups.iter().map(|group| (&**group).into()).collect())
            .or_else(|| member.as_ref().map(|member| member.groups.clone()));
        let (id, email) = member.map_or_else(
            || {
                (
                    self.user.as_deref().unwrap_or_default().into(),
                    self.email.as_deref().unwrap_or_default().into(),
                )
            },
            |member| (member.id, member.email),
        );
        let moment = |span: &String| {
            let ago = duration::parse(span).map_err(|_| Unclear::Span(span.clone()))?;
            Ok::<_, Unclear>(at.minus(ago))
        };
        let [signed_in_at, passkey_at] = spans.map(|span| span.as_ref().map(moment).transpose());
        let (signed_in_at, passkey_at, claims) = (signed_in_at?, passkey_at?, self.claims()?);
        Ok(Some(Imagined { id, email, groups, claims, signed_in_at, passkey_at }))
    }

    fn claims(&self) -> Result<Claims, Unclear> {
        let mut claims = Claims::default();
        for text in &self.claims {
            let unclear = || Unclear::Claim(text.clone());
            let (name, value) = text.split_once('=').ok_or_else(unclear)?;
            let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
            let object = serde_json::Map::from_iter([(name.to_owned(), value)]);
            for (name, more) in Claims::from_json(&object).iter() {
                let values = claims.values(name).iter().chain(more).cloned().collect();
                claims.set(name, values);
            }
        }
        Ok(claims)
    }
}

/// What is kept there; nothing is made.
fn store(dir: &Path) -> Result<Store, Failure> {
    match dir.is_dir() {
        true => Ok(Store::open(dir)?),
        false => Err(Unclear::People(format!("{} is not there", dir.display())).into()),
    }
}

/// What a service account's token leads to at that moment.
pub(super) fn service_account(dir: &Path, name: &str, at: UnixTime) -> Result<SignedIn, Failure> {
    let found = called(&store(dir)?, name, at).pop();
    let found = found.ok_or_else(|| Unclear::NoProgram(name.into()))?;
    Ok(SignedIn::clone(&found.newest()))
}

/// Somebody of the built-in provider.
fn member(dir: &Path, email: &str) -> Result<Member, Failure> {
    let people = |error: &dyn std::error::Error| Unclear::People(error.to_string());
    let store = store(dir)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().build().map_err(|error| people(&error))?;
    let everybody = runtime.block_on(store.list()).map_err(|error| people(&error))?;
    let email = email.trim().to_lowercase();
    let found = everybody.into_iter().find(|member| *member.email == *email);
    found.ok_or_else(|| Unclear::Nobody(email).into())
}
