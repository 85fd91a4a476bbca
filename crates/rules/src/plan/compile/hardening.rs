//! What requests may look like: their methods.

use super::Compiler;
use crate::{
    config::{Section, keys::global},
    plan::KeptDecisions,
    problem::Problem,
};

impl Compiler<'_> {
    /// `additional_methods`: tokens in upper case, so that no app takes one for another method.
    pub(super) fn additional_methods(&mut self) -> Vec<Box<str>> {
        let mut methods = Vec::new();
        for item in self.keys.value(&global::ADDITIONAL_METHODS) {
            let is_method = !item.text.is_empty()
                && item
                    .text
                    .bytes()
                    .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-');
            if is_method {
                methods.push(item.text.clone());
                continue;
            }
            self.report(Problem::error(
                "U445",
                item.at.clone(),
                format!("`{}` is no method", item.text),
                "write it in capitals, such as `PURGE`; the registered ones pass anyway",
            ));
        }
        methods
    }
}

/// `decision_records`.
pub(super) fn kept_decisions(keys: &Section) -> KeptDecisions {
    match keys.value(&global::DECISION_RECORDS) {
        "all" => KeptDecisions::All,
        "none" => KeptDecisions::None,
        _ => KeptDecisions::Refused,
    }
}
