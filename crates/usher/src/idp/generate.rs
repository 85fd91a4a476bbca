use usher_rules::secret::Secret;

/// The system has no random numbers to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system has no random numbers to give")]
pub struct NoRandomness;

/// Characters that nobody mistakes for each other when they read them out.
const ALPHABET: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";

/// A password to read out or paste: four groups of five characters, 99 random bits.
///
/// # Errors
///
/// [`NoRandomness`].
pub fn generated_password() -> Result<Secret, NoRandomness> {
    let mut password = Vec::with_capacity(23);
    while password.len() < 23 {
        let mut random = [0];
        getrandom::fill(&mut random).map_err(|_none| NoRandomness)?;
        // The low five bits choose; the one value without a character is drawn again.
        if let Some(character) = ALPHABET.get(usize::from(random[0] & 31)) {
            if password.len() % 6 == 5 {
                password.push(b'-');
            }
            password.push(*character);
        }
    }
    Ok(Secret::new(password))
}

/// A generated password as it was made, however it was typed: capitals, blanks and dashes of any
/// kind forgiven. `None` for what can't be one.
pub(super) fn canonical(typed: &str) -> Option<String> {
    let forgiven =
        |c: &char| !c.is_whitespace() && !"-_\u{2010}\u{2011}\u{2013}\u{2014}".contains(*c);
    let letters: Vec<char> =
        typed.chars().filter(forgiven).map(|c| c.to_ascii_lowercase()).collect();
    let is_ours = |c: &char| u8::try_from(*c).is_ok_and(|byte| ALPHABET.contains(&byte));
    if letters.len() != 20 || !letters.iter().all(is_ours) {
        return None;
    }
    let groups: Vec<String> = letters.chunks(5).map(|group| group.iter().collect()).collect();
    Some(groups.join("-"))
}

#[cfg(test)]
mod tests {
    use super::{ALPHABET, canonical, generated_password};

    #[test]
    fn a_generated_password_forgives_case_dashes_and_blanks() {
        let made = "abcde-fghjk-mnpqr-stuvw";
        for (typed, expected) in [
            (made, Some(made)),
            ("ABCDE-FGHJK-MNPQR-STUVW", Some(made)),
            (" abcdefghjk mnpqrstuvw\t", Some(made)),
            ("abcde–fghjk—mnpqr‑stuvw", Some(made)),
            ("abcde-fghjk-mnpqr-stuv", None),
            ("abcde-fghjk-mnpqr-stuv1", None),
            ("correct horse", None),
            ("", None),
        ] {
            assert_eq!(canonical(typed).as_deref(), expected, "{typed}");
        }
    }

    #[test]
    fn four_groups_of_five() {
        let [one, two] = [(); 2].map(|()| generated_password().unwrap());
        assert!(!one.same_as(two.expose()), "random");
        let groups: Vec<_> = one.expose().split(|&b| b == b'-').collect();
        assert_eq!(groups.iter().map(|group| group.len()).collect::<Vec<_>>(), [5; 4]);
        assert!(groups.concat().iter().all(|b| ALPHABET.contains(b)));
    }
}
