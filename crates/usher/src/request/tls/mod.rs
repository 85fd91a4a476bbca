//! Room 2: ClientHello → certificate and ALPN. Owns [`CertSource`].
//!
//! | takes | a stream of bytes |
//! |---|---|
//! | gives | [`Accepted`]: the stream inside, the server name, the protocol |
//! | never | reads a file or signs a certificate: [`CertSource`] has them ready |
//!
//! TLS 1.2 and 1.3 with post-quantum key exchange first (X25519MLKEM768), no 0-RTT, tickets for
//! resumption. Which certificate a name gets is asked from memory, once per handshake.

use std::{fmt, io, sync::Arc};

use rustls::{
    ServerConfig, SignatureScheme,
    server::{Acceptor, ClientHello, ResolvesServerCert},
    sign::{CertifiedKey, SingleCertAndKey},
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};
use usher_rules::plan::Protocols;

use super::accept::{Protocol, Shown, limits};

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
}

/// The protocol of TLS-ALPN-01: a handshake, and nothing after it.
const ACME_TLS: &[u8] = b"acme-tls/1";

/// One record per encrypt and write: large bodies are then encrypted while still in the cache
/// (`performance.md` §7.2).
const PLAINTEXT_LIMIT: usize = 16_400;

/// The TLS side of the door.
#[derive(Clone)]
pub struct Tls {
    source: Arc<dyn CertSource>,
    config: Arc<ServerConfig>,
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
#[error("TLS can't be set up: {0}")]
pub struct TlsError(#[from] rustls::Error);

/// What a handshake settled.
pub struct Accepted<S> {
    /// The stream inside.
    pub stream: TlsStream<S>,
    /// The name that the client asked for, lower case.
    pub server_name: Option<Box<str>>,
    /// What both agreed on (ALPN).
    pub protocol: Protocol,
    /// The certificate that the client was shown.
    pub shown: Shown,
}

impl Tls {
    /// Serves certificates from `source`.
    ///
    /// # Errors
    ///
    /// [`TlsError`] when the cryptography library refuses the settings.
    pub fn new(source: Arc<dyn CertSource>, protocols: Protocols) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_no_client_auth()
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
        Ok(Self { source, config: Arc::new(config) })
    }

    /// Shakes hands, within [`limits::HANDSHAKE`].
    ///
    /// # Errors
    ///
    /// Whatever the client did wrong, or `TimedOut`.
    pub async fn accept<S>(&self, stream: S) -> io::Result<Accepted<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        tokio::time::timeout(limits::HANDSHAKE, self.shake_hands(stream))
            .await
            .map_err(|_| io::ErrorKind::TimedOut)?
    }

    /// The certificate is chosen here and not inside of rustls, so that the connection can say
    /// which one was shown.
    async fn shake_hands<S>(&self, stream: S) -> io::Result<Accepted<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let hello = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let chosen = self.choose(&hello.client_hello());
        let mut config = ServerConfig::clone(&self.config);
        if let Some(key) = &chosen {
            config.cert_resolver = Arc::new(SingleCertAndKey::from(Arc::clone(key)));
        }
        let stream = hello
            .into_stream_with(Arc::new(config), |session| {
                session.set_buffer_limit(Some(PLAINTEXT_LIMIT));
            })
            .await?;
        let (_, session) = stream.get_ref();
        if session.alpn_protocol() == Some(ACME_TLS) {
            return Err(io::ErrorKind::ConnectionAborted.into()); // seen what it came for
        }
        let server_name = session.server_name().map(|name| name.to_ascii_lowercase().into());
        let protocol = match session.alpn_protocol() {
            Some(b"h2") => Protocol::Http2,
            Some(_) | None => Protocol::Http1,
        };
        Ok(Accepted { stream, server_name, protocol, shown: Shown::new(chosen) })
    }

    fn choose(&self, hello: &ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let looks_for_proof =
            hello.alpn().is_some_and(|mut offered| offered.any(|name| name == ACME_TLS));
        match (looks_for_proof, hello.server_name()) {
            (true, Some(name)) => self.source.proof(&name.to_ascii_lowercase()),
            (true, None) => None,
            (false, name) => self.source.certificate(name, hello.signature_schemes()),
        }
    }
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
