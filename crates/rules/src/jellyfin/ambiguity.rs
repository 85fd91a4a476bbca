/// A request that servers may take for somebody else's than we would, by their version and their
/// settings: 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ambiguity {
    /// Two tokens that differ.
    TwoTokens,
    /// A field that is there twice, of which servers read the first or both in one.
    RepeatedField,
    /// A parameter that is there twice.
    RepeatedParameter,
    /// A query that is escaped as a whole: servers read it again after they asked who it is.
    EscapedQuery,
    /// A field that is no text.
    NoText,
}

impl Ambiguity {
    /// Why, for whoever sent it.
    pub const fn why(self) -> &'static str {
        match self {
            Self::TwoTokens => "it brings two tokens that differ",
            Self::RepeatedField => "a field with its token is there twice",
            Self::RepeatedParameter => "a parameter is there twice",
            Self::EscapedQuery => "its query is escaped as a whole",
            Self::NoText => "a field with its token is no text",
        }
    }
}
