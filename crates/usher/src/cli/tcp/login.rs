//! Somebody signs this program in: in their browser, which brings the token to a port of ours.

use std::{
    io::{self, IsTerminal as _, Write as _},
    process::{Command, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::{Failure, proxy::Proxy, token::is_token};

/// How long one visitor of that port may take.
const VISITOR: Duration = Duration::from_secs(10);

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
pub(super) async fn sign_in(proxy: &Proxy, opens: Opens) -> Result<String, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(Failure::Listen)?;
    let port = listener.local_addr().map_err(Failure::Listen)?.port();
    let link = proxy.login(&format!("http://127.0.0.1:{port}/")).await?;
    let begun = opens == Opens::Browser && browser(&link);
    let how = if begun { "your browser shows a page: sign in there" } else { "to sign in open" };
    let _nowhere_left = writeln!(io::stderr(), "{how}\n{link}");
    loop {
        let (visitor, _) = listener.accept().await.map_err(Failure::Listen)?;
        let brought = tokio::time::timeout(VISITOR, token_of(visitor)).await;
        if let Ok(Ok(Some(token))) = brought {
            return Ok(token);
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
async fn token_of(mut visitor: TcpStream) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD {
        if visitor.read_buf(&mut head).await? == 0 {
            return Ok(None);
        }
    }
    let token = token_in(&head);
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

fn token_in(head: &[u8]) -> Option<String> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    let target = std::str::from_utf8(line).ok()?.strip_prefix("GET ")?.split(' ').next()?;
    let (_, query) = target.split_once('?')?;
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    let token = pairs.find(|(name, _)| name == "pomerium_jwt")?.1.into_owned();
    is_token(&token).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::token_in;

    #[test]
    fn a_token_is_taken_from_an_address_and_nothing_else_is() {
        for (head, expected) in [
            ("GET /?pomerium_jwt=a.b.c HTTP/1.1\r\n\r\n", Some("a.b.c")),
            ("GET /?x=1&pomerium_jwt=a.b.c HTTP/1.1\r\nhost: x\r\n\r\n", Some("a.b.c")),
            ("GET /favicon.ico HTTP/1.1\r\n\r\n", None),
            ("POST /?pomerium_jwt=a.b.c HTTP/1.1\r\n\r\n", None),
            ("GET /?pomerium_jwt= HTTP/1.1\r\n\r\n", None),
            ("GET /?pomerium_jwt=a%0d%0ab HTTP/1.1\r\n\r\n", None),
            ("GET / HTTP/1.1\r\nreferer: /?pomerium_jwt=a.b.c\r\n\r\n", None),
        ] {
            assert_eq!(token_in(head.as_bytes()).as_deref(), expected, "{head:?}");
        }
    }
}
