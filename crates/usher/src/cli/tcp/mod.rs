//! `usher tcp`: bytes through a proxy, from a port of this machine or for `ssh`.

mod address;
mod client;
mod flows;
mod home;
mod listen;
mod login;
mod losses;
pub mod many;
mod options;
mod proxy;
mod renewal;
pub mod routes;
mod token;
pub mod udp;

use std::{
    io::{self, Write as _},
    os::fd::{AsFd as _, BorrowedFd},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

use http::StatusCode;
use tokio::{
    fs::File,
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
};
use usher_rules::plan::Carried;

use self::{client::Client, options::Options};

/// Open a tunnel to a `tcp+https` route, from a port of this machine or for `ssh`.
///
/// Sign-in opens your browser, or prints the address; it counts for the next time, too. In a
/// terminal you are asked for the next one before it ends.
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
    #[command(flatten)]
    options: Options,
}

/// Why there is no tunnel, and what to do about it.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(
        "`{0}` is nothing that a tunnel leads to: write HOST:PORT, or {1}+https://PROXY/HOST:PORT"
    )]
    NoAddress(Box<str>, &'static str),
    #[error("`{0}` is no host: write HOST, as in https://HOST")]
    NoHost(Box<str>),
    #[error("{0} can't be read: {1}")]
    File(PathBuf, Box<str>),
    #[error("{0}, line {1}: {2}; write for example `127.0.0.1:2222 ssh.example.com:22`")]
    Line(PathBuf, usize, &'static str),
    #[error("no file of tunnels is named, and no home folder has one: usher tunnels FILE")]
    NoFile,
    #[error("TLS can't be set up: {0}")]
    Tls(Box<str>),
    #[error("no port can be had: {0}; choose another one with --listen")]
    Listen(io::Error),
    #[error("{to} is not open to you: ask whoever runs it, or sign in as somebody else")]
    Refused { to: Box<str> },
    #[error("{proxy} {why}")]
    Certificate { proxy: Box<str>, why: &'static str },
    #[error("no route leads to {to}: compare host and port with `from` of the route")]
    NoRoute { to: Box<str> },
    #[error("{to} can't be reached from the proxy, which says {status}: try again later")]
    Down { to: Box<str>, status: StatusCode },
    #[error(
        "{proxy} can't be reached: {why}; look at name and network, and at --ca if it is signed by an authority of its own"
    )]
    Unreached { proxy: Box<str>, why: Box<str> },
    #[error("{proxy} lists no routes ({status}): is it usher or Pomerium, and `routes_portal` on?")]
    NoRoutes { proxy: Box<str>, status: StatusCode },
    #[error("what {proxy} lists can't be read: is it usher or Pomerium?")]
    Unread { proxy: Box<str> },
    #[error("no route is open to you there: ask whoever runs it, or sign in as somebody else")]
    NothingOpen,
    #[error("the token does not count: get a new one, or leave it out to sign in")]
    Token,
    #[error("the proxy tells no address to sign in at ({status}): is it usher or Pomerium?")]
    NoLogin { status: StatusCode },
}

impl Failure {
    const fn code(&self) -> u8 {
        match self {
            Self::Refused { .. }
            | Self::Certificate { .. }
            | Self::NoRoute { .. }
            | Self::NothingOpen => 1,
            Self::NoAddress(..)
            | Self::NoHost(_)
            | Self::File(..)
            | Self::Line(..)
            | Self::NoFile
            | Self::Tls(_)
            | Self::Listen(_) => 2,
            Self::Down { .. }
            | Self::Unreached { .. }
            | Self::NoRoutes { .. }
            | Self::Unread { .. } => 3,
            Self::Token | Self::NoLogin { .. } => 4,
        }
    }
}

/// Opens tunnels until the first one ends (`--listen -`), or until it is stopped.
pub fn run(args: &Args) -> ExitCode {
    said(tunnel(args))
}

/// Runs to its end, and says in one line why there is no more.
fn said(tunnels: impl Future<Output = Result<(), Failure>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = match &runtime {
        Ok(runtime) => runtime.block_on(tunnels).map_err(|why| (why.code(), why.to_string())),
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
    let client = Client::of(&args.to, Carried::Tcp, &args.options)?;
    if args.listen == "-" {
        return between(client.open().await?).await;
    }
    let listener = listen::bind(&args.listen, &client).await?;
    let client = Arc::new(client);
    tokio::join!(listen::serve(listener, Arc::clone(&client)), client.keep_signed_in());
    Ok(())
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
