//! A state and its metadata as text, and where the members of their objects stand in it.

use alloc::{string::String, vec::Vec};
use core::cmp::Ordering;

/// The compact JSON text of a state, and of the metadata that mirrors it: the same shape, with
/// `{"timestamp": seconds}` for every leaf.
///
/// What is answered, stored and compared is this text. The index says where each member of
/// each object is (arrays are replaced whole, so they have none), in the order of the text;
/// the members of an object stand in the order of their names as JSON writes them. So what an
/// update leaves alone is copied as it is, and nothing is ever put together from parts.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Sheet {
    pub(crate) state: String,
    pub(crate) metadata: String,
    pub(crate) members: Vec<Member>,
}

/// Where a member of an object is, in bytes of the two texts.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Member {
    /// Its name, with the quote before it. Metadata has the same name.
    pub(crate) name: usize,
    /// Its value, which one colon parts from its name.
    pub(crate) value: usize,
    pub(crate) end: usize,
    /// Its value's metadata.
    pub(crate) metadata: usize,
    pub(crate) metadata_end: usize,
    /// The place in the index of what follows it and is not inside it.
    pub(crate) next: usize,
}

impl Member {
    const fn metadata_name(&self) -> usize {
        self.metadata.saturating_sub(self.value - self.name)
    }
}

/// The length of a sheet, to come back to.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    state: usize,
    metadata: usize,
    members: usize,
}

impl Sheet {
    /// Nothing at all yet, with room for so much.
    pub(crate) fn with_capacity(state: usize, metadata: usize, members: usize) -> Self {
        Self {
            state: String::with_capacity(state),
            metadata: String::with_capacity(metadata),
            members: Vec::with_capacity(members),
        }
    }

    /// The same, in this one's place if that has the room, and not far too much.
    pub(crate) fn anew(mut self, state: usize, metadata: usize, members: usize) -> Self {
        let fits = |room: usize, wanted| room >= wanted && room / 2 <= wanted;
        if fits(self.state.capacity(), state)
            && fits(self.metadata.capacity(), metadata)
            && fits(self.members.capacity(), members)
        {
            self.state.clear();
            self.metadata.clear();
            self.members.clear();
            return self;
        }
        Self::with_capacity(state, metadata, members)
    }

    /// An object without members.
    pub(crate) fn empty() -> Self {
        Self {
            state: "{}".into(),
            metadata: "{}".into(),
            members: Vec::new(),
        }
    }

    /// Begins an object, whose members follow.
    pub(crate) fn open(&mut self) {
        self.state.push('{');
        self.metadata.push('{');
    }

    pub(crate) fn close(&mut self) {
        self.state.push('}');
        self.metadata.push('}');
    }

    /// Begins a member; `name` has its quotes and its colon. Its value and its metadata are pushed
    /// next, then comes [`finish`](Self::finish) with what this returns.
    pub(crate) fn begin(&mut self, name: &str) -> usize {
        self.begin_with(name, name)
    }

    /// The same, its value being pushed with its name, in one: `both`.
    pub(crate) fn begin_with(&mut self, name: &str, both: &str) -> usize {
        self.comma();
        let place = self.state.len();
        self.state.push_str(both);
        self.metadata.push_str(name);
        self.members.push(Member {
            name: place,
            value: place + name.len(),
            metadata: self.metadata.len(),
            ..Member::default()
        });
        self.members.len() - 1
    }

    pub(crate) fn finish(&mut self, member: usize) {
        let next = self.members.len();
        let (end, metadata_end) = (self.state.len(), self.metadata.len());
        if let Some(member) = self.members.get_mut(member) {
            member.end = end;
            member.metadata_end = metadata_end;
            member.next = next;
        }
    }

    fn comma(&mut self) {
        // After a value there is something else: a string's last byte is its quote.
        if self.state.as_bytes().last() != Some(&b'{') {
            self.state.push(',');
            self.metadata.push(',');
        }
    }

