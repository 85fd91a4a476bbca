//! One letter to the server that takes mail for us (RFC 5321). The connection is secured as every
//! other one that usher opens, and handed on once it is: the library that speaks has no TLS.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use lettre::{
    Address, Message,
    message::{
        Mailbox,
        header::{ContentType, HeaderName, HeaderValue, MIME_VERSION_1_0},
    },
    transport::smtp::{
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, AsyncTokioStream},
        extension::ClientId,
    },
};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::{
    io::{
        AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _,
        BufReader, ReadBuf,
    },
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use usher_rules::{
    names::Host,
    plan::{Plan, Smtp, SmtpLogin, SmtpTls},
    time::UnixTime,
};

use super::letter::Queued;
use crate::request::{forward::Trust, tls_error, tls_words};

/// How long it may take to be connected, and how long the whole talk.
const CONNECT: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(30);
/// How much a server may say before we have heard enough, in octets.
const MOST_HEARD: usize = 128 * 1024;
/// The longest line of an answer (RFC 5321 §4.5.3.1.5, and room), and how many it has.
const LONGEST_LINE: u64 = 1000;
const MOST_LINES: usize = 100;
/// How much of what a server says stands in a record.
const LONGEST_CAUSE: usize = 300;
/// What the library takes for a greeting where one was heard before TLS began.
const HEARD: &[u8] = b"220 TLS\r\n";

/// Why a letter was not taken.
#[derive(Debug)]
pub(super) enum NotSent {
    /// It can't be spoken with, and nothing else will be sent now either.
    Away(String),
    /// It does not want this one now.
    NotNow(String),
    /// It will not want it later either.
    Refused(String),
}

/// Sends it.
pub(super) async fn send(
    plan: &Plan,
    smtp: &Smtp,
    letter: &Queued,
    now: UnixTime,
) -> Result<(), NotSent> {
    let message = message(smtp, letter, now)?;
    let talk = async {
        let mut server = greeted(plan, smtp).await?;
        log_in(&mut server, smtp).await?;
        server.send(message.envelope(), &message.formatted()).await.map_err(not_now)?;
        let _it_was_taken = server.quit().await;
        Ok(())
    };
    let too_slow = || NotSent::Away("it did not answer in time".to_owned());
    timeout(PATIENCE, talk).await.unwrap_or_else(|_| Err(too_slow()))
}

/// The server, which has greeted us.
pub(super) async fn greeted(plan: &Plan, smtp: &Smtp) -> Result<AsyncSmtpConnection, NotSent> {
    let trust = Trust::system(&plan.extra_roots);
    let us = hello(&plan.sign_in.authenticate.host);
    let stream = connect(smtp, &trust, &us).await?;
    AsyncSmtpConnection::connect_with_transport(stream, &us).await.map_err(not_now)
}

/// Says who we are, where the config does.
pub(super) async fn log_in(server: &mut AsyncSmtpConnection, smtp: &Smtp) -> Result<(), NotSent> {
    let Some(SmtpLogin { username, password }) = &smtp.login else { return Ok(()) };
    let password = password.expose_str().unwrap_or_default().to_owned();
    let credentials = Credentials::new(username.to_string(), password);
    let told = server.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await;
    told.map(drop).map_err(not_now)
}

/// Whom mail comes from, as the library has it.
pub(super) fn sender(smtp: &Smtp) -> Result<Address, NotSent> {
    let (local, domain) = &smtp.from.address;
    let address = Address::new(&**local, domain.as_str());
    address.map_err(|error| NotSent::Refused(format!("no mail can be made of it: {error}")))
}

/// Text alone, in the reader's language. Nothing but the address comes from elsewhere.
fn message(smtp: &Smtp, letter: &Queued, now: UnixTime) -> Result<Message, NotSent> {
    let odd = |why: String| NotSent::Refused(format!("no mail can be made of it: {why}"));
    let (from, domain) = (sender(smtp)?, &smtp.from.address.1);
    let name = Some(smtp.from.name.to_string()).filter(|name| !name.is_empty());
    let to: Address = letter.to.parse().map_err(|_| odd("its address is none".to_owned()))?;
    if letter.to.contains(|c: char| c.is_control() || c.is_whitespace())
        || letter.subject.contains(char::is_control)
    {
        return Err(odd("it would have lines of its own in its head".to_owned()));
    }
    let id = format!("<{}@{}>", uuid::Uuid::new_v4(), domain.as_str());
    // Nobody's absence note answers it (RFC 3834 §5).
    let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
    Message::builder()
        .from(Mailbox::new(name, from))
        .to(Mailbox::new(None, to))
        .subject(&*letter.subject)
        .date(SystemTime::UNIX_EPOCH + Duration::from_secs(now.seconds()))
        .message_id(Some(id))
        .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
        .header(MIME_VERSION_1_0)
        .header(ContentType::TEXT_PLAIN)
        .body(letter.text.to_string())
        .map_err(|error| odd(error.to_string()))
}

/// What we call ourselves: the host where people sign in, where that is a name.
fn hello(host: &Host) -> ClientId {
    let text = host.as_str();
    let is_address = host.is_ipv6() || text.parse::<std::net::IpAddr>().is_ok();
    if is_address { ClientId::default() } else { ClientId::Domain(text.to_owned()) }
}

async fn connect(
    smtp: &Smtp,
    trust: &Trust,
    us: &ClientId,
) -> Result<Box<dyn AsyncTokioStream>, NotSent> {
    let host = smtp.host.as_str().trim_matches(['[', ']']);
    let tcp = timeout(CONNECT, TcpStream::connect((host, smtp.port))).await;
    let slow = || io::Error::from(io::ErrorKind::TimedOut);
    let mut tcp = tcp.unwrap_or_else(|_| Err(slow())).map_err(|error| away(&error))?;
    let peer = tcp.peer_addr().map_err(|error| away(&error))?;
    Ok(match smtp.tls {
        SmtpTls::None => Box::new(Wire::new(b"", tcp, peer)),
        SmtpTls::Implicit => Box::new(Wire::new(b"", secured(tcp, host, trust).await?, peer)),
        SmtpTls::StartTls => {
            ask_for_tls(&mut tcp, us).await?;
            Box::new(Wire::new(HEARD, secured(tcp, host, trust).await?, peer))
        }
    })
}

async fn secured(
    tcp: TcpStream,
    host: &str,
    trust: &Trust,
) -> Result<TlsStream<TcpStream>, NotSent> {
    let config = trust.client().map_err(|error| away(&error))?.with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(|error| away(&error))?;
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, tcp).await.map_err(|error| away(&error))
}

