use std::{mem::MaybeUninit, sync::Arc};

use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConfig, ServerConnection,
    SupportedProtocolVersion,
    crypto::aws_lc_rs::{self, kx_group},
    pki_types::ServerName,
    server::{NoClientAuth, WebPkiClientVerifier, danger::ClientCertVerifier},
    sign::{CertifiedKey, SingleCertAndKey},
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use usher_rules::plan::Protocols;

use super::*;
use crate::request::tls::settings;

/// A server's settings, and what a client trusts.
fn server(auth: impl FnOnce(&Arc<RootCertStore>) -> Arc<dyn ClientCertVerifier>) -> Server {
    let made = rcgen::generate_simple_self_signed(["app.test".to_owned()]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let roots = Arc::new(roots);
    let mut config = settings(Protocols::Both, auth(&roots)).unwrap();
    let key = made.signing_key.serialize_der().try_into().unwrap();
    let chain = vec![made.cert.der().clone()];
    let key = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).unwrap();
    config.cert_resolver = Arc::new(SingleCertAndKey::from(key));
    Server { config: Arc::new(config), roots }
}

struct Server {
    config: Arc<ServerConfig>,
    roots: Arc<RootCertStore>,
}

impl Server {
    fn client(&self, version: &'static SupportedProtocolVersion) -> ClientConfig {
        self.client_by(aws_lc_rs::default_provider(), version)
    }

    fn client_by(
        &self,
        provider: rustls::crypto::CryptoProvider,
        version: &'static SupportedProtocolVersion,
    ) -> ClientConfig {
        ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(Arc::clone(&self.roots))
            .with_no_client_auth()
    }

    /// What the server writes until both have shaken hands or it gives up: for each write with which
    /// type of record it begins, and whether it is held.
    fn writes(&self, client: ClientConfig) -> Vec<(u8, bool)> {
        self.writes_to(&Arc::new(client)).0
    }

    /// The same, and whether the handshake is a whole one, where there was any.
    fn writes_to(&self, client: &Arc<ClientConfig>) -> (Vec<(u8, bool)>, Option<HandshakeKind>) {
        let mut client = ClientConnection::new(Arc::clone(client), name()).unwrap();
        let mut server = ServerConnection::new(Arc::clone(&self.config)).unwrap();
        let mut writes = Vec::new();
        while client.wants_write() {
            let mut said = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut said).unwrap();
            }
            let mut said = said.as_slice();
            while !said.is_empty() && server.read_tls(&mut said).unwrap() > 0 {
                let _seen_below = server.process_new_packets();
            }
            let mut answer = Vec::new();
            while server.wants_write() {
                let before = answer.len();
                server.write_tls(&mut answer).unwrap();
                let write = &answer[before..];
                let held = Phase::Handshake.is_followed(write.first().copied(), write.len());
                writes.push((write[0], held));
            }
            let mut answer = answer.as_slice();
            while !answer.is_empty() && client.read_tls(&mut answer).unwrap() > 0 {
                let _seen_above = client.process_new_packets();
            }
        }
        (writes, client.handshake_kind())
    }
}

fn name() -> ServerName<'static> {
    ServerName::try_from("app.test").unwrap()
}

fn anybody(_: &Arc<RootCertStore>) -> Arc<dyn ClientCertVerifier> {
    Arc::new(NoClientAuth)
}

/// Else a client that goes on only when it has it would wait for 200 ms.
#[test]
fn of_a_handshake_the_ticket_alone_is_held() {
    const HANDSHAKE: u8 = 22;
    let server = server(anybody);
    let ticket = (APPLICATION_DATA, true);
    assert_eq!(server.writes(server.client(&TLS13)), [(HANDSHAKE, false), ticket]);

    // It is asked for another share of a key first (RFC 8446 §4.1.4).
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups.insert(0, kx_group::MLKEM768);
    let asked_anew = server.writes(server.client_by(provider, &TLS13));
    assert_eq!(asked_anew, [(HANDSHAKE, false), (HANDSHAKE, false), ticket]);

    // A ticket stands before what ends the handshake (RFC 5077 §3.3).
    let older = server.writes(server.client(&TLS12));
    assert_eq!(older, [(HANDSHAKE, false), (HANDSHAKE, false)]);
}

