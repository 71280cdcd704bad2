//! Durations and sizes as tables write them. Knows no spans.

use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRelativeTo};

/// Why some text is no duration or size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Neither seconds nor units.
    #[error("`{0}` is not a duration; write seconds (`90`) or units (`\"1h 30m\"`, `\"500ms\"`, `\"30d\"`)")]
    Duration(String),
    /// Less than nothing.
    #[error("a duration cannot be negative")]
    Negative,
    /// No number, or no such unit.
    #[error("`{0}` is not a size; write bytes (`1048576`) or a unit (`\"20GiB\"`, `\"500MB\"`)")]
    Size(String),
}

/// Reads `24h`, `1h 30m`, `500ms`, `30d`: a day is 24 hours.
///
/// # Errors
/// It is no duration, or a negative one.
pub fn duration(text: &str) -> Result<Duration, QuantityError> {
    let malformed = || QuantityError::Duration(text.to_owned());
    let span: Span = text.trim().parse().map_err(|_| malformed())?;
    let signed: SignedDuration = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| malformed())?;
    signed.try_into().map_err(|_| QuantityError::Negative)
}

/// Whole seconds.
///
/// # Errors
/// It is negative.
pub fn seconds(number: i64) -> Result<Duration, QuantityError> {
    u64::try_from(number).map(Duration::from_secs).map_err(|_| QuantityError::Negative)
}

/// Reads `20GiB`, `500 MB`, `1024`, in bytes.
///
/// # Errors
/// It is no size.
pub fn size(text: &str) -> Result<u64, QuantityError> {
    let malformed = || QuantityError::Size(text.to_owned());
    let text_ = text.trim();
    let digits = text_.find(|c: char| !c.is_ascii_digit()).unwrap_or(text_.len());
    let (number, unit) = text_.split_at(digits);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "kib" | "k" => 1 << 10,
        "mib" | "m" => 1 << 20,
        "gib" | "g" => 1 << 30,
        "tib" | "t" => 1 << 40,
        _ => return Err(malformed()),
    };
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).ok_or_else(malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, seconds) in [("24h", 86_400), ("90s", 90), ("1h 30m", 5_400), ("30d", 2_592_000), ("0s", 0)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("-3s"), Err(QuantityError::Negative));
        assert_eq!(seconds(-1), Err(QuantityError::Negative));
        for text in ["", "30", "soon", "1mo"] {
            assert_eq!(duration(text), Err(QuantityError::Duration(text.to_owned())));
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [("20GiB", 20 << 30), ("500 MB", 500_000_000), ("7", 7), ("1k", 1024)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "GiB", "-1", "1.5GiB", "99999999TiB", "5 apples"] {
            assert_eq!(size(text), Err(QuantityError::Size(text.to_owned())));
        }
    }
}
