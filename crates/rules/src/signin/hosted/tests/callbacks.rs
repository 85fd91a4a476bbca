use super::{CALLBACKS, list, open, proxy, read, service, text};
use crate::{
    signin::hosted::{AnswerFault, Arrived, ProfileFault, SealedFault, StampFault},
    time::UnixTime,
};

/// What we say to each callback that the real proxy got.
#[derive(Debug, PartialEq)]
enum Verdict {
    Good,
    Sealed(SealedFault),
    Answer(AnswerFault),
}

/// Cases in which we differ on purpose, or that the real proxy refuses for a reason to be pinned.
const NOT_GOOD: &[(&str, Verdict)] = &[
    ("callback-tampered-q", Verdict::Sealed(SealedFault::NotForUs)),
    ("callback-tampered-q-html", Verdict::Sealed(SealedFault::NotForUs)),
    ("callback-truncated-q", Verdict::Sealed(SealedFault::NotForUs)),
    ("callback-q-not-base64", Verdict::Sealed(SealedFault::Encoding)),
    ("callback-q-padded", Verdict::Sealed(SealedFault::Encoding)),
    ("callback-no-params", Verdict::Sealed(SealedFault::NotSealed)),
    ("callback-only-q", Verdict::Sealed(SealedFault::NotSealed)),
    ("callback-wrong-sender-key", Verdict::Sealed(SealedFault::NotForUs)),
    ("callback-bad-k", Verdict::Sealed(SealedFault::Sender)),
    ("callback-unregistered-sender", Verdict::Answer(AnswerFault::OtherSender)),
    ("callback-self-sealed", Verdict::Answer(AnswerFault::OtherSender)),
    ("callback-expired-65s-ago", Verdict::Answer(AnswerFault::Stamps(StampFault::Expired))),
    ("callback-issued-65s-ahead", Verdict::Answer(AnswerFault::Stamps(StampFault::TooEarly))),
    // seconds read as milliseconds are of January 1970
    ("callback-stamps-in-seconds", Verdict::Answer(AnswerFault::Stamps(StampFault::Expired))),
    ("callback-no-stamps", Verdict::Answer(AnswerFault::Stamps(StampFault::NoIssued))),
    ("callback-no-profile", Verdict::Answer(AnswerFault::NoProfile)),
    ("callback-profile-not-json", Verdict::Answer(AnswerFault::Profile(ProfileFault::Unreadable))),
    ("callback-no-redirect-uri", Verdict::Answer(AnswerFault::NoRedirect)),
    // The real proxy takes it from beside the seal, where anybody can put it.
    ("callback-redirect-uri-outside-seal", Verdict::Answer(AnswerFault::NoRedirect)),
];

/// Refused by the real proxy, let be by us: a newer service may say more; and where the redirect
/// leads is judged with the plan, in `rules::signin::Target`.
const MORE_LENIENT: &[&str] =
    &["callback-profile-unknown-field", "callback-redirect-uri-no-scheme"];

#[test]
fn every_recorded_callback_gets_its_verdict() {
    let callbacks = read(CALLBACKS);
    let (proxy, service) = (proxy(), service());
    let mut pinned = 0;
    for case in list(&callbacks) {
        let name = text(case, "name").split(' ').next().unwrap();
        let now = UnixTime::from_seconds(case["at"].as_u64().unwrap());
        let verdict = match open(text(case, "query"), &proxy) {
            Err(fault) => Verdict::Sealed(fault),
            Ok(opened) => match Arrived::read(&opened, &service.public(), now) {
                Err(fault) => Verdict::Answer(fault),
                Ok(arrived) => {
                    let sealed = case["opened"]["pomerium_redirect_uri"].as_str().unwrap();
                    assert_eq!(&*arrived.redirect, sealed, "{name}");
                    // One beside the seal makes no program of it.
                    assert_eq!(arrived.programmatic, name == "callback-programmatic", "{name}");
                    Verdict::Good
                }
            },
        };
        let expected = NOT_GOOD.iter().find(|(case, _)| *case == name).map(|(_, verdict)| verdict);
        pinned += usize::from(expected.is_some());
        assert_eq!(verdict, *expected.unwrap_or(&Verdict::Good), "{name}");
        let theirs = case["status"].as_u64().unwrap() == 302;
        let differs = MORE_LENIENT.contains(&name) || name == "callback-redirect-uri-outside-seal";
        assert_eq!(verdict == Verdict::Good, theirs != differs, "{name}: the real proxy");
    }
    assert_eq!(pinned, NOT_GOOD.len(), "each case is in the recording");
    assert_eq!(list(&callbacks).len(), 38);
}
