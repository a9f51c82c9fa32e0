//! Durations and sizes as people write them.
//!
//! Durations are those of [Compose][durations], `30s`, `1h30m`, `500ms`, with days and weeks. Sizes are its [byte
//! values][sizes]: `64MB`, `1GiB`, `512m`, where every unit is a power of 1024 with and without the `i`.
//!
//! [durations]: https://github.com/compose-spec/compose-spec/blob/main/11-extension.md#specifying-durations
//! [sizes]: https://github.com/compose-spec/compose-spec/blob/main/11-extension.md#specifying-byte-values

use std::fmt::Write as _;
use std::time::Duration;

use thiserror::Error;

/// A duration or size that can't be read; the message says what would be right.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UnitsError {
    /// The text is no duration.
    #[error("can't read `{written}` as a duration: {reason}; {advice}")]
    Duration {
        /// The text.
        written: String,
        /// What is wrong with it.
        reason: String,
        /// What would be right.
        advice: String,
    },
    /// The text is no size.
    #[error("can't read `{written}` as a size: {reason}; {advice}")]
    Size {
        /// The text.
        written: String,
        /// What is wrong with it.
        reason: String,
        /// What would be right.
        advice: String,
    },
}

/// Units of time in nanoseconds, the largest first; of two names for one unit the first is written.
const TIMES: [(&str, u128); 7] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("µs", 1_000),
    ("ns", 1),
];

/// Longer units, which are read and never written: no test's time is told in days.
const DAYS: [(&str, u128); 2] = [("w", 7 * 24 * TIMES[0].1), ("d", 24 * TIMES[0].1)];

/// A hundred years: what is longer overflows clocks that add it to the present time.
const LONGEST: u128 = 876_000 * 3_600_000_000_000;

const SIZES: [(&str, u32); 15] = [
    ("b", 0),
    ("k", 10),
    ("kb", 10),
    ("kib", 10),
    ("m", 20),
    ("mb", 20),
    ("mib", 20),
    ("g", 30),
    ("gb", 30),
    ("gib", 30),
    ("t", 40),
    ("tb", 40),
    ("tib", 40),
    ("", 0),
    ("bytes", 0),
];

/// Reads a duration: numbers with the units `w`, `d`, `h`, `m`, `s`, `ms`, `us`, `ns`, from the
/// largest to the smallest, each at most once. The number may have a fraction (`2.5s`). At most a hundred years.
///
/// ```
/// use std::time::Duration;
/// use cowherd::units::parse_duration;
///
/// assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(5400)));
/// assert_eq!(parse_duration("2.5s"), Ok(Duration::from_millis(2500)));
/// assert!(parse_duration("30").unwrap_err().to_string().contains("`30s`"));
/// ```
///
/// # Errors
/// The text is anything else; the message names the text and what would be right.
pub fn parse_duration(text: &str) -> Result<Duration, UnitsError> {
    const ADVICE: &str = "write it like `30s`, `1h30m`, `2.5s` or `500ms`";
    let wrong = |reason: &str, advice: &str| UnitsError::Duration {
        written: shorten(text),
        reason: reason.to_owned(),
        advice: advice.to_owned(),
    };
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong("it is empty", ADVICE));
    }
    let mut total = 0_u128;
    let mut smaller_than = u128::MAX;
    while !rest.is_empty() {
        let (number, after) = split_number(rest);
        let end = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, next) = after.split_at(end);
        if number.is_empty() {
            return Err(wrong("a number must come before the unit", ADVICE));
        }
        if unit.is_empty() {
            let advice = format!("write `{}s` for seconds", shorten(text.trim()));
            return Err(wrong("it has no unit", &advice));
        }
        let known = DAYS.iter().chain(&TIMES).find(|(name, _)| *name == unit);
        let Some(&(_, size)) = known else {
            let reason = format!("unknown unit `{}`", shorten(unit));
            return Err(wrong(
                &reason,
                "the units are `w`, `d`, `h`, `m`, `s`, `ms`, `us` and `ns`, as in `1h30m`",
            ));
        };
        if size >= smaller_than {
            return Err(wrong(
                "its units don't go from the largest to the smallest",
                ADVICE,
            ));
        }
        smaller_than = size;
        let part = scaled(number, size).map_err(|reason| wrong(reason, ADVICE))?;
        total = total.saturating_add(part);
        rest = next;
    }
    if total > LONGEST {
        return Err(wrong(
            "it is too long",
            "the most is `876000h`, a hundred years",
        ));
    }
    let seconds = u64::try_from(total / 1_000_000_000).unwrap_or(u64::MAX);
    let nanoseconds = u32::try_from(total % 1_000_000_000).unwrap_or(0);
    Ok(Duration::new(seconds, nanoseconds))
}

