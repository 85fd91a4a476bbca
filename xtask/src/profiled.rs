//! How much of what was counted is in the program that was built by it.

use std::collections::HashSet;

/// How a function of usher begins whose name is mangled as it was before v0: a path, of which the
/// first part has five letters.
const OURS: &[u8] = b"_ZN5usher";
/// Ends such a name: a digest of sixteen digits, and an `E`.
const DIGEST: (&[u8], usize) = (b"17h", 16);

/// Functions of usher that were counted, and those of them that a program has.
pub struct Found {
    counted: usize,
    there: usize,
}

impl Found {
    /// Looks for the names in `profile` among the symbols of `program`. Both hold them as they are.
    pub fn new(profile: &[u8], program: &[u8]) -> Self {
        let (counted, there) = (names(profile), names(program));
        Self { counted: counted.len(), there: counted.intersection(&there).count() }
    }

    /// What a person has to know: a digest holds the versions and features of all that usher is made
    /// of, so that with one dependency changed no function is found by its name any more.
    pub fn complaint(&self) -> Option<String> {
        let Self { counted, there } = self;
        (there * 2 < *counted || *counted == 0).then(|| {
            format!(
                "of {counted} functions of usher that were counted, {there} are in it: the rest is \
                 built as without a profile, which makes a slower program. Another version or \
                 feature of a dependency is enough for that. `cargo xtask dist --train` counts anew."
            )
        })
    }
}

/// Names of usher's own functions. Those that are of a trait or made for a type begin otherwise and
/// are not looked for: what happens to some happens to all.
fn names(octets: &[u8]) -> HashSet<&[u8]> {
    let starts = octets.windows(OURS.len()).enumerate().filter(|(_, part)| *part == OURS);
    starts.filter_map(|(at, _)| name(octets.get(at..)?)).collect()
}

/// The one that `octets` begin with, its digest among it.
fn name(octets: &[u8]) -> Option<&[u8]> {
    let is_part = |octet: &u8| octet.is_ascii_alphanumeric() || b"_.$".contains(octet);
    let end = octets.iter().position(|octet| !is_part(octet)).unwrap_or(octets.len());
    let (before, digits) = DIGEST;
    let run = octets.get(..end)?;
    let at = run.windows(before.len()).enumerate().find_map(|(at, part)| {
        let digest = run.get(at + before.len()..)?.get(..digits)?;
        let ends = run.get(at + before.len() + digits) == Some(&b'E');
        (part == before && ends && digest.iter().all(u8::is_ascii_hexdigit)).then_some(at)
    })?;
    run.get(..=at + before.len() + digits)
}

#[cfg(test)]
mod tests {
    use super::Found;

    const SERVE: &str = "_ZN5usher7request6accept5serve17h0123456789abcdefE";
    const RECORD: &str = "_ZN5usher7request6record5write17hfedcba9876543210E";

    fn complaint(profile: &str, program: &str) -> Option<String> {
        Found::new(profile.as_bytes(), program.as_bytes()).complaint()
    }

    /// Names stand one behind another in a profile, with octets of lengths and counts between them.
    #[test]
    fn a_program_that_has_what_was_counted_is_silent() {
        let profile = format!("\0{SERVE}_ZN4core3fmt17h0000000000000000E\u{1}{RECORD}\0");
        assert_eq!(complaint(&profile, &format!("\0{RECORD}\0{SERVE}\0")), None);
        assert_eq!(complaint(&profile, &format!("\0{RECORD}\0")), None, "one was inlined");
    }

    #[test]
    fn a_program_of_other_dependencies_is_told_of() {
        let profile = format!("\0{SERVE}\0{RECORD}\0");
        let other = profile.replace("17h0", "17h1").replace("17hf", "17he");
        let said = complaint(&profile, &other).unwrap();
        assert!(said.contains("of 2 functions") && said.contains("0 are in it"), "{said}");
        assert!(said.contains("cargo xtask dist --train"), "{said}");
        assert!(complaint("\0_ZN5tokio17h0123456789abcdefE\0", &profile).is_some(), "none counted");
    }
}
