//! Each looks at its own field and no other. In Pomerium 0.32.7 `http_path` and `http_method`
//! pass when any field does, the query included (`pomerium-policy-measured.md` 1).

use super::{About, Doubt, NeverMet, Question, Request, RequestFacts, Written};
use crate::policy::{
    matcher::{AddressMatch, TextMatch},
    report::{Report, nearest},
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
    fn never_met(&self, methods: &[&str]) -> Vec<NeverMet> {
        let unmet = self.0.met_by_none(methods).map(|(word, negates)| NeverMet {
            code: "U331",
            negates,
            what: format!("no method that is let through meets `{word}`"),
            help: other_method(word, methods),
        });
        unmet.collect()
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
