//! Tunnels: a thousand at once under reloads, what an idle one takes, and how fast one is beside
//! `socat` with TLS.

mod crowd;
mod far_end;
mod speed;

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    runtime::{Builder, Runtime},
};
use tokio_rustls::client::TlsStream;

use crate::{
    certificate::Certificate,
    client::{Client, Protocol},
    compare::sign_in,
    failure::Failure,
    front_door::{HOST, Setup},
    measure::upstream,
    options::Options,
};

/// A tunnel as its client holds it.
type Tunnel = TlsStream<TcpStream>;

/// The port that a tunnel is asked for by.
const PORT: u16 = 22;

/// Prints two tables, and tells whether every figure is within its limit.
pub fn run(options: &Options) -> Result<bool, Failure> {
    let usher = options.usher.as_deref().ok_or(Failure::Usage("--usher FILE".into()))?;
    let runtime = runtime()?;
    let folder = tempfile::tempdir().map_err(Failure::io("a folder"))?;
    let certificate = Certificate::make(folder.path(), &[HOST])?;
    let (app, far) = runtime.block_on(async {
        let app = upstream::start().await?;
        Ok::<_, Failure>((app, far_end::start().await?))
    })?;
    let route = route(far, "one");
    let (usher, folder, certificate) = (usher, folder.path(), &certificate);
    let setup = Setup { usher, folder, certificate, upstream: app, policy: &route, core: None };
    sign_in::add_person(&setup)?;
    let mut all_hold = true;
    if options.kind.as_ref().is_none_or(|kind| kind != "speed") {
        all_hold &= crowd::run(options, &setup, far, &runtime)?;
    }
    if options.kind.as_ref().is_none_or(|kind| kind != "crowd") {
        all_hold &= speed::run(options, &setup, far)?;
    }
    Ok(all_hold)
}

fn runtime() -> Result<Runtime, Failure> {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().map_err(Failure::io("runtime"))
}

/// The end of the route that people sign in at, and one that a tunnel takes. `name` changes what
/// the first answers, so that a reload has something to do, and nothing of the tunnel's.
fn route(far: SocketAddr, name: &str) -> String {
    let policy = "    policy: [{allow: {or: [{email: {is: ann@example.com}}]}}]\n";
    format!(
        "    set_response_headers: {{x-config: '{name}'}}\n{policy}\
         \x20 - from: tcp+https://{HOST}:{PORT}\n    to: tcp://{far}\n{policy}"
    )
}

/// Asks for a tunnel and waits until it is open.
async fn open(client: &Client, from: std::net::Ipv4Addr, cookie: &str) -> Result<Tunnel, Failure> {
    let mut stream = client.tls_from(from, Protocol::Http1).await?;
    let head = format!(
        "CONNECT {HOST}:{PORT} HTTP/1.1\r\nHost: {HOST}:{PORT}\r\nCookie: {cookie}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.map_err(Failure::io("CONNECT"))?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.map_err(Failure::io("CONNECT"))?);
    }
    if answer.starts_with(b"HTTP/1.1 200 ") {
        return Ok(stream);
    }
    let what = String::from_utf8_lossy(&answer).into_owned();
    Err(Failure::Program { program: "usher".into(), what })
}
