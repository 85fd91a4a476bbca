//! A browser as far as tests need one: real TLS to one address whatever the host, a cookie jar,
//! redirects, forms.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};
use url::Url;

use crate::client_ca::ClientIdentity;

/// A connection inside TLS.
pub type Tls = TlsStream<TcpStream>;

/// A browser. Every host is found at the same address, but for those that it was told of.
#[derive(Clone)]
pub struct Browser {
    address: SocketAddr,
    at: IpAddr,
    others: BTreeMap<String, SocketAddr>,
    roots: RootCertStore,
    shows: Option<ClientIdentity>,
    http1: TlsConnector,
    http2: TlsConnector,
    /// Host → name → value. Clone the browser, and the copy has them too.
    pub jar: BTreeMap<String, BTreeMap<String, String>>,
    speaks_http2: bool,
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Where it was asked.
    pub url: Url,
    /// The status.
    pub status: StatusCode,
    /// The fields.
    pub fields: HeaderMap,
    /// The body.
    pub body: String,
    /// Trailers, if any came.
    pub trailers: Option<HeaderMap>,
}

/// A page that a person opens by its address.
pub const NAVIGATION: &[(&str, &str)] = &[
    ("accept", "text/html,application/xhtml+xml"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "document"),
    ("sec-fetch-site", "none"),
];

