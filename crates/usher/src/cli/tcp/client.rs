//! One way through a proxy, with a token that counts there.

use std::sync::Arc;

use std::io::{self, Write as _};

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::sync::Mutex;
use usher_rules::plan::Carried;

use super::{
    Failure,
    address::Address,
    login::{self, Opens},
    options::Options,
    proxy::{Answer, Proxy},
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
    token: Mutex<Option<String>>,
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
        let token = Mutex::new(given.clone().or_else(|| kept.read()));
        let account = Arc::new(Account { opens: options.opens(), kept, given, token });
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
        let before = self.account.token.lock().await.clone();
        if let Answer::Open(far) = self.proxy.open(before.as_deref()).await? {
            return Ok(far);
        }
        let fresh = self.signed_in(before).await?;
        match self.proxy.open(Some(&fresh)).await? {
            Answer::Open(far) => Ok(far),
            Answer::SignIn => Err(Failure::Token),
        }
    }

    /// What they may reach, as JSON.
    pub(super) async fn routes(&self) -> Result<String, Failure> {
        let before = self.account.token.lock().await.clone();
        if let Answer::Open(routes) = self.proxy.routes(before.as_deref()).await? {
            return Ok(routes);
        }
        let fresh = self.signed_in(before).await?;
        match self.proxy.routes(Some(&fresh)).await? {
            Answer::Open(routes) => Ok(routes),
            Answer::SignIn => Err(Failure::Token),
        }
    }

    /// Whoever waited while somebody else signed in has that token.
    async fn signed_in(&self, before: Option<String>) -> Result<String, Failure> {
        if self.account.given.is_some() {
            return Err(Failure::Token);
        }
        let mut token = self.account.token.lock().await;
        if let Some(fresh) = token.clone().filter(|fresh| Some(fresh) != before.as_ref()) {
            return Ok(fresh);
        }
        let fresh = login::sign_in(&self.proxy, self.account.opens).await?;
        if let Err(error) = self.account.kept.write(&fresh) {
            let _nowhere_left =
                writeln!(io::stderr(), "the sign-in is not kept for the next time: {error}");
        }
        *token = Some(fresh.clone());
        Ok(fresh)
    }
}
