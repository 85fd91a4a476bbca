//! A module that compiled, and what becomes of it at a request.

use std::{fmt, num::NonZeroU32, sync::Arc, time::Duration};

use regorus::{Engine, Value, utils::limits::ExecutionTimerConfig};
use usher_rules::policy::{
    Facts,
    rego::{Answer, Mistake, MistakeKind, Module, RuleResult, Unanswered},
};

use crate::{available, input};

/// What Pomerium asks for.
pub(crate) const PACKAGE: &str = "data.pomerium.policy";

/// How long a module may take for one decision: the thread that decides serves nobody meanwhile.
const LONGEST: Duration = Duration::from_secs(1);

/// Steps between two looks at the clock.
const STEPS: NonZeroU32 = NonZeroU32::new(64).unwrap();

/// Ready to be asked. Each decision is made on a copy: modules know nothing of each other's requests.
pub(crate) struct Asked {
    engine: Engine,
    asks_for_fields: bool,
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asked")
    }
}

impl Asked {
    /// Asks it once about nothing, by which it is ordered and checked.
    ///
    /// # Errors
    ///
    /// What is wrong with it at every request.
    pub(crate) fn prepare(mut engine: Engine) -> Result<(Self, Option<Mistake>), String> {
        engine.set_execution_timer_config(limit());
        let mut tried = engine.clone();
        if let Err(error) = with_functions(&mut tried, None).and_then(|()| evaluated(&mut tried)) {
            // What contradicts itself here may not do so at a request.
            let may_pass = ["conflict", "multiple", "execution", "limit"];
            if !may_pass.iter().any(|words| error.contains(words)) {
                return Err(error);
            }
        }
        let has = |rule| engine.has_declared_rule_rooted_at(crate::FILE, rule).unwrap_or(true);
        let says_nothing = (!has("allow") && !has("deny")).then(|| Mistake {
            kind: MistakeKind::SaysNothing,
            at: None,
            what: "this module neither allows nor denies".into(),
        });
        let asks_for_fields = available::fields_are_named(&engine);
        Ok((Self { engine, asks_for_fields }, says_nothing))
    }
}

fn limit() -> ExecutionTimerConfig {
    ExecutionTimerConfig { limit: LONGEST, check_interval: STEPS }
}

impl Module for Asked {
    fn ask(&self, facts: &Facts<'_>) -> Result<Answer, Unanswered> {
        let mut engine = self.engine.clone();
        let failed = |error: String| Unanswered(said(&error).into());
        with_functions(&mut engine, Some(facts)).map_err(failed)?;
        engine.set_input(input::document(facts));
        let document = evaluated(&mut engine).map_err(failed)?;
        let rule = |name: &str| {
            let value = document.as_object().ok()?.get(&Value::from(name))?;
            serde_json::to_value(value).ok()
        };
        Ok(Answer { allow: RuleResult::of(rule("allow")), deny: RuleResult::of(rule("deny")) })
    }

    fn asks_for_fields(&self) -> bool {
        self.asks_for_fields
    }
}

/// The words of an error without the lines around it, which may be long.
pub(crate) fn said(error: &str) -> &str {
    let said = error.split_once("error: ").map_or(error, |(_, said)| said);
    said.lines().next().unwrap_or_default().trim()
}

/// Everything in the package: Pomerium asks for it whole, so one rule that fails is a failure.
fn evaluated(engine: &mut Engine) -> Result<Value, String> {
    let results = engine.eval_query(PACKAGE.into(), false).map_err(|error| error.to_string())?;
    let first = results.result.first().and_then(|result| result.expressions.first());
    Ok(first.map_or(Value::Undefined, |expression| expression.value.clone()))
}

fn with_functions(engine: &mut Engine, facts: Option<&Facts<'_>>) -> Result<(), String> {
    let records = Arc::new(input::records(facts.and_then(|facts| facts.who)));
    let record = move |arguments: Vec<Value>| {
        let [kind, id] = arguments.as_slice() else { return Ok(Value::Null) };
        let asked = (kind.as_string(), id.as_string());
        let (Ok(kind), Ok(id)) = asked else { return Ok(Value::Null) };
        let is_it = |((of, by), _): &&((&str, String), Value)| **of == **kind && **by == **id;
        Ok(records.iter().find(is_it).map_or(Value::Null, |(_, record)| record.clone()))
    };
    let now = facts.and_then(|facts| facts.now);
    let now = now
        .map_or(Value::Undefined, |now| Value::from(now.seconds().saturating_mul(1_000_000_000)));
    let now = move |_: Vec<Value>| Ok(now.clone());
    engine
        .add_extension(input::RECORD.into(), 2, Box::new(record))
        .and_then(|()| engine.add_extension(input::NOW.into(), 0, Box::new(now)))
        .map_err(|error| error.to_string())
}
