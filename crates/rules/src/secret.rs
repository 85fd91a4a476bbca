//! A secret can't be printed, compared in variable time, or cloned by accident.

use std::fmt;

use zeroize::Zeroize;

/// Bytes that must not reach a page, a log or a metric.
///
/// Absent on purpose: `Display`, `Clone`, `PartialEq`, `Serialize`, `Deref`, `AsRef<[u8]>`.
pub struct Secret(Box<[u8]>);

impl Secret {
    /// Takes the bytes over; the caller keeps no copy.
    pub fn new(bytes: impl Into<Box<[u8]>>) -> Self {
        Self(bytes.into())
    }

    /// The one door out: searching for `expose(` lists the places to review.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The secret as text; `None` when it is not UTF-8.
    pub fn expose_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Equal, in time that depends on the lengths only.
    pub fn same_as(&self, other: &[u8]) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(&self.0, other).is_ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn tells_nothing_and_compares() {
        let secret = Secret::new(*b"open sesame");
        assert_eq!(format!("{secret:?}"), "Secret(..)");
        for (other, same) in [("open sesame", true), ("open sesamE", false), ("open", false)] {
            assert_eq!(secret.same_as(other.as_bytes()), same, "{other:?}");
        }
    }
}
