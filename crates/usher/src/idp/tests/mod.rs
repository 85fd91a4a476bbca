mod kept;

use std::{
    net::IpAddr,
    sync::{Arc, atomic::Ordering, mpsc},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use tokio::{runtime::Builder, task};
use usher_rules::{
    people::{Group, KnownDevice, Member, PasswordCheck, PasswordRefusal, People, TypedPassword},
    secret::Secret,
    signin::member_as_person,
    time::{Now, UnixTime},
};

use self::kept::Kept;
use super::{Cost, Directory, DirectoryError, NewMember, Passwords};

/// As cheap as argon2 can be.
const CHEAP: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };
const DEARER: Cost = Cost { memory_kib: 16, ..CHEAP };
const HOME: &str = "203.0.113.7";
const RIGHT: &str = "correct horse";

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes())
}

fn directory(kept: &Arc<Kept>, cost: Cost) -> Directory {
    Directory::new(Arc::clone(kept) as Arc<dyn People>, Passwords::new(cost, 2).unwrap())
}

/// Ann is here, with the password [`RIGHT`].
async fn with_ann() -> (Arc<Kept>, Directory) {
    let kept = Arc::default();
    let directory = directory(&kept, CHEAP);
    let groups = ["family".into()];
    let ann = NewMember { email: "ann@example.com", name: "Ann", groups: &groups };
    directory.add(ann, secret(RIGHT), UnixTime::from_seconds(7)).await.unwrap();
    (kept, directory)
}

/// A clock that is turned by hand.
struct Turned(Instant);

impl Turned {
    fn new() -> Self {
        Self(Instant::now())
    }

    fn at(&self, seconds: u64) -> Now {
        Now {
            wall: UnixTime::from_seconds(seconds),
            wall_millis: 0,
            monotonic: self.0 + Duration::from_secs(seconds),
        }
    }
}

async fn check(
    directory: &Directory,
    email: &str,
    password: &str,
    from: &str,
    now: Now,
) -> Result<Member, PasswordRefusal> {
    let from: IpAddr = from.parse().unwrap();
    let typed = TypedPassword { email, password: secret(password), from, devices: &[], now };
    directory.check(typed).await
}

#[tokio::test]
async fn right_wrong_and_unknown_cost_the_same() {
    let (kept, directory) = with_ann().await;
    let now = Turned::new().at(0);
    for (email, password, is_in, why) in [
        ("ann@example.com", RIGHT, true, "the right password"),
        (" Ann@EXAMPLE.com ", RIGHT, true, "as a phone types it"),
        ("ann@example.com", "wrong", false, "a wrong one"),
        ("ann@example.com", "", false, "none"),
        ("bob@example.com", RIGHT, false, "nobody"),
        ("no address", RIGHT, false, "what can't be an address"),
        ("", "", false, "nothing"),
    ] {
        let before = directory.checks();
        let answer = check(&directory, email, password, HOME, now).await;
        assert_eq!(directory.checks(), before + 1, "one argon2id: {why}");
        match is_in {
            true => assert_eq!(&*answer.unwrap().email, "ann@example.com", "{why}"),
            false => assert_eq!(answer, Err(PasswordRefusal::Wrong), "{why}"),
        }
    }
    let before = directory.checks();
    let endless = "x".repeat(super::LONGEST_PASSWORD + 1);
    for email in ["ann@example.com", "bob@example.com"] {
        let answer = check(&directory, email, &endless, HOME, now).await;
        assert_eq!(answer, Err(PasswordRefusal::Wrong));
    }
    assert_eq!(directory.checks(), before, "too long for anybody: no work for either");

    kept.is_broken.store(true, Ordering::Relaxed);
    let answer = check(&directory, "ann@example.com", RIGHT, HOME, now).await;
    assert_eq!(answer, Err(PasswordRefusal::Unavailable), "a broken store lets nobody in");
}

