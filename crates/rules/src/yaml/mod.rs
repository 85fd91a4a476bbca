//! The config text as a tree in which every node knows its place.
//!
//! YAML 1.2 as far as configs use it: one document, text keys, anchors, aliases and merge keys.
//! Scalars keep their text, so `0123` stays `0123`; what it means is for the reader to say.
//! Keys have no case (`pomerium-config.md` §1.3), so two that differ only in case are one key
//! given twice, which is refused: which of the two would win must not be a matter of luck.

mod node;
mod tree;

pub use node::{Entry, Kind, Node, Style};

use crate::problem::Problem;

/// The longest text that is read, in bytes.
pub const MAX_BYTES: usize = 4 << 20;

/// How deep lists and maps may stand in each other, aliases followed.
pub const MAX_DEPTH: usize = 64;

/// How many nodes a text may hold, aliases followed: a few lines of aliases to aliases would
/// otherwise grow into gigabytes.
pub const MAX_NODES: usize = 200_000;

/// How many bytes of scalars a text may hold, aliases followed.
pub const MAX_SCALAR_BYTES: usize = 16 << 20;

/// Reads `text` into a tree. An empty text is a null.
///
/// # Errors
///
/// Where it is no YAML: the first problem, since what follows can't be told. Keys given twice:
/// all of them.
pub fn parse(text: &str) -> Result<Node, Vec<Problem>> {
    if text.len() > MAX_BYTES {
        return Err(vec![Problem::error(
            "U100",
            0..0,
            format!("the text has {} bytes; {MAX_BYTES} are read", text.len()),
            "split what is not config out of it",
        )]);
    }
    tree::grow(text)
}

#[cfg(test)]
mod tests;
