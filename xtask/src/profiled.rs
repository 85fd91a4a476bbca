//! How much of what was counted is in the program that was built by it.

use std::collections::{HashMap, HashSet};

/// How the name of a function begins that is mangled as it was before v0: a path.
const BEGIN: &[u8] = b"_ZN";
/// What ends the path: a digest of sixteen digits, behind which an `E` stands.
const DIGEST: (&[u8], usize) = (b"17h", 16);
/// In the path of what ends a value. Which of those stands for others that are the same differs from
/// build to build.
const DROPS: &[u8] = b"drop_in_place";
/// One path in so many may be there under another digest alone. Of a function that was made for two
/// types the one that was counted may be inlined and the other one be there: that was 1.0 % where
/// nothing was renamed, and 1.9 % where the type of a client's connection had become another one.
const PART: usize = 70;

/// Functions that were counted, by their paths.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    /// The program has it as it was counted.
    same: usize,
    /// It has one of that path, and under another digest.
    renamed: usize,
}

impl Found {
    /// Looks for the names in `profile` among the symbols of `program`. Both hold them as they are;
    /// what is in none of them under its path was inlined, or is no more.
    pub fn new(profile: &[u8], program: &[u8]) -> Self {
        let (counted, there) = (names(profile), names(program));
        let (mut same, mut renamed) = (0, 0);
        for (path, digests) in counted {
            match there.get(path) {
                Some(others) if digests.is_disjoint(others) => renamed += 1,
                Some(_) => same += 1,
                None => {}
            }
        }
        Self { same, renamed }
    }

    /// What a person has to know. A digest is of the types that a function was made for, and of the
    /// versions and features of all that its crate is made of.
    pub fn complaint(&self) -> Option<String> {
        let Self { same, renamed } = self;
        (renamed * PART > same + renamed || *same == 0).then(|| {
            format!(
                "{renamed} functions that were counted are in it under another name ({same} under the \
                 same) and are built as without a profile, which makes a slower program: another \
                 version or feature of a dependency renames them, or another type that they are made \
                 for. `cargo xtask dist --train` counts anew."
            )
        })
    }
}

/// Digests by path.
fn names(octets: &[u8]) -> HashMap<&[u8], HashSet<&[u8]>> {
    let mut names: HashMap<&[u8], HashSet<&[u8]>> = HashMap::new();
    let starts = octets.windows(BEGIN.len()).enumerate().filter(|(_, part)| *part == BEGIN);
    for (path, digest) in starts.filter_map(|(at, _)| name(octets.get(at..)?)) {
        names.entry(path).or_default().insert(digest);
    }
    names
}

/// The one that `octets` begin with: its path and its digest.
fn name(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let is_part = |octet: &u8| octet.is_ascii_alphanumeric() || b"_.$".contains(octet);
    let end = octets.iter().position(|octet| !is_part(octet)).unwrap_or(octets.len());
    let (before, digits) = DIGEST;
    let run = octets.get(..end)?;
    let found = run.windows(before.len()).enumerate().find_map(|(at, part)| {
        let digest = run.get(at + before.len()..)?.get(..digits)?;
        let ends = run.get(at + before.len() + digits) == Some(&b'E');
        let is_one = part == before && ends && digest.iter().all(u8::is_ascii_hexdigit);
        is_one.then_some((run.get(..at)?, digest))
    });
    found.filter(|(path, _)| !path.windows(DROPS.len()).any(|part| part == DROPS))
}

#[cfg(test)]
mod tests {
    use super::Found;

    const SERVE: &str = "_ZN5usher7request6accept5serve17h0123456789abcdefE";
    const READ: &str = "_ZN12tokio_rustls6common7read_io17hfedcba9876543210E";

    fn found(profile: &str, program: &str) -> Found {
        Found::new(profile.as_bytes(), program.as_bytes())
    }

    /// Names stand one behind another in a profile, with octets of lengths and counts between them.
    #[test]
    fn a_program_that_has_what_was_counted_is_silent() {
        let profile = format!("\0{SERVE}{READ}\u{1}\0");
        let whole = found(&profile, &format!("\0{READ}\0{SERVE}\0"));
        assert_eq!(whole, Found { same: 2, renamed: 0 });
        assert_eq!(whole.complaint(), None);
        let inlined = found(&profile, &format!("\0{READ}\0"));
        assert_eq!((inlined.complaint(), inlined.same), (None, 1));
        let drops = "_ZN4core3ptr13drop_in_place17h";
        let [one, other] = ["0", "1"].map(|digit| format!("{drops}{}E", digit.repeat(16)));
        assert_eq!(found(&format!("{SERVE}{one}"), &format!("{SERVE}{other}")).renamed, 0);
        let again = READ.replace("17hf", "17he"); // for another type, too
        assert_eq!(found(&profile, &format!("{SERVE}\0{READ}\0{again}")).renamed, 0);
    }

    #[test]
    fn a_program_with_other_types_or_dependencies_is_told_of() {
        let profile = format!("\0{SERVE}\0{READ}\0");
        let other = found(&profile, &profile.replace("17hf", "17he"));
        assert_eq!(other, Found { same: 1, renamed: 1 });
        let said = other.complaint().unwrap();
        assert!(
            said.contains("1 functions") && said.contains("cargo xtask dist --train"),
            "{said}"
        );
        assert!(found("\0no names\0", &profile).complaint().is_some(), "nothing was counted");
    }
}