#[tokio::test]
async fn what_unknown_addresses_are_checked_against_costs_what_a_new_hash_costs() {
    let (kept, directory) = with_ann().await;
    let shape = |hash: &str| {
        let mut parts: Vec<String> = hash.split('$').map(str::to_owned).collect();
        for random in parts.iter_mut().skip(4) {
            *random = random.len().to_string();
        }
        parts.join("$")
    };
    let anns = shape(&kept.hash_of("ann@example.com"));
    assert_eq!(shape(&directory.passwords().nobody), anns);
    assert_eq!(anns, "$argon2id$v=19$m=8,t=1,p=1$22$43");
    assert_eq!(Cost::DEFAULT, Cost { memory_kib: 19 * 1024, passes: 2, lanes: 1 });
}

#[tokio::test]
async fn guessing_is_slowed_down_and_locks_out_nobody_else() {
    let (_kept, directory) = with_ann().await;
    let clock = Turned::new();
    const EVIL: &str = "198.51.100.4";
    for n in 0..10 {
        let answer = check(&directory, "ann@example.com", "guess", EVIL, clock.at(0)).await;
        assert_eq!(answer, Err(PasswordRefusal::Wrong), "try {n}");
    }
    let before = directory.checks();
    for (email, from) in [
        ("ann@example.com", EVIL),
        ("ANN@example.com ", EVIL),
        ("ann@example.com", "::ffff:198.51.100.4"),
    ] {
        let wait = Duration::from_secs(30);
        let answer = check(&directory, email, RIGHT, from, clock.at(0)).await;
        let expected = Err(PasswordRefusal::TooManyTries { retry_after: wait });
        assert_eq!(answer, expected, "one person, one source, however they are spelled: {email}");
    }
    assert_eq!(directory.checks(), before, "the password was not looked at");

    let owner = check(&directory, "ann@example.com", RIGHT, HOME, clock.at(0)).await;
    assert!(owner.is_ok(), "the owner, from elsewhere, does not notice");
    let early = check(&directory, "ann@example.com", "guess", EVIL, clock.at(29)).await;
    let wait = Duration::from_secs(1);
    assert_eq!(early, Err(PasswordRefusal::TooManyTries { retry_after: wait }));
    let later = check(&directory, "ann@example.com", RIGHT, EVIL, clock.at(30)).await;
    assert!(later.is_ok(), "one try each 30 s, and a good one counts");
    for _ in 0..10 {
        let answer = check(&directory, "ann@example.com", "typo", EVIL, clock.at(30)).await;
        assert_eq!(answer, Err(PasswordRefusal::Wrong), "a good one gave all tries back");
    }
}

/// A neighbour behind the same router guesses without end: a browser that has signed in before
/// does not notice, whatever way the address is typed; at other accounts it is a stranger.
#[tokio::test]
async fn nobody_is_locked_out_of_a_browser_that_is_known() {
    let (_kept, directory) = with_ann().await;
    let now = Turned::new().at(0);
    for n in 0..120 {
        let email = if n < 20 { "ann@example.com".into() } else { format!("n{n}@example.com") };
        assert!(check(&directory, &email, "guess", HOME, now).await.is_err());
    }
    let refused = check(&directory, "ann@example.com", RIGHT, HOME, now).await;
    assert!(
        matches!(refused, Err(PasswordRefusal::TooManyTries { .. })),
        "a strange browser waits"
    );
    let from = HOME.parse().unwrap();
    let ann = KnownDevice { email: "ann@example.com".into(), id: [1; 16] };
    let eve = KnownDevice { email: "eve@example.com".into(), id: [2; 16] };
    for (email, devices, is_in, why) in [
        ("ann@example.com", vec![ann.clone()], true, "hers"),
        (" ANN@example.com", vec![eve.clone(), ann], true, "one of a family's, as a phone types"),
        ("ann@example.com", vec![eve], false, "a browser of somebody else's"),
    ] {
        let typed = TypedPassword { email, password: secret(RIGHT), from, devices: &devices, now };
        assert_eq!(directory.check(typed).await.is_ok(), is_in, "{why}");
    }
}

/// From each of 256 addresses at once.
async fn from_everywhere(
    directory: &Directory,
    password: &str,
    now: Now,
) -> Vec<Result<Member, PasswordRefusal>> {
    let tries = (0..=255).map(|n| async move {
        check(directory, "ann@example.com", password, &format!("203.0.113.{n}"), now).await
    });
    join_all(tries).await
}

