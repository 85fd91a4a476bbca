//! A plan as text, for golden files: what an operator would want to know about it.

use std::fmt::Write;

use usher_rules::{
    config::duration,
    plan::{
        Action, Autocert, DownstreamMtls, HostField, HostPattern, KeptDecisions, MOST_SESSIONS,
        PathMatch, Piece, Plan, PolicyTest, Provider, Rewrite, Route, SignInBy, Smtp,
        UpstreamVerify,
    },
    policy::Reason,
    time::UnixTime,
};

pub fn plan(plan: &Plan) -> String {
    let mut out = String::new();
    let listen = &plan.listen;
    let tls = if listen.insecure { "plain" } else { "tls" };
    write!(out, "listen {} {tls} {:?}", listen.address, listen.protocols).unwrap();
    if let Some(redirect) = &listen.http_redirect {
        write!(out, ", redirect {redirect}").unwrap();
    }
    if let Some(metrics) = &listen.metrics {
        let yes = |name, is: bool| if is { name } else { "" };
        write!(
            out,
            ", metrics {}{}{}{}",
            metrics.address,
            yes(" tls", metrics.certificate.is_some()),
            yes(" password", metrics.basic_auth.is_some()),
            yes(" client-ca", metrics.client_roots.is_some())
        )
        .unwrap();
    }
    for pair in &listen.certificate_files {
        write!(out, ", certificate {}", pair.cert.display()).unwrap();
    }
    if !listen.certificates_inline.is_empty() {
        write!(out, ", certificate inline").unwrap();
    }
    let sign_in = &plan.sign_in;
    let dedicated = if sign_in.dedicated_host { "" } else { " (a route's host)" };
    write!(out, "\nsign-in {}{dedicated}: ", sign_in.authenticate).unwrap();
    writeln!(out, "{}", provider(sign_in.providers.first())).unwrap();
    for listed in sign_in.providers.listed().skip(1) {
        let (name, label) = (&listed.name, &listed.label);
        writeln!(out, "  or {name} \"{label}\": {}", provider(&listed.provider)).unwrap();
    }
    if let Some(smtp) = &plan.smtp {
        let Smtp { host, port, tls, login, from } = smtp;
        let who = login.as_ref().map_or("nobody", |login| &login.username);
        writeln!(out, "mail by {host}:{port} {tls:?} as {who}, from {from}").unwrap();
    }
    if let Some(autocert) = &plan.autocert {
        let Autocert { authorities, email, must_staple, .. } = autocert;
        let Autocert { trusted_ca, dir, profile, names, dns, .. } = autocert;
        writeln!(out, "autocert {names:?} from {authorities:?}, email {email:?}").unwrap();
        if let Some(dns) = dns {
            writeln!(out, "  by {dns:?}").unwrap();
        }
        let trusts = if trusted_ca.is_some() { "its own roots" } else { "the system's roots" };
        writeln!(out, "  must staple {must_staple}, {trusts}, dir {dir:?}, profile {profile:?}")
            .unwrap();
    }
    if let Some(service) = &plan.sign_in.service {
        writeln!(out, "service {service:?}").unwrap();
    }
    if let Some(asked) = &plan.mtls.asked {
        let DownstreamMtls { enforcement, constraints, .. } = &plan.mtls;
        let refuses = if asked.refuses() { "in the handshake" } else { "by rules" };
        let (hints, lists) = (asked.hints().len(), constraints.revoked.len());
        let (depth, names) = (constraints.max_verify_depth, &constraints.names);
        let word = enforcement.word();
        writeln!(
            out,
            "client certificates {word}, refused {refuses}, {hints} authorities hinted, depth {depth}, names {names:?}, {lists} lists"
        )
        .unwrap();
    }
    let cookie = &plan.cookie;
    writeln!(out, "cookie {} {}", cookie.name, duration::show(cookie.expire)).unwrap();
    if plan.sessions.most != MOST_SESSIONS {
        writeln!(out, "sessions: {} at most", plan.sessions.most).unwrap();
    }
    let limit = |limit: Option<_>| limit.map_or_else(|| "none".to_owned(), duration::show);
    let timeouts = &plan.timeouts;
    writeln!(
        out,
        "timeouts read {} write none idle {}",
        limit(timeouts.read),
        limit(timeouts.idle)
    )
    .unwrap();
    let fields: Vec<String> = plan
        .response_fields
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    writeln!(out, "response fields {fields:?}").unwrap();
    if !plan.claim_fields.is_empty() {
        writeln!(
            out,
            "claim fields {:?}",
            plan.claim_fields
                .iter()
                .map(|(name, claim)| format!("{name}: {claim}"))
                .collect::<Vec<_>>()
        )
        .unwrap();
    }
    if plan.kept_decisions != KeptDecisions::Refused {
        writeln!(out, "keeps decisions: {:?}", plan.kept_decisions).unwrap();
    }
    for shown in plan.routes.iter().map(|shown| route(plan, shown)) {
        out += &shown;
    }
    out
}

fn provider(provider: &Provider) -> String {
    match provider {
        Provider::Builtin => "built in".into(),
        Provider::Hosted(_) => "hosted".into(),
        Provider::Oidc(one) => {
            let secret = if one.client_secret.is_some() { "with" } else { "without" };
            let (kind, scopes) = (one.kind.word(), one.scopes.join(" "));
            let kind = if kind == "oidc" { kind.into() } else { format!("oidc as {kind}") };
            let mut out = format!(
                "{kind} {} client {} {secret} secret, scopes {scopes}, params {:?}",
                one.issuer, one.client_id, one.request_params
            );
            if !one.domains.is_empty() {
                out += &format!(", only {}", one.domains.join(" "));
            }
            out
        }
    }
}

