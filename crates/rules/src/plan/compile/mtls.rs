//! `downstream_mtls` and what routes say of their own (`pomerium-config.md` §2.15).

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use super::{
    Compiler,
    files::{self, Pem},
    re2,
};
use crate::{
    client_certificate::{
        ClientTrust, Constraints, NameKind, NamePattern, RevokedList, TrustError,
    },
    config::{
        Given, Section,
        keys::{Key, global, nested, route},
    },
    plan::{ClientAuth, DownstreamMtls, Enforcement, Hinted, Piece, Route},
    policy::Unvouched,
    problem::Problem,
    yaml::{Kind, Node},
};

const CA: [&Key; 2] = [&nested::MTLS_CA.key, &nested::MTLS_CA_FILE.key];
const CRL: [&Key; 2] = [&nested::MTLS_CRL.key, &nested::MTLS_CRL_FILE.key];
const ROUTE_CA: [&Key; 2] =
    [&route::TLS_DOWNSTREAM_CLIENT_CA.key, &route::TLS_DOWNSTREAM_CLIENT_CA_FILE.key];

/// What routes take of it.
pub(super) struct Shared {
    enforcement: Enforcement,
    constraints: Arc<Constraints>,
    trust: Option<Arc<ClientTrust>>,
    /// Does any route, or the top level, trust an authority?
    is_trusting: bool,
    /// Does TLS end before us?
    insecure: bool,
}

impl Shared {
    /// Does every route deny whose certificate does not count?
    pub(super) const fn demands(&self) -> bool {
        self.is_trusting && self.enforcement.denies_by_default()
    }

    /// Looks at all routes together: what handshakes ask, and which rules are about nothing.
    pub(super) fn finish(
        self,
        routes: (&[Section], &[Option<Arc<Route>>]),
        problems: &mut Vec<Problem>,
    ) -> DownstreamMtls {
        let (sections, compiled) = routes;
        let all = || compiled.iter().flatten();
        let mut trusts: Vec<Arc<ClientTrust>> = self.trust.iter().cloned().collect();
        let mut known: HashSet<&[u8]> = self.trust.iter().map(|trust| trust.pem()).collect();
        let of_routes = all().filter_map(|route| route.client_trust.as_ref());
        trusts.extend(of_routes.filter(|trust| known.insert(trust.pem())).cloned());
        let names_a_key = all().any(|route| route.policy.names_a_key());
        let is_asked = !self.insecure && (!trusts.is_empty() || names_a_key);
        let unvouched = if is_asked { Unvouched::Asked } else { Unvouched::NotAsked };
        for (section, route) in sections.iter().zip(compiled) {
            let Some(route) = route.as_ref().filter(|route| route.client_trust.is_none()) else {
                continue;
            };
            let policies = [Some(&route.policy), route.shadow.as_ref()].into_iter().flatten();
            let mut found: Vec<_> =
                policies.flat_map(|policy| policy.without_authority(unvouched)).collect();
            if unvouched == Unvouched::Asked {
                found.extend(unvouched_names(section, route));
            }
            section.source.relocate(&mut found);
            problems.append(&mut found);
        }
        let hinted = if names_a_key { Hinted::Nothing } else { Hinted::Authorities };
        let auth = || Arc::new(ClientAuth::new(self.enforcement, trusts, hinted));
        let asked = is_asked.then(auth);
        let Self { enforcement, constraints, trust, .. } = self;
        DownstreamMtls { enforcement, constraints, trust, asked }
    }
}

/// The upstream would believe what anybody can write into a certificate of their own.
fn unvouched_names(section: &Section, route: &Route) -> Option<Problem> {
    let pieces = route.set_request.iter().flat_map(|(_, template)| &template.pieces);
    let mut names =
        pieces.filter(|piece| matches!(piece, Piece::CertificateDns | Piece::CertificateEmail));
    names.next()?;
    Some(section.given(&route::SET_REQUEST_HEADERS)?.error(
        "U342",
        "names in certificates are passed on, and no authority vouches for them here",
        "name the authority of your clients: `downstream_mtls: {ca_file: …}`, or pass on \
         `${pomerium.client_cert_fingerprint}` alone",
    ))
}

/// Every client is one without a certificate.
fn behind_a_terminator(given: &Given) -> Problem {
    let mut problem = given.warning(
        "U460",
        "TLS ends before usher (`insecure_server`), so it sees no certificate of anybody",
        "let usher end TLS, or leave certificates to whatever stands in front of it",
    );
    problem.at = given.source.place(&given.key_span);
    problem
}

