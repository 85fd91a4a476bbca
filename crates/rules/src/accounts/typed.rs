//! What does not do of what somebody typed, in sentences that pages translate.

use std::fmt;

macro_rules! typed_wrong {
    ($($name:ident = $words:literal,)*) => {
        /// What does not do of what somebody typed. Its words are read by whom it is told: a page
        /// has them in every language.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum TypedWrong {
            $(#[doc = $words] $name,)*
        }

        impl TypedWrong {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// What whoever typed it reads, in English.
            pub const fn words(self) -> &'static str {
                match self {
                    $(Self::$name => $words,)*
                }
            }
        }
    };
}

typed_wrong! {
    Address = "That is no e-mail address.",
    Name = "This name is too long, or has signs in it that can't be shown.",
    Group = "The name of a group is short and has no comma in it.",
    TooManyGroups = "That is in more groups than anybody may be.",
    ShortPassword = "A password has at least 8 characters.",
    LongPassword = "This password is too long.",
    WeakPassword = "This password is among the first that anybody tries. Take three or four words that don't belong together.",
    Code = "That is not the code that the app shows now.",
    HasCodeApp = "An app's codes are asked for already.",
    Passkey = "That passkey was not made. Try again.",
    LastDay = "The last day is a date like 2026-12-31, and not over yet.",
    LinkLife = "A link is good for 1 to 365 days.",
    AppSite = "No such site is here.",
    AppLabel = "Say in a few words what it is for.",
    TooManyAppPasswords = "You have as many app passwords as anybody may: revoke one.",
}

impl std::error::Error for TypedWrong {}

impl fmt::Display for TypedWrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}
