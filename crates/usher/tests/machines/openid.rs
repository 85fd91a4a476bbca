//! Our OpenID provider: codes, access and refresh tokens of apps, some of them stolen, replayed,
//! swapped or late, while sessions end.

use std::{collections::BTreeMap, sync::Arc};

use tempfile::TempDir;
use usher::{request::identify::SessionStore as _, store::Store};
use usher_rules::{
    openid::{
        AccessToken, AuthorizationRequest, Code, Grant, GrantId, GrantRefusal, GrantStep,
        Grants as _, MOST_GRANTS, Prompts, RefreshToken,
    },
    plan::{OpenIdClient, RedirectUri, Scopes},
    policy::Policy,
    session::{Keys, SessionId},
};

use crate::{Dice, Time, found, from_seeds, keys, rows, session, store};

/// RFC 7636, appendix B.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const STRANGE: &str = "xBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CLIENTS: [(&str, &str); 2] =
    [("photos", "https://photos.example/cb"), ("phone", "com.example.app:/cb")];
/// What thieves keep.
const KEPT: usize = 60;
const LIFE: u64 = 6 * 3600;

/// What is known of one code.
#[derive(Clone, Debug, Default)]
struct Family {
    client: usize,
    session: Option<SessionId>,
    is_redeemed: bool,
    is_taken_back: bool,
    generation: u32,
    code_at: u64,
}

struct World {
    dir: TempDir,
    store: Arc<Store>,
    keys: Keys,
    clients: Vec<OpenIdClient>,
    dice: Dice,
    time: Time,
    sessions: Vec<SessionId>,
    families: BTreeMap<String, Family>,
    codes: Vec<String>,
    refreshes: Vec<String>,
    accesses: Vec<(String, u64)>,
    given: usize,
    stolen: usize,
}

fn client((id, uri): (&str, &str)) -> OpenIdClient {
    OpenIdClient {
        id: id.into(),
        secret: None,
        redirect_uris: vec![RedirectUri::parse(uri).unwrap()],
        post_logout_redirect_uris: Vec::new(),
        logout: None,
        scopes: Scopes::parse("openid email offline_access"),
        policy: Policy::deny_all(),
    }
}

/// Keeps some, in the place of any.
fn kept<T>(many: &mut Vec<T>, one: T, dice: &mut Dice) {
    if many.len() >= KEPT {
        let at = dice.below(many.len());
        many.swap_remove(at);
    }
    many.push(one);
}

impl World {
    fn new(dice: Dice) -> Self {
        let (dir, store) = store();
        let clients = CLIENTS.map(client).into();
        let (sessions, families) = (Vec::new(), BTreeMap::new());
        let (codes, refreshes, accesses) = (Vec::new(), Vec::new(), Vec::new());
        let time = Time::new();
        let (given, stolen) = (0, 0);
        let keys = keys();
        Self {
            dir,
            store,
            keys,
            clients,
            dice,
            time,
            sessions,
            families,
            codes,
            refreshes,
            accesses,
            given,
            stolen,
        }
    }

    async fn step(&mut self, step: u64) {
        match self.dice.below(16) {
            0 => self.signs_in().await,
            1..4 => self.authorizes(),
            4..8 => self.redeems().await,
            8..11 => self.refreshes_once().await,
            11 | 12 => self.asks_for_userinfo().await,
            13 => self.revokes().await,
            14 if self.dice.below(3) == 0 => self.signs_out().await,
            _ => self.time.goes_on(&mut self.dice),
        }
        if step.is_multiple_of(64) {
            self.is_swept().await;
        }
    }

    async fn signs_in(&mut self) {
        if self.sessions.len() >= 6 {
            return;
        }
        let person = format!("p{}", self.dice.below(3));
        let new = session(&mut self.dice, &person, (self.time.wall(), LIFE));
        self.sessions.push(new.session.id.clone());
        self.store.insert(new).await.unwrap();
    }

