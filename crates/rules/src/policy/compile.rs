//! From what a route says to what it runs. Every problem is found in one run.

use std::sync::Arc;

use super::{
    Policy,
    criterion::{About, Accept, AuthenticatedUser, Claim, Criterion, Domain, Email, Id, Preflight},
    legacy::LegacyAllow,
    matcher::ListMatch,
    report::{Holding, Report, nearest},
    rule::{Clause, Effect, Operator, Side, Term},
};
use crate::{
    problem::{Problem, Span},
    yaml::{Entry, Kind, Node},
};

impl Policy {
    /// Compiles a route's allow keys and its `policy` (PPL), and reports every problem in both.
    ///
    /// When anything was an error, what comes back denies everybody: a rule that is broken is
    /// never skipped.
    pub fn compile(legacy: &LegacyAllow, ppl: Option<&Node>, problems: &mut Vec<Problem>) -> Self {
        let mut report = Report::new(problems);
        let mut read = Read::default();
        read.whole.extend(legacy_clause(legacy, &mut report));
        if let Some(node) = ppl.filter(|node| !node.is_null()) {
            read_policy(node, &mut read, &mut report);
            if !report.has_errors() && legacy.rego.is_empty() && !read.whole.iter().any(admits) {
                let what = if read.whole.is_empty() {
                    "this policy lets nobody in: there is no criterion in it"
                } else {
                    "this policy lets nobody in: nothing in it allows anybody"
                };
                let help = "add one under `allow`, for example `allow: {or: [{authenticated_user: true}]}`";
                report.warning("U320", &node.span, what, help);
            }
        }
        let Read { whole, broken } = read;
        if report.has_errors() || !broken.is_empty() {
            let refused = side(whole.into_iter().chain(broken).collect());
            return Self { refused, ..Self::deny_all() };
        }
        let (allow, deny) = whole.into_iter().partition(|c: &Clause| c.effect == Effect::Allow);
        let scripts = legacy.rego.as_slice().into();
        Self { allow: side(allow), deny: side(deny), scripts, ..Self::deny_all() }
    }
}

/// Clauses as far as they could be read.
#[derive(Default)]
struct Read {
    whole: Vec<Clause>,
    /// Less is in them than is written.
    broken: Vec<Clause>,
}

/// Could it let in anybody at all? A preflight is nobody.
fn admits(clause: &Clause) -> bool {
    let can_hold = |term: &Term| term.criterion.asked().about() != About::Nobody;
    clause.effect == Effect::Allow
        && match clause.operator {
            Operator::And => clause.terms.iter().all(can_hold),
            Operator::Or => clause.terms.iter().any(can_hold),
            Operator::Not | Operator::Nor => true,
        }
}

fn side(clauses: Vec<Clause>) -> Side {
    Side { clauses: clauses.into() }
}

/// A list of objects, or one object alone.
fn read_policy(node: &Node, read: &mut Read, report: &mut Report<'_>) {
    let rules = match &node.kind {
        Kind::List(rules) => rules.as_slice(),
        Kind::Map(_) | Kind::Scalar { .. } => std::slice::from_ref(node),
    };
    for (index, rule) in rules.iter().enumerate() {
        let Kind::Map(actions) = &rule.kind else {
            report.error(
                "U301",
                &rule.span,
                "a policy is made of `allow` and `deny`, and this is neither",
                "write `policy: {allow: {or: [{authenticated_user: true}]}}`, not in quotes",
            );
            continue;
        };
        for action in actions {
            read_action(index, action, read, report);
        }
    }
}

fn read_action(index: usize, action: &Entry, read: &mut Read, report: &mut Report<'_>) {
    let effect = match action.key.to_ascii_lowercase().as_str() {
        "allow" => Effect::Allow,
        "deny" => Effect::Deny,
        _ => {
            let help = match nearest(&action.key, &["allow", "deny"]) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "put it under `allow` or `deny`".into(),
            };
            let what = format!("a policy has no `{}`, only `allow` and `deny`", action.key);
            report.error("U302", &action.key_span, what, help);
            return;
        }
    };
    let Kind::Map(operators) = &action.value.kind else {
        report.error(
            "U303",
            &action.value.span,
            format!("`{effect}` takes `and`, `or`, `not` or `nor`, and criteria under it"),
            format!("write `{effect}: {{or: [{{email: ann@example.com}}]}}`"),
        );
        return;
    };
    for entry in operators {
        let place = Place { effect, index };
        read_operator(place, entry, read, report);
    }
}

