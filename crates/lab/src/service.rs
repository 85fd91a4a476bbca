//! The authenticate service as a proxy sees it: a key behind TLS, in good moods and bad ones. What
//! it answers to a sign-in, a test makes itself: sealing needs the key and no server.

use std::{
    convert::Infallible,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;
use usher_rules::{
    secret::Secret,
    signin::{
        SIGN_IN,
        hosted::{HostedKey, PUBLIC_KEY},
    },
};

use crate::recorded;

/// How the service answers when it is asked for its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// With its key.
    Well,
    /// With 503.
    Down,
    /// Never.
    Silent,
    /// With 200 and a page.
    Nonsense,
    /// With 32 MiB.
    Huge,
}

/// A service that runs until it is dropped.
pub struct KeyServer {
    address: SocketAddr,
    ca_file: PathBuf,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    state: Mutex<(Mood, Arc<HostedKey>)>,
    asked: AtomicUsize,
}

/// A key pair by its shared secret's first octet, the others counting on: 0x40 is the recorded
/// authenticate service's.
pub fn key_of(first: u8) -> HostedKey {
    HostedKey::derive(&Secret::new((first..first + 32).collect::<Vec<u8>>()))
}

impl KeyServer {
    /// Starts one for `localhost` on a free port; its authority's certificate goes into `folder`.
    pub async fn start(folder: &Path, key: HostedKey) -> Self {
        let (acceptor, ca) = certificate();
        let ca_file = folder.join("service-ca.pem");
        std::fs::write(&ca_file, ca).expect("a file");
        Self::at("127.0.0.1:0", acceptor, ca_file, key).await
    }

    /// Starts one at an address, with the key and the chain in a PEM file.
    pub async fn with_certificate(address: &str, pem_file: &Path, key: HostedKey) -> Self {
        let chain = CertificateDer::pem_file_iter(pem_file).expect("a file");
        let chain = chain.collect::<Result<Vec<_>, _>>().expect("a chain");
        let private = PrivateKeyDer::from_pem_file(pem_file).expect("a key");
        Self::at(address, acceptor(chain, private), pem_file.to_owned(), key).await
    }

    async fn at(address: &str, acceptor: TlsAcceptor, ca_file: PathBuf, key: HostedKey) -> Self {
        let listener = TcpListener::bind(address).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Mutex::new((Mood::Well, Arc::new(key)));
        let shared = Arc::new(Shared { state, asked: AtomicUsize::new(0) });
        let task = tokio::spawn(serve(listener, acceptor, Arc::clone(&shared)));
        Self { address, ca_file, shared, task }
    }

    /// Where it answers.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it is, as a config names it.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// What a proxy must trust.
    pub fn ca_file(&self) -> &Path {
        &self.ca_file
    }

    /// Changes its mood.
    pub fn is(&self, mood: Mood) {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner).0 = mood;
    }

    /// Gives it another key.
    pub fn rotate(&self, key: HostedKey) {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner).1 = Arc::new(key);
    }

    /// Its key.
    pub fn key(&self) -> Arc<HostedKey> {
        Arc::clone(&self.shared.state.lock().unwrap_or_else(PoisonError::into_inner).1)
    }

    /// How often it was asked for its key.
    pub fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::SeqCst)
    }
}

impl Drop for KeyServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A certificate for `localhost` from an authority made for it, and that authority's, PEM.
pub(crate) fn certificate() -> (TlsAcceptor, String) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority =
        CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key")).expect("a CA");
    let leaf = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let key = KeyPair::generate().expect("a key");
    let leaf = leaf.signed_by(&key, &authority).expect("a leaf");
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    (acceptor(vec![leaf.der().clone()], key), authority.pem())
}

fn acceptor(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a pair");
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        tokio::spawn(visit(stream, acceptor.clone(), Arc::clone(&shared)));
    }
}

async fn visit(stream: TcpStream, acceptor: TlsAcceptor, shared: Arc<Shared>) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let answer = service_fn(move |request| answer(request, Arc::clone(&shared)));
    let _the_clients = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (mood, key) = shared.state.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if request.uri().path() == PUBLIC_KEY {
        shared.asked.fetch_add(1, Ordering::SeqCst);
    }
    let mut response = Response::new(Full::default());
    match (request.uri().path() == PUBLIC_KEY, mood) {
        (_, Mood::Silent) => std::future::pending().await,
        (_, Mood::Down) => *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE,
        (_, Mood::Nonsense) => *response.body_mut() = Full::from("<html>a landing page</html>"),
        (_, Mood::Huge) => *response.body_mut() = Full::from(vec![b'x'; 32 << 20]),
        (true, Mood::Well) => {
            *response.body_mut() = Full::from(key.public().octets().to_vec());
        }
        (false, Mood::Well) if request.uri().path() == SIGN_IN => {
            let query = request.uri().query().unwrap_or_default();
            match recorded::answer(query, &key) {
                Some(answer) => response = answer.map(|()| Full::default()),
                None => *response.status_mut() = StatusCode::BAD_REQUEST,
            }
        }
        (false, Mood::Well) => *response.body_mut() = Full::from("the service's page"),
    }
    Ok(response)
}
