//! Exact decimals: no amount of money is ever compared as a float.

use std::cmp::Ordering;
use std::fmt;

/// An exact decimal number of at most 36 significant digits, 36 of them after the point.
///
/// Always in lowest terms (`1.50` and `1.5` are equal and print alike).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Decimal {
    mantissa: i128,
    scale: u8,
}

const DIGITS: u32 = 36;

impl Decimal {
    /// Nought.
    pub const ZERO: Decimal = Decimal { mantissa: 0, scale: 0 };

    /// Reads the number grammar of JSON (RFC 8259, section 6), exponent included. `None` when the text is not such a
    /// number or does not fit; nothing is ever rounded.
    #[must_use]
    pub fn parse(text: &str) -> Option<Decimal> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (number, exponent) = match rest.find(['e', 'E']) {
            Some(at) => (rest.get(..at)?, exponent(rest.get(at + 1..)?)?),
            None => (rest, 0),
        };
        let (whole, fraction) = match number.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return None,
            None => (number, ""),
        };
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) || (whole.len() > 1 && whole.starts_with('0')) {
            return None;
        }
        let significant = format!("{whole}{fraction}");
        let significant = significant.trim_start_matches('0');
        let kept = significant.trim_end_matches('0');
        if kept.is_empty() {
            return Some(Decimal::ZERO);
        }
        if kept.len() > DIGITS as usize {
            return None;
        }
        let dropped = i64::try_from(significant.len() - kept.len()).ok()?;
        // value = kept × 10^power
        let power = exponent - i64::try_from(fraction.len()).ok()? + dropped;
        let mantissa: i128 = kept.parse().ok()?;
        let signed = if negative { -mantissa } else { mantissa };
        if power >= 0 {
            let factor = 10i128.checked_pow(u32::try_from(power).ok()?)?;
            Decimal::new(signed.checked_mul(factor)?, 0)
        } else {
            Decimal::new(signed, u8::try_from(-power).ok()?)
        }
    }

    fn new(mantissa: i128, scale: u8) -> Option<Decimal> {
        let (mut mantissa, mut scale) = (mantissa, scale);
        while scale > 0 && mantissa % 10 == 0 {
            mantissa /= 10;
            scale -= 1;
        }
        (u32::from(scale) <= DIGITS && mantissa.unsigned_abs() < 10u128.pow(DIGITS))
            .then_some(Decimal { mantissa, scale })
    }

    /// Exact sum; `None` when it does not fit.
    #[must_use]
    pub fn checked_add(self, other: Decimal) -> Option<Decimal> {
        let scale = self.scale.max(other.scale);
        Decimal::new(self.at_scale(scale)?.checked_add(other.at_scale(scale)?)?, scale)
    }

    /// Exact difference; `None` when it does not fit.
    #[must_use]
    pub fn checked_sub(self, other: Decimal) -> Option<Decimal> {
        self.checked_add(Decimal { mantissa: -other.mantissa, scale: other.scale })
    }

    /// Whether it has no digits after the point.
    #[must_use]
    pub fn is_integer(self) -> bool {
        self.scale == 0
    }

    /// The value as an unsigned whole number, where it is one.
    #[must_use]
    pub fn to_u64(self) -> Option<u64> {
        if self.scale == 0 { u64::try_from(self.mantissa).ok() } else { None }
    }

    /// Whether it is below nought.
    #[must_use]
    pub fn is_negative(self) -> bool {
        self.mantissa < 0
    }

    fn at_scale(self, scale: u8) -> Option<i128> {
        self.mantissa.checked_mul(10i128.checked_pow(u32::from(scale - self.scale))?)
    }
}

fn exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || digits.len() > 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let value: i64 = digits.parse().ok()?;
    Some(if text.starts_with('-') { -value } else { value })
}

impl From<u64> for Decimal {
    fn from(value: u64) -> Decimal {
        Decimal { mantissa: i128::from(value), scale: 0 }
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Decimal) -> Ordering {
        if self.scale == other.scale {
            return self.mantissa.cmp(&other.mantissa);
        }
        // At the finer scale. What does not fit there has more digits than anything that does, so its sign decides.
        let scale = self.scale.max(other.scale);
        match (self.at_scale(scale), other.at_scale(scale)) {
            (Some(mine), Some(theirs)) => mine.cmp(&theirs),
            (None, _) => self.mantissa.cmp(&0),
            (Some(_), None) => 0.cmp(&other.mantissa),
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Decimal) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.mantissa < 0 { "-" } else { "" };
        let scale = usize::from(self.scale);
        let digits = format!("{:0>width$}", self.mantissa.unsigned_abs(), width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        write!(f, "{sign}{whole}")?;
        if fraction.is_empty() { Ok(()) } else { write!(f, ".{fraction}") }
    }
}

impl serde::Serialize for Decimal {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn d(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn equal_numbers_are_equal_however_written() {
        for (a, b) in
            [("1.50", "1.5"), ("2e2", "200"), ("200", "2E+2"), ("0.0", "-0"), ("150e-2", "1.5"), ("10", "1e1")]
        {
            assert_eq!(d(a), d(b), "{a} {b}");
        }
    }

    #[test]
    fn what_is_not_a_number_or_does_not_fit_is_none() {
        for text in
            ["", "-", "01", "1.", ".5", "+1", "1e", "1e99999", "NaN", "1 ", "0x1", "1e60", "1e-40", "1,000", "٣"]
        {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
        assert_eq!(Decimal::parse(&"9".repeat(37)), None);
        assert!(Decimal::parse(&"9".repeat(36)).is_some());
    }

    #[test]
    fn order_is_exact_beyond_floats() {
        assert!(d("9007199254740993") > d("9007199254740992"));
        assert!(d("0.1").checked_add(d("0.2")) == Some(d("0.3")));
        assert!(d("-0.5") < d("-0.25") && d("-1.5") < d("-1") && d("-0.1") < d("0"));
    }

    #[test]
    fn order_holds_where_the_two_have_no_scale_in_common() {
        let (most, least) = ("9".repeat(36), format!("0.{}1", "0".repeat(35)));
        let ascending = [format!("-{most}"), format!("-{least}"), "0".into(), least, most];
        for (at, a) in ascending.iter().enumerate() {
            for (other, b) in ascending.iter().enumerate() {
                assert_eq!(d(a).cmp(&d(b)), at.cmp(&other), "{a} {b}");
            }
        }
    }

    proptest! {
        #[test]
        fn printing_round_trips_and_order_agrees_with_integers(a in -1_000_000i64..1_000_000, b in -1_000_000i64..1_000_000, s in 0usize..6) {
            let scaled = |n: i64| {
                let digits = format!("{:0>w$}", n.unsigned_abs(), w = s + 1);
                let (whole, fraction) = digits.split_at(digits.len() - s);
                let sign = if n < 0 { "-" } else { "" };
                if s == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
            };
            let (x, y) = (d(&scaled(a)), d(&scaled(b)));
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            prop_assert_eq!(d(&x.to_string()), x);
            prop_assert_eq!(x.checked_add(y).unwrap().checked_sub(y).unwrap(), x);
        }
    }
}
