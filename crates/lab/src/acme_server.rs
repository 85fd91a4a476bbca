//! An ACME authority in this process, for what Debian's Pebble is too old for: renewal information
//! (RFC 9773) and profiles; and for moods that no authority has on demand. It believes whoever asks.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer, IsCa,
    KeyPair,
};
use rustls_pki_types::{CertificateSigningRequestDer, PrivateKeyDer};
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_rustls::TlsAcceptor;

/// How the authority behaves: faults, limits, renewal windows.
#[derive(Clone, Debug, Default)]
pub struct Behaviour {
    /// New orders are refused with 429 and this `Retry-After`, in seconds.
    pub rate_limited: Option<u64>,
    /// Renewal windows: start and end in seconds since 1970.
    pub window: Option<(i64, i64)>,
    /// Every answer is this status and a page.
    pub broken: Option<u16>,
    /// It signs for another name than the one that was ordered.
    pub other_name: bool,
    /// What an order replaces is another account's, says it, as Boulder does.
    pub other_account: bool,
    /// Every answer takes so long.
    pub slow: Duration,
}

/// An authority that runs until it is dropped.
pub struct AcmeServer {
    address: SocketAddr,
    folder: PathBuf,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    base: String,
    issuer: CertifiedIssuer<'static, KeyPair>,
    life: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    behaviour: Behaviour,
    orders: HashMap<String, Order>,
    /// Payloads of new orders, in order.
    asked: Vec<Value>,
    asked_windows: usize,
    requests: Vec<Vec<u8>>,
}

struct Order {
    name: String,
    chain: Option<String>,
    replaces: Value,
    profile: Value,
}

impl AcmeServer {
    /// Starts one whose certificates live for `life`; what it is trusted by lies in `folder`.
    pub async fn start(folder: &Path, life: Duration) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "directory in the lab");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key"));
        let issuer = issuer.expect("a CA");
        std::fs::write(folder.join("directory-ca.pem"), issuer.pem()).expect("a file");
        let key = KeyPair::generate().expect("a key");
        let leaf = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        let leaf = leaf.signed_by(&key, &issuer).expect("a leaf");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)
            .expect("a pair");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let base = format!("https://localhost:{}", address.port());
        let state = Mutex::default();
        let shared = Arc::new(Shared { base, issuer, life, state });
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let task = tokio::spawn(serve(listener, acceptor, Arc::clone(&shared)));
        Self { address, folder: folder.to_owned(), shared, task }
    }

    /// Its directory.
    pub fn url(&self) -> String {
        format!("https://localhost:{}/dir", self.address.port())
    }

    /// What its HTTPS and its certificates are signed by.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.join("directory-ca.pem")
    }

    /// Changes how it behaves.
    pub fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.state().behaviour);
    }

    /// What was ordered so far.
    pub fn asked(&self) -> Vec<Value> {
        self.state().asked.clone()
    }

    /// The certificate requests that came, DER.
    pub fn requests(&self) -> Vec<Vec<u8>> {
        self.state().requests.clone()
    }

    /// How often it was asked for a renewal window.
    pub fn asked_windows(&self) -> usize {
        self.state().asked_windows
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for AcmeServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (acceptor, shared) = (acceptor.clone(), Arc::clone(&shared));
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let answer = service_fn(move |request| answer(request, Arc::clone(&shared)));
            let _gone = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.expect("a body").to_bytes();
    let slow = shared.state.lock().unwrap_or_else(PoisonError::into_inner).behaviour.slow;
    tokio::time::sleep(slow).await;
    let mut response = shared.answer(&path, &body);
    response.headers_mut().insert("replay-nonce", "bm9uY2U".parse().expect("a nonce"));
    Ok(response)
}

