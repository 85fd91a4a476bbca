use http::Extensions;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

/// Bytes both ways, in the place of what HTTP would say next: the connection after a 101
/// (RFC 9110 §7.8), or the stream of an extended CONNECT (RFC 8441 §5). Whoever joins two of them
/// does not know what carries them.
#[derive(Debug)]
pub struct Duplex(OnUpgrade);

impl Duplex {
    /// The client's side of a request, where its connection can be upgraded.
    pub fn of_request(extensions: &mut Extensions) -> Option<Self> {
        extensions.remove().map(Self)
    }

    /// Waits for HTTP to let go of it; `None` where the other end has left before.
    pub async fn opened(self) -> Option<impl AsyncRead + AsyncWrite + Unpin + Send> {
        self.0.await.ok().map(TokioIo::new)
    }
}
