//! Full TLS handshakes with one request each: run as a program of its own, on the load's core.

use std::{net::SocketAddr, path::Path, sync::Arc};

use rustls::{ClientConfig, client::Resumption, crypto::aws_lc_rs};
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};
use tokio_rustls::TlsConnector;

use crate::{certificate::Certificate, failure::Failure, front_door::HOST};

/// How many at once.
const AT_ONCE: u32 = 32;

/// Shakes hands `count` times with `address` and asks one thing each time: `FOLDER ADDRESS COUNT
/// COOKIE`. Says how many were answered with 200.
pub fn run(mut words: impl Iterator<Item = String>) -> Result<bool, Failure> {
    let mut word = || words.next().ok_or_else(|| Failure::Usage(USAGE.into()));
    let (folder, address, count, cookie) = (word()?, word()?, word()?, word()?);
    let address: SocketAddr = address.parse().map_err(Failure::exchange(&*address))?;
    let count: u32 = count.parse().map_err(Failure::exchange(&*count))?;
    let client = client(&Certificate::read(Path::new(&folder))?)?;
    let request: Arc<str> = format!(
        "GET /small HTTP/1.1\r\nHost: {HOST}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
    )
    .into();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::io("runtime"))?;
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for nth in 0..AT_ONCE {
            let share = count / AT_ONCE + u32::from(nth < count % AT_ONCE);
            let (client, request) = (client.clone(), Arc::clone(&request));
            tasks.spawn(async move {
                for _ in 0..share {
                    once(&client, address, &request).await?;
                }
                Ok::<(), Failure>(())
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.map_err(Failure::exchange("handshakes"))??;
        }
        Ok::<(), Failure>(())
    })?;
    println!("{count} answered");
    Ok(true)
}

const USAGE: &str = "usher-bench handshakes FOLDER ADDRESS COUNT COOKIE";

/// One cipher and one group, so that all servers do the same cryptography; nothing is resumed.
fn client(trust: &Certificate) -> Result<TlsConnector, Failure> {
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups = vec![aws_lc_rs::kx_group::X25519];
    provider.cipher_suites = vec![aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256];
    let mut config = ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(trust.roots())
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::disabled();
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn once(client: &TlsConnector, address: SocketAddr, request: &str) -> Result<(), Failure> {
    let tcp = TcpStream::connect(address).await.map_err(Failure::io("connect"))?;
    tcp.set_nodelay(true).map_err(Failure::io("nodelay"))?;
    let name = ServerName::try_from(HOST).map_err(Failure::exchange(HOST))?;
    let mut tls = client.connect(name, tcp).await.map_err(Failure::io("TLS handshake"))?;
    tls.write_all(request.as_bytes()).await.map_err(Failure::io("request"))?;
    let mut answer = Vec::with_capacity(2048);
    // some close without a TLS alert: what counts is what came before
    let end = tls.read_to_end(&mut answer).await;
    if answer.starts_with(b"HTTP/1.1 200 ") && answer.windows(7).any(|it| it == b"\"pad\":\"") {
        return Ok(());
    }
    end.map_err(Failure::io("answer"))?;
    let what = String::from_utf8_lossy(&answer).into_owned();
    Err(Failure::Program { program: "handshake".into(), what })
}
