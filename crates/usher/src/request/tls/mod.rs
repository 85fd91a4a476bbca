//! Room 2: ClientHello → certificate and ALPN. Owns [`CertSource`].
//!
//! | takes | a stream of bytes |
//! |---|---|
//! | gives | [`Accepted`]: the stream inside, the server name, the protocol |
//! | never | reads a file or signs a certificate: [`CertSource`] has them ready |
//!
//! TLS 1.2 and 1.3 with post-quantum key exchange first (X25519MLKEM768), no 0-RTT, tickets for
//! resumption. Which certificate a name gets is asked from memory, once per handshake. What a client
//! shows is carried along and judged per request; a session that is resumed is no proof of anything
//! but of the key, and one that began under another question is not resumed at all.

mod client;
mod stream;

pub use client::refused_certificate;
pub use stream::ClientStream;

use std::{fmt, io, sync::Arc};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig, SignatureScheme,
    pki_types::CertificateDer,
    server::{Acceptor, ClientHello, NoClientAuth, ResolvesServerCert, danger::ClientCertVerifier},
    sign::{CertifiedKey, SingleCertAndKey},
};
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use usher_rules::{
    client_certificate::ClientChain,
    plan::{ClientAuth, Protocols},
    time::Clock,
};

use self::{
    client::{Verifier, refused},
    stream::Socket,
};
use super::accept::{Presented, Protocol, Shown, limits};

