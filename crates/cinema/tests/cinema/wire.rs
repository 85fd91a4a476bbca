//! A client that sends exactly the bytes it is told: no path is tidied, no header added but `Host`.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// An answer as it came.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One request on a connection of its own.
pub struct Call<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl<'a> Call<'a> {
    pub fn new(method: &'a str, path: &'a str) -> Self {
        Self { method, path, headers: Vec::new(), body: Vec::new() }
    }

    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn token(self, token: &str) -> Self {
        self.with("Authorization", format!("MediaBrowser Token=\"{token}\""))
    }

    pub fn json(mut self, body: Value) -> Self {
        self.body = body.to_string().into_bytes();
        self.with("Content-Type", "application/json")
    }

    /// Sends it and reads to the end of the answer; of a 101 or a HEAD, to the end of its head.
    pub async fn send(self, to: SocketAddr) -> Reply {
        let (mut stream, reply) = self.begin(to).await;
        let mut reply = reply;
        if self_has_no_body(&reply) {
            return reply;
        }
        stream.read_to_end(&mut reply.body).await.unwrap();
        if reply.header("Transfer-Encoding") == Some("chunked") {
            reply.body = unchunk(&reply.body);
        }
        reply
    }

    /// Sends it and reads the head. What came after the head is in the body.
    pub async fn begin(self, to: SocketAddr) -> (TcpStream, Reply) {
        let mut stream = TcpStream::connect(to).await.unwrap();
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        let has =
            |name: &str| self.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
        if !has("Host") {
            head += &format!("Host: {to}\r\n");
        }
        if !has("Upgrade") {
            head += "Connection: close\r\n";
        }
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        if !has("Content-Length") && (!self.body.is_empty() || self.method == "POST") {
            head += &format!("Content-Length: {}\r\n", self.body.len());
        }
        head += "\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&self.body).await.unwrap();
        let reply = read_head(&mut stream).await;
        (stream, reply)
    }
}

fn self_has_no_body(reply: &Reply) -> bool {
    reply.status == 101
}

async fn read_head(stream: &mut TcpStream) -> Reply {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "cut in the head: {bytes:?}");
    };
    let body = bytes.split_off(end + 4);
    let head = String::from_utf8(bytes).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Reply { status, headers, body }
}

fn unchunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let end = bytes.windows(2).position(|two| two == b"\r\n").expect("a chunk's size line");
        let size = std::str::from_utf8(&bytes[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return whole;
        }
        whole.extend_from_slice(&bytes[end + 2..end + 2 + size]);
        bytes = &bytes[end + 2 + size + 2..];
    }
}

/// The device header that a sign-in needs.
pub fn device(id: &str) -> String {
    format!("MediaBrowser Client=\"Probe\", Device=\"Bench\", DeviceId=\"{id}\", Version=\"1.0\"")
}

/// Signs in and gives the token.
pub async fn sign_in(to: SocketAddr, name: &str, password: &str, device_id: &str) -> String {
    let reply = Call::new("POST", "/Users/AuthenticateByName")
        .with("Authorization", device(device_id))
        .json(serde_json::json!({ "Username": name, "Pw": password }))
        .send(to)
        .await;
    assert_eq!(reply.status, 200, "{name} signs in: {}", reply.text());
    reply.json()["AccessToken"].as_str().unwrap().to_owned()
}
