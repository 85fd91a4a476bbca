//! The hosted sign-in as a machine with dice: browsers, hosts, answers in every order and every
//! state of repair. `USHER_STEPS` says how many steps; CI takes fewer than a night does.

use std::collections::HashMap;

use serde_json::json;
use usher_rules::{
    names::{Host, Origin},
    plan::{HostedService, Plan, Provider},
    secret::Secret,
    signin::{
        BrowserBinding,
        hosted::{HostedKey, PublicKey, Request, SealedForm, Unsealed, Version},
    },
};

use super::test_room::{Browser, Seen, TestRoom};

const HOSTS: [&str; 2] = ["tv.example", "photos.example"];
const PEOPLE: u64 = 4;
const BROWSERS: usize = 6;
/// Sign-ins that are kept to be answered, or to be tried again.
const KEPT: usize = 40;
const SAME: &[(&str, &str)] = &[("sec-fetch-site", "same-origin")];

struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.roll() % n as u64) as usize
    }

    fn octets(&mut self) -> [u8; 32] {
        let mut octets = [0; 32];
        for part in octets.chunks_mut(8) {
            part.copy_from_slice(&self.roll().to_le_bytes());
        }
        octets
    }
}

/// A sign-in that began, and what the service made of it.
#[derive(Clone)]
struct Begun<'a> {
    /// Its cookies as they were then: whoever copied them keeps them.
    copied: Browser<'a>,
    browser: usize,
    host: usize,
    request: Request,
    /// The answer, once it was given, and whether it was delivered well.
    answer: Option<String>,
    used: bool,
    at: u64,
}

struct Machine<'a> {
    room: &'a TestRoom,
    service: HostedKey,
    stranger: HostedKey,
    browsers: Vec<Browser<'a>>,
    begun: Vec<Begun<'a>>,
    dice: Dice,
    seconds: u64,
    /// Cookies as somebody may have copied them after each sign-in: browser, host, all of them.
    copied: Vec<(usize, usize, Browser<'a>)>,
    /// When somebody was signed in.
    used_at: Vec<u64>,
    seen: HashMap<&'static str, u64>,
}

fn plan() -> Plan {
    let hosts = HOSTS.map(|host| Host::parse(host).unwrap()).to_vec();
    let provider = Provider::Hosted(HostedService {
        id: "an-id".into(),
        address: "https://auth.example".into(),
    });
    Plan::sketch(Origin::parse("https://auth.elsewhere").unwrap(), provider, hosts)
}

