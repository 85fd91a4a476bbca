//! What programs bring: passwords that people made for them, and tokens that an operator gave.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tempfile::TempDir;
use usher::{request::identify::SessionStore as _, store::Store};
use usher_rules::{
    app_passwords::{AppPassword, AppPasswords as _, MOST_APP_PASSWORDS},
    people::{Member, People as _},
    secret::Secret,
    session::{Keys, Means, SessionId},
    signin::{ServiceAccount, member_signs_in},
    time::UnixTime,
};

use crate::{Dice, Time, found, from_seeds, keys, rows, store};

const PEOPLE: [&str; 4] = ["ann@a.test", "bob@a.test", "eve@a.test", "kim@a.test"];
const HOSTS: [&str; 2] = ["files.test", "tv.test"];
const PROGRAMS: [&str; 3] = ["ci", "backup", "probe"];
const LIFE: u64 = 40 * 86_400;

/// What a client was given.
struct Made {
    secret: Secret,
    kept: AppPassword,
}

/// What a program was given.
struct Token {
    text: String,
    session: SessionId,
    over_at: u64,
}

struct World {
    dir: TempDir,
    store: Arc<Store>,
    keys: Keys,
    dice: Dice,
    time: Time,
    /// [`Member::id`] of who is here, by address.
    here: BTreeMap<&'static str, Box<str>>,
    made: Vec<Made>,
    gone: Vec<Secret>,
    tokens: Vec<Token>,
    gone_tokens: Vec<String>,
    used: usize,
}

impl World {
    fn new(dice: Dice) -> Self {
        let (dir, store) = store();
        let (here, time, keys) = (BTreeMap::new(), Time::new(), keys());
        let (made, gone) = (Vec::new(), Vec::new());
        let (tokens, gone_tokens, used) = (Vec::new(), Vec::new(), 0);
        Self { dir, store, keys, dice, time, here, made, gone, tokens, gone_tokens, used }
    }

    async fn step(&mut self, step: u64) {
        match self.dice.below(20) {
            0 => self.comes_or_goes().await,
            1..4 => self.makes().await,
            4..10 => self.brings().await,
            10 => self.brings_what_is_gone().await,
            11 => self.ends_one().await,
            12 => self.is_given_a_token().await,
            13..16 => self.brings_a_token(),
            16 => self.loses_a_token().await,
            _ => self.time.goes_on(&mut self.dice),
        }
        if step.is_multiple_of(64) {
            self.is_swept().await;
        }
    }

    fn now(&self) -> UnixTime {
        self.time.wall()
    }

    fn takes_back(&mut self, is_over: impl Fn(&Made) -> bool) {
        let over: Vec<Made> = self.made.extract_if(.., |made| is_over(made)).collect();
        self.gone.extend(over.into_iter().map(|made| made.secret));
        let surplus = self.gone.len().saturating_sub(40);
        self.gone.drain(..surplus);
    }

    async fn comes_or_goes(&mut self) {
        let email = PEOPLE[self.dice.below(PEOPLE.len())];
        let Some(id) = self.here.remove(email) else {
            let id: Box<str> = SessionId::from_random(self.dice.octets()).as_str().into();
            let member = Member { id: id.clone(), email: email.into(), ..Member::default() };
            self.store.add(member, Secret::new(*b"")).await.unwrap();
            self.here.insert(email, id);
            return;
        };
        if self.dice.below(3) > 0 {
            self.here.insert(email, id);
            return;
        }
        self.store.remove(email).await.unwrap();
        assert!(self.store.of_person(&id).is_empty(), "their programs' sessions end with them");
        self.takes_back(|made| made.kept.owner == id);
    }

    async fn makes(&mut self) {
        let Some(at) = self.dice.of(self.here.len()) else { return };
        let owner = self.here.values().nth(at).unwrap().clone();
        let secret = AppPassword::secret(self.dice.octets());
        let kept = AppPassword {
            id: SessionId::from_random(self.dice.octets()).as_str().into(),
            owner: owner.clone(),
            label: "rclone".into(),
            host: HOSTS[self.dice.below(2)].into(),
            added_at: self.now().seconds(),
            over_at: self.now().seconds() + LIFE,
            app: None,
        };
        let digest = AppPassword::digest(secret.expose_str().unwrap());
        let taken = self.store.add_app_password(digest, kept.clone()).await.unwrap();
        let has = self.made.iter().filter(|made| made.kept.owner == owner).count();
        assert_eq!(taken, has < MOST_APP_PASSWORDS, "{has} of theirs");
        if taken {
            self.made.push(Made { secret, kept });
        }
    }

    /// As the front door judges one: it is somebody's, here, and now; its session is made at need.
    async fn brings(&mut self) {
        let Some(at) = self.dice.of(self.made.len()) else { return };
        let (now, host) = (self.now(), HOSTS[self.dice.below(2)]);
        let Made { secret, kept } = &self.made[at];
        let digest = AppPassword::digest(secret.expose_str().unwrap());
        let (known, owner) = self.store.app_password(digest).await.unwrap().unwrap();
        assert_eq!((&known, &owner.id), (kept, &kept.owner), "it is its owner's");
        let is_good = known.is_for(host, now);
        assert_eq!(is_good, *known.host == *host && now.seconds() < known.over_at);
        let id = SessionId::parse(&known.id).unwrap();
        if is_good && found(&self.store, &id).is_none() {
            let told = member_signs_in(&owner, Means::AppPassword, now);
            let end = UnixTime::from_seconds(known.over_at);
            self.store.insert(told.begin(id, "builtin", now, end)).await.unwrap();
        }
        self.used += usize::from(is_good);
    }

