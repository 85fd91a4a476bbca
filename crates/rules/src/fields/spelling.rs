/// Are these two names one to CGI and its heirs (RFC 3875 §4.1.18), which make `HTTP_X_AUTH_USER`
/// of `X-Auth-User`, `X_Auth_User` and, in some servers, `X.Auth.User`? Whatever is no letter and
/// no digit counts as the same, and case does not count.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    one.len() == other.len() && begins(one, other)
}

/// Does `name` begin with `prefix`, in some spelling?
pub(super) fn begins(name: &str, prefix: &str) -> bool {
    name.len() >= prefix.len() && name.bytes().zip(prefix.bytes()).all(|(a, b)| fold(a) == fold(b))
}

/// Is the name written as everybody writes it, so that no other name is one with it?
pub(super) fn is_plain(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// A list of names, in any spelling; one that ends in `-` stands for everything that begins so.
///
/// Each field of each request is looked for in lists of a hundred: by the first two letters all but
/// a few are told to be in none, and in which places of the list the others may be.
pub(super) struct Names {
    names: &'static [&'static str],
    /// For each class of a letter, in which places it is a name's first one, and its second one.
    places: [[u128; 32]; 2],
}

impl Names {
    #[expect(clippy::indexing_slicing, reason = "a class is below 32")]
    pub(super) const fn new(names: &'static [&'static str]) -> Self {
        let (mut places, mut rest, mut place) = ([[0; 32]; 2], names, 1);
        while let [name, behind @ ..] = rest {
            if let Some([first, second]) = name.as_bytes().first_chunk() {
                places[0][class(*first)] |= place;
                places[1][class(*second)] |= place;
            }
            (rest, place) = (behind, place << 1);
        }
        assert!(names.len() <= 128, "a place is a bit");
        Self { names, places }
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "a class is below 32, and a place below the length"
    )]
    pub(super) fn has(&self, name: &str) -> bool {
        let Some([first, second]) = name.as_bytes().first_chunk() else { return false };
        let mut places = self.places[0][class(*first)] & self.places[1][class(*second)];
        while places != 0 {
            let listed = self.names[places.trailing_zeros() as usize];
            let is_listed = match listed.ends_with('-') {
                true => begins(name, listed),
                false => is_same(name, listed),
            };
            if is_listed {
                return true;
            }
            places &= places - 1;
        }
        false
    }
}

/// Below 32, and the same for all spellings of a letter. Others may share it.
const fn class(byte: u8) -> usize {
    (fold(byte) & 31) as usize
}

const fn fold(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

#[cfg(test)]
mod tests {
    use super::Names;

    #[test]
    fn a_name_of_a_list_is_found_in_every_spelling() {
        const NAMES: Names = Names::new(&["x-user", "remote-", "9-lives", "ab"]);
        for (name, is_listed) in [
            ("x-user", true),
            ("X_USER", true),
            ("x.user", true),
            ("*-user", false),
            ("x-users", false),
            ("remote_", true),
            ("Remote.User", true),
            ("referer", false),
            ("9_lives", true),
            ("y-lives", false),
            ("ab", true),
            ("a", false),
            ("", false),
        ] {
            assert_eq!(NAMES.has(name), is_listed, "{name}");
        }
    }
}
