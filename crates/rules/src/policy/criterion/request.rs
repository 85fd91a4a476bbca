//! Each looks at its own field and no other. In Pomerium 0.32.7 `http_path` and `http_method`
//! pass when any field does, the query included (`pomerium-policy-measured.md` 1).

use super::{
    About, Doubt, MetBy, NeverMet, Possible, Question, Request, RequestFacts, Written,
};
use crate::{
    names::{EscapedSlashes, never_canonical},
    policy::{
        matcher::{AddressMatch, TextMatch, TextOperator},
        report::{Report, nearest},
    },
};

criteria! {
    Request: Method, Path, Source, Preflight;
    later: "pomerium_routes";
}

/// `http_method`.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Method(TextMatch);

impl Question for Method {
    const NAME: &'static str = "http_method";
    const MEANT: &'static [(&'static str, &'static str)] = &[("method", Self::NAME)];
    const REASONS: [&'static str; 2] = ["http-method-ok", "http-method-unauthorized"];
    type Of = Request;

    fn read(written: &Written<'_>, report: &mut Report<'_>) -> Option<Self> {
        written.text::<Self>(report).map(Self)
    }

    fn holds(&self, request: RequestFacts<'_>, _: Doubt) -> bool {
        self.0.takes(request.method)
    }

    fn in_words(&self) -> String {
        format!("method {}", self.0.in_words())
    }

    fn found(&self, request: RequestFacts<'_>) -> String {
        format!("method is `{}`", request.method)
    }

    /// Requests with other methods are refused, so that `delete` is met by none.
    fn never_met(&self, Possible { methods, .. }: Possible<'_>) -> Vec<NeverMet> {
        let unmet = self.0.met_by_none(methods).map(|(word, negates)| NeverMet {
            code: "U331",
            by: MetBy::Nothing,
            negates,
            what: format!("no method that is let through meets `{word}`"),
            help: other_method(word, methods),
        });
        unmet.collect()
    }

    fn always_met(&self, Possible { methods, .. }: Possible<'_>) -> Option<&'static str> {
        // Of operands that are empty or met by none, U313, U317 and U331 speak.
        let is_told = self.0.takes_everything() || self.0.met_by_none(methods).next().is_some();
        let by_all = !is_told && methods.iter().all(|method| self.0.takes(method));
        by_all.then_some("every method that is let through meets this")
    }
}

fn other_method(word: &str, known: &[&str]) -> String {
    let upper = word.trim().to_ascii_uppercase();
    if word != upper && known.iter().any(|name| name.contains(&upper)) {
        return format!("methods have capitals: write `{upper}`");
    }
    let small: Vec<String> = known.iter().map(|name| name.to_ascii_lowercase()).collect();
    let small: Vec<&str> = small.iter().map(String::as_str).collect();
    match nearest(&upper, &small) {
        Some(near) => format!("did you mean `{}`?", near.to_ascii_uppercase()),
        None => format!("write a registered method, or let it in: `additional_methods: [{upper}]`"),
    }
}

/// `http_path`: decoded, never the query.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Path(TextMatch);

impl Question for Path {
    const NAME: &'static str = "http_path";
    const MEANT: &'static [(&'static str, &'static str)] = &[("path", Self::NAME)];
    const REASONS: [&'static str; 2] = ["http-path-ok", "http-path-unauthorized"];
    type Of = Request;

    fn read(written: &Written<'_>, report: &mut Report<'_>) -> Option<Self> {
        written.text::<Self>(report).map(Self)
    }

    fn holds(&self, request: RequestFacts<'_>, _: Doubt) -> bool {
        self.0.takes(request.path)
    }

    fn in_words(&self) -> String {
        format!("path {}", self.0.in_words())
    }

    fn found(&self, request: RequestFacts<'_>) -> String {
        format!("path is `{}`", request.path)
    }

    /// Paths are compared canonical and decoded: an operand as browsers send it is met by nothing.
    fn never_met(&self, Possible { slashes, .. }: Possible<'_>) -> Vec<NeverMet> {
        let unmet = self.0.operands().filter_map(|(operator, word)| {
            let (by, what, help) = no_path(operator, word, slashes)
                .map(|(why, help)| (MetBy::Nothing, format!("no path meets `{word}`: {why}"), help))
                .or_else(|| {
                    let (why, help) = hardly_a_path(word)?;
                    Some((MetBy::Little, format!("hardly any path meets `{word}`: {why}"), help))
                })?;
            Some(NeverMet { code: "U331", by, negates: operator.negates(), what, help })
        });
        unmet.collect()
    }

    fn always_met(&self, _: Possible<'_>) -> Option<&'static str> {
        let by_each = |(operator, word): (TextOperator, &str)| {
            matches!(operator, TextOperator::StartsWith | TextOperator::Contains) && word == "/"
        };
        let mut operands = self.0.operands().peekable();
        let by_all = operands.peek().is_some() && operands.all(by_each);
        by_all.then_some("every path begins with `/`")
    }
}

/// Why no path meets it, and what to write. Nothing is said of empty ones: U313 is about these.
fn no_path(
    operator: TextOperator,
    word: &str,
    slashes: EscapedSlashes,
) -> Option<(&'static str, String)> {
    let odd_end = || operator.compares_end() && (word.ends_with("/.") || word.ends_with("/.."));
    if word.is_empty() {
        None
    } else if operator.compares_begin() && !word.starts_with('/') {
        let path = word.split_once("://").map_or(word, |(_, rest)| {
            rest.split_once('/').map(|(_, path)| path).unwrap_or_default()
        });
        Some(("paths begin with `/`", format!("write `/{path}`")))
    } else if slashes != EscapedSlashes::Keep
        && (never_canonical(word) || word.contains('\\') || odd_end())
    {
        let help = "write it without empty segments, `.`, `..` and backslashes";
        Some(("paths are normalised first", help.into()))
    } else {
        None
    }
}

/// Why hardly any path meets it. `%`, `?` and `#` are in one that has them escaped.
fn hardly_a_path(word: &str) -> Option<(&'static str, String)> {
    let decoded = percent_encoding::percent_decode_str(word).decode_utf8_lossy();
    if decoded != word {
        return Some(("they are compared decoded", format!("write `{decoded}`")));
    }
    let at = word.find(['?', '#', '*'])?;
    let (before, from) = word.split_at(at);
    Some(if from.starts_with('*') {
        let help = match before {
            "" => format!("write `ends_with: {}`", from.trim_start_matches('*')),
            _ => format!("write `starts_with: {before}`"),
        };
        ("`*` stands for itself", help)
    } else {
        ("query and fragment are no part of them", format!("write `{before}`"))
    })
}

/// `source_ip`: the peer, whatever `X-Forwarded-For` says.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Source(AddressMatch);

impl Question for Source {
    const NAME: &'static str = "source_ip";
    const MEANT: &'static [(&'static str, &'static str)] = &[("ip", Self::NAME)];
    const REASONS: [&'static str; 2] = ["source-ip-ok", "source-ip-unauthorized"];
    type Of = Request;

    fn read(written: &Written<'_>, report: &mut Report<'_>) -> Option<Self> {
        AddressMatch::read(Self::NAME, written.data, report).map(Self)
    }

    fn holds(&self, request: RequestFacts<'_>, _: Doubt) -> bool {
        request.source.is_some_and(|source| self.0.takes(source))
    }

    fn always_met(&self, _: Possible<'_>) -> Option<&'static str> {
        self.0.takes_all().then_some("every address is in one of these ranges")
    }

    fn in_words(&self) -> String {
        format!("address {}", self.0.in_words())
    }

    fn found(&self, request: RequestFacts<'_>) -> String {
        match request.source {
            Some(source) => format!("address is `{}`", source.to_canonical()),
            None => "there is no address".into(),
        }
    }
}

/// `cors_preflight` (Fetch §3.2.2): `OPTIONS` with the two fields that make it one.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Preflight;

impl Question for Preflight {
    const NAME: &'static str = "cors_preflight";
    const REASONS: [&'static str; 2] = ["cors-request", "non-cors-request"];
    type Of = Request;
    const ABOUT: About = About::Nobody;

    fn read(written: &Written<'_>, report: &mut Report<'_>) -> Option<Self> {
        written.without_operand(report);
        Some(Self)
    }

    fn holds(&self, request: RequestFacts<'_>, _: Doubt) -> bool {
        let given = |field: Option<&str>| field.is_some_and(|value| !value.is_empty());
        request.method == "OPTIONS"
            && given(request.origin)
            && given(request.access_control_request_method)
    }

    fn in_words(&self) -> String {
        "it is a CORS preflight".into()
    }

    fn found(&self, request: RequestFacts<'_>) -> String {
        let is = if self.holds(request, Doubt::Fails) { "a" } else { "no" };
        format!("it is {is} CORS preflight")
    }
}
