//! Numbers as they were written, and when two are the same.

use alloc::boxed::Box;

/// Which numbers are equal when desired and reported are compared.
///
/// AWS does not say; Greengrass compares numerically.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum NumberEquality {
    /// `1`, `1.0` and `10e-1` are equal. The default.
    #[default]
    ByValue,
    /// Only numbers of the same spelling are equal.
    ByText,
}

/// A JSON number, kept as its text: nothing is rounded and nothing is too large.
///
/// ```
/// use shadow_service::{Number, Scalar, Value};
///
/// fn number(text: &str) -> Number {
///     match Value::parse(text) {
///         Ok(Value::Leaf(Scalar::Number(number))) => number,
///         other => panic!("{other:?}"),
///     }
/// }
///
/// let (short, long) = (number("1"), number("10.0e-1"));
/// assert!(short.same(&long), "no delta");
/// assert_ne!(short, long, "and each is given back as it came");
/// assert_eq!(long.as_str(), "10.0e-1");
/// assert_eq!((short.as_u64(), long.as_u64()), (Some(1), None));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Number(Box<str>);

impl Number {
    /// The caller has checked the grammar.
    pub(crate) fn from_checked(text: &str) -> Self {
        debug_assert!(text.bytes().any(|b| b.is_ascii_digit()), "{text}");
        Self(text.into())
    }

    /// The number as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number, if it is written with digits alone and fits.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        // `parse` takes a leading `+`, which JSON does not have.
        self.0.parse().ok()
    }

    /// Whether both are the same number: `1`, `1.0`, `10e-1` are, and so are `0` and `-0`.
    ///
    /// The cost is linear in the texts, whatever the exponents. Exponents of more than 18
    /// digits are not computed with: such numbers are equal only if, zeros apart, digits,
    /// position of the point and exponent are.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        Self::same_text(&self.0, &other.0)
    }

    /// [`same`](Self::same) of two numbers as they are written.
    pub(crate) fn same_text(a: &str, b: &str) -> bool {
        a == b || Normal::of(a) == Normal::of(b)
    }
}

/// A number as sign, significant digits and the power of ten of the first: equal numbers have
/// equal ones.
struct Normal<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    /// Zeros before the first significant digit, and how many digits are significant.
    skipped: usize,
    significant: usize,
    exponent: Exponent<'a>,
}

#[derive(PartialEq, Eq)]
enum Exponent<'a> {
    /// Of zero.
    None,
    Small(i128),
    Huge {
        negative: bool,
        digits: &'a str,
        point: i128,
    },
}

impl<'a> Normal<'a> {
    fn of(text: &'a str) -> Self {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, ""));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = || whole.bytes().chain(fraction.bytes());
        let skipped = digits().take_while(|digit| *digit == b'0').count();
        let trailing = digits().rev().take_while(|digit| *digit == b'0').count();
        let significant = (whole.len() + fraction.len()).saturating_sub(skipped + trailing);
        if significant == 0 {
            return Self {
                negative: false,
                whole: "",
                fraction: "",
                skipped: 0,
                significant,
                exponent: Exponent::None,
            };
        }
        let point = whole.len() as i128 - skipped as i128;
        Self {
            negative,
            whole,
            fraction,
            skipped,
            significant,
            exponent: Exponent::of(exponent, point),
        }
    }

    fn digits(&self) -> impl Iterator<Item = u8> {
        let digits = self.whole.bytes().chain(self.fraction.bytes());
        digits.skip(self.skipped).take(self.significant)
    }
}

impl PartialEq for Normal<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.negative == other.negative
            && self.significant == other.significant
            && self.exponent == other.exponent
            && self.digits().eq(other.digits())
    }
}

impl<'a> Exponent<'a> {
    fn of(text: &'a str, point: i128) -> Self {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let digits = digits.trim_start_matches('0');
        if digits.is_empty() {
            return Self::Small(point);
        }
        match digits.parse::<i64>() {
            Ok(power) if digits.len() <= 18 => {
                let power = i128::from(power);
                Self::Small(point + if negative { -power } else { power })
            }
            Ok(_) | Err(_) => Self::Huge {
                negative,
                digits,
                point,
            },
        }
    }
}