/// Which rule of which list element is read, for names.
#[derive(Clone, Copy)]
struct Place {
    effect: Effect,
    index: usize,
}

fn read_operator(place: Place, entry: &Entry, read: &mut Read, report: &mut Report<'_>) {
    let key = entry.key.to_ascii_lowercase();
    if key == "action" {
        return; // left by an old generator of policies; Pomerium ignores it too
    }
    let Place { effect, index } = place;
    let Some(operator) = Operator::ALL.into_iter().find(|operator| operator.word() == key) else {
        let words = Operator::ALL.map(Operator::word);
        let help = match nearest(&key, &words) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("put criteria under `or`: `{effect}: {{or: [{{{}: …}}]}}`", entry.key),
        };
        let what = format!("`{effect}` has no operator `{}`", entry.key);
        report.error("U304", &entry.key_span, what, help);
        return;
    };
    let Kind::List(items) = &entry.value.kind else {
        report.error(
            "U306",
            &entry.value.span,
            format!("`{operator}` takes a list of criteria"),
            "put a `- ` in front of each, also when there is one",
        );
        return;
    };
    if effect == Effect::Deny && items.is_empty() {
        let what = format!("`deny: {{{operator}: []}}` is empty, and keeps nobody out");
        report.warning("U482", &entry.value.span, what, "add criteria, or delete it");
    }
    let name = format!("{effect}[{index}].{operator}");
    report.stands(if effect.keeps_out(operator) { Holding::KeepsOut } else { Holding::LetsIn });
    let slot = |position| Slot { effect, operator, name: &name, position };
    let items = items.iter().enumerate();
    let terms: Vec<_> =
        items.map(|(position, item)| read_term(slot(position), item, report)).collect();
    let is_whole = terms.iter().all(Option::is_some);
    let terms: Box<[Term]> = terms.into_iter().flatten().collect();
    let clause = Clause { effect, operator, name: name.as_str().into(), terms };
    match is_whole {
        true if clause.terms.is_empty() => {}
        true => read.whole.push(clause),
        false => read.broken.push(clause),
    }
}

/// Where a criterion stands.
#[derive(Clone, Copy)]
struct Slot<'a> {
    effect: Effect,
    operator: Operator,
    /// The operator's name.
    name: &'a str,
    position: usize,
}

impl Slot<'_> {
    /// Does somebody come in by the criterion when it holds?
    const fn lets_in(self) -> bool {
        matches!((self.effect, self.operator), (Effect::Allow, Operator::And | Operator::Or))
    }
}

fn read_term(slot: Slot<'_>, item: &Node, report: &mut Report<'_>) -> Option<Term> {
    let entry = match &item.kind {
        Kind::Map(entries) => match entries.as_slice() {
            [only] => Some(only),
            _ => None,
        },
        Kind::Scalar { .. } | Kind::List(_) => None,
    };
    let Some(Entry { key, key_span, value }) = entry else {
        report.error(
            "U307",
            &item.span,
            "a criterion is one name with its value",
            match item.text() {
                Some(text) => format!("write `{text}: …`, with a value after the colon"),
                None => "give each criterion a `- ` of its own".into(),
            },
        );
        return None;
    };
    let criterion = Criterion::read(key, key_span, value, report)?;
    // Where a criterion keeps out, every spelling counts.
    if slot.lets_in() {
        warn_hardly_met(key, &criterion, &value.span, report);
    }
    let span = Some(key_span.start..value.span.end.max(key_span.end));
    let name = format!("{}[{}] {key}", slot.name, slot.position).into();
    Some(Term { criterion, name, span })
}

fn warn_hardly_met(named: &str, criterion: &Criterion, at: &Span, report: &mut Report<'_>) {
    if let Some(operand) = criterion.asked().hardly_met().filter(|operand| !operand.is_empty()) {
        report.address_never_met(named, operand, at);
    }
}

