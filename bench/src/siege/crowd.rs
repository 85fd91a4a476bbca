//! The thousand, in a process of their own: they come from other machines, so what they cost must
//! not be taken from the person's, who is measured, and yields to the door on the same cores.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::Command,
};

use tokio::{runtime::Builder, task::JoinSet};

use super::hostile::{Hostile, Kind};
use crate::{certificate::Certificate, failure::Failure, process::Process};

/// How many there are.
pub const HOSTILE: u32 = 1000;
/// How many of them come from the person's own address.
const HOUSEMATES: u32 = 700;

/// Lets them loose, until this is dropped. The folder holds the certificate of the door.
pub fn set_on(door: SocketAddr, kind: Kind, folder: &Path) -> Result<Process, Failure> {
    let program = std::env::current_exe().map_err(Failure::io("this program"))?;
    let mut command = Command::new("nice");
    command.args(["-n", "10"]).arg(program).arg("crowd").arg(kind.name());
    Process::start(command.arg(door.to_string()).arg(folder))
}

/// `crowd KIND ADDRESS FOLDER`: attacks until it is ended.
pub fn run(mut words: impl Iterator<Item = String>) -> Result<bool, Failure> {
    let usage = || Failure::Usage("usher-bench crowd KIND ADDRESS FOLDER".into());
    let kind = words.next();
    let kind = Kind::ALL.into_iter().find(|one| Some(one.name()) == kind.as_deref());
    let door = words.next().and_then(|word| word.parse().ok());
    let (Some(kind), Some(door), Some(folder)) = (kind, door, words.next()) else {
        return Err(usage());
    };
    let certificate = Certificate::read(Path::new(&folder))?;
    let (http1, http2) = (certificate.client(b"http/1.1")?, certificate.client(b"h2")?);
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(Failure::io("runtime"))?.block_on(async move {
        let mut crowd = JoinSet::new();
        for number in 0..HOSTILE {
            let from = kind.comes_from(number);
            let (http1, http2) = (http1.clone(), http2.clone());
            crowd.spawn(Hostile { door, from, http1, http2 }.attack(kind));
        }
        let _never = crowd.join_next().await;
        Ok(false)
    })
}

impl Kind {
    /// Most have the person's own address, as behind one router; but who guesses passwords there
    /// is held back together with her, and rightly so.
    const fn comes_from(self, number: u32) -> Ipv4Addr {
        if number < HOUSEMATES && !matches!(self, Self::SignIns) {
            return Ipv4Addr::LOCALHOST;
        }
        Ipv4Addr::from_bits(0x7f01_0000 + number)
    }
}
