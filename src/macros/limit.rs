//! A time limit as it is written, `1h30m`, `2.5s` or `500ms`: what `cowherd.yaml` takes.

use std::time::Duration;

const UNITS: [(&str, f64); 6] = [
    ("d", 86_400.0),
    ("h", 3_600.0),
    ("m", 60.0),
    ("s", 1.0),
    ("ms", 1e-3),
    ("us", 1e-6),
];

/// A hundred years, in seconds.
const LONGEST: f64 = 3.1536e9;

/// Reads numbers with units, from the largest unit to the smallest; `None` if it is something else, or nothing.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let mut seconds = 0.0;
    let mut units = UNITS.iter();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let is_number = |c: char| c.is_ascii_digit() || c == '.';
        let number = &rest[..rest.find(|c| !is_number(c))?];
        rest = &rest[number.len()..];
        let unit = &rest[..rest.find(is_number).unwrap_or(rest.len())];
        rest = &rest[unit.len()..];
        let (_, size) = units.find(|(known, _)| *known == unit)?;
        seconds += number.parse::<f64>().ok()? * size;
    }
    (seconds > 0.0 && seconds <= LONGEST).then(|| Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_in_a_spec() {
        for (text, milliseconds) in [
            ("30s", 30_000),
            ("1h30m", 5_400_000),
            ("2.5s", 2_500),
            ("500ms", 500),
            ("1m500ms", 60_500),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(milliseconds)));
        }
        for text in [
            "",
            "30",
            "s",
            "0s",
            "30 s",
            "1s1h",
            "1.2.3s",
            "-1s",
            "2y",
            "99999999h",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
