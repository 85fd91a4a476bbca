//! The service brings `pomerium_redirect_uri` back octet for octet, so what ties the answer to
//! the browser that began travels there: `usher_flow`, at the end of its query. Without it, an
//! answer signs in whoever opens it, on any host of the proxy (login CSRF, measured).

use crate::signin::param::FLOW;

/// `target` with the mark of a sign-in.
pub fn mark(target: &str, flow: &str) -> String {
    let joint = if target.contains('?') { '&' } else { '?' };
    format!("{target}{joint}{FLOW}={flow}")
}

/// The target and its mark; `None` when it has none.
pub fn unmark(marked: &str) -> Option<(&str, &str)> {
    let (target, flow) = marked.rsplit_once(FLOW)?;
    let flow = flow.strip_prefix('=')?;
    let target = target.strip_suffix(['?', '&'])?;
    let plain = !flow.is_empty()
        && flow.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(&octet));
    plain.then_some((target, flow))
}

#[cfg(test)]
mod tests {
    use super::{mark, unmark};

    #[test]
    fn a_mark_leaves_the_target_as_it_was() {
        for target in [
            "https://app.example.com/",
            "https://app.example.com/?",
            "https://app.example.com/web?z=1&a=%20+&flag",
            "https://app.example.com/?usher_flow=older",
            "https://app.example.com/?next=https://x/?y=1&",
        ] {
            let marked = mark(target, "f-_1");
            assert_eq!(unmark(&marked), Some((target, "f-_1")), "{marked}");
        }
        for unmarked in [
            "https://app.example.com/",
            "https://app.example.com/?usher_flow=",
            "https://app.example.com/usher_flow=x",
            "https://app.example.com/?xusher_flow=x",
            "https://app.example.com/?usher_flow=x&y=1",
            "https://app.example.com/?usher_flow=%41",
            "",
        ] {
            assert_eq!(unmark(unmarked), None, "{unmarked}");
        }
    }
}