    fn authorizes(&mut self) {
        let Some(at) = self.dice.of(self.sessions.len()) else { return };
        let client = self.dice.below(CLIENTS.len());
        let scopes = if self.dice.below(3) == 0 { "openid" } else { "openid offline_access" };
        let request = AuthorizationRequest {
            client: &self.clients[client],
            redirect_uri: CLIENTS[client].1.into(),
            scopes: Scopes::parse(scopes),
            state: None,
            nonce: None,
            challenge: CHALLENGE.into(),
            prompts: Prompts::IfNeeded,
            max_age: None,
        };
        let (id, session) = (GrantId::from_random(self.dice.octets()), self.sessions[at].clone());
        let family = Family {
            client,
            session: Some(session.clone()),
            code_at: self.time.seconds,
            ..Family::default()
        };
        self.families.insert(id.as_str().into(), family);
        let code = Code::new(&request, (id, session), "192.0.2.1", self.time.wall());
        let sealed = code.seal(&self.keys, self.dice.octets());
        kept(&mut self.codes, sealed, &mut self.dice);
    }

    /// As the token endpoint does; sometimes by another client, with another verifier, or a token of
    /// another kind.
    async fn redeems(&mut self) {
        let Some(at) = self.dice.of(self.codes.len()) else { return };
        let at = if self.dice.below(3) == 0 { at } else { self.codes.len() - 1 };
        let sealed = self.codes[at].clone();
        let by = self.dice.below(CLIENTS.len());
        let verifier = if self.dice.below(8) == 0 { STRANGE } else { VERIFIER };
        let brought = (CLIENTS[by].0, CLIENTS[by].1, verifier);
        for other in [
            AccessToken::open(&self.keys, &sealed, self.time.wall()).is_some(),
            RefreshToken::open(&self.keys, &sealed).is_some(),
        ] {
            assert!(!other, "a code passes for a token");
        }
        let opened = Code::redeem(&self.keys, &sealed, brought, self.time.wall());
        let Ok(code) = opened else { return self.stolen += 1 };
        let known = self.families[code.grant.as_str()].clone();
        assert!(known.client == by && verifier == VERIFIER, "it was another's");
        assert!(self.time.seconds - known.code_at <= 60, "it is too old");
        let Some(live) = found(&self.store, &code.session) else { return };
        let grant = Grant {
            id: code.grant.clone(),
            session: code.session.clone(),
            client: code.client.clone(),
            scopes: code.scopes,
            source: code.source.clone(),
            generation: 0,
            is_revoked: false,
            begun_at: self.time.wall().seconds(),
            over_at: live.session().expires_at,
        };
        let taken = self.store.take(GrantStep::Redeem(Box::new(grant)), self.time.wall()).await;
        let family = self.families.get_mut(code.grant.as_str()).unwrap();
        match taken {
            Ok(grant) => {
                assert!(!family.is_redeemed, "a code counts once");
                family.is_redeemed = true;
                self.gives(&grant);
            }
            Err(GrantRefusal::Replayed) => {
                assert!(family.is_redeemed, "nobody had redeemed it");
                (family.is_taken_back, self.stolen) = (true, self.stolen + 1);
            }
            Err(GrantRefusal::TooMany) => assert!(!family.is_redeemed),
            Err(refusal) => panic!("{refusal}"),
        }
    }

    fn gives(&mut self, grant: &Grant) {
        self.given += 1;
        let (ids, wall) = ((grant.id.clone(), grant.session.clone()), self.time.wall());
        let access = AccessToken::new(ids, &grant.client, grant.scopes, wall);
        let sealed = access.seal(&self.keys, self.dice.octets());
        kept(&mut self.accesses, (sealed, self.time.seconds), &mut self.dice);
        let (id, generation) = (grant.id.clone(), grant.generation);
        let refresh = RefreshToken { grant: id, client: grant.client.clone(), generation };
        let sealed = refresh.seal(&self.keys, self.dice.octets());
        kept(&mut self.refreshes, sealed, &mut self.dice);
    }

