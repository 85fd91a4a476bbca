//! An app that answers with the head that it got.

use std::{io, net::SocketAddr};

use serde_json::{Map, Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// Under this field an answer is the app's, and no page of ours.
pub(crate) const FIELD: &str = "x-golden-upstream";

/// Listens on loopback, for as long as the runtime runs.
pub(crate) async fn start() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    #[expect(clippy::disallowed_methods, reason = "it ends with the runtime")]
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(answer(socket));
        }
    });
    Ok(address)
}

async fn answer(mut socket: TcpStream) -> io::Result<()> {
    let head = head(&mut socket).await?;
    let said = told(&head).to_string();
    let length = said.len();
    let answer = format!(
        "HTTP/1.1 200 OK\r\n{FIELD}: 1\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n{said}"
    );
    socket.write_all(answer.as_bytes()).await
}

/// Everything up to the empty line.
pub(crate) async fn head(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> io::Result<String> {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        read.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&read).into_owned())
}

/// `{"target": …, "host": …, "fields": {name: [values]}}`.
fn told(head: &str) -> Value {
    let mut lines = head.lines();
    let target = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
    let mut fields = Map::new();
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        let values = fields.entry(name.to_ascii_lowercase()).or_insert_with(|| json!([]));
        if let Value::Array(values) = values {
            values.push(json!(value));
        }
    }
    json!({ "target": target, "host": fields.get("host").and_then(|host| host.get(0)), "fields": fields })
}
