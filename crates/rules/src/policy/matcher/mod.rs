//! What a criterion compares its fact with (`pomerium-config.md` §4.4).
//!
//! Operands are read once, at compile; what could be wrong with them is a [`Problem`] there.
//!
//! [`Problem`]: crate::problem::Problem

mod address;
mod list;
mod scalar;
mod text;

pub(super) use address::AddressMatch;
pub(super) use list::{ListMatch, shown};
pub use scalar::value_of;
pub(super) use text::TextMatch;
