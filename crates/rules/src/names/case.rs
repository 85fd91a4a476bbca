/// A text as servers compare it that know no case: in small letters. Letters from elsewhere that
/// some take for one of ASCII become that one.
pub fn fold_case(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let fold = |letter: char| match letter {
        'ſ' => 's',
        'ı' | 'İ' => 'i',
        other => other,
    };
    text.chars().flat_map(|letter| fold(letter).to_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::fold_case;

    #[test]
    fn letters_that_some_take_for_one_of_ascii_become_it() {
        for (given, expected, why) in [
            ("/SYSTEM/Restart", "/system/restart", "most paths are ASCII"),
            ("/Sy\u{17f}tem", "/system", "a long s"),
            ("/\u{131}tems/\u{130}tems", "/items/items", "both letters i of Turkish"),
            ("/\u{212a}ey", "/key", "the sign of Kelvin"),
            ("/CAF\u{c9}", "/caf\u{e9}", "any other letter"),
        ] {
            assert_eq!(fold_case(given), expected, "{why}");
        }
    }
}
