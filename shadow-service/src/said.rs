//! What a request says, as it is read: places in its text, in the order of names, with nothing
//! copied; and then written as a [`Sheet`].

mod order;
mod writer;

pub(crate) use writer::Facts;

use crate::{
    parse::{ParseError, Reader, Token},
    sheet::Sheet,
    value::{MAX_NESTING, Value},
    write,
};
use alloc::{string::String, vec::Vec};

/// Members as they were read, and everything that reading them takes: kept for the next request.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// In the order of the text; those of one object are linked in the order of their names.
    nodes: Vec<Node>,
    /// Strings that do not stand in the text as they are to be written: they had escapes.
    anew: String,
    /// Arrays of more than plain scalars.
    arrays: Vec<Value>,
    /// Of the object that is being sorted: the beginning of each name, and which member it is.
    order: Vec<(u128, usize)>,
    /// The members in the order of the text.
    unsorted: Vec<usize>,
    /// How the last object was sorted: one of the same shape, such as the next report of a device,
    /// need not be.
    sorted: Vec<usize>,
    /// How many leaves there are, roughly.
    leaves: usize,
    /// What may be written over.
    spare: Sheet,
    leaf: String,
}

/// Where something is: in the text, or as far beyond its end as it is in [`Said::anew`].
#[derive(Clone, Copy, Default, Debug)]
struct Place {
    begin: usize,
    end: usize,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    /// With its quotes and the colon after it.
    name: Place,
    /// The first bytes of the name, for comparing.
    beginning: u128,
    value: Place,
    kind: Kind,
    /// The member after this one, or [`NONE`].
    next: usize,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Null,
    /// A boolean, a number or a string.
    Scalar,
    /// An array of so many scalars without null, written compactly already.
    Plain(usize),
    /// Any other, in [`Said::arrays`].
    Array(usize),
    /// An object, with its first member.
    Object(usize),
}

const NONE: usize = usize::MAX;

/// More members than a document of the usual limit has.
const MANY: usize = 4096;

/// What kind of a value was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Root {
    Null,
    /// Its first member.
    Object(Head),
    Other,
}

/// The first member of an object, if it has one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Head(usize);

