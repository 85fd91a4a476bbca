//! How long a session lives, for the profiles whose sessions were watched
//! (`pomerium-hosted-measured.md`, correction 11), and who it is for.

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

use crate::{
    signin::{
        ClaimsFault,
        hosted::{Profile, ProfileFault},
    },
    time::UnixTime,
};

const NOW: u64 = 1_795_576_000;

fn oauth(expiry: Option<&str>) -> Value {
    let mut token = json!({"access_token": "a", "token_type": "Bearer", "refresh_token": "r"});
    if let Some(expiry) = expiry {
        token["expiry"] = expiry.into();
    }
    BASE64_STANDARD.encode(token.to_string()).into()
}

fn id_token(exp: &Value) -> Value {
    let payload = BASE64_URL_SAFE_NO_PAD.encode(json!({"sub": "alice", "exp": exp}).to_string());
    BASE64_STANDARD.encode(format!("eyJhbGciOiJub25lIn0.{payload}.")).into()
}

fn in_seconds(seconds: i64) -> String {
    let at = time::OffsetDateTime::from_unix_timestamp(NOW as i64 + seconds).unwrap();
    at.format(&time::format_description::well_known::Rfc3339).unwrap()
}

#[test]
fn a_session_ends_a_minute_before_its_tokens() {
    let soon = in_seconds(90);
    let nanoseconds = soon.replace('Z', ".123456789Z");
    let elsewhere = {
        let at = time::OffsetDateTime::from_unix_timestamp(NOW as i64 + 90).unwrap();
        let at = at.to_offset(time::UtcOffset::from_hms(2, 0, 0).unwrap());
        at.format(&time::format_description::well_known::Rfc3339).unwrap()
    };
    for (id, oauth, end, why) in [
        (Value::Null, Value::Null, Ok(None), "no tokens"),
        (Value::Null, oauth(Some(&soon)), Ok(Some(30)), "an OAuth token"),
        (Value::Null, oauth(Some(&nanoseconds)), Ok(Some(30)), "as Go writes it"),
        (Value::Null, oauth(Some(&elsewhere)), Ok(Some(30)), "in another time zone"),
        (Value::Null, oauth(None), Ok(None), "without expiry"),
        (Value::Null, oauth(Some("0001-01-01T00:00:00Z")), Ok(None), "Go's zero time"),
        (Value::Null, oauth(Some(&in_seconds(-10))), Err(ProfileFault::Over), "over"),
        (Value::Null, oauth(Some(&in_seconds(60))), Err(ProfileFault::Over), "over in a minute"),
        (id_token(&json!(NOW + 90)), Value::Null, Ok(Some(30)), "an unsigned ID token"),
        (id_token(&json!(NOW as f64 + 90.5)), Value::Null, Ok(Some(30)), "with a fraction"),
        (id_token(&json!(-5)), Value::Null, Err(ProfileFault::Over), "before 1970"),
        (id_token(&json!(-5.5)), Value::Null, Err(ProfileFault::Over), "the same"),
        (id_token(&json!("soon")), Value::Null, Ok(None), "that says nothing"),
        (BASE64_STANDARD.encode("garbage").into(), Value::Null, Ok(None), "that is none"),
        (id_token(&json!(NOW + 3600)), oauth(Some(&soon)), Ok(Some(30)), "the earlier one"),
        (id_token(&json!(NOW + 90)), oauth(Some(&in_seconds(3600))), Ok(Some(30)), "either way"),
    ] {
        let text = json!({
            "providerId": "asked",
            "idToken": id,
            "oauthToken": oauth,
            "claims": {"sub": "alice", "exp": 1},
        });
        let profile = Profile::parse(&text.to_string()).unwrap();
        let person = profile.person("asked", UnixTime::from_seconds(NOW));
        let found = person.map(|(_, end)| end.map(|end| end.seconds() - NOW));
        assert_eq!(found, end, "{why}");
    }
}

#[test]
fn who_it_is_for() {
    let no_subject = Err(ProfileFault::Claims(ClaimsFault::NoSubject));
    for (text, id, why) in [
        (json!({"providerId": "asked", "claims": {"sub": "s1"}}), Ok("s1"), "the subject"),
        (json!({"provider_id": "asked", "claims": {"sub": "s1"}}), Ok("s1"), "the other spelling"),
        (json!({"claims": {"sub": "s1"}}), Ok("s1"), "no provider is named"),
        (json!({"claims": {"user": "u7", "email": "u7@example.com"}}), Ok("u7"), "no subject"),
        (json!({"claims": {"sub": "s1", "oid": "o1"}}), Ok("s1"), "oid is chosen by its owner"),
        (
            json!({"claims": {"sub": 12_345_678_901_234_567_890_u64}}),
            Ok("12345678901234567890"),
            "its digits",
        ),
        (json!({"claims": {"sub": "s1"}, "newField": 1}), Ok("s1"), "from a newer service"),
        (json!({"providerId": "asked"}), no_subject, "nobody"),
        (json!({"claims": {"sub": ""}}), no_subject, "nobody, in so many words"),
        (json!({"claims": {"sub": ["s1"]}}), no_subject, "a list"),
        (
            json!({"providerId": "other", "claims": {"sub": "s1"}}),
            Err(ProfileFault::OtherProvider),
            "another provider",
        ),
    ] {
        let person = Profile::parse(&text.to_string())
            .and_then(|profile| profile.person("asked", UnixTime::from_seconds(NOW)));
        let found = person.as_ref().map(|(it, _)| &*it.person.id).map_err(|fault| *fault);
        assert_eq!(found, id, "{why}");
    }
    for (text, fault) in [
        ("", ProfileFault::Unreadable),
        ("[]", ProfileFault::Unreadable),
        (r#"{"providerId": 7}"#, ProfileFault::Field("providerId")),
        (r#"{"claims": []}"#, ProfileFault::Field("claims")),
        (r#"{"idToken": "*"}"#, ProfileFault::Field("idToken")),
        (r#"{"oauthToken": {}}"#, ProfileFault::Field("oauthToken")),
    ] {
        assert_eq!(Profile::parse(text), Err(fault), "{text}");
    }
}

/// The real proxy refuses a profile with a field that it does not know.
#[test]
fn what_we_send_holds_two_fields_and_no_token() {
    let claims = json!({"sub": "alice", "groups": ["a", "b"]});
    let profile = Profile {
        provider_id: "asked".into(),
        claims: claims.as_object().unwrap().clone(),
        tokens_end: None,
    };
    let text: Value = serde_json::from_str(&profile.to_text()).unwrap();
    assert_eq!(text, json!({"providerId": "asked", "claims": claims}));
    assert_eq!(Profile::parse(&profile.to_text()), Ok(profile));
}
