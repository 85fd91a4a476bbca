//! Who guesses a password as a browser would: opens the form, fills it in, and sends it.

use std::{collections::BTreeMap, io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_rustls::client::TlsStream;

use crate::{compare::sign_in::Form, front_door::HOST};

/// How long it waits for an answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Ways on from one page to the next, at most.
const HOPS: usize = 8;
/// Of an answer, head and body.
const ANSWER: usize = 256 * 1024;

/// A browser on one connection.
struct Guesser {
    tls: TlsStream<TcpStream>,
    cookies: BTreeMap<String, String>,
}

/// What one request led to.
struct Answer {
    location: Option<String>,
    text: String,
}

/// Guesses until the connection is ended.
pub async fn passwords(tls: TlsStream<TcpStream>) -> io::Result<()> {
    let mut guesser = Guesser { tls, cookies: BTreeMap::new() };
    loop {
        let form = guesser.form().await?;
        let fields = form.hidden.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .append_pair("email", "ann@example.com")
            .append_pair("password", "a guess, and a wrong one")
            .finish();
        guesser.exchange("POST", &form.action, &body).await?;
        sleep(Duration::from_secs(1)).await;
    }
}

impl Guesser {
    /// The page that asks for a password, found as somebody finds it who is not signed in.
    async fn form(&mut self) -> io::Result<Form> {
        let mut path = "/assertion".to_owned();
        for _ in 0..HOPS {
            let answer = self.exchange("GET", &path, "").await?;
            match answer.location {
                Some(next) => path = next,
                None => {
                    let mut form = Form::find(&answer.text).ok_or_else(no_form)?;
                    if form.action.is_empty() {
                        form.action = path;
                    }
                    return Ok(form);
                }
            }
        }
        Err(no_form())
    }

    async fn exchange(&mut self, method: &str, address: &str, body: &str) -> io::Result<Answer> {
        let path = address.strip_prefix(&format!("https://{HOST}")).unwrap_or(address);
        let cookies: Vec<_> = self.cookies.iter().map(|(n, v)| format!("{n}={v}")).collect();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {HOST}\r\nOrigin: https://{HOST}\r\n\
             Accept: text/html\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: navigate\r\n\
             Sec-Fetch-Dest: document\r\nCookie: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            cookies.join("; "),
            body.len(),
        );
        self.tls.write_all(head.as_bytes()).await?;
        timeout(PATIENCE, self.read()).await?
    }

    async fn read(&mut self) -> io::Result<Answer> {
        let mut said = Vec::new();
        let head = loop {
            let end = said.windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(head) = end.and_then(|end| said.get(..end)) {
                break String::from_utf8_lossy(head).into_owned();
            }
            self.more(&mut said).await?;
        };
        let field = |line: &str, name: &str| {
            let (own, value) = line.split_once(':')?;
            own.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        };
        let length = head.lines().find_map(|line| field(line, "content-length")?.parse().ok());
        while said.len() < head.len() + 4 + length.unwrap_or(0_usize) {
            self.more(&mut said).await?;
        }
        for cookie in head.lines().filter_map(|line| field(line, "set-cookie")) {
            let pair = cookie.split(';').next().and_then(|pair| pair.split_once('='));
            if let Some((name, value)) = pair {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let location = head.lines().find_map(|line| field(line, "location"));
        Ok(Answer { location, text: String::from_utf8_lossy(&said).into_owned() })
    }

    async fn more(&mut self, said: &mut Vec<u8>) -> io::Result<()> {
        match self.tls.read_buf(said).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ if said.len() > ANSWER => Err(io::Error::other("an answer without end")),
            _ => Ok(()),
        }
    }
}

fn no_form() -> io::Error {
    io::Error::other("no form")
}
