//! Request payloads, checked in the order the service documents.

use crate::{
    document::Section,
    error::{Rejection, ShadowError},
    parse::{ParseError, Reader, Token},
    said::{Facts, Found, Root, Said},
    settings::{Behaviour, EmptyToken, NullInArrayText, Settings},
    sheet::Sheet,
    stamps::{self, Stamps},
    value::{MAX_NESTING, Value},
};
use alloc::{borrow::Cow, boxed::Box, string::String};
use shadow_proto::{MAX_CLIENT_TOKEN, Timestamp};

/// An update that broke no rule which can be checked without the stored document.
#[derive(Debug)]
pub(crate) struct Update<'a> {
    pub(crate) token: Option<Cow<'a, str>>,
    pub(crate) version: Option<u64>,
    pub(crate) state: State,
}

/// The `state` of an update.
#[derive(Debug)]
pub(crate) struct State {
    /// Null: both sections go.
    pub(crate) is_null: bool,
    /// What the request had, verbatim but for whitespace, escapes and the order of members; a
    /// null is a leaf like any other. Of each section that is there, null or an object to merge.
    pub(crate) sheet: Sheet,
    pub(crate) facts: Facts,
}

impl<'a> Update<'a> {
    /// Reads `payload`. The order of the checks: encoding, JSON, token, presence and type of
    /// `state`, its members, their types, nulls in arrays, depth, version.
    ///
    /// `said` is room for the work.
    pub(crate) fn parse(
        payload: &'a [u8],
        now: Timestamp,
        settings: &Settings,
        said: &mut Said,
    ) -> Result<Self, Rejection> {
        let text = core::str::from_utf8(payload).map_err(|_| ShadowError::UnsupportedEncoding)?;
        let mut envelope = Envelope::read(text, &settings.behaviour, |reader| {
            said.clear();
            said.read(reader).map(Some)
        })
        .map_err(|_| ShadowError::InvalidJson)?;
        let token = envelope.take_token(&settings.behaviour)?;
        match envelope.check(text, said, now, settings) {
            Ok((version, state)) => Ok(Self {
                token,
                version,
                state,
            }),
            Err(error) => Err(Rejection {
                error,
                client_token: token.map(Into::into),
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
    let envelope = Envelope::read(text, &settings.behaviour, |reader| {
        reader.skip().map(|()| None)
    });
    match envelope {
        Ok(mut envelope) => {
            let token = envelope.take_token(&settings.behaviour)?;
            Ok(token.map(Into::into))
        }
        Err(_) => Ok(None),
    }
}

/// The members of a payload that mean something; all others are checked as JSON and dropped.
#[derive(Default)]
struct Envelope<'a> {
    state: Option<Root>,
    version: Option<Member<'a>>,
    token: Option<Member<'a>>,
    /// A part of `state` is nested beyond [`MAX_NESTING`] and was left out.
    too_deep: bool,
}

/// A scalar, or any container.
type Member<'a> = Option<Token<'a>>;

impl<'a> Envelope<'a> {
    fn read(
        text: &'a str,
        behaviour: &Behaviour,
        mut state: impl FnMut(&mut Reader<'a>) -> Result<Option<Root>, ParseError>,
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
                "version" => {
                    let version = reader.scalar_or_container()?;
                    envelope.version.replace(version).is_some()
                }
                "clientToken" => {
                    let token = reader.scalar_or_container()?;
                    envelope.token.replace(token).is_some()
                }
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

    fn take_token(&mut self, behaviour: &Behaviour) -> Result<Option<Cow<'a, str>>, Rejection> {
        let invalid = |echo: Option<Cow<'a, str>>| Rejection {
            error: ShadowError::InvalidClientToken,
            client_token: echo
                .filter(|_| behaviour.echo_invalid_token)
                .map(Into::into),
        };
        match self.token.take() {
            Some(Some(Token::Null)) if behaviour.refuse_null_token => Err(invalid(None)),
            None | Some(Some(Token::Null)) => Ok(None),
            Some(Some(Token::String(token))) => match behaviour.empty_token {
                _ if token.len() > MAX_CLIENT_TOKEN => Err(invalid(Some(token))),
                EmptyToken::Ignore if token.is_empty() => Ok(None),
                EmptyToken::Reject if token.is_empty() => Err(invalid(Some(token))),
                EmptyToken::Echo | EmptyToken::Ignore | EmptyToken::Reject => Ok(Some(token)),
            },
            Some(Some(Token::Bool(_) | Token::Number(_)) | None) => Err(invalid(None)),
        }
    }

    fn check(
        &self,
        text: &str,
        said: &mut Said,
        now: Timestamp,
        settings: &Settings,
    ) -> Result<(Option<u64>, State), ShadowError> {
        let state = match self.state {
            None => return Err(ShadowError::MissingState),
            Some(Root::Other) => return Err(ShadowError::StateNotObject),
            Some(Root::Null) => State::null(now),
            Some(Root::Object(head)) => {
                let behaviour = &settings.behaviour;
                check_sections(said.members(text, head))?;
                let always = stamps::always(now);
                let (sheet, facts) = said.write(text, head, &always, behaviour);
                self.check_facts(facts, settings)?;
                State {
                    is_null: false,
                    sheet,
                    facts,
                }
            }
        };
        let version = match &self.version {
            None | Some(Some(Token::Null)) => None,
            // `parse` takes a leading `+`, which JSON does not have.
            Some(Some(Token::Number(version))) => {
                Some(version.parse().map_err(|_| ShadowError::InvalidVersion)?)
            }
            Some(Some(Token::Bool(_) | Token::String(_)) | None) => {
                return Err(ShadowError::InvalidVersion);
            }
        };
        Ok((version, state))
    }

    fn check_facts(&self, facts: Facts, settings: &Settings) -> Result<(), ShadowError> {
        if facts.large_integer {
            return Err(ShadowError::InvalidJson);
        }
        if facts.refused_null {
            return Err(match settings.behaviour.null_in_array_text {
                NullInArrayText::OfItsOwn => ShadowError::NullInArray,
                NullInArrayText::InvalidJson => ShadowError::InvalidJson,
            });
        }
        // Of the levels that are read as a tree, `state` takes one, and an empty container,
        // which is no level here, may take the last.
        let max = settings.limits.max_depth.min(MAX_NESTING - 2);
        // `state` is no level, its sections are.
        if self.too_deep || facts.depth > max + 1 {
            return Err(ShadowError::TooDeep { max });
        }
        Ok(())
    }
}

/// The members of `state`: sections, each an object or null.
fn check_sections<'t>(
    members: impl Iterator<Item = (&'t str, Found<'t>)> + Clone,
) -> Result<(), ShadowError> {
    let section = |name: &str| {
        let name = name.strip_prefix('"')?.strip_suffix('"')?;
        let mut all = Section::ALL.into_iter();
        all.find(|section| section.as_str() == name)
    };
    for (name, _) in members.clone() {
        if section(name).is_none() {
            let name = Value::parse(name);
            let name = name.as_ref().ok().and_then(Value::as_str);
            let name = name.unwrap_or_default().into();
            return Err(ShadowError::InvalidNode { name });
        }
    }
    for (name, found) in members {
        match (section(name), found) {
            (Some(section), Found::Scalar(_) | Found::Array(_)) => {
                return Err(ShadowError::SectionNotObject(section));
            }
            (Some(_), Found::Null | Found::Object) | (None, _) => {}
        }
    }
    Ok(())
}

impl State {
    fn null(now: Timestamp) -> Self {
        let mut metadata = String::new();
        Stamps::new(&stamps::always(now), String::new()).leaf(&mut metadata);
        Self {
            is_null: true,
            sheet: Sheet {
                state: "null".into(),
                metadata,
                members: [].into(),
            },
            facts: Facts::default(),
        }
    }
}
