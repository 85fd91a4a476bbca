//! An OpenID Connect provider on loopback: real HTTP, real keys, and a switch for every lie that
//! a relying party must see through.

mod dialect;
mod endpoints;
mod keys;

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, UNIX_EPOCH},
};

use hyper::{
    header::{DATE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

pub use self::dialect::Dialect;
use self::keys::Keys;

/// What the provider does wrong; everything else it does right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lie {
    /// Nothing.
    #[default]
    None,
    /// The ID token is for another client.
    WrongAudience,
    /// It is for several clients, and does not say which one it was issued to.
    ManyAudiences,
    /// It was issued to another party.
    OtherParty,
    /// It holds another nonce.
    WrongNonce,
    /// It holds none.
    NoNonce,
    /// It is from another issuer.
    WrongIssuer,
    /// It expired two minutes ago.
    Expired,
    /// It will be issued in two minutes.
    FromTheFuture,
    /// `alg: none`.
    AlgNone,
    /// HS256, with the published public key as the secret.
    HsWithPublicKey,
    /// HS256, with the client's secret.
    HsWithClientSecret,
    /// Signed with a key that is not published, under the id of one that is.
    OtherKey,
    /// Signed with a key that is not published, under an id of its own.
    UnknownKid,
    /// One octet of the payload was changed after signing.
    Changed,
    /// There is no ID token.
    NoIdToken,
    /// Userinfo is about somebody else.
    UserinfoOfAnother,
    /// Userinfo answers 503.
    UserinfoDown,
    /// The authorization response names another issuer.
    ResponseOfAnother,
    /// It names none, although the metadata promise one.
    ResponseOfNobody,
    /// The metadata name another issuer.
    MetadataOfAnother,
    /// Every endpoint answers 503.
    Down,
    /// The token endpoint answers 503.
    TokenDown,
    /// The token endpoint never answers.
    TokenSilent,
    /// The token endpoint answers with two MiB.
    TokenHuge,
    /// The token endpoint redirects.
    TokenRedirects,
}

/// How the ID token is signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[default]
    Rs256,
    /// ECDSA on P-256.
    Es256,
}

/// What the provider knows about an authorization code.
struct Grant {
    nonce: Option<String>,
    challenge: String,
    redirect_uri: String,
}

struct State {
    lie: Lie,
    algorithm: Algorithm,
    keys: Keys,
    now: u64,
    claims: Map<String, Value>,
    userinfo: Option<Map<String, Value>>,
    grants: HashMap<String, Grant>,
    asked: HashMap<String, usize>,
    fixed: HashMap<String, Fixed>,
    more_in_tokens: Map<String, Value>,
    by_post_only: bool,
    date: Option<u64>,
    refreshing: Refreshing,
    dialect: Dialect,
    pages: HashMap<String, Vec<Value>>,
}

/// Its refresh tokens: each is good once, and brings the next (RFC 6749 §6, RFC 9700 §4.14.2).
#[derive(Default)]
struct Refreshing {
    gives: bool,
    refuses: bool,
    made: usize,
    good: HashSet<String>,
    reused: usize,
}

impl Refreshing {
    /// A fresh one; `None` where none are given.
    fn make(&mut self) -> Option<String> {
        self.gives.then(|| {
            self.made += 1;
            let token = format!("refresh-token-{}", self.made);
            self.good.insert(token.clone());
            token
        })
    }

    /// Spends one.
    fn spend(&mut self, token: &str) -> bool {
        let is_good = self.good.remove(token);
        self.reused += usize::from(!is_good);
        is_good && !self.refuses
    }
}

/// What a path is answered with, whatever is asked.
#[derive(Clone)]
struct Fixed {
    status: u16,
    location: Option<String>,
    body: String,
}

/// A provider that runs until it is dropped.
pub struct FakeProvider {
    issuer: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    issuer: String,
    client_id: String,
    client_secret: String,
    state: Mutex<State>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn date(&self) -> Option<HeaderValue> {
        let date = UNIX_EPOCH + Duration::from_secs(self.state().date?);
        HeaderValue::try_from(httpdate::fmt_http_date(date)).ok()
    }
}

async fn serve(socket: TcpStream, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let service = service_fn(|request| {
        let shared = Arc::clone(&shared);
        async move {
            let date = shared.date();
            let mut answer = endpoints::answer(shared, request).await?;
            answer.headers_mut().extend(date.map(|date| (DATE, date)));
            Ok::<_, Infallible>(answer)
        }
    });
    let _the_clients = match tls {
        None => http1::Builder::new().serve_connection(TokioIo::new(socket), service).await,
        Some(tls) => {
            let Ok(stream) = tls.accept(socket).await else { return };
            http1::Builder::new().serve_connection(TokioIo::new(stream), service).await
        }
    };
}

