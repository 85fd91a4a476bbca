use serde_json::Value;

use super::{Manner, value_of};
use crate::{
    names::folded,
    people::Group,
    policy::report::{Outcome, Report},
    yaml::{Kind, Node},
};

/// Compares a list of typed values.
#[derive(Clone, Debug)]
pub(crate) struct ListMatch {
    /// All of them must hold; without any, everything passes.
    tests: Box<[ListTest]>,
}

#[derive(Clone, Debug)]
enum ListTest {
    /// Some element equals it.
    Has(Value),
    /// There is exactly one element, and it equals it.
    Is(Value),
    /// No element equals it.
    Exclude(Value),
}

const OPERATORS: [&str; 3] = ["has", "is", "exclude"];

impl ListMatch {
    /// Reads an operand: a value, or a map of operators.
    pub(crate) fn read(criterion: &str, data: &Node, report: &mut Report<'_>) -> Option<Self> {
        let Kind::Map(entries) = &data.kind else {
            return Some(Self::has(operand(criterion, Outcome::Never, data, report)));
        };
        let mut tests = Vec::with_capacity(entries.len());
        for entry in entries {
            let operator = entry.key.to_ascii_lowercase();
            let named = format!("{criterion}: {operator}");
            tests.push(match operator.as_str() {
                "has" => Some(ListTest::Has(operand(&named, Outcome::Never, &entry.value, report))),
                "is" => Some(ListTest::Is(operand(&named, Outcome::Never, &entry.value, report))),
                "exclude" => {
                    let want = operand(&named, Outcome::Always, &entry.value, report);
                    Some(ListTest::Exclude(want))
                }
                _ => {
                    report.unknown_operator(criterion, entry, &OPERATORS);
                    None
                }
            });
        }
        let tests = tests.into_iter().collect::<Option<Box<_>>>()?;
        Some(Self { tests })
    }

    /// Some element equals `value`.
    pub(crate) fn has(value: Value) -> Self {
        Self { tests: [ListTest::Has(value)].into() }
    }

    /// Reads a value of `allowed_idp_claims`, where an object is a map of operators.
    ///
    /// `None` when it holds an unknown operator, nothing, or a list.
    pub(crate) fn from_value(value: &Value) -> Option<Self> {
        let Value::Object(operators) = value else {
            return (!value.is_array()).then(|| Self::has(value.clone()));
        };
        let tests = operators
            .iter()
            .map(|(operator, operand)| match operator.to_ascii_lowercase().as_str() {
                _ if operand.is_array() => None,
                "has" => Some(ListTest::Has(operand.clone())),
                "is" => Some(ListTest::Is(operand.clone())),
                "exclude" => Some(ListTest::Exclude(operand.clone())),
                _ => None,
            })
            .collect::<Option<Box<[_]>>>()?;
        (!tests.is_empty()).then_some(Self { tests })
    }

    /// Do these values pass?
    pub(crate) fn takes(&self, values: &[&Value], manner: Manner) -> bool {
        self.tests.iter().all(|test| {
            let equal = |value: &&Value, want: &Value| match (manner, test.negates()) {
                (Manner::LetsIn, false) | (Manner::KeepsOut, true) => same(value, want),
                (Manner::LetsIn, true) | (Manner::KeepsOut, false) | (Manner::Kept, _) => {
                    same(value, want) || alike(value, want)
                }
            };
            match test {
                ListTest::Has(want) => values.iter().any(|value| equal(value, want)),
                ListTest::Is(want) => matches!(values, [only] if equal(only, want)),
                ListTest::Exclude(want) => !values.iter().any(|value| equal(value, want)),
            }
        })
    }

    /// Do groups of these ids pass? Anything but text equals none of them.
    pub(crate) fn takes_groups(&self, groups: &[Group]) -> bool {
        self.tests.iter().all(|test| {
            let equal = |group: &Group, want: &Value| want.as_str() == Some(&*group.id);
            match test {
                ListTest::Has(want) => groups.iter().any(|group| equal(group, want)),
                ListTest::Is(want) => matches!(groups, [only] if equal(only, want)),
                ListTest::Exclude(want) => !groups.iter().any(|group| equal(group, want)),
            }
        })
    }

    /// Does it say how much or what a claim may not hold? What is doubtful must then not pass.
    pub(crate) fn asks_for_all(&self) -> bool {
        self.tests.iter().any(|test| !matches!(test, ListTest::Has(_)))
    }

