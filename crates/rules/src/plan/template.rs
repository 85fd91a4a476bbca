use http::HeaderName;

/// A value of `set_request_headers`: text with references in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestTemplate {
    /// Pieces in order.
    pub pieces: Vec<Piece>,
}

/// One piece of a [`RequestTemplate`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Text as it stands.
    Text(Box<str>),
    /// `$pomerium.jwt`: the assertion.
    Assertion,
    /// `$pomerium.id_token`.
    IdToken,
    /// `$pomerium.access_token`.
    AccessToken,
    /// `$pomerium.client_cert_fingerprint`: SHA-256, in hexadecimal.
    CertificateFingerprint,
    /// `$pomerium.client_cert_san_dns`: names in the client's certificate.
    CertificateDns,
    /// `$pomerium.client_cert_san_email`: addresses in it.
    CertificateEmail,
    /// `$pomerium.request.headers["Name"]`.
    RequestField(HeaderName),
    /// A reference that nothing answers: empty.
    Nothing,
}

impl RequestTemplate {
    /// Reads a value (`pomerium-config.md` §3.6). What begins like a reference and is none stays as
    /// it is written; the second result lists these, and references that nothing answers.
    pub fn parse(text: &str) -> (Self, Vec<String>) {
        let mut pieces = Vec::new();
        let mut doubts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            let (before, from_dollar) = rest.split_at_checked(at).unwrap_or((rest, ""));
            plain.push_str(before);
            if let Some(after) = from_dollar.strip_prefix("$$") {
                plain.push('$');
                rest = after;
                continue;
            }
            match reference(from_dollar) {
                Some((path, after)) => {
                    if !plain.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut plain).into()));
                    }
                    let piece = meaning(&path);
                    if piece == Piece::AccessToken {
                        let what =
                            "`${pomerium.access_token}` is empty: access tokens are not kept";
                        doubts.push(what.to_owned());
                    }
                    if piece == Piece::Nothing {
                        doubts.push(format!(
                            "`${{{}}}` means nothing: it becomes empty",
                            path.join(".")
                        ));
                    }
                    pieces.push(piece);
                    rest = after;
                }
                None => {
                    doubts.push("a `$` begins no reference and stays".to_owned());
                    plain.push('$');
                    rest = from_dollar.get(1..).unwrap_or_default();
                }
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() || pieces.is_empty() {
            pieces.push(Piece::Text(plain.into()));
        }
        (Self { pieces }, doubts)
    }
}

fn meaning(path: &[String]) -> Piece {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["pomerium", "jwt"] => Piece::Assertion,
        ["pomerium", "id_token"] => Piece::IdToken,
        ["pomerium", "access_token"] => Piece::AccessToken,
        ["pomerium", "client_cert_fingerprint"] => Piece::CertificateFingerprint,
        ["pomerium", "client_cert_san_dns"] => Piece::CertificateDns,
        ["pomerium", "client_cert_san_email"] => Piece::CertificateEmail,
        ["pomerium", "request", "headers", name] => {
            HeaderName::from_bytes(name.as_bytes()).map_or(Piece::Nothing, Piece::RequestField)
        }
        _ => Piece::Nothing,
    }
}

/// `$a.b`, or `${ a.b["c"] }` with brackets in the braces alone, and what follows.
fn reference(text: &str) -> Option<(Vec<String>, &str)> {
    let text = text.strip_prefix('$')?;
    if let Some(inside) = text.strip_prefix('{') {
        let (path, rest) = path(inside.trim_start_matches([' ', '\t']), Form::Braced)?;
        return Some((path, rest.trim_start_matches([' ', '\t']).strip_prefix('}')?));
    }
    path(text, Form::Bare)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Bare,
    Braced,
}

fn path(text: &str, form: Form) -> Option<(Vec<String>, &str)> {
    let (first, mut rest) = identifier(text)?;
    let mut path = vec![first];
    loop {
        if let Some(after) = rest.strip_prefix('.') {
            let (next, after) = identifier(after)?; // a dot at the end spoils the whole
            path.push(next);
            rest = after;
        } else if let Some(after) = rest.strip_prefix("[\"").filter(|_| form == Form::Braced) {
            let (key, after) = quoted(after)?;
            path.push(key);
            rest = after.strip_prefix(']')?;
        } else {
            return Some((path, rest));
        }
    }
}

fn identifier(text: &str) -> Option<(String, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-')
        .unwrap_or(text.len());
    let (name, rest) = text.split_at_checked(end)?;
    (!name.is_empty()).then(|| (name.to_owned(), rest))
}

fn quoted(text: &str) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((out, text.get(at + 1..)?)),
            '\\' => out.push(chars.next()?.1),
            other => out.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use http::HeaderName;
    use proptest::prelude::*;

    use super::{
        Piece::{self, AccessToken, Assertion, IdToken, Nothing, RequestField},
        RequestTemplate,
    };

    fn text(text: &str) -> Piece {
        Piece::Text(text.into())
    }

    #[test]
    fn references() {
        let field = || RequestField(HeaderName::from_static("x-in"));
        for (given, expected, why) in [
            ("plain", vec![text("plain")], "text"),
            ("", vec![text("")], "nothing is a value too"),
            ("a$$b", vec![text("a$b")], "a dollar is doubled"),
            ("$pomerium.id_token", vec![IdToken], "without braces"),
            ("Bearer ${pomerium.access_token}", vec![text("Bearer "), AccessToken], "with braces"),
            ("${ pomerium.jwt\t}!", vec![Assertion, text("!")], "with blanks"),
            ("${pomerium.request.headers[\"X-In\"]}-", vec![field(), text("-")], "a field"),
            ("${pomerium.request.headers[\"X\\-In\"]}", vec![field()], "with a backslash"),
            (
                "$pomerium.request.headers[\"X\"]",
                vec![Nothing, text("[\"X\"]")],
                "brackets are for braces",
            ),
            ("$pomerium.nosuch", vec![Nothing], "unknown is empty"),
            ("$pomerium.jwt.", vec![text("$pomerium.jwt.")], "a dot at the end spoils it"),
            ("${pomerium.jwt", vec![text("${pomerium.jwt")], "so does a missing brace"),
            ("5$", vec![text("5$")], "and nothing at all"),
        ] {
            assert_eq!(RequestTemplate::parse(given).0.pieces, expected, "{given}: {why}");
        }
        assert_eq!(
            RequestTemplate::parse("a $x ${ $$").1.len(),
            2,
            "one means nothing, one is none"
        );
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC*|[$a.{}\\[\\]\" \\\\]{0,30}") {
            RequestTemplate::parse(&text);
        }
    }
}
