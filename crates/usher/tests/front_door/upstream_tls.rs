//! Upstreams over TLS and HTTP/2: whom usher believes, and calls as gRPC makes them.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;
use usher_lab::browser::{FETCH, Seen};

use crate::test_server::{TestServer, config, eventually, public};

/// Echoes body and trailers, and says over which version the request came.
async fn echo(request: Request<Incoming>) -> Result<Response<Answer>, hyper::Error> {
    let (head, body) = request.into_parts();
    let collected = body.collect().await?;
    let asked = collected.trailers().cloned().unwrap_or_default();
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    if let Some(sum) = asked.get("x-sum") {
        trailers.insert("x-sum", sum.clone());
    }
    let body =
        Full::new(collected.to_bytes()).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut response = Response::new(body.boxed());
    let fields = response.headers_mut();
    fields.insert("content-type", HeaderValue::from_static("application/grpc"));
    fields.insert("trailer", HeaderValue::from_static("grpc-status"));
    let version = HeaderValue::try_from(format!("{:?}", head.version)).unwrap();
    fields.insert("x-version", version);
    let authority = head.uri.authority().map(|authority| authority.to_string());
    fields.insert("x-authority", HeaderValue::try_from(authority.unwrap_or_default()).unwrap());
    let te = head.headers.get("te").cloned();
    fields.insert("x-te", te.unwrap_or(HeaderValue::from_static("none")));
    Ok(response)
}

type Answer = http_body_util::combinators::BoxBody<Bytes, std::convert::Infallible>;

async fn speak(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, is_http2: bool) {
    let io = TokioIo::new(stream);
    let _ended = match is_http2 {
        true => {
            let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            builder.serve_connection(io, service_fn(echo)).await
        }
        false => {
            let builder = hyper::server::conn::http1::Builder::new();
            builder.serve_connection(io, service_fn(echo)).await
        }
    };
}

/// HTTP/2 in the clear.
async fn h2c_upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(speak(stream, true));
        }
    });
    address
}

/// Over TLS with this certificate; HTTP/2 where the client offers it.
async fn secure_upstream(chain: &str, key: &str) -> SocketAddr {
    let chain = CertificateDer::pem_slice_iter(chain.as_bytes()).flatten().collect::<Vec<_>>();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let signer = provider.key_provider.load_private_key(key).unwrap();
    let certified = Arc::new(rustls::sign::CertifiedKey::new(chain, signer));
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Always(certified)));
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(server));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                speak(stream, is_http2).await;
            });
        }
    });
    address
}

/// Shows one certificate to all, whatever version it has.
#[derive(Debug)]
struct Always(Arc<rustls::sign::CertifiedKey>);