    /// Is every operand a map or a list itself, or is there none?
    pub(crate) fn compares_maps(&self) -> bool {
        self.tests.iter().all(|test| match test {
            ListTest::Has(want) | ListTest::Is(want) | ListTest::Exclude(want) => {
                want.is_object() || want.is_array()
            }
        })
    }

    /// What becomes of the tests whose operand is no text, where only text is compared; `None`
    /// where there are none.
    pub(crate) fn without_text(&self) -> Option<Outcome> {
        let mut outcomes = self.tests.iter().filter_map(|test| match test {
            ListTest::Exclude(want) => (!want.is_string()).then_some(Outcome::Always),
            ListTest::Has(want) | ListTest::Is(want) => {
                (!want.is_string()).then_some(Outcome::Never)
            }
        });
        outcomes.next_back()
    }

    /// The texts that passing claims hold.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = &str> {
        self.tests.iter().filter_map(|test| match test {
            ListTest::Has(want) | ListTest::Is(want) => want.as_str(),
            ListTest::Exclude(_) => None,
        })
    }

    /// In words, for `explain`: ``has `family` ``.
    pub(crate) fn in_words(&self) -> String {
        if self.tests.is_empty() {
            return "is anything".into();
        }
        let words: Vec<String> = self
            .tests
            .iter()
            .map(|test| match test {
                ListTest::Has(want) => format!("has `{}`", shown(want)),
                ListTest::Is(want) => format!("is just `{}`", shown(want)),
                ListTest::Exclude(want) => format!("has no `{}`", shown(want)),
            })
            .collect();
        words.join(" and ")
    }
}

impl ListTest {
    const fn negates(&self) -> bool {
        matches!(self, Self::Exclude(_))
    }
}

/// A list is compared with each element as a whole, so that nothing in a flat claim equals it
/// (`pomerium-policy-measured.md` 17).
fn operand(named: &str, outcome: Outcome, node: &Node, report: &mut Report<'_>) -> Value {
    let value = value_of(node);
    if value.is_array() {
        report.list_operand(named, node, outcome);
    } else if node.text() == Some("") {
        // `has:` with nothing behind it is `null`
        report.empty_operand(named, node, "it equals what is empty, and nothing that is missing");
    }
    value
}

/// A value without the quotes that JSON puts around text.
pub(crate) fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Equal as values: types count, `7` and `7.0` are one number.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => {
            x == y || x.as_f64() == y.as_f64() && !both_whole(x, y)
        }
        (Value::Array(x), Value::Array(y)) => {
            x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y))
        }
        (Value::Object(x), Value::Object(y)) => {
            x.len() == y.len()
                && x.iter().all(|(key, value)| y.get(key).is_some_and(|other| same(value, other)))
        }
        _ => a == b,
    }
}

/// The same to a person: `7` and `"7"`, and one address in two spellings.
fn alike(a: &Value, b: &Value) -> bool {
    let scalar = |value: &Value| {
        (!value.is_null() && !value.is_array() && !value.is_object()).then(|| shown(value))
    };
    let (Some(a), Some(b)) = (scalar(a), scalar(b)) else { return false };
    a == b || b.contains('@') && folded(&a) == folded(&b)
}

/// Whole numbers compare as such: above 2^53 a float could not tell neighbours apart.
fn both_whole(x: &serde_json::Number, y: &serde_json::Number) -> bool {
    !x.is_f64() && !y.is_f64()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::same;

    #[test]
    fn values() {
        for (a, b, expected) in [
            (json!("a"), json!("a"), true),
            (json!("a"), json!("A"), false),
            (json!(7), json!(7.0), true),
            (json!(7), json!("7"), false),
            (json!(true), json!("true"), false),
            (json!(true), json!(1), false),
            (json!(null), json!(null), true),
            (json!(null), json!(false), false),
            (json!(9_007_199_254_740_993_u64), json!(9_007_199_254_740_992_u64), false),
            (json!({"id": 1}), json!({"id": 1.0}), true),
            (json!({"id": 1}), json!({"id": 1, "x": 2}), false),
            (json!([1, 2]), json!([1, 2.0]), true),
            (json!([1, 2]), json!([1]), false),
        ] {
            assert_eq!(same(&a, &b), expected, "{a} {b}");
            assert_eq!(same(&b, &a), expected, "{b} {a}");
        }
    }
}
