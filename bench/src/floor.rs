//! The libraries that usher stands on, and nothing of usher: TLS, HTTP and one kept connection per
//! request that is under way. What a proxy of these costs at least; small answers only.

use std::{
    cell::RefCell,
    future::{Future as _, poll_fn},
    net::SocketAddr,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Waker},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::Incoming,
    client::conn::http1::{self, SendRequest},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ServerConfig, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::failure::Failure;

/// A kept connection, polled by the request that has it: no task of its own.
struct Kept {
    sender: SendRequest<Incoming>,
    connection: http1::Connection<TokioIo<TcpStream>, Incoming>,
}

thread_local! {
    static POOL: RefCell<Vec<Kept>> = const { RefCell::new(Vec::new()) };
}

/// `usher-bench floor LISTEN UPSTREAM CHAIN KEY`: serves until it is ended.
pub fn run(arguments: impl Iterator<Item = String>) -> Result<bool, Failure> {
    let words: Vec<String> = arguments.collect();
    let [listen, upstream, chain, key] = words.as_slice() else {
        return Err(Failure::Usage("usher-bench floor LISTEN UPSTREAM CHAIN KEY".into()));
    };
    let address =
        |word: &str| word.parse().map_err(|_| Failure::Usage(format!("`{word}`: IP:PORT")));
    let (listen, upstream): (SocketAddr, SocketAddr) = (address(listen)?, address(upstream)?);
    let acceptor = acceptor(Path::new(chain), Path::new(key))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Failure::io("runtime"))?.block_on(serve(listen, upstream, acceptor))
}

fn acceptor(chain: &Path, key: &Path) -> Result<TlsAcceptor, Failure> {
    let chain = CertificateDer::from_pem_file(chain).map_err(Failure::exchange("chain"))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(Failure::exchange("key"))?;
    let mut config = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![chain], key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.send_tls13_tickets = 1;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

#[expect(clippy::disallowed_methods, reason = "connections live as long as this program")]
async fn serve(
    listen: SocketAddr,
    upstream: SocketAddr,
    acceptor: TlsAcceptor,
) -> Result<bool, Failure> {
    let listener = TcpListener::bind(listen).await.map_err(Failure::io("listener"))?;
    loop {
        let Ok((tcp, _)) = listener.accept().await else { continue };
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let _ = tcp.set_nodelay(true);
            let Ok(tls) = acceptor.accept(tcp).await else { return };
            let speaks_http2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
            let service = service_fn(move |request| forward(upstream, request));
            let io = TokioIo::new(tls);
            let _over = match speaks_http2 {
                true => {
                    let http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    http2.serve_connection(io, service).await
                }
                false => {
                    let http1 = hyper::server::conn::http1::Builder::new();
                    http1.serve_connection(io, service).await
                }
            };
        });
    }
}

async fn forward(
    upstream: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Failure> {
    let mut kept = match POOL.with_borrow_mut(open) {
        Some(kept) => kept,
        None => dial(upstream).await?,
    };
    let (head, body) = exchange(&mut kept, to_upstream(request)).await?.into_parts();
    let body = collected(&mut kept, body).await?;
    POOL.with_borrow_mut(|pool| pool.push(kept));
    Ok(Response::from_parts(head, Full::new(body)))
}

/// The connection that was used last and that the upstream has not closed meanwhile.
fn open(pool: &mut Vec<Kept>) -> Option<Kept> {
    let mut cx = Context::from_waker(Waker::noop());
    while let Some(mut kept) = pool.pop() {
        if Pin::new(&mut kept.connection).poll(&mut cx).is_pending() && kept.sender.is_ready() {
            return Some(kept);
        }
    }
    None
}

async fn dial(upstream: SocketAddr) -> Result<Kept, Failure> {
    let tcp = TcpStream::connect(upstream).await.map_err(Failure::io("upstream"))?;
    tcp.set_nodelay(true).map_err(Failure::io("upstream"))?;
    let (sender, connection) =
        http1::handshake(TokioIo::new(tcp)).await.map_err(Failure::exchange("upstream"))?;
    Ok(Kept { sender, connection })
}

/// In the form that an upstream is asked in; the host goes on as a field.
fn to_upstream(request: Request<Incoming>) -> Request<Incoming> {
    let (mut head, body) = request.into_parts();
    if let Some(host) = head.uri.host().and_then(|host| HeaderValue::from_str(host).ok()) {
        head.headers.insert(header::HOST, host);
    }
    head.headers.insert("x-forwarded-proto", HeaderValue::from_static("https"));
    head.version = http::Version::HTTP_11;
    let target = head.uri.path_and_query().map(|target| Uri::from(target.clone()));
    head.uri = target.unwrap_or_default();
    Request::from_parts(head, body)
}

async fn exchange(
    kept: &mut Kept,
    request: Request<Incoming>,
) -> Result<Response<Incoming>, Failure> {
    let Kept { sender, connection } = kept;
    let mut answer = std::pin::pin!(sender.send_request(request));
    poll_fn(|cx| {
        let _driven = Pin::new(&mut *connection).poll(cx);
        answer.as_mut().poll(cx)
    })
    .await
    .map_err(Failure::exchange("upstream"))
}

async fn collected(kept: &mut Kept, body: Incoming) -> Result<Bytes, Failure> {
    let mut body = std::pin::pin!(body.collect());
    let whole = poll_fn(|cx| {
        let _driven = Pin::new(&mut kept.connection).poll(cx);
        body.as_mut().poll(cx)
    });
    Ok(whole.await.map_err(Failure::exchange("upstream"))?.to_bytes())
}
