//! What requests may look like: methods, escaped separators, names with `_`.

use super::Ground;
use crate::{config::Section, names::EscapedSlashes, plan::Underscores, problem::Problem};

impl Ground<'_> {
    /// `additional_methods`: tokens in upper case, so that no app takes one for another method.
    pub(super) fn additional_methods(&mut self) -> Vec<Box<str>> {
        let mut methods = Vec::new();
        for item in self.keys.list("additional_methods").unwrap_or_default() {
            let is_method = !item.text.is_empty()
                && item
                    .text
                    .bytes()
                    .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-');
            if is_method {
                methods.push(item.text);
                continue;
            }
            self.report(Problem::error(
                "U445",
                item.at,
                format!("`{}` is no method", item.text),
                "write it in capitals, such as `PURGE`; the registered ones pass anyway",
            ));
        }
        methods
    }
}

/// `path_with_escaped_slashes_action`.
pub(super) fn escaped_slashes(keys: &Section) -> EscapedSlashes {
    match keys.word("path_with_escaped_slashes_action").as_deref() {
        Some("keep_unchanged") => EscapedSlashes::Keep,
        Some("unescape_and_forward") => EscapedSlashes::Unescape,
        Some("unescape_and_redirect") => EscapedSlashes::Redirect,
        Some(_) | None => EscapedSlashes::Reject,
    }
}

/// `headers_with_underscores_action`.
pub(super) fn underscores(keys: &Section) -> Underscores {
    match keys.word("headers_with_underscores_action").as_deref() {
        Some("reject_request") => Underscores::Reject,
        Some("drop_header") => Underscores::Drop,
        Some(_) | None => Underscores::Allow,
    }
}
