//! Who wants which filter, and what the server knows about it.

use alloc::collections::BTreeMap;

use crate::{Qos, SubackCode, TopicFilter};

/// Who holds a filter: an opaque number of the caller's choosing (a shadow client, a stream of
/// the application).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Owner(u64);

impl Owner {
    /// The owner with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The caller's number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// Who subscribes again when the server lost the session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[expect(clippy::exhaustive_enums, reason = "either side does it")]
pub enum Restore {
    /// The session does, at once, and reports each filter as
    /// [`Event::Restored`](crate::Event::Restored). A request made or interrupted while there is
    /// no connection waits for the next one.
    BySession,
    /// The owner does (a shadow client keeps its own account). A lost session forgets the
    /// owner's filters; a request interrupted by the end of the connection is
    /// [`Event::SubscribeLost`](crate::Event::SubscribeLost).
    ByOwner,
}

/// Reference-counted subscriptions: several owners may hold a filter, the server hears of the
/// first hold and the last release, and of a higher quality of service.
///
/// Pure bookkeeping: it says what to send and is told what was answered. A
/// [`Session`](crate::Session) has one; it is public for drivers of other MQTT clients.
///
/// ```
/// use mqtt_session::{Hold, Owner, Qos, Release, Restore, SubackCode, Subscriptions, TopicFilter};
///
/// let (shadow, application) = (Owner::new(1), Owner::new(2));
/// let filter = TopicFilter::new("a/#")?;
/// let mut table = Subscriptions::default();
///
/// assert_eq!(table.hold(shadow, &filter, Qos::AtLeastOnce, Restore::ByOwner), Hold::Unanswered);
/// let ask = table.next_ask(&filter).expect("to be sent as a SUBSCRIBE");
/// table.answered(&filter, ask.ticket, SubackCode::GRANTED_QOS_1);
///
/// // The second owner gets the same grant; nothing is sent.
/// let hold = table.hold(application, &filter, Qos::AtLeastOnce, Restore::BySession);
/// assert_eq!(hold, Hold::Granted(SubackCode::GRANTED_QOS_1));
/// assert_eq!(table.owners("a/b"), [shadow, application]);
///
/// assert_eq!(table.release(shadow, &filter), Release::HeldByOthers);
/// assert_eq!(table.release(application, &filter), Release::Last { tell_server: true });
/// # Ok::<(), mqtt_session::TopicError>(())
/// ```
#[derive(Debug, Default)]
pub struct Subscriptions {
    /// Filters that match one topic: found by it.
    exact: BTreeMap<TopicFilter, Entry>,
    /// Filters with wildcards or of shared subscriptions: tried one by one.
    patterns: BTreeMap<TopicFilter, Entry>,
    holds: usize,
    tickets: u64,
}

/// What [`Subscriptions::hold`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "granted or not yet")]
pub enum Hold {
    /// The server has granted it before; nothing is to be sent.
    Granted(SubackCode),
    /// The answer of the server is needed: of a SUBSCRIBE underway
    /// ([`Subscriptions::ticket`]) or of the one that [`Subscriptions::next_ask`] gives.
    Unanswered,
}

/// What [`Subscriptions::release`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "these are all the cases")]
pub enum Release {
    /// The owner did not hold it.
    NotHeld,
    /// Others still do.
    HeldByOthers,
    /// Nobody does any more.
    Last {
        /// Whether the server may know the filter, so that an UNSUBSCRIBE is needed.
        tell_server: bool,
    },
}

/// One filter to subscribe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a pair with names")]
pub struct Ask {
    /// Tells this SUBSCRIBE of the filter from earlier and later ones.
    pub ticket: u64,
    /// The quality of service to ask for: the highest any owner wants.
    pub qos: Qos,
}

/// An owner's answer, from [`Subscriptions::answered`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Answer {
    /// Who waited.
    pub owner: Owner,
    /// The server's answer, no better than what the owner asked for.
    pub code: SubackCode,
    /// Who subscribes again for this owner.
    pub restore: Restore,
}

