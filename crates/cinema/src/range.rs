//! `Range`, as the real server reads it: one range or none, and `If-Range` is never looked at.

/// What part of a body was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Asked {
    /// No range, several, or one that is not understood: everything, with 200.
    Everything,
    /// 206 with these bytes: first, and how many (never zero).
    Part { first: u64, count: u64 },
    /// 416: it begins past the end.
    PastTheEnd,
}

impl Asked {
    /// Reads one `Range` value against a body of `length` bytes (RFC 9110 §14.1.2).
    pub(crate) fn parse(range: &str, length: u64) -> Self {
        let Some(spec) = range.trim().strip_prefix("bytes=").map(str::trim) else {
            return Self::Everything;
        };
        let Some((first, last)) = spec.split_once('-').filter(|_| !spec.contains(',')) else {
            return Self::Everything; // several ranges: the whole film, with 200
        };
        let number = |text: &str| text.trim().parse::<u64>().ok();
        match (first.trim().is_empty(), number(first), number(last)) {
            (true, _, Some(suffix)) => match suffix.min(length) {
                0 => Self::PastTheEnd,
                count => Self::Part { first: length - count, count },
            },
            (false, Some(first), _) if first >= length => Self::PastTheEnd,
            (false, Some(first), Some(last)) if last >= first => {
                Self::Part { first, count: (last - first).saturating_add(1).min(length - first) }
            }
            (false, Some(first), None) if last.trim().is_empty() => {
                Self::Part { first, count: length - first }
            }
            _ => Self::Everything,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Asked::{self, *};

    #[test]
    fn parse() {
        for (given, expected, why) in [
            ("bytes=0-1", Part { first: 0, count: 2 }, "both ends count"),
            ("bytes=10-", Part { first: 10, count: 90 }, "to the end"),
            ("bytes=-7", Part { first: 93, count: 7 }, "the last ones"),
            ("bytes=-700", Part { first: 0, count: 100 }, "more than there are"),
            ("bytes=90-1000", Part { first: 90, count: 10 }, "cut at the end"),
            ("bytes=100-", PastTheEnd, "begins past the end"),
            ("bytes=-0", PastTheEnd, "nothing"),
            ("bytes=0-1,5-6", Everything, "several"),
            ("bytes=5-1", Everything, "backwards"),
            ("bytes=a-b", Everything, "not numbers"),
            ("lines=0-1", Everything, "another unit"),
            ("bytes=0-18446744073709551615", Part { first: 0, count: 100 }, "no overflow"),
        ] {
            assert_eq!(Asked::parse(given, 100), expected, "{given}: {why}");
        }
    }
}