    /// Appends the members that `run` has left before `end`, a place in the index of `of`.
    pub(crate) fn append(&mut self, of: &Self, run: Siblings, end: usize) {
        let Some(first) = run.peek(of) else {
            return;
        };
        if run.at >= end {
            return;
        }
        self.comma();
        let (state_end, metadata_end) = match of.members.get(end) {
            Some(next) if end < run.end => (next.name - 1, next.metadata_name() - 1),
            Some(_) | None => run.close,
        };
        let metadata = first.metadata_name();
        // How far everything moves. It may be to the front, so it wraps, and so do the sums.
        let moved = self.state.len().wrapping_sub(first.name);
        let metadata_moved = self.metadata.len().wrapping_sub(metadata);
        let index_moved = self.members.len().wrapping_sub(run.at);
        let text = of.state.get(first.name..state_end);
        self.state.push_str(text.unwrap_or_default());
        let text = of.metadata.get(metadata..metadata_end);
        self.metadata.push_str(text.unwrap_or_default());
        let members = of.members.get(run.at..end).unwrap_or_default();
        self.members.extend(members.iter().map(|member| Member {
            name: member.name.wrapping_add(moved),
            value: member.value.wrapping_add(moved),
            end: member.end.wrapping_add(moved),
            metadata: member.metadata.wrapping_add(metadata_moved),
            metadata_end: member.metadata_end.wrapping_add(metadata_moved),
            next: member.next.wrapping_add(index_moved),
        }));
    }

    /// Whether two have the same members, whatever their values are.
    pub(crate) fn has_members_of(&self, other: &Self) -> bool {
        let same = |(a, b): (&Member, &Member)| {
            a.next == b.next && self.name_bytes(a) == other.name_bytes(b)
        };
        self.members.len() == other.members.len()
            && self.members.iter().zip(&other.members).all(same)
    }

    fn name_bytes(&self, member: &Member) -> &[u8] {
        let name = self.state.as_bytes().get(member.name..member.value);
        name.unwrap_or_default()
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark {
            state: self.state.len(),
            metadata: self.metadata.len(),
            members: self.members.len(),
        }
    }

    /// Forgets what was written since.
    pub(crate) fn back_to(&mut self, mark: Mark) {
        self.state.truncate(mark.state);
        self.metadata.truncate(mark.metadata);
        self.members.truncate(mark.members);
    }

    /// The members of the state itself.
    pub(crate) fn top(&self) -> Siblings {
        Siblings {
            at: 0,
            end: self.members.len(),
            close: (
                self.state.len().saturating_sub(1),
                self.metadata.len().saturating_sub(1),
            ),
        }
    }

    /// The members of the member at this place in the index, which is an object.
    pub(crate) fn inside(&self, at: usize) -> Siblings {
        let parent = self.member(at);
        Siblings {
            at: at + 1,
            end: parent.next,
            close: (
                parent.end.saturating_sub(1),
                parent.metadata_end.saturating_sub(1),
            ),
        }
    }

    /// That member alone.
    pub(crate) fn alone(&self, at: usize) -> Siblings {
        let member = self.member(at);
        Siblings {
            at,
            end: member.next,
            close: (member.end, member.metadata_end),
        }
    }

    pub(crate) fn member(&self, at: usize) -> Member {
        self.members.get(at).copied().unwrap_or_default()
    }

    /// The member of the state that has this name.
    pub(crate) fn section(&self, name: &str) -> Option<usize> {
        let mut sections = self.top();
        while let Some(member) = sections.peek(self) {
            if self.bare_name(member) == name.as_bytes() {
                return Some(sections.at);
            }
            sections.skip(member);
        }
        None
    }

    /// A name as it is written, with its quotes and its colon.
    pub(crate) fn name(&self, member: &Member) -> &str {
        self.state
            .get(member.name..member.value)
            .unwrap_or_default()
    }

    /// A name as it is written, but for its quotes: what the members of an object are ordered by.
    pub(crate) fn bare_name(&self, member: &Member) -> &[u8] {
        let place = member.name + 1..member.value.saturating_sub(2);
        self.state.as_bytes().get(place).unwrap_or_default()
    }

    pub(crate) fn value(&self, member: &Member) -> &str {
        self.state.get(member.value..member.end).unwrap_or_default()
    }

    pub(crate) fn value_metadata(&self, member: &Member) -> &str {
        let place = member.metadata..member.metadata_end;
        self.metadata.get(place).unwrap_or_default()
    }

    /// The first byte of a value says what it is.
    pub(crate) fn kind(&self, member: &Member) -> u8 {
        let first = self.state.as_bytes().get(member.value);
        first.copied().unwrap_or_default()
    }

