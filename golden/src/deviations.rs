use serde_json::json;

use crate::{
    Failure,
    answer::{Case, is_refused},
};

/// Where ours differs on purpose: by kind of case and by our answer, never by number.
#[derive(Debug, Default)]
pub struct Deviations(Vec<Deviation>);

#[derive(Debug)]
struct Deviation {
    kinds: Vec<String>,
    /// What stands in the question of each such case; nothing for all of the kind.
    asks: String,
    ours: Ours,
    why: String,
}

/// Which answer of ours is meant.
#[derive(Debug, PartialEq, Eq)]
enum Ours {
    /// The config is refused, with this code.
    Refused(String),
    /// Somebody is kept out, by this status, and the policy decides alike.
    Status(u16),
    /// A deny holds in both, and by this status ours says so at once.
    AtOnce(u16),
    /// Our policy keeps out whom theirs let in, by this status.
    Denied(u16),
    /// Everything is alike but this part.
    Part(String),
}

impl Deviations {
    /// Reads lines of `KIND[,KIND…][ with TEXT] | refused CODE, status N, at-once N, denied N or part NAME | why`,
    /// where `TEXT` stands in what a case is about. Empty lines and those that begin with `#` say nothing.
    ///
    /// # Errors
    ///
    /// [`Failure::Unclear`] for a line of another shape.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines
            .map(|line| Deviation::parse(line).ok_or_else(|| unclear(line)))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Why a case that does not agree may differ; `None` where nobody decided that.
    pub fn why(&self, case: &Case) -> Option<&str> {
        let found = self.0.iter().find(|deviation| deviation.is_for(case));
        found.filter(|_| !case.opens()).map(|deviation| &*deviation.why)
    }
}

impl Deviation {
    fn parse(line: &str) -> Option<Self> {
        let mut parts = line.split('|').map(str::trim);
        let (kinds, ours, why) = (parts.next()?, parts.next()?, parts.next()?);
        let ours = match ours.split_once(' ')? {
            ("refused", code) => Ours::Refused(code.into()),
            ("status", status) => Ours::Status(status.parse().ok()?),
            ("at-once", status) => Ours::AtOnce(status.parse().ok()?),
            ("denied", status) => Ours::Denied(status.parse().ok()?),
            ("part", part) => Ours::Part(part.into()),
            _ => return None,
        };
        let (kinds, asks) = kinds.split_once(" with ").unwrap_or((kinds, ""));
        let kinds = kinds.split(',').map(|kind| kind.trim().to_owned()).collect();
        (!why.is_empty() && parts.next().is_none()).then(|| Self {
            kinds,
            asks: asks.into(),
            ours,
            why: why.into(),
        })
    }

    fn is_for(&self, case: &Case) -> bool {
        let is_kind = self.kinds.iter().any(|kind| *kind == case.kind || kind == "*");
        is_kind
            && case.about.contains(&self.asks)
            && match &self.ours {
                Ours::Refused(code) => is_refused(&case.ours) && case.codes.contains(code),
                Ours::Status(status) => case.decides_alike_by(*status),
                Ours::AtOnce(status) => {
                    let deny = case.ours.get("deny").and_then(|deny| deny.get("value"));
                    deny == Some(&json!(true)) && case.decides_alike_by(*status)
                }
                Ours::Denied(status) => case.ours.get("status") == Some(&json!(status)),
                Ours::Part(part) => case.differing().iter().all(|differs| differs == part),
            }
    }
}

fn unclear(line: &str) -> Failure {
    let what = format!(
        "`{line}` is not KIND[ with TEXT] | refused CODE, status N, at-once N, denied N or part NAME | why"
    );
    Failure::Unclear { name: "deviations.txt".into(), what }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Deviations;
    use crate::answer::{Answer, Case, Right};

    fn answer(allow: bool, status: u16) -> Answer {
        [("allow", json!({"value": allow})), ("status", json!(status))]
            .map(|(part, value)| (part.to_owned(), value))
            .into()
    }

    /// Another status is no excuse for another decision.
    #[test]
    fn a_status_that_deviates_hides_no_decision() {
        let told = |line: &str, allow: bool| {
            let case = Case {
                id: "a".into(),
                kind: "claim".into(),
                hazard: String::new(),
                about: String::new(),
                right: vec![Right::Answer(answer(allow, 302))],
                ours: answer(false, 401),
                codes: Vec::new(),
                with_slashes_as_one: None,
            };
            Deviations::parse(line).unwrap().why(&case).is_some()
        };
        assert!(told("* | status 401 | why", false));
        assert!(!told("* | status 401 | why", true));
        assert!(told("* | denied 401 | why", true));
    }
}
