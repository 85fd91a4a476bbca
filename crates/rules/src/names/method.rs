/// The IANA HTTP Method Registry, without `PRI` and `*`, which are no requests (RFC 9110 §16.1.1).
const REGISTERED: [&str; 39] = [
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "CONNECT",
    "COPY",
    "DELETE",
    "GET",
    "HEAD",
    "LABEL",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "OPTIONS",
    "ORDERPATCH",
    "PATCH",
    "POST",
    "PROPFIND",
    "PROPPATCH",
    "PUT",
    "QUERY",
    "REBIND",
    "REPORT",
    "SEARCH",
    "TRACE",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION-CONTROL",
];

/// Every registered method.
pub const fn registered() -> &'static [&'static str] {
    &REGISTERED
}

/// Is this method registered? Methods have case (RFC 9110 §9.1): `delete` is not, and an app that
/// folds case would take it for the `DELETE` that a policy denies.
pub fn is_registered(method: &str) -> bool {
    matches!(method, "GET" | "POST") || REGISTERED.binary_search(&method).is_ok()
}

#[cfg(test)]
mod tests {
    use super::{REGISTERED, is_registered};

    #[test]
    fn registered_methods() {
        assert!(REGISTERED.is_sorted());
        for method in ["GET", "DELETE", "PROPFIND", "VERSION-CONTROL", "QUERY", "ACL"] {
            assert!(is_registered(method), "{method}");
        }
        for method in ["get", "Get", "delete", "PRI", "*", "", "GET ", "PURGE", "DEBUG", "GETX"] {
            assert!(!is_registered(method), "{method}");
        }
    }
}
