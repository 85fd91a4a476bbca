//! The config text as a tree in which every node knows its place.

mod node;

pub use node::{Entry, Kind, Node, Style};