impl Machine<'_> {
    async fn step(&mut self) {
        match self.dice.below(20) {
            0..=4 => self.begin().await,
            5..=9 => self.deliver_well().await,
            10..=13 => self.deliver_badly().await,
            14 | 15 => self.visit().await,
            16 => self.sign_out("here").await,
            17 if self.dice.below(8) == 0 => self.sign_out("everywhere").await,
            18 if self.dice.below(50) == 0 => self.wait(15 * 3600),
            _ => {
                let span = self.dice.below(90) as u64;
                self.wait(span);
            }
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    fn wait(&mut self, seconds: u64) {
        self.seconds += seconds;
        self.room.later(seconds);
        self.room.forget_expired();
    }

    async fn begin(&mut self) {
        let (browser, host) = (self.dice.below(BROWSERS), self.dice.below(2));
        let page = format!("https://{}/p{}?q=%20", HOSTS[host], self.dice.below(9));
        let seen = self.browsers[browser].get(&page).await;
        if seen.status == 200 {
            return self.count("was signed in");
        }
        assert_eq!(seen.status, 302, "{seen:?}");
        let query = seen.location().strip_prefix("https://auth.elsewhere/.pomerium/sign_in?");
        let opened = SealedForm::unseal(query.unwrap(), &self.service).unwrap();
        let opened = opened.read(Unsealed::OF_ANYBODY).unwrap();
        let request = Request::read(&opened).unwrap();
        let at = self.seconds;
        let copied = self.browsers[browser].clone();
        let begun = Begun { copied, browser, host, request, answer: None, used: false, at };
        if self.begun.len() >= KEPT {
            let old = self.dice.below(KEPT);
            self.begun.swap_remove(old);
        }
        self.begun.push(begun);
        self.count("began");
    }

    fn answer(&mut self, to: &Request, by: &HostedKeyName, off: i64) -> String {
        let now = (super::test_room::START + self.seconds) as i64 + off;
        let person = self.dice.roll() % PEOPLE;
        let profile = json!({"claims": {"sub": format!("p{person}"), "email": "p@example.com"}});
        let (issued, expiry) = ((now * 1000).to_string(), ((now + 300) * 1000).to_string());
        let profile = profile.to_string();
        let pairs = vec![
            ("pomerium_redirect_uri", &*to.redirect_text),
            ("pomerium_identity_profile", &profile),
            ("pomerium_issued", &issued),
            ("pomerium_expiry", &expiry),
        ];
        let version = if self.dice.below(4) == 0 { Version::V1 } else { Version::V2 };
        let ephemeral = self.dice.octets();
        let key = match by {
            HostedKeyName::Service => &self.service,
            HostedKeyName::Stranger => &self.stranger,
        };
        SealedForm::seal(pairs, version, key, &to.sender, ephemeral).unwrap()
    }

    async fn deliver(&mut self, browser: usize, host: usize, query: &str) -> Seen {
        let url = format!("https://{}/.pomerium/callback/?{query}", HOSTS[host]);
        self.browsers[browser].get(&url).await
    }

    /// The right answer in the right browser on the right host: it signs in, once.
    async fn deliver_well(&mut self) {
        if self.begun.is_empty() {
            return;
        }
        let at = self.dice.below(self.begun.len());
        let begun = self.begun[at].clone();
        let query = match &begun.answer {
            Some(query) => query.clone(),
            None => self.answer(&begun.request, &HostedKeyName::Service, 0),
        };
        // A binding lives for two hours, and gives way when a browser begins many more.
        let held = self.holds(&begun);
        let old = begun.answer.is_some() && self.seconds - begun.at > 300;
        let seen = self.deliver(begun.browser, begun.host, &query).await;
        if seen.signs_in() {
            assert!(!begun.used && held, "an answer signs in once: {seen:?}");
            self.begun[at].used = true;
            self.used_at.push(self.seconds);
            self.count("signed in");
            let copied = self.browsers[begun.browser].clone();
            self.copied.push((begun.browser, begun.host, copied));
            if self.copied.len() > KEPT {
                self.copied.remove(0);
            }
        } else {
            let gone_on = seen.status == 302 && !seen.location().contains("/.pomerium/");
            assert!(seen.status == 400 || gone_on, "{seen:?}");
            assert!(
                begun.used || !held || old,
                "a good answer was refused: {}",
                self.room.notes.last()
            );
            self.count("too late or again");
        }
        self.begun[at].answer = Some(query);
    }

    fn holds(&self, begun: &Begun<'_>) -> bool {
        let (_, flow) = begun.request.redirect_text.rsplit_once("usher_flow=").unwrap();
        let jar = &self.browsers[begun.browser].jar;
        let name = format!("__Host-_pomerium_flow_{flow}");
        let is_young = self.seconds - begun.at <= BrowserBinding::LIFE.as_secs();
        is_young && jar.contains_key(&(HOSTS[begun.host].to_owned(), name))
    }

    /// One thing is wrong: nobody is signed in by it.
    async fn deliver_badly(&mut self) {
        if self.begun.is_empty() {
            return;
        }
        let at = self.dice.below(self.begun.len());
        let begun = self.begun[at].clone();
        let good = self.answer(&begun.request, &HostedKeyName::Service, 0);
        let (mut browser, mut host, mut query) = (begun.browser, begun.host, good.clone());
        match self.dice.below(9) {
            8 => return self.replay(at, begun).await,
            0 => browser = (browser + 1 + self.dice.below(BROWSERS - 1)) % BROWSERS,
            1 => host = 1 - host,
            2 => query = self.answer(&begun.request, &HostedKeyName::Stranger, 0),
            3 => query = self.answer(&begun.request, &HostedKeyName::Service, -500),
            4 => query = self.answer(&begun.request, &HostedKeyName::Service, 500),
            5 => {
                let mut octets = query.into_bytes();
                let last = octets.len() - 1 - self.dice.below(40);
                octets[last] = if octets[last] == b'A' { b'B' } else { b'A' };
                query = String::from_utf8(octets).unwrap();
            }
            6 => query = query.split('&').next().unwrap().to_owned(),
            _ => {
                let mut other = begun.request.clone();
                other.redirect_text = format!("https://{}/", HOSTS[host]).into();
                query = self.answer(&other, &HostedKeyName::Service, 0);
            }
        }
        let seen = self.deliver(browser, host, &query).await;
        assert!(!seen.signs_in(), "{seen:?}");
        // Who has a session of that host is sent on, and gets nothing.
        let gone_on = seen.status == 302 && !seen.location().contains("/.pomerium/");
        assert!(seen.status == 400 || gone_on, "{seen:?}");
        self.count("refused");
    }

    /// An answer that has signed somebody in, with every cookie that there was when it began.
    async fn replay(&mut self, at: usize, begun: Begun<'_>) {
        let Some(query) = begun.answer.filter(|_| begun.used) else { return };
        let url = format!("https://{}/.pomerium/callback/?{query}", HOSTS[begun.host]);
        let seen = self.begun[at].copied.get(&url).await;
        assert_eq!(seen.status, 400, "{seen:?}");
        self.count("replayed");
    }

    async fn visit(&mut self) {
        let (browser, host) = (self.dice.below(BROWSERS), self.dice.below(2));
        let seen = self.browsers[browser].get(&format!("https://{}/x", HOSTS[host])).await;
        assert!([200, 302].contains(&seen.status), "{seen:?}");
    }

    /// Whoever has a session can end it, and then it has ended.
    async fn sign_out(&mut self, scope: &str) {
        let (browser, host) = (self.dice.below(BROWSERS), self.dice.below(2));
        let door = format!("https://{}/.pomerium/sign_out", HOSTS[host]);
        let page = format!("https://{}/x", HOSTS[host]);
        let was_in = self.browsers[browser].get(&page).await.status == 200;
        let copied = self.browsers[browser].clone();
        self.browsers[browser].post(&door, &[("scope", scope)], SAME).await;
        let mut copied = copied;
        let seen = copied.get(&page).await;
        assert_eq!(seen.status, 302, "the copied cookie is worth nothing");
        // Nor is any that was copied before, after whichever sign-in.
        for (_, _, copied) in
            self.copied.iter_mut().filter(|(of, at, _)| (*of, *at) == (browser, host))
        {
            assert_eq!(copied.get(&page).await.status, 302, "an older cookie lives on");
        }
        if was_in {
            self.count("signed out");
        }
    }

    fn check_bounds(&self) {
        for browser in &self.browsers {
            assert!(browser.jar.len() <= 2 * (32 + 2), "{} cookies", browser.jar.len());
        }
        let sessions: usize =
            (0..PEOPLE).map(|person| self.room.sessions_of(&format!("p{person}"))).sum();
        assert!(sessions <= BROWSERS * HOSTS.len(), "{sessions}: one for a browser on a host");
        // An answer is remembered for five minutes and its minute of leeway, and each that counted
        // signed somebody in.
        let lately = self.used_at.iter().filter(|at| self.seconds - **at <= 400).count();
        let remembered = self.room.sessions.used.len();
        assert!(remembered <= lately + 64, "{remembered} answers, {lately} sign-ins lately");
    }
}

enum HostedKeyName {
    Service,
    Stranger,
}

#[expect(clippy::disallowed_methods, reason = "how long a night is, whoever runs it says")]
fn steps() -> u64 {
    std::env::var("USHER_STEPS").ok().and_then(|steps| steps.parse().ok()).unwrap_or(4_000)
}

#[tokio::test]
async fn from_seeds() {
    let key = |octet: u8| HostedKey::derive(&Secret::new([octet; 32]));
    let seeds = [1, 2, 3, 4];
    for seed in seeds {
        let room = TestRoom::with(plan());
        let service: PublicKey = key(7).public();
        room.pin(service);
        let mut machine = Machine {
            room: &room,
            service: key(7),
            stranger: key(8),
            browsers: (0..BROWSERS).map(|_| room.browser()).collect(),
            begun: Vec::new(),
            dice: Dice(seed),
            seconds: 0,
            copied: Vec::new(),
            used_at: Vec::new(),
            seen: HashMap::new(),
        };
        for step in 0..steps() / seeds.len() as u64 {
            machine.step().await;
            if step % 500 == 0 {
                machine.check_bounds();
            }
        }
        machine.check_bounds();
        for what in ["began", "signed in", "refused", "too late or again", "replayed"] {
            let count = machine.seen.get(what).copied().unwrap_or_default();
            assert!(count > 10, "{what}: {count}");
        }
        assert!(machine.seen.contains_key("signed out"), "{:?}", machine.seen);
        // No session is left that nobody can end.
        for person in 0..PEOPLE {
            room.end_all_of(&format!("p{person}")).await;
        }
        for browser in &mut machine.browsers {
            for host in HOSTS {
                assert_eq!(browser.get(&format!("https://{host}/x")).await.status, 302);
            }
        }
    }
}
