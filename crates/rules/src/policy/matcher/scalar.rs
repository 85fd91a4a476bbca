use serde_json::{Map, Number, Value};

use crate::yaml::{Kind, Node, Style};

/// The typed value of a node: claims compare types, so `true` and `"true"` differ.
///
/// Plain scalars follow YAML as Pomerium's reader has it: `070` is 56, `0x7` and `7e0` are 7,
/// `yes` is text (`pomerium-policy-measured.md` 17).
pub fn value_of(node: &Node) -> Value {
    match &node.kind {
        Kind::Scalar { text, style: Style::Quoted } => Value::String(text.to_string()),
        Kind::Scalar { text, style: Style::Plain } => plain(text),
        Kind::List(items) => Value::Array(items.iter().map(value_of).collect()),
        Kind::Map(entries) => Value::Object(
            entries
                .iter()
                .map(|entry| (entry.key.to_string(), value_of(&entry.value)))
                .collect::<Map<_, _>>(),
        ),
    }
}

fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number),
    }
}

fn number(text: &str) -> Option<Number> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let digits = digits.replace('_', "");
    if let Some(whole) = integer(&digits) {
        let signed = i128::from(whole) * if negative { -1 } else { 1 };
        return Number::from_i128(signed);
    }
    let may_be_decimal = digits.contains(|c: char| c.is_ascii_digit())
        && digits
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'-' | b'+'));
    let size: f64 = may_be_decimal.then(|| digits.parse().ok()).flatten()?;
    Number::from_f64(if negative { -size } else { size })
}

/// Digits in the base that their prefix names; `0` alone in front means octal, as in YAML 1.1.
fn integer(digits: &str) -> Option<u64> {
    let (base, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, digits.get(2..)?),
        [b'0', b'b' | b'B', ..] => (2, digits.get(2..)?),
        [b'0', b'o' | b'O', ..] => (8, digits.get(2..)?),
        [b'0', _, ..] => (8, digits.get(1..)?),
        _ => (10, digits),
    };
    if digits.starts_with(['+', '-']) {
        return None; // `from_str_radix` would take a second sign
    }
    u64::from_str_radix(digits, base).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::plain;

    #[test]
    fn plain_scalars() {
        for (given, expected) in [
            ("", Value::Null),
            ("~", Value::Null),
            ("Null", Value::Null),
            ("true", json!(true)),
            ("FALSE", json!(false)),
            ("yes", json!("yes")),
            ("on", json!("on")),
            ("7", json!(7)),
            ("+7", json!(7)),
            ("-7", json!(-7)),
            ("0", json!(0)),
            ("0x7", json!(7)),
            ("0b11", json!(3)),
            ("0o17", json!(15)),
            ("070", json!(56)),
            ("08", json!(8.0)),
            ("1_000", json!(1000)),
            ("7e0", json!(7.0)),
            ("1.5", json!(1.5)),
            ("-1.5", json!(-1.5)),
            (".5", json!(0.5)),
            ("18446744073709551615", json!(u64::MAX)),
            ("-", json!("-")),
            (".", json!(".")),
            ("--7", json!("--7")),
            ("-+7", json!("-+7")),
            ("0x-7", json!("0x-7")),
            ("1.2.3.4", json!("1.2.3.4")),
            ("192.0.2.0/24", json!("192.0.2.0/24")),
            ("e5", json!("e5")),
            ("1001a", json!("1001a")),
        ] {
            assert_eq!(plain(given), expected, "{given:?}");
        }
    }
}
