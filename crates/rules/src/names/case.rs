/// A text as servers compare it that know no case: in small letters. Letters from elsewhere that
/// some take for one of ASCII become that one.
pub fn fold_case(text: &str) -> String {
    let fold = |letter: char| match letter {
        'ſ' => 's',
        'ı' | 'İ' => 'i',
        other => other,
    };
    text.chars().flat_map(|letter| fold(letter).to_lowercase()).collect()
}