    async fn refreshes_once(&mut self) {
        let Some(at) = self.dice.of(self.refreshes.len()) else { return };
        let token = RefreshToken::open(&self.keys, &self.refreshes[at]).unwrap();
        let step = GrantStep::Refresh { id: token.grant.clone(), generation: token.generation };
        let taken = self.store.take(step, self.time.wall()).await;
        let family = self.families.get_mut(token.grant.as_str()).unwrap();
        match taken {
            Ok(grant) => {
                assert!(!family.is_taken_back, "it was taken back");
                assert_eq!(token.generation, family.generation, "an older one counts");
                family.generation = grant.generation;
                let ended = family.session.as_ref().is_none();
                assert!(!ended);
                self.gives(&grant);
            }
            Err(GrantRefusal::Reused) => {
                assert_ne!(token.generation, family.generation, "the newest was refused");
                (family.is_taken_back, self.stolen) = (true, self.stolen + 1);
            }
            Err(GrantRefusal::Over) => {}
            Err(refusal) => panic!("{refusal}"),
        }
    }

    async fn asks_for_userinfo(&mut self) {
        let Some(at) = self.dice.of(self.accesses.len()) else { return };
        let (sealed, since) = self.accesses[at].clone();
        let opened = AccessToken::open(&self.keys, &sealed, self.time.wall());
        let age = self.time.seconds - since;
        assert_eq!(opened.is_some(), age < AccessToken::LIFETIME.as_secs(), "{age} s");
        let Some(token) = opened else { return };
        let stands = self.store.take(GrantStep::Look(token.grant.clone()), self.time.wall()).await;
        let family = &self.families[token.grant.as_str()];
        assert!(stands.is_err() || !family.is_taken_back, "it was taken back");
    }

    async fn revokes(&mut self) {
        let Some(at) = self.dice.of(self.refreshes.len()) else { return };
        let token = RefreshToken::open(&self.keys, &self.refreshes[at]).unwrap();
        let _gone = self.store.take(GrantStep::Revoke(token.grant.clone()), self.time.wall()).await;
        self.families.get_mut(token.grant.as_str()).unwrap().is_taken_back = true;
    }

    /// What came of a session goes with it, at the next sweep at the latest.
    async fn signs_out(&mut self) {
        let Some(at) = self.dice.of(self.sessions.len()) else { return };
        let id = self.sessions.swap_remove(at);
        self.store.end(&id).await.unwrap();
        self.is_swept().await;
    }

    async fn is_swept(&mut self) {
        self.store.sweep(self.time.wall()).await.unwrap();
        let store = &self.store;
        let is_live = |id: &SessionId| found(store, id).is_some();
        self.sessions.retain(is_live);
        for family in self.families.values_mut() {
            if family.session.as_ref().is_some_and(|id| !is_live(id)) {
                (family.session, family.is_taken_back) = (None, true);
            }
        }
        let grants = rows(&self.dir, "openid_grants");
        assert!(grants <= self.sessions.len() * MOST_GRANTS, "{grants} of {}", self.sessions.len());
        if self.families.len() > 4_000 {
            let named =
                |token: &str| RefreshToken::open(&self.keys, token).map(|token| token.grant);
            let tokens = self.refreshes.iter().filter_map(|token| named(token));
            let kept: Vec<String> = tokens.map(|id| id.as_str().to_owned()).collect();
            let young = |family: &Family| self.time.seconds - family.code_at <= 400;
            self.families.retain(|id, family| young(family) || kept.contains(id));
            self.accesses.retain(|(_, since)| self.time.seconds - since <= 300);
        }
    }

    async fn ends(mut self) {
        assert!(self.given > 50 && self.stolen > 20, "{} given, {} not", self.given, self.stolen);
        for session in std::mem::take(&mut self.sessions) {
            self.store.end(&session).await.unwrap();
        }
        self.store.sweep(self.time.wall()).await.unwrap();
        assert_eq!((self.store.session_count(), rows(&self.dir, "openid_grants")), (0, 0));
        for token in &self.refreshes {
            let token = RefreshToken::open(&self.keys, token).unwrap();
            let step = GrantStep::Refresh { id: token.grant, generation: token.generation };
            assert!(
                self.store.take(step, self.time.wall()).await.is_err(),
                "it outlives its session"
            );
        }
    }
}

#[test]
fn no_app_gets_what_was_taken_back_or_is_another_s() {
    from_seeds(8_000, World::new, World::step, World::ends);
}
