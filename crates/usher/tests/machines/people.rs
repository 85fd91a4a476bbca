//! The built-in provider: people with passwords, passkeys and codes, who are invited, are guests, lose
//! what they sign in with, and are guessed at.

mod passkeys;

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use tempfile::TempDir;
use usher::{
    idp::{Cost, Directory, Passwords, WaysIn},
    request::identify::SessionStore as _,
    store::Store,
};
use usher_rules::{
    accounts::{AccountRefusal, Accounts as _, Invitation, Joining, LinkPurpose, NewCredential},
    names::Origin,
    people::{Member, PasswordCheck as _, PasswordRefusal, TypedPassword},
    secret::Secret,
    session::{Means, SessionId},
    signin::member_signs_in,
};

use crate::{
    Dice, Time,
    authenticator::{Authenticator, code_of},
    found, from_seeds, rows, store,
};

const CHEAP: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };
const LIFE: u64 = 14 * 3600;
const MOST_PEOPLE: usize = 6;
const MOST_LINKS: usize = 12;

/// Somebody, as they and their family know it.
struct Somebody {
    id: Box<str>,
    password: Option<String>,
    passkeys: Vec<Authenticator>,
    app: Option<App>,
    until: Option<u64>,
    sessions: Vec<SessionId>,
}

struct App {
    secret: Vec<u8>,
    recovery: Vec<Secret>,
    /// What it showed when it signed in last.
    last: String,
    /// Wrong ones since the last that was right.
    wrong: u32,
}

struct Link {
    token: Secret,
    purpose: LinkPurpose,
    uses_left: u32,
    over_at: u64,
}

struct World {
    dir: TempDir,
    store: Arc<Store>,
    directory: Arc<Directory>,
    ways: WaysIn,
    origin: Origin,
    dice: Dice,
    time: Time,
    people: BTreeMap<String, Somebody>,
    links: Vec<Link>,
    lost: Vec<(String, Authenticator)>,
    serial: u64,
    counts: BTreeMap<&'static str, usize>,
}

impl World {
    fn new(dice: Dice) -> Self {
        let (dir, store) = store();
        let passwords = Passwords::new(CHEAP, 1).unwrap();
        let directory = Arc::new(Directory::new(Arc::<Store>::clone(&store), passwords));
        let ways = WaysIn::new(Arc::clone(&directory), Arc::<Store>::clone(&store));
        let origin = Origin::parse("https://auth.test").unwrap();
        let (time, people, links) = (Time::new(), BTreeMap::new(), Vec::new());
        let (lost, serial, counts) = (Vec::new(), 0, BTreeMap::new());
        Self {
            dir,
            store,
            directory,
            ways,
            origin,
            dice,
            time,
            people,
            links,
            lost,
            serial,
            counts,
        }
    }