impl rustls::server::ResolvesServerCert for Always {
    fn resolve(
        &self,
        _hello: rustls::server::ClientHello<'_>,
    ) -> Option<Arc<rustls::sign::CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

fn secure(host: &str, to: SocketAddr, rest: &str) -> String {
    format!(
        "- from: https://{host}\n  to: https://{to}\n  \
         allow_public_unauthenticated_access: true\n{rest}"
    )
}

async fn post(server: &TestServer, url: &str) -> Seen {
    let mut browser = server.browser().over_http2();
    let fields = [("content-type", "application/grpc"), ("te", "trailers")];
    browser.send(Method::POST, url, &fields, "hello").await
}

/// An app behind TLS, and the keys of a route with which its certificate is believed.
async fn trusted_upstream() -> (SocketAddr, String) {
    let pair = rcgen::generate_simple_self_signed(vec!["app.test".into()]).unwrap();
    let pem = pair.cert.pem();
    let tls = secure_upstream(&pem, &pair.signing_key.serialize_pem()).await;
    let ca = BASE64_STANDARD.encode(&pem);
    (tls, format!("  tls_custom_ca: {ca}\n  tls_server_name: app.test\n"))
}

#[tokio::test]
async fn calls_go_over_http2_and_end_in_trailers() {
    let (tls, trust) = trusted_upstream().await;
    let h2c = h2c_upstream().await;
    let clear = secure("h2c.test", h2c, "").replace("https://127", "h2c://127");
    let sockets = secure("sockets.test", tls, &trust) + "  allow_websockets: true\n";
    let server =
        TestServer::open(&config(&[clear, secure("tls.test", tls, &trust), sockets])).await;
    for (host, version, authority) in [
        ("h2c.test", "HTTP/2.0", h2c.to_string()),
        ("tls.test", "HTTP/2.0", tls.to_string()),
        ("sockets.test", "HTTP/1.1", String::new()),
    ] {
        for _ in 0..3 {
            let seen = post(&server, &format!("https://{host}/pkg.Service/Call")).await;
            assert_eq!(seen.status, StatusCode::OK, "{host}: {}", seen.body);
            assert_eq!((seen.field("x-version"), &*seen.body), (version, "hello"), "{host}");
            assert_eq!(seen.field("x-authority"), authority, "{host}");
            assert_eq!(seen.field("x-te"), "trailers", "{host}: gRPC asks for it");
            if version == "HTTP/2.0" {
                assert_eq!(seen.trailers.unwrap()["grpc-status"], "0", "{host}");
            } // over HTTP/1.1 this app says a length, beside which there are no trailers
        }
    }
}

/// Checks speak what the route speaks, with the route's own TLS.
#[tokio::test]
async fn health_checks_speak_what_the_route_speaks() {
    let (tls, trust) = trusted_upstream().await;
    let h2c = h2c_upstream().await;
    let check = "  health_checks: [{interval: 0.02s, http_health_check: {path: /, \
                 expected_statuses: [{start: 204, end: 205}]}}]\n";
    let clear = secure("h2c.test", h2c, check).replace("https://127", "h2c://127");
    let server = TestServer::open(&config(&[
        clear,
        secure("tls.test", tls, &format!("{trust}{check}")),
        secure("sockets.test", tls, &format!("{trust}{check}  allow_websockets: true\n")),
        secure("untrusted.test", tls, check),
    ]))
    .await;
    let told = eventually("each check has told it", || {
        let told = server.records("upstream");
        (told.len() == 4).then_some(told)
    })
    .await;
    for line in &told {
        let (route, why) = (line["route"].as_str().unwrap(), line["cause"].as_str().unwrap());
        let expected = if route == "untrusted" { "TLS" } else { "it answered 200" };
        assert!(why.contains(expected), "{line}");
    }
}

/// Fifty at once share a connection and come back to whom they belong.
#[tokio::test]
async fn many_calls_share_a_connection() {
    let h2c = h2c_upstream().await;
    let route = public("tv.test", h2c).replace("http://", "h2c://");
    let route = route.replace("  allow_websockets: true\n", "");
    let server = Arc::new(TestServer::open(&config(&[route])).await);
    let calls = (0..50).map(|_| {
        let server = Arc::clone(&server);
        async move { post(&server, "https://tv.test/").await.status }
    });
    let all = futures_util::future::join_all(calls).await;
    assert!(all.iter().all(|status| *status == StatusCode::OK), "{all:?}");
}

/// A certificate that is one of those that were named is taken, whatever its extensions say; not
/// for another name, not another one with the same name, not after its end.
#[tokio::test]
async fn a_named_certificate_is_taken_and_no_other() {
    let made = |is_ca: bool, ended: bool| {
        let mut params = rcgen::CertificateParams::new(vec!["nas.test".into()]).unwrap();
        if is_ca {
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        }
        if ended {
            params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        }
        let key = rcgen::KeyPair::generate().unwrap();
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    };
    let folder = tempfile::tempdir().unwrap();
    let mut routes = Vec::new();
    let mut expected = Vec::new();
    for (name, is_ca, ended) in [("ca", true, false), ("plain", false, false), ("old", true, true)]
    {
        let (pem, key) = made(is_ca, ended);
        let address = secure_upstream(&pem, &key).await;
        let file = folder.path().join(format!("{name}.pem"));
        std::fs::write(&file, &pem).unwrap();
        let (other, _) = made(is_ca, ended);
        let inline = |pem: &str| format!("  tls_custom_ca: {}\n", BASE64_STANDARD.encode(pem));
        let named = "  tls_server_name: nas.test\n";
        for (way, rest, works) in [
            ("inline", inline(&pem) + named, !ended),
            ("file", format!("  tls_custom_ca_file: {}\n{named}", file.display()), !ended),
            ("name", inline(&pem) + "  tls_server_name: other.test\n", false),
            ("twin", inline(&other) + named, false),
        ] {
            let host = format!("{name}-{way}.test");
            routes.push(secure(&host, address, &rest));
            expected.push((host, works));
        }
    }
    let server = TestServer::open(&config(&routes)).await;
    for (host, works) in expected {
        let status = server.browser().fetch(&format!("https://{host}/")).await.status;
        let right = if works { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        assert_eq!(status, right, "{host}");
    }
}

/// A certificate that was named and has no names beside the common one counts for that one. Where it
/// has others these alone count (RFC 9525 §6.3), and none counts before its time.
#[tokio::test]
async fn a_common_name_counts_where_there_is_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let mut routes = Vec::new();
    for (name, common, others, early) in [
        ("own", "nas.test", &[][..], false),
        ("other", "other.test", &[], false),
        ("beside", "nas.test", &["other.test"], false),
        ("early", "nas.test", &["nas.test"], true),
    ] {
        let others: Vec<String> = others.iter().map(|name| (*name).to_owned()).collect();
        let mut params = rcgen::CertificateParams::new(others).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, common);
        if early {
            params.not_before = rcgen::date_time_ymd(2090, 1, 1);
        }
        let key = rcgen::KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let address = secure_upstream(&pem, &key.serialize_pem()).await;
        let file = folder.path().join(format!("{name}.pem"));
        std::fs::write(&file, &pem).unwrap();
        let rest = format!("  tls_custom_ca_file: {}\n", file.display());
        let rest = rest + "  tls_server_name: nas.test\n";
        routes.push(secure(&format!("{name}.test"), address, &rest));
    }
    let server = TestServer::open(&config(&routes)).await;
    for (name, expected) in [("own", 200), ("other", 503), ("beside", 503), ("early", 503)] {
        let status = server.browser().fetch(&format!("https://{name}.test/")).await.status;
        assert_eq!(status.as_u16(), expected, "{name}");
    }
}

