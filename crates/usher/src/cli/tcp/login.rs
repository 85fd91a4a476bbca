//! Somebody signs this program in: in their browser, which brings the token to a port of ours.

use std::{
    io::{self, IsTerminal as _, Write as _},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};

use super::{
    Failure,
    proxy::{Proxy, Wants},
    token::is_token,
};

/// How long one visitor of that port may take.
const VISITOR: Duration = Duration::from_secs(10);

/// How many of them are heard at once.
const VISITORS: usize = 64;

/// A head of theirs.
const HEAD: usize = 16 * 1024;

/// Who opens the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opens {
    /// The desktop's browser, where there is one.
    Browser,
    /// Whoever reads the address.
    Reader,
}

/// Waits for as long as somebody needs.
pub(super) async fn sign_in(proxy: &Proxy, opens: Opens, wants: Wants) -> Result<String, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(Failure::Listen)?;
    let port = listener.local_addr().map_err(Failure::Listen)?.port();
    let path = random_path().map_err(Failure::Listen)?;
    let link = proxy.login(&format!("http://127.0.0.1:{port}{path}"), wants).await?;
    let begun = opens == Opens::Browser && browser(&link);
    let how = if begun { "your browser shows a page: sign in there" } else { "to sign in open" };
    let _nowhere_left = writeln!(io::stderr(), "{how}\n{link}");
    if !begun && io::stderr().is_terminal() {
        let _nowhere_left = write!(io::stderr(), "{}", usher_pages::qr_text(&link));
    }
    brought(&listener, &path.into(), VISITOR).await.map_err(Failure::Listen)
}

/// Where the token is brought: every program of this machine reaches the port, and none guesses this.
fn random_path() -> io::Result<String> {
    let mut random = [0; 16];
    let filled = aws_lc_rs::rand::fill(&mut random);
    filled.map_err(|_| io::Error::other("the system has no randomness"))?;
    Ok(format!("/{}", BASE64_URL_SAFE_NO_PAD.encode(random)))
}

/// The token that somebody brings to `path`. Visitors are heard side by side: one that says nothing
/// holds up nobody.
async fn brought(
    listener: &TcpListener,
    path: &Arc<str>,
    patience: Duration,
) -> io::Result<String> {
    let mut visitors = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            Some(heard) = visitors.join_next() => {
                if let Ok(Ok(Ok(Some(token)))) = heard {
                    return Ok(token);
                }
            }
            visitor = listener.accept(), if visitors.len() < VISITORS => {
                let (visitor, path) = (visitor?.0, Arc::clone(path));
                visitors.spawn(async move { timeout(patience, token_of(visitor, &path)).await });
            }
        }
    }
}

/// Opens a page, where somebody sits in front of a screen.
fn browser(link: &str) -> bool {
    let has_screen =
        ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    if !has_screen || !io::stderr().is_terminal() {
        return false;
    }
    let mut command = Command::new("xdg-open");
    command.arg(link).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().is_ok()
}

/// The token in the address that a browser asks for; browsers ask for other things, too.
async fn token_of(mut visitor: TcpStream, path: &str) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD {
        if visitor.read_buf(&mut head).await? == 0 {
            return Ok(None);
        }
    }
    let token = token_in(&head, path);
    let (status, words) = match token {
        Some(_) => ("200 OK", "You are signed in. This window can be closed.\n"),
        None => ("404 Not Found", "Nothing is here.\n"),
    };
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\ncache-control: no-store\r\n\
         referrer-policy: no-referrer\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{words}",
        words.len()
    );
    visitor.write_all(answer.as_bytes()).await?;
    visitor.shutdown().await?;
    Ok(token)
}

fn token_in(head: &[u8], path: &str) -> Option<String> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    let target = std::str::from_utf8(line).ok()?.strip_prefix("GET ")?.split(' ').next()?;
    let (_, query) = target.split_once('?').filter(|(to, _)| *to == path)?;
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    let token = pairs.find(|(name, _)| name == "pomerium_jwt")?.1.into_owned();
    is_token(&token).then_some(token)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
    };
    use usher_lab::patience::within;

    use super::{brought, token_in};

    #[test]
    fn a_token_is_taken_from_an_address_and_nothing_else_is() {
        for (head, expected) in [
            ("GET /r?pomerium_jwt=a.b.c HTTP/1.1\r\n\r\n", Some("a.b.c")),
            ("GET /r?x=1&pomerium_jwt=a.b.c HTTP/1.1\r\nhost: x\r\n\r\n", Some("a.b.c")),
            ("GET /?pomerium_jwt=a.b.c HTTP/1.1\r\n\r\n", None),
            ("GET /other?pomerium_jwt=a.b.c HTTP/1.1\r\n\r\n", None),
            ("GET /r/?pomerium_jwt=a.b.c HTTP/1.1\r\n\r\n", None),
            ("GET /favicon.ico HTTP/1.1\r\n\r\n", None),
            ("POST /r?pomerium_jwt=a.b.c HTTP/1.1\r\n\r\n", None),
            ("GET /r?pomerium_jwt= HTTP/1.1\r\n\r\n", None),
            ("GET /r?pomerium_jwt=a%0d%0ab HTTP/1.1\r\n\r\n", None),
            ("GET /r HTTP/1.1\r\nreferer: /r?pomerium_jwt=a.b.c\r\n\r\n", None),
        ] {
            assert_eq!(token_in(head.as_bytes(), "/r").as_deref(), expected, "{head:?}");
        }
    }

    #[tokio::test]
    async fn a_login_port_takes_no_token_of_strangers_and_waits_for_nobody() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let visitors = async {
            let silent = TcpStream::connect(at).await.unwrap();
            for (path, token, status) in [("/", "of.a.stranger", 404), ("/r", "a.b.c", 200)] {
                let mut stream = TcpStream::connect(at).await.unwrap();
                let head = format!("GET {path}?pomerium_jwt={token} HTTP/1.1\r\n\r\n");
                stream.write_all(head.as_bytes()).await.unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).await.unwrap();
                assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
            }
            silent
        };
        let path = "/r".into();
        let waits = brought(&listener, &path, Duration::MAX);
        let both = async { tokio::join!(waits, visitors) };
        let (brought, _silent) = within("the token comes", both).await;
        assert_eq!(brought.unwrap(), "a.b.c");
    }
}
