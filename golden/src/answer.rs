use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::text::text;

/// One side's answer, part by part: `refused`, `allow`, `deny`, `status`, `forward`, `location`,
/// `matched`, and names of options.
pub type Answer = BTreeMap<String, Value>;

/// Hazards for which only the safe answer is right.
const ONLY_SAFE: [&str; 14] = [
    "anonymous-passes",
    "any-field",
    "device-without-credential",
    "san-patterns-not-anchored",
    "unreadable-body-passes-deny",
    "twin-routes-swap-policies",
    "twin-routes",
    "restriction-dropped",
    "empty-secret-file",
    "number-out-of-range",
    "double-slash",
    "escaped-separator",
    "bad-escape",
    "host-that-is-no-host",
];

/// What would be right.
#[derive(Clone, Debug)]
pub enum Right {
    /// Ours has each of these parts, alike.
    Answer(Answer),
    /// The same, and a warning says so.
    WithWarning(Answer),
    /// What we answer where two slashes in the path are one.
    SlashesAsOne,
}

/// One case with both answers.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it is called in its file.
    pub id: String,
    /// Its kind, or its table.
    pub kind: String,
    /// What is wrong with the recorded answer.
    pub hazard: String,
    /// What it is about, in the words of its file or as it was asked.
    pub about: String,
    /// Any of these is right.
    pub right: Vec<Right>,
    /// What we answer.
    pub ours: Answer,
    /// Codes of errors and warnings that we give with it.
    pub codes: Vec<String>,
    /// What we answer where two slashes in the path are one.
    pub with_slashes_as_one: Option<Answer>,
}

impl Case {
    /// Do both sides agree?
    pub fn agrees(&self) -> bool {
        self.right.iter().any(|right| match right {
            Right::Answer(theirs) => has(&self.ours, theirs),
            Right::WithWarning(theirs) => has(&self.ours, theirs) && !self.codes.is_empty(),
            Right::SlashesAsOne => self.with_slashes_as_one.as_ref() == Some(&self.ours),
        })
    }

    /// Parts that differ from what is right, where that is one answer.
    pub fn differing(&self) -> Vec<&str> {
        let right = self.right.iter().find_map(|right| match right {
            Right::Answer(theirs) | Right::WithWarning(theirs) => Some(theirs),
            Right::SlashesAsOne => None,
        });
        let parts = right.into_iter().flatten();
        let differ = parts.filter(|(part, value)| self.ours.get(*part) != Some(value));
        differ.map(|(part, _)| &**part).collect()
    }

    /// Do both sides of the decision agree, and is this our status?
    pub fn decides_alike_by(&self, status: u16) -> bool {
        let decided = ["allow", "deny"];
        self.ours.get("status") == Some(&json!(status))
            && self.differing().iter().all(|differs| !decided.contains(differs))
    }

    /// Do we let in whom they keep out? That is no deviation but a hole.
    pub fn opens(&self) -> bool {
        let lets_in = |answer: &Answer| answer.get("forward") == Some(&json!(true));
        lets_in(&self.ours)
            && self.right.iter().all(|right| match right {
                Right::Answer(theirs) | Right::WithWarning(theirs) => {
                    theirs.get("forward") == Some(&json!(false))
                }
                Right::SlashesAsOne => true,
            })
    }
}

/// A config that is not taken.
pub(crate) fn refused() -> Answer {
    Answer::from([("refused".into(), json!(true))])
}

pub(crate) fn is_refused(answer: &Answer) -> bool {
    answer.get("refused") == Some(&json!(true))
}

fn has(ours: &Answer, theirs: &Answer) -> bool {
    theirs.iter().all(|(part, value)| ours.get(part) == Some(value))
}

/// What is right for a case: the recorded answer, or where that is a hazard what stands in `safe`.
///
/// `read` makes an answer of an `expect`. An error names words that nobody here knows.
pub(crate) fn right(case: &Value, read: impl Fn(&Value) -> Answer) -> Result<Vec<Right>, String> {
    let (expect, safe) = (&case["expect"], &case["safe"]);
    let measured = Right::Answer(read(expect));
    if safe.is_null() {
        return Ok(vec![measured]);
    }
    let mut right = match safe["one_of"].as_array() {
        None => vec![Right::Answer(read(safe))],
        Some(words) => {
            let words = words.iter().map(|words| words.as_str().unwrap_or_default());
            let known: Result<_, _> = words.map(|words| in_words(words, expect, &read)).collect();
            known.map_err(|words| format!("{}: `one_of` says `{words}`", text(case, "id")))?
        }
    };
    if !ONLY_SAFE.contains(&text(case, "hazard")) && safe["one_of"].is_null() {
        right.push(measured);
    }
    Ok(right)
}

fn in_words(words: &str, expect: &Value, read: impl Fn(&Value) -> Answer) -> Result<Right, String> {
    let status = |status: u16| Right::Answer(Answer::from([("status".into(), json!(status))]));
    let measured = "as measured, if the path that policy saw is the path that the upstream gets";
    Ok(match words {
        "as measured" => Right::Answer(read(expect)),
        "as measured, with a warning that names the key and the effect" => {
            Right::WithWarning(read(expect))
        }
        _ if words.starts_with(measured) => Right::Answer(read(expect)),
        "refused" | "config refused" | "refused at load" => Right::Answer(refused()),
        "400" => status(400),
        "denied with 403" => status(403),
        "302 to sign-in" => status(302),
        "not matched" => Right::Answer(Answer::from([("forward".into(), json!(false))])),
        "as if the slashes were one" => Right::SlashesAsOne,
        _ => return Err(words.to_owned()),
    })
}
