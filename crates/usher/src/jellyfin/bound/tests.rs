use std::{net::Ipv4Addr, time::Instant};

use serde_json::json;
use usher_rules::{
    people::{BoxFuture, PeopleError},
    session::LetInBy,
};

use super::*;
use crate::request::identify::{
    Found,
    contract::{self, end_each_of},
    memory::MemorySessions,
};

const TV: Place<'_> = Place { route: None, host: "tv.test", base: "" };
const OTHER: Place<'_> = Place { route: None, host: "other.test", base: "" };
const FROM: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn at(seconds: u64) -> Now {
    let wall = UnixTime::from_seconds(seconds);
    Now { wall, wall_millis: 0, monotonic: Instant::now() }
}

fn token(n: u8) -> TokenHash {
    TokenHash([n; 32])
}

struct NoneEnded;

impl EndedApps for NoneEnded {
    fn ended_before(&self) -> Vec<EndedApp> {
        Vec::new()
    }

    fn forget_ended(&self, _: Vec<TokenHash>) -> BoxFuture<'_, Result<(), PeopleError>> {
        Box::pin(async { Ok(()) })
    }
}

/// App number `n`, of a person of that provider.
fn app(n: u8, device_id: &str, provider: &str) -> SignedIn {
    let mut new = contract::session(n, "ann");
    new.session.idp_id = provider.into();
    new.session.app = Some(Box::new(BoundApp {
        token: data_encoding::HEXLOWER.encode(&token(n).0).into(),
        server: "http://tv:8096".into(),
        host: "tv.test".into(),
        user: "1".into(),
        client: "TV".into(),
        device: "SHIELD".into(),
        device_id: device_id.into(),
        by: LetInBy::Page,
        seat: None,
        label: None,
        language: None,
        seen: None,
        unfetched_until: None,
    }));
    new
}

/// Her browser's session, and apps that she let in.
async fn bound(apps: Vec<SignedIn>) -> (Arc<MemorySessions>, BoundApps) {
    let sessions = Arc::new(MemorySessions::default());
    let bound = BoundApps::new(Arc::<MemorySessions>::clone(&sessions), Arc::new(NoneEnded));
    let ann = sessions.insert(contract::session(100, "ann")).await.unwrap();
    for app in apps {
        bound.bind(app, &ann).await.unwrap();
    }
    (sessions, bound)
}

async fn is_bound(bound: &BoundApps, n: u8, server: Place<'_>, seconds: u64) -> bool {
    matches!(bound.whose(&token(n), server, FROM, at(seconds)).await, Whose::Bound(_))
}

#[tokio::test]
async fn a_token_is_its_owners_at_its_server_until_it_ends() {
    let apps = vec![app(1, "tv", BUILTIN), app(2, "tv", BUILTIN), app(3, "phone", BUILTIN)];
    let (sessions, bound) = bound(apps).await;
    assert!(!is_bound(&bound, 1, TV, 100).await, "its device was let in anew");
    assert!(is_bound(&bound, 2, TV, 100).await && is_bound(&bound, 3, TV, 100).await);
    assert!(!is_bound(&bound, 3, OTHER, 100).await, "another server");
    let nobodys = bound.whose(&token(9), TV, FROM, at(100)).await;
    assert!(matches!(nobodys, Whose::Nobodys));
    let gone = bound.follow(UnixTime::from_seconds(100)).await;
    assert_eq!(gone, [], "its device has another app of hers");
    sessions.given.lock().unwrap().clear();
    let after = BoundApps::new(Arc::<MemorySessions>::clone(&sessions), Arc::new(NoneEnded));
    assert!(is_bound(&after, 2, TV, 100).await, "after a restart");
    assert_eq!(sessions.given.lock().unwrap().len(), 2, "nobody asks about her browser");
    end_each_of(&*sessions, "ann").await;
    assert!(!is_bound(&bound, 2, TV, 100).await);
    let mut gone: Vec<_> = bound
        .follow(UnixTime::from_seconds(100))
        .await
        .iter()
        .map(|it| it.device_id.clone())
        .collect();
    gone.sort();
    assert_eq!(gone, ["phone".into(), "tv".into()]);
    assert_eq!(bound.follow(UnixTime::from_seconds(100)).await, [], "told once in a while");
    // Whoever shows it is refused for as long as the server may take it.
    let ended = bound.whose(&token(2), TV, FROM, at(100)).await;
    assert!(matches!(ended, Whose::Ended), "{ended:?}");
    for device_id in ["phone", "tv"] {
        let (server, host) = ("http://tv:8096".into(), "tv.test".into());
        bound.dropped(&DeviceAt { server, host, device_id: device_id.into() }).await;
    }
    let unknown = bound.whose(&token(2), TV, FROM, at(100)).await;
    assert!(matches!(unknown, Whose::Nobodys), "{unknown:?}");
}

#[tokio::test]
async fn whoever_was_ended_meanwhile_lets_nothing_in() {
    let (sessions, bound) = bound(Vec::new()).await;
    let ann = sessions.of_person("ann").remove(0);
    end_each_of(&*sessions, "ann").await;
    assert!(bound.bind(app(1, "tv", BUILTIN), &ann).await.is_err());
    assert!(!is_bound(&bound, 1, TV, 100).await);
    assert!(sessions.all().is_empty(), "nothing is left behind");
}

