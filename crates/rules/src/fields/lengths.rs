use http::{HeaderMap, HeaderValue, header};

use super::elements;

/// Makes one line of equal values of `Content-Length` (RFC 9110 §8.6): who stands behind us may
/// take the first or the last.
///
/// # Errors
///
/// Values that differ, or are no numbers (RFC 9112 §6.3).
pub fn one_length(fields: &mut HeaderMap) -> Result<(), DifferentLengths> {
    let mut lines = fields.get_all(header::CONTENT_LENGTH).iter();
    let Some(first) = lines.next() else { return Ok(()) };
    let is_one = lines.next().is_none() && !first.as_bytes().contains(&b',');
    if is_one {
        let is_number = first.as_bytes().iter().all(u8::is_ascii_digit) && !first.is_empty();
        return if is_number { Ok(()) } else { Err(DifferentLengths) };
    }
    if let Some(length) = length(fields)? {
        fields.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    Ok(())
}

/// The length that all lines and all their parts say; `None` where there is no line.
///
/// # Errors
///
/// Values that differ, are no numbers or can't be counted in 64 bits (RFC 9112 §6.3).
pub fn length(fields: &HeaderMap) -> Result<Option<u64>, DifferentLengths> {
    // `FromStr` takes a sign as well.
    let number = |text: &str| {
        text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten()
    };
    let mut length = None;
    for part in elements(fields, &header::CONTENT_LENGTH) {
        let said = std::str::from_utf8(part).ok().and_then(number).ok_or(DifferentLengths)?;
        if *length.get_or_insert(said) != said {
            return Err(DifferentLengths);
        }
    }
    Ok(length)
}

/// A message says in two ways where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`Content-Length` is no number, or several that differ")]
pub struct DifferentLengths;

#[cfg(test)]
mod tests {
    use http::{HeaderMap, header};

    use super::one_length;

    #[test]
    fn equal_lengths_are_one() {
        for (given, expected) in [
            (&[][..], Some("")),
            (&["3"], Some("3")),
            (&["3", "3"], Some("3")),
            (&["3, 3"], Some("3")),
            (&["3,3", "3"], Some("3")),
            (&["3", "4"], None),
            (&["3, 4"], None),
            (&["3,"], None),
            (&["+3"], None),
            (&["3", ""], None),
            (&["x"], None),
            (&["99999999999999999999, 99999999999999999999"], None),
        ] {
            let mut fields = HeaderMap::new();
            for line in given {
                fields.append(header::CONTENT_LENGTH, line.parse().unwrap());
            }
            let outcome = one_length(&mut fields);
            let lines: Vec<_> = fields.get_all(header::CONTENT_LENGTH).iter().collect();
            let text = outcome.ok().map(|()| {
                assert!(lines.len() <= 1);
                lines.first().map_or("", |value| value.to_str().unwrap())
            });
            assert_eq!(text, expected, "{given:?}");
        }
    }
}
