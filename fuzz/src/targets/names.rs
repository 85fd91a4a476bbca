//! Names: what was read once reads as itself, and nothing leads out of where it belongs.

use usher_rules::names::{
    Authority, EscapedSlashes, Host, Origin, RequestPath, ReturnTo, Upstream, escaped_path, folded,
    Proxied, is_mailbox, mailbox_domain, proxy_line, proxy_octets, registrable_domain,
};

use super::text;

pub fn path(input: &[u8]) {
    let Some(given) = text(input) else { return };
    let given = given.split('?').next().unwrap_or_default();
    assert!(!escaped_path(given).chars().any(char::is_control));
    for slashes in [EscapedSlashes::Reject, EscapedSlashes::Keep, EscapedSlashes::Unescape] {
        let Ok(path) = RequestPath::parse_as(given, slashes) else { continue };
        for reading in path.other_readings() {
            assert!(reading.wire().starts_with('/'), "{reading:?}");
        }
        let wire = path.wire();
        assert!(wire.starts_with('/') && wire.bytes().all(|b| b.is_ascii_graphic()), "{wire}");
        assert!(!wire.split('/').any(|segment| matches!(segment, "." | "..")), "{wire}");
        assert!(!wire.contains("//") && !wire.contains('\\') && !wire.contains('?'), "{wire}");
        assert!(!path.decoded().chars().any(char::is_control), "{wire}");
        let again = RequestPath::parse_as(wire, slashes).expect("what was canonical stays so");
        assert_eq!((again.wire(), again.decoded()), (wire, path.decoded()));
    }
}

pub fn host(input: &[u8]) {
    let Some(given) = text(input) else { return };
    if let Ok(host) = Host::parse(given) {
        let again = Host::parse(host.as_compared()).expect("a host reads as itself");
        assert_eq!(again, host);
        assert!(!host.as_compared().bytes().any(|b| b.is_ascii_uppercase() || b <= b' '), "{host}");
        let _ = registrable_domain(host.as_str());
    }
    if let Ok(authority) = Authority::parse(given) {
        assert_eq!(Authority::parse(&authority.to_string()).as_ref(), Ok(&authority));
        let origin = Origin::of(&authority);
        assert_eq!(Origin::parse(&origin.to_string()).as_ref(), Ok(&origin));
    }
    if let Ok(upstream) = Upstream::parse(given) {
        assert_eq!(Upstream::parse(&upstream.to_string()).as_ref(), Ok(&upstream), "{given}");
    }
}

/// Whoever reaches the port writes it: it names an address that reads as itself, or nobody.
pub fn proxy_header(input: &[u8]) {
    if let Ok(Proxied::Client(client)) = proxy_line(input) {
        let family = if client.is_ipv4() { "TCP4" } else { "TCP6" };
        let (ip, port) = (client.ip(), client.port());
        let again = format!("PROXY {family} {ip} {ip} {port} {port}\r\n");
        assert_eq!(proxy_line(again.as_bytes()), Ok(Proxied::Client(client)));
    }
    let _ = proxy_octets(input);
}

pub fn return_to(input: &[u8]) {
    let Some(given) = text(input) else { return };
    let Ok(target) = ReturnTo::parse(given) else { return };
    let target = target.as_str();
    assert!(target.starts_with('/') && !target.starts_with("//") && !target.starts_with("/\\"));
    assert!(!target.chars().any(char::is_control), "{target}");
}

pub fn mailbox(input: &[u8]) {
    let Some(given) = text(input) else { return };
    if !is_mailbox(given) {
        return;
    }
    assert_eq!(given.matches('@').count(), 1, "{given}");
    let domain = mailbox_domain(given).expect("a mailbox has a domain");
    assert!(!domain.is_empty() && given.ends_with(domain));
    assert_eq!(folded(&folded(given)), folded(given), "folding once is enough");
}