/// The only thread that checks is held until all have come: none is done before that.
#[test]
fn a_queue_of_checks_is_bounded() {
    let runtime = Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let (_kept, directory) = with_ann().await;
        let (let_go, held) = mpsc::channel();
        let holding = task::spawn_blocking(move || held.recv());
        let come = async {
            for _ in 0..16 {
                task::yield_now().await;
            }
            let_go.send(()).unwrap();
        };
        let tries = from_everywhere(&directory, RIGHT, Turned::new().at(0));
        let (answers, ()) = tokio::join!(tries, come);
        holding.await.unwrap().unwrap();
        let busy = PasswordRefusal::TooManyTries { retry_after: Duration::from_secs(1) };
        let refused = answers.iter().filter(|answer| **answer == Err(busy)).count();
        let taken = answers.iter().filter(|answer| answer.is_ok()).count();
        assert!(refused >= 150 && taken >= 64, "{refused} turned away, {taken} let in");
        assert_eq!(refused + taken, 256);
    });
}

/// Guessers at hundreds of addresses fill the queue, and are in nobody's way but their own.
#[tokio::test]
async fn a_flood_of_guesses_keeps_nobody_out() {
    let (_kept, directory) = with_ann().await;
    let now = Turned::new().at(0);
    from_everywhere(&directory, "a guess", now).await;
    for (password, by, is_in, why) in [
        (RIGHT, "198.51.100.1", true, "the first try at an address"),
        ("a slip", "198.51.100.2", false, "a slip of the finger"),
    ] {
        let flood = from_everywhere(&directory, "another guess", now);
        let owner = check(&directory, "ann@example.com", password, by, now);
        let (guesses, owner) = tokio::join!(flood, owner);
        assert_eq!(owner.is_ok(), is_in, "{why}: {owner:?}");
        assert!(is_in || owner == Err(PasswordRefusal::Wrong), "{why}: it was looked at");
        assert!(guesses.iter().all(Result::is_err), "no guess was right");
    }
}

#[tokio::test]
async fn an_old_cost_is_brought_to_todays_at_the_next_sign_in() {
    let (kept, _cheap) = with_ann().await;
    let directory = directory(&kept, DEARER);
    let now = Turned::new().at(0);
    let old = kept.hash_of("ann@example.com");
    assert!(check(&directory, "ann@example.com", "wrong", HOME, now).await.is_err());
    assert_eq!(kept.hash_of("ann@example.com"), old, "a wrong password changes nothing");
    check(&directory, "ann@example.com", RIGHT, HOME, now).await.unwrap();
    let new = kept.hash_of("ann@example.com");
    assert!(new.contains("m=16,"), "{new}");
    check(&directory, "ann@example.com", RIGHT, HOME, now).await.expect("still theirs");
    assert_eq!(kept.hash_of("ann@example.com"), new, "once");
}

/// What was generated is taken as it is read out, and stays hashed as it was made: a hash of what
/// was typed would keep its owner out.
#[tokio::test]
async fn a_generated_password_is_taken_as_it_is_read_out_and_kept_as_it_was_made() {
    const MADE: &str = "abcde-fghjk-mnpqr-stuvw";
    let (kept, cheap) = with_ann().await;
    let bob = NewMember { email: "bob@example.com", name: "Bob", groups: &[] };
    cheap.add(bob, secret(MADE), UnixTime::from_seconds(7)).await.unwrap();
    let now = Turned::new().at(0);
    let old = kept.hash_of("bob@example.com");
    let dearer = directory(&kept, DEARER);
    for (directory, typed) in
        [(&cheap, "ABCDE FGHJK MNPQR STUVW"), (&dearer, "abcdefghjkmnpqrstuvw")]
    {
        let before = directory.checks();
        check(directory, "bob@example.com", typed, HOME, now).await.expect("bob");
        assert_eq!(directory.checks(), before + 2, "{typed}: as typed, and as made");
        assert_eq!(kept.hash_of("bob@example.com"), old, "{typed}: no hash of what was typed");
    }
    let before = cheap.checks();
    for wrong in ["abcde-fghjk-mnpqr-stuvx", "wrong"] {
        assert!(check(&cheap, "bob@example.com", wrong, HOME, now).await.is_err());
    }
    assert_eq!(cheap.checks(), before + 2, "as made is looked at once");
    check(&dearer, "bob@example.com", MADE, HOME, now).await.expect("bob");
    assert_ne!(kept.hash_of("bob@example.com"), old, "typed as made it comes to today's cost");
}

