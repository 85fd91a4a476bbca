//! The way to a provider and back: browsers with many tabs, answers that come late, twice, elsewhere
//! or of another provider.

use std::{collections::BTreeMap, sync::Arc};

use http::{HeaderMap, HeaderValue, header::COOKIE};
use serde_json::json;
use tempfile::TempDir;
use usher::{request::identify::SessionStore as _, store::Store};
use usher_rules::{
    plan::{OidcProvider, ProviderKind},
    session::{Keys, SessionId},
    signin::{
        AuthorizationResponse, BINDINGS_PER_BROWSER, BindingUse, BrowserBinding, Failure, Goal,
        Pending, Proof, surplus_cookies,
    },
};

use crate::{Dice, Time, found, from_seeds, keys, rows, store};

const BROWSERS: usize = 4;
const COOKIE_NAME: &str = "_pomerium";
const LIFE: u64 = 14 * 3600;
/// Answers that are kept, to be brought again.
const KEPT: usize = 40;

/// What a provider was asked, by which browser.
#[derive(Clone)]
struct Asked {
    browser: usize,
    state: String,
    nonce: String,
    flow: Box<str>,
    at: u64,
    is_used: bool,
}

struct World {
    dir: TempDir,
    store: Arc<Store>,
    keys: Keys,
    dice: Dice,
    time: Time,
    jars: Vec<BTreeMap<String, String>>,
    asked: Vec<Asked>,
    signed_in: usize,
    refused: usize,
}

fn provider(id: &str) -> OidcProvider {
    OidcProvider {
        issuer: format!("https://{id}.example").into(),
        client_id: "usher".into(),
        client_secret: None,
        secret_key: None,
        scopes: Vec::new(),
        request_params: Vec::new(),
        kind: ProviderKind::Oidc,
        subjects: Default::default(),
        domains: Default::default(),
        id: id.into(),
    }
}

impl World {
    fn new(dice: Dice) -> Self {
        let (dir, store) = store();
        let (jars, asked) = (vec![BTreeMap::new(); BROWSERS], Vec::new());
        let (keys, time, signed_in, refused) = (keys(), Time::new(), 0, 0);
        Self { dir, store, keys, dice, time, jars, asked, signed_in, refused }
    }

    async fn step(&mut self, step: u64) {
        match self.dice.below(12) {
            0..4 => self.begins(),
            4..10 => self.comes_back().await,
            _ => self.time.goes_on(&mut self.dice),
        }
        if step.is_multiple_of(64) {
            self.store.sweep(self.time.wall()).await.unwrap();
            assert_eq!(rows(&self.dir, "sessions"), self.store.session_count());
        }
    }

