//! The switches of [`Behaviour`] by name, for command lines and configuration files.

use super::{
    AbsentVersion, Behaviour, DeltaPolicy, EmptyToken, InFlightScope, IntegerRange,
    NullInArrayObject, NullInArrayText, RestDelete, RestError, Retained, SigningName,
};
use crate::value::NumberEquality;
use alloc::{boxed::Box, format};
use core::fmt;

/// A switch of [`Behaviour`]: its name, what it decides, and its values.
#[derive(Clone, Copy, Debug)]
pub struct Assumption {
    name: &'static str,
    about: &'static str,
    values: &'static [(&'static str, Set)],
}

type Set = fn(&mut Behaviour);

impl Assumption {
    /// All of them.
    pub const ALL: &'static [Self] = ALL;

    /// What it is called.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What it decides, in a few words.
    #[must_use]
    pub const fn about(&self) -> &'static str {
        self.about
    }

    /// What it may be; the first is the default.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &'static str> {
        self.values.iter().map(|(value, _)| *value)
    }
}

impl Behaviour {
    /// Sets the switch that `text`, which is `NAME=VALUE`, names: see [`Assumption::ALL`].
    ///
    /// ```
    /// use shadow_service::{AbsentVersion, Behaviour};
    ///
    /// let mut behaviour = Behaviour::default();
    /// behaviour.assume("absent-version=conflict")?;
    /// assert_eq!(behaviour.absent_version, AbsentVersion::Conflict);
    /// # Ok::<(), shadow_service::AssumeError>(())
    /// ```
    ///
    /// # Errors
    /// [`AssumeError`] says which names or values there are; nothing has changed.
    pub fn assume(&mut self, text: &str) -> Result<(), AssumeError> {
        let Some((name, value)) = text.split_once('=') else {
            return Err(AssumeError(format!("{text:?} is not NAME=VALUE").into()));
        };
        let found = ALL.iter().find(|known| known.name == name);
        let Some(found) = found else {
            let known = join(ALL.iter().map(Assumption::name));
            return Err(AssumeError(
                format!("nothing is called {name:?}; there are {known}").into(),
            ));
        };
        let set = found.values.iter().find(|(known, _)| *known == value);
        let Some((_, set)) = set else {
            let known = join(found.values());
            return Err(AssumeError(
                format!("{name} cannot be {value:?}; it is one of {known}").into(),
            ));
        };
        set(self);
        Ok(())
    }
}

/// Why a text sets no switch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AssumeError(Box<str>);

impl fmt::Display for AssumeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for AssumeError {}

fn join(words: impl Iterator<Item = &'static str>) -> alloc::string::String {
    words.collect::<alloc::vec::Vec<_>>().join(", ")
}

