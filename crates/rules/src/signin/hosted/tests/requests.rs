use std::collections::BTreeMap;

use serde_json::Value;
use url::Url;

use super::{REQUESTS, list, open, proxy, read, service, text};
use crate::{
    signin::hosted::{Answer, Profile, Program, Request, RequestFault, SealedFault, mark, unmark},
    time::UnixTime,
};

const NOW: UnixTime = UnixTime::from_seconds(1_795_576_000);

fn names(params: &Value) -> Vec<&str> {
    params.as_object().unwrap().keys().map(String::as_str).collect()
}

/// What the recorded service made of each request, ours makes of it too: same address, same
/// parameters, same values but for times, version and profile.
#[test]
fn every_recorded_request_is_answered_as_it_was() {
    let requests = read(REQUESTS);
    let (proxy, service) = (proxy(), service());
    let mut answered = 0;
    for case in list(&requests) {
        let name = text(case, "name");
        let Ok(opened) = open(text(case, "query"), &service) else {
            assert!(case["opened"].is_null(), "{name} is sealed for us");
            continue;
        };
        let request = Request::read(&opened);
        let recorded = &case["answer"];
        if recorded.is_null() {
            continue; // the visitor had to sign in first, or it was refused: see below
        }
        if name.ends_with("but-unsealed-one") {
            // The real service takes what stands beside the seal; anybody can put it there.
            assert_eq!(request, Err(RequestFault::NoRedirect), "{name}");
            continue;
        }
        let request = request.unwrap_or_else(|fault| panic!("{name}: {fault}"));
        let profile = Profile { provider_id: request.idp_id.clone(), ..Profile::default() };
        let answer = Answer { to: &request, profile: &profile, version: "0.32.7" };
        let url = answer.url(&service, [9; 32], NOW).unwrap();
        let (url, query) = url.split_once('?').unwrap();
        assert_eq!(url, text(recorded, "url"), "{name}");
        if name.contains("foreign-key") {
            assert_eq!(open(query, &proxy), Err(SealedFault::NotForUs), "{name}");
            continue;
        }
        let ours = open(query, &proxy).unwrap();
        assert_eq!(ours.version, opened.version, "{name}: in the version that was asked in");
        assert_eq!(ours.sender, service.public(), "{name}");
        let ours: BTreeMap<_, _> = ours.form.pairs().collect();
        assert_eq!(ours.keys().copied().collect::<Vec<_>>(), names(&recorded["opened"]), "{name}");
        for (param, value) in &ours {
            let differs = [
                "pomerium_issued",
                "pomerium_expiry",
                "pomerium_version",
                "pomerium_identity_profile",
            ];
            if !differs.contains(param) {
                assert_eq!(*value, text(&recorded["opened"], param), "{name}: {param}");
            }
        }
        answered += 1;
    }
    assert_eq!(answered, 21);
}

/// What stands in the query of a callback goes inside the seal, and says nothing in our name: the
/// address of a callback is anybody's to write.
#[test]
fn a_callback_s_query_sets_nothing_that_the_service_alone_says() {
    let (requests, proxy, service) = (read(REQUESTS), proxy(), service());
    let answered = list(&requests).iter().find(|case| !case["answer"].is_null()).unwrap();
    let opened = open(text(answered, "query"), &service).unwrap();
    let mut request = Request::read(&opened).unwrap();
    let theirs = "pomerium_identity_profile=e&pomerium_redirect_uri=e&pomerium_version=e\
                  &pomerium_issued=e&pomerium_expiry=e&pomerium_programmatic=e&k=e&q=e\
                  &pomerium_hpke_sender_pub=e&pomerium_hpke_query=e&x=1";
    request.callback.set_query(Some(theirs));
    let profile = Profile { provider_id: request.idp_id.clone(), ..Profile::default() };
    let answer = Answer { to: &request, profile: &profile, version: "0.32.7" };
    let url = answer.url(&service, [9; 32], NOW).unwrap();
    let sealed = open(url.split_once('?').unwrap().1, &proxy).unwrap();
    let pairs: Vec<_> = sealed.form.pairs().collect();
    assert!(!pairs.iter().any(|(_, value)| *value == "e"), "{pairs:?}");
    assert!(pairs.contains(&("x", "1")), "what is theirs is kept: {pairs:?}");
}

#[test]
fn requests_that_can_t_be_served_are_refused_before_anybody_signs_in() {
    let requests = read(REQUESTS);
    let service = service();
    let refused: Vec<_> = list(&requests)
        .iter()
        .filter_map(|case| {
            let name = text(case, "name").split_once(": ").unwrap().1;
            let fault = match open(text(case, "query"), &service) {
                Err(fault) => fault.to_string(),
                Ok(opened) => Request::read(&opened).err()?.to_string(),
            };
            Some((name, fault))
        })
        .collect();
    let named = |name: &str| {
        let found = refused.iter().find(|(case, _)| *case == name);
        found.map(|(_, fault)| fault.as_str()).unwrap_or_else(|| panic!("{name} was taken"))
    };
    // The real service sends these through a whole sign-in first, and answers 500 then.
    assert!(named("signin-tampered-q-signed-in").contains("was changed"));
    assert!(named("signin-no-params-anonymous-00").contains("not sealed"));
    assert!(named("signin-redirect-relative").contains("https://HOST"));
    assert!(named("signin-no-redirect-uri").contains("no address"));
}

/// A request of ours says what a recorded one says, and a redirect URI with a query of any shape
/// comes back as it was.
#[test]
fn a_request_of_ours_is_the_recorded_one() {
    let requests = read(REQUESTS);
    let recorded = list(&requests)
        .iter()
        .find(|case| text(case, "name") == "hosted-sign-in: signin-alice-01")
        .unwrap();
    let (proxy, service) = (proxy(), service());
    let theirs = &recorded["opened"];
    let redirect = "https://app.example.com/web/index.html?z=1&a=%20x&flag";
    let marked = mark(redirect, "nonce");
    let uuid = "b0ea8a6c-1e05-4a35-98e5-a147b53d8227";
    let ask = |program| {
        let query = Request::ask(
            &proxy,
            &service.public(),
            &marked,
            "an-id",
            program,
            "0.32.7+usher linux/amd64 ",
            uuid,
            [3; 32],
            NOW,
        );
        open(&query.unwrap(), &service).unwrap()
    };
    let opened = ask(None);
    let mut expected = names(theirs);
    expected.retain(|name| *name != "pomerium_traceparent"); // nobody reads it
    assert_eq!(opened.form.pairs().map(|(name, _)| name).collect::<Vec<_>>(), expected);
    assert_eq!(opened.form.text("pomerium_issued"), Some("1795576000000"), "milliseconds");
    assert_eq!(opened.form.text("pomerium_expiry"), Some("1795576300000"), "five minutes");

    let request = Request::read(&opened).unwrap();
    assert_eq!(unmark(request.redirect.as_str()), Some((redirect, "nonce")), "as it was");
    assert_eq!(request.callback.as_str(), "https://app.example.com/.pomerium/callback/");
    assert!(!request.programmatic);

    let callback = "https://app.example.com/.pomerium/callback/?usher_flow=x";
    let request = Request::read(&ask(Some(Program { callback }))).unwrap();
    assert!(request.programmatic);
    assert_eq!(request.callback, Url::parse(callback).unwrap());
}
