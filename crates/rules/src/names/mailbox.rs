//! What is an address of somebody, and in how many spellings it is the same one.

/// Is this one address, read in the same way by everybody: dot-atom, one `@`, a domain name?
///
/// Quoted local parts, comments, address literals, display names, blanks, control and invisible
/// characters hide a second reading (RFC 5322 §3.4.1 allows most of them; no provider needs them).
pub fn is_mailbox(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let in_local = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    // Combining marks make no letter alone: `a` and U+0308 in a name (RFC 6531).
    let in_local = |c: char| in_local(c) || matches!(c, '\u{300}'..='\u{36f}');
    let in_domain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '\u{300}'..='\u{36f}');
    let parts = |text: &str, allowed: &dyn Fn(char) -> bool| {
        text.split('.').all(|part| !part.is_empty() && part.chars().all(allowed))
    };
    // RFC 5321 §4.5.3.1
    local.len() <= 64 && text.len() <= 254 && parts(local, &in_local) && parts(domain, &in_domain)
}

/// The domain of an address; `None` when the text is no address.
pub fn mailbox_domain(text: &str) -> Option<&str> {
    is_mailbox(text).then(|| text.split_once('@').map(|(_, domain)| domain)).flatten()
}

/// Small letters, and the domain as its A-label (RFC 5891 §4.4): the spelling by which two
/// addresses, two domains, or a piece of one are held to be the same.
pub fn folded(text: &str) -> Box<str> {
    let lower = text.to_lowercase();
    if lower.is_ascii() {
        return lower.into();
    }
    let (local, domain) = lower.rsplit_once('@').map_or(("", &*lower), |(l, d)| (l, d));
    let at = if lower.contains('@') { "@" } else { "" };
    match url::Host::parse(domain) {
        Ok(url::Host::Domain(domain)) => format!("{local}{at}{domain}").into(),
        Ok(url::Host::Ipv4(_) | url::Host::Ipv6(_)) | Err(_) => lower.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::{folded, is_mailbox, mailbox_domain};

    #[test]
    fn what_is_an_address() {
        for (text, expected, why) in [
            ("mum@example.com", true, "an address"),
            ("Mum+tv@Example.COM", true, "capitals and tags"),
            ("jürgen@bücher.example", true, "RFC 6531"),
            ("a@x", true, "a name without dots"),
            ("", false, "nothing"),
            ("mum", false, "no domain"),
            ("@corp.test", false, "no local part"),
            ("mum@", false, "no domain"),
            ("x@corp.test@evil.test", false, "which of the two?"),
            ("\"x@corp.test\"@evil.test", false, "a quoted local part hides an `@`"),
            ("mum (home)@example.com", false, "a comment"),
            ("Mum <mum@example.com>", false, "a display name"),
            ("mum@example.com ", false, "a blank"),
            ("mum@example.com\n", false, "a control character"),
            ("mum@example.com\u{200b}", false, "an invisible character"),
            ("a@x,b@x", false, "two"),
            ("a@x;b@x", false, "two"),
            ("mum@example.com.", false, "a root dot"),
            ("mum@[192.0.2.1]", false, "an address literal"),
            ("a..b@x", false, "an empty part"),
        ] {
            assert_eq!(is_mailbox(text), expected, "{text:?}: {why}");
        }
        let local = "a".repeat(64);
        let domain = format!("{0}.{0}.{0}", "b".repeat(62));
        assert!(is_mailbox(&format!("{local}@{domain}")), "as long as it may be");
        assert!(!is_mailbox(&format!("{local}a@x")), "a local part that is too long");
        assert!(!is_mailbox(&format!("{local}@{domain}.x")), "too long altogether");
        assert_eq!(mailbox_domain("a@b.test"), Some("b.test"));
        assert_eq!(mailbox_domain("@b.test"), None);
    }

    #[test]
    fn spellings_of_one() {
        for (one, other) in [
            ("Mum@Example.com", "mum@example.com"),
            ("a@BÜCHER.example", "a@xn--bcher-kva.example"),
            ("Bücher.example", "xn--bcher-kva.example"),
        ] {
            assert_eq!(folded(one), folded(other));
        }
        assert_ne!(folded("a@x.test"), folded("b@x.test"));
    }
}