    async fn brings_what_is_gone(&mut self) {
        for secret in &self.gone {
            let digest = AppPassword::digest(secret.expose_str().unwrap());
            assert!(self.store.app_password(digest).await.unwrap().is_none(), "it was ended");
        }
        for token in &self.gone_tokens {
            let handle = self.keys.verify_handle(token, self.now());
            let found = handle.ok().and_then(|handle| found(&self.store, &handle.session));
            assert!(found.is_none(), "it was revoked, or is over");
        }
    }

    /// By its owner, or by somebody else who may not.
    async fn ends_one(&mut self) {
        let Some(at) = self.dice.of(self.made.len()) else { return };
        let kept = self.made[at].kept.clone();
        let stranger = "somebody else";
        assert!(!self.store.end_app_password(stranger, &kept.id).await.unwrap());
        let id = SessionId::parse(&kept.id).unwrap();
        match self.dice.below(2) {
            0 => assert!(self.store.end_app_password(&kept.owner, &kept.id).await.unwrap()),
            _ => self.store.end(&id).await.unwrap(), // as any session, on the page of them
        }
        assert!(found(&self.store, &id).is_none(), "what runs under it ends");
        self.takes_back(|made| made.kept.id == kept.id);
    }

    async fn is_given_a_token(&mut self) {
        if self.tokens.len() >= 20 {
            return;
        }
        let name = PROGRAMS[self.dice.below(PROGRAMS.len())];
        let until = self.now().plus(Duration::from_secs(60 + self.dice.roll() % (4 * 86_400)));
        let id = SessionId::from_random(self.dice.octets());
        let who = ServiceAccount::named(name).unwrap().begin(id.clone(), self.now(), until);
        let text = self.keys.sign_service_account(&who);
        self.store.insert(who).await.unwrap();
        self.tokens.push(Token { text, session: id, over_at: until.seconds() });
    }

    fn brings_a_token(&mut self) {
        let Some(at) = self.dice.of(self.tokens.len()) else { return };
        let (token, now) = (&self.tokens[at], self.now());
        let read = self.keys.verify_handle(&token.text, now);
        assert_eq!(read.is_ok(), now.seconds() < token.over_at, "until it was said");
        let Ok(read) = read else { return };
        let live = found(&self.store, &read.session).expect("it is in force");
        assert!(
            ServiceAccount::name_of(live.signed_in()).is_some() && read.session == token.session
        );
        self.used += 1;
    }

    async fn loses_a_token(&mut self) {
        let Some(at) = self.dice.of(self.tokens.len()) else { return };
        let token = self.tokens.swap_remove(at);
        if self.dice.below(2) == 0 {
            self.store.end(&token.session).await.unwrap();
        } else {
            let id = self.store.all().into_iter().find(|live| live.session().id == token.session);
            let Some(live) = id else { return self.gone_tokens.push(token.text) };
            let account = live.person().id.clone();
            crate::end_each_of(&self.store, &account).await;
            let store = &self.store;
            let over = |token: &mut Token| found(store, &token.session).is_none();
            let over: Vec<Token> = self.tokens.extract_if(.., over).collect();
            self.gone_tokens.extend(over.into_iter().map(|token| token.text));
        }
        self.gone_tokens.push(token.text);
        let surplus = self.gone_tokens.len().saturating_sub(40);
        self.gone_tokens.drain(..surplus);
    }

    async fn is_swept(&mut self) {
        self.store.sweep(self.now()).await.unwrap();
        let now = self.now().seconds();
        let over: Vec<Token> = self.tokens.extract_if(.., |token| token.over_at <= now).collect();
        self.gone_tokens.extend(over.into_iter().map(|token| token.text));
        let (kept, sessions) = (rows(&self.dir, "app_passwords"), rows(&self.dir, "sessions"));
        assert_eq!(kept, self.made.len(), "those that are somebody's");
        assert!(kept <= PEOPLE.len() * MOST_APP_PASSWORDS);
        assert!(sessions <= kept + self.tokens.len(), "{sessions} sessions");
    }

    async fn ends(mut self) {
        assert!(self.used > 100, "{} times used", self.used);
        for (email, _) in std::mem::take(&mut self.here) {
            self.store.remove(email).await.unwrap();
        }
        for name in PROGRAMS {
            let account = ServiceAccount::named(name).unwrap().id();
            crate::end_each_of(&self.store, &account).await;
        }
        let left = (rows(&self.dir, "app_passwords"), rows(&self.dir, "sessions"));
        assert_eq!((left, self.store.session_count()), ((0, 0), 0));
    }
}

#[test]
fn what_a_program_brings_counts_until_it_is_taken_back() {
    from_seeds(8_000, World::new, World::step, World::ends);
}
