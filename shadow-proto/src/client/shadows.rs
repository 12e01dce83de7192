//! The shadows and things of a client, by handle and by name.

use super::{
    ShadowOptions,
    index::{self, Index},
    requests::Queues,
    versions::Versions,
};
use crate::{
    document::Delta,
    event::{Origin, RequestId, ShadowHandle},
    json::Json,
    name::ShadowId,
    request::Interest,
    time::Instant,
    topic::Operation,
};
use alloc::{boxed::Box, vec::Vec};

/// One shadow. Kept small: a fleet back end may hold very many that are idle.
///
/// The fields stand in this order so that a message for any of them loads two lines of the cache
/// here, and a line each for its place in the index and for its name: `a_message_reads_two_lines`.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Shadow {
    pub(crate) id: ShadowId,
    /// The get that fetches its document.
    pub(crate) resync: Option<RequestId>,
    pub(crate) interest: Interest,
    /// What operations have used and keep.
    pub(crate) used: Interest,
    pub(crate) granted: Interest,
    /// In a SUBSCRIBE that is not answered.
    pub(crate) asked: Interest,
    pub(crate) refused: Interest,
    /// In an UNSUBSCRIBE that is not answered.
    pub(crate) leaving: Interest,
    /// Neither granted nor certainly not subscribed: a SUBSCRIBE or UNSUBSCRIBE was not answered.
    /// Wanted, it is asked for; unwanted, it is given up.
    pub(crate) unsure: Interest,
    /// Whether one filter takes both answers to get, and to delete.
    pub(crate) wildcard: bool,
    /// How many filters it takes of the budget.
    pub(crate) filters: u8,
    /// Whether the planner is to look at it.
    pub(crate) dirty: bool,
    /// How often in a row a SUBSCRIBE or a resync failed.
    pub(crate) failures: u8,
    /// Whether it was ready once: reports are gated no longer.
    pub(crate) ready: bool,
    /// Whether `Ready` is owed once all filters are granted, without a get.
    pub(crate) ready_due: bool,
    /// Whether the application asked for the get that fetches its document.
    pub(crate) resync_asked: bool,
    /// Whether its document is still to be fetched: the get failed, or was not made yet.
    pub(crate) unsynced: bool,
    pub(crate) versions: Versions,
    // Below, what an idle shadow's message does not need.
    pub(crate) options: Option<Box<ShadowOptions>>,
    /// No SUBSCRIBE before this time.
    pub(crate) resubscribe_at: Option<Instant>,
    /// When the get that fetches its document is made.
    pub(crate) resync_at: Option<Instant>,
    /// When one was last made.
    pub(crate) resynced_at: Option<Instant>,
    /// The newest delta that came before the document.
    pub(crate) held: Option<Box<Held>>,
    /// The newest update that may be merged with a newer one.
    pub(crate) latest: Option<RequestId>,
    pub(crate) thing: u32,
    /// Unfinished requests of each operation that need its filters.
    pub(crate) users: [u32; 3],
}

/// A delta that waits for the document.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) delta: Delta,
    pub(crate) origin: Origin,
    pub(crate) payload: Option<Json>,
    /// The shadow's epoch: of an earlier one it is void.
    pub(crate) epoch: u32,
}

/// What the shadows of one thing share: the service counts requests by thing.
#[derive(Debug, Default)]
pub(crate) struct Thing {
    pub(crate) name: Box<str>,
    pub(crate) shadows: u32,
    pub(crate) in_flight: u32,
    /// When the bucket of its rate is full again.
    pub(crate) bucket: Instant,
    /// After a 429 nothing is sent before this time.
    pub(crate) paused_until: Instant,
    pub(crate) queues: Option<Box<Queues>>,
}

#[derive(Debug, Default)]
pub(crate) struct Shadows {
    slots: Vec<Slot>,
    free: Vec<u32>,
    by_name: Index,
    things: Vec<Thing>,
    free_things: Vec<u32>,
    by_thing: Index,
}

/// At the start of a line of the cache, which has 64 bytes on most processors.
#[derive(Debug, Default)]
#[repr(C, align(64))]
struct Slot {
    generation: u32,
    shadow: Option<Shadow>,
}

impl Shadows {
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(crate) fn find(&self, thing: &str, shadow: Option<&str>) -> Option<ShadowHandle> {
        let slot = self.by_name.find(index::hash(thing, shadow), |slot| {
            let entry = self
                .slots
                .get(slot as usize)
                .and_then(|entry| entry.shadow.as_ref());
            entry.is_some_and(|entry| entry.id.is(thing, shadow))
        })?;
        let generation = self.slots.get(slot as usize)?.generation;
        Some(ShadowHandle { slot, generation })
    }

    pub(crate) fn insert(&mut self, id: ShadowId, interest: Interest) -> ShadowHandle {
        let thing = self.join_thing(id.thing());
        let hash = index::hash(id.thing(), id.shadow());
        let shadow = Shadow {
            id,
            thing,
            options: None,
            interest,
            used: Interest::NONE,
            granted: Interest::NONE,
            asked: Interest::NONE,
            refused: Interest::NONE,
            leaving: Interest::NONE,
            unsure: Interest::NONE,
            wildcard: false,
            filters: 0,
            dirty: false,
            failures: 0,
            ready: false,
            ready_due: false,
            users: [0; 3],
            resubscribe_at: None,
            resync: None,
            resync_asked: false,
            resync_at: None,
            unsynced: false,
            resynced_at: None,
            held: None,
            latest: None,
            versions: Versions::default(),
        };
        let slot = self.free.pop().unwrap_or_else(|| {
            push(&mut self.slots, Slot::default());
            (self.slots.len() - 1) as u32
        });
        self.by_name.insert(hash, slot);
        let mut generation = 0;
        if let Some(entry) = self.slots.get_mut(slot as usize) {
            entry.shadow = Some(shadow);
            generation = entry.generation;
        }
        ShadowHandle { slot, generation }
    }