fn route(plan: &Plan, route: &Route) -> String {
    let mut out = String::new();
    let from = match &route.from {
        HostPattern::Exact { host, port } => {
            format!("{host}{}", port.map(|port| format!(":{port}")).unwrap_or_default())
        }
        HostPattern::Wildcard { regex, port, .. } => {
            format!("{}{}", regex.as_str(), port.map(|port| format!(":{port}")).unwrap_or_default())
        }
    };
    let matches = match &route.matches {
        PathMatch::Prefix(path) => format!("prefix {path}"),
        PathMatch::Exact(path) => format!("path {path}"),
        PathMatch::Regex(regex) => format!("regex {}", regex.as_str()),
    };
    let action = match &route.action {
        Action::Forward(to) => {
            to.all.iter().map(|one| one.upstream.to_string()).collect::<Vec<_>>().join(", ")
        }
        Action::Redirect(redirect) => format!("{redirect:?}"),
        Action::Respond { status, body } => format!("{} {body:?}", status.as_u16()),
    };
    writeln!(out, "route {} line {}: {from} {matches} -> {action}", route.name, route.line)
        .unwrap();
    let limit = |limit: Option<_>| limit.map_or_else(|| "none".to_owned(), duration::show);
    let mut traits = vec![
        format!("timeout {}", limit(route.timeout)),
        format!("idle {}", limit(route.idle_timeout)),
    ];
    if let Some(SignInBy::Names(names)) = &route.sign_in_by {
        traits.push(format!("signed in by {}", names.join(" or ")));
    }
    if route.websockets {
        traits.push("websockets".to_owned());
    }
    match &route.host_field {
        HostField::Upstream => {}
        HostField::Preserve => traits.push("host preserved".to_owned()),
        HostField::Field(name) => traits.push(format!("host of {name}")),
        HostField::Path(of) => {
            traits.push(format!(
                "host of path, {} becomes {}",
                of.pattern.as_str(),
                of.substitution
            ));
        }
        HostField::Literal(host) => traits.push(format!("host {}", host.to_str().unwrap())),
    }
    match &route.rewrite {
        Rewrite::None => {}
        Rewrite::Prefix(prefix) => traits.push(format!("prefix becomes {prefix}")),
        Rewrite::Regex(regex, to) => traits.push(format!("{} becomes {to}", regex.as_str())),
    }
    if let Some(trust) = &route.client_trust {
        traits.push(format!("{} authorities of clients", trust.subjects().count()));
    }
    if route.pass_identity {
        traits.push("identity passed".to_owned());
    }
    if route.issuer_is_uri {
        traits.push("issuer is a URI".to_owned());
    }
    match &route.tls.verify {
        UpstreamVerify::System => {}
        UpstreamVerify::Custom(pem) => traits.push(format!("own roots, {} bytes", pem.len())),
        UpstreamVerify::Skip => traits.push("certificate not checked".to_owned()),
    }
    if let Some(name) = &route.tls.server_name {
        traits.push(format!("server name {name}"));
    }
    if route.tls.client.is_some() {
        traits.push("client certificate".to_owned());
    }
    for (name, template) in &route.set_request {
        let pieces: Vec<String> = template.pieces.iter().map(piece).collect();
        traits.push(format!("sets {name}: {}", pieces.concat()));
    }
    for name in &route.remove_request {
        traits.push(format!("removes {name}"));
    }
    let own = route.set_response.iter().filter(|field| !plan.response_fields.contains(field));
    traits.extend(
        own.map(|(name, value)| format!("answers with {name}: {}", value.to_str().unwrap())),
    );
    let all = route.set_response.len() + route.default_response.len();
    if all < plan.response_fields.len() {
        traits.push(format!("{all} response fields"));
    }
    if route.shadow.is_some() {
        traits.push("a shadow policy".to_owned());
    }
    writeln!(out, "  {}", traits.join(", ")).unwrap();
    route.tests.iter().for_each(|test| out += &policy_test(test));
    out
}

fn policy_test(test: &PolicyTest) -> String {
    let PolicyTest { who, signed_in, method, authority, target, fields, source, .. } = test;
    let who = who.as_ref().map_or_else(|| "nobody".to_owned(), |who| format!("{who:?}"));
    let time = test.time.map(UnixTime::seconds);
    let reason = test.reason.map(Reason::word).unwrap_or_default();
    let expect = test.expect.word();
    let shown = test.certificate.as_ref().and_then(|chain| chain.certificate());
    let shows = shown.map(|shown| format!(", shows {}", shown.subject)).unwrap_or_default();
    let device = test.device.as_ref().map(|device| format!(", on {device:?}")).unwrap_or_default();
    let passkey = test.passkey.map(|ago| format!(", passkey {ago:?}")).unwrap_or_default();
    let calls = test.tool.as_ref().map(|tool| format!(", calls `{tool}`")).unwrap_or_default();
    format!(
        "  test {method} {authority}{target} from {source} at {time:?} {fields:?}: {who}, signed in \
         {signed_in:?}{passkey}{device}{shows}{calls}; expects {expect} {reason}\n"
    )
}

fn piece(piece: &Piece) -> String {
    match piece {
        Piece::Text(text) => text.to_string(),
        Piece::Assertion => "<assertion>".to_owned(),
        Piece::IdToken => "<id token>".to_owned(),
        Piece::AccessToken => "<access token>".to_owned(),
        Piece::CertificateFingerprint => "<fingerprint of the certificate>".to_owned(),
        Piece::CertificateDns => "<names in the certificate>".to_owned(),
        Piece::CertificateEmail => "<addresses in the certificate>".to_owned(),
        Piece::RequestField(name) => format!("<field {name}>"),
        Piece::Nothing => "<nothing>".to_owned(),
    }
}
