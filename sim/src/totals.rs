//! What the runs saw: printed at the end, and the proof that they tested something.

use std::fmt;
use std::fmt::Write as _;

macro_rules! kinds {
    ($(#[$doc:meta])* $name:ident in $field:ident { $($variant:ident: $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        #[expect(missing_docs, reason = "the text beside each says it")]
        pub enum $name { $($variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// What it is called in print.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl Count for $name {
            fn place(self, totals: &mut Totals) -> &mut u64 {
                &mut totals.$field[self as usize]
            }
        }
    };
}

kinds! {
    /// What goes wrong on purpose.
    Fault in faults {
        Delayed: "message delayed by more than a second",
        Reordered: "messages of different topics reordered",
        Overtaken: "messages of one topic reordered",
        Duplicated: "QoS 1 message delivered twice",
        Lost: "QoS 0 message lost",
        Cut: "connection cut",
        LongOutage: "connection cut for long",
        SessionLost: "session lost",
        SessionResumed: "session resumed",
        DoubtfulSession: "session resumed after a CONNECT that was not answered",
        QueuedDelivery: "queued message delivered after a resumed session",
        Redelivered: "unacknowledged message delivered again",
        Retransmitted: "publish repeated after a resumed session",
        Stubborn: "publish repeated after a lost session",
        SecondConnect: "connected twice without a disconnect between",
        FilterRefused: "filter refused",
        SubackWithheld: "SUBACK withheld",
        UnsubackWithheld: "UNSUBACK withheld",
        PubackLost: "PUBACK lost",
        PublishRefused: "publish refused by the broker",
        SubscribeFailed: "SUBSCRIBE or UNSUBSCRIBE not sent by the driver",
        SendFailed: "publish not sent by the driver",
        Stalled: "driver does not poll for a while",
        LateWake: "driver wakes late",
        ClientRestart: "client restarted in a surviving session",
        ClientReplaced: "client restarted without its session",
        InjectedThrottle: "429 injected",
        NamelessThrottle: "429 injected without token",
        InjectedFailure: "500 injected, not applied",
        FailedAfterApply: "500 injected, applied",
        StoreFailure: "500 because the store failed",
        RateEnforced: "429 for the rate",
        WindowEnforced: "429 for more than 10 in flight",
        Swallowed: "request swallowed by the service",
        AnswerLost: "answer lost, request applied",
        ServiceRestart: "service restarted",
        ServiceBacklog: "request waited for the service to be back",
        Expired: "request expired before the service was back",
        SkewedClock: "request served by a host with another clock",
        Foreign: "request of a foreign client",
        ForeignNameless: "request of a foreign client without token",
        ForeignMalformed: "unreadable request of a foreign client",
        ForeignLookalike: "foreign token that looks like one of ours",
        Poison: "unreadable message on a response topic",
        Deleted: "shadow deleted",
        Recreated: "shadow made anew after a delete",
        CountedAnew: "shadow made anew with version 1 after its tombstone was forgotten",
    }
}

kinds! {
    /// How requests end.
    Outcome in outcomes {
        AcceptedGet: "accepted get",
        AcceptedUpdate: "accepted update",
        AcceptedDelete: "accepted delete",
        Published: "published",
        Rejected400: "rejected 400",
        Rejected404: "rejected 404",
        Rejected409: "rejected 409",
        Rejected413: "rejected 413",
        Rejected429: "rejected 429",
        Rejected500: "rejected 500",
        PublishRefused: "publish refused",
        TimedOut: "timed out",
        TimedOutWithHint: "timed out with a hint",
        Disconnected: "disconnected",
        SubscribeRefused: "subscribe refused",
        Offline: "not sent: offline",
        NotSent: "not sent: refused by the driver",
        Cancelled: "cancelled",
        Removed: "removed",
    }
}

kinds! {
    /// How far a request got that failed.
    Reached in stages {
        Queued: "queued",
        Subscribing: "subscribing",
        Sent: "sent",
        Acknowledged: "acknowledged",
    }
}

kinds! {
    /// What the clients did besides answering requests.
    Happened in events {
        Retry: "retry after a rejection",
        Merged: "update merged into a newer one",
        LateAnswer: "late answer",
        Delta: "delta delivered",
        Documents: "documents delivered",
        Ready: "ready with a document",
        ReadyWithout: "ready without a shadow",
        ReadyUnfetched: "ready without a get",
        ResyncFailed: "resync failed",
        Deleted: "delete seen",
        ForeignAnswer: "foreign answer seen",
        Unattributed: "rejection without token",
        Undecodable: "message undecodable",
        Refused: "refusal told",
        Lagged: "events dropped for a slow application",
        DuplicateDropped: "duplicate dropped",
        OldDropped: "old message dropped",
        QueueFull: "call refused: queue full",
        Budget: "call refused: subscription budget",
        TokenInUse: "call refused: token in use",
        TokenPrefixed: "call refused: token with our prefix",
        TooLarge: "call refused: too large",
    }
}

kinds! {
    /// Plain counts, of which none has to be reached.
    Sum in sums {
        Seeds: "seeds",
        Steps: "steps",
        VirtualSeconds: "virtual seconds",
        Clients: "clients",
        Requests: "requests",
        Published: "publishes of clients",
        Messages: "messages delivered to clients",
        Served: "requests served",
        Reconnects: "connections",
        Resyncs: "resyncs",
        Deltas: "deltas",
        Followed: "followed shadows in step at the end",
    }
}

/// Something that is counted.
pub trait Count: Copy {
    /// Where its count is.
    fn place(self, totals: &mut Totals) -> &mut u64;
}

/// More than there are of any kind.
const KINDS: usize = 64;

/// Counts of everything.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Totals {
    faults: [u64; KINDS],
    outcomes: [u64; KINDS],
    stages: [u64; KINDS],
    events: [u64; KINDS],
    sums: [u64; KINDS],
}

impl Default for Totals {
    fn default() -> Self {
        let none = [0; KINDS];
        Self {
            faults: none,
            outcomes: none,
            stages: none,
            events: none,
            sums: none,
        }
    }
}

impl Totals {
    /// Counts one.
    pub fn note(&mut self, what: impl Count) {
        self.add(what, 1);
    }

    /// Counts several.
    pub fn add(&mut self, what: impl Count, number: u64) {
        *what.place(self) += number;
    }

    /// A count.
    #[must_use]
    pub fn get(&self, what: impl Count) -> u64 {
        *what.place(&mut self.clone())
    }

    /// Takes in the counts of another run.
    pub fn merge(&mut self, other: &Self) {
        for (mine, others) in [
            (&mut self.faults, &other.faults),
            (&mut self.outcomes, &other.outcomes),
            (&mut self.stages, &other.stages),
            (&mut self.events, &other.events),
            (&mut self.sums, &other.sums),
        ] {
            for (sum, count) in mine.iter_mut().zip(others) {
                *sum += count;
            }
        }
    }

    /// The kinds of faults, outcomes, stages and events that occurred fewer than `least` times.
    #[must_use]
    pub fn rare(&self, least: u64) -> Vec<String> {
        let mut rare = Vec::new();
        let mut look = |text: &str, count: u64| {
            if count < least {
                rare.push(format!("{text}: {count}"));
            }
        };
        for kind in Fault::ALL {
            look(kind.text(), self.get(*kind));
        }
        for kind in Outcome::ALL {
            look(kind.text(), self.get(*kind));
        }
        for kind in Reached::ALL {
            look(kind.text(), self.get(*kind));
        }
        for kind in Happened::ALL {
            look(kind.text(), self.get(*kind));
        }
        rare
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = String::new();
        let mut section = |title: &str, rows: Vec<(&str, u64)>| -> fmt::Result {
            writeln!(all, "{title}")?;
            for (text, count) in rows {
                writeln!(all, "  {count:>12}  {text}")?;
            }
            Ok(())
        };
        let of = |text: &'static str, count: u64| (text, count);
        section(
            "totals",
            Sum::ALL
                .iter()
                .map(|kind| of(kind.text(), self.get(*kind)))
                .collect(),
        )?;
        section(
            "faults",
            Fault::ALL
                .iter()
                .map(|kind| of(kind.text(), self.get(*kind)))
                .collect(),
        )?;
        section(
            "outcomes",
            Outcome::ALL
                .iter()
                .map(|kind| of(kind.text(), self.get(*kind)))
                .collect(),
        )?;
        section(
            "stages of failed requests",
            Reached::ALL
                .iter()
                .map(|kind| of(kind.text(), self.get(*kind)))
                .collect(),
        )?;
        section(
            "events",
            Happened::ALL
                .iter()
                .map(|kind| of(kind.text(), self.get(*kind)))
                .collect(),
        )?;
        f.write_str(&all)
    }
}
