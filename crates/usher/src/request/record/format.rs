/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line, with Pomerium's field names.
    Json,
    /// For people at a terminal.
    Text,
}
