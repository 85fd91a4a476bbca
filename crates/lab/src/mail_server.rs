//! A server that takes mail, with TLS and without, and has moods.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener as StdListener},
    sync::{Arc, Mutex},
    thread,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use rcgen::{ExtendedKeyUsagePurpose, SanType};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    runtime::Builder,
    sync::{oneshot, watch},
    task::LocalSet,
};
use tokio_rustls::TlsAcceptor;

use crate::client_ca::{ClientCa, dns};

/// A server on loopback.
pub struct MailServer {
    /// Where it listens.
    pub address: SocketAddr,
    authority: ClientCa,
    heard: Arc<Mutex<Heard>>,
    mood: watch::Sender<Mood>,
    over: Option<oneshot::Sender<()>>,
}

/// When its TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begins {
    /// With the first octet.
    Tls,
    /// When it is asked for by `STARTTLS`.
    Plain,
}

/// What it does with mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Takes it.
    Takes,
    /// Says nothing at all until it is in another mood, and hangs up then.
    Silent,
    /// Wants it later.
    Busy,
    /// Wants none for that address.
    Refuses,
    /// Wants none from that address.
    ForeignSender,
    /// Knows nobody's password.
    KnowsNobody,
    /// Has no `STARTTLS`.
    NoTls,
    /// Says more than it was asked before TLS begins.
    Injects,
}

/// A mail as it came.
#[derive(Clone, Debug, Default)]
pub struct TakenMail {
    /// Whom it was from.
    pub from: String,
    /// Whom it was for.
    pub to: Vec<String>,
    /// Head and body.
    pub text: String,
    /// Who brought it, and with which password.
    pub login: Option<(String, String)>,
    /// Did it come over TLS?
    pub secured: bool,
}

#[derive(Default)]
struct Heard {
    mails: Vec<TakenMail>,
    lines: Vec<String>,
    connections: usize,
}

#[derive(Clone)]
struct Serving {
    heard: Arc<Mutex<Heard>>,
    mood: watch::Receiver<Mood>,
    tls: TlsAcceptor,
    begins: Begins,
}

impl MailServer {
    /// Starts one on a thread of its own, whose certificate is for `localhost` and 127.0.0.1.
    pub fn start(begins: Begins) -> Self {
        Self::named(begins, "localhost", Ipv4Addr::LOCALHOST.into())
    }

    /// The same with a certificate for others.
    pub fn named(begins: Begins, name: &str, at: IpAddr) -> Self {
        let authority = ClientCa::new("the mail's authority");
        let identity = authority.issue(1, |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            params.subject_alt_names = vec![dns(name), SanType::IpAddress(at)];
        });
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(identity.chain, identity.key)
            .expect("a pair");
        let listener = StdListener::bind("127.0.0.1:0").expect("a port of loopback");
        listener.set_nonblocking(true).expect("an option");
        let address = listener.local_addr().expect("an address");
        let (mood, moods) = watch::channel(Mood::Takes);
        let heard = Arc::<Mutex<Heard>>::default();
        let tls = TlsAcceptor::from(Arc::new(config));
        let serving = Serving { heard: Arc::clone(&heard), mood: moods, tls, begins };
        let (over, is_over) = oneshot::channel();
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            let stage = LocalSet::new();
            runtime.block_on(stage.run_until(async move {
                tokio::select! {
                    () = accept(listener, serving) => {}
                    _ = is_over => {}
                }
            }));
        });
        Self { address, authority, heard, mood, over: Some(over) }
    }

    /// The certificate of its authority, PEM.
    pub fn authority(&self) -> String {
        self.authority.pem()
    }

    /// From now on it does otherwise.
    pub fn set(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    /// What it took so far.
    pub fn mails(&self) -> Vec<TakenMail> {
        self.heard.lock().expect("nobody panicked").mails.clone()
    }

    /// Every line that it heard, of mails apart.
    pub fn lines(&self) -> Vec<String> {
        self.heard.lock().expect("nobody panicked").lines.clone()
    }

    /// How many connections came so far.
    pub fn connections(&self) -> usize {
        self.heard.lock().expect("nobody panicked").connections
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        drop(self.over.take());
    }
}

async fn accept(listener: StdListener, serving: Serving) {
    let listener = TcpListener::from_std(listener).expect("a listener");
    while let Ok((stream, _)) = listener.accept().await {
        serving.heard.lock().expect("nobody panicked").connections += 1;
        let serving = serving.clone();
        tokio::task::spawn_local(async move {
            let _hung_up = serving.serve(stream).await;
        });
    }
}