#[tokio::test]
async fn what_a_provider_says_of_somebody_reaches_their_apps() {
    let (sessions, bound) = bound(vec![app(1, "tv", "x"), app(2, "phone", BUILTIN)]).await;
    let late = 100 + UNVOUCHED.as_secs();
    assert!(is_bound(&bound, 1, TV, late - 1).await);
    assert!(!is_bound(&bound, 1, TV, late).await, "nobody has said anything for a month");
    assert!(is_bound(&bound, 2, TV, late).await, "of our own people we know");
    let mut newer = contract::session(101, "ann");
    newer.session.idp_id = "x".into();
    newer.session.vouched_at = late;
    newer.session.claims.set("groups", vec![json!("kids")]);
    sessions.insert(newer).await.unwrap();
    bound.follow(UnixTime::from_seconds(100)).await;
    assert!(is_bound(&bound, 1, TV, late).await, "she signed in somewhere");
    let Whose::Bound(live) = bound.whose(&token(1), TV, FROM, at(late)).await else {
        panic!("it is bound")
    };
    assert_eq!(live.newest().claim("groups"), [json!("kids")], "what it may follows her");
}

fn due(bound: &BoundApps, seconds: u64) -> Vec<TokenHash> {
    let due = bound.due_by(bound.sessions.changed(), UnixTime::from_seconds(seconds));
    due.into_iter().map(|(token, _)| token).collect()
}

/// Of ten thousand, those that nobody uses cost nothing.
#[tokio::test]
async fn only_apps_for_which_something_may_have_changed_are_looked_at() {
    let waits = {
        let mut waits = app(3, "new", BUILTIN);
        waits.session.app.as_mut().unwrap().unfetched_until = Some(150);
        waits
    };
    let apps = vec![app(1, "tv", BUILTIN), app(2, "phone", BUILTIN), waits];
    let (sessions, bound) = bound(apps).await;
    let all = [1, 2, 3].map(token);
    let mut first = due(&bound, 100);
    first.sort();
    assert_eq!(first, all, "nobody knows what was before");
    assert_eq!(due(&bound, 100), [], "nothing happens");
    assert!(is_bound(&bound, 1, TV, 100).await);
    assert_eq!(due(&bound, 100), [token(1)], "that it asked is to be written down");
    assert_eq!(due(&bound, 149), []);
    assert_eq!(due(&bound, 150), [token(3)], "it never fetched its token");
    sessions.insert(contract::session(101, "bob")).await.unwrap();
    assert_eq!(due(&bound, 150), [], "somebody else's");
    sessions.insert(contract::session(102, "ann")).await.unwrap();
    assert_eq!(due(&bound, 150), all, "her provider has said something");
    sessions.end(&contract::session(102, "ann").session.id).await.unwrap();
    assert_eq!(due(&bound, 150), all, "a browser's session is gone, and what ends with it");
    sessions.end(&app(2, "phone", BUILTIN).session.id).await.unwrap();
    assert_eq!(due(&bound, 150), all, "so is one of them");
}

/// Ten thousand of them take at most 20 MiB.
#[tokio::test]
async fn an_app_takes_little_memory() {
    let apps = vec![app(1, "tv", BUILTIN)];
    let (sessions, bound) = bound(apps).await;
    let live = bound.sessions.of_person("ann");
    let live = live.iter().find(|live| live.session().app.is_some()).unwrap();
    let known = serde_json::to_string(live.signed_in()).unwrap().len();
    let octets = size_of::<SignedIn>() + size_of::<LiveSession>();
    println!("{octets} octets, and {known} of text");
    assert!(octets + known <= 2048, "{octets} octets, and {known} of text");
    drop(sessions);
}

/// Between the look and the end of a device at its server somebody may let another app in on it: by
/// another name of the host, too.
#[tokio::test]
async fn a_device_with_another_app_is_not_free() {
    let (sessions, bound) = bound(vec![app(1, "tv", BUILTIN)]).await;
    let first = sessions.find(&app(1, "tv", BUILTIN).session.id);
    let Found::Live(first) = first else { panic!("{first:?}") };
    bound.end(&first).await.unwrap();
    let [due] = bound.follow(UnixTime::from_seconds(100)).await.try_into().unwrap();
    assert!(bound.is_free(&due) && bound.is_left_over(&due).await);
    let ann = sessions.of_person("ann").remove(0);
    let mut other = app(2, "tv", BUILTIN);
    other.session.app.as_mut().unwrap().host = "house.test".into();
    bound.bind(other, &ann).await.unwrap();
    assert!(!bound.is_free(&due), "another name of the same server");
    assert!(!bound.is_left_over(&due).await);
    let elsewhere =
        DeviceAt { server: "http://other:8096".into(), host: "other.test".into(), ..due };
    assert!(bound.is_free(&elsewhere), "another library");
}

/// What was left there has an address of then: libraries move, and have several names.
#[tokio::test]
async fn what_an_earlier_person_left_on_a_device_is_found_under_each_name() {
    let (sessions, bound) = bound(vec![app(1, "tv", BUILTIN)]).await;
    let (server, host) = ("http://tv:8096", "tv.test");
    let left = async |server: &str, host: &str, device: &str| {
        let (server, host, device_id) = (server.into(), host.into(), device.into());
        bound.is_left_over(&DeviceAt { server, host, device_id }).await
    };
    assert!(!left(server, host, "tv").await, "it is in use");
    let Found::Live(first) = sessions.find(&app(1, "tv", BUILTIN).session.id) else {
        panic!("it is there")
    };
    bound.end(&first).await.unwrap();
    for noticed in [false, true] {
        if noticed {
            bound.follow(UnixTime::from_seconds(100)).await;
        }
        for (server, host, device, expected, why) in [
            (server, host, "tv", true, "there"),
            ("http://new:8096", host, "tv", true, "it has moved"),
            (server, "house.test", "tv", true, "another name of it"),
            ("http://new:8096", "house.test", "tv", false, "another library"),
            (server, host, "phone", false, "another device"),
        ] {
            assert_eq!(left(server, host, device).await, expected, "{noticed}: {why}");
        }
    }
}