impl FakeProvider {
    /// Starts one on a free port. `now` is what its clock says, in Unix seconds.
    ///
    /// # Errors
    ///
    /// No free port on loopback.
    pub async fn start(now: u64) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let issuer = format!("http://{}", listener.local_addr()?);
        Ok(Self::at(listener, issuer, None, now))
    }

    /// The same behind TLS, as `localhost`; its authority's certificate goes into `ca_file`.
    ///
    /// # Errors
    ///
    /// No free port on loopback, or no file.
    pub async fn start_behind_tls(now: u64, ca_file: &Path) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let issuer = format!("https://localhost:{}", listener.local_addr()?.port());
        let (acceptor, ca) = crate::service::certificate();
        std::fs::write(ca_file, ca)?;
        Ok(Self::at(listener, issuer, Some(acceptor), now))
    }

    #[expect(clippy::disallowed_methods, reason = "a test's server has no drain")]
    fn at(listener: TcpListener, issuer: String, tls: Option<TlsAcceptor>, now: u64) -> Self {
        let ann =
            json!({"sub": "ann", "email": "ann@example.com", "name": "Ann", "groups": ["family"]});
        let shared = Arc::new(Shared {
            issuer: issuer.clone(),
            client_id: "usher".into(),
            client_secret: "a secret of the client's".into(),
            state: Mutex::new(State {
                lie: Lie::None,
                algorithm: Algorithm::Rs256,
                keys: Keys::new(),
                now,
                claims: ann.as_object().cloned().unwrap_or_default(),
                userinfo: None,
                grants: HashMap::new(),
                asked: HashMap::new(),
                fixed: HashMap::new(),
                more_in_tokens: Map::new(),
                by_post_only: false,
                date: None,
                refreshing: Refreshing::default(),
                dialect: Dialect::default(),
                pages: HashMap::new(),
            }),
        });
        let serving = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, tls.clone(), Arc::clone(&serving)));
            }
        });
        Self { issuer, shared, task }
    }

    /// Its issuer: `http://127.0.0.1:PORT`.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The one client that it knows.
    pub fn client(&self) -> (&str, &str) {
        (&self.shared.client_id, &self.shared.client_secret)
    }

    /// From now on it tells this lie.
    pub fn lies(&self, lie: Lie) {
        self.shared.state().lie = lie;
    }

    /// From now on it names itself in no response, and does not promise to.
    pub fn names_itself_nowhere(&self) {
        let mut metadata = endpoints::metadata(&self.shared, Lie::None);
        metadata["authorization_response_iss_parameter_supported"] = false.into();
        self.answers("/.well-known/openid-configuration", 200, None, &metadata.to_string());
        self.lies(Lie::ResponseOfNobody);
    }

    /// From now on it signs so.
    pub fn signs_with(&self, algorithm: Algorithm) {
        self.shared.state().algorithm = algorithm;
    }

    /// From now on it signs with other keys, and publishes only those.
    pub fn rotates_keys(&self) {
        self.shared.state().keys.rotate();
    }

    /// From now on its ID tokens hold these claims, beside the protocol's own.
    pub fn says(&self, claims: Value) {
        self.shared.state().claims = claims.as_object().cloned().unwrap_or_default();
    }

    /// From now on its userinfo endpoint says this; before, it says what the ID token says.
    pub fn userinfo_says(&self, claims: Value) {
        self.shared.state().userinfo = claims.as_object().cloned();
    }

    /// Its key document, as text.
    pub fn published_keys(&self) -> String {
        self.shared.state().keys.published().to_string()
    }

    /// From now on this path answers so.
    pub fn answers(&self, path: &str, status: u16, location: Option<&str>, body: &str) {
        let fixed = Fixed { status, location: location.map(Into::into), body: body.into() };
        self.shared.state().fixed.insert(path.into(), fixed);
    }

    /// From now on the token endpoint's answer holds these members, too.
    pub fn adds_to_tokens(&self, members: Value) {
        self.shared.state().more_in_tokens = members.as_object().cloned().unwrap_or_default();
    }

    /// From now on its answers say that it is this second since 1970; `None`: the true time.
    pub fn shows_time(&self, second: Option<u64>) {
        self.shared.state().date = second;
    }

    /// From now on the token endpoint takes the client's secret in the body only.
    pub fn takes_secrets_by_post_only(&self) {
        self.shared.state().by_post_only = true;
    }

    /// From now on it gives refresh tokens, each of which is good once.
    pub fn gives_refresh_tokens(&self) {
        self.shared.state().refreshing.gives = true;
    }

    /// From now on it refreshes nothing: the account is disabled.
    pub fn refuses_refresh(&self) {
        self.shared.state().refreshing.refuses = true;
    }

    /// How often a refresh token was used that was not good: twice, or never given.
    pub fn saw_refresh_tokens_reused(&self) -> usize {
        self.shared.state().refreshing.reused
    }

    /// From now on its clock says so.
    pub fn turns_clock(&self, now: u64) {
        self.shared.state().now = now;
    }

    /// A token that it signs as it signs ID tokens, with these claims and nothing else.
    pub fn signs(&self, claims: &Value) -> String {
        let state = self.shared.state();
        state.keys.sign(state.algorithm, claims)
    }

    /// From now on it speaks so.
    pub fn speaks(&self, dialect: Dialect) {
        self.shared.state().dialect = dialect;
    }

    /// From now on this path of an API of it holds these, for whoever has an access token.
    pub fn lists(&self, path: &str, items: Value) {
        let items = items.as_array().cloned().unwrap_or_default();
        self.shared.state().pages.insert(path.into(), items);
    }

    /// How often a path was asked for.
    pub fn was_asked(&self, path: &str) -> usize {
        self.shared.state().asked.get(path).copied().unwrap_or_default()
    }

    /// Somebody follows `url` to the authorization endpoint and says yes: where they are sent.
    /// `None` when it is no authorization request of a client that we know.
    pub fn consents(&self, url: &str) -> Option<String> {
        let url = url::Url::parse(url).ok()?;
        let authorizes = ["/authorize", "/login/oauth/authorize"].contains(&url.path());
        (url.as_str().starts_with(&self.issuer) && authorizes).then_some(())?;
        endpoints::authorize(&self.shared, url.query().unwrap_or_default())
    }
}

impl Drop for FakeProvider {
    fn drop(&mut self) {
        self.task.abort();
    }
}
