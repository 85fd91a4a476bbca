//! The values of a plan, in the form of the recordings.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use url::Url;
use usher_rules::{
    config::duration,
    names::Upstream,
    plan::{Action, DownstreamMtls, HostField, HostPattern, PathMatch, Plan, Route, SameSite},
};

/// The plan's value for an option; `None` where the plan has none to show.
pub fn effective(plan: &Plan, name: &str, theirs: &Value) -> Option<Value> {
    let span = |limit: Option<Duration>| json!(duration::show(limit.unwrap_or_default()));
    Some(match name {
        "timeout_idle" => span(plan.timeouts.idle),
        "timeout_read" => span(plan.timeouts.read),
        "insecure_server" => json!(plan.listen.insecure),
        "cookie_name" => json!(plan.cookie.name),
        "cookie_http_only" => json!(plan.cookie.http_only),
        "cookie_expire" => json!(duration::show(plan.cookie.expire)),
        "cookie_same_site" => json!(plan.cookie.same_site.map(|site| same_site(site, theirs))),
        "xff_num_trusted_hops" => json!(plan.xff_num_trusted_hops),
        "access_log_fields" => json!(plan.log.access.clone()?),
        "authorize_log_fields" => json!(plan.log.authorize.clone()?),
        "jwt_claims_headers" => {
            let fields = plan.claim_fields.iter();
            let fields = fields.map(|(field, claim)| (field.to_string(), claim));
            in_their_spelling(fields, theirs.as_object()?)
        }
        "authenticate_service_url" => {
            let has_slash = theirs.as_str().is_some_and(|url| url.ends_with('/'));
            json!(format!("{}{}", plan.sign_in.authenticate, if has_slash { "/" } else { "" }))
        }
        "downstream_mtls" => mtls(&plan.mtls, theirs),
        "idp_scopes" => json!(plan.sign_in.providers.first().oidc()?.scopes),
        _ => return None,
    })
}

/// In their spelling where it means the same: the plan holds what was read, not from where.
fn mtls(ours: &DownstreamMtls, theirs: &Value) -> Value {
    let given = |name: &str| theirs[name].as_str().filter(|text| !text.is_empty());
    let mut told = theirs.clone();
    let ca = ours.trust.as_ref().map(|trust| trust.pem());
    let is_same = match (given("CA"), ca) {
        (Some(text), Some(ca)) => STANDARD.decode(text).is_ok_and(|text| text == ca),
        (None, ca) => given("CAFile").is_some() == ca.is_some(),
        (Some(_), None) => false,
    };
    if !is_same {
        told["CA"] = json!("another one");
    }
    let has_list = given("CRL").or(given("CRLFile")).is_some();
    if has_list == ours.constraints.revoked.is_empty() {
        told["CRL"] = json!("another one");
    }
    let (word, depth) = (ours.enforcement.word(), ours.constraints.max_verify_depth);
    if theirs["Enforcement"] != "" || word != "policy_with_default_deny" {
        told["Enforcement"] = json!(word);
    }
    if !theirs["MaxVerifyDepth"].is_null() || depth != 1 {
        told["MaxVerifyDepth"] = json!(depth);
    }
    let names = ours.constraints.names.iter();
    let names: Vec<Value> =
        names.map(|name| json!({ name.kind().word(): name.written() })).collect();
    told["MatchSubjectAltNames"] = if names.is_empty() { Value::Null } else { json!(names) };
    told
}

fn same_site(site: SameSite, theirs: &Value) -> String {
    let word = match site {
        SameSite::None => "none",
        SameSite::Lax => "lax",
        SameSite::Strict => "strict",
    };
    // It keeps the spelling of the config.
    match theirs.as_str() {
        Some(theirs) if theirs.eq_ignore_ascii_case(word) => theirs.to_owned(),
        _ => word.to_owned(),
    }
}

/// Names of fields know no case: ours are spelled as theirs are.
fn in_their_spelling(
    ours: impl Iterator<Item = (String, impl AsRef<str>)>,
    theirs: &Map<String, Value>,
) -> Value {
    let spelled = |ours: String| {
        let theirs = theirs.keys().find(|theirs| theirs.eq_ignore_ascii_case(&ours));
        theirs.cloned().unwrap_or(ours)
    };
    Value::Object(ours.map(|(name, value)| (spelled(name), json!(value.as_ref()))).collect())
}