/// `STARTTLS` (RFC 3207), as far as it is in the clear: nothing of ours is said before TLS, and
/// nothing that was said before it counts after it.
async fn ask_for_tls(tcp: &mut TcpStream, us: &ClientId) -> Result<(), NotSent> {
    let mut wire = BufReader::new(tcp);
    answer(&mut wire, "220").await?;
    tell(&mut wire, &format!("EHLO {us}\r\n")).await?;
    let offers = answer(&mut wire, "250").await?;
    if !offers.iter().any(|line| line.trim().eq_ignore_ascii_case("STARTTLS")) {
        let why = "it offers no STARTTLS, and nothing is sent in the clear";
        return Err(NotSent::Away(why.to_owned()));
    }
    tell(&mut wire, "STARTTLS\r\n").await?;
    answer(&mut wire, "220").await?;
    if !wire.buffer().is_empty() {
        let why = "something was said behind its answer to STARTTLS, in the clear: somebody may be in between";
        return Err(NotSent::Away(why.to_owned()));
    }
    Ok(())
}

async fn tell(wire: &mut BufReader<&mut TcpStream>, line: &str) -> Result<(), NotSent> {
    wire.write_all(line.as_bytes()).await.map_err(|error| away(&error))
}

/// The lines of an answer (RFC 5321 §4.2.1), if it is this one.
async fn answer(
    wire: &mut BufReader<&mut TcpStream>,
    expected: &str,
) -> Result<Vec<String>, NotSent> {
    let mut lines = Vec::new();
    while lines.len() < MOST_LINES {
        let mut line = Vec::new();
        let read = (&mut *wire).take(LONGEST_LINE).read_until(b'\n', &mut line).await;
        read.map_err(|error| away(&error))?;
        let line = String::from_utf8_lossy(&line).into_owned();
        let (Some(rest), true) = (line.strip_prefix(expected), line.ends_with('\n')) else {
            return Err(NotSent::Away(short(&format!("its answer is `{}`", line.trim_end()))));
        };
        match rest.strip_prefix('-') {
            Some(rest) => lines.push(rest.to_owned()),
            None => {
                lines.push(rest.to_owned());
                return Ok(lines);
            }
        }
    }
    Err(NotSent::Away("its answer has no end".to_owned()))
}

