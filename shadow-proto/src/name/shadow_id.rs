//! A thing's name and a shadow's as one value, without an allocation if they are short.

use super::{NameError, check_shadow_name, check_thing_name};
use alloc::boxed::Box;
use core::{cmp::Ordering, fmt, hash};

/// A shadow: a thing name, and a shadow name unless it is the thing's classic shadow.
///
/// Names of 29 bytes together are kept in place, longer ones take an allocation.
///
/// ```
/// use shadow_proto::ShadowId;
///
/// let classic = ShadowId::classic("lamp")?;
/// let named = ShadowId::named("lamp", "config")?;
/// assert_eq!(classic.to_string(), "lamp");
/// assert_eq!(named.to_string(), "lamp~config");
/// assert!(ShadowId::classic("no/slashes").is_err());
/// # Ok::<(), shadow_proto::NameError>(())
/// ```
#[derive(Clone)]
pub struct ShadowId(Names);

/// The longest names kept in place, in bytes: with them it is as long as two boxed names.
const SHORT: usize = 29;

/// Both names, one behind the other, and how long the first is. A shadow's name is never empty, so
/// that none is the classic shadow.
#[derive(Clone)]
enum Names {
    Short {
        thing: u8,
        both: u8,
        bytes: [u8; SHORT],
    },
    Long {
        thing: u8,
        bytes: Box<[u8]>,
    },
}

impl ShadowId {
    /// The classic (unnamed) shadow of `thing`.
    ///
    /// # Errors
    /// [`NameError`] unless `thing` is 1 to 128 of `a-z A-Z 0-9 : _ -`.
    pub fn classic(thing: &str) -> Result<Self, NameError> {
        Self::new(thing, None)
    }

    /// The shadow of `thing` called `shadow`.
    ///
    /// # Errors
    /// [`NameError`] unless `thing` is 1 to 128 of `a-z A-Z 0-9 : _ -` and `shadow` is 1 to 64
    /// of these and `$`.
    pub fn named(thing: &str, shadow: &str) -> Result<Self, NameError> {
        Self::new(thing, Some(shadow))
    }

    /// The classic shadow of `thing` when `shadow` is `None`, else the named one.
    ///
    /// # Errors
    /// As [`classic`](Self::classic) and [`named`](Self::named).
    pub fn new(thing: &str, shadow: Option<&str>) -> Result<Self, NameError> {
        check_thing_name(thing)?;
        if let Some(shadow) = shadow {
            check_shadow_name(shadow)?;
        }
        let names = [thing, shadow.unwrap_or_default()];
        let both = names.iter().map(|name| name.len()).sum();
        // Checked above: at most 128.
        let thing = thing.len() as u8;
        let mut bytes = [0; SHORT];
        Ok(Self(match bytes.get_mut(..both) {
            Some(short) => {
                let from = names.iter().flat_map(|name| name.bytes());
                short.iter_mut().zip(from).for_each(|(to, byte)| *to = byte);
                Names::Short {
                    thing,
                    both: both as u8,
                    bytes,
                }
            }
            None => Names::Long {
                thing,
                bytes: names.concat().into_bytes().into(),
            },
        }))
    }

    /// The thing's name.
    #[must_use]
    pub fn thing(&self) -> &str {
        text(self.bytes().0)
    }

    /// The shadow's name; `None` for the classic shadow.
    #[must_use]
    pub fn shadow(&self) -> Option<&str> {
        Some(text(self.bytes().1)).filter(|name| !name.is_empty())
    }

    /// Whether these are its names.
    #[inline]
    pub(crate) fn is(&self, thing: &str, shadow: Option<&str>) -> bool {
        let (of_thing, of_shadow) = self.bytes();
        // Nothing is not compared with nothing: for that, glibc's `memcmp` takes sixty nanoseconds on a
        // processor with AVX-512, since it loads from where nothing is.
        of_thing == thing.as_bytes()
            && match shadow {
                None => of_shadow.is_empty(),
                Some(shadow) => of_shadow == shadow.as_bytes(),
            }
    }

    #[inline]
    fn bytes(&self) -> (&[u8], &[u8]) {
        let (thing, bytes) = match &self.0 {
            Names::Short { thing, both, bytes } => {
                (thing, bytes.get(..usize::from(*both)).unwrap_or_default())
            }
            Names::Long { thing, bytes } => (thing, &**bytes),
        };
        bytes
            .split_at_checked(usize::from(*thing))
            .unwrap_or_default()
    }
}

/// Names are ASCII.
fn text(name: &[u8]) -> &str {
    core::str::from_utf8(name).unwrap_or_default()
}

impl PartialEq for ShadowId {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for ShadowId {}

/// By thing, its classic shadow first.
impl Ord for ShadowId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.bytes().cmp(&other.bytes())
    }
}

impl PartialOrd for ShadowId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl hash::Hash for ShadowId {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.bytes().hash(state);
    }
}

/// `thing`, or `thing~shadow`, as the service's own messages write it.
impl fmt::Display for ShadowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.thing())?;
        match self.shadow() {
            None => Ok(()),
            Some(shadow) => write!(f, "~{shadow}"),
        }
    }
}

impl fmt::Debug for ShadowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ShadowId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{
        string::{String, ToString},
        vec::Vec,
    };

    #[test]
    fn names_of_any_length_come_back() {
        for thing in [1, 4, 28, 29, 30, 128] {
            let name = "t".repeat(thing);
            let classic = ShadowId::classic(&name).unwrap();
            assert_eq!((classic.thing(), classic.shadow()), (&*name, None));
            assert!(classic.is(&name, None));
            for shadow in [1, 24, 25, 26, 64] {
                let shadow = "s".repeat(shadow);
                let named = ShadowId::named(&name, &shadow).unwrap();
                assert_eq!((named.thing(), named.shadow()), (&*name, Some(&*shadow)));
                assert!(named.is(&name, Some(&shadow)) && !named.is(&name, None));
                assert_eq!(named, named.clone());
                assert_ne!(named, classic);
            }
        }
    }

    #[test]
    fn where_one_name_ends_and_the_other_begins_matters() {
        let ids = [("ab", None), ("a", Some("b")), ("a", None), ("b", None)];
        let ids = ids.map(|(thing, shadow)| ShadowId::new(thing, shadow).unwrap());
        for (n, id) in ids.iter().enumerate() {
            for (m, other) in ids.iter().enumerate() {
                assert_eq!(id == other, n == m);
            }
        }
    }

    #[test]
    fn ordered_by_thing_and_then_by_shadow() {
        let names = ["a", "a~b", "a~c", "a:", "ab", "ab~a", "b"];
        let ids: Vec<_> = names
            .iter()
            .map(|name| match name.split_once('~') {
                Some((thing, shadow)) => ShadowId::named(thing, shadow).unwrap(),
                None => ShadowId::classic(name).unwrap(),
            })
            .collect();
        assert!(ids.is_sorted());
        let texts: Vec<String> = ids.iter().map(ToString::to_string).collect();
        assert_eq!(texts, names);
    }

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn as_long_as_two_boxed_names() {
        assert_eq!(size_of::<ShadowId>(), 32);
    }
}
