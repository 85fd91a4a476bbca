//! Fields that are set: on responses, and claims toward upstreams.

use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::{Compiler, name};
use crate::{
    config::{
        Given, Section,
        keys::{
            Value, global,
            route::{self, REWRITE_HEADER, REWRITE_PREFIX, REWRITE_VALUE},
        },
        values::Text,
    },
    plan::ResponseRewrite,
    problem::{Problem, Severity},
};

/// For how long browsers ask for https where a certificate is named.
const YEAR: Duration = Duration::from_secs(31_536_000);

/// Response fields, and whether anybody wrote them.
#[derive(Clone, Debug, Default)]
pub(super) struct ResponseFields {
    /// From `set_response_headers`: they replace what an app says.
    pub written: Vec<(HeaderName, HeaderValue)>,
    /// Nobody wrote them: what an app says wins.
    pub defaults: Vec<(HeaderName, HeaderValue)>,
}

impl ResponseFields {
    /// All of them, for our own pages.
    pub(super) fn all(&self) -> Vec<(HeaderName, HeaderValue)> {
        [self.written.as_slice(), &self.defaults].concat()
    }
}

/// The global `set_response_headers`, or Pomerium's defaults (`pomerium-config.md` §2.10).
pub(super) fn global_response_fields(compiler: &mut Compiler<'_>) -> ResponseFields {
    let Some(given) = compiler.keys.given(&global::SET_RESPONSE_HEADERS) else {
        return ResponseFields { written: Vec::new(), defaults: defaults(compiler.keys) };
    };
    let pairs = compiler.keys.value(&global::SET_RESPONSE_HEADERS);
    let written = own_fields(given, pairs, compiler.problems).unwrap_or_default();
    ResponseFields { written, defaults: Vec::new() }
}