#[derive(Debug, Default)]
struct Entry {
    holders: Vec<Holder>,
    /// The server's last grant, and what it was asked for.
    granted: Option<(SubackCode, Qos)>,
    /// The newest SUBSCRIBE without an answer.
    underway: Option<Ask>,
    /// Whether a SUBSCRIBE was sent in this session of the server.
    known_to_server: bool,
}

#[derive(Debug)]
struct Holder {
    owner: Owner,
    qos: Qos,
    restore: Restore,
    /// Waits for an answer; with the quality that was granted to it before, if any.
    waiting: Option<Waiting>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Waiting {
    ticket: Option<u64>,
    before: Option<Qos>,
    /// The session asks again for what was granted and may be lost: nobody else will.
    doubted: bool,
}

impl Subscriptions {
    /// `owner` wants `filter` at this quality of service, instead of what it wanted before.
    ///
    /// An owner that wants again what it still waits for has given up on the SUBSCRIBE underway,
    /// whose SUBACK may never come: another one is needed, and all who wait wait for that.
    pub fn hold(&mut self, owner: Owner, filter: &TopicFilter, qos: Qos, restore: Restore) -> Hold {
        let entry = self.map_mut(filter).entry(filter.clone()).or_default();
        let again = |held: &Holder| {
            let waits = held.waiting.and_then(|waiting| waiting.ticket);
            held.owner == owner && waits.is_some()
        };
        if entry.holders.iter().any(again) {
            entry.underway = None;
            for held in &mut entry.holders {
                if let Some(waiting) = &mut held.waiting {
                    waiting.ticket = None;
                }
            }
        }
        let granted = entry.covering_grant(qos);
        let ticket = entry.covering_ask(qos).map(|ask| ask.ticket);
        let holder = entry.holders.iter().position(|held| held.owner == owner);
        let before = holder.and_then(|at| entry.holders.get(at)?.granted_qos());
        let waiting = match granted {
            Some(_) => None,
            None => Some(Waiting {
                ticket,
                before,
                doubted: false,
            }),
        };
        let new = Holder {
            owner,
            qos,
            restore,
            waiting,
        };
        match holder.and_then(|at| entry.holders.get_mut(at)) {
            Some(old) => *old = new,
            None => {
                entry.holders.push(new);
                self.holds += 1;
            }
        }
        granted.map_or(Hold::Unanswered, Hold::Granted)
    }

    /// The SUBSCRIBE this filter needs now, which counts as sent; `None` if it needs none: it is
    /// granted, underway, or nobody holds it.
    pub fn next_ask(&mut self, filter: &TopicFilter) -> Option<Ask> {
        let ticket = self.tickets;
        let entry = self.map_mut(filter).get_mut(filter)?;
        let qos = entry.holders.iter().map(|held| held.qos).max()?;
        let waits = entry.holders.iter().any(|held| held.waiting.is_some());
        let covered = entry.covering_grant(qos).is_some() || entry.covering_ask(qos).is_some();
        if !waits || covered {
            return None;
        }
        let ask = Ask { ticket, qos };
        entry.underway = Some(ask);
        entry.known_to_server = true;
        for waiting in entry
            .holders
            .iter_mut()
            .filter_map(|held| held.waiting.as_mut())
        {
            waiting.ticket.get_or_insert(ticket);
        }
        self.tickets += 1;
        Some(ask)
    }

    /// The SUBSCRIBE whose answer `owner` waits for, if it is underway.
    #[must_use]
    pub fn ticket(&self, owner: Owner, filter: &TopicFilter) -> Option<u64> {
        let entry = self.map(filter).get(filter)?;
        let holder = entry.holders.iter().find(|held| held.owner == owner)?;
        holder.waiting?.ticket
    }

