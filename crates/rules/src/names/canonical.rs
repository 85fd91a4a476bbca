use std::mem;

/// Does every byte stand for itself, beside its neighbours too, so that there is nothing to do? Most
/// paths are so.
pub(super) fn is_canonical(path: &str) -> bool {
    let mut before = b' ';
    let is_settled = |byte: u8| {
        let before = mem::replace(&mut before, byte);
        match byte {
            b'/' => !matches!(before, b'/' | b'.'),
            b'.' => before != b'/',
            b'$' => before != b':',
            b'%' | b'\\' | b'#' | b'?' | b';' | b'+' => false,
            _ => byte.is_ascii_graphic(),
        }
    };
    path.bytes().all(is_settled) && !path.ends_with('.')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::is_canonical;

    fn has_nothing_odd(path: &str) -> bool {
        let is_odd = |c: char| !c.is_ascii_graphic() || "%\\#?;+".contains(c);
        !path.contains(is_odd)
            && !["//", "/.", "./", ":$"].iter().any(|odd| path.contains(odd))
            && !path.ends_with('.')
    }

    proptest! {
        #[test]
        fn in_one_pass_is_found_what_is_odd(path in "/[a/.:$%;+?# \\\\~é]{0,8}", any in "/\\PC{0,8}") {
            prop_assert_eq!(is_canonical(&path), has_nothing_odd(&path));
            prop_assert_eq!(is_canonical(&any), has_nothing_odd(&any));
        }
    }
}
