//! HTTP/1.1 with upstreams: a client that is polled by the request's own task. Between a request and
//! its answer are no channel, no second task and no copy that can be left out.
//!
//! An upstream may lie in every way. The end of each answer is found by RFC 9112 §6.3 and nothing else,
//! and a connection on which anything is left over carries no other request.

mod chunked;
mod connection;
mod decoder;
mod error;
mod fields;
mod input;
mod outgoing;
mod request;
mod response;

pub(super) use connection::Connection;
pub use error::Http1Error;

#[cfg(test)]
mod tests;
