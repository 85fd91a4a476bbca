//! `recorded_service ADDRESS PEM`: the recorded authenticate service as a process, for suites with
//! real browsers. It runs until it is ended.

use std::{io, path::Path};

use usher_lab::service::{KeyServer, key_of};

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(pem)) = (arguments.next(), arguments.next()) else {
        return Err(io::Error::other("say where, and with which certificate"));
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let _service = KeyServer::with_certificate(&address, Path::new(&pem), key_of(0x40)).await;
        std::future::pending::<()>().await;
    });
    Ok(())
}