    /// The server answered one filter of a SUBSCRIBE. Returns the owners that waited for it, each
    /// with its answer. Those refused no longer hold the filter, or hold it as before.
    pub fn answered(&mut self, filter: &TopicFilter, ticket: u64, code: SubackCode) -> Vec<Answer> {
        let Some(entry) = self.map_mut(filter).get_mut(filter) else {
            return Vec::new();
        };
        if let Some(ask) = entry.underway.take_if(|ask| ask.ticket == ticket) {
            if code.is_success() {
                entry.granted = Some((code, ask.qos));
            }
        }
        let mut answers = Vec::new();
        let before = entry.holders.len();
        entry.holders.retain_mut(|held| {
            let Some(waiting) = held
                .waiting
                .filter(|waiting| waiting.ticket == Some(ticket))
            else {
                return true;
            };
            answers.push(Answer {
                owner: held.owner,
                code: at_most(code, held.qos),
                restore: held.restore,
            });
            held.waiting = None;
            held.qos = if code.is_success() {
                held.qos
            } else {
                waiting.before.unwrap_or(held.qos)
            };
            code.is_success() || waiting.before.is_some()
        });
        let removed = before - entry.holders.len();
        self.forget(filter, removed);
        answers
    }

    /// `owner` no longer wants `filter`. After [`Release::Last`] the table has forgotten it.
    pub fn release(&mut self, owner: Owner, filter: &TopicFilter) -> Release {
        let Some(entry) = self.map_mut(filter).get_mut(filter) else {
            return Release::NotHeld;
        };
        let Some(at) = entry.holders.iter().position(|held| held.owner == owner) else {
            return Release::NotHeld;
        };
        entry.holders.remove(at);
        let last = entry.holders.is_empty();
        let tell_server = entry.known_to_server;
        self.forget(filter, 1);
        if last {
            Release::Last { tell_server }
        } else {
            Release::HeldByOthers
        }
    }

    /// The connection ended: what was underway is not answered any more. Owners that restore
    /// their own subscriptions lose what they waited for; the others go on waiting.
    pub fn handle_disconnected(&mut self) {
        self.retain(|entry| {
            entry.underway = None;
            entry.holders.retain_mut(|held| match &mut held.waiting {
                None => true,
                Some(waiting) => match (held.restore, waiting.before) {
                    (Restore::BySession, _) => {
                        waiting.ticket = None;
                        true
                    }
                    // Its owner counts on it, and knows nothing of the repetition.
                    (Restore::ByOwner, None) if waiting.doubted => {
                        waiting.ticket = None;
                        true
                    }
                    (Restore::ByOwner, Some(before)) => {
                        held.qos = before;
                        held.waiting = None;
                        true
                    }
                    (Restore::ByOwner, None) => false,
                },
            });
        });
    }

    /// The server lost the session: it knows no filter any more. Owners that restore their own
    /// subscriptions hold nothing now; the others wait for [`next_ask`](Self::next_ask) of each
    /// filter of [`unanswered`](Self::unanswered).
    pub fn handle_session_lost(&mut self) {
        self.retain(|entry| {
            entry.underway = None;
            entry.granted = None;
            entry.known_to_server = false;
            entry
                .holders
                .retain(|held| held.restore == Restore::BySession);
            for held in &mut entry.holders {
                held.waiting = Some(Waiting::default());
            }
        });
    }

    /// The server says it kept a session, but it may be another one, begun by a CONNECT whose
    /// CONNACK was lost: everybody waits for [`next_ask`](Self::next_ask) again, which does no
    /// harm if the server still knows. Who is not answered on this connection goes on waiting.
    pub fn handle_session_doubted(&mut self) {
        self.retain(|entry| {
            entry.granted = None;
            for held in &mut entry.holders {
                held.waiting = Some(Waiting {
                    doubted: true,
                    ..Waiting::default()
                });
            }
        });
    }

    /// The filters somebody waits for.
    pub fn unanswered(&self) -> impl Iterator<Item = &TopicFilter> {
        let all = self.exact.iter().chain(&self.patterns);
        all.filter(|(_, entry)| entry.holders.iter().any(|held| held.waiting.is_some()))
            .map(|(filter, _)| filter)
    }