fn defaults(keys: &Section) -> Vec<(HeaderName, HeaderValue)> {
    let mut fields = vec![
        (http::header::X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN")),
        (http::header::X_XSS_PROTECTION, HeaderValue::from_static("1; mode=block")),
    ];
    if !keys.value(&global::AUTOCERT_USE_STAGING) {
        fields.extend(hsts(keys));
    }
    fields
}

/// Pomerium adds `includeSubDomains; preload`, which bind other hosts for years; they are for the
/// operator to ask for (RFC 6797 §6.1).
fn hsts(keys: &Section) -> Option<(HeaderName, HeaderValue)> {
    let has_certificate = keys.given(&global::CERTIFICATE).is_some()
        || keys.given(&global::CERTIFICATE_FILE).is_some()
        || !keys.value(&global::CERTIFICATES).is_empty();
    let age = keys.get(&global::HSTS_MAX_AGE).or(has_certificate.then_some(YEAR))?;
    let value = HeaderValue::try_from(format!("max-age={}", age.as_secs())).ok()?;
    Some((http::header::STRICT_TRANSPORT_SECURITY, value))
}

/// A route's fields over the global ones; `disable` clears all.
pub(super) fn route_response_fields(
    compiler: &mut Compiler<'_>,
    globals: &ResponseFields,
) -> ResponseFields {
    let Some(given) = compiler.keys.given(&route::SET_RESPONSE_HEADERS) else {
        return globals.clone();
    };
    let pairs = compiler.keys.value(&route::SET_RESPONSE_HEADERS);
    let Some(own) = own_fields(given, pairs, compiler.problems) else {
        return ResponseFields::default();
    };
    let mut fields = globals.clone();
    fields.written.retain(|(name, _)| !own.iter().any(|(own, _)| own == name));
    fields.defaults.retain(|(name, _)| !own.iter().any(|(own, _)| own == name));
    fields.written.extend(own);
    fields
}

/// `rewrite_response_headers`. What has no effect in Pomerium has none here, and is told of.
pub(super) fn response_rewrites(compiler: &mut Compiler<'_>) -> Vec<ResponseRewrite> {
    let mut rewrites = Vec::new();
    for keys in compiler.keys.value(&route::REWRITE_RESPONSE_HEADERS) {
        rewrites.extend(response_rewrite(keys, compiler.problems));
    }
    rewrites
}

fn response_rewrite(keys: &Section, problems: &mut Vec<Problem>) -> Option<ResponseRewrite> {
    let no_effect = |what: &str, help: &str| keys.problem(Severity::Warning, "U520", what, help);
    let Some(field) = keys.given(&REWRITE_HEADER) else {
        problems.push(no_effect(
            "this item of `rewrite_response_headers` names no field: it has no effect",
            "add `header: Location`",
        ));
        return None;
    };
    let named = Text { text: field.text().into(), at: field.node.span.clone() };
    let name = name::field_name(route::REWRITE_RESPONSE_HEADERS.name, &named);
    let prefix = keys.get(&REWRITE_PREFIX).map(|prefix| match prefix.text() {
        Some(text) => Ok(Box::from(text)),
        None => Err(Problem::error("U200", prefix.span.clone(), "`prefix` is a text", "write one")),
    });
    if prefix.is_none() {
        problems.push(no_effect(
            "this item of `rewrite_response_headers` has no `prefix`: it has no effect",
            "add what the value begins with: `prefix: http://app:8080/`; with `prefix: ''` the \
             new text comes in front of every value",
        ));
    }
    let value = keys.value(&REWRITE_VALUE);
    let is_value = HeaderValue::from_str(value).map_err(|_| {
        let given = keys.given(&REWRITE_VALUE);
        let at = given.map_or_else(|| keys.at.clone(), |given| given.node.span.clone());
        let what = "a value of `rewrite_response_headers` holds a line end or a control character";
        Problem::error("U408", at, what, "write it in one line")
    });
    match (name, prefix.transpose(), is_value) {
        (Ok(field), Ok(prefix), Ok(_)) => {
            Some(ResponseRewrite { field, prefix, value: value.into() })
        }
        (name, prefix, is_value) => {
            let found = [name.err(), prefix.err(), is_value.err()];
            problems.extend(found.into_iter().flatten());
            None
        }
    }
}

/// `None` when a key named `disable` is among them.
fn own_fields(
    given: &Given,
    pairs: &[(Text, Text)],
    problems: &mut Vec<Problem>,
) -> Option<Vec<(HeaderName, HeaderValue)>> {
    if pairs.iter().any(|(name, _)| name.text.eq_ignore_ascii_case("disable")) {
        return None;
    }
    let mut fields = Vec::new();
    let mut found = Vec::new();
    for (field, value) in pairs {
        match (name::field_name(given.key.name, field), name::field_value(given.key.name, value)) {
            (Ok(field), Ok(value)) => fields.push((field, value)),
            (field, value) => found.extend([field.err(), value.err()].into_iter().flatten()),
        }
    }
    given.source.relocate(&mut found);
    problems.append(&mut found);
    Some(fields)
}

/// `jwt_claims_headers`: a map from field to claim, or claims whose fields are named after them.
pub(super) fn claim_fields(compiler: &mut Compiler<'_>) -> Vec<(HeaderName, Box<str>)> {
    let Some(given) = compiler.keys.given(&global::JWT_CLAIMS_HEADERS) else { return Vec::new() };
    let (pairs, severity) = match compiler.keys.get(&global::JWT_CLAIMS_HEADERS) {
        Some(Value::Map(pairs)) => (pairs.clone(), Severity::Error),
        // a claim that no field can be named after is left out, as in Pomerium no field is sent
        Some(Value::List(names)) => (claims(names), Severity::Warning),
        _ => return Vec::new(),
    };
    let mut found = Vec::new();
    let mut fields: Vec<(HeaderName, Box<str>)> = Vec::new();
    for (field, claim) in pairs {
        match name::field_name(given.key.name, &field) {
            Ok(name) => {
                fields.retain(|(other, _)| *other != name);
                fields.push((name, claim.text));
            }
            Err(problem) => found.push(Problem { severity, ..problem }),
        }
    }
    given.source.relocate(&mut found);
    compiler.problems.append(&mut found);
    fields
}

fn claims(names: &[Text]) -> Vec<(Text, Text)> {
    let named = |claim: &str, at: &crate::problem::Span| {
        let field = Text { text: format!("x-pomerium-claim-{claim}").into(), at: at.clone() };
        (field, Text { text: claim.into(), at: at.clone() })
    };
    names
        .iter()
        .flat_map(|item| {
            item.text.split_whitespace().map(|claim| named(claim, &item.at)).collect::<Vec<_>>()
        })
        .collect()
}
