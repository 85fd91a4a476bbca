/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line, with Pomerium's field names.
    Json,
    /// For people at a terminal.
    Text,
    /// Decisions as they are kept: one JSON object a line, with all that was asked.
    Kept,
}