    pub(crate) fn remove(&mut self, handle: ShadowHandle) -> Option<Shadow> {
        let entry = self.slots.get_mut(handle.slot as usize)?;
        if entry.generation != handle.generation {
            return None;
        }
        let shadow = entry.shadow.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(handle.slot);
        self.by_name.remove(
            index::hash(shadow.id.thing(), shadow.id.shadow()),
            handle.slot,
        );
        self.leave_thing(shadow.thing);
        Some(shadow)
    }

    pub(crate) fn get(&self, handle: ShadowHandle) -> Option<&Shadow> {
        let entry = self.slots.get(handle.slot as usize)?;
        entry
            .shadow
            .as_ref()
            .filter(|_| entry.generation == handle.generation)
    }

    pub(crate) fn get_mut(&mut self, handle: ShadowHandle) -> Option<&mut Shadow> {
        let entry = self.slots.get_mut(handle.slot as usize)?;
        entry
            .shadow
            .as_mut()
            .filter(|_| entry.generation == handle.generation)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (ShadowHandle, &Shadow)> {
        self.slots.iter().enumerate().filter_map(|(slot, entry)| {
            let handle = ShadowHandle {
                slot: slot as u32,
                generation: entry.generation,
            };
            entry.shadow.as_ref().map(|shadow| (handle, shadow))
        })
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Shadow> {
        self.slots
            .iter_mut()
            .filter_map(|entry| entry.shadow.as_mut())
    }

    pub(crate) fn handles(&self) -> Vec<ShadowHandle> {
        self.iter().map(|(handle, _)| handle).collect()
    }

    pub(crate) fn thing(&self, thing: u32) -> Option<&Thing> {
        self.things.get(thing as usize)
    }

    pub(crate) fn thing_mut(&mut self, thing: u32) -> Option<&mut Thing> {
        self.things.get_mut(thing as usize)
    }

    #[cfg(any(test, fuzzing, debug_assertions))]
    pub(crate) fn things(&self) -> impl Iterator<Item = &Thing> {
        self.things.iter()
    }

    fn join_thing(&mut self, name: &str) -> u32 {
        let hash = index::hash(name, None);
        let known = self.by_thing.find(hash, |thing| {
            self.things
                .get(thing as usize)
                .is_some_and(|thing| &*thing.name == name)
        });
        let thing = known.unwrap_or_else(|| {
            let thing = self.free_things.pop().unwrap_or_else(|| {
                push(&mut self.things, Thing::default());
                (self.things.len() - 1) as u32
            });
            self.by_thing.insert(hash, thing);
            if let Some(entry) = self.things.get_mut(thing as usize) {
                *entry = Thing {
                    name: name.into(),
                    ..Thing::default()
                };
            }
            thing
        });
        if let Some(entry) = self.things.get_mut(thing as usize) {
            entry.shadows += 1;
        }
        thing
    }

    fn leave_thing(&mut self, thing: u32) {
        let Some(entry) = self.things.get_mut(thing as usize) else {
            return;
        };
        entry.shadows -= 1;
        if entry.shadows == 0 {
            debug_assert_eq!(entry.in_flight, 0, "its requests are over");
            self.by_thing.remove(index::hash(&entry.name, None), thing);
            *entry = Thing::default();
            self.free_things.push(thing);
        }
    }
}

/// Appends to what may be very long: it grows by an eighth, not to twice its length.
fn push<T>(to: &mut Vec<T>, new: T) {
    if to.len() == to.capacity() {
        to.reserve_exact(to.len() / 8 + 4);
    }
    to.push(new);
}

/// The topics on which requests of an operation are answered.
pub(crate) const fn answers(operation: Operation) -> Interest {
    match operation {
        Operation::Get => Interest::GET,
        Operation::Update => Interest::UPDATE,
        Operation::Delete => Interest::DELETE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn a_message_reads_two_lines() {
        use core::mem::{offset_of, size_of};
        assert_eq!(size_of::<Slot>(), 4 * 64);
        // The option takes no room of its own.
        let shadow = offset_of!(Slot, shadow);
        let versions = shadow + offset_of!(Shadow, versions);
        assert!(shadow + offset_of!(Shadow, unsynced) < versions);
        assert_eq!(
            versions + Versions::HOT,
            2 * 64,
            "with them the second line ends"
        );
    }

    #[test]
    fn things_that_come_and_go_leave_nothing_behind() {
        let mut shadows = Shadows::default();
        for n in 0..100 {
            let thing = format!("lamp-{n}");
            let classic = ShadowId::classic(&thing).unwrap();
            let named = ShadowId::named(&thing, "config").unwrap();
            let first = shadows.insert(classic.clone(), Interest::NONE);
            let second = shadows.insert(named, Interest::NONE);
            assert_eq!(shadows.len(), 2);
            let of = |handle| shadows.get(handle).map(|shadow| shadow.thing);
            assert_eq!(of(first), of(second), "two shadows of one thing");
            assert!(shadows.remove(first).is_some());
            assert!(shadows.remove(first).is_none(), "a handle is good once");
            assert_eq!(shadows.find(&thing, None), None);
            assert_eq!(shadows.find(&thing, Some("config")), Some(second));
            assert!(shadows.remove(second).is_some());
            assert_eq!(shadows.len(), 0);
            assert_eq!((shadows.slots.len(), shadows.things.len()), (2, 1));
        }
    }
}
