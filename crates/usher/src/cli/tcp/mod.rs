//! `usher tcp`: bytes through a proxy, from a port of this machine or for `ssh`.

mod address;
mod login;
mod proxy;
mod token;

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    os::fd::{AsFd as _, BorrowedFd},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use http::StatusCode;
use tokio::{
    fs::File,
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    sync::Mutex,
};

use self::{
    address::Address,
    login::Opens,
    proxy::{Answer, Proxy},
    token::Kept,
};
use crate::request::forward::Trust;

/// Open a tunnel to a `tcp+https` route, from a port of this machine or for `ssh`.
///
/// Sign-in opens your browser, or prints the address; it counts for the next time, too.
/// With `ssh`: ProxyCommand usher tcp --listen - %h:%p
/// Exit status: 0 done, 1 refused, 2 bad usage, 3 not reached, 4 nobody signed in.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// `HOST:PORT` of the route, or `tcp+https://PROXY/HOST:PORT`
    #[arg(value_name = "HOST:PORT")]
    to: String,
    /// Where to listen; `-` for standard input and output
    #[arg(short, long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: String,
    /// Where usher listens, when the name of the host does not lead there
    #[arg(long, value_name = "HOST:PORT")]
    proxy: Option<String>,
    /// Believe this authority, too (PEM)
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// A token in the place of a sign-in [default: $USHER_TOKEN]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Print the address of the sign-in, and open no browser
    #[arg(long)]
    no_browser: bool,
}

/// After a connection could not be taken.
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// Why there is no tunnel, and what to do about it.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(
        "`{0}` is nothing that a tunnel leads to: write HOST:PORT, or tcp+https://PROXY/HOST:PORT"
    )]
    NoAddress(Box<str>),
    #[error("{0} can't be read: {1}")]
    File(PathBuf, Box<str>),
    #[error("no port can be had: {0}; choose another one with --listen")]
    Listen(io::Error),
    #[error("{to} is not open to you: ask whoever runs it, or sign in as somebody else")]
    Refused { to: Box<str> },
    #[error("no route leads to {to}: compare host and port with `from` of the route")]
    NoRoute { to: Box<str> },
    #[error("{to} can't be reached from the proxy, which says {status}: try again later")]
    Down { to: Box<str>, status: StatusCode },
    #[error(
        "{proxy} can't be reached: {why}; look at name and network, and at --ca if it is signed by an authority of its own"
    )]
    Unreached { proxy: Box<str>, why: Box<str> },
    #[error("the token does not count: get a new one, or leave it out to sign in")]
    Token,
    #[error("the proxy tells no address to sign in at ({status}): is it usher or Pomerium?")]
    NoLogin { status: StatusCode },
}

impl Failure {
    const fn code(&self) -> u8 {
        match self {
            Self::Refused { .. } | Self::NoRoute { .. } => 1,
            Self::NoAddress(_) | Self::File(..) | Self::Listen(_) => 2,
            Self::Down { .. } | Self::Unreached { .. } => 3,
            Self::Token | Self::NoLogin { .. } => 4,
        }
    }
}

/// One proxy, and who signs in there: once, however many connections wait for it.
struct Client {
    proxy: Proxy,
    opens: Opens,
    kept: Kept,
    given: Option<String>,
    token: Mutex<Option<String>>,
}

/// Opens tunnels until the first one ends (`--listen -`), or until it is stopped.
pub fn run(args: &Args) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = match &runtime {
        Ok(runtime) => runtime.block_on(tunnel(args)).map_err(|why| (why.code(), why.to_string())),
        Err(error) => Err((3, error.to_string())),
    };
    if let Ok(runtime) = runtime {
        runtime.shutdown_background(); // nobody waits for what is typed
    }
    let Err((code, why)) = ended else { return ExitCode::SUCCESS };
    let _nowhere_left = writeln!(io::stderr(), "error: {why}");
    ExitCode::from(code)
}

async fn tunnel(args: &Args) -> Result<(), Failure> {
    let client = Arc::new(Client::of(args)?);
    if args.listen == "-" {
        return between(client.open().await?).await;
    }
    let listener = TcpListener::bind(&args.listen).await.map_err(Failure::Listen)?;
    let at: SocketAddr = listener.local_addr().map_err(Failure::Listen)?;
    let _nowhere_left = writeln!(io::stderr(), "{at} leads to {}", client.proxy.address);
    loop {
        let Ok((mut near, _)) = listener.accept().await else {
            tokio::time::sleep(BETWEEN_TRIES).await; // no file descriptors are left (EMFILE)
            continue;
        };
        let client = Arc::clone(&client);
        beside(async move {
            match client.open().await {
                Ok(mut far) => {
                    let _ended = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                }
                Err(why) => {
                    let _nowhere_left = writeln!(io::stderr(), "error: {why}");
                }
            }
        });
    }
}

