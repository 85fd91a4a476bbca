//! What is said of somebody, by name.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, LazyLock},
};

use serde::{Deserialize, Serialize, Serializer};

/// What a provider says about somebody: claim name to values.
///
/// Nested objects are flattened to dotted names and every value is a list, as Pomerium stores
/// them (`pomerium-config.md` §4.7).
///
/// In order of name, and no longer than it has to be: each session has some for as long as it lives.
/// A clone is the same ones in memory, until one of the two is changed.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(from = "BTreeMap<Box<str>, Vec<serde_json::Value>>")]
pub struct Claims(Arc<Vec<Claim>>);

/// One of them: its name, and its values.
type Claim = (Box<str>, Box<[serde_json::Value]>);

/// What most people of the built-in provider have: in memory once, and not for each of them.
static NONE: LazyLock<Arc<Vec<Claim>>> = LazyLock::new(Arc::default);

impl Default for Claims {
    fn default() -> Self {
        Self(Arc::clone(&NONE))
    }
}

impl From<BTreeMap<Box<str>, Vec<serde_json::Value>>> for Claims {
    fn from(read: BTreeMap<Box<str>, Vec<serde_json::Value>>) -> Self {
        if read.is_empty() {
            return Self::default();
        }
        Self(Arc::new(read.into_iter().map(|(name, values)| (name, values.into())).collect()))
    }
}

impl Serialize for Claims {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Claims {
    /// Flattens a JSON object of claims. Where a map and a dotted name meet, both are kept: a
    /// claim that another one hides would keep nobody out.
    pub fn from_json(object: &serde_json::Map<String, serde_json::Value>) -> Self {
        let mut claims = Self::default();
        for (name, value) in object {
            claims.add(name, value);
        }
        claims
    }

    fn add(&mut self, name: &str, value: &serde_json::Value) {
        match value {
            serde_json::Value::Object(nested) => {
                for (inner, value) in nested {
                    self.add(&format!("{name}.{inner}"), value);
                }
            }
            serde_json::Value::Array(values) => {
                self.put(name, |before| before.extend_from_slice(values));
            }
            serde_json::Value::Null
            | serde_json::Value::Bool(_)
            | serde_json::Value::Number(_)
            | serde_json::Value::String(_) => {
                self.put(name, |before| before.push(value.clone()));
            }
        }
    }

    /// Is a claim of this name a map, whose values have names of their own?
    pub fn has_below(&self, name: &str) -> bool {
        let from = self.0.partition_point(|(other, _)| **other < *name);
        let mut rest = self.0.iter().skip(from).map_while(|(other, _)| other.strip_prefix(name));
        rest.any(|rest| rest.starts_with('.'))
    }

    /// The values of a claim; `None` when it is absent, which is not the same as empty.
    pub fn get(&self, name: &str) -> Option<&[serde_json::Value]> {
        let (_, values) = self.0.get(self.find(name).ok()?)?;
        Some(values)
    }

    /// The values of a claim; empty when it is absent.
    pub fn values(&self, name: &str) -> &[serde_json::Value] {
        self.get(name).unwrap_or_default()
    }

    /// The first value of a claim, when it is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.values(name).first().and_then(serde_json::Value::as_str)
    }

    /// Replaces a claim.
    pub fn set(&mut self, name: &str, values: Vec<serde_json::Value>) {
        self.put(name, |before| *before = values);
    }

    /// Where a claim stands, or would.
    fn find(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| (**other).cmp(name))
    }

    /// Changes the values of a claim, which has none where it is absent.
    fn put(&mut self, name: &str, change: impl FnOnce(&mut Vec<serde_json::Value>)) {
        let found = self.find(name);
        let all = Arc::make_mut(&mut self.0);
        let at = found.unwrap_or_else(|at| {
            all.reserve_exact(1);
            all.insert(at, (name.into(), Box::default()));
            at
        });
        if let Some((_, values)) = all.get_mut(at) {
            let mut changed = std::mem::take(values).into_vec();
            change(&mut changed);
            *values = changed.into();
        }
    }

    /// Where they are the same, they are so in memory from now on.
    pub fn share(&mut self, others: &Self) {
        if *self == *others {
            self.0 = Arc::clone(&others.0);
        }
    }

    /// Every claim, in order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[serde_json::Value])> {
        self.0.iter().map(|(name, values)| (&**name, &**values))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::Claims;

    #[test]
    fn claims_are_in_order_and_read_as_they_were_written() {
        let said = json!({
            "groups": ["b", "a"], "a.b": 1, "a": {"b": [2, 3], "c": null}, "z": [], "name": "Ann"
        });
        let claims = Claims::from_json(said.as_object().unwrap());
        let text = serde_json::to_string(&claims).unwrap();
        let expected = concat!(
            "{\"a.b\":[2,3,1],\"a.c\":[null],\"groups\":[\"b\",\"a\"],",
            "\"name\":[\"Ann\"],\"z\":[]}"
        );
        assert_eq!(text, expected);
        let read: Claims = serde_json::from_str(&text).unwrap();
        assert_eq!(read, claims);
        let twice = "{\"b\": [1], \"a\": [2], \"b\": [3]}";
        let twice: Claims = serde_json::from_str(twice).unwrap();
        assert_eq!(twice.values("b"), [json!(3)], "the last counts, as it did");
        for (name, below) in [("a", true), ("a.b", false), ("grou", false), ("z", false)] {
            assert_eq!(read.has_below(name), below, "{name}");
        }
        for (name, values) in [("z", Some(&[][..])), ("name", Some(&[json!("Ann")])), ("n", None)] {
            assert_eq!(read.get(name), values, "{name}");
        }
    }

    /// Of ten thousand people without any, each had an empty list of their own.
    #[test]
    fn nothing_is_in_memory_once() {
        let read: Claims = serde_json::from_str("{}").unwrap();
        assert!(Arc::ptr_eq(&read.0, &Claims::default().0));
        let mut said = Claims::default();
        said.set("a", vec![json!(1)]);
        assert_eq!((read.iter().count(), Claims::default().iter().count()), (0, 0));
    }

    /// Ten thousand sessions have some for as long as they live.
    #[test]
    fn claims_take_no_more_room_than_they_need() {
        let mut claims: Claims = serde_json::from_str("{\"a\": [1], \"b\": [2]}").unwrap();
        assert_eq!(claims.0.capacity(), 2);
        claims.set("c", vec![json!(3)]);
        claims.set("a", Vec::with_capacity(100));
        assert_eq!((claims.0.capacity(), claims.iter().count()), (3, 3));
    }
}
