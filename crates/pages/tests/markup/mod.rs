//! Reads the HTML that we write, and nothing looser: double quotes, no stray `<`.

/// A tag: its name (`/` first when it closes) and its attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    pub name: String,
    /// Name and value as they stand, still escaped; empty for an attribute without a value.
    pub attributes: Vec<(String, String)>,
}

impl Tag {
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// The tags of a document and its text, still escaped, in order.
///
/// Panics on anything that a browser would have to guess about.
pub fn parse(document: &str) -> (Vec<Tag>, Vec<String>) {
    let mut rest = document.strip_prefix("<!doctype html>").expect("no doctype");
    let (mut tags, mut texts) = (vec![], vec![]);
    while let Some(start) = rest.find('<') {
        let (text, tail) = rest.split_at(start);
        assert!(!text.contains('>'), "a stray `>` in {text:?}");
        texts.push(text.to_owned());
        let end = end_of_tag(tail);
        tags.push(tag(&tail[1..end]));
        rest = &tail[end + 1..];
    }
    assert!(!rest.contains('>'), "a stray `>` in {rest:?}");
    (tags, texts)
}

fn end_of_tag(text: &str) -> usize {
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '>' if !quoted => return at,
            _ => {}
        }
    }
    panic!("a tag without an end: {text:?}");
}

fn tag(inside: &str) -> Tag {
    let (name, mut rest) = inside.split_once(' ').unwrap_or((inside, ""));
    let bare = name.strip_prefix('/').unwrap_or(name);
    assert!(
        !bare.is_empty() && bare.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()),
        "not a tag of ours: {inside:?}"
    );
    let mut attributes = vec![];
    while !rest.is_empty() {
        let end = rest.find(['=', ' ']).unwrap_or(rest.len());
        let (name, tail) = rest.split_at(end);
        assert!(
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-'),
            "not an attribute of ours: {name:?} in {inside:?}"
        );
        let value = match tail.strip_prefix("=\"") {
            Some(quoted) => {
                let (value, tail) = quoted.split_once('"').expect("an unclosed quote");
                rest = tail;
                value
            }
            None => {
                rest = tail;
                ""
            }
        };
        attributes.push((name.to_owned(), value.to_owned()));
        rest = match rest.strip_prefix(' ') {
            Some(rest) => rest,
            None => {
                assert!(rest.is_empty(), "no space between attributes in {inside:?}");
                rest
            }
        };
    }
    Tag { name: name.to_owned(), attributes }
}