fn away(error: &(dyn std::error::Error + 'static)) -> NotSent {
    match tls_error(error) {
        Some(tls) => NotSent::Away(format!("its TLS does not hold: {}", tls_words(tls))),
        None => NotSent::Away(format!("it can't be reached: {error}")),
    }
}

/// What the server said, or that it said nothing that could be read.
pub(super) fn not_now(error: lettre::transport::smtp::Error) -> NotSent {
    let mut words = error.to_string();
    if let Some(said) = std::error::Error::source(&error) {
        words = format!("{words}: {said}");
    }
    let words = short(&words);
    if error.is_permanent() || error.is_client() {
        NotSent::Refused(words)
    } else if error.is_transient() {
        NotSent::NotNow(words)
    } else {
        NotSent::Away(words)
    }
}

fn short(words: &str) -> String {
    words.chars().filter(|c| !c.is_control()).take(LONGEST_CAUSE).collect()
}

/// A connection, and what was heard of it before it was secured.
#[derive(Debug)]
struct Wire<S> {
    heard: &'static [u8],
    stream: S,
    peer: SocketAddr,
    left: usize,
}

impl<S> Wire<S> {
    const fn new(heard: &'static [u8], stream: S, peer: SocketAddr) -> Self {
        Self { heard, stream, peer, left: MOST_HEARD }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.heard.is_empty() {
            let (now, rest) = self.heard.split_at(self.heard.len().min(buf.remaining()));
            buf.put_slice(now);
            self.heard = rest;
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buf);
        let heard = buf.filled().len() - before;
        match self.left.checked_sub(heard) {
            Some(left) => self.left = left,
            None => return Poll::Ready(Err(io::Error::other("it says too much"))),
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S> AsyncTokioStream for Wire<S>
where
    S: AsyncRead + AsyncWrite + Send + Sync + Unpin + std::fmt::Debug,
{
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use usher_pages::{Language, Letter, LetterAbout};
    use usher_rules::{
        names::Host,
        plan::{Sender, Smtp, SmtpLogin, SmtpTls},
        secret::Secret,
        time::UnixTime,
    };

    use super::{NotSent, Queued, message};

    fn written(to: &str, site: &str, language: Language) -> Result<String, NotSent> {
        let smtp = Smtp {
            host: Host::parse("mail.test").unwrap(),
            port: 465,
            tls: SmtpTls::Implicit,
            login: Some(SmtpLogin {
                username: "tv".into(),
                password: Arc::new(Secret::new(*b"canary")),
            }),
            from: Sender::parse("Kuche <tv@a.test>").unwrap(),
        };
        let about = LetterAbout::Recovery { email: to, link: "https://a.test/?a=b", over_at: 0 };
        let letter = Queued::new((to, None), "a link", (Letter { site, about }, language));
        let message = message(&smtp, &letter, UnixTime::from_seconds(1_800_000_000))?;
        assert_eq!(message.envelope().to().len(), 1, "{to:?}");
        Ok(String::from_utf8(message.formatted()).unwrap())
    }

    #[test]
    fn nothing_but_an_address_and_one_line_gets_into_a_head() {
        let text = written("ann@a.test", "a.test", Language::English).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut names: Vec<_> = head.lines().filter_map(|line| line.split_once(": ")).collect();
        names.retain(|(name, _)| !name.starts_with(' '));
        names.sort_unstable();
        let names: Vec<_> = names.into_iter().map(|(name, _)| name).collect();
        let expected = [
            "Auto-Submitted",
            "Content-Transfer-Encoding",
            "Content-Type",
            "Date",
            "From",
            "MIME-Version",
            "Message-ID",
            "Subject",
            "To",
        ];
        assert!(expected.iter().all(|name| names.contains(name)), "{names:?}");
        assert!(names.len() <= expected.len(), "{names:?}");
        let body = body.replace("=\r\n", "").replace("=3D", "="); // quoted-printable
        assert!(body.contains("\r\nhttps://a.test/?a=b\r\n"), "a line of its own: {body}");
        for (to, site) in [
            ("ann@a.test\r\nBcc: eve@a.test", "a.test"),
            ("ann@a.test\nBcc: eve@a.test", "a.test"),
            ("ann@a.test, eve@a.test", "a.test"),
            ("<ann@a.test>\r\n", "a.test"),
            ("ann", "a.test"),
            ("", "a.test"),
            ("ann@a.test", "a.test\r\nBcc: eve@a.test"),
        ] {
            let made = written(to, site, Language::English);
            assert!(matches!(made, Err(NotSent::Refused(_))), "{to:?} {site:?}: {made:?}");
        }
    }

    #[test]
    fn every_language_is_sent_in_ascii() {
        for language in Language::ALL {
            let text = written("ann@a.test", "a.test", language).unwrap();
            assert!(text.is_ascii() && text.lines().all(|line| line.len() <= 998), "{text}");
            assert!(!text.contains("canary"));
        }
    }
}
