//! Apps at home look for a server by UDP, and are told its own address.

use std::{io, net::SocketAddr, sync::Arc};

use serde_json::json;
use tokio::net::UdpSocket;

use crate::media_server::MediaServer;

/// The port, which is the same everywhere, and what is asked there.
const PORT: u16 = 7359;
const QUESTION: &[u8] = b"who is JellyfinServer?";

/// Opens the port beside `address`.
pub(crate) async fn open(address: SocketAddr) -> io::Result<UdpSocket> {
    UdpSocket::bind((address.ip(), PORT)).await
}

/// Answers until the server stops.
pub(crate) async fn answer(server: Arc<MediaServer>, socket: UdpSocket) {
    let mut question = [0; 256];
    let stopping = server.stopping.clone();
    while let Some(heard) = stopping.run_until_cancelled(socket.recv_from(&mut question)).await {
        let Ok((length, peer)) = heard else { continue };
        if question.get(..length).is_some_and(|text| text == QUESTION) {
            let told = json!({
                "Address": server.state().published(),
                "Id": server.server_id(),
                "Name": server.server_name(),
                "EndpointAddress": null,
            });
            let _nobody_waits = socket.send_to(told.to_string().as_bytes(), peer).await;
        }
    }
}