    /// Whether anybody holds this filter.
    #[must_use]
    pub fn is_held(&self, filter: &TopicFilter) -> bool {
        self.map(filter).contains_key(filter)
    }

    /// How this owner holds this filter; `None`: not at all.
    #[must_use]
    pub fn status(&self, owner: Owner, filter: &TopicFilter) -> Option<Hold> {
        let entry = self.map(filter).get(filter)?;
        let holder = entry.holders.iter().find(|held| held.owner == owner)?;
        let grant = entry.granted.filter(|_| holder.waiting.is_none());
        Some(grant.map_or(Hold::Unanswered, |(code, _)| {
            Hold::Granted(at_most(code, holder.qos))
        }))
    }

    /// The owners a message to this topic goes to, each once, in ascending order.
    ///
    /// Filters without wildcards are found by the topic; the others are tried one by one.
    #[must_use]
    pub fn owners(&self, topic: &str) -> Vec<Owner> {
        let exact = self.exact.get(topic).into_iter();
        let patterns = self.patterns.iter();
        let matching = patterns.filter(|(filter, _)| filter.matches(topic));
        let entries = exact.chain(matching.map(|(_, entry)| entry));
        let mut owners: Vec<_> = entries
            .flat_map(|entry| entry.holders.iter().map(|held| held.owner))
            .collect();
        owners.sort_unstable();
        owners.dedup();
        owners
    }

    /// How many holds there are: filters, counted once for each owner.
    #[must_use]
    pub const fn holds(&self) -> usize {
        self.holds
    }

    fn map(&self, filter: &TopicFilter) -> &BTreeMap<TopicFilter, Entry> {
        if is_pattern(filter) {
            &self.patterns
        } else {
            &self.exact
        }
    }

    fn map_mut(&mut self, filter: &TopicFilter) -> &mut BTreeMap<TopicFilter, Entry> {
        if is_pattern(filter) {
            &mut self.patterns
        } else {
            &mut self.exact
        }
    }

    /// Counts removed holders, and removes the filter if there are none left.
    fn forget(&mut self, filter: &TopicFilter, removed: usize) {
        self.holds -= removed;
        let map = self.map_mut(filter);
        if map
            .get(filter)
            .is_some_and(|entry| entry.holders.is_empty())
        {
            map.remove(filter);
        }
    }

    fn retain(&mut self, mut change: impl FnMut(&mut Entry)) {
        for map in [&mut self.exact, &mut self.patterns] {
            map.retain(|_, entry| {
                change(entry);
                !entry.holders.is_empty()
            });
        }
        let all = self.exact.values().chain(self.patterns.values());
        self.holds = all.map(|entry| entry.holders.len()).sum();
    }
}

impl Entry {
    /// What the server granted, if it was asked for this quality or more.
    fn covering_grant(&self, qos: Qos) -> Option<SubackCode> {
        let (code, asked) = self.granted?;
        (asked >= qos).then(|| at_most(code, qos))
    }

    /// The SUBSCRIBE underway, if it asks for this quality or more.
    fn covering_ask(&self, qos: Qos) -> Option<Ask> {
        self.underway.filter(|ask| ask.qos >= qos)
    }
}

impl Holder {
    fn granted_qos(&self) -> Option<Qos> {
        match self.waiting {
            None => Some(self.qos),
            Some(waiting) => waiting.before,
        }
    }
}

/// A grant as its owner sees it: never more than asked for, though another owner may have more.
fn at_most(code: SubackCode, qos: Qos) -> SubackCode {
    if code.is_success() {
        code.min(SubackCode::from(qos))
    } else {
        code
    }
}

/// Whether the filter cannot be looked up by a topic.
fn is_pattern(filter: &TopicFilter) -> bool {
    filter.has_wildcard() || filter.share_group().is_some()
}

#[cfg(test)]
mod tests;
