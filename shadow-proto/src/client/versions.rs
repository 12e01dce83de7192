//! Which messages of a shadow are news: watermarks per topic, and epochs.
//!
//! AWS advises to discard what is older than the newest version seen ("Device Shadow service:
//! message order"). A version is compared within an epoch only, for a shadow that was deleted
//! and made anew may count from one again.

use crate::{time::Timestamp, wire::Version};
use core::{cmp::Ordering, time::Duration};
use serde::{Deserialize, Serialize};

/// What is known of one shadow's versions. In this order since a delta reads no more than `HOT`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[repr(C)]
pub(crate) struct Versions {
    /// The newest version seen in this epoch on any topic, and the latest time.
    pub(crate) newest: Option<(u64, u64)>,
    /// The newest delta delivered.
    pub(crate) delta: Option<u64>,
    /// When the count began anew: what is older is of the old shadow, whatever its version.
    #[serde(default)]
    pub(crate) since: u64,
    /// Counts the deletes seen.
    pub(crate) epoch: u32,
    /// A delete was seen and nothing of a new shadow yet: `newest` is of the old one.
    pub(crate) deleted: bool,
    /// The newest documents delivered.
    pub(crate) documents: Option<u64>,
    /// The newest accepted update of another client delivered, and which of the 64 versions up to
    /// it: these answers are not cumulative, so an older one that was not seen is still news.
    pub(crate) updates: (u64, u64),
    /// The version that was deleted last, if the count went on from there: what is not above it
    /// is of the old shadow.
    #[serde(default)]
    pub(crate) floor: u64,
    /// The newest version whose whole document was fetched.
    #[serde(default)]
    pub(crate) settled: u64,
}

/// Whether a message is to be delivered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    New,
    Duplicate,
    Old,
    /// A delta not delivered yet, older than an answer: it may be void, or the only word of a
    /// difference that remains.
    Overtaken,
    /// A delta of a lower version and a later time: of a skewed clock, or of a shadow that counts
    /// from one again though no delete was seen. A get tells.
    Younger,
}

/// Where a message comes from, as far as it matters for its version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Trust {
    /// The answer to a request of ours that was sent in the current epoch: it cannot be of an
    /// older one.
    Ours,
    /// Anything else.
    Other,
}

/// What the time of a message is the time of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Dates {
    /// Its version: delta, documents, the answer to an update.
    Version,
    /// The answer, however old the version: the answer to a get.
    Answer,
}

/// The times that tell epochs apart; see [`Config`](crate::Config).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gaps {
    pub(crate) epoch: Duration,
    pub(crate) skew: Duration,
}

impl Versions {
    /// How many bytes at the beginning a delta that is news needs.
    #[cfg(test)]
    pub(crate) const HOT: usize = core::mem::offset_of!(Self, documents);

    pub(crate) fn delta(
        &mut self,
        version: Version,
        timestamp: Option<Timestamp>,
        gaps: Gaps,
    ) -> Verdict {
        let deleted = self.deleted;
        let later = self.is_later(timestamp);
        if self.observe(version, timestamp, Trust::Other, Dates::Version, gaps) == Verdict::Old {
            let past = deleted || self.is_past(version, timestamp, gaps);
            let number = version.number();
            return match self.delta {
                _ if later => Verdict::Younger,
                _ if past || number <= self.settled => Verdict::Old,
                seen => match seen.map(|seen| number.cmp(&seen)) {
                    Some(Ordering::Less) => Verdict::Old,
                    Some(Ordering::Equal) => Verdict::Duplicate,
                    // An answer came first. Whether the difference remains is unknown: the update
                    // answered has a delta of its own if the service tells every time.
                    Some(Ordering::Greater) | None => Verdict::Overtaken,
                },
            };
        }
        // Of the same version as an answer it is news.
        raise(&mut self.delta, version.number())
    }

    /// The whole document was fetched, its delta included: older deltas are void.
    pub(crate) fn settle(&mut self, version: Version) {
        let version = version.number();
        if self.newest.is_none_or(|(newest, _)| version >= newest) {
            self.settled = self.settled.max(version);
        }
    }

    /// A delta that was overtaken is delivered all the same.
    pub(crate) fn let_through(&mut self, version: Version) {
        raise(&mut self.delta, version.number());
    }

    pub(crate) fn documents(
        &mut self,
        version: Version,
        timestamp: Option<Timestamp>,
        gaps: Gaps,
    ) -> Verdict {
        let deleted = self.deleted;
        match self.observe(version, timestamp, Trust::Other, Dates::Version, gaps) {
            Verdict::Old if deleted || self.is_past(version, timestamp, gaps) => Verdict::Old,
            Verdict::Old
            | Verdict::New
            | Verdict::Duplicate
            | Verdict::Overtaken
            | Verdict::Younger => raise(&mut self.documents, version.number()),
        }
    }

    /// An accepted update of another client.
    pub(crate) fn update(
        &mut self,
        version: Version,
        timestamp: Option<Timestamp>,
        gaps: Gaps,
    ) -> Verdict {
        let deleted = self.deleted;
        let verdict = self.observe(version, timestamp, Trust::Other, Dates::Version, gaps);
        let past = deleted || self.is_past(version, timestamp, gaps);
        if verdict == Verdict::Old && past {
            return Verdict::Old;
        }
        let (newest, seen) = &mut self.updates;
        let version = version.number();
        if version > *newest {
            let ahead = u32::try_from(version - *newest).unwrap_or(u32::MAX);
            *seen = seen.checked_shl(ahead).unwrap_or(0) + 1;
            *newest = version;
            return Verdict::New;
        }
        let Some(bit) = u32::try_from(*newest - version)
            .ok()
            .and_then(|age| 1_u64.checked_shl(age))
        else {
            return Verdict::Old;
        };
        if *seen & bit != 0 {
            return Verdict::Duplicate;
        }
        *seen |= bit;
        Verdict::New
    }

