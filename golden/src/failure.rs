/// Why cases could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A file can't be read.
    #[error("can't read {name}: {source}")]
    Unreadable {
        /// As it was given.
        name: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file is read, and says what nobody here understands.
    #[error("{name}: {what}")]
    Unclear {
        /// As it was given.
        name: String,
        /// Which case, and what about it.
        what: String,
    },
}
