//! One way through a proxy, with a token that counts there.

use std::{
    future::pending,
    io::{self, IsTerminal as _, Write as _},
    sync::{Arc, OnceLock},
    time::Duration,
};

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::sync::{Mutex, watch};
use usher_rules::plan::Carried;

use super::{
    Failure,
    address::Address,
    login::{self, Opens},
    options::Options,
    proxy::{Answer, Proxy, Wants},
    renewal::{self, Life, Session},
    token::Kept,
};

/// A tunnel's proxy, and who opens it.
pub(super) struct Client {
    pub proxy: Proxy,
    account: Arc<Account>,
}

/// Who somebody is at one proxy: they sign in once, however many connections and tunnels wait.
struct Account {
    opens: Opens,
    kept: Kept,
    given: Option<String>,
    token: watch::Sender<Option<String>>,
    /// Held by who signs in.
    turn: Mutex<()>,
    renewed: OnceLock<()>,
}

impl Client {
    pub(super) fn of(to: &str, carried: Carried, options: &Options) -> Result<Self, Failure> {
        let address = Address::parse(to, carried).ok();
        let address = address.filter(|address| address.carried == carried);
        Self::at(address.ok_or_else(|| Failure::NoAddress(to.into(), carried.word()))?, options)
    }

    /// For whatever the proxy itself answers.
    pub(super) fn of_host(host: &str, options: &Options) -> Result<Self, Failure> {
        let address = Address::of_proxy(host).map_err(|_| Failure::NoHost(host.into()))?;
        Self::at(address, options)
    }

    fn at(address: Address, options: &Options) -> Result<Self, Failure> {
        let given = options.token()?;
        let kept = Kept::of(&address, |name| std::env::var_os(name));
        let token = watch::Sender::new(given.clone().or_else(|| kept.read()));
        let account = Account {
            opens: options.opens(),
            kept,
            given,
            token,
            turn: Mutex::default(),
            renewed: OnceLock::new(),
        };
        let account = Arc::new(account);
        let proxy = Proxy { address, at: options.proxy.clone(), tls: options.tls()? };
        Ok(Self { proxy, account })
    }

    /// The same person, where the other tunnel leads through the same proxy.
    pub(super) fn beside(mut self, others: &[Arc<Self>]) -> Self {
        let origin = self.proxy.address.origin();
        if let Some(other) = others.iter().find(|other| other.proxy.address.origin() == origin) {
            self.account = Arc::clone(&other.account);
        }
        self
    }

    /// A tunnel, with the token that there is; with a new one where that does not count.
    pub(super) async fn open(&self) -> Result<TokioIo<Upgraded>, Failure> {
        let before = self.account.token.borrow().clone();
        if let Answer::Open(far) = self.proxy.open(before.as_deref()).await? {
            return Ok(far);
        }
        let wants = self.wants(before.as_deref()).await;
        let fresh = self.signed_in(before, wants).await?;
        match self.proxy.open(Some(&fresh)).await? {
            Answer::Open(far) => Ok(far),
            Answer::SignIn => Err(Failure::Token),
        }
    }

    /// A token that counts and opens nothing is of a sign-in, or a proof, that is too old for this
    /// tunnel: the one that their browser knows would be as old.
    async fn wants(&self, token: Option<&str>) -> Wants {
        let Some(token) = token.filter(|_| self.account.given.is_none()) else {
            return Wants::Session;
        };
        match self.proxy.life(token).await {
            Ok(Some(_)) => Wants::AnotherSession,
            Ok(None) | Err(_) => Wants::Session,
        }
    }

    /// What they may reach, as JSON.
    pub(super) async fn routes(&self) -> Result<String, Failure> {
        let before = self.account.token.borrow().clone();
        if let Answer::Open(routes) = self.proxy.routes(before.as_deref()).await? {
            return Ok(routes);
        }
        let fresh = self.signed_in(before, Wants::Session).await?;
        match self.proxy.routes(Some(&fresh)).await? {
            Answer::Open(routes) => Ok(routes),
            Answer::SignIn => Err(Failure::Token),
        }
    }

    /// Asks for the next sign-in before this one ends, where somebody sits in front of it. Once for
    /// all tunnels of an account; never ends.
    pub(super) async fn keep_signed_in(&self) {
        let is_read = io::stderr().is_terminal() && self.account.given.is_none();
        if is_read && self.account.renewed.set(()).is_ok() {
            renewal::renew(self, self.account.token.subscribe()).await;
        }
        pending().await
    }

    /// Whoever waited while somebody else signed in has that token.
    async fn signed_in(&self, before: Option<String>, wants: Wants) -> Result<String, Failure> {
        if self.account.given.is_some() {
            return Err(Failure::Token);
        }
        let mut tokens = self.account.token.subscribe();
        let _turn = self.account.turn.lock().await;
        let is_fresh = |token: &Option<String>| token.is_some() && *token != before;
        let fresh = tokio::select! {
            biased;
            fresh = tokens.wait_for(is_fresh) => match fresh.as_deref() {
                Ok(Some(fresh)) => return Ok(fresh.clone()),
                Ok(None) | Err(_) => return Err(Failure::Token), // not while `self` lives
            },
            fresh = login::sign_in(&self.proxy, self.account.opens, wants) => fresh?,
        };
        self.take(fresh.clone());
        Ok(fresh)
    }
}

impl Session for Client {
    async fn life(&self, token: &str) -> Result<Option<Life>, Failure> {
        self.proxy.life(token).await
    }

    async fn next(&self, left: Duration) -> Result<String, Failure> {
        let (proxy, minutes) = (self.proxy.address.origin(), left.as_secs().div_ceil(60));
        let _nowhere_left = writeln!(
            io::stderr(),
            "your sign-in at {proxy} ends in {minutes} min; with another one what you open later opens, too"
        );
        login::sign_in(&self.proxy, self.account.opens, Wants::AnotherSession).await
    }

    fn take(&self, fresh: String) {
        if let Err(error) = self.account.kept.write(&fresh) {
            let _nowhere_left =
                writeln!(io::stderr(), "the sign-in is not kept for the next time: {error}");
        }
        self.account.token.send_replace(Some(fresh));
    }
}
