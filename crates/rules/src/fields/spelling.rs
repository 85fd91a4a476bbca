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
/// Each field of each request is looked for in lists of a hundred: by the first three letters all
/// but a few are told to be in none.
pub(super) struct Names {
    names: &'static [&'static str],
    /// For each class of a first letter, the classes of second ones.
    beginnings: [u32; 32],
    /// For each class of a second letter, the classes of third ones.
    thirds: [u32; 32],
}

impl Names {
    #[expect(clippy::indexing_slicing, reason = "a class is below 32")]
    pub(super) const fn new(names: &'static [&'static str]) -> Self {
        let (mut beginnings, mut thirds, mut rest) = ([0; 32], [0; 32], names);
        while let [name, behind @ ..] = rest {
            if let [first, second, following @ ..] = name.as_bytes() {
                beginnings[class(*first)] |= 1 << class(*second);
                thirds[class(*second)] |= match following {
                    [third, ..] => 1 << class(*third),
                    [] => u32::MAX, // anything may follow
                };
            }
            rest = behind;
        }
        Self { names, beginnings, thirds }
    }

    #[expect(clippy::indexing_slicing, reason = "a class is below 32")]
    pub(super) fn has(&self, name: &str) -> bool {
        let [first, second, following @ ..] = name.as_bytes() else { return false };
        let (second, third) = (class(*second), following.first().map(|third| class(*third)));
        self.beginnings[class(*first)] & (1 << second) != 0
            && third.is_none_or(|third| self.thirds[second] & (1 << third) != 0)
            && self.names.iter().any(|listed| match listed.ends_with('-') {
                true => begins(name, listed),
                false => is_same(name, listed),
            })
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