/// Writes a duration exactly, as [`parse_duration`] reads it.
///
/// ```
/// use std::time::Duration;
/// use cowherd::units::format_duration;
///
/// assert_eq!(format_duration(Duration::from_secs(5400)), "1h30m");
/// assert_eq!(format_duration(Duration::from_millis(2500)), "2.5s");
/// assert_eq!(format_duration(Duration::from_micros(1500)), "1.5ms");
/// assert_eq!(format_duration(Duration::ZERO), "0s");
/// ```
pub fn format_duration(duration: Duration) -> String {
    let total = duration.as_nanos();
    if total == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    let mut rest = total;
    for (unit, size) in &TIMES[..2] {
        if rest >= *size {
            let _ = write!(text, "{}{unit}", rest / size);
            rest %= size;
        }
    }
    if rest == 0 {
        return text;
    }
    let below_a_second = |&&(unit, size): &&(&str, u128)| unit != "µs" && rest >= size;
    let (unit, size) = if text.is_empty() {
        TIMES[2..].iter().find(below_a_second).unwrap_or(&TIMES[6])
    } else {
        &TIMES[2]
    };
    let _ = write!(text, "{}", rest / size);
    let width = size.ilog10() as usize;
    let fraction = format!("{:0width$}", rest % size);
    let fraction = fraction.trim_end_matches('0');
    if !fraction.is_empty() {
        let _ = write!(text, ".{fraction}");
    }
    text.push_str(unit);
    text
}

/// Reads a number of bytes: `64MB`, `1GiB`, `512m`, `1.5g`, or plain bytes. Units in upper or lower case
/// are powers of 1024, with and without the `i`, as in Compose.
///
/// ```
/// use cowherd::units::parse_size;
///
/// assert_eq!(parse_size("64MB"), Ok(64 << 20));
/// assert_eq!(parse_size("1.5 GiB"), Ok(3 << 29));
/// assert_eq!(parse_size("4096"), Ok(4096));
/// assert!(parse_size("64 megs").unwrap_err().to_string().contains("`64MB`"));
/// ```
///
/// # Errors
/// The text is anything else, or more than `u64` holds; the message names the text and what would be right.
pub fn parse_size(text: &str) -> Result<u64, UnitsError> {
    const ADVICE: &str = "write it like `64MB`, `512m`, `1.5GiB`, or in bytes";
    let wrong = |reason: &str| UnitsError::Size {
        written: shorten(text),
        reason: reason.to_owned(),
        advice: ADVICE.to_owned(),
    };
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Err(wrong("it is empty"));
    }
    let (number, unit) = split_number(trimmed);
    if number.is_empty() {
        return Err(wrong("it doesn't begin with a number"));
    }
    let unit = unit.trim_start().to_ascii_lowercase();
    let Some((_, shift)) = SIZES.iter().find(|(name, _)| *name == unit) else {
        return Err(wrong(&format!("unknown unit `{}`", shorten(&unit))));
    };
    let bytes = scaled(number, 1 << shift).map_err(wrong)?;
    u64::try_from(bytes).map_err(|_| wrong("it is too large"))
}

/// Writes a number of bytes for people: rounded to one decimal, in the largest unit that gives at least 1.
///
/// ```
/// use cowherd::units::format_size;
///
/// assert_eq!(format_size(512), "512 B");
/// assert_eq!(format_size(64 << 20), "64 MiB");
/// assert_eq!(format_size(1_600_000), "1.5 MiB");
/// ```
pub fn format_size(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    // In tenths and integers: a float would round a large number twice.
    let mut unit = 0;
    let tenths = loop {
        let size = 1_u128 << (10 * unit);
        let tenths = (u128::from(bytes) * 10 + size / 2) / size;
        if tenths < 10_240 || unit == UNITS.len() - 1 {
            break tenths;
        }
        unit += 1;
    };
    let name = UNITS[unit];
    match tenths % 10 {
        0 => format!("{} {name}", tenths / 10),
        fraction => format!("{}.{fraction} {name}", tenths / 10),
    }
}

/// Splits off the digits and dots at the beginning.
fn split_number(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    text.split_at(end)
}

/// `number` (digits with at most one dot among them) times `size`, rounded down to a whole number.
fn scaled(number: &str, size: u128) -> Result<u128, &'static str> {
    const TOO_LARGE: &str = "the number is too large";
    let (whole, fraction) = match number.split_once('.') {
        None => (number, ""),
        Some((whole, fraction)) => {
            if whole.is_empty() || fraction.is_empty() || fraction.contains('.') {
                return Err("the number needs digits on both sides of one dot");
            }
            (whole, fraction)
        }
    };
    let whole: u64 = whole.parse().map_err(|_| TOO_LARGE)?;
    // Digits past the eighteenth can't change the result: no size has more.
    let fraction = &fraction[..fraction.len().min(18)];
    let tens = 10_u128.pow(u32::try_from(fraction.len()).map_err(|_| TOO_LARGE)?);
    let fraction: u128 = format!("0{fraction}").parse().map_err(|_| TOO_LARGE)?;
    let part = fraction * size / tens;
    let whole = u128::from(whole).checked_mul(size).ok_or(TOO_LARGE)?;
    Ok(whole + part)
}

/// The text, cut where it is too long to be shown whole, without control characters.
fn shorten(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(40)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if text.chars().nth(40).is_some() {
        shown.push('…');
    }
    shown
}
