//! The config text as a tree in which every node knows its place.
//!
//! YAML 1.2 as far as configs use it: one document, text keys, anchors, aliases and merge keys.
//! Scalars keep their text, so `0123` stays `0123`; what it means is for the reader to say.
//! Keys have no case (`pomerium-config.md` §1.3), so two that differ only in case are one key
//! given twice, which is refused: which of the two would win must not be a matter of luck.

mod node;
mod tree;

pub use node::{Entry, Kind, Node, Style};
pub(crate) use tree::twins;

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

/// What was read of a text, and everything that is wrong with it.
#[derive(Debug)]
pub struct Parsed {
    /// The tree; a null where nothing was written. What is wrong in it is left out, or there twice.
    pub root: Node,
    /// What is wrong with it as YAML.
    pub problems: Vec<Problem>,
    /// How much of the text the tree is.
    pub extent: Extent,
}

/// How much of a text was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of its first document.
    Whole,
    /// What stands before a mistake after which nothing can be told. Its last maps may lack keys.
    Beginning,
}

impl Parsed {
    /// The tree of a text with which nothing is wrong.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn clean(self) -> Result<Node, Vec<Problem>> {
        if self.problems.is_empty() { Ok(self.root) } else { Err(self.problems) }
    }
}

/// Reads `text` into a tree. An empty text is a null.
pub fn parse(text: &str) -> Parsed {
    if text.len() > MAX_BYTES {
        let problem = Problem::error(
            "U100",
            0..0,
            format!("the text has {} bytes; {MAX_BYTES} are read", text.len()),
            "split what is not config out of it",
        );
        return Parsed {
            root: tree::null(0..0),
            problems: vec![problem],
            extent: Extent::Beginning,
        };
    }
    tree::grow(text)
}

#[cfg(test)]
mod tests;
