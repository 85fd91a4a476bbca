//! `device` in a policy, over what the store knows of a session's devices.

use http::Method;
use usher::{request::identify::SessionStore as _, store::Store};
use usher_lab::{
    browser::{Browser, NAVIGATION},
    patience::PATIENCE,
    upstream::Upstream,
};
use usher_rules::{
    enrolment::{EnrolledDevice, EnrolledDevices as _, Ids},
    passkey::NewPasskey,
    session::{DeviceCredential, Enrolment, ShownDevice, SignedIn},
};

use crate::test_server::{ANN, TestServer, config, friends};

const PAGE: &str = "https://tv.test/film?part=1";

fn with_policy(upstream: &Upstream, policy: &str) -> String {
    let route = friends("tv.test", upstream.address);
    let (head, _) = route.split_once("  policy:").unwrap();
    let route = config(&[format!("{head}  policy: {policy}\n")]);
    format!("authenticate_service_url: https://login.test\n{route}")
}

/// The store knows these devices of everybody's sessions, from the next start on.
async fn shows(server: &mut TestServer, text: &str, devices: &[ShownDevice]) {
    server.stop(PATIENCE).await;
    let store = Store::open(&server.data_dir()).unwrap();
    for kept in store.all_enrolled().await.unwrap() {
        store.remove_enrolled(&kept.key.id).await.unwrap();
    }
    for shown in devices.iter().filter_map(|shown| shown.credential.as_ref()) {
        if shown.enrolment != Enrolment::Missing {
            store.enrol(enrolled(shown), Ids::NeverMeet).await.unwrap();
        }
    }
    let directory = server.directory();
    let ann = directory.list().await.unwrap().into_iter().find(|one| &*one.email == ANN.0).unwrap();
    for live in store.of_person(&ann.id) {
        let mut signed_in: SignedIn = live.signed_in().clone();
        signed_in.session.devices = devices.into();
        store.insert(signed_in).await.unwrap();
    }
    drop(store);
    server.restart(text).await;
}

fn enrolled(shown: &DeviceCredential) -> EnrolledDevice {
    let DeviceCredential { id, owner, enrolment } = shown.clone();
    EnrolledDevice {
        key: NewPasskey { id, public_key: Box::default(), counter: 0 },
        owner,
        provider: Box::default(),
        called: ANN.0.into(),
        site: "tv.test".into(),
        label: "laptop".into(),
        added_at: 1,
        used_at: None,
        approved_at: (enrolment == Enrolment::Approved).then_some(2),
    }
}

fn device(owner: &str, enrolment: Enrolment) -> ShownDevice {
    let id = format!("key-{enrolment:?}").into();
    let credential = DeviceCredential { id, owner: owner.into(), enrolment };
    ShownDevice { kind: "any".into(), credential: Some(credential) }
}

async fn own_id(browser: &mut Browser) -> String {
    let about = browser.send(Method::GET, "https://tv.test/.pomerium/user", &[], "").await;
    about.json()["sub"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_device_is_asked_for_and_what_the_store_knows_of_it_decides() {
    let upstream = Upstream::echo();
    let text = with_policy(&upstream, "[{allow: {and: [{device: {approved: true}}]}}]");
    let mut server = TestServer::open(&text).await;
    let mut ann = server.browser();
    let asked = ann.sign_in(PAGE, ANN.0, ANN.1).await;
    assert_eq!(asked.status, 200, "a page of ours: {}", asked.body);
    assert_eq!(asked.url.path(), "/.pomerium/webauthn");
    assert!(upstream.heads().is_empty(), "which lets nobody in");

    let seen = ann.send(Method::GET, PAGE, NAVIGATION, "").await;
    let to = seen.location().unwrap();
    assert_eq!((seen.status.as_u16(), to.path()), (302, "/.pomerium/webauthn"));
    assert_eq!(to.host_str(), Some("tv.test"));
    let params: std::collections::BTreeMap<_, _> = to.query_pairs().into_owned().collect();
    assert_eq!(params["pomerium_device_type"], "any");
    assert_eq!(params["pomerium_redirect_uri"], PAGE);
    for name in ["pomerium_expiry", "pomerium_issued", "pomerium_signature"] {
        assert!(params.contains_key(name), "{name}");
    }
    let program = ann.send(Method::GET, PAGE, &[("accept", "application/json")], "").await;
    assert_eq!(program.status, 401, "{}", program.body);

    let id = own_id(&mut ann).await;
    for (devices, status, why) in [
        (vec![device(&id, Enrolment::Approved)], 200, "approved"),
        (vec![device(&id, Enrolment::Pending)], 450, "nobody has approved it"),
        (vec![device("somebody else", Enrolment::Approved)], 450, "it is not hers"),
        (vec![device("", Enrolment::Approved)], 450, "it is nobody's"),
        (vec![device(&id, Enrolment::Missing)], 302, "never enrolled"),
        (vec![ShownDevice { kind: "any".into(), credential: None }], 302, "removed since"),
        (
            vec![device(&id, Enrolment::Pending), device(&id, Enrolment::Approved)],
            450,
            "only the first one counts",
        ),
        (
            vec![ShownDevice { kind: "enclave_only".into(), ..device(&id, Enrolment::Approved) }],
            302,
            "another kind",
        ),
    ] {
        shows(&mut server, &text, &devices).await;
        let mut ann = ann.moved(server.address());
        let seen = ann.send(Method::GET, PAGE, NAVIGATION, "").await;
        assert_eq!(seen.status, status, "{why}: {}", seen.body);
    }
    let decided = server.records("authorize check");
    assert!(decided.iter().any(|line| line["verdict"] == "show-device"), "{decided:?}");
}

#[tokio::test]
async fn a_stranger_signs_in_before_a_device_is_asked_for() {
    let upstream = Upstream::echo();
    for policy in ["{approved: false}", "{}", "{type: any}", "{is: key}"] {
        let policy = format!("[{{allow: {{or: [{{device: {policy}}}]}}}}]");
        let server = TestServer::open(&with_policy(&upstream, &policy)).await;
        let mut stranger = server.browser();
        for page in [PAGE, "https://login.test/.pomerium/webauthn"] {
            let seen = stranger.send(Method::GET, page, NAVIGATION, "").await;
            let to = seen.location().unwrap();
            assert_eq!(to.path(), "/.pomerium/sign_in", "{policy} {page}: {to}");
        }
        let program = [("accept", "application/json")];
        let page = "https://tv.test/.pomerium/webauthn";
        let seen = server.browser().send(Method::GET, page, &program, "").await;
        assert_eq!(seen.status, 401, "{}", seen.body);
    }
    assert!(upstream.heads().is_empty());
}
