//! Request payloads, checked in the order the service documents.

use crate::{
    document::{Patch, Section},
    error::{Rejection, ShadowError},
    mirror::Mirror,
    parse::{ParseError, Reader},
    settings::{
        Behaviour, EmptyToken, IntegerRange, Limits, NullInArrayObject, NullInArrayText, Settings,
    },
    value::{MAX_NESTING, Object, Scalar, Value},
};
use alloc::boxed::Box;
use shadow_proto::{MAX_CLIENT_TOKEN, Timestamp};

/// An update that broke no rule which can be checked without the stored document.
#[derive(Debug)]
pub(crate) struct Update {
    pub(crate) token: Option<Box<str>>,
    pub(crate) version: Option<u64>,
    pub(crate) state: State,
}

/// The `state` of an update.
#[derive(Debug)]
pub(crate) enum State {
    /// Null: both sections go.
    Null,
    /// An object.
    Sections { desired: Patch, reported: Patch },
}

impl Update {
    /// Reads `payload`. The order of the checks: encoding, JSON, token, presence and type of
    /// `state`, its members, their types, nulls in arrays, depth, version.
    pub(crate) fn parse(
        payload: &[u8],
        now: Timestamp,
        settings: &Settings,
    ) -> Result<Self, Rejection> {
        let text = core::str::from_utf8(payload).map_err(|_| ShadowError::UnsupportedEncoding)?;
        let envelope =
            Envelope::read(text, now, &settings.behaviour).map_err(|_| ShadowError::InvalidJson)?;
        let token = envelope.token(&settings.behaviour)?;
        match envelope.check(settings) {
            Ok((version, state)) => Ok(Self {
                token,
                version,
                state,
            }),
            Err(error) => Err(Rejection {
                error,
                client_token: token,
            }),
        }
    }
}

/// The token of a get or a delete, whose payload is otherwise ignored. Nothing readable is no
/// token; one that is there must be valid.
pub(crate) fn token(payload: &[u8], settings: &Settings) -> Result<Option<Box<str>>, Rejection> {
    // The documented form of both requests has no payload.
    if payload.is_empty() {
        return Ok(None);
    }
    let Ok(text) = core::str::from_utf8(payload) else {
        return Ok(None);
    };
    let envelope = Envelope::read_token(text, &settings.behaviour);
    match envelope {
        Ok(envelope) => envelope.token(&settings.behaviour),
        Err(_) => Ok(None),
    }
}

/// The members of a payload that mean something; all others are checked as JSON and dropped.
#[derive(Default)]
struct Envelope {
    state: Option<Value<Timestamp>>,
    version: Option<Value>,
    token: Option<Value>,
    /// A part of `state` is nested beyond [`MAX_NESTING`] and was left out.
    too_deep: bool,
}

impl Envelope {
    fn read(text: &str, now: Timestamp, behaviour: &Behaviour) -> Result<Self, ParseError> {
        Self::read_with(text, behaviour, |reader| reader.value(now).map(Some))
    }

    fn read_token(text: &str, behaviour: &Behaviour) -> Result<Self, ParseError> {
        Self::read_with(text, behaviour, |reader| reader.skip().map(|()| None))
    }

    fn read_with(
        text: &str,
        behaviour: &Behaviour,
        mut state: impl FnMut(&mut Reader<'_>) -> Result<Option<Value<Timestamp>>, ParseError>,
    ) -> Result<Self, ParseError> {
        let mut envelope = Self::default();
        let mut reader = Reader::new(text);
        reader.refuse_duplicates = behaviour.refuse_duplicate_members;
        let is_object = reader.object(|reader, name| {
            let duplicate = match &*name {
                "state" => {
                    reader.too_deep = false;
                    let earlier = core::mem::replace(&mut envelope.state, state(reader)?);
                    envelope.too_deep = reader.too_deep;
                    earlier.is_some()
                }
                "version" => envelope.version.replace(reader.value(())?).is_some(),
                "clientToken" => envelope.token.replace(reader.value(())?).is_some(),
                _ => {
                    reader.skip()?;
                    false
                }
            };
            reader.check_duplicate(duplicate)
        })?;
        if !is_object {
            // JSON all the same, or not: the two have different errors.
            reader.skip()?;
        }
        reader.end()?;
        Ok(envelope)
    }

    fn token(&self, behaviour: &Behaviour) -> Result<Option<Box<str>>, Rejection> {
        let invalid = |echo: Option<&str>| Rejection {
            error: ShadowError::InvalidClientToken,
            client_token: echo
                .filter(|_| behaviour.echo_invalid_token)
                .map(Into::into),
        };
        match &self.token {
            Some(Value::Leaf(Scalar::Null, ())) if behaviour.refuse_null_token => {
                Err(invalid(None))
            }
            None | Some(Value::Leaf(Scalar::Null, ())) => Ok(None),
            Some(Value::Leaf(Scalar::String(token), ())) => match behaviour.empty_token {
                _ if token.len() > MAX_CLIENT_TOKEN => Err(invalid(Some(token))),
                EmptyToken::Ignore if token.is_empty() => Ok(None),
                EmptyToken::Reject if token.is_empty() => Err(invalid(Some(token))),
                EmptyToken::Echo | EmptyToken::Ignore | EmptyToken::Reject => {
                    Ok(Some(token.clone()))
                }
            },
            Some(Value::Leaf(..) | Value::Array(_) | Value::Object(_)) => Err(invalid(None)),
        }
    }

    fn check(self, settings: &Settings) -> Result<(Option<u64>, State), ShadowError> {
        let state = match self.state {
            None => return Err(ShadowError::MissingState),
            Some(Value::Leaf(Scalar::Null, _)) => State::Null,
            Some(Value::Object(state)) => sections(state)?,
            Some(Value::Leaf(..) | Value::Array(_)) => return Err(ShadowError::StateNotObject),
        };
        state.check_integers(&settings.behaviour)?;
        state.check_nulls(&settings.behaviour)?;
        state.check_depth(self.too_deep, &settings.limits, &settings.behaviour)?;
        let version = match &self.version {
            None | Some(Value::Leaf(Scalar::Null, ())) => None,
            Some(version) => Some(version.as_u64().ok_or(ShadowError::InvalidVersion)?),
        };
        Ok((version, state))
    }
}

fn sections(state: Object<Timestamp>) -> Result<State, ShadowError> {
    let known = |name: &str| Section::ALL.iter().any(|section| section.as_str() == name);
    if let Some((name, _)) = state.iter().find(|(name, _)| !known(name)) {
        return Err(ShadowError::InvalidNode { name: name.into() });
    }
    let (mut desired, mut reported) = (Patch::Leave, Patch::Leave);
    for (name, value) in state.into_members() {
        let (section, patch) = if *name == *Section::Desired.as_str() {
            (Section::Desired, &mut desired)
        } else {
            (Section::Reported, &mut reported)
        };
        *patch = match value {
            Value::Leaf(Scalar::Null, _) => Patch::Clear,
            Value::Object(object) => Patch::Merge(object),
            Value::Leaf(..) | Value::Array(_) => {
                return Err(ShadowError::SectionNotObject(section));
            }
        };
    }
    Ok(State::Sections { desired, reported })
}

impl State {
    /// The patch for each section.
    pub(crate) fn into_patches(self) -> (Patch, Patch) {
        match self {
            Self::Null => (Patch::Clear, Patch::Clear),
            Self::Sections { desired, reported } => (desired, reported),
        }
    }

