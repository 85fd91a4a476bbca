//! `usher certs`: what an operator does with certificates by hand.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use usher_rules::{names::Host, plan::Plan, time::Clock as _};

use super::status::{NoPlace, Place};
use crate::{
    certs::{
        self, CertError,
        acme::{AcmeClient, AcmeError, AcmeTimeouts, CertificateStore, revoke, rotate_account_key},
    },
    server::SystemClock,
};

/// Renew or revoke certificates from an authority, or change the account's key.
///
/// `usher status` lists them. A running usher does what is asked within seconds.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to look.
    #[command(flatten)]
    pub place: Place,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Command {
    /// Order a certificate now: whatever the old one's age, and without the wait after a failure
    Renew {
        /// The host, or `*.DOMAIN`
        host: String,
    },
    /// Revoke a certificate whose key others may have, and order a new one
    Revoke {
        /// The host, or `*.DOMAIN`
        host: String,
    },
    /// Give our account at the authority another key
    RotateAccountKey,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Place(#[from] NoPlace),
    #[error(transparent)]
    Disk(#[from] CertError),
    #[error(transparent)]
    Acme(#[from] AcmeError),
    #[error("`autocert` has no certificate for `{0}`")]
    NotOurs(String),
    #[error("a certificate of yours covers `{0}`, so none is ordered")]
    Covered(Box<str>),
    #[error("can't speak with the authority: {0}")]
    System(#[from] io::Error),
}

impl Failure {
    fn hint(&self) -> &'static str {
        match self {
            Self::Place(_) => "`usher check` shows every problem of the config",
            Self::Disk(error) => error.hint(),
            Self::Acme(error) => error.hint(),
            Self::NotOurs(_) => "`usher status` lists what there is",
            Self::Covered(_) => "take it out of the config; `usher status` says which one it is",
            Self::System(_) => "try again",
        }
    }
}

/// Does it. Exit status: 0 done, 1 not done, 2 bad config.
pub fn run(args: &Args) -> ExitCode {
    let code = match perform(args) {
        Ok(words) => {
            let _nowhere_left = writeln!(io::stdout(), "{words}");
            return ExitCode::SUCCESS;
        }
        Err(failure) => {
            let _nowhere_left =
                writeln!(io::stderr(), "error: {failure}\nhint: {}", failure.hint());
            if matches!(failure, Failure::Place(_)) { 2 } else { 1 }
        }
    };
    ExitCode::from(code)
}

/// A name that `autocert` looks after, whether it has a certificate yet or not.
fn wanted(plan: &Plan, host: &str) -> Option<Box<str>> {
    let autocert = plan.autocert.as_ref()?;
    let (mut names, host) = (autocert.names.iter(), Host::a_labels(host));
    names.find(|name| name.eq_ignore_ascii_case(&host)).cloned()
}

fn perform(args: &Args) -> Result<String, Failure> {
    let (plan, dir) = args.place.open()?;
    let store = CertificateStore::open(AcmeClient::folder(&plan, &dir))?;
    let ours = |host: &str| -> Result<Box<str>, Failure> {
        let host: Box<str> = Host::a_labels(host).to_ascii_lowercase().into();
        match store.leaf(&host)? {
            Some(_) => Ok(host),
            None => Err(Failure::NotOurs(host.into())),
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    crate::server::install_cryptography();
    match &args.command {
        Command::Renew { host } => {
            let host = wanted(&plan, host).ok_or_else(|| Failure::NotOurs(host.clone()))?;
            if certs::is_covered(&plan, &host, SystemClock.now().wall) {
                return Err(Failure::Covered(host));
            }
            store.ask_renewal(&host)?;
            Ok(format!("a new certificate for {host} is ordered as soon as usher runs"))
        }
        Command::Revoke { host } => {
            let host = ours(host)?;
            runtime.block_on(revoke(&plan, &store, &host, AcmeTimeouts::USUAL))?;
            Ok(format!("the certificate for {host} is revoked; a new one is ordered"))
        }
        Command::RotateAccountKey => {
            runtime.block_on(rotate_account_key(&plan, &store, AcmeTimeouts::USUAL))?;
            Ok("our account has another key; the old one counts no more".into())
        }
    }
}
