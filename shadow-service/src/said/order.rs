//! The members of an object, linked in the order of their names.

use super::{NONE, Node, Place, Said};
use crate::parse::{ParseError, Reader};

impl Said {
    /// Whether a name goes after that of the member `last`.
    pub(super) fn follows(&self, text: &str, last: &Node, beginning: u128, name: Place) -> bool {
        last.beginning < beginning
            || last.beginning == beginning && self.bare(text, last.name) < self.bare(text, name)
    }

    /// Links members in the order of their names; of those with one name the last stays.
    pub(super) fn sort(&mut self, reader: &Reader<'_>, first: usize) -> Result<usize, ParseError> {
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
    pub(super) fn chain(&self, first: usize) -> impl Iterator<Item = (usize, &Node)> + Clone {
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
}