/// What runs beside the rest is one connection, of somebody near or to the proxy.
#[expect(clippy::disallowed_methods, reason = "ends with its connection, or with the process")]
fn beside(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

/// Standard input and output. When nothing more comes, whoever reads has to hear of it: a pipe has
/// no half-close that a process could see while we hold it.
async fn between(far: impl AsyncRead + AsyncWrite + Unpin) -> Result<(), Failure> {
    let (mut from, mut to) = tokio::io::split(far);
    let mut typed = standard(io::stdin().as_fd())?;
    let mut shown = standard(io::stdout().as_fd())?;
    let up = async {
        let _ended = tokio::io::copy(&mut typed, &mut to).await;
        let _ended = to.shutdown().await;
        std::future::pending::<()>().await;
    };
    let down = async {
        let _ended = tokio::io::copy(&mut from, &mut shown).await;
        let _ended = shown.flush().await;
    };
    tokio::select! {
        () = up => {}
        () = down => {}
    }
    Ok(())
}

/// One of the standard streams, as a file.
fn standard(stream: BorrowedFd<'_>) -> Result<File, Failure> {
    let own = stream.try_clone_to_owned().map_err(Failure::Listen)?;
    Ok(File::from_std(own.into()))
}

impl Client {
    fn of(args: &Args) -> Result<Self, Failure> {
        let address: Address =
            args.to.parse().map_err(|_| Failure::NoAddress(args.to.as_str().into()))?;
        let mut trust = Trust::system(&[]);
        if let Some(file) = &args.ca {
            let pem = std::fs::read(file).map_err(|error| unread(file, &error))?;
            trust.add(&pem);
        }
        let unusable = |error| Failure::Unreached {
            proxy: address.origin().into(),
            why: format!("{error}").into(),
        };
        let mut tls = trust.client().map_err(unusable)?.with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let given = match &args.token_file {
            Some(file) => {
                Some(token::read(file).ok_or_else(|| unread(file, &"it holds no token"))?)
            }
            None => std::env::var_os("USHER_TOKEN").and_then(|token| token.into_string().ok()),
        };
        let kept = Kept::of(&address, |name| std::env::var_os(name));
        let token = Mutex::new(given.clone().or_else(|| kept.read()));
        let opens = if args.no_browser { Opens::Reader } else { Opens::Browser };
        let proxy = Proxy { address, at: args.proxy.clone(), tls: Arc::new(tls) };
        Ok(Self { proxy, opens, kept, given, token })
    }

    /// A tunnel, with the token that there is; with a new one where that does not count.
    async fn open(&self) -> Result<impl AsyncRead + AsyncWrite + Unpin + Send + use<>, Failure> {
        let before = self.token.lock().await.clone();
        if let Answer::Open(far) = self.proxy.open(before.as_deref()).await? {
            return Ok(far);
        }
        if self.given.is_some() {
            return Err(Failure::Token);
        }
        let fresh = self.signed_in(before).await?;
        match self.proxy.open(Some(&fresh)).await? {
            Answer::Open(far) => Ok(far),
            Answer::SignIn => Err(Failure::Token),
        }
    }

    /// Whoever waited while somebody else signed in has that token.
    async fn signed_in(&self, before: Option<String>) -> Result<String, Failure> {
        let mut token = self.token.lock().await;
        if let Some(fresh) = token.clone().filter(|fresh| Some(fresh) != before.as_ref()) {
            return Ok(fresh);
        }
        let fresh = login::sign_in(&self.proxy, self.opens).await?;
        if let Err(error) = self.kept.write(&fresh) {
            let _nowhere_left =
                writeln!(io::stderr(), "the sign-in is not kept for the next time: {error}");
        }
        *token = Some(fresh.clone());
        Ok(fresh)
    }
}

fn unread(file: &Path, why: &dyn std::fmt::Display) -> Failure {
    Failure::File(file.to_owned(), why.to_string().into())
}