impl Compiler<'_> {
    /// The top level's. `sections`: the routes, some of which may trust authorities of their own.
    pub(super) fn downstream_mtls(&mut self, sections: &[Section]) -> Shared {
        let keys = self.keys.get(&global::DOWNSTREAM_MTLS);
        let of_routes = |section: &Section| ROUTE_CA.iter().any(|key| section.given(key).is_some());
        let mut shared = Shared {
            enforcement: Enforcement::default(),
            constraints: Arc::new(Constraints { max_verify_depth: 1, ..Constraints::default() }),
            trust: None,
            is_trusting: sections.iter().any(of_routes),
            insecure: self.keys.value(&global::INSECURE_SERVER),
        };
        let Some(keys) = keys else { return shared };
        let given = CA.into_iter().find_map(|key| keys.given(key));
        if let Some(given) = given.filter(|_| shared.insecure) {
            self.report(behind_a_terminator(given));
        }
        let mut below = Compiler { keys, files: self.files, problems: &mut *self.problems };
        let word = keys.value(&nested::MTLS_ENFORCEMENT);
        let enforcement = Enforcement::ALL.into_iter().find(|one| one.word() == word);
        shared.enforcement = enforcement.unwrap_or_default();
        shared.constraints = Arc::new(below.constraints());
        below.only_one(CA);
        shared.trust = below.client_trust(CA, &shared.constraints);
        shared.is_trusting |= CA.iter().any(|key| keys.given(key).is_some());
        if !shared.is_trusting {
            below.nobody_trusted();
        }
        if let Some(trust) = &shared.trust {
            below.foreign_lists(trust);
        }
        shared
    }

    /// Whom the route trusts: its own authority, or else the top level's.
    pub(super) fn route_client_trust(&mut self, shared: &Shared) -> Option<Arc<ClientTrust>> {
        let given = ROUTE_CA.into_iter().find_map(|key| self.keys.given(key));
        if let Some(given) = given {
            let mut problem = given.warning(
                "U466",
                format!("`{}` is an old way, which Pomerium will take out", given.key.name),
                "name all authorities in `downstream_mtls: {ca_file: …}`, and tell their people apart in policies: `client_certificate`",
            );
            problem.at = given.source.place(&given.key_span);
            self.report(problem);
            if shared.insecure {
                self.report(behind_a_terminator(given));
            }
            return self.client_trust(ROUTE_CA, &shared.constraints);
        }
        shared.trust.clone()
    }

    fn constraints(&mut self) -> Constraints {
        self.only_one(CRL);
        Constraints {
            max_verify_depth: u32::try_from(self.keys.value(&nested::MTLS_MAX_VERIFY_DEPTH))
                .unwrap_or(u32::MAX),
            names: self.name_patterns(),
            revoked: self.revoked_lists(),
        }
    }

    /// Of an inline key and one that names a file, which of the two was meant?
    fn only_one(&mut self, [inline, file]: [&'static Key; 2]) {
        if let (Some(given), Some(_)) = (self.keys.given(inline), self.keys.given(file)) {
            let what =
                format!("`{}` and `{}` can't stand beside each other", inline.name, file.name);
            let mut problem = given.error("U214", what, "delete one of them");
            problem.at = given.source.place(&given.key_span);
            self.report(problem);
        }
    }

    /// One file wins over an inline text, as everywhere in a route.
    fn client_trust(
        &mut self,
        [inline, file]: [&'static Key; 2],
        constraints: &Arc<Constraints>,
    ) -> Option<Arc<ClientTrust>> {
        let pem = self.pem(inline, file, Pem::Certificate)?;
        let given = self.keys.given(file).or_else(|| self.keys.given(inline))?;
        let trust = ClientTrust::new(pem.expose(), Arc::clone(constraints));
        let trust = self.keep(trust.map_err(|error| no_trust(given, error)))?;
        if !trust.has_authorities() {
            self.report(given.warning(
                "U461",
                format!("`{}` holds no authority that may sign for clients", given.key.name),
                "only the very certificates in it are taken; name the authority that signs them",
            ));
        }
        Some(Arc::new(trust))
    }

    fn name_patterns(&mut self) -> Vec<NamePattern> {
        let Some(given) = self.keys.given(&nested::MTLS_MATCH_SUBJECT_ALT_NAMES) else {
            return Vec::new();
        };
        let items = match &given.node.kind {
            Kind::List(items) => items.as_slice(),
            Kind::Map(_) | Kind::Scalar { .. } => std::slice::from_ref(&given.node),
        };
        let mut patterns = Vec::new();
        for item in items {
            let outcome = name_pattern(item).map_err(|mut problem| {
                given.source.relocate(std::slice::from_mut(&mut problem));
                problem
            });
            patterns.extend(self.keep(outcome));
        }
        for pattern in &patterns {
            if let Some(warning) = bare_dot(given, pattern) {
                self.report(warning);
            }
        }
        patterns
    }

    fn revoked_lists(&mut self) -> Vec<RevokedList> {
        let [inline, file] = CRL;
        let Some(given) = self.keys.given(file).or_else(|| self.keys.given(inline)) else {
            return Vec::new();
        };
        let text =
            if self.keys.given(file).is_some() { self.read(given) } else { files::base64(given) };
        let lists = text.and_then(|text| {
            let pem = crate::plain_text::pem(text.expose());
            RevokedList::read_all(&pem).ok_or_else(|| {
                given.error(
                    "U213",
                    format!("`{}` holds no list of revoked certificates in PEM", given.key.name),
                    "it must contain `-----BEGIN X509 CRL-----`; make PEM of a binary one with \
                     `openssl crl -inform DER -in FILE`",
                )
            })
        });
        self.keep(lists).unwrap_or_default()
    }

    /// Lists of somebody who signs for nobody here.
    fn foreign_lists(&mut self, trust: &ClientTrust) {
        let Some(given) = CRL.into_iter().rev().find_map(|key| self.keys.given(key)) else {
            return;
        };
        let lists = trust.constraints().revoked.iter().filter(|list| !trust.issued(list));
        let names: BTreeSet<&str> = lists.map(RevokedList::issuer_name).collect();
        for name in names {
            self.report(given.warning(
                "U462",
                format!("`{}` holds a list of `{name}`, which is no authority in `ca`", given.key.name),
                "it counts for certificates of an intermediate of that name only; get the list of your authority",
            ));
        }
    }

    /// Keys that do nothing without an authority.
    fn nobody_trusted(&mut self) {
        let enforcement = self.keys.given(&nested::MTLS_ENFORCEMENT);
        let demands = |given: &&Given| given.value.is_some() && given.text() != "policy";
        if let Some(given) = enforcement.filter(demands) {
            let what = format!(
                "`enforcement: {}` enforces nothing without `ca` or `ca_file`: nobody is asked for a certificate",
                given.text()
            );
            let help = "name the authority of your clients in `ca_file`, or delete the line";
            self.report(given.error("U481", what, help));
            return;
        }
        if let Some(given) = self.keys.given.first() {
            self.report(given.warning(
                "U463",
                format!("`{}` does nothing without `ca` or `ca_file`: nobody is asked for a certificate", given.key.name),
                "name the authority of your clients in `ca_file`, or delete `downstream_mtls`",
            ));
        }
    }
}

fn no_trust(given: &Given, error: TrustError) -> Problem {
    let help = "it must hold certificates in PEM, each whole: `openssl x509 -noout -text -in FILE` reads the first";
    given.error("U213", format!("`{}` can't be used: {error}", given.key.name), help)
}

/// `{dns: PATTERN}`.
fn name_pattern(item: &Node) -> Result<NamePattern, Problem> {
    let kinds = NameKind::ALL.map(NameKind::word).join("`, `");
    let shape = || {
        Problem::error(
            "U464",
            item.span.clone(),
            "an item of `match_subject_alt_names` is one kind of name with a pattern",
            format!("write `- dns: 'laptop\\.example\\.com'`; kinds are `{kinds}`"),
        )
    };
    let Kind::Map(entries) = &item.kind else { return Err(shape()) };
    let [entry] = entries.as_slice() else { return Err(shape()) };
    let word = entry.key.to_ascii_lowercase();
    let Some(kind) = NameKind::ALL.into_iter().find(|kind| kind.word() == word) else {
        let what = format!("certificates have no names of a kind `{}`", entry.key);
        let help = format!("kinds are `{kinds}`");
        return Err(Problem::error("U464", entry.key_span.clone(), what, help));
    };
    let text = crate::policy::value_of(&entry.value);
    let Some(text) = text.as_str() else {
        let help = "put it in quotes";
        return Err(Problem::error("U464", entry.value.span.clone(), "a pattern is a text", help));
    };
    let whole = re2::whole(text).map_err(|why| {
        let what = format!("`{}: {text}` can't be read: {why}", kind.word());
        let help = "write it as RE2 has it, for the whole name";
        Problem::error("U510", entry.value.span.clone(), what, help)
    })?;
    Ok(NamePattern::new(kind, text, whole))
}

/// `a.b` matches `axb`, too.
fn bare_dot(given: &Given, pattern: &NamePattern) -> Option<Problem> {
    let text = pattern.written();
    let is_label = |octet: Option<&u8>| octet.is_some_and(u8::is_ascii_alphanumeric);
    let octets = text.as_bytes();
    let bare = octets.iter().enumerate().any(|(at, octet)| {
        *octet == b'.'
            && is_label(octets.get(at.wrapping_sub(1)))
            && is_label(octets.get(at + 1))
            && octets.get(at.wrapping_sub(2)) != Some(&b'\\')
    });
    bare.then(|| {
        given.warning(
            "U465",
            format!("in `{text}` a `.` takes any character, not only a dot"),
            format!("write `{}`", text.replace("\\.", ".").replace('.', "\\.")),
        )
    })
}
