//! The PROXY header in front of a connection, as it comes over the wire.

use std::io;

use tokio::{io::AsyncReadExt as _, net as sockets, time::timeout};
use usher_rules::names::{
    PROXY_FIXED, PROXY_LINE, PROXY_START, Proxied, ProxyHeaderError, ProxyVersion, proxy_line,
    proxy_octets, proxy_rest,
};

use super::limits;

/// Why a connection has no PROXY header that could be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unproxied {
    /// It was closed before: balancers look in this way whether somebody is there.
    Left,
    /// It begins with something else, in words that nothing of a client stands in.
    Otherwise(&'static str),
}

/// Reads the header and not an octet more: what follows belongs to TLS or to HTTP.
///
/// # Errors
///
/// [`Unproxied`]: nothing that the connection says may be believed.
pub async fn proxied(stream: &mut sockets::TcpStream) -> Result<Proxied, Unproxied> {
    match timeout(limits::PROXY_HEADER, read(stream)).await {
        Ok(read) => read,
        Err(_) => Err(Unproxied::Otherwise("its PROXY header did not come in time")),
    }
}

async fn read(stream: &mut sockets::TcpStream) -> Result<Proxied, Unproxied> {
    let mut start = [0; PROXY_START];
    stream.read_exact(&mut start).await?;
    let header = match ProxyVersion::of(&start)? {
        ProxyVersion::One => proxy_line(&line(stream, &start).await?),
        ProxyVersion::Two => proxy_octets(&octets(stream, &start).await?),
    };
    Ok(header?)
}

/// To the end of the line, or to where it should have been.
async fn line(stream: &mut sockets::TcpStream, start: &[u8]) -> Result<Vec<u8>, Unproxied> {
    let mut line = start.to_vec();
    let mut piece = [0; PROXY_LINE];
    while line.last() != Some(&b'\n') && line.len() < PROXY_LINE {
        let room = piece.get_mut(..PROXY_LINE - line.len()).unwrap_or_default();
        let seen = stream.peek(room).await?;
        let seen = room.get(..seen).unwrap_or_default();
        let wanted = seen.iter().position(|octet| *octet == b'\n').map_or(seen.len(), |at| at + 1);
        if wanted == 0 {
            return Err(Unproxied::Left);
        }
        let taken = piece.get_mut(..wanted).unwrap_or_default();
        stream.read_exact(taken).await?;
        line.extend_from_slice(taken);
    }
    Ok(line)
}

async fn octets(stream: &mut sockets::TcpStream, start: &[u8]) -> Result<Vec<u8>, Unproxied> {
    let mut fixed = [0; PROXY_FIXED];
    let (known, missing) = fixed.split_at_mut(start.len());
    known.copy_from_slice(start);
    stream.read_exact(missing).await?;
    let mut whole = fixed.to_vec();
    whole.resize(PROXY_FIXED + proxy_rest(&fixed)?, 0);
    stream.read_exact(whole.get_mut(PROXY_FIXED..).unwrap_or_default()).await?;
    Ok(whole)
}

impl From<io::Error> for Unproxied {
    fn from(_: io::Error) -> Self {
        Self::Left
    }
}

impl From<ProxyHeaderError> for Unproxied {
    fn from(error: ProxyHeaderError) -> Self {
        Self::Otherwise(error.words())
    }
}