#[tokio::test]
async fn what_an_operator_types_is_judged() {
    let (kept, directory) = with_ann().await;
    let now = UnixTime::from_seconds(7);
    let long = "n".repeat(201);
    let many: Vec<String> = (0..101).map(|n| format!("group-{n}")).collect();
    let one = |group: &str| vec![group.to_owned()];
    for (email, name, groups, password, expected, why) in [
        ("ann", "", vec![], RIGHT, "Address", "no address"),
        ("ANN@example.com", "", vec![], RIGHT, "People(AlreadyHere", "ann in capitals"),
        ("bob@example.com", "", vec![], "7 bytes", "PasswordLength(7)", "too short"),
        ("bob@example.com", "B\x1bob", vec![], RIGHT, "Name", "would talk to a terminal"),
        ("bob@example.com", &*long, vec![], RIGHT, "Name", "too long"),
        ("bob@example.com", "", one("kids,admins"), RIGHT, "Group", "two groups in a header"),
        ("bob@example.com", "", one(""), RIGHT, "Group", "nothing"),
        ("bob@example.com", "", one(" kids"), RIGHT, "Group", "looks like kids and is not"),
        ("bob@example.com", "", one("k\nids"), RIGHT, "Group", "two lines"),
        ("bob@example.com", "", many, RIGHT, "TooManyGroups", "too many"),
    ] {
        let new = NewMember { email, name, groups: &groups };
        let refused = directory.add(new, secret(password), now).await.unwrap_err();
        assert!(format!("{refused:?}").starts_with(expected), "{why}: {refused:?}");
    }
    assert_eq!(kept.people.lock().unwrap().len(), 1, "nobody was added");

    let groups = ["kids".into(), "family".into(), "kids".into()];
    let new = NewMember { email: " Bob@example.com", name: " Bob ", groups: &groups };
    let bob = directory.add(new, secret("8 octets"), now).await.unwrap();
    assert_eq!((&*bob.email, &*bob.name, bob.added_at), ("bob@example.com", "Bob", 7));
    assert_eq!(bob.groups, [Box::from("family"), Box::from("kids")], "each once, in order");
    assert!(uuid::Uuid::try_parse(&bob.id).is_ok());

    let changed = directory.set_groups("BOB@example.com", &one("adults")).await.unwrap();
    assert_eq!(changed.groups, [Box::from("adults")]);
    let short = directory.set_password("bob@example.com", secret("short")).await.unwrap_err();
    assert!(matches!(short, DirectoryError::PasswordLength(5)));
    directory.set_password("bob@example.com", secret("another one")).await.unwrap();
    let now = Turned::new().at(0);
    assert!(check(&directory, "bob@example.com", "8 octets", HOME, now).await.is_err());
    check(&directory, "bob@example.com", "another one", HOME, now).await.unwrap();
    directory.remove("Bob@example.com").await.unwrap();
    assert_eq!(directory.list().await.unwrap().len(), 1);
}

#[test]
fn a_person_is_what_the_member_is() {
    let member = Member {
        id: "id".into(),
        email: "ann@example.com".into(),
        name: "Ann".into(),
        groups: vec!["family".into(), "kids".into()],
        added_at: 7,
        ..Member::default()
    };
    let person = member_as_person(&member);
    assert_eq!((&*person.id, &*person.email, &*person.name), ("id", "ann@example.com", "Ann"));
    let groups = ["family", "kids"].map(Group::from).to_vec();
    assert_eq!(person.directory_groups, Some(groups), "for the `groups` criterion");
    let claims = serde_json::to_value(&person.claims).unwrap();
    let expected = serde_json::json!({
        "sub": ["id"], "email": ["ann@example.com"], "email_verified": [true], "name": ["Ann"],
        "groups": ["family", "kids"]
    });
    assert_eq!(claims, expected);
    let nameless = member_as_person(&Member { name: "".into(), ..member });
    assert!(nameless.claims.values("name").is_empty(), "no claim rather than an empty one");
}
