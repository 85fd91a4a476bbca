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

#[cfg(test)]
mod tests {
    use super::{ALPHABET, generated_password};

    #[test]
    fn four_groups_of_five() {
        let [one, two] = [(); 2].map(|()| generated_password().unwrap());
        assert!(!one.same_as(two.expose()), "random");
        let groups: Vec<_> = one.expose().split(|&b| b == b'-').collect();
        assert_eq!(groups.iter().map(|group| group.len()).collect::<Vec<_>>(), [5; 4]);
        assert!(groups.concat().iter().all(|b| ALPHABET.contains(b)));
    }
}
