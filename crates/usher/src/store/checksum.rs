//! A row that a disk has changed must not decide who is let in.
//!
//! SQLite's own check finds a broken structure, not a changed letter inside a group's name. The
//! checksum is against accidents, not against somebody who can write to the data directory.

use aws_lc_rs::digest;

use super::StoreFailure;

/// The first 64 bits of SHA-256 over the fields, each with its length before it.
pub(super) fn of(fields: &[&[u8]]) -> i64 {
    let mut sha = digest::Context::new(&digest::SHA256);
    for field in fields {
        sha.update(&(field.len() as u64).to_be_bytes());
        sha.update(field);
    }
    let first = sha.finish().as_ref().iter().take(8).fold(0, |sum, &b| (sum << 8) | u64::from(b));
    first.cast_signed()
}

/// Refuses a row whose fields are not those that were written.
pub(super) fn check(what: &str, written: i64, fields: &[&[u8]]) -> Result<(), StoreFailure> {
    if of(fields) == written {
        Ok(())
    } else {
        Err(StoreFailure::Corrupt { what: format!("a row of {what} was changed").into() })
    }
}

#[cfg(test)]
mod tests {
    use super::of;

    /// FIPS 180-4: SHA-256 of nothing begins with these 64 bits; a checksum of eight would miss
    /// one change in 256.
    #[test]
    fn a_checksum_is_64_bits_of_all_fields() {
        assert_eq!(of(&[]), 0xe3b0_c442_98fc_1c14_u64.cast_signed());
        assert_ne!(of(&[b"ab", b"c"]), of(&[b"a", b"bc"]), "where one field ends counts");
    }
}
