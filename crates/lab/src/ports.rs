//! Ports of loopback that no other test gets.

use std::{
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::atomic::{AtomicU32, Ordering},
};

use crate::patience::eventually;

/// A port of loopback that nobody listens on, and that nobody gets by chance: below those that the
/// system hands out, and each once in this process.
pub fn free_port() -> SocketAddr {
    const LOWEST: u32 = 20_000;
    const COUNT: u32 = 12_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let begin = std::process::id().wrapping_mul(97); // other test processes begin elsewhere
    for _ in 0..COUNT {
        let port = LOWEST + begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = u16::try_from(port).expect("a port");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no free port")
}

/// Waits until somebody listens there.
pub async fn until_open(address: SocketAddr) {
    let open = || TcpStream::connect(address).ok();
    drop(eventually(&format!("somebody listens on {address}"), open).await);
}