/// `certificate_authority` holds for routes without one of their own.
#[tokio::test]
async fn a_certificate_named_for_all_is_taken() {
    let mut params = rcgen::CertificateParams::new(vec!["nas.test".into()]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    let address = secure_upstream(&pem, &key.serialize_pem()).await;
    let text = config(&[secure("tv.test", address, "  tls_server_name: nas.test\n")]);
    let text = format!("certificate_authority: {}\n{text}", BASE64_STANDARD.encode(&pem));
    let server = TestServer::open(&text).await;
    assert_eq!(server.browser().fetch("https://tv.test/").await.status, StatusCode::OK);
}

fn openssl(folder: &Path, arguments: &str) {
    let done = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(folder)
        .output()
        .expect("openssl: apt-get install openssl");
    assert!(done.status.success(), "{arguments}: {}", String::from_utf8_lossy(&done.stderr));
}

/// A certificate of version 1 in `c.pem`, its key in `k.pem`.
fn version_1(at: &Path, key: &str) {
    openssl(at, &format!("req -new -newkey {key} -nodes -keyout k.pem -out r.pem -subj /CN=x"));
    openssl(at, "x509 -req -in r.pem -signkey k.pem -out c.pem -days 30");
}

/// An app that shows a certificate no library of ours would sign with.
struct OldApp(Child, SocketAddr);

impl OldApp {
    async fn start(at: &Path, version: &str) -> Self {
        let address = usher_lab::ports::free_port();
        let app = Command::new("openssl")
            .args(["s_server", "-www", "-quiet", "-cipher", "ALL:@SECLEVEL=0", version])
            .args(["-cert", "c.pem", "-key", "k.pem", "-accept", &address.to_string()])
            .current_dir(at)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let app = Self(app.expect("openssl: apt-get install openssl"), address);
        usher_lab::ports::until_open(address).await;
        app
    }
}

impl Drop for OldApp {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The key of an old device is too short for every library; with `tls_skip_verify` it counts as
/// little as the rest.
#[tokio::test]
async fn skipping_verification_takes_short_keys() {
    let mut apps = Vec::new();
    let mut routes = Vec::new();
    for (name, key, version) in [
        ("rsa-1024-tls12", "rsa:1024", "-tls1_2"),
        ("rsa-1024-tls13", "rsa:1024", "-tls1_3"),
        ("rsa-1536-tls13", "rsa:1536", "-tls1_3"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        version_1(folder.path(), key);
        let app = OldApp::start(folder.path(), version).await;
        routes.push(secure(&format!("{name}.test"), app.1, "  tls_skip_verify: true\n"));
        routes.push(secure(&format!("{name}-checked.test"), app.1, ""));
        apps.push((name, app, folder));
    }
    let server = TestServer::open(&config(&routes)).await;
    let mut browser = server.browser();
    for (name, _, _) in &apps {
        let seen = browser.fetch(&format!("https://{name}.test/")).await;
        assert_eq!(seen.status, StatusCode::OK, "{name}: {}", server.log());
        let seen = browser.fetch(&format!("https://{name}-checked.test/")).await;
        assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE, "{name}");
    }
}

/// A pair of version 1 as `certificate_file`: the certificate is named, not its key, and the host
/// has one of the local authority meanwhile.
#[tokio::test]
async fn a_certificate_of_version_1_is_told_by_its_own_name() {
    let folder = tempfile::tempdir().unwrap();
    version_1(folder.path(), "rsa:2048");
    let app = usher_lab::upstream::Upstream::echo();
    let (cert, key) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
    let text = format!(
        "certificate_file: {}\ncertificate_key_file: {}\n{}",
        cert.display(),
        key.display(),
        config(&[public("tv.test", app.address)])
    );
    let server = TestServer::open(&text).await;
    let told = server.log();
    let line =
        told.lines().find(|line| line.contains("version 1")).unwrap_or_else(|| panic!("{told}"));
    assert!(line.contains("c.pem") && !line.contains("k.pem"), "{line}");
    let seen = server.browser().fetch("https://tv.test/").await;
    assert_eq!(seen.status, StatusCode::OK, "{}", seen.body);
}

/// With `tls_skip_verify` nothing about the certificate counts: version, extensions, who signed it.
#[tokio::test]
async fn skipping_verification_looks_at_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let read = |name: &str| std::fs::read_to_string(at.join(name)).unwrap();
    let mut routes = Vec::new();
    for (name, key) in [("v1", "rsa:2048"), ("ec", "ec:curve")] {
        let key = key.replace("ec:curve", "ec -pkeyopt ec_paramgen_curve:P-256");
        version_1(at, &key);
        let text = Command::new("openssl")
            .args(["x509", "-in", "c.pem", "-noout", "-text"])
            .current_dir(at)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&text.stdout).into_owned();
        assert!(name != "v1" || text.contains("Version: 1"), "{text}");
        let address = secure_upstream(&read("c.pem"), &read("k.pem")).await;
        routes.push(secure(&format!("{name}.test"), address, "  tls_skip_verify: true\n"));
        routes.push(secure(&format!("{name}-checked.test"), address, ""));
    }
    let server = TestServer::open(&config(&routes)).await;
    for name in ["v1", "ec"] {
        let mut browser = server.browser();
        let seen = browser.send(Method::GET, &format!("https://{name}.test/"), FETCH, "").await;
        assert_eq!(seen.status, StatusCode::OK, "{name}: {}", server.log());
        let seen = browser.fetch(&format!("https://{name}-checked.test/")).await;
        assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE, "{name}");
    }
}
