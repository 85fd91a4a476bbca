//! One decision that was kept, explained. What another version of usher wrote may hold less than
//! this one asks for; then what is on record is told, and nothing is guessed.

use std::io::Write;

use serde_json::Value;

use super::{Config, Outcome, Question};
use crate::{
    cli::failure::Failure,
    request::{
        inquiry::Foretold,
        record::{KeptDecision, moment},
    },
};

/// The latest one about this request.
pub(super) fn explain(
    config: &Config,
    kept: &str,
    id: &str,
    out: &mut dyn Write,
) -> Result<Outcome, Failure> {
    let about = |line: &str| serde_json::from_str(line).ok().filter(|it| is_about(it, id));
    let found = kept.lines().rev().find_map(|line| Some((line, about(line)?)));
    let (line, value) = found.ok_or_else(|| Failure::NotKept(id.into()))?;
    let read = KeptDecision::read(line).and_then(|then| Some((Question::again(&then)?, then)));
    let Some((question, then)) = read else {
        let why = "another version of usher wrote it, with less than this one asks for";
        let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or("?").to_owned();
        let then =
            format!("{} by {}, under the plan {}", text("verdict"), text("rule"), text("plan"));
        return Err(Failure::NotAnew { request_id: id.into(), why, then });
    };
    config.answer(question, Some(&then), out)
}

fn is_about(value: &Value, id: &str) -> bool {
    value.get("request_id").and_then(Value::as_str) == Some(id)
}

/// What keeps the decision from being made anew: the route asks for more than was asked for then.
pub(super) fn beyond(then: &KeptDecision, foretold: &Foretold<'_>) -> Option<Failure> {
    let judged = foretold.judged()?;
    if then.asked.suffices_for(judged.route) {
        return None;
    }
    let KeptDecision { request_id, plan, verdict, rule, asked, .. } = then;
    let why = "this config asks for a client's certificate, or for what a message says, and \
               nobody was asked for it then";
    let then = format!("{verdict} by {rule}, at {} under the plan {plan}", moment(asked.at()));
    Some(Failure::NotAnew { request_id: request_id.clone(), why, then })
}