    fn fields(&self, browser: usize) -> HeaderMap {
        let cookies = self.jars[browser].iter().map(|(name, value)| format!("{name}={value}"));
        let cookies = cookies.collect::<Vec<_>>().join("; ");
        HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(&cookies).unwrap())])
    }

    /// Another tab: the oldest that wait give way.
    fn sets(&mut self, browser: usize, prefix: &str, (name, value): (String, String)) {
        for old in surplus_cookies(&self.fields(browser), prefix) {
            self.jars[browser].remove(&old);
        }
        self.jars[browser].insert(name, value);
        assert!(self.jars[browser].len() <= 2 * BINDINGS_PER_BROWSER, "cookies pile up");
    }

    fn begins(&mut self) {
        let (browser, now) = (self.dice.below(BROWSERS), self.time.wall());
        let binding = BrowserBinding::new(self.dice.octets(), now);
        let name = BrowserBinding::cookie_name(COOKIE_NAME, BindingUse::Hop, &binding.id);
        let prefix = BrowserBinding::cookie_prefix(COOKIE_NAME, BindingUse::Hop);
        self.sets(browser, &prefix, (name, binding.value.into()));
        let random = std::array::from_fn(|_| self.dice.octets());
        let target = "https://tv.test/film".into();
        let flow = binding.id.clone();
        let goal = Goal::Page { target, flow, anew_since: None, proof: Proof::Any };
        let pending = Pending::start(&random, &provider("one"), goal, now);
        let sealed = pending.seal(&self.keys, COOKIE_NAME, self.dice.octets());
        let name = Pending::cookie_name(COOKIE_NAME, pending.state());
        self.sets(browser, &Pending::cookie_prefix(COOKIE_NAME), (name, sealed));
        let (state, nonce) = (pending.state().to_owned(), pending.nonce().to_owned());
        let (flow, at, is_used) = (binding.id, self.time.seconds, false);
        if self.asked.len() >= KEPT {
            let old = self.dice.below(KEPT);
            self.asked.swap_remove(old);
        }
        self.asked.push(Asked { browser, state, nonce, flow, at, is_used });
    }

    /// An answer in some browser, of some provider, about some sign-in.
    async fn comes_back(&mut self) {
        let Some(at) = self.dice.of(self.asked.len()) else { return };
        let asked = self.asked[at].clone();
        let odd = self.dice.below(8);
        let browser = if odd == 0 { self.dice.below(BROWSERS) } else { asked.browser };
        let (issuer, nonce) = match odd {
            1 => ("https://two.example", asked.nonce.clone()),
            2 => ("https://one.example", "another sign-in's".into()),
            _ => ("https://one.example", asked.nonce.clone()),
        };
        // A cookie that somebody copied: only what counts once keeps it out then.
        let cookie =
            self.jars[browser].get(&Pending::cookie_name(COOKIE_NAME, &asked.state)).cloned();
        let answered = match &cookie {
            Some(value) => self.is_answered(&asked, (issuer, &nonce), value).await,
            None => Err(Failure::NotUnderWay),
        };
        let holds = BrowserBinding::is_held(
            &self.fields(browser),
            COOKIE_NAME,
            BindingUse::Hop,
            &asked.flow,
            self.time.wall(),
        );
        let is_right = (1..3).contains(&odd);
        if let (Ok(id), true) = (answered, holds) {
            assert!(browser == asked.browser && !is_right && !asked.is_used, "once, and there");
            assert!(self.time.seconds - asked.at <= Pending::LIFETIME.as_secs(), "too late");
            self.asked[at].is_used = true;
            self.signed_in += 1;
            let flow = BrowserBinding::cookie_name(COOKIE_NAME, BindingUse::Hop, &asked.flow);
            self.jars[browser].remove(&flow);
            let is_copied = self.dice.below(2) == 0;
            if !is_copied {
                self.jars[browser].remove(&Pending::cookie_name(COOKIE_NAME, &asked.state));
            }
            assert!(found(&self.store, &id).is_some());
        } else {
            self.refused += 1;
        }
    }

    async fn is_answered(
        &mut self,
        asked: &Asked,
        (issuer, nonce): (&str, &str),
        cookie: &str,
    ) -> Result<SessionId, Failure> {
        let (now, one) = (self.time.wall(), provider("one"));
        let pending = Pending::open(&self.keys, COOKIE_NAME, &asked.state, cookie)?;
        let digest = pending.digest();
        let query = format!("state={}&code=c", asked.state);
        let redeeming = pending.answered(&AuthorizationResponse::read(&query), &one, false, now)?;
        let until = now.plus(Pending::LIFETIME);
        self.store.once(digest, until, now).await.map_err(|_| Failure::NotUnderWay)?;
        let said = json!({
            "iss": issuer, "aud": "usher", "sub": format!("p{}", self.dice.below(4)),
            "iat": now.seconds(), "exp": now.seconds() + 300, "nonce": nonce,
        });
        let told = redeeming.accept(said.as_object().unwrap(), None, &one, now)?;
        let id = SessionId::from_random(self.dice.octets());
        let end = now.plus(std::time::Duration::from_secs(LIFE));
        self.store.insert(told.begin(id.clone(), "one", now, end)).await.unwrap();
        Ok(id)
    }

    async fn ends(self) {
        assert!(self.signed_in > 20 && self.refused > 50, "{} {}", self.signed_in, self.refused);
        for person in 0..4 {
            crate::end_each_of(&self.store, &format!("p{person}")).await;
        }
        assert_eq!(self.store.session_count(), 0, "somebody can end each");
    }
}

#[test]
fn an_answer_signs_in_once_and_where_it_was_asked_for() {
    from_seeds(8_000, World::new, World::step, World::ends);
}
