//! Envoy as a plain proxy, and with an external authorization service over HTTP.

use std::{net::SocketAddr, path::Path};

use super::{Contender, Setting, configured, start_on_core};
use crate::{failure::Failure, front_door::free_address, process::Process};

/// Whom it stands for.
pub const SERVED: [Contender; 2] = [Contender::Envoy, Contender::EnvoyExtAuthz];

const NETWORK: &str = "type.googleapis.com/envoy.extensions.filters.network";
const FILTERS: &str = "type.googleapis.com/envoy.extensions.filters.http";
const TLS: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3";

/// One worker, no access log.
pub fn start(
    of: &Setting<'_>,
    program: &Path,
) -> Result<(Process, Vec<(Contender, SocketAddr)>), Failure> {
    let (plain, asking) = (free_address()?, free_address()?);
    let question = format!(
        "          - name: envoy.filters.http.ext_authz\n            typed_config:\n              \
         '@type': {FILTERS}.ext_authz.v3.ExtAuthz\n              http_service:\n                \
         server_uri: {{uri: 'http://{}', cluster: service, timeout: 5s}}\n                \
         authorization_response: {{allowed_upstream_headers: {{patterns: [{{exact: x-user}}]}}}}\n",
        of.authorization
    );
    let config = format!(
        "static_resources:\n  listeners:\n{}{}  clusters:\n{}{}",
        listener(of, "plain", plain, ""),
        listener(of, "asking", asking, &question),
        cluster("app", of.upstream),
        cluster("service", of.authorization)
    );
    let file = configured(of.folder, "envoy", "envoy.yaml", &config)?;
    let path = file.display().to_string();
    let words = [
        "--config-path",
        &path,
        "--concurrency",
        "1",
        "--disable-hot-restart",
        "--log-level",
        "error",
    ];
    let process = start_on_core(of.folder, (program, &words), &[plain, asking])?;
    Ok((process, vec![(Contender::Envoy, plain), (Contender::EnvoyExtAuthz, asking)]))
}

fn listener(of: &Setting<'_>, name: &str, address: SocketAddr, question: &str) -> String {
    let (chain, key) = (of.certificate.chain.display(), of.certificate.key.display());
    format!(
        "  - name: {name}\n    address: {}\n    filter_chains:\n    - transport_socket:\n        \
         name: envoy.transport_sockets.tls\n        typed_config:\n          \
         '@type': {TLS}.DownstreamTlsContext\n          common_tls_context:\n            \
         alpn_protocols: [h2, http/1.1]\n            tls_certificates:\n            \
         - {{certificate_chain: {{filename: '{chain}'}}, private_key: {{filename: '{key}'}}}}\n      \
         filters:\n      - name: envoy.filters.network.http_connection_manager\n        \
         typed_config:\n          \
         '@type': {NETWORK}.http_connection_manager.v3.HttpConnectionManager\n          \
         stat_prefix: {name}\n          use_remote_address: true\n          \
         upgrade_configs: [{{upgrade_type: websocket}}]\n          route_config:\n            \
         virtual_hosts:\n            - name: all\n              domains: ['*']\n              \
         routes: [{{match: {{prefix: /}}, route: {{cluster: app, timeout: 0s}}}}]\n          \
         http_filters:\n{question}          - name: envoy.filters.http.router\n            \
         typed_config: {{'@type': {FILTERS}.router.v3.Router}}\n",
        socket(address)
    )
}

/// With limits that a load of this kind does not meet.
fn cluster(name: &str, address: SocketAddr) -> String {
    format!(
        "  - name: {name}\n    connect_timeout: 5s\n    circuit_breakers: {{thresholds: [\
         {{max_connections: 100000, max_pending_requests: 100000, max_requests: 100000}}]}}\n    \
         load_assignment: {{cluster_name: {name}, endpoints: [{{lb_endpoints: [\
         {{endpoint: {{address: {}}}}}]}}]}}\n",
        socket(address)
    )
}

fn socket(address: SocketAddr) -> String {
    format!("{{socket_address: {{address: {}, port_value: {}}}}}", address.ip(), address.port())
}