/// Where certificates come from. Asked once per handshake, from memory. Implemented in `certs/`.
pub trait CertSource: Send + Sync + fmt::Debug {
    /// The certificate for a server name (SNI), or the one for clients that send none.
    /// `offered` is what the client can check, best first.
    fn certificate(
        &self,
        server_name: Option<&str>,
        offered: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>>;
    /// What an authority has to find that looks for proof by TLS-ALPN-01 (RFC 8737).
    fn proof(&self, server_name: &str) -> Option<Arc<CertifiedKey>>;
    /// What clients are asked for.
    fn asked(&self) -> Option<Arc<ClientAuth>>;
}

/// The protocol of TLS-ALPN-01: a handshake, and nothing after it.
const ACME_TLS: &[u8] = b"acme-tls/1";

/// The TLS side of the door.
#[derive(Clone)]
pub struct Tls {
    source: Arc<dyn CertSource>,
    protocols: Protocols,
    clock: Arc<dyn Clock>,
    /// For who looks for proof: nobody is asked for a certificate.
    unasked: Arc<ServerConfig>,
    in_force: Arc<ArcSwap<Asking>>,
}

/// A question to clients, and the settings that ask it.
struct Asking {
    auth: Option<Arc<ClientAuth>>,
    config: Arc<ServerConfig>,
}

impl Asking {
    fn is_about(&self, auth: Option<&ClientAuth>) -> bool {
        self.auth.as_ref().map(|auth| auth.id()) == auth.map(ClientAuth::id)
    }
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
#[error("TLS can't be set up: {0}")]
pub struct TlsError(#[from] rustls::Error);

/// A handshake that succeeded.
pub struct Accepted {
    /// The stream inside.
    pub stream: ClientStream,
    /// The name that the client asked for, lower case.
    pub server_name: Option<Box<str>>,
    /// By ALPN; HTTP/1.1 where a client offers none.
    pub protocol: Protocol,
    /// The certificate that the client was shown.
    pub shown: Shown,
    /// The client's certificates.
    pub presented: Presented,
}

impl Tls {
    /// Serves certificates from `source`.
    ///
    /// # Errors
    ///
    /// [`TlsError`] when the cryptography library refuses the settings.
    pub fn new(
        source: Arc<dyn CertSource>,
        protocols: Protocols,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, TlsError> {
        let unasked = Arc::new(settings(protocols, Arc::new(NoClientAuth))?);
        let asking = Asking { auth: None, config: Arc::clone(&unasked) };
        let in_force = Arc::new(ArcSwap::from_pointee(asking));
        let tls = Self { source, protocols, clock, unasked, in_force };
        tls.asking()?;
        Ok(tls)
    }

    /// What is asked now. Tickets and sessions are those of one question: they die with it, since who
    /// was not asked, or was judged by other authorities, has to answer anew.
    fn asking(&self) -> Result<Arc<Asking>, TlsError> {
        let (auth, known) = (self.source.asked(), self.in_force.load_full());
        if known.is_about(auth.as_deref()) {
            return Ok(known);
        }
        let verifier: Arc<dyn ClientCertVerifier> = match &auth {
            Some(auth) => Arc::new(Verifier::new(Arc::clone(auth), Arc::clone(&self.clock))),
            None => Arc::new(NoClientAuth),
        };
        let config = Arc::new(settings(self.protocols, verifier)?);
        let asking = Arc::new(Asking { auth, config });
        self.in_force.store(Arc::clone(&asking));
        Ok(asking)
    }

    /// Shakes hands, within [`limits::HANDSHAKE`].
    ///
    /// # Errors
    ///
    /// Whatever the client did wrong, or `TimedOut`.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<Accepted> {
        tokio::time::timeout(limits::HANDSHAKE, self.shake_hands(stream))
            .await
            .map_err(|_| io::ErrorKind::TimedOut)?
    }

    /// The certificate is chosen here and not inside of rustls, so that the connection can say
    /// which one was shown.
    async fn shake_hands(&self, stream: TcpStream) -> io::Result<Accepted> {
        let hello = LazyConfigAcceptor::new(Acceptor::default(), Socket::new(stream)).await?;
        let chosen = self.choose(&hello.client_hello());
        let asking = self.asking().map_err(io::Error::other)?;
        let config = match looks_for_proof(&hello.client_hello()) {
            true => &self.unasked,
            false => &asking.config,
        };
        let mut config = ServerConfig::clone(config);
        if let Some(key) = &chosen {
            config.cert_resolver = Arc::new(SingleCertAndKey::from(Arc::clone(key)));
        }
        let shaken = hello.into_stream_with(Arc::new(config), |session| {
            session.set_buffer_limit(Some(limits::PLAINTEXT_LIMIT));
        });
        let stream = Box::new(shaken.await?);
        let (_, session) = stream.get_ref();
        if session.alpn_protocol() == Some(ACME_TLS) {
            return Err(io::ErrorKind::ConnectionAborted.into()); // seen what it came for
        }
        let server_name = session.server_name().map(|name| name.to_ascii_lowercase().into());
        let protocol = match session.alpn_protocol() {
            Some(b"h2") => Protocol::Http2,
            Some(_) | None => Protocol::Http1,
        };
        let presented = self.presented(&asking, session.peer_certificates())?;
        let (stream, shown) = (ClientStream::new(stream), Shown::new(chosen));
        Ok(Accepted { stream, server_name, protocol, shown, presented })
    }

    /// What the client showed, in this handshake or in the one that it resumes. That one was judged at
    /// its time: where a connection is refused for what was shown, it is judged now.
    fn presented(
        &self,
        asking: &Asking,
        shown: Option<&[CertificateDer<'static>]>,
    ) -> io::Result<Presented> {
        let chain = shown.and_then(ClientChain::read).filter(|_| asking.auth.is_some());
        if let Some(auth) = asking.auth.as_ref().filter(|auth| auth.refuses()) {
            let chain = chain.as_ref().ok_or_else(|| refused(None))?;
            auth.judge(chain, self.clock.now().wall).map_err(|wrong| refused(Some(wrong)))?;
        }
        Ok(asking.auth.as_ref().map_or_else(Presented::default, |_| Presented::new(chain)))
    }

    fn choose(&self, hello: &ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        match (looks_for_proof(hello), hello.server_name()) {
            (true, Some(name)) => self.source.proof(&name.to_ascii_lowercase()),
            (true, None) => None,
            (false, name) => self.source.certificate(name, hello.signature_schemes()),
        }
    }
}

fn looks_for_proof(hello: &ClientHello<'_>) -> bool {
    hello.alpn().is_some_and(|mut offered| offered.any(|name| name == ACME_TLS))
}

fn settings(
    protocols: Protocols,
    verifier: Arc<dyn ClientCertVerifier>,
) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(Nobodys));
    config.alpn_protocols = match protocols {
        Protocols::Both => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        Protocols::Http1 => vec![b"http/1.1".to_vec()],
        Protocols::Http2 => vec![b"h2".to_vec()],
    };
    config.alpn_protocols.push(ACME_TLS.to_vec()); // last: nobody else offers it
    // Ours are in order of strength; a client's need not be.
    config.ignore_client_order = true;
    config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new()?;
    config.send_tls13_tickets = 1;
    config.max_early_data_size = 0; // no 0-RTT: what arrives early could be replayed
    Ok(config)
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

/// For a name that has none: the handshake ends with an alert.
#[derive(Debug)]
struct Nobodys;

impl ResolvesServerCert for Nobodys {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        None
    }
}