    /// From these versions on nothing was delivered after all: it is news once more.
    pub(crate) fn untell(&mut self, delta: Option<u64>, documents: Option<u64>) {
        let before = |version: u64| version.saturating_sub(1);
        self.delta = delta.map(before).or(self.delta);
        self.documents = documents.map(before).or(self.documents);
    }

    /// The newest version of the shadow that is there, as far as is known.
    pub(crate) fn known(&self) -> Option<u64> {
        let newest = self.newest.filter(|_| !self.deleted);
        newest.map(|(version, _)| version)
    }

    /// Takes note of a version, whatever the topic. `Old` if a newer one was seen before.
    pub(crate) fn observe(
        &mut self,
        version: Version,
        timestamp: Option<Timestamp>,
        trust: Trust,
        dates: Dates,
        gaps: Gaps,
    ) -> Verdict {
        let version = version.number();
        let seconds = timestamp.map_or(0, Timestamp::seconds);
        let Some((newest, latest)) = self.newest else {
            self.newest = Some((version, seconds));
            self.deleted = false;
            return Verdict::New;
        };
        let later = seconds.saturating_sub(latest);
        if self.is_before(timestamp, gaps) {
            return Verdict::Old;
        }
        if version > newest {
            self.newest = Some((version, latest.max(seconds)));
            self.deleted = false;
            return Verdict::New;
        }
        // The deleted shadow may have been read long after its last version, so when it was read
        // does not say that it is another.
        let dated = dates == Dates::Version;
        let anew = if self.deleted {
            trust == Trust::Ours || (dated && later > gaps.skew.as_secs())
        } else {
            let lower = version < newest || (version == newest && dated);
            lower && later >= gaps.epoch.as_secs()
        };
        if anew {
            if !self.deleted {
                self.epoch = self.epoch.wrapping_add(1);
            }
            let epoch = self.epoch;
            *self = Self {
                newest: Some((version, seconds)),
                epoch,
                since: seconds,
                ..Self::default()
            };
            return Verdict::New;
        }
        if self.deleted || version < newest {
            return Verdict::Old;
        }
        self.newest = Some((newest, latest.max(seconds)));
        Verdict::Duplicate
    }

    /// A get of ours was answered with a lower version than was known when it was sent. Requests
    /// on a shadow are served in order, so it is another shadow now: a new epoch begins.
    pub(crate) fn begin_anew(&mut self, version: Version, timestamp: Option<Timestamp>) {
        let seconds = timestamp.map_or(0, Timestamp::seconds);
        *self = Self {
            newest: Some((version.number(), seconds)),
            epoch: self.epoch.wrapping_add(1),
            since: seconds,
            ..Self::default()
        };
    }

    /// Whether a message is later than everything seen, by the service's clock.
    pub(crate) fn is_later(&self, timestamp: Option<Timestamp>) -> bool {
        let latest = self.newest.map_or(0, |(_, latest)| latest);
        timestamp.is_some_and(|time| time.seconds() > latest)
    }

    /// The shadow is gone: a new epoch begins. `version` is the one deleted, if it is known.
    /// Whether that is news.
    pub(crate) fn delete(
        &mut self,
        version: Option<Version>,
        timestamp: Option<Timestamp>,
        gaps: Gaps,
    ) -> bool {
        if self.is_before(timestamp, gaps) {
            return false;
        }
        let (newest, latest) = self.newest.unwrap_or_default();
        let version = version.map_or(newest, Version::number);
        let seconds = timestamp.map_or(0, Timestamp::seconds);
        if self.deleted && version == newest {
            // Known already, perhaps from a get, which does not say when it was.
            self.newest = Some((version, latest.max(seconds)));
            return false;
        }
        if version < newest {
            // Overtaken by messages of the shadow that was made anew since.
            return false;
        }
        self.newest = Some((version, latest.max(seconds)));
        self.deleted = true;
        self.floor = version;
        self.epoch = self.epoch.wrapping_add(1);
        true
    }
}

impl Versions {
    /// Whether a message is of a shadow that was deleted since.
    fn is_past(&self, version: Version, timestamp: Option<Timestamp>, gaps: Gaps) -> bool {
        version.number() <= self.floor || self.is_before(timestamp, gaps)
    }

    /// Whether a message is older than the shadow that counts from one again.
    fn is_before(&self, timestamp: Option<Timestamp>, gaps: Gaps) -> bool {
        let skew = gaps.skew.as_secs();
        timestamp.is_some_and(|time| time.seconds().saturating_add(skew) < self.since)
    }
}

fn raise(watermark: &mut Option<u64>, version: u64) -> Verdict {
    match watermark.map(|seen| version.cmp(&seen)) {
        Some(Ordering::Less) => Verdict::Old,
        Some(Ordering::Equal) => Verdict::Duplicate,
        Some(Ordering::Greater) | None => {
            *watermark = Some(version);
            Verdict::New
        }
    }
}

#[cfg(test)]
mod tests;
