//! The far end of a tunnel: says back, pours out, or swallows.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

use crate::failure::Failure;

/// What a client asks of it: this octet, then a length (`u64`, big-endian).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Say back so many octets.
    Echo = b'e' as isize,
    /// So many zeros.
    Pour = b'p' as isize,
    /// Read so many, then say one octet.
    Swallow = b's' as isize,
}

impl Asked {
    /// As it is said.
    pub fn words(self, length: u64) -> [u8; 9] {
        let mut words = [0; 9];
        let (first, rest) = words.split_at_mut(1);
        first.fill(self as u8);
        rest.copy_from_slice(&length.to_be_bytes());
        words
    }
}

/// Listens until this program ends.
#[expect(clippy::disallowed_methods, reason = "lives as long as this program")]
pub async fn start() -> Result<SocketAddr, Failure> {
    let socket = TcpSocket::new_v4().map_err(Failure::io("far end"))?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).map_err(Failure::io("far end"))?;
    let listener = socket.listen(4096).map_err(Failure::io("far end"))?;
    let address = listener.local_addr().map_err(Failure::io("far end"))?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move { drop(serve(stream).await) }); // its client hears that it ended
        }
    });
    Ok(address)
}

async fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut room = vec![0; 256 * 1024];
    loop {
        let asked = stream.read_u8().await?;
        let mut left = stream.read_u64().await?;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(room.len());
            let piece = room.get_mut(..most).unwrap_or_default();
            let length = if asked == Asked::Pour as u8 {
                stream.write(piece).await?
            } else {
                stream.read(piece).await?
            };
            if length == 0 {
                return Ok(());
            }
            if asked == Asked::Echo as u8 {
                stream.write_all(piece.get(..length).unwrap_or_default()).await?;
            }
            left -= length as u64;
        }
        if asked == Asked::Swallow as u8 {
            stream.write_all(b"k").await?;
        }
    }
}
