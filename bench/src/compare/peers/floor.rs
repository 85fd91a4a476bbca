//! The libraries that usher stands on, alone: this very program (`crate::floor`).

use std::net::SocketAddr;

use super::{Contender, Setting, start_on_core};
use crate::{failure::Failure, front_door::free_address, process::Process};

/// Whom it stands for.
pub const SERVED: [Contender; 1] = [Contender::Floor];

pub fn start(of: &Setting<'_>) -> Result<(Process, Vec<(Contender, SocketAddr)>), Failure> {
    let address = free_address()?;
    let own = std::env::current_exe().map_err(Failure::io("this program"))?;
    let (chain, key) = (of.certificate.chain.display(), of.certificate.key.display());
    let words = [address.to_string(), of.upstream.to_string(), chain.to_string(), key.to_string()];
    let words = ["floor", &*words[0], &*words[1], &*words[2], &*words[3]];
    let process = start_on_core(of.folder, (&own, &words), &[address])?;
    Ok((process, vec![(Contender::Floor, address)]))
}
