//! Whose doing a problem is.

/// What a problem is, beside where: a mistake, or a difference between Pomerium and usher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It means nothing, or can't work: in Pomerium neither.
    Invalid,
    /// It works in Pomerium, and not in usher.
    Unsupported,
    /// Pomerium takes it, or does more with it, and usher does otherwise on purpose.
    ByDesign,
}

impl Class {
    /// The word for programs: `invalid`, `unsupported`, `by-design`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Unsupported => "unsupported",
            Self::ByDesign => "by-design",
        }
    }

    /// What people are told beside the problem; of a mistake it is the problem itself.
    pub const fn note(self) -> Option<&'static str> {
        match self {
            Self::Invalid => None,
            Self::Unsupported => Some("unsupported: Pomerium can do this, usher can't yet"),
            Self::ByDesign => {
                Some("by design: Pomerium takes this, usher does otherwise on purpose")
            }
        }
    }

    /// Of a problem's code.
    pub fn of(code: &str) -> Self {
        match code {
            _ if UNSUPPORTED.contains(&code) => Self::Unsupported,
            _ if BY_DESIGN.contains(&code) => Self::ByDesign,
            _ => Self::Invalid,
        }
    }
}

/// What Pomerium can do and usher can't.
const UNSUPPORTED: &[&str] =
    &["U121", "U122", "U305", "U358", "U403", "U406", "U413", "U434", "U504"];

/// What Pomerium takes, and usher refuses or does otherwise, with its reason in a decision record or on
/// the page of keys.
const BY_DESIGN: &[&str] = &[
    "U103", "U104", "U120", "U205", "U207", "U210", "U230", "U309", "U312", "U313", "U315", "U317",
    "U330", "U331", "U332", "U342", "U408", "U417", "U424", "U479", "U541",
];