impl Serving {
    async fn serve(mut self, stream: TcpStream) -> io::Result<()> {
        if *self.mood.borrow() == Mood::Silent {
            drop(self.mood.wait_for(|mood| *mood != Mood::Silent).await);
            return Ok(());
        }
        if self.begins == Begins::Tls {
            let stream = self.tls.accept(stream).await?;
            return self.talk(stream, ("220 mail.test\r\n", true)).await.map(drop);
        }
        match self.talk(stream, ("220 mail.test\r\n", false)).await? {
            Some(stream) => {
                let stream = self.tls.accept(stream).await?;
                self.talk(stream, ("", true)).await.map(drop)
            }
            None => Ok(()),
        }
    }

    /// Until it is over, or TLS is to begin.
    async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        (greeting, secured): (&str, bool),
    ) -> io::Result<Option<S>> {
        let mut wire = BufReader::new(stream);
        wire.write_all(greeting.as_bytes()).await?;
        let mut mail = TakenMail { secured, ..TakenMail::default() };
        loop {
            wire.flush().await?;
            let mut line = String::new();
            if wire.read_line(&mut line).await? == 0 {
                return Ok(None);
            }
            let line = line.trim_end();
            self.heard.lock().expect("nobody panicked").lines.push(line.to_owned());
            let mood = *self.mood.borrow();
            let word = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
            let answer = match (&*word, mood) {
                ("EHLO", Mood::NoTls) => "250-mail.test\r\n250 8BITMIME\r\n",
                ("EHLO", _) if secured => "250-mail.test\r\n250-8BITMIME\r\n250 AUTH PLAIN\r\n",
                ("EHLO", _) => "250-mail.test\r\n250-8BITMIME\r\n250 STARTTLS\r\n",
                ("STARTTLS", Mood::Injects) => {
                    wire.write_all(b"220 go on\r\n250-mail.test\r\n250 AUTH LOGIN\r\n").await?;
                    return Ok(Some(wire.into_inner()));
                }
                ("STARTTLS", _) => {
                    wire.write_all(b"220 go on\r\n").await?;
                    return Ok(Some(wire.into_inner()));
                }
                ("AUTH", Mood::KnowsNobody) => "535 5.7.8 who are you?\r\n",
                ("AUTH", _) => {
                    mail.login = login(line);
                    "235 2.7.0 welcome\r\n"
                }
                ("MAIL", Mood::Busy) => "451 4.3.0 later\r\n",
                ("MAIL", Mood::ForeignSender) => "553 5.7.1 not yours\r\n",
                ("MAIL", _) => {
                    mail.from = path(line);
                    "250 2.1.0 from whom\r\n"
                }
                ("RCPT", Mood::Refuses) => "550 5.1.1 no such mailbox\r\n",
                ("RCPT", _) => {
                    mail.to.push(path(line));
                    "250 2.1.5 to whom\r\n"
                }
                ("DATA", _) => {
                    wire.write_all(b"354 go on\r\n").await?;
                    mail.text = text(&mut wire).await?;
                    self.heard.lock().expect("nobody panicked").mails.push(mail.clone());
                    "250 2.0.0 taken\r\n"
                }
                ("QUIT", _) => {
                    wire.write_all(b"221 2.0.0 bye\r\n").await?;
                    return Ok(None);
                }
                _ => "500 5.5.1 what?\r\n",
            };
            wire.write_all(answer.as_bytes()).await?;
        }
    }
}

/// Between `<` and `>`.
fn path(line: &str) -> String {
    let path = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    path.map(|(path, _)| path.to_owned()).unwrap_or_default()
}

/// `AUTH PLAIN` (RFC 4616).
fn login(line: &str) -> Option<(String, String)> {
    let octets = BASE64_STANDARD.decode(line.strip_prefix("AUTH PLAIN ")?).ok()?;
    let text = String::from_utf8(octets).ok()?;
    let (name, password) = text.strip_prefix('\0')?.split_once('\0')?;
    Some((name.to_owned(), password.to_owned()))
}

/// Up to the line with a dot (RFC 5321 §4.5.2).
async fn text<S: AsyncRead + AsyncWrite + Unpin>(wire: &mut BufReader<S>) -> io::Result<String> {
    let mut text = String::new();
    loop {
        let mut line = String::new();
        if wire.read_line(&mut line).await? == 0 || line == ".\r\n" {
            return Ok(text);
        }
        text.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}
