//! `idp_client_id` and `idp_client_secret` of a route: its sessions are its own.

use http::Method;
use usher::{
    reload::{Source, load},
    request::inquiry::{Caller, Inquiry, foretell},
};
use usher_lab::{
    browser::{Browser, NAVIGATION, Seen},
    clock::TurnedClock,
    provider::FakeProvider,
    upstream::Upstream,
};
use usher_rules::{signin::Imagined, time::Clock as _};

use crate::test_server::TestServer;

/// One host: everything by a client that the provider does not know, `/own` by one that it does.
fn config(provider: &FakeProvider, app: &Upstream) -> String {
    let (client, secret) = provider.client();
    let route = format!(
        "- from: https://tv.test\n  to: http://{}\n  policy: [{{allow: {{or: [{{authenticated_user: true}}]}}}}]\n",
        app.address
    );
    format!(
        "authenticate_service_url: https://auth.test\nidp_provider: oidc\nidp_provider_url: {}\n\
         idp_client_id: another\nidp_client_secret: another\nroutes:\n\
         {route}  prefix: /own\n  idp_client_id: {client}\n  idp_client_secret: \"{secret}\"\n{route}",
        provider.issuer(),
    )
}

/// Where the browser is sent to by that page.
async fn asked(browser: &mut Browser, page: &str) -> Seen {
    let asked = browser.send(Method::GET, page, NAVIGATION, "").await;
    let door = asked.location().unwrap_or_else(|| panic!("{page} asks nobody: {}", asked.status));
    assert_eq!(door.host_str(), Some("auth.test"));
    browser.send(Method::GET, door.as_str(), NAVIGATION, "").await
}

#[tokio::test]
async fn a_session_of_another_client_counts_for_nothing() {
    let provider = FakeProvider::start(TurnedClock::new().now().wall.seconds()).await.unwrap();
    let app = Upstream::echo();
    let server = TestServer::open(&config(&provider, &app)).await;
    let mut browser = server.browser();
    let authorize = asked(&mut browser, "https://tv.test/own/").await.location().unwrap();
    let (client, _) = provider.client();
    assert!(authorize.query().unwrap().contains(&format!("client_id={client}")), "{authorize}");
    let back = provider.consents(authorize.as_str()).unwrap();
    let arrived = browser.send(Method::GET, &back, NAVIGATION, "").await;
    let seen = browser.follow(arrived).await;
    assert_eq!(seen.status, 200, "{}", seen.body);
    assert_eq!(browser.fetch("https://tv.test/own/2").await.status, 200, "it is in");
    let listed = browser.fetch("https://tv.test/.pomerium/api/v1/routes").await.json();
    let listed = listed["routes"].as_array().unwrap();
    assert_eq!(listed.len(), 1, "what it may open without another sign-in: {listed:?}");
    assert!(listed[0]["name"].as_str().unwrap().contains("own"), "{listed:?}");

    // The same cookie, on the same host: elsewhere it is nobody's, at the authenticate host too.
    let before = app.heads().len();
    let own = browser.cookies("tv.test").unwrap();
    let authorize = asked(&mut browser, "https://tv.test/").await.location().unwrap();
    assert!(authorize.query().unwrap().contains("client_id=another"), "{authorize}");
    let fields = [("cookie", &*own), ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")];
    let seen = server.browser().send(Method::GET, "https://tv.test/api", &fields, "").await;
    assert_eq!(seen.status, 401, "a program, too");
    assert_eq!(app.heads().len(), before, "the app has seen none of it");
    let seen = server.browser().send(Method::GET, "https://tv.test/own/api", &fields, "").await;
    assert_eq!(seen.status, 200, "and where it belongs it goes on");

    // A reload that takes the client away leaves its sessions nowhere to go.
    let without: String = config(&provider, &app)
        .lines()
        .filter(|line| !line.starts_with("  idp_client_"))
        .map(|line| format!("{line}\n"))
        .collect();
    server.reload(&without).unwrap();
    let seen = server.browser().send(Method::GET, "https://tv.test/own/api", &fields, "").await;
    assert_eq!(seen.status, 401);
}

/// It said who gains where serving asks everybody to sign in anew.
#[tokio::test]
async fn a_session_of_another_client_counts_for_nothing_in_what_is_foretold() {
    let provider = FakeProvider::start(TurnedClock::new().now().wall.seconds()).await.unwrap();
    let app = Upstream::echo();
    let server = TestServer::open(&config(&provider, &app)).await;
    let plan = server.running().plan();
    let clients: Vec<_> = plan.sign_in.providers.iter().map(|one| one.id().to_owned()).collect();
    let now = server.clock.now();
    let verdict = |who: Caller, path: &str| {
        let head = http::Request::get(path).header("host", "tv.test").body(()).unwrap();
        let inquiry = Inquiry {
            plan: &plan,
            head: head.into_parts().0,
            who,
            source: [203, 0, 113, 7].into(),
            presented: Default::default(),
            tool: None,
            now,
            apps: &usher::request::Apps::default(),
        };
        foretell(inquiry, |foretold| foretold.verdict().word())
    };
    let ann = |client: &str| Imagined::default().signed_in(client, now.wall);
    let [usual, own] = &*clients else { panic!("{clients:?}") };
    assert_eq!(verdict(Caller::Kept(ann(usual)), "/"), "allow");
    assert_eq!(verdict(Caller::Kept(ann(usual)), "/own/"), "sign-in");
    assert_eq!(verdict(Caller::Kept(ann(own)), "/own/"), "allow");
    assert_eq!(verdict(Caller::Kept(ann(own)), "/"), "sign-in");
    for path in ["/", "/own/"] {
        let imagined = verdict(Caller::Imagined(ann(usual)), path);
        assert_eq!(imagined, "allow", "whoever is asked about would sign in there: {path}");
    }
}

/// Where nobody is asked by a client the key has no effect: it lets nobody in (decision 0025).
#[tokio::test]
async fn a_client_for_nobody_is_told() {
    let text = "routes:\n- from: https://tv.test\n  to: http://127.0.0.1:9\n  \
                allow_any_authenticated_user: true\n  idp_client_id: own\n";
    let loaded = load(Source::Text { name: "config.yaml", text }).unwrap();
    let codes: Vec<_> = loaded.problems.problems().iter().map(|problem| problem.code).collect();
    assert!(codes.contains(&"U476"), "{codes:?}");
    let route = loaded.plan.routes.first().unwrap();
    let providers = &loaded.plan.sign_in.providers;
    assert!(providers.counts_on(route.sign_in_by.as_ref(), "builtin"));
    assert!(!providers.counts_on(route.sign_in_by.as_ref(), "another"));
}