/// In the order of the protocol's open questions.
const ALL: &[Assumption] = &[
    Assumption {
        name: "array-levels",
        about: "arrays count as levels of nesting",
        values: &[
            ("yes", |it| it.arrays_are_levels = true),
            ("no", |it| it.arrays_are_levels = false),
        ],
    },
    Assumption {
        name: "delete-takes-version",
        about: "deleted at version 2, a shadow comes back at 4, else at 3",
        values: &[
            ("yes", |it| it.delete_takes_version = true),
            ("no", |it| it.delete_takes_version = false),
        ],
    },
    Assumption {
        name: "absent-version",
        about: "what the version of an update has to be where there is no shadow",
        values: &[
            ("counter", |it| it.absent_version = AbsentVersion::Counter),
            ("conflict", |it| it.absent_version = AbsentVersion::Conflict),
            ("ignored", |it| it.absent_version = AbsentVersion::Ignored),
        ],
    },
    Assumption {
        name: "emptied-objects",
        about: "an object whose last member a null removed",
        values: &[
            ("keep", |it| it.keep_emptied_objects = true),
            ("drop", |it| it.keep_emptied_objects = false),
        ],
    },
    Assumption {
        name: "null-objects",
        about: "a new object of nulls only",
        values: &[
            ("keep", |it| it.keep_null_objects = true),
            ("drop", |it| it.keep_null_objects = false),
        ],
    },
    Assumption {
        name: "numbers",
        about: "1 and 1.0 are equal by value, and not by text",
        values: &[
            ("value", |it| it.numbers = NumberEquality::ByValue),
            ("text", |it| it.numbers = NumberEquality::ByText),
        ],
    },
    Assumption {
        name: "duplicate-members",
        about: "of members of one name the last holds, or the request is refused",
        values: &[
            ("last", |it| it.refuse_duplicate_members = false),
            ("refuse", |it| it.refuse_duplicate_members = true),
        ],
    },
    Assumption {
        name: "integers",
        about: "how large they may be",
        values: &[
            ("any", |it| it.integers = IntegerRange::Any),
            ("64-bit", |it| it.integers = IntegerRange::Bits64),
        ],
    },
    Assumption {
        name: "null-in-array-text",
        about: "what is said about a null in an array",
        values: &[
            ("own", |it| {
                it.null_in_array_text = NullInArrayText::OfItsOwn;
            }),
            ("invalid-json", |it| {
                it.null_in_array_text = NullInArrayText::InvalidJson;
            }),
        ],
    },
    Assumption {
        name: "null-in-array-object",
        about: "a null member of an object in an array",
        values: &[
            ("keep", |it| {
                it.null_in_array_object = NullInArrayObject::Keep;
            }),
            ("drop", |it| {
                it.null_in_array_object = NullInArrayObject::Drop;
            }),
            ("refuse", |it| {
                it.null_in_array_object = NullInArrayObject::Reject;
            }),
        ],
    },
    Assumption {
        name: "in-flight",
        about: "whose requests --in-flight counts",
        values: &[
            ("thing", |it| it.in_flight = InFlightScope::Thing),
            ("connection", |it| it.in_flight = InFlightScope::Connection),
        ],
    },
    Assumption {
        name: "throttled-token",
        about: "the token of a request that is answered with 429",
        values: &[
            ("echo", |it| it.echo_throttled_token = true),
            ("omit", |it| it.echo_throttled_token = false),
        ],
    },
    Assumption {
        name: "invalid-token",
        about: "a client token that is too long",
        values: &[
            ("omit", |it| it.echo_invalid_token = false),
            ("echo", |it| it.echo_invalid_token = true),
        ],
    },
    Assumption {
        name: "empty-token",
        about: "a client token without characters",
        values: &[
            ("echo", |it| it.empty_token = EmptyToken::Echo),
            ("ignore", |it| it.empty_token = EmptyToken::Ignore),
            ("refuse", |it| it.empty_token = EmptyToken::Reject),
        ],
    },
    Assumption {
        name: "null-token",
        about: "a client token that is null",
        values: &[
            ("ignore", |it| it.refuse_null_token = false),
            ("refuse", |it| it.refuse_null_token = true),
        ],
    },
    Assumption {
        name: "delta",
        about: "published with every update while there is one, or when it is another one",
        values: &[
            ("every-update", |it| it.delta = DeltaPolicy::EveryUpdate),
            ("when-changed", |it| it.delta = DeltaPolicy::WhenChanged),
        ],
    },
    Assumption {
        name: "rest-error",
        about: "what REST says when it refuses: code and message, or the message alone",
        values: &[
            ("document", |it| it.rest_error = RestError::Document),
            ("message", |it| it.rest_error = RestError::Message),
        ],
    },
    Assumption {
        name: "rest-delete",
        about: "what REST answers to a delete: version and time, or nothing",
        values: &[
            ("document", |it| it.rest_delete = RestDelete::Document),
            ("empty", |it| it.rest_delete = RestDelete::Empty),
        ],
    },
    Assumption {
        name: "rest-signing",
        about: "the service that signed REST requests have to name, else 403",
        values: &[
            ("any", |it| it.rest_signing = SigningName::Any),
            ("iotdata", |it| it.rest_signing = SigningName::IotData),
            ("iotdevicegateway", |it| {
                it.rest_signing = SigningName::IotDeviceGateway;
            }),
        ],
    },
    Assumption {
        name: "retained",
        about: "what becomes of a shadow request with RETAIN, and of its client",
        values: &[
            ("disconnect", |it| it.retained = Retained::Disconnect),
            ("drop", |it| it.retained = Retained::Drop),
            ("serve", |it| it.retained = Retained::Serve),
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{string::ToString as _, vec::Vec};

    #[test]
    fn the_first_value_is_the_default_and_the_others_are_not() {
        for assumption in Assumption::ALL {
            let mut seen = Vec::new();
            for value in assumption.values() {
                let mut behaviour = Behaviour::default();
                let text = format!("{}={value}", assumption.name());
                behaviour.assume(&text).unwrap();
                assert_eq!(behaviour == Behaviour::default(), seen.is_empty(), "{text}");
                assert!(!seen.contains(&behaviour), "{text}");
                seen.push(behaviour);
            }
            assert!(seen.len() > 1);
        }
    }

    #[test]
    fn what_is_no_switch_is_said() {
        for (text, part) in [
            ("", "is not NAME=VALUE"),
            ("delta", "is not NAME=VALUE"),
            ("depth=6", "there are array-levels, delete-takes-version, "),
            ("delta=", "it is one of every-update, when-changed"),
            ("delta=Every-Update", "it is one of every-update"),
        ] {
            let mut behaviour = Behaviour::default();
            let error = behaviour.assume(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
            assert_eq!(behaviour, Behaviour::default());
        }
    }
}