/// The hosts that a route answers for; in their spelling where it means the same.
fn from(route: &Route, theirs: &str) -> Value {
    let (host, port) = match &route.from {
        HostPattern::Exact { host, port } => (host.to_string(), port),
        HostPattern::Wildcard { text, port, .. } => (text.to_string(), port),
    };
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    let ours = format!("https://{host}{port}");
    let read = theirs.to_ascii_lowercase();
    let read = read.strip_suffix('/').unwrap_or(&read);
    let read = read.strip_suffix(":443").unwrap_or(read);
    json!(if read == ours { theirs } else { &ours })
}

/// Where a route leads; in their spelling where it means the same.
fn to(route: &Route, theirs: &Value) -> Option<Value> {
    let Action::Forward(targets) = &route.action else { return None };
    let read: Option<Vec<Upstream>> = theirs
        .as_array()
        .into_iter()
        .flatten()
        .map(|url| {
            let url = Url::parse(url.as_str()?).ok()?;
            Upstream::parse(url.as_str()).ok()
        })
        .collect();
    let ours: Vec<String> = targets.all.iter().map(|to| to.upstream.to_string()).collect();
    let is_same = read.is_some_and(|read| {
        read.len() == targets.all.len()
            && read.iter().zip(&targets.all).all(|(read, ours)| {
                let (read, ours) = (read, &ours.upstream);
                (read.scheme, &read.host, read.port) == (ours.scheme, &ours.host, ours.port)
            })
    });
    Some(if is_same { theirs.clone() } else { json!(ours) })
}

/// The pattern of the paths that a route takes, where it is of that kind.
fn path_match(route: &Route, key: &str) -> Option<String> {
    match (&route.matches, key) {
        (PathMatch::Prefix(text), "prefix") | (PathMatch::Exact(text), "path") => {
            Some(text.to_string())
        }
        (PathMatch::Regex(regex), "regex") => {
            let whole = regex.as_str();
            let inner = whole.strip_prefix("^(?:").and_then(|rest| rest.strip_suffix(")$"));
            Some(inner.unwrap_or(whole).to_owned())
        }
        _ => None,
    }
}

/// A route's value for a key; `None` where the route has none to show.
pub fn of_route(route: &Route, key: &str, theirs: &Value) -> Option<Value> {
    let span = |limit: Option<Duration>| json!(duration::show(limit.unwrap_or_default()));
    Some(match key {
        "name" => json!(route.name),
        "from" => from(route, theirs.as_str()?),
        "to" => to(route, theirs)?,
        "prefix" | "path" | "regex" => json!(path_match(route, key)?),
        "preserve_host_header" => json!(route.host_field == HostField::Preserve),
        "host_rewrite" => match &route.host_field {
            HostField::Literal(host) => json!(host.to_str().ok()?),
            HostField::Upstream | HostField::Preserve => return None,
        },
        "tls_downstream_client_ca" => {
            let read = STANDARD.decode(theirs.as_str()?).ok()?;
            let is_same = route.client_trust.as_ref().is_some_and(|trust| trust.pem() == read);
            if is_same { theirs.clone() } else { json!("another one") }
        }
        "tls_downstream_client_ca_file" if route.client_trust.is_some() => theirs.clone(),
        "response" => match &route.action {
            Action::Respond { status, body } => json!({"status": status.as_u16(), "body": body}),
            Action::Forward(_) | Action::Redirect(_) => return None,
        },
        "set_response_headers" => {
            let set = route.set_response.iter();
            let set =
                set.filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?)));
            in_their_spelling(set, theirs.as_object()?)
        }
        "timeout" => span(route.timeout),
        "idle_timeout" => span(route.idle_timeout),
        "remove_request_headers" => {
            let ours: Vec<String> = route.remove_request.iter().map(ToString::to_string).collect();
            let theirs = theirs.as_array().into_iter().flatten().filter_map(Value::as_str);
            let theirs: Vec<&str> = theirs.collect();
            let is_same = ours.len() == theirs.len()
                && ours.iter().zip(&theirs).all(|(ours, theirs)| ours.eq_ignore_ascii_case(theirs));
            if is_same { json!(theirs) } else { json!(ours) }
        }
        _ => return None,
    })
}