    async fn step(&mut self, step: u64) {
        self.serial = step;
        match self.dice.below(24) {
            0 => self.invites().await,
            1 => self.sends_a_way_back().await,
            2..4 => self.opens_a_link().await,
            4..9 => self.types_a_password().await,
            9..13 => self.shows_a_passkey().await,
            13..16 => self.types_a_code().await,
            16 => self.adds_a_passkey().await,
            17 => self.removes_a_passkey().await,
            18 => self.changes_the_app().await,
            19 => self.shows_what_was_lost().await,
            20 => self.is_changed().await,
            _ => self.time.goes_on(&mut self.dice),
        }
        if step.is_multiple_of(64) {
            self.is_swept().await;
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    fn anybody(&mut self) -> Option<String> {
        let at = self.dice.of(self.people.len())?;
        self.people.keys().nth(at).cloned()
    }

    fn somewhere(&mut self) -> IpAddr {
        Ipv4Addr::from_bits(0xc000_0200 + (self.dice.roll() % 40) as u32).into()
    }

    fn seconds(&self) -> u64 {
        self.time.wall().seconds()
    }

    fn is_over(&self, email: &str) -> bool {
        self.people[email].until.is_some_and(|until| until <= self.seconds())
    }

    async fn invites(&mut self) {
        if self.people.len() >= MOST_PEOPLE || self.links.len() >= MOST_LINKS {
            return;
        }
        let until = (self.dice.below(3) == 0).then(|| self.seconds() + self.dice.roll() % 90_000);
        let email = (self.dice.below(2) == 0).then(|| format!("p{}@a.test", self.serial).into());
        let invitation = Invitation { email, name: "".into(), groups: Vec::new(), until };
        let uses_left = 1 + (self.dice.roll() % 3) as u32;
        let life = Duration::from_secs(self.dice.roll() % 90_000);
        let wall = self.time.wall();
        let made = self.ways.invite(invitation.clone(), (life, uses_left), wall).await.unwrap();
        let (purpose, over_at) = (LinkPurpose::Join(invitation), wall.plus(life).seconds());
        self.links.push(Link { token: made, purpose, uses_left, over_at });
    }

    async fn sends_a_way_back(&mut self) {
        let Some(email) = self.anybody() else { return };
        let (life, wall) = (Duration::from_secs(self.dice.roll() % 9_000), self.time.wall());
        let (member, token) = self.ways.recover(&email, life, wall).await.unwrap();
        let purpose = LinkPurpose::Recover { id: member.id };
        for older in self.links.iter_mut().filter(|link| link.purpose == purpose) {
            older.uses_left = 0; // the newest counts
        }
        let over_at = wall.plus(life).seconds();
        self.links.push(Link { token, purpose, uses_left: 1, over_at });
    }

    fn new_credential(&mut self, id: &str) -> (NewCredential, Option<String>, Vec<Authenticator>) {
        if self.dice.below(2) == 0 {
            let password = format!("purple lamp {} walking", self.serial);
            let typed = NewCredential::Password(Secret::new(password.as_bytes()));
            return (typed, Some(password), Vec::new());
        }
        let key = Authenticator::new(self.serial, id);
        (NewCredential::Passkey(key.made(), "phone".into()), None, vec![key])
    }

    /// In time or late, once or once too often.
    async fn opens_a_link(&mut self) {
        let Some(at) = self.dice.of(self.links.len()) else { return };
        let (from, now) = (self.somewhere(), self.time.now());
        let fresh = SessionId::from_random(self.dice.octets());
        let (id, email): (Box<str>, String) = match &self.links[at].purpose {
            LinkPurpose::Join(Invitation { email: Some(email), .. }) => {
                (fresh.as_str().into(), email.to_string())
            }
            LinkPurpose::Join(_) => (fresh.as_str().into(), format!("c{}@a.test", self.serial)),
            LinkPurpose::Recover { id } => {
                let whose = self.people.iter().find(|(_, one)| one.id == *id);
                (id.clone(), whose.map_or_else(String::new, |(email, _)| email.clone()))
            }
        };
        let (credential, password, passkeys) = self.new_credential(&id);
        let joining = Joining { id: &id, email: &email, name: "", credential };
        let token = Secret::new(self.links[at].token.expose());
        let used = self.ways.use_link(token.expose_str().unwrap(), joining, from, now).await;
        let link = &mut self.links[at];
        let is_good = link.uses_left > 0 && now.wall.seconds() < link.over_at;
        let is_join = matches!(link.purpose, LinkPurpose::Join(_));
        let until = match &link.purpose {
            LinkPurpose::Join(invitation) => invitation.until,
            LinkPurpose::Recover { .. } => self.people.get(&email).and_then(|one| one.until),
        };
        match used {
            Ok(member) => {
                assert!(is_good && *member.email == *email, "the link was no good");
                link.uses_left -= 1;
                let before = self.people.remove(&email);
                assert_eq!(before.is_none(), is_join);
                for session in before.iter().flat_map(|before| &before.sessions) {
                    assert!(found(&self.store, session).is_none(), "who found the old way stays");
                }
                let lost = before.into_iter().flat_map(|before| before.passkeys);
                self.lost.extend(lost.map(|key| (email.clone(), key)));
                let (app, sessions) = (None, Vec::new());
                let one = Somebody { id: member.id, password, passkeys, app, until, sessions };
                self.people.insert(email, one);
                self.count("joined or came back");
            }
            Err(AccountRefusal::Link) => {
                assert!(!is_good || !is_join && email.is_empty(), "a good link is refused");
            }
            Err(AccountRefusal::TooManyTries) => self.count("too many tries"),
            Err(AccountRefusal::People(_)) => assert!(is_join && self.people.contains_key(&email)),
            Err(refusal) => panic!("{refusal}"),
        }
    }

    /// What is shown has to be right and whoever shows it here; then a session begins.
    async fn is_let_in(
        &mut self,
        email: &str,
        is_right: bool,
        answer: Result<Member, PasswordRefusal>,
    ) {
        let is_over = self.people.contains_key(email) && self.is_over(email);
        match answer {
            Ok(member) => {
                assert!(is_right && !is_over, "{email} was let in");
                let until = self.people[email].until.unwrap_or(u64::MAX);
                let end = self.time.wall().plus(Duration::from_secs(LIFE)).seconds().min(until);
                let told = member_signs_in(&member, Means::Password, self.time.wall());
                let id = SessionId::from_random(self.dice.octets());
                let end = usher_rules::time::UnixTime::from_seconds(end);
                let new = told.begin(id.clone(), "builtin", self.time.wall(), end);
                self.store.insert(new).await.unwrap();
                self.people.get_mut(email).unwrap().sessions.push(id);
                self.count("signed in");
            }
            Err(PasswordRefusal::Over) => assert!(is_over, "their access has not ended"),
            Err(PasswordRefusal::TooManyTries { retry_after }) => {
                assert!(retry_after <= Duration::from_secs(3600), "{retry_after:?} is too long");
                self.count("too many tries");
            }
            Err(PasswordRefusal::Unavailable) => panic!("the store fails"),
            Err(refusal) => {
                assert!(!is_right, "{email} was right: {refusal}");
                self.count("refused");
            }
        }
    }

    async fn types_a_password(&mut self) {
        let Some(email) = self.anybody() else { return };
        let known = self.people[&email].password.clone();
        let is_right = known.is_some() && self.dice.below(3) > 0;
        let typed = known.filter(|_| is_right).unwrap_or_else(|| "something that is wrong".into());
        let (password, from, now) =
            (Secret::new(typed.as_bytes()), self.somewhere(), self.time.now());
        let typed = TypedPassword { email: &email, password, from, devices: &[], now };
        let answer = self.directory.check(typed).await;
        let asks_code = self.ways.code_app(&self.people[&email].id).await.unwrap().is_some();
        assert_eq!(asks_code, self.people[&email].app.is_some(), "a code is asked for");
        if answer.is_ok() && asks_code {
            return self.count("asked for a code");
        }
        self.is_let_in(&email, is_right, answer).await;
    }

    async fn types_a_code(&mut self) {
        let Some(email) = self.anybody() else { return };
        let (wall, odd) = (self.time.wall().seconds(), self.dice.below(5));
        let Some(app) = &mut self.people.get_mut(&email).unwrap().app else { return };
        let shown = code_of(&app.secret, wall);
        let (typed, is_right) = match odd {
            0 => ("000000".to_owned(), shown == "000000" && app.last != shown && app.wrong < 100),
            1 => (app.last.clone(), false),
            2 if !app.recovery.is_empty() => {
                (app.recovery[0].expose_str().unwrap().to_owned(), true)
            }
            _ => (shown.clone(), shown != app.last && app.wrong < 100),
        };
        let id = self.people[&email].id.clone();
        let answer = self.ways.take_code(&id, &typed, self.time.now()).await;
        let app = self.people.get_mut(&email).unwrap().app.as_mut().unwrap();
        let is_taken = matches!(answer, Ok(_) | Err(PasswordRefusal::Over));
        if is_taken {
            app.wrong = 0;
            match typed == shown {
                true => app.last = shown,
                false => drop(app.recovery.remove(0)),
            }
        } else if matches!(answer, Err(PasswordRefusal::WrongCode)) {
            app.wrong += 1;
        }
        // A code that was shown at the end of a step and typed at its begin is another's.
        self.is_let_in(&email, is_right, answer).await;
    }

    async fn changes_the_app(&mut self) {
        let Some(email) = self.anybody() else { return };
        let id = self.people[&email].id.clone();
        let secret = self.dice.octets::<20>().to_vec();
        let shown = code_of(&secret, self.time.wall().seconds());
        let app = match self.dice.below(3) {
            0 => {
                self.ways.remove_code_app(&id).await.unwrap();
                None
            }
            _ => {
                let made = Secret::new(secret.clone());
                let codes = self.ways.add_code_app(&id, made, &shown, self.time.wall()).await;
                // A second one takes nobody's recovery codes away.
                let had = self.people[&email].app.is_some();
                assert_eq!(codes.is_err(), had, "an app is added where there is none");
                let Ok(recovery) = codes else { return };
                Some(App { secret, recovery, last: shown, wrong: 0 })
            }
        };
        self.people.get_mut(&email).unwrap().app = app;
    }

    /// An admin changes their password, groups or end, or removes them: what they had ends.
    async fn is_changed(&mut self) {
        let Some(email) = self.anybody() else { return };
        match self.dice.below(12) {
            0..3 => {
                let password = format!("yellow door {} standing", self.serial);
                let typed = Secret::new(password.as_bytes());
                self.directory.set_password(&email, typed).await.unwrap();
                self.people.get_mut(&email).unwrap().password = Some(password);
            }
            3..6 => drop(self.directory.set_groups(&email, &["family".into()]).await.unwrap()),
            6..11 => {
                let until = self.time.wall().plus(Duration::from_secs(self.dice.roll() % 90_000));
                let until = (self.dice.below(2) == 0).then_some(until);
                self.ways.set_until(&email, until).await.unwrap();
                self.people.get_mut(&email).unwrap().until = until.map(|until| until.seconds());
            }
            _ => drop(self.directory.remove(&email).await.unwrap()),
        }
        self.has_no_session(&email);
        if self.directory.list().await.unwrap().iter().all(|one| *one.email != *email) {
            let gone = self.people.remove(&email).unwrap();
            self.lost.extend(gone.passkeys.into_iter().map(|key| (email.clone(), key)));
        }
    }

    fn has_no_session(&mut self, email: &str) {
        let one = self.people.get_mut(email).unwrap();
        assert!(self.store.of_person(&one.id).is_empty(), "a session outlives the change");
        one.sessions.clear();
    }

    async fn is_swept(&mut self) {
        self.store.sweep(self.time.wall()).await.unwrap();
        let now = self.seconds();
        self.links.retain(|link| link.over_at + 600 > now && link.uses_left > 0);
        let surplus = self.lost.len().saturating_sub(40);
        self.lost.drain(..surplus);
        for one in self.people.values_mut() {
            one.sessions.retain(|id| found(&self.store, id).is_some());
        }
        let people = self.people.len();
        let passkeys: usize = self.people.values().map(|one| one.passkeys.len()).sum();
        let apps = self.people.values().filter(|one| one.app.is_some()).count();
        let sessions: usize = self.people.values().map(|one| one.sessions.len()).sum();
        let known = [
            ("people", people),
            ("passkeys", passkeys),
            ("second_factors", apps),
            ("sessions", sessions),
        ];
        for (table, expected) in known {
            assert_eq!(rows(&self.dir, table), expected, "{table}");
        }
    }

    async fn ends(self) {
        for what in ["signed in", "refused", "joined or came back"] {
            let seen = self.counts.get(what).copied().unwrap_or_default();
            assert!(seen > 20, "{what}: {seen}; {:?}", self.counts);
        }
        for one in self.people.values() {
            crate::end_each_of(&self.store, &one.id).await;
        }
        assert_eq!((self.store.session_count(), rows(&self.dir, "sessions")), (0, 0));
        // A day later nobody is held back, whoever guessed.
        let tomorrow = self.time.seconds + 2 * 86_400;
        let later = Time { seconds: tomorrow, ..self.time };
        let Some((email, one)) = self.people.iter().find(|(_, one)| one.password.is_some()) else {
            return;
        };
        let password = Secret::new(one.password.as_ref().unwrap().as_bytes());
        let from = Ipv4Addr::LOCALHOST.into();
        let typed = TypedPassword { email, password, from, devices: &[], now: later.now() };
        let answer = self.directory.check(typed).await;
        assert!(matches!(answer, Ok(_) | Err(PasswordRefusal::Over)), "{answer:?}");
    }
}

#[test]
fn nobody_comes_in_by_what_was_lost_and_nobody_is_locked_out_for_good() {
    from_seeds(4_000, World::new, World::step, World::ends);
}