impl Shared {
    fn answer(&self, path: &str, body: &[u8]) -> Response<Full<Bytes>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(status) = state.behaviour.broken {
            let mut response = Response::new(Full::from("<html>a page of somebody's</html>"));
            *response.status_mut() = StatusCode::from_u16(status).expect("a status");
            return response;
        }
        let payload = payload(body);
        let base = &self.base;
        let (place, id) = path.trim_start_matches('/').split_once('/').unwrap_or((&path[1..], ""));
        match place {
            "dir" => said(
                200,
                &json!({
                    "newNonce": format!("{base}/nonce"), "newAccount": format!("{base}/account"),
                    "newOrder": format!("{base}/order"), "revokeCert": format!("{base}/revoke"),
                    "keyChange": format!("{base}/key"), "renewalInfo": format!("{base}/window"),
                    "meta": {"profiles": {"classic": "ninety days", "shortlived": "six"}},
                }),
            ),
            "nonce" => said(200, &Value::Null),
            "account" => at(said(201, &json!({"status": "valid"})), &format!("{base}/account/1")),
            "order" if id.is_empty() => self.new_order(&mut state, &payload),
            "order" => said(200, &self.shown(&state, id)),
            "proof" => {
                let name = &state.orders[id].name;
                said(
                    200,
                    &json!({
                        "status": "valid",
                        "identifier": {"type": "dns", "value": name.trim_start_matches("*.")},
                        "challenges": [],
                    }),
                )
            }
            "finish" => self.finish(&mut state, id, &payload),
            "chain" => {
                Response::new(Full::from(state.orders[id].chain.clone().unwrap_or_default()))
            }
            "window" => self.window(&mut state),
            _ => said(404, &json!({"type": "about:blank", "detail": path})),
        }
    }

    fn new_order(&self, state: &mut State, payload: &Value) -> Response<Full<Bytes>> {
        state.asked.push(payload.clone());
        if let Some(seconds) = state.behaviour.rate_limited {
            let problem = json!({
                "type": "urn:ietf:params:acme:error:rateLimited",
                "detail": "too many certificates already issued", "status": 429,
            });
            let mut response = said(429, &problem);
            response.headers_mut().insert("retry-after", seconds.into());
            return response;
        }
        if state.behaviour.other_account && !payload["replaces"].is_null() {
            let problem = json!({
                "type": "urn:ietf:params:acme:error:unauthorized",
                "status": 403,
                "detail": "the account did not request the certificate that is replaced",
            });
            return said(403, &problem);
        }
        let profile = payload["profile"].clone();
        if profile.as_str().is_some_and(|profile| !["classic", "shortlived"].contains(&profile)) {
            let problem = json!({
                "type": "urn:ietf:params:acme:error:invalidProfile",
                "detail": format!("no profile is called {profile}"), "status": 400,
            });
            return said(400, &problem);
        }
        let id = format!("o{}", state.orders.len());
        let name = payload["identifiers"][0]["value"].as_str().expect("a name").to_owned();
        let order = Order { name, chain: None, replaces: payload["replaces"].clone(), profile };
        state.orders.insert(id.clone(), order);
        at(said(201, &self.shown(state, &id)), &format!("{}/order/{id}", self.base))
    }

    fn shown(&self, state: &State, id: &str) -> Value {
        let (base, order) = (&self.base, &state.orders[id]);
        let mut shown = json!({
            "status": if order.chain.is_some() { "valid" } else { "ready" },
            "identifiers": [{"type": "dns", "value": order.name}],
            "authorizations": [format!("{base}/proof/{id}")],
            "finalize": format!("{base}/finish/{id}"),
        });
        if order.chain.is_some() {
            shown["certificate"] = format!("{base}/chain/{id}").into();
        }
        for (name, value) in [("replaces", &order.replaces), ("profile", &order.profile)] {
            if !value.is_null() {
                shown[name] = value.clone();
            }
        }
        shown
    }

    fn finish(&self, state: &mut State, id: &str, payload: &Value) -> Response<Full<Bytes>> {
        let csr = BASE64_URL_SAFE_NO_PAD.decode(payload["csr"].as_str().expect("a request"));
        let csr = csr.expect("base64url");
        state.requests.push(csr.clone());
        let csr = CertificateSigningRequestDer::from(csr);
        let mut csr = CertificateSigningRequestParams::from_der(&csr).expect("a request");
        let now = OffsetDateTime::now_utc();
        csr.params.not_before = now - Duration::from_secs(3600);
        csr.params.not_after = now + self.life;
        csr.params.use_authority_key_identifier_extension = true;
        if state.behaviour.other_name {
            let other = "other.example.com".try_into().expect("a name");
            csr.params.subject_alt_names = vec![rcgen::SanType::DnsName(other)];
        }
        let leaf = csr.signed_by(&self.issuer).expect("a leaf");
        let chain = format!("{}{}", leaf.pem(), self.issuer.pem());
        state.orders.get_mut(id).expect("an order").chain = Some(chain);
        said(200, &self.shown(state, id))
    }

    fn window(&self, state: &mut State) -> Response<Full<Bytes>> {
        state.asked_windows += 1;
        let Some((start, end)) = state.behaviour.window else {
            return said(404, &json!({"type": "about:blank", "detail": "no window"}));
        };
        let text = |at: i64| {
            let at = OffsetDateTime::from_unix_timestamp(at).expect("a moment");
            at.format(&time::format_description::well_known::Rfc3339).expect("a text")
        };
        let mut response =
            said(200, &json!({"suggestedWindow": {"start": text(start), "end": text(end)}}));
        response.headers_mut().insert("retry-after", 60.into());
        response
    }
}

fn payload(body: &[u8]) -> Value {
    let jws: Value = serde_json::from_slice(body).unwrap_or_default();
    let payload = BASE64_URL_SAFE_NO_PAD.decode(jws["payload"].as_str().unwrap_or_default());
    serde_json::from_slice(&payload.unwrap_or_default()).unwrap_or_default()
}

fn said(status: u16, value: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(value.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    response.headers_mut().insert("content-type", "application/json".parse().expect("a type"));
    response
}

fn at(mut response: Response<Full<Bytes>>, location: &str) -> Response<Full<Bytes>> {
    response.headers_mut().insert("location", location.parse().expect("an address"));
    response
}
