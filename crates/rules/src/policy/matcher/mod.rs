//! What a criterion compares its fact with (`pomerium-config.md` §4.4).
//!
//! Operands are read once, at compile; what could be wrong with them is a [`Problem`] there.
//!
//! [`Problem`]: crate::problem::Problem

mod address;
mod list;
mod moment;
mod scalar;
mod text;

pub(super) use address::AddressMatch;
pub(super) use list::{ListMatch, shown};
pub(super) use moment::{Dates, Days, Hours, Window, Zone, has_offset};
pub use scalar::value_of;
pub(super) use text::{Spelt, TextMatch, TextOperator};

/// Which spellings of an address, and which readings of a value, count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Passing lets somebody in: octets for octets, and a negative operator finds every spelling.
    LetsIn,
    /// Passing keeps somebody out: every spelling is found, and a negative operator asks octets.
    KeepsOut,
    /// The address is in the spelling of our own store, which knows no case.
    Kept,
}