/// The route's own keys as one `allow: or: […]`, in the order of `pomerium-config.md` §4.3.
fn legacy_clause(legacy: &LegacyAllow, report: &mut Report<'_>) -> Option<Clause> {
    let LegacyAllow {
        span: _,
        public,
        cors_preflight,
        any_authenticated,
        domains,
        claims,
        users,
        rego: _,
    } = legacy;
    refuse_contradictions(legacy, report);
    let mut terms = Vec::new();
    let mut add = |name: Arc<str>, span: Option<&Span>, criterion| {
        terms.push(Term { criterion, name, span: span.cloned() });
    };
    if *public {
        add("allow_public_unauthenticated_access".into(), None, Accept.into());
    }
    if *cors_preflight {
        add("cors_allow_preflight".into(), None, Preflight.into());
    }
    if *any_authenticated {
        add("allow_any_authenticated_user".into(), None, AuthenticatedUser.into());
    }
    for (index, (domain, span)) in domains.iter().enumerate() {
        note_empty("allowed_domains", domain, span, report);
        let criterion = Domain::is(domain).into();
        warn_hardly_met("allowed_domains", &criterion, span, report);
        add(format!("allowed_domains[{index}]").into(), Some(span), criterion);
    }
    for (claim, value, span) in claims {
        note_empty("allowed_idp_claims", value.as_str().unwrap_or("-"), span, report);
        match ListMatch::from_value(value) {
            Some(want) => {
                let criterion = Claim::new(claim, want).into();
                warn_hardly_met("allowed_idp_claims", &criterion, span, report);
                add(format!("allowed_idp_claims.{claim}").into(), Some(span), criterion);
            }
            None => report.error(
                "U312",
                span,
                format!("`allowed_idp_claims: {claim}` takes values, not lists or maps in its list"),
                "write one value per line; for a nested claim write its name with dots: `team.name`",
            ),
        }
    }
    for (index, (user, span)) in users.iter().enumerate() {
        note_empty("allowed_users", user, span, report);
        let name: Arc<str> = format!("allowed_users[{index}]").into();
        let (id, email) = (Id::is(user).into(), Email::is(user).into());
        if user.contains('@') {
            warn_hardly_met("allowed_users", &email, span, report); // what has none is an id
        }
        add(Arc::clone(&name), Some(span), id);
        add(name, Some(span), email);
    }
    let (effect, operator) = (Effect::Allow, Operator::Or);
    let name = "allow".into();
    (!terms.is_empty()).then(|| Clause { effect, operator, name, terms: terms.into() })
}

/// Empty equals empty: in Pomerium an entry like this lets everybody in whose address is not
/// known, and that is everybody who is not signed in (`pomerium-policy-measured.md` 5).
fn note_empty(key: &str, text: &str, span: &Span, report: &mut Report<'_>) {
    if text.is_empty() {
        report.warning(
            "U313",
            span,
            format!("an entry of `{key}` is empty, and lets nobody in"),
            "delete it; a comma at the end leaves one behind",
        );
    }
}

/// A route is for everybody, for everybody who signed in, or for some; two of these at once is a
/// mistake, and which of them was meant can't be told.
fn refuse_contradictions(legacy: &LegacyAllow, report: &mut Report<'_>) {
    let LegacyAllow {
        span: _,
        public,
        cors_preflight: _,
        any_authenticated,
        domains,
        claims: _,
        users,
        rego: _,
    } = legacy;
    let mut narrowed = domains.iter().chain(users).map(|(_, span)| span);
    match (*public, *any_authenticated, narrowed.next()) {
        (true, _, Some(span)) => report.error(
            "U318",
            span,
            "this route is for everybody (`allow_public_unauthenticated_access`), and for some",
            "keep one of the two",
        ),
        (false, true, Some(span)) => report.error(
            "U318",
            span,
            "this route is for everybody who signs in (`allow_any_authenticated_user`), and for some",
            "keep one of the two",
        ),
        (true, true, None) => report.error(
            "U318",
            &legacy.span,
            "this route is for everybody and for everybody who signs in",
            "keep `allow_public_unauthenticated_access` or `allow_any_authenticated_user`",
        ),
        (true, false, None) | (false, _, _) => {}
    }
}
