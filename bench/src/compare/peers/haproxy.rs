//! HAProxy as a plain proxy.

use std::{fs, net::SocketAddr, path::Path};

use super::{Contender, Setting, configured, start_on_core};
use crate::{failure::Failure, front_door::free_address, process::Process};

/// Whom it stands for.
pub const SERVED: [Contender; 1] = [Contender::Haproxy];

/// One thread, connections to the upstream kept and shared.
pub fn start(of: &Setting<'_>) -> Result<(Process, Vec<(Contender, SocketAddr)>), Failure> {
    let address = free_address()?;
    let read = |file: &Path| fs::read_to_string(file).map_err(Failure::io("certificate"));
    let both = read(&of.certificate.chain)? + &read(&of.certificate.key)?;
    let pair = configured(of.folder, "haproxy", "pair.pem", &both)?;
    let config = format!(
        "global\n  nbthread 1\n  maxconn 8000\n\
         defaults\n  mode http\n  timeout connect 5s\n  timeout client 600s\n  \
         timeout server 600s\n  timeout tunnel 600s\n  http-reuse always\n\
         frontend front\n  bind {address} ssl crt {} alpn h2,http/1.1\n  default_backend app\n\
         backend app\n  option forwardfor\n  server app {}\n",
        pair.display(),
        of.upstream
    );
    let file = configured(of.folder, "haproxy", "haproxy.cfg", &config)?;
    let words = ["-db", "-f", &file.display().to_string()];
    let process = start_on_core(of.folder, (Path::new("haproxy"), &words), &[address])?;
    Ok((process, vec![(Contender::Haproxy, address)]))
}