    /// What the request had, and the metadata of that.
    pub(crate) fn mirror(&self, out: &mut Mirror, now: Timestamp) {
        match self {
            Self::Null => out.scalar(&Scalar::Null, now),
            Self::Sections { desired, reported } => {
                out.open();
                desired.mirror(out, Section::Desired, now);
                reported.mirror(out, Section::Reported, now);
                out.close();
            }
        }
    }

    fn objects(&self) -> impl Iterator<Item = &Object<Timestamp>> {
        let patches = match self {
            Self::Null => [None, None],
            Self::Sections { desired, reported } => [Some(desired), Some(reported)],
        };
        patches.into_iter().filter_map(|patch| match patch? {
            Patch::Leave | Patch::Clear => None,
            Patch::Merge(object) => Some(object),
        })
    }

    fn check_integers(&self, behaviour: &Behaviour) -> Result<(), ShadowError> {
        let large = match behaviour.integers {
            IntegerRange::Any => return Ok(()),
            IntegerRange::Bits64 => large_integer,
        };
        let mut members = self.objects().flat_map(Object::iter);
        if members.any(|(_, value)| large(value)) {
            return Err(ShadowError::InvalidJson);
        }
        Ok(())
    }

    fn check_nulls(&self, behaviour: &Behaviour) -> Result<(), ShadowError> {
        let members = self.objects().flat_map(Object::iter);
        let refused = match behaviour.null_in_array_object {
            NullInArrayObject::Keep | NullInArrayObject::Drop => null_element,
            NullInArrayObject::Reject => null_in_array,
        };
        for (_, value) in members {
            if refused(value, false) {
                return Err(match behaviour.null_in_array_text {
                    NullInArrayText::OfItsOwn => ShadowError::NullInArray,
                    NullInArrayText::InvalidJson => ShadowError::InvalidJson,
                });
            }
        }
        Ok(())
    }

    fn check_depth(
        &self,
        too_deep: bool,
        limits: &Limits,
        behaviour: &Behaviour,
    ) -> Result<(), ShadowError> {
        // Of the levels that are read as a tree, `state` takes one, and an empty container,
        // which is no level here, may take the last.
        let max = limits.max_depth.min(MAX_NESTING - 2);
        let deep = |object: &Object<Timestamp>| object.depth(behaviour.arrays_are_levels) > max;
        if too_deep || self.objects().any(deep) {
            return Err(ShadowError::TooDeep { max });
        }
        Ok(())
    }
}

/// Whether an array somewhere in `value` has null for an element.
fn null_element(value: &Value<Timestamp>, element: bool) -> bool {
    match value {
        Value::Leaf(scalar, _) => element && *scalar == Scalar::Null,
        Value::Array(elements) => elements.iter().any(|value| null_element(value, true)),
        Value::Object(object) => object.iter().any(|(_, value)| null_element(value, false)),
    }
}

/// Whether there is a null anywhere inside an array in `value`.
fn null_in_array(value: &Value<Timestamp>, inside: bool) -> bool {
    match value {
        Value::Leaf(scalar, _) => inside && *scalar == Scalar::Null,
        Value::Array(elements) => elements.iter().any(|value| null_in_array(value, true)),
        Value::Object(object) => object.iter().any(|(_, value)| null_in_array(value, inside)),
    }
}

/// Whether an integer somewhere in `value` does not fit 64 bits.
fn large_integer(value: &Value<Timestamp>) -> bool {
    match value {
        Value::Leaf(Scalar::Number(number), _) => {
            let text = number.as_str();
            !text.contains(['.', 'e', 'E']) && text.parse::<i64>().is_err()
        }
        Value::Leaf(..) => false,
        Value::Array(elements) => elements.iter().any(large_integer),
        Value::Object(object) => object.iter().any(|(_, value)| large_integer(value)),
    }
}
