//! Caddy as a plain proxy, and with `forward_auth`.

use std::{net::SocketAddr, path::Path};

use super::{Contender, Setting, configured, start_on_core};
use crate::{
    failure::Failure,
    front_door::{HOST, free_address},
    process::Process,
};

/// Whom it stands for.
pub const SERVED: [Contender; 2] = [Contender::Caddy, Contender::CaddyForwardAuth];

/// As many threads as it has cores, which is one.
pub fn start(
    of: &Setting<'_>,
    program: &Path,
) -> Result<(Process, Vec<(Contender, SocketAddr)>), Failure> {
    let (plain, asking) = (free_address()?, free_address()?);
    let question = format!(
        "forward_auth {} {{\nuri /authorize\ncopy_headers X-User\n{POOL}}}\n",
        of.authorization
    );
    let config = format!(
        "{{\nadmin off\ndefault_sni {HOST}\nauto_https off\npersist_config off\nlog {{\nlevel ERROR\n}}\n}}\n{}{}",
        site(of, plain, ""),
        site(of, asking, &question)
    );
    let file = configured(of.folder, "caddy", "Caddyfile", &config)?;
    let words = ["run", "--adapter", "caddyfile", "--config", &file.display().to_string()];
    let process = start_on_core(of.folder, (program, &words), &[plain, asking])?;
    Ok((process, vec![(Contender::Caddy, plain), (Contender::CaddyForwardAuth, asking)]))
}

/// Connections that are kept, as everybody here does.
const POOL: &str =
    "transport http {\nkeepalive_idle_conns 1024\nkeepalive_idle_conns_per_host 1024\n}\n";

/// For whatever name: wrk sends none in its handshake.
fn site(of: &Setting<'_>, address: SocketAddr, question: &str) -> String {
    let (chain, key) = (of.certificate.chain.display(), of.certificate.key.display());
    format!(
        "https://:{} {{\nbind {}\ntls {chain} {key}\n{question}\
         reverse_proxy {} {{\n{POOL}}}\n}}\n",
        address.port(),
        address.ip(),
        of.upstream
    )
}