/// What a member is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found<'t> {
    Null,
    /// As it is written.
    Scalar(&'t str),
    /// With its value, unless it has none but plain scalars.
    Array(Option<&'t Value>),
    Object,
}

impl Said {
    /// Forgets what was read.
    pub(crate) fn clear(&mut self) {
        if self.nodes.capacity() > MANY {
            // What one huge request took is not kept for all others.
            *self = Self::default();
        }
        self.nodes.clear();
        self.anew.clear();
        self.arrays.clear();
        self.leaves = 0;
    }

    /// Reads a value, which is kept if it is an object.
    pub(crate) fn read(&mut self, reader: &mut Reader<'_>) -> Result<Root, ParseError> {
        reader.whitespace();
        match reader.peek() {
            Some(b'{') => self
                .object(reader, 0)
                .map(|first| Root::Object(Head(first))),
            Some(b'[') => reader.value().map(|_| Root::Other),
            Some(_) | None => Ok(match reader.scalar()? {
                Token::Null => Root::Null,
                Token::Bool(_) | Token::Number(_) | Token::String(_) => Root::Other,
            }),
        }
    }

    /// The names of an object's members, with their quotes, and what each is.
    pub(crate) fn members<'t>(
        &'t self,
        text: &'t str,
        Head(first): Head,
    ) -> impl Iterator<Item = (&'t str, Found<'t>)> + Clone {
        self.chain(first).map(move |(_, node)| {
            let found = match node.kind {
                Kind::Null => Found::Null,
                Kind::Scalar => Found::Scalar(self.text(text, node.value)),
                Kind::Plain(_) => Found::Array(None),
                Kind::Array(at) => Found::Array(self.arrays.get(at)),
                Kind::Object(_) => Found::Object,
            };
            (self.name_text(text, node.name), found)
        })
    }

    /// Leaves out the members of an object that `stays` does not want, by their names with quotes.
    pub(crate) fn retain(
        &mut self,
        text: &str,
        Head(first): Head,
        stays: impl Fn(&str) -> bool,
    ) -> Head {
        let (mut head, mut last, mut at) = (NONE, NONE, first);
        while let Some(node) = self.nodes.get(at) {
            let next = node.next;
            if stays(self.name_text(text, node.name)) {
                match self.nodes.get_mut(last) {
                    Some(last) => last.next = at,
                    None => head = at,
                }
                last = at;
            }
            at = next;
        }
        if let Some(last) = self.nodes.get_mut(last) {
            last.next = NONE;
        }
        Head(head)
    }

    /// Takes back a sheet that nobody needs any more: the next may have its room.
    pub(crate) fn recycle(&mut self, sheet: Sheet) {
        self.spare = sheet;
    }

    fn object(&mut self, reader: &mut Reader<'_>, depth: usize) -> Result<usize, ParseError> {
        let (mut first, mut last, mut sorted) = (NONE, NONE, true);
        reader.members(|reader| {
            let name = self.name(reader)?;
            let beginning = self.beginning(reader.text(), name);
            let at = self.nodes.len();
            if last == NONE {
                first = at;
            } else {
                sorted = sorted
                    && self
                        .nodes
                        .get(last)
                        .is_none_or(|last| self.follows(reader.text(), last, beginning, name));
                if let Some(last) = self.nodes.get_mut(last) {
                    last.next = at;
                }
            }
            self.nodes.push(Node {
                name,
                beginning,
                value: Place::default(),
                kind: Kind::Null,
                next: NONE,
            });
            let (value, kind) = self.value(reader, depth + 1)?;
            if let Some(node) = self.nodes.get_mut(at) {
                node.value = value;
                node.kind = kind;
            }
            last = at;
            Ok(())
        })?;
        if sorted {
            return Ok(first);
        }
        self.sort(reader, first)
    }

    fn value(
        &mut self,
        reader: &mut Reader<'_>,
        depth: usize,
    ) -> Result<(Place, Kind), ParseError> {
        reader.whitespace();
        let begin = reader.at();
        let kind = match reader.peek() {
            Some(b'"') => {
                self.leaves += 1;
                return Ok((self.string(reader)?, Kind::Scalar));
            }
            Some(b'{' | b'[') if depth >= MAX_NESTING => {
                reader.leave_out()?;
                Kind::Object(NONE)
            }
            Some(b'{') => Kind::Object(self.object(reader, depth)?),
            Some(b'[') => match reader.plain_array() {
                Some((count, spaced)) => {
                    self.leaves += count;
                    let end = reader.at();
                    let place = Place { begin, end };
                    let place = if spaced {
                        self.without_whitespace(reader.text(), place)
                    } else {
                        place
                    };
                    return Ok((place, Kind::Plain(count)));
                }
                None => {
                    let value = reader.value_at(depth)?;
                    self.leaves += leaves(&value);
                    self.arrays.push(value);
                    Kind::Array(self.arrays.len() - 1)
                }
            },
            Some(_) | None => {
                self.leaves += 1;
                match reader.scalar()? {
                    Token::Null => Kind::Null,
                    Token::Bool(_) | Token::Number(_) | Token::String(_) => Kind::Scalar,
                }
            }
        };
        let end = reader.at();
        Ok((Place { begin, end }, kind))
    }

    /// What stands at a place where no string has escapes, written compactly.
    fn without_whitespace(&mut self, text: &str, Place { begin, end }: Place) -> Place {
        let before = text.len();
        let mut inside = false;
        let compact = text.get(begin..end).unwrap_or_default().chars();
        let compact = compact.filter(|c| {
            inside ^= *c == '"';
            inside || !matches!(c, ' ' | '\t' | '\n' | '\r')
        });
        let begin = before + self.anew.len();
        self.anew.extend(compact);
        let end = before + self.anew.len();
        Place { begin, end }
    }

    /// A string as it is to be written, with its quotes.
    fn string(&mut self, reader: &mut Reader<'_>) -> Result<Place, ParseError> {
        let begin = reader.at();
        if reader.plain_string() {
            let end = reader.at();
            return Ok(Place { begin, end });
        }
        let string = reader.quoted()?;
        let before = reader.text().len();
        let begin = before + self.anew.len();
        write::string(&mut self.anew, &string);
        let end = before + self.anew.len();
        Ok(Place { begin, end })
    }

    /// The same of a name, with the colon after it.
    fn name(&mut self, reader: &mut Reader<'_>) -> Result<Place, ParseError> {
        let mut name = self.string(reader)?;
        if name.end == reader.at() && reader.peek() == Some(b':') {
            reader.colon()?;
            name.end += 1;
            return Ok(name);
        }
        let before = reader.text().len();
        if name.begin < before {
            let begin = self.anew.len();
            let text = reader.text().get(name.begin..name.end);
            self.anew.push_str(text.unwrap_or_default());
            name.begin = before + begin;
        }
        reader.colon()?;
        self.anew.push(':');
        name.end = before + self.anew.len();
        Ok(name)
    }

    fn text<'t>(&'t self, text: &'t str, Place { begin, end }: Place) -> &'t str {
        let found = match begin.checked_sub(text.len()) {
            None => text.get(begin..end),
            Some(begin) => self.anew.get(begin..end - text.len()),
        };
        found.unwrap_or_default()
    }

    /// The first sixteen bytes of a name, which sort as their number does.
    fn beginning(&self, text: &str, name: Place) -> u128 {
        let length = name.end - name.begin - 3;
        let ahead = text.as_bytes().get(name.begin + 1..);
        let sixteen = match ahead.and_then(|ahead| ahead.first_chunk::<16>()) {
            // What comes after the name does not count.
            Some(sixteen) => *sixteen,
            None => {
                let mut sixteen = [0; 16];
                for (to, from) in sixteen.iter_mut().zip(self.bare(text, name)) {
                    *to = *from;
                }
                sixteen
            }
        };
        let others = u128::MAX.checked_shr(8 * length as u32);
        u128::from_be_bytes(sixteen) & !others.unwrap_or(0)
    }

    /// A name with its quotes.
    fn name_text<'t>(&'t self, text: &'t str, name: Place) -> &'t str {
        let end = name.end.saturating_sub(1);
        self.text(text, Place { end, ..name })
    }

    /// A name without its quotes.
    fn bare<'t>(&'t self, text: &'t str, name: Place) -> &'t [u8] {
        let name = self.text(text, name).as_bytes();
        let end = name.len().saturating_sub(2);
        name.get(1..end).unwrap_or_default()
    }
}

fn leaves(value: &Value) -> usize {
    match value {
        Value::Leaf(..) => 1,
        Value::Array(elements) => elements.iter().map(leaves).sum(),
        Value::Object(object) => object.iter().map(|(_, value)| leaves(value)).sum(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
