//! What a request says, as it is read: places in its text, in the order of names, with nothing
//! copied; and then written as a [`Sheet`].

use crate::{
    parse::{ParseError, Reader, Token},
    settings::{Behaviour, IntegerRange, NullInArrayObject},
    sheet::Sheet,
    stamps::{Run, Stamps},
    value::{MAX_NESTING, Scalar, Value},
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

/// What was seen while it was written.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Facts {
    /// A member is null, or something inside an array.
    pub(crate) nulls: bool,
    /// A null is where it may not be: an array's element, or as the behaviour says.
    pub(crate) refused_null: bool,
    /// An integer is larger than the behaviour allows.
    pub(crate) large_integer: bool,
    /// How many levels there are.
    pub(crate) depth: usize,
    /// There was a time for each leaf, and no more.
    pub(crate) times_fit: bool,
}

impl Said {
    /// Forgets what was read.
    pub(crate) fn clear(&mut self) {
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
            Some(b'[') => reader.value(()).map(|_| Root::Other),
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

    /// Writes an object that was read from `text`, with the times of its leaves.
    pub(crate) fn write(
        &mut self,
        text: &str,
        Head(first): Head,
        times: &[Run],
        behaviour: &Behaviour,
    ) -> (Sheet, Facts) {
        // What is written is no longer than what was read.
        let metadata = text.len() + self.leaves * Stamps::LEAF;
        let spare = core::mem::take(&mut self.spare);
        let mut writer = Writer {
            text,
            stamps: Stamps::new(times, core::mem::take(&mut self.leaf)),
            behaviour,
            out: spare.anew(text.len(), metadata, self.nodes.len()),
            facts: Facts::default(),
            said: self,
        };
        let depth = writer.object(first);
        let Writer {
            stamps,
            out,
            mut facts,
            ..
        } = writer;
        facts.depth = depth;
        (facts.times_fit, self.leaf) = stamps.end();
        (out, facts)
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
                let before = self.nodes.get(last);
                sorted &=
                    before.is_none_or(|last| self.follows(reader.text(), last, beginning, name));
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

    /// Whether a name goes after that of the member `last`.
    fn follows(&self, text: &str, last: &Node, beginning: u128, name: Place) -> bool {
        last.beginning < beginning
            || last.beginning == beginning && self.bare(text, last.name) < self.bare(text, name)
    }

    /// Links members in the order of their names; of those with one name the last stays.
    fn sort(&mut self, reader: &Reader<'_>, first: usize) -> Result<usize, ParseError> {
        let mut unsorted = core::mem::take(&mut self.unsorted);
        unsorted.clear();
        unsorted.extend(self.chain(first).map(|(at, _)| at));
        if !self.sorts(reader.text(), &unsorted) {
            self.find_order(reader, &unsorted)?;
        }
        let mut next = NONE;
        for which in self.sorted.iter().rev() {
            let at = unsorted.get(*which).copied().unwrap_or(NONE);
            if let Some(node) = self.nodes.get_mut(at) {
                node.next = next;
            }
            next = at;
        }
        self.unsorted = unsorted;
        Ok(next)
    }

    /// Members that follow each other, and where they are.
    fn chain(&self, first: usize) -> impl Iterator<Item = (usize, &Node)> + Clone {
        let mut at = first;
        core::iter::from_fn(move || {
            let found = (at, self.nodes.get(at)?);
            at = found.1.next;
            Some(found)
        })
    }

    /// Whether the order of the last object that was sorted is that of these members, too.
    fn sorts(&self, text: &str, unsorted: &[usize]) -> bool {
        let node = |which: &usize| self.nodes.get(*unsorted.get(*which)?);
        // As many names, each after the one before: so it is each of them once.
        self.sorted.len() == unsorted.len()
            && self.sorted.is_sorted_by(|a, b| match (node(a), node(b)) {
                (Some(a), Some(b)) => self.follows(text, a, b.beginning, b.name),
                (Some(_) | None, _) => false,
            })
    }

    /// Finds out in which order these members are to be.
    fn find_order(&mut self, reader: &Reader<'_>, unsorted: &[usize]) -> Result<(), ParseError> {
        let mut order = core::mem::take(&mut self.order);
        order.clear();
        let beginning = |at: &usize| self.nodes.get(*at).map_or(0, |node| node.beginning);
        order.extend(unsorted.iter().map(beginning).zip(0..));
        let bare = |which: usize| {
            let node = unsorted.get(which).and_then(|at| self.nodes.get(*at));
            node.map_or(&b""[..], |node| self.bare(reader.text(), node.name))
        };
        order.sort_unstable_by(|a, b| {
            let names = || bare(a.1).cmp(bare(b.1));
            a.0.cmp(&b.0).then_with(names).then(a.1.cmp(&b.1))
        });
        order.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0 && bare(later.1) == bare(earlier.1);
            if same {
                *earlier = *later;
            }
            same
        });
        self.sorted.clear();
        self.sorted.extend(order.iter().map(|(_, which)| *which));
        self.order = order;
        reader.check_duplicate(self.sorted.len() < unsorted.len())
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
                Some(count) => {
                    self.leaves += count;
                    Kind::Plain(count)
                }
                None => {
                    let value = reader.value_at((), depth)?;
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

struct Writer<'w, 's> {
    said: &'w Said,
    text: &'w str,
    stamps: Stamps<'s>,
    behaviour: &'w Behaviour,
    out: Sheet,
    facts: Facts,
}

impl Writer<'_, '_> {
    /// An object; how many levels it has.
    fn object(&mut self, first: usize) -> usize {
        self.out.open();
        let mut depth = 0;
        let mut at = first;
        while let Some(node) = self.said.nodes.get(at) {
            let member = self.out.begin(self.said.text(self.text, node.name));
            depth = depth.max(1 + self.value(node));
            self.out.finish(member);
            at = node.next;
        }
        self.out.close();
        depth
    }

    fn value(&mut self, node: &Node) -> usize {
        let arrays = self.behaviour.arrays_are_levels;
        let text = match node.kind {
            Kind::Object(first) => return self.object(first),
            Kind::Array(at) => {
                let Some(value) = self.said.arrays.get(at) else {
                    return 0;
                };
                write::value(&mut self.out.state, value);
                self.stamps.value(&mut self.out.metadata, value);
                self.facts.array(value, self.behaviour);
                return value.depth(arrays);
            }
            Kind::Null | Kind::Scalar | Kind::Plain(_) => self.said.text(self.text, node.value),
        };
        self.out.state.push_str(text);
        match node.kind {
            Kind::Plain(count) => {
                self.stamps.leaves(&mut self.out.metadata, count);
                return usize::from(arrays && count > 0);
            }
            Kind::Null => self.facts.nulls = true,
            Kind::Scalar | Kind::Array(_) | Kind::Object(_) => {
                self.facts.large_integer |=
                    self.behaviour.integers == IntegerRange::Bits64 && is_large(text);
            }
        }
        self.stamps.leaf(&mut self.out.metadata);
        0
    }
}

impl Facts {
    fn array(&mut self, value: &Value, behaviour: &Behaviour) {
        let elements_only = behaviour.null_in_array_object != NullInArrayObject::Reject;
        self.nulls |= has_null(value, false);
        self.refused_null |= has_null(value, elements_only);
        self.large_integer |= behaviour.integers == IntegerRange::Bits64 && large_integer(value);
    }
}

/// Whether there is a null inside an array: an element, or else a member of an object, too.
fn has_null(value: &Value, elements_only: bool) -> bool {
    let inside = |value| has_null(value, elements_only);
    match value {
        Value::Leaf(..) => false,
        Value::Array(elements) => elements
            .iter()
            .any(|value| value.is_null() || inside(value)),
        Value::Object(object) => object
            .iter()
            .any(|(_, value)| !elements_only && value.is_null() || inside(value)),
    }
}

/// Whether an integer somewhere in `value` does not fit 64 bits.
fn large_integer(value: &Value) -> bool {
    match value {
        Value::Leaf(Scalar::Number(number), ()) => is_large(number.as_str()),
        Value::Leaf(..) => false,
        Value::Array(elements) => elements.iter().any(large_integer),
        Value::Object(object) => object.iter().any(|(_, value)| large_integer(value)),
    }
}

/// Whether a scalar is an integer that does not fit 64 bits.
fn is_large(text: &str) -> bool {
    text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
        && !text.contains(['.', 'e', 'E'])
        && text.parse::<i64>().is_err()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::stamps;
    use shadow_proto::Timestamp;

    /// A text as a sheet, all of it written at this time.
    pub(crate) fn sheet(text: &str, seconds: u64, behaviour: &Behaviour) -> (Sheet, Facts) {
        let mut said = Said::default();
        let mut reader = Reader::new(text);
        let Ok(Root::Object(head)) = said.read(&mut reader) else {
            panic!("{text}");
        };
        let always = stamps::always(Timestamp::from_seconds(seconds));
        said.write(text, head, &always, behaviour)
    }

    #[test]
    fn what_is_written_is_compact_and_sorted() {
        for (text, state, metadata) in [
            ("{ }", "{}", "{}"),
            (
                r#" { "b" : 1 , "a" : [ 2 , "x" ], "" : { "z":null,"é":[] } } "#,
                r#"{"":{"z":null,"é":[]},"a":[2,"x"],"b":1}"#,
                r#"{"":{"z":@,"é":[]},"a":[@,@],"b":@}"#,
            ),
            (
                r#"{"a\u000a":"\ud83d\udd27\/","a\"":1,"\u0061":[true,"\u0062"]}"#,
                r#"{"a":[true,"b"],"a\"":1,"a\n":"🔧/"}"#,
                r#"{"a":[@,@],"a\"":@,"a\n":@}"#,
            ),
            (
                r#"{"a":[[1],{"c":null,"b":{}},-1.5e3],"timestamp":{"timestamp":1}}"#,
                r#"{"a":[[1],{"b":{},"c":null},-1.5e3],"timestamp":{"timestamp":1}}"#,
                r#"{"a":[[@],{"b":{},"c":@},@],"timestamp":{"timestamp":@}}"#,
            ),
            (
                r#"{"sixteen_letters_b":1,"sixteen_letters_a":2,"sixteen_letters_":3,"sixteen":4}"#,
                r#"{"sixteen":4,"sixteen_letters_":3,"sixteen_letters_a":2,"sixteen_letters_b":1}"#,
                r#"{"sixteen":@,"sixteen_letters_":@,"sixteen_letters_a":@,"sixteen_letters_b":@}"#,
            ),
            (
                r#"{"a":[null],"b":{"x":1,"y":2,"x":[3]},"a":4,"b":{},"a":5}"#,
                r#"{"a":5,"b":{}}"#,
                r#"{"a":@,"b":{}}"#,
            ),
        ] {
            let (sheet, _) = sheet(text, 7, &Behaviour::default());
            assert_eq!(sheet.state, state);
            assert_eq!(sheet.metadata, metadata.replace('@', r#"{"timestamp":7}"#));
            sheet.check();
            // What is written is read as the same.
            assert_eq!(tests::sheet(state, 7, &Behaviour::default()).0, sheet);
        }
    }

    #[test]
    fn what_is_seen_is_of_what_stays() {
        let behaviour = Behaviour {
            integers: IntegerRange::Bits64,
            ..Behaviour::default()
        };
        for (text, expected) in [
            ("{}", (false, false, false, 0)),
            (r#"{"a":{"b":{}}}"#, (false, false, false, 2)),
            (r#"{"a":{"b":[]}}"#, (false, false, false, 2)),
            (r#"{"a":[1]}"#, (false, false, false, 2)),
            (r#"{"a":[[[1]]]}"#, (false, false, false, 4)),
            (r#"{"a":null}"#, (true, false, false, 1)),
            (r#"{"a":[{"b":null}]}"#, (true, false, false, 3)),
            (r#"{"a":[null]}"#, (true, true, false, 2)),
            (r#"{"a":[{"b":[null]}]}"#, (true, true, false, 4)),
            (r#"{"a":[null],"a":1}"#, (false, false, false, 1)),
            (r#"{"a":9223372036854775807}"#, (false, false, false, 1)),
            (r#"{"a":9223372036854775808}"#, (false, false, true, 1)),
            (r#"{"a":[9223372036854775808]}"#, (false, false, true, 2)),
            (r#"{"a":["9223372036854775808"]}"#, (false, false, false, 2)),
            (r#"{"a":1e999}"#, (false, false, false, 1)),
        ] {
            let (_, facts) = sheet(text, 7, &behaviour);
            let Facts {
                nulls,
                refused_null,
                large_integer,
                depth,
                times_fit: _,
            } = facts;
            let found = (nulls, refused_null, large_integer, depth);
            assert_eq!(found, expected, "{text}");
        }
        let behaviour = Behaviour {
            arrays_are_levels: false,
            null_in_array_object: NullInArrayObject::Reject,
            ..Behaviour::default()
        };
        let (_, facts) = sheet(r#"{"a":[[{"b":null}]]}"#, 7, &behaviour);
        assert!(facts.refused_null);
        assert_eq!(facts.depth, 2);
    }
}
