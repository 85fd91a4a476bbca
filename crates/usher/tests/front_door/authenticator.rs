//! A software authenticator, and the pages that it meets.

use std::sync::Arc;

use aws_lc_rs::{
    digest::{SHA256, digest},
    encoding::{AsDer as _, PublicKeyX509Der},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as B64};
use serde_json::json;
use usher::{
    idp::{Passwords, WaysIn},
    store::Store,
};
use usher_lab::{
    browser::{Browser, Seen},
    upstream::Upstream,
};

use crate::test_server::{ANN, CHEAP, TestServer, config, friends};

pub const ACCOUNT: &str = "https://tv.test/.pomerium/account";
pub const FILM: &str = "https://tv.test/film";

/// An authenticator that verifies its owner, with one key.
pub struct Authenticator {
    pub key: EcdsaKeyPair,
    pub id: &'static str,
    pub owner: String,
    pub counter: u32,
}

/// What is wrong with an answer, if anything.
#[derive(Clone, Copy, Default)]
pub struct Lie {
    pub origin: Option<&'static str>,
    pub rp_id: Option<&'static str>,
    pub flags: Option<u8>,
}

impl Authenticator {
    pub fn new(id: &'static str) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        Self { key, id, owner: String::new(), counter: 0 }
    }

    pub fn client_data(kind: &str, challenge: &str, lie: Lie) -> String {
        let origin = lie.origin.unwrap_or("https://tv.test");
        json!({"type": kind, "challenge": challenge, "origin": origin}).to_string()
    }

    pub fn data(&self, flags: u8, lie: Lie) -> Vec<u8> {
        let rp_id = digest(&SHA256, lie.rp_id.unwrap_or("tv.test").as_bytes());
        let counter = self.counter.to_be_bytes();
        [rp_id.as_ref(), &[lie.flags.unwrap_or(flags)], &counter].concat()
    }

    /// The answer to the question on this page.
    pub fn makes(&mut self, page: &Seen) -> String {
        let (challenge, user) = (question(page, "challenge"), question(page, "user"));
        self.owner = user;
        self.makes_for(&challenge)
    }

    pub fn makes_for(&self, challenge: &str) -> String {
        let mut data = self.data(0x45, Lie::default());
        data.extend([0; 16]);
        data.extend((self.id.len() as u16).to_be_bytes());
        data.extend(self.id.as_bytes());
        let spki: PublicKeyX509Der<'_> = self.key.public_key().as_der().unwrap();
        let client = Self::client_data("webauthn.create", challenge, Lie::default());
        json!({
            "id": B64.encode(self.id), "clientDataJSON": B64.encode(client),
            "authenticatorData": B64.encode(data), "publicKey": B64.encode(spki.as_ref()),
        })
        .to_string()
    }

    pub fn signs(&mut self, page: &Seen, lie: Lie) -> String {
        self.counter += 1;
        self.signs_for(&question(page, "challenge"), lie)
    }

    pub fn signs_for(&self, challenge: &str, lie: Lie) -> String {
        let client = Self::client_data("webauthn.get", challenge, lie);
        let data = self.data(5, lie);
        let signed = [&data[..], digest(&SHA256, client.as_bytes()).as_ref()].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).unwrap();
        json!({
            "id": B64.encode(self.id), "clientDataJSON": B64.encode(client),
            "authenticatorData": B64.encode(data), "signature": B64.encode(signature.as_ref()),
            "userHandle": B64.encode(&self.owner),
        })
        .to_string()
    }
}

/// What a page's script is told to ask.
pub fn question(page: &Seen, what: &str) -> String {
    let from = page.body.split(&format!("data-{what}=\"")).nth(1);
    let from = from.unwrap_or_else(|| panic!("no data-{what} at {}: {}", page.url, page.body));
    from.split('"').next().unwrap().to_owned()
}

/// The value of a hidden field anywhere on a page.
pub fn hidden(page: &Seen, name: &str) -> String {
    let from = page.body.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap();
    from.split('"').next().unwrap().to_owned()
}

pub async fn house() -> (TestServer, Upstream) {
    let upstream = Upstream::echo();
    let server = TestServer::open(&config(&[friends("tv.test", upstream.address)])).await;
    (server, upstream)
}

pub fn ways_in(server: &TestServer) -> WaysIn {
    let store = Arc::new(Store::open(&server.data_dir()).unwrap());
    let passwords = Passwords::new(CHEAP, 1).unwrap();
    let directory = usher::idp::Directory::new(Arc::<Store>::clone(&store), passwords);
    WaysIn::new(Arc::new(directory), store)
}

/// A browser with an empty jar, and the page on which it signs in.
pub async fn at_the_door(server: &TestServer) -> (Browser, Seen) {
    let mut browser = server.browser();
    let page = browser.open(FILM).await;
    (browser, page)
}

pub async fn shows(browser: &mut Browser, page: &Seen, answer: &str) -> Seen {
    let flow = hidden(page, "flow");
    let url = page.url.to_string();
    let fields = [("flow", &*flow), ("passkey", answer)];
    let bare = Seen { body: String::new(), url: url.parse().unwrap(), ..clone(page) };
    browser.post(&bare, "", &fields).await
}

pub fn clone(page: &Seen) -> Seen {
    Seen {
        url: page.url.clone(),
        status: page.status,
        fields: page.fields.clone(),
        body: page.body.clone(),
        trailers: None,
    }
}

/// Ann signs in and makes a passkey of this authenticator.
pub async fn ann_enrols(server: &TestServer, authenticator: &mut Authenticator) -> Browser {
    let mut ann = server.signed_in("https://tv.test/", ANN).await;
    let page = ann.open(ACCOUNT).await;
    assert_eq!(page.status, 200, "{}", page.body);
    let answer = authenticator.makes(&page);
    let done = acts(&mut ann, &page, "passkey", &[("passkey", &answer)]).await;
    assert!(done.body.contains("not used yet"), "{}", done.body);
    ann
}

pub async fn acts(browser: &mut Browser, page: &Seen, action: &str, more: &[(&str, &str)]) -> Seen {
    let flow = hidden(page, "flow");
    let bare = Seen { body: String::new(), ..clone(page) };
    let fields = [&[("flow", &*flow), ("action", action)], more].concat();
    browser.post(&bare, "", &fields).await
}
