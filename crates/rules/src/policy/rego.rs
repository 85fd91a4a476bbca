//! Rules in Rego beside the policy language: what a module is asked, and what it may say
//! (`pomerium-config.md` §4.9).
//!
//! Nothing here runs Rego. What does is handed in as a [`Compiler`], where the build has one.

use std::{fmt, sync::Arc};

use serde_json::Value;

use super::{
    criterion::{DEVICE_UNAUTHENTICATED, UNAUTHENTICATED, WITHOUT_CERTIFICATE},
    decision::{Decision, Finding, OtherReasons, Verdict},
    facts::Facts,
    reason::{Reason, Reasons},
    rule::{Asked, Effect},
};
use crate::problem::Span;

/// What turns texts of Rego into modules.
pub trait Compiler {
    /// Reads a module and checks it: what can be told before a request is there is told here.
    fn compile(&self, text: &str) -> Compiled;
}

/// A module, and what there is to say about it.
#[derive(Debug)]
pub struct Compiled {
    /// `None` where a mistake is an error.
    pub module: Option<Arc<dyn Module>>,
    /// In the order of the text.
    pub mistakes: Vec<Mistake>,
}

/// Something wrong in a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Which kind.
    pub kind: MistakeKind,
    /// Line and column in the text, both from 1; `None` for the whole.
    pub at: Option<(usize, usize)>,
    /// In words.
    pub what: String,
}

/// What can be wrong in a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MistakeKind {
    /// It is no Rego.
    Invalid,
    /// Its package is none that is asked.
    Package,
    /// It asks for something that is not there.
    Unavailable,
    /// It neither allows nor denies.
    SaysNothing,
}

/// A module that compiled.
pub trait Module: fmt::Debug + Send + Sync {
    /// What it says of a request.
    ///
    /// # Errors
    ///
    /// [`Unanswered`] where it fails, or takes too long.
    fn ask(&self, facts: &Facts<'_>) -> Result<Answer, Unanswered>;

    /// May it look at fields or queries?
    fn asks_for_fields(&self) -> bool;
}

/// A module failed: nobody can tell what it would have said, so nobody is let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unanswered(pub Box<str>);

/// What a module says of a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Its `allow`.
    pub allow: RuleResult,
    /// Its `deny`.
    pub deny: RuleResult,
}

/// The value of one of its rules, understood.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleResult {
    /// Does it hold?
    pub holds: bool,
    /// Why, in words of its own; they count where it does not hold, too.
    pub reasons: Box<[Box<str>]>,
    /// What it returned, for `explain`; `None` where it is undefined.
    pub returned: Option<Value>,
}

impl RuleResult {
    /// A boolean, or `[boolean]`, `[boolean, reasons]`, `[boolean, reasons, data]`. All else is no,
    /// as it is in Pomerium; sets are lists here.
    pub fn of(returned: Option<Value>) -> Self {
        let (holds, reasons) = returned.as_ref().and_then(read).unwrap_or_default();
        Self { holds, reasons, returned }
    }
}

fn read(returned: &Value) -> Option<(bool, Box<[Box<str>]>)> {
    if let Some(holds) = returned.as_bool() {
        return Some((holds, Box::default()));
    }
    let (holds, reasons) = match returned.as_array()?.as_slice() {
        [holds] => (holds, None),
        [holds, reasons] => (holds, Some(reasons)),
        [holds, reasons, data] if data.is_object() => (holds, Some(reasons)),
        _ => return None,
    };
    let reasons = match reasons {
        None => Box::default(),
        Some(reasons) => reasons.as_array()?.iter().map(word).collect(),
    };
    Some((holds.as_bool()?, reasons))
}

fn word(reason: &Value) -> Box<str> {
    reason.as_str().map_or_else(|| reason.to_string().into(), Into::into)
}

/// A module at its place in the config.
#[derive(Clone, Debug)]
pub struct Script {
    /// `sub_policies[0].rego[0]`.
    pub name: Arc<str>,
    /// Where it stands.
    pub span: Span,
    /// What is asked.
    pub module: Arc<dyn Module>,
}

/// Said where a module failed.
pub(super) const FAILED: Reason = Reason::named("rego-error");

impl Decision {
    /// Nobody could decide, because a rule in Rego failed.
    pub fn has_failed(&self) -> bool {
        self.deny.reasons.contains(FAILED)
    }

    fn failed(script: &Script) -> Self {
        let deny = Finding { holds: true, reasons: Reasons::only(FAILED) };
        Self {
            verdict: Verdict::Deny,
            allow: Finding::default(),
            deny,
            rule: Arc::clone(&script.name),
            device: None,
            other: None,
        }
    }
}

/// What all modules of a policy said.
#[derive(Default)]
pub(super) struct Heard<'p>(Vec<(&'p Script, Answer)>);

