//! Durations and sizes.

use std::time::Duration;

use cowherd::units::{format_duration, format_size, parse_duration, parse_size};
use proptest::prelude::*;

#[test]
fn durations_are_those_of_compose() {
    for (text, milliseconds) in [
        ("30s", 30_000),
        ("5m", 300_000),
        ("1h30m", 5_400_000),
        ("500ms", 500),
        ("2.5s", 2_500),
        ("1h5m30s20ms", 3_930_020),
        (" 1s ", 1_000),
        ("2000us", 2),
        ("2000µs", 2),
        ("0s", 0),
        ("30d", 2_592_000_000),
        ("1w2d3h", 788_400_000),
    ] {
        let expected = Duration::from_millis(milliseconds);
        assert_eq!(parse_duration(text).unwrap(), expected, "{text}");
    }
}

#[test]
fn a_wrong_duration_is_named_with_what_would_be_right() {
    for (text, said) in [
        ("", "it is empty"),
        ("30", "it has no unit; write `30s`"),
        ("30x", "unknown unit `x`"),
        ("1y", "unknown unit `y`"),
        ("1d1w", "from the largest to the smallest"),
        ("30 s", "unknown unit ` s`"),
        ("-5s", "a number must come before the unit"),
        ("s", "a number must come before the unit"),
        ("1m1h", "from the largest to the smallest"),
        ("1s1s", "from the largest to the smallest"),
        ("1.s", "digits on both sides"),
        ("1.2.3s", "digits on both sides"),
        ("99999999999999999999999h", "too large"),
        ("9999999h", "it is too long; the most is `876000h`"),
    ] {
        let error = parse_duration(text).unwrap_err().to_string();
        let beginning = format!("can't read `{text}` as a duration: ");
        assert!(error.starts_with(&beginning), "{error}");
        assert!(error.contains(said), "{error}");
        assert!(error.contains("; "), "{error}");
    }
}

#[test]
fn sizes_are_those_of_compose() {
    for (text, bytes) in [
        ("64MB", 64 << 20),
        ("1GiB", 1 << 30),
        ("512m", 512 << 20),
        ("20G", 20 << 30),
        ("4096", 4096),
        ("2k", 2048),
        ("2Kb", 2048),
        ("2KIB", 2048),
        ("10b", 10),
        ("1.5g", 3 << 29),
        ("64 MB", 64 << 20),
        ("1t", 1 << 40),
        ("0", 0),
        ("18446744073709551615", u64::MAX),
    ] {
        assert_eq!(parse_size(text).unwrap(), bytes, "{text}");
    }
}

#[test]
fn a_wrong_size_is_named_with_what_would_be_right() {
    for (text, said) in [
        ("", "it is empty"),
        ("MB", "it doesn't begin with a number"),
        ("-1", "it doesn't begin with a number"),
        ("64 megs", "unknown unit `megs`"),
        ("1mm", "unknown unit `mm`"),
        ("1.g", "digits on both sides"),
        ("18446744073709551616", "too large"),
        ("18446744073709551615k", "too large"),
    ] {
        let error = parse_size(text).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("can't read `{text}` as a size: ")),
            "{error}"
        );
        assert!(error.contains(said), "{error}");
        assert!(
            error.ends_with("write it like `64MB`, `512m`, `1.5GiB`, or in bytes"),
            "{error}"
        );
    }
}

#[test]
fn sizes_are_written_in_the_largest_unit_that_fits() {
    for (bytes, text) in [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        ((1 << 20) - 1, "1 MiB"),
        (10 << 20, "10 MiB"),
        (u64::MAX, "16 EiB"),
    ] {
        assert_eq!(format_size(bytes), text);
    }
}

proptest! {
    #[test]
    fn a_written_duration_reads_as_itself(nanoseconds in 0..3_000_000_000_000_000_000_u64, zeros in 0..10_u32) {
        let unit = 10_u64.pow(zeros);
        let duration = Duration::from_nanos(nanoseconds / unit * unit);
        prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
    }

    #[test]
    fn a_short_duration_reads_as_itself(nanoseconds in 0..3_000_000_000_u64) {
        let duration = Duration::from_nanos(nanoseconds);
        prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
    }

    #[test]
    fn arbitrary_text_is_read_or_refused(text in "[0-9.hmskµ bBiGn]{0,30}|\\PC{0,30}") {
        let _ = parse_duration(&text);
        let _ = parse_size(&text);
    }
}
