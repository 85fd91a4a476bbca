use http::HeaderMap;

use super::spelling;

/// Fields in which a client asks an app to take a request for one of another method: Rails,
/// Symfony, Laravel, Express, ASP.NET and Django's REST framework read them, in the spellings of
/// CGI too.
const FIELDS: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

/// Parameters of the query that say the same.
const PARAMETERS: [&str; 4] =
    ["_method", "x-http-method-override", "x-http-method", "x-method-override"];

/// The methods that some app may take this request for, beside its own, in capitals. Methods that
/// are not `known` are the same to every rule, so that one of them stands for all.
pub fn other_methods(
    own: &str,
    fields: &HeaderMap,
    query: Option<&str>,
    known: impl Fn(&str) -> bool,
) -> Box<[Box<str>]> {
    let named = fields
        .iter()
        .filter(|(name, _)| FIELDS.iter().any(|field| spelling::is_same(name.as_str(), field)))
        .map(|(_, value)| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let query = query.filter(|query| query.contains("ethod") || query.contains('%'));
    let asked = query.into_iter().flat_map(|query| url::form_urlencoded::parse(query.as_bytes()));
    let asked = asked
        .filter(|(name, _)| PARAMETERS.iter().any(|ours| spelling::is_same(name, ours)))
        .map(|(_, value)| value.into_owned());
    let mut methods: Vec<Box<str>> = Vec::new();
    for method in named.chain(asked) {
        let method = method.trim().to_ascii_uppercase();
        let is_new = !method.is_empty() && method != own && !methods.iter().any(|m| **m == *method);
        let has_unknown = || methods.iter().any(|method| !known(method));
        if is_new && (known(&method) || !has_unknown()) {
            methods.push(method.into());
        }
    }
    methods.into()
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName};

    use super::other_methods;
    use crate::names::is_registered;

    #[test]
    fn other_methods_in_every_spelling() {
        for (fields, query, expected) in [
            (&[][..], None, &[][..]),
            (&[("x-http-method-override", "delete")], None, &["DELETE"]),
            (&[("x_http_method_override", " Delete ")], None, &["DELETE"]),
            (&[("x-http-method", "PUT"), ("x-method.override", "PATCH")], None, &["PUT", "PATCH"]),
            (&[("x-http-method-override", "post")], None, &[]),
            (&[("x-http-method-override", "")], None, &[]),
            (&[], Some("a=b&_method=delete"), &["DELETE"]),
            (&[], Some("%5Fm%65thod=%64elete"), &["DELETE"]),
            (&[], Some("X-HTTP-Method-Override=DELETE&_METHOD=PUT"), &["DELETE", "PUT"]),
            (&[], Some("_method=x1&_method=x2&_method=GET"), &["X1", "GET"]),
            (&[], Some("method=DELETE&my_method=DELETE&_method"), &[]),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in fields {
                map.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
            }
            let found = other_methods("POST", &map, query, is_registered);
            let found: Vec<&str> = found.iter().map(|method| &**method).collect();
            assert_eq!(found, expected, "{fields:?} {query:?}");
        }
    }
}
