//! What takes uploads for the app: this very program (`crate::measure::upstream`).

use std::{net::SocketAddr, path::Path};

use super::start_on;
use crate::{compare::LOAD_CORE, failure::Failure, front_door::free_address, process::Process};

pub fn start(folder: &Path) -> Result<(Process, SocketAddr), Failure> {
    let address = free_address()?;
    let own = std::env::current_exe().map_err(Failure::io("this program"))?;
    let words = ["upstream", &*address.to_string()];
    let process = start_on(folder, LOAD_CORE, (&own, &words), &[address])?;
    Ok((process, address))
}
