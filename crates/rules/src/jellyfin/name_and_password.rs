//! What an app brings to `POST /Users/AuthenticateByName`: `{"Username": "…", "Pw": "…"}`.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, Visitor},
};

use crate::secret::Secret;

/// A name, and a password beside it. One that is left out is empty, as servers read it.
#[derive(Debug)]
pub struct NameAndPassword {
    /// Whose it is said to be.
    pub name: Box<str>,
    /// The password.
    pub password: Secret,
}

/// It is no JSON, or could be read in two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no name and password that can be read in one way")]
pub struct NotRead;

impl NameAndPassword {
    /// Reads a body. Servers take members whatever their case, and of several the last one.
    ///
    /// # Errors
    ///
    /// [`NotRead`], also where a member is there twice.
    pub fn read(body: &[u8]) -> Result<Self, NotRead> {
        serde_json::from_slice(body).map_err(|_| NotRead)
    }
}

/// A member that counts.
#[derive(Clone, Copy)]
enum Member {
    Name,
    Password,
    Other,
    /// Letters beyond ASCII that some readers fold into those of a member that counts.
    Doubtful,
}

impl Member {
    fn called(name: &str) -> Self {
        let folded: String = name.chars().flat_map(char::to_uppercase).collect();
        match &*folded {
            "USERNAME" | "PW" if !name.is_ascii() => Self::Doubtful,
            "USERNAME" => Self::Name,
            "PW" => Self::Password,
            _ => Self::Other,
        }
    }
}

impl<'de> Deserialize<'de> for NameAndPassword {
    fn deserialize<D: Deserializer<'de>>(given: D) -> Result<Self, D::Error> {
        given.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = NameAndPassword;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name and a password")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut given: A) -> Result<Self::Value, A::Error> {
        let (mut name, mut password) = (None, None);
        while let Some(member) = given.next_key::<String>()? {
            let place = match Member::called(&member) {
                Member::Name => &mut name,
                Member::Password => &mut password,
                Member::Doubtful => return Err(A::Error::custom("a doubtful member")),
                Member::Other => {
                    given.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            let value = given.next_value::<Option<String>>()?.unwrap_or_default();
            if place.replace(value).is_some() {
                return Err(A::Error::custom("a member that is there twice"));
            }
        }
        let (name, password) = (name.unwrap_or_default(), password.unwrap_or_default());
        Ok(NameAndPassword { name: name.into(), password: Secret::new(password.into_bytes()) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{NameAndPassword, NotRead};

    fn read(body: &str) -> Result<(String, String), NotRead> {
        let NameAndPassword { name, password } = NameAndPassword::read(body.as_bytes())?;
        Ok((name.into(), password.expose_str().unwrap().to_owned()))
    }

    #[test]
    fn a_name_and_a_password_are_read_in_one_way_or_not_at_all() {
        for (body, expected) in [
            (r#"{"Username":"ann","Pw":"x"}"#, Ok(("ann", "x"))),
            (r#"{"username":"ann","PW":"x","Password":"y","more":{"Pw":"z"}}"#, Ok(("ann", "x"))),
            (r#"{"Pw":"x"}"#, Ok(("", "x"))),
            (r#"{"Username":"ann","Pw":null}"#, Ok(("ann", ""))),
            (r#"{"\u0055sername":"ann","Pw":"x"}"#, Ok(("ann", "x"))),
            (r#"{"Username":"ann","Pw":"x","Pw":"y"}"#, Err(NotRead)),
            (r#"{"Username":"ann","Pw":"x","Pw":"x"}"#, Err(NotRead)),
            (r#"{"Username":"ann","Pw":"x","pw":"y"}"#, Err(NotRead)),
            (r#"{"Username":"ann","userName":"eve","Pw":"x"}"#, Err(NotRead)),
            (r#"{"Username":"ann","Pw":null,"pw":"x"}"#, Err(NotRead)),
            (r#"{"Username":"ann","u\u017fername":"eve","Pw":"x"}"#, Err(NotRead)),
            (r#"{"Username":["ann"],"Pw":"x"}"#, Err(NotRead)),
            (r#"{"Username":"ann","Pw":1}"#, Err(NotRead)),
            (r#"["ann","x"]"#, Err(NotRead)),
            (r#"{"Username":"ann","Pw":"x"}{}"#, Err(NotRead)),
            ("", Err(NotRead)),
        ] {
            let expected = expected.map(|(name, pw): (&str, &str)| (name.into(), pw.into()));
            assert_eq!(read(body), expected, "{body}");
        }
    }

    proptest! {
        #[test]
        fn any_body_is_read_without_harm(body in ".*") {
            let _ = read(&body);
        }
    }
}
