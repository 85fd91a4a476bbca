use super::super::form;

/// The pairs of a form (`application/x-www-form-urlencoded`), in the order in which they stand.
/// A name that stands there twice counts by its first value, as for the real service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Form(Vec<(Box<str>, Box<str>)>);

/// More pairs than any message has.
const MOST_PAIRS: usize = 256;

impl Form {
    /// `None` when it is not encoded as a form is, or has more pairs than any message.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.bytes().filter(|octet| *octet == b'&').nth(MOST_PAIRS).is_some() {
            return None; // counted before anything is kept
        }
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((form::decode(name).ok()?, form::decode(value).ok()?))
        });
        pairs.collect::<Option<Vec<_>>>().map(Self)
    }

    /// The pairs by name, encoded as Go does it.
    pub(super) fn encode(mut pairs: Vec<(&str, &str)>) -> String {
        pairs.sort_by_key(|(name, _)| *name); // stable: values of one name keep their order
        let mut text = String::new();
        for (name, value) in pairs {
            if !text.is_empty() {
                text.push('&');
            }
            form::encode_onto(&mut text, name);
            text.push('=');
            form::encode_onto(&mut text, value);
        }
        text
    }

    /// The first value of `name`.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| &**found == name).map(|(_, value)| &**value)
    }

    /// Every pair.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }
}