/// Who resumes a session has another ticket, in TLS 1.2 before all that it waits for.
#[test]
fn of_a_resumption_the_ticket_alone_is_held() {
    const HANDSHAKE: u8 = 22;
    let server = server(anybody);
    let ticket = (APPLICATION_DATA, true);
    for (version, again) in
        [(&TLS13, vec![(HANDSHAKE, false), ticket]), (&TLS12, vec![(HANDSHAKE, false)])]
    {
        let client = Arc::new(server.client(version));
        assert_eq!(server.writes_to(&client).1, Some(HandshakeKind::Full));
        assert_eq!(server.writes_to(&client), (again, Some(HandshakeKind::Resumed)));
    }
}

/// What is refused is closed at once, and what was held then would be lost where the client has said
/// more than was read.
#[test]
fn an_alert_of_a_handshake_is_not_held() {
    let asking = |roots: &Arc<RootCertStore>| -> Arc<dyn ClientCertVerifier> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), provider).build().unwrap()
    };
    let server = server(asking);
    let writes = server.writes(server.client(&TLS13));
    assert_eq!(writes.last(), Some(&(APPLICATION_DATA, false)), "{writes:?}");
    assert_eq!(writes.len(), 2, "{writes:?}");
}

#[test]
fn what_was_taken_in_part_goes_on_at_once() {
    let cut = Phase::Handshake.after(100, 4000);
    assert_eq!(cut, Phase::Cut);
    assert!(!cut.is_followed(Some(APPLICATION_DATA), 3900));
    assert_eq!(Phase::Handshake.after(4000, 4000), Phase::Handshake);
}

/// A connection and its client, hands shaken.
async fn connected(server: &Server) -> (ClientStream, tokio_rustls::client::TlsStream<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    accepted.set_nodelay(true).unwrap();
    let connector = TlsConnector::from(Arc::new(server.client(&TLS13)));
    let acceptor = TlsAcceptor::from(Arc::clone(&server.config));
    let (accepted, client) =
        tokio::join!(acceptor.accept(Socket::new(accepted)), connector.connect(name(), client));
    (ClientStream::new(Box::new(accepted.unwrap())), client.unwrap())
}

fn has_come(client: &tokio_rustls::client::TlsStream<TcpStream>) -> bool {
    let mut first = [MaybeUninit::uninit()];
    let looked = SockRef::from(client.get_ref().0).peek(&mut first);
    !looked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

/// The system sends what it holds after 200 ms, so a machine that stands still may see it sooner:
/// one connection of ten is enough, and without holding none is.
#[tokio::test]
async fn the_ticket_leaves_with_the_first_answer() {
    let server = server(anybody);
    let mut held = false;
    for _ in 0..10 {
        let (mut accepted, mut client) = connected(&server).await;
        held |= !has_come(&client);
        accepted.write_all(b"hello").await.unwrap();
        accepted.flush().await.unwrap();
        let mut said = [0; 5];
        client.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"hello");
    }
    assert!(held);
}

/// TLS tells an end from a connection that was cut (RFC 8446 §6.1).
#[tokio::test]
async fn the_alert_before_an_end_arrives() {
    let server = server(anybody);
    let (mut accepted, mut client) = connected(&server).await;
    accepted.write_all(b"bye").await.unwrap();
    accepted.shutdown().await.unwrap();
    assert_eq!(accepted.0.get_ref().0.phase, Phase::Ending);
    drop(accepted);
    let mut said = Vec::new();
    client.read_to_end(&mut said).await.unwrap();
    assert_eq!(said, b"bye");
}
