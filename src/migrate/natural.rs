//! The order in which people number files.

use std::cmp::Ordering;

/// Compares two names so that runs of digits count as numbers: `2` stands before `10`.
///
/// Everything else is compared byte by byte, with `/` before any other byte, so that the files of
/// one folder stay together. Names that differ only in leading zeros are ordered by their bytes:
/// two different names are never equal.
///
/// ```
/// use cowherd::migrate::natural_order;
/// let mut names = ["10_b.sql", "9_a.sql", "2.sql"];
/// names.sort_by(|a, b| natural_order(a, b));
/// assert_eq!(names, ["2.sql", "9_a.sql", "10_b.sql"]);
/// ```
pub fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut x, mut y) = (a.as_bytes(), b.as_bytes());
    loop {
        let order = match (x, y) {
            ([], []) => return a.cmp(b),
            ([], _) => return Ordering::Less,
            (_, []) => return Ordering::Greater,
            ([left, ..], [right, ..]) if left.is_ascii_digit() && right.is_ascii_digit() => {
                let (left, right) = (digits(x), digits(y));
                (x, y) = (&x[left.len()..], &y[right.len()..]);
                number_order(left, right)
            }
            ([left, ..], [right, ..]) => {
                let rank = |byte: u8| if byte == b'/' { 0 } else { byte };
                (x, y) = (&x[1..], &y[1..]);
                rank(*left).cmp(&rank(*right))
            }
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// Compares two runs of ASCII digits of any length as numbers.
pub(super) fn number_order(a: &[u8], b: &[u8]) -> Ordering {
    let (a, b) = (significant(a), significant(b));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// The digits without leading zeros; nothing for zero.
pub(super) fn significant(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|byte| **byte == b'0').count();
    &digits[zeros..]
}

/// The run of digits at the start.
pub(super) fn digits(text: &[u8]) -> &[u8] {
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    &text[..length]
}
