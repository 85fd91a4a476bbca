//! WebSockets as a client has them.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest as _, handshake::derive_accept_key},
};
use usher_lab::{
    browser::{Browser, Tls},
    patience::within,
    upstream::{Exchange, Upstream},
};

/// An upstream that sends back every frame that it gets, and greets with 200 elsewhere.
pub fn echo() -> Upstream {
    Upstream::start(async |exchange: &mut Exchange| {
        let Some(key) = exchange.field("sec-websocket-key") else {
            return exchange.reply(200, "", b"no socket").await;
        };
        let accept = derive_accept_key(key.as_bytes());
        exchange
            .send(format!(
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                 sec-websocket-accept: {accept}\r\n\r\n"
            ))
            .await?;
        let mut piece = [0; 4096];
        loop {
            let n = exchange.stream.read(&mut piece).await?;
            if n == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            // A client's frames are masked; unmasked they are a server's.
            exchange.stream.write_all(&unmasked(&piece[..n])).await?;
        }
    })
}

/// One short frame from a client, as the server would say it.
fn unmasked(frame: &[u8]) -> Vec<u8> {
    let length = usize::from(frame[1] & 0x7f);
    assert!(length < 126 && frame[1] & 0x80 != 0, "a short masked frame");
    let (mask, payload) = frame[2..].split_at(4);
    let plain = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
    [&[frame[0], frame[1] & 0x7f][..], &plain.collect::<Vec<_>>()].concat()
}

/// Opens one, with the browser's cookies, over HTTP/1.1.
pub async fn open(browser: &Browser, host: &str) -> WebSocketStream<Tls> {
    let mut request = format!("wss://{host}/socket").into_client_request().unwrap();
    request.headers_mut().insert("origin", format!("https://{host}").parse().unwrap());
    if let Some(cookies) = browser.cookies(host) {
        request.headers_mut().insert("cookie", cookies.parse().unwrap());
    }
    let stream = browser.connect(host).await;
    client_async(request, stream).await.unwrap().0
}

/// Says something and hears it back.
pub async fn says_back(socket: &mut WebSocketStream<Tls>, words: &str) {
    use futures_util::{SinkExt as _, StreamExt as _};
    socket.send(Message::text(words)).await.unwrap();
    let heard = socket.next().await.unwrap().unwrap();
    assert_eq!(heard, Message::text(words));
}

/// It ends, and without having to say anything.
pub async fn ends(socket: &mut WebSocketStream<Tls>) {
    use futures_util::StreamExt as _;
    let end = async {
        while let Some(Ok(message)) = socket.next().await {
            assert!(!message.is_text(), "nothing more comes through: {message}");
        }
    };
    within("it ends", end).await;
}