    pub(crate) fn is_object(&self, member: &Member) -> bool {
        self.kind(member) == b'{'
    }
}

/// Members of one object that are still to come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Siblings {
    /// The place in the index of the next.
    pub(crate) at: usize,
    /// That of what follows the object.
    pub(crate) end: usize,
    /// Where the object's last brace is in both texts.
    close: (usize, usize),
}

impl Siblings {
    /// Those of no object.
    pub(crate) const NONE: Self = Self {
        at: 0,
        end: 0,
        close: (0, 0),
    };

    pub(crate) const fn is_empty(self) -> bool {
        self.at >= self.end
    }

    /// The next one.
    pub(crate) fn peek(self, of: &Sheet) -> Option<&Member> {
        of.members.get(self.at).filter(|_| self.at < self.end)
    }

    /// Goes past `member`, which is the next one.
    pub(crate) const fn skip(&mut self, member: &Member) {
        self.at = member.next;
    }

    /// The member called `name`, if all before it are passed by; then it is passed, too.
    pub(crate) fn find(&mut self, of: &Sheet, name: &[u8]) -> Option<usize> {
        while let Some(member) = self.peek(of) {
            let at = self.at;
            match of.bare_name(member).cmp(name) {
                Ordering::Less => self.skip(member),
                Ordering::Equal => {
                    self.skip(member);
                    return Some(at);
                }
                Ordering::Greater => return None,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{said::tests::sheet, settings::Behaviour};

    impl Sheet {
        /// The index says what the texts say.
        pub(crate) fn check(&self) {
            let mut again = sheet(&self.state, 7, &Behaviour::default()).0;
            assert_eq!(again.state, self.state);
            // Times differ, and with them where metadata is.
            for (member, again) in self.members.iter().zip(&mut again.members) {
                let place = member.metadata_name()..member.metadata;
                assert_eq!(self.metadata.get(place), Some(self.name(member)));
                let metadata = self.value_metadata(member);
                let brackets = (metadata.get(..1), metadata.get(metadata.len() - 1..));
                let array = (Some("["), Some("]"));
                assert_eq!(brackets == array, self.kind(member) == b'[', "{metadata}");
                if !self.is_object(member) && self.kind(member) != b'[' {
                    let time = metadata.strip_prefix(r#"{"timestamp":"#).unwrap();
                    let time = time.strip_suffix('}').unwrap().parse::<u64>();
                    assert!(time.is_ok(), "{metadata}");
                }
                again.metadata = member.metadata;
                again.metadata_end = member.metadata_end;
            }
            assert_eq!(again.members, self.members);
        }
    }

    #[test]
    fn runs_of_members_are_copied() {
        let behaviour = Behaviour::default();
        let (from, _) = sheet(r#"{"a":1,"b":{"c":[2],"d":3},"e":"x"}"#, 7, &behaviour);
        for (begin, end, state) in [
            (0, 5, r#"{"a":1,"b":{"c":[2],"d":3},"e":"x"}"#),
            (0, 1, r#"{"a":1}"#),
            (1, 4, r#"{"b":{"c":[2],"d":3}}"#),
            (1, 5, r#"{"b":{"c":[2],"d":3},"e":"x"}"#),
            (4, 5, r#"{"e":"x"}"#),
            (5, 5, "{}"),
            (0, 0, "{}"),
        ] {
            let mut run = from.top();
            run.at = begin;
            let mut to = Sheet::with_capacity(0, 0, 0);
            to.open();
            to.append(&from, run, end);
            to.close();
            assert_eq!(to.state, state);
            to.check();
            assert_eq!(to, sheet(state, 7, &behaviour).0);
        }
    }

    #[test]
    fn members_are_found_in_order() {
        let (sheet, _) = sheet(r#"{"a":1,"b":{"c":2},"d":3}"#, 7, &Behaviour::default());
        let mut members = sheet.top();
        assert_eq!(members.find(&sheet, b""), None);
        assert_eq!(members.find(&sheet, b"a"), Some(0));
        assert_eq!(members.find(&sheet, b"c"), None);
        assert_eq!(members.find(&sheet, b"d"), Some(3));
        assert_eq!(members.find(&sheet, b"d"), None);
        assert_eq!(sheet.section("b"), Some(1));
        assert_eq!(sheet.section("c"), None);
    }
}
