//! What a module is told: the `input` of Pomerium, and its records, as far as usher has them.

use http::HeaderMap;
use regorus::Value;
use serde_json::{Map, Value as Json, json};
use usher_rules::{
    people::{Claims, Person},
    policy::{ClientCertificate, Facts, WholeRequest},
    session::{Means, SignedIn},
};

/// Functions beside those of the language, with how many arguments each takes.
pub(crate) const FUNCTIONS: &[(&str, usize)] = &[(RECORD, 2), (NOW, 0)];

/// A record of the data broker by type and id.
pub(crate) const RECORD: &str = "get_databroker_record";
/// The moment that the whole decision is made at, whatever the clock says meanwhile.
pub(crate) const NOW: &str = "time.now_ns";

/// What Pomerium tells and usher does not: bodies are not read for it, and of certificates there is
/// no text any more when policies are asked.
pub(crate) const NOT_GIVEN: &[&str] = &[
    "input.http.body",
    "input.http.client_certificate.leaf",
    "input.http.client_certificate.intermediates",
];

/// Members of `http` that no record of a decision has: credentials travel in them.
pub(crate) const ON_NO_RECORD: &[&str] = &["headers", "raw_query", "url"];

/// The document `input`. What is not known is not there.
pub(crate) fn document(facts: &Facts<'_>) -> Value {
    let session = facts.who.map(|who| &who.session);
    let user = facts.who.map_or("", |who| &who.person.id);
    let mut input = json!({
        "http": http(facts),
        "session": {"id": session.map_or("", |session| session.id.as_str()), "user_id": user},
        // Where no authority is trusted nobody vouches for any (`pomerium-policy-measured.md` 11).
        "is_valid_client_certificate": matches!(facts.certificate, ClientCertificate::Valid(_)),
    });
    if let (Some(tool), Some(input)) = (facts.request.tool, input.as_object_mut()) {
        let message = json!({"method": "tools/call", "tool_call": {"name": tool}});
        input.insert("mcp".into(), message);
    }
    input.into()
}

fn http(facts: &Facts<'_>) -> Json {
    let request = &facts.request;
    let presented = match facts.certificate {
        ClientCertificate::Unjudged(None) | ClientCertificate::Absent => false,
        ClientCertificate::Unjudged(Some(_))
        | ClientCertificate::Valid(_)
        | ClientCertificate::Wrong(..)
        | ClientCertificate::Distrusted(_) => true,
    };
    let mut http = json!({
        "method": request.method,
        "path": request.path,
        "client_certificate": {"presented": presented},
    });
    let Some(members) = http.as_object_mut() else { return http };
    if let Some(source) = request.source {
        members.insert("ip".into(), source.to_canonical().to_string().into());
    }
    if let Some(whole) = &facts.whole {
        rest(whole, members);
    }
    http
}

fn rest(whole: &WholeRequest<'_>, members: &mut Map<String, Json>) {
    let WholeRequest { authority, raw_path, query, fields } = *whole;
    let mark = if query.is_empty() { "" } else { "?" };
    members.insert("host".into(), authority.into());
    members.insert("hostname".into(), without_port(authority).into());
    members.insert("raw_path".into(), raw_path.into());
    members.insert("raw_query".into(), query.into());
    members.insert("url".into(), format!("https://{authority}{raw_path}{mark}{query}").into());
    members.insert("headers".into(), headers(fields).into());
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        Some(_) | None => authority,
    }
}

/// By canonical name; several fields of one name are one text (RFC 9110 §5.3).
fn headers(fields: &HeaderMap) -> Map<String, Json> {
    let mut headers = Map::new();
    for name in fields.keys() {
        let values =
            fields.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        let values: Vec<_> = values.collect();
        headers.insert(canonical(name.as_str()), values.join(",").into());
    }
    headers
}

/// `x-forwarded-for` as `X-Forwarded-For`.
fn canonical(name: &str) -> String {
    let mut starts = true;
    let letter = |c: char| {
        let written = if starts { c.to_ascii_uppercase() } else { c };
        starts = c == '-';
        written
    };
    name.chars().map(letter).collect()
}

/// What [`RECORD`] finds: records of whoever asks, by type and id, and null for all else.
pub(crate) fn records(who: Option<&SignedIn>) -> Vec<((&'static str, String), Value)> {
    const SESSION: &str = "type.googleapis.com/session.Session";
    const SERVICE_ACCOUNT: &str = "type.googleapis.com/user.ServiceAccount";
    const USER: &str = "type.googleapis.com/user.User";
    let Some(SignedIn { session, person }) = who else { return Vec::new() };
    let Person { id, email, name, .. } = &**person;
    let kind = match session.sign_in.means {
        Means::ServiceAccount => SERVICE_ACCOUNT,
        Means::Unrecorded
        | Means::Password
        | Means::Passkey
        | Means::Provider
        | Means::Service
        | Means::AppPassword => SESSION,
    };
    let of_session =
        json!({"id": session.id.as_str(), "user_id": id, "claims": claims(&session.claims)});
    let of_user = json!({"id": id, "name": name, "email": email, "claims": claims(&person.claims)});
    let records = [(kind, session.id.as_str(), of_session), (USER, id, of_user)].into_iter();
    records
        .chain(directory(person))
        .map(|(kind, id, record)| ((kind, id.to_owned()), record.into()))
        .collect()
}

/// Of people whom our own store knows, and of their groups.
fn directory(person: &Person) -> Vec<(&'static str, &str, Json)> {
    let Some(groups) = &person.directory_groups else { return Vec::new() };
    let Person { id, email, name, .. } = person;
    let ids: Vec<&str> = groups.iter().map(|group| &*group.id).collect();
    let user = json!({"id": id, "group_ids": ids, "display_name": name, "email": email});
    let group = |group: &'_ usher_rules::people::Group| json!({"id": group.id, "name": group.name});
    let groups = groups.iter().map(|one| ("pomerium.io/DirectoryGroup", &*one.id, group(one)));
    std::iter::once(("pomerium.io/DirectoryUser", &**id, user)).chain(groups).collect()
}

fn claims(claims: &Claims) -> Map<String, Json> {
    claims.iter().map(|(name, values)| (name.to_owned(), values.into())).collect()
}
