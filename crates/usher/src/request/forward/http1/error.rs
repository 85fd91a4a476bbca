use std::io;

/// Why an exchange over HTTP/1.1 came to nothing, or an answer broke off.
#[derive(Debug, thiserror::Error)]
pub enum Http1Error {
    /// The system's or TLS's word for it.
    #[error("the connection broke")]
    Io(#[source] io::Error),
    /// Its end came too early.
    #[error("the connection ended in the middle of an exchange")]
    Ended,
    /// The request's body broke off, or is not as long as was said.
    #[error("the body of the request broke off")]
    Body(#[source] io::Error),
    /// The head of an answer, or the trailers, can't be read.
    #[error("the fields of the answer can't be read")]
    Fields(#[source] httparse::Error),
    /// What else is wrong with an answer.
    #[error("the answer {0}")]
    Malformed(&'static str),
}

impl Http1Error {
    /// Did the other side say what is not HTTP? Otherwise it said too little.
    pub const fn is_protocol(&self) -> bool {
        match self {
            Self::Fields(_) | Self::Malformed(_) => true,
            Self::Io(_) | Self::Ended | Self::Body(_) => false,
        }
    }
}
