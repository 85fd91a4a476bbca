//! What every request of every shape needs: a runtime, an app, and octets.

use std::net::SocketAddr;

use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use serde_json::Value;
use tokio::runtime::Runtime;
use usher::request::accept::Presented;
use usher_rules::{client_certificate::ClientChain, plan::Plan};

use crate::{
    hall::{Hall, Reply},
    records::Records,
    upstream,
};

/// A runtime with an app on it.
pub(crate) struct Frame {
    runtime: Option<Runtime>,
    /// Where the app listens.
    pub upstream: SocketAddr,
    /// What is written about all requests.
    pub records: Records,
}

/// One request, before it is octets.
pub(crate) struct Asked<'a> {
    pub method: &'a str,
    /// The request target, as it is sent.
    pub target: &'a str,
    pub host: &'a str,
    /// An object of fields.
    pub fields: &'a Value,
    pub cookie: &'a str,
    pub body: &'a str,
    /// What was shown in the handshake: PEM, leaf first; empty for nothing.
    pub shown: &'a str,
}

/// A chain as a handshake brings it.
pub(crate) fn shown(pem: &str) -> Option<ClientChain> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes()).flatten().collect();
    ClientChain::read(&chain)
}

impl Frame {
    pub(crate) fn new() -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let upstream = runtime.block_on(upstream::start()).map_err(|error| error.to_string())?;
        Ok(Self { runtime: Some(runtime), upstream, records: Records::new() })
    }

    pub(crate) fn open(&self, plan: Plan) -> Result<Hall, String> {
        let _entered = self.runtime.as_ref().map(Runtime::enter);
        Hall::open(plan, self.records.recorder.clone())
    }

    pub(crate) fn ask(
        &self,
        hall: &Hall,
        peer: SocketAddr,
        asked: &Asked<'_>,
    ) -> Result<Reply, String> {
        self.run(hall.ask(peer, Presented::new(shown(asked.shown)), asked.octets().as_bytes()))?
    }

    pub(crate) fn run<T>(&self, future: impl Future<Output = T>) -> Result<T, String> {
        let runtime = self.runtime.as_ref().ok_or("the runtime is over")?;
        Ok(runtime.block_on(future))
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        // Names of recorded providers are still looked up: nobody waits for that.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Asked<'_> {
    fn octets(&self) -> String {
        let Self { method, target, host, fields, cookie, body, shown: _ } = self;
        let mut head =
            format!("{method} {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
        for (name, value) in fields.as_object().into_iter().flatten() {
            head.push_str(&format!("{name}: {}\r\n", value.as_str().unwrap_or_default()));
        }
        if !cookie.is_empty() {
            head.push_str(&format!("cookie: {cookie}\r\n"));
        }
        if !body.is_empty() {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        format!("{head}\r\n{body}")
    }
}