/// What a script on the page asks for.
pub const FETCH: &[(&str, &str)] =
    &[("accept", "*/*"), ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")];

impl Browser {
    /// One that trusts nobody but the authority in `ca_file`.
    pub fn new(address: SocketAddr, ca_file: &Path) -> Self {
        Self::trusting(address, with(RootCertStore::empty(), ca_file), None)
    }

    fn trusting(address: SocketAddr, roots: RootCertStore, shows: Option<ClientIdentity>) -> Self {
        let connector = |alpn| connector(&roots, shows.as_ref(), alpn);
        let (http1, http2) = (connector(b"http/1.1"), connector(b"h2"));
        let (others, jar) = (BTreeMap::new(), BTreeMap::new());
        let at = Ipv4Addr::LOCALHOST.into();
        Self { address, at, others, roots, shows, http1, http2, jar, speaks_http2: false }
    }

    /// The same browser, which shows a certificate where it is asked for one.
    #[must_use]
    pub fn showing(&self, identity: &ClientIdentity) -> Self {
        let Self { address, at, others, roots, jar, speaks_http2, .. } = self.clone();
        let shows = Some(identity.clone());
        Self { at, others, jar, speaks_http2, ..Self::trusting(address, roots, shows) }
    }

    /// The same browser, which finds `host` elsewhere and trusts the authority there, too.
    #[must_use]
    pub fn knowing(mut self, host: &str, address: SocketAddr, ca_file: &Path) -> Self {
        self.others.insert(host.to_owned(), address);
        let roots = with(self.roots, ca_file);
        let Self { address, at, others, shows, jar, speaks_http2, .. } = self;
        Self { at, others, jar, speaks_http2, ..Self::trusting(address, roots, shows) }
    }

    /// The same browser, on another day: the server is at another address.
    #[must_use]
    pub fn moved(&self, address: SocketAddr) -> Self {
        Self { address, ..self.clone() }
    }

    /// The same browser, in another network: it connects from 127.0.0.`n`.
    #[must_use]
    pub fn at(&self, n: u8) -> Self {
        Self { at: Ipv4Addr::new(127, 0, 0, n).into(), ..self.clone() }
    }

    /// The same browser, speaking HTTP/2.
    #[must_use]
    pub fn over_http2(&self) -> Self {
        Self { speaks_http2: true, ..self.clone() }
    }

    /// A connection to a host, for tests that say every byte themselves.
    pub async fn connect(&self, host: &str) -> Tls {
        self.dial(host, &self.http1).await
    }

    /// The same, with HTTP/2 agreed on.
    pub async fn connect_http2(&self, host: &str) -> Tls {
        self.dial(host, &self.http2).await
    }

    async fn dial(&self, host: &str, connector: &TlsConnector) -> Tls {
        let address = self.others.get(host).unwrap_or(&self.address);
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((self.at, 0).into()).expect("loopback has all of 127.0.0.0/8");
        let stream = socket.connect(*address).await.expect("it listens");
        stream.set_nodelay(true).expect("an option");
        let name = ServerName::try_from(host.to_owned()).expect("a name");
        connector.connect(name, stream).await.expect("a handshake")
    }

    /// The `Cookie` field for a host, if there are cookies.
    pub fn cookies(&self, host: &str) -> Option<String> {
        let jar = self.jar.get(host).filter(|jar| !jar.is_empty())?;
        let pairs: Vec<_> = jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        Some(pairs.join("; "))
    }

    /// One request, no redirects followed; cookies are sent and kept.
    pub async fn send(
        &mut self,
        method: Method,
        url: &str,
        fields: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Seen {
        self.attempt(method, url, fields, body).await.expect("a whole answer")
    }

    /// The same, where the answer may be cut short: a permit that ends takes its transfer with it.
    pub async fn attempt(
        &mut self,
        method: Method,
        url: &str,
        fields: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> hyper::Result<Seen> {
        let url = Url::parse(url).expect("a URL");
        let host = url.host_str().expect("a host").to_owned();
        let mut request = Request::builder().method(method);
        let authority = url.authority().to_owned();
        let target = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        request = match self.speaks_http2 {
            true => request.uri(format!("https://{authority}{target}")),
            false => request.uri(target).header(header::HOST, authority),
        };
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        if let Some(cookies) = self.cookies(&host) {
            request = request.header(header::COOKIE, cookies);
        }
        let request = request.body(Full::new(body.into())).expect("a request");
        let response = match self.speaks_http2 {
            true => self.exchange_http2(&host, request).await?,
            false => self.exchange_http1(&host, request).await?,
        };
        let (head, body) = response.into_parts();
        let body = body.collect().await?;
        let trailers = body.trailers().cloned();
        let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        self.keep(&host, &head.headers);
        Ok(Seen { url, status: head.status, fields: head.headers, body, trailers })
    }

    async fn exchange_http1(
        &self,
        host: &str,
        request: Request<Full<Bytes>>,
    ) -> hyper::Result<http::Response<hyper::body::Incoming>> {
        let io = TokioIo::new(self.connect(host).await);
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(io).await.expect("HTTP/1.1");
        tokio::spawn(connection);
        sender.send_request(request).await
    }

    async fn exchange_http2(
        &self,
        host: &str,
        request: Request<Full<Bytes>>,
    ) -> hyper::Result<http::Response<hyper::body::Incoming>> {
        let io = TokioIo::new(self.connect_http2(host).await);
        let executor = TokioExecutor::new();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(executor, io).await.expect("HTTP/2");
        tokio::spawn(connection);
        sender.send_request(request).await
    }

    fn keep(&mut self, host: &str, fields: &HeaderMap) {
        for set in fields.get_all(header::SET_COOKIE) {
            let set = set.to_str().expect("text");
            let pair = set.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').expect("a pair");
            let jar = self.jar.entry(host.to_owned()).or_default();
            match set.to_ascii_lowercase().contains("max-age=0") || value.is_empty() {
                true => jar.remove(name),
                false => jar.insert(name.to_owned(), value.to_owned()),
            };
        }
    }

    /// `GET`, as a script on a page does it.
    pub async fn fetch(&mut self, url: &str) -> Seen {
        self.send(Method::GET, url, FETCH, Bytes::new()).await
    }

    /// Opens an address as a person does, and follows where it leads.
    pub async fn open(&mut self, url: &str) -> Seen {
        let seen = self.send(Method::GET, url, NAVIGATION, Bytes::new()).await;
        self.follow(seen).await
    }

    /// Follows redirects to their end.
    pub async fn follow(&mut self, mut seen: Seen) -> Seen {
        for _ in 0..20 {
            let Some(next) = seen.location() else { return seen };
            seen = self.send(Method::GET, next.as_str(), NAVIGATION, Bytes::new()).await;
        }
        panic!("twenty redirects, at last to {}", seen.url)
    }

    /// Sends the form of a page of ours: hidden fields, and these.
    pub async fn post(&mut self, page: &Seen, action: &str, fields: &[(&str, &str)]) -> Seen {
        let seen = self.post_once(page, action, fields).await;
        self.follow(seen).await
    }

    /// The same, and follows nothing.
    pub async fn post_once(&mut self, page: &Seen, action: &str, fields: &[(&str, &str)]) -> Seen {
        let target = page.url.join(action).expect("a URL");
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in page.hidden() {
            form.append_pair(&name, &value);
        }
        form.extend_pairs(fields);
        let origin = page.url.origin().ascii_serialization();
        let mut head = NAVIGATION.to_vec();
        head.retain(|(name, _)| *name != "sec-fetch-site");
        head.extend([
            ("sec-fetch-site", "same-origin"),
            ("content-type", "application/x-www-form-urlencoded"),
            ("origin", &origin),
        ]);
        self.send(Method::POST, target.as_str(), &head, form.finish()).await
    }

    /// Opens an address, signs in on the built-in provider's page, and follows to the end.
    pub async fn sign_in(&mut self, url: &str, email: &str, password: &str) -> Seen {
        let page = self.open(url).await;
        assert!(
            page.body.contains("type=\"password\""),
            "no form at {}: {}",
            page.url,
            page.status
        );
        self.post(&page, "", &[("email", email), ("password", password)]).await
    }
}

fn with(mut roots: RootCertStore, ca_file: &Path) -> RootCertStore {
    let ca = CertificateDer::from_pem_file(ca_file).expect("the authority's certificate");
    roots.add(ca).expect("a certificate");
    roots
}

fn connector(roots: &RootCertStore, shows: Option<&ClientIdentity>, alpn: &[u8]) -> TlsConnector {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots.clone());
    let mut config = match shows {
        None => config.with_no_client_auth(),
        Some(ClientIdentity { chain, key, .. }) => {
            config.with_client_auth_cert(chain.clone(), key.clone_key()).expect("a pair")
        }
    };
    config.alpn_protocols = vec![alpn.to_vec()];
    TlsConnector::from(Arc::new(config))
}

impl Seen {
    /// A field as text; empty when it is not there.
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// Where it redirects to.
    pub fn location(&self) -> Option<Url> {
        let is_redirect = self.status.is_redirection() && self.status != StatusCode::NOT_MODIFIED;
        let to = self.fields.get(header::LOCATION).filter(|_| is_redirect)?;
        Some(self.url.join(to.to_str().expect("text")).expect("a URL"))
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    /// Where the page's first form posts to.
    pub fn action(&self) -> String {
        let form = self.body.split("<form").nth(1).unwrap_or_default();
        let from = form.split("action=\"").nth(1).unwrap_or_default();
        from.split('"').next().unwrap_or_default().replace("&amp;", "&").replace("&#38;", "&")
    }

    /// The hidden fields of the page's first form.
    pub fn hidden(&self) -> Vec<(String, String)> {
        let form = self.body.split("<form").nth(1).unwrap_or_default();
        let form = form.split("</form>").next().unwrap_or_default();
        form.split("<input type=\"hidden\"")
            .skip(1)
            .map(|input| {
                let attribute = |name: &str| {
                    let from = input.split(&format!("{name}=\"")).nth(1).unwrap_or_default();
                    from.split('"')
                        .next()
                        .unwrap_or_default()
                        .replace("&amp;", "&")
                        .replace("&#38;", "&")
                };
                (attribute("name"), attribute("value"))
            })
            .collect()
    }
}