impl<'p> Heard<'p> {
    /// Asks every one: reasons tell all that held.
    ///
    /// # Errors
    ///
    /// The decision, where one failed: it keeps out, whatever the others say.
    pub(super) fn of(scripts: &'p [Script], facts: &Facts<'_>) -> Result<Self, Decision> {
        let ask = |script: &'p Script| match script.module.ask(facts) {
            Ok(answer) => Ok((script, answer)),
            Err(Unanswered(_)) => Err(Decision::failed(script)),
        };
        scripts.iter().map(ask).collect::<Result<_, _>>().map(Self)
    }

    fn results(&self, effect: Effect) -> impl Iterator<Item = (&'p Script, &RuleResult)> {
        self.0.iter().map(move |(script, answer)| match effect {
            Effect::Allow => (*script, &answer.allow),
            Effect::Deny => (*script, &answer.deny),
        })
    }

    /// One side of the policy with what the modules say of it, joined by OR. Words of their own come
    /// beside it.
    pub(super) fn join(&self, effect: Effect, of: Asked<'p>) -> (Asked<'p>, Box<[Box<str>]>) {
        if self.0.is_empty() {
            return (of, Box::default());
        }
        let Asked { finding, rule } = of;
        let holding = self.results(effect).find(|(_, result)| result.holds);
        let holds = finding.holds || holding.is_some();
        let reasons = if finding.holds == holds { finding.reasons } else { Reasons::default() };
        let mut joined = Finding { holds, reasons };
        let mut others = Vec::new();
        for word in self.counted(effect, joined).flat_map(|(_, result)| &result.reasons) {
            match Reason::of_word(word) {
                Some(known) => joined.reasons = joined.reasons.with(Reasons::only(known)),
                None => others.push(word.clone()),
            }
        }
        others.sort_unstable();
        others.dedup();
        let rule = rule.or(holding.map(|(script, _)| &script.name));
        (Asked { finding: joined, rule }, others.into())
    }

    /// Those that made a side what it is.
    fn counted(
        &self,
        effect: Effect,
        side: Finding,
    ) -> impl Iterator<Item = (&'p Script, &RuleResult)> {
        self.results(effect).filter(move |(_, result)| result.holds == side.holds)
    }

    /// The first module that counts and wants to be shown something first.
    pub(super) fn that_waits(&self, [allow, deny]: [Finding; 2]) -> Option<&'p Arc<str>> {
        let waits = Reasons::only(UNAUTHENTICATED)
            .with(Reasons::only(DEVICE_UNAUTHENTICATED))
            .with(WITHOUT_CERTIFICATE);
        let sides = [(Effect::Deny, deny), (Effect::Allow, allow)];
        let mut counted = sides.into_iter().flat_map(|(effect, side)| self.counted(effect, side));
        let says = |(_, result): &(_, &RuleResult)| {
            let mut known = result.reasons.iter().filter_map(|word| Reason::of_word(word));
            known.any(|reason| waits.contains(reason))
        };
        counted.find(says).map(|(script, _)| &script.name)
    }
}

/// The words that are no criteria's, of both sides; `None` where there are none.
pub(super) fn other_reasons(
    allow: Box<[Box<str>]>,
    deny: Box<[Box<str>]>,
) -> Option<Box<OtherReasons>> {
    let some = !(allow.is_empty() && deny.is_empty());
    some.then(|| Box::new(OtherReasons { allow, deny }))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::RuleResult;

    /// Every shape that Pomerium takes, and those that it takes for no (`pomerium-config.md` §4.9).
    #[test]
    fn what_a_rule_may_return() {
        let none: &[&str] = &[];
        for (returned, holds, reasons) in [
            (json!(true), true, none),
            (json!(false), false, none),
            (json!([true]), true, none),
            (json!([true, []]), true, none),
            (json!([true, ["a", 7]]), true, &["a", "7"]),
            (json!([false, ["a"]]), false, &["a"]),
            (json!([true, ["a"], {"k": 1}]), true, &["a"]),
            (json!("yes"), false, none),
            (json!(1), false, none),
            (Value::Null, false, none),
            (json!({}), false, none),
            (json!([]), false, none),
            (json!(["yes"]), false, none),
            (json!([1, ["a"]]), false, none),
            (json!([true, "a"]), false, none),
            (json!([true, ["a"], "data"]), false, none),
            (json!([true, ["a"], {}, 1]), false, none),
        ] {
            let result = RuleResult::of(Some(returned.clone()));
            let told: Vec<&str> = result.reasons.iter().map(AsRef::as_ref).collect();
            assert_eq!((result.holds, &*told), (holds, reasons), "{returned}");
        }
        assert!(!RuleResult::of(None).holds);
    }
}
