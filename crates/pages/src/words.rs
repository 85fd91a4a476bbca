//! Sentences of ours: said in English in the code, read in the reader's language.

use std::borrow::Cow;

use crate::language::Language;

/// A sentence in English, with `{names}` for what differs: what its translations are found by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words<'a> {
    text: Cow<'a, str>,
    parts: Vec<(&'static str, Cow<'a, str>)>,
}

impl<'a> Words<'a> {
    /// A sentence that is the same for everybody.
    pub const fn of(text: &'static str) -> Self {
        Self { text: Cow::Borrowed(text), parts: Vec::new() }
    }

    /// The same with `{name}` filled in.
    #[must_use]
    pub fn with(mut self, name: &'static str, part: impl Into<Cow<'a, str>>) -> Self {
        self.parts.push((name, part.into()));
        self
    }

    /// As it reads in English: for logs and programs.
    pub fn english(&self) -> Cow<'_, str> {
        self.filled(&self.text)
    }

    /// As it reads in a language.
    pub fn in_language(&self, language: Language) -> Cow<'_, str> {
        self.filled(language.say(&self.text).unwrap_or(&self.text))
    }

    /// Once through from left to right: what is filled in is no place to fill.
    fn filled<'s>(&self, text: &'s str) -> Cow<'s, str> {
        if self.parts.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            let known = after.split_once('}').and_then(|(name, rest)| {
                let (_, part) = self.parts.iter().find(|(known, _)| *known == name)?;
                Some((part, rest))
            });
            match known {
                Some((part, after)) => {
                    filled.push_str(part);
                    rest = after;
                }
                None => {
                    filled.push('{');
                    rest = after;
                }
            }
        }
        filled.push_str(rest);
        Cow::Owned(filled)
    }
}

impl<'a, T: Into<Cow<'a, str>>> From<T> for Words<'a> {
    fn from(text: T) -> Self {
        Self { text: text.into(), parts: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_filled_in_is_no_place_to_fill() {
        let words = Words::of("{who} asks {whom} {and} {").with("who", "{whom}").with("whom", "me");
        assert_eq!(words.english(), "{whom} asks me {and} {");
        assert_eq!(words.in_language(Language::German), "{whom} asks me {and} {");
    }
}
